//! Any bytes as the entries of a fatbin, bare and inside of an ELF file without sections: no panic, counts within the
//! limit, and no more entries than there are bytes.
#![no_main]

use cudalint::elf::scan;
use cudalint::limits::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { fatbin_entries: 1_000, ..Limits::default() };
    let mut file = vec![0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
    file.extend_from_slice(&(data.len() as u64).to_le_bytes());
    file.extend_from_slice(data);
    let bare = scan(&file[..], file.len() as u64, "kernel.fatbin", &limits);

    let mut inside = b"\x7fELF\x02\x01\x01".to_vec();
    inside.resize(64, 0);
    inside.extend_from_slice(&file);
    let inside = scan(&inside[..], inside.len() as u64, "app", &limits);

    for found in [&bare, &inside] {
        let total: u64 = found.device_code.entries.iter().map(|entry| entry.count).sum();
        assert!(total <= 1_000 && total <= file.len() as u64);
    }
});
