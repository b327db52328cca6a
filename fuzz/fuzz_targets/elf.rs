//! Any bytes as an ELF file or archive: no panic, bounded memory, the same result however the bytes arrive.
#![no_main]

use std::io::{self, Read};

use cudalint::elf::{prefilter, scan};
use cudalint::limits::Limits;
use libfuzzer_sys::fuzz_target;

/// Gives a few bytes at a time.
struct Trickle<'b>(&'b [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(37);
        self.0.read(&mut out[..len])
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { elf_kept_bytes: 16 << 10, fatbin_entries: 100, ..Limits::default() };
    let len = data.len() as u64;
    let _ = prefilter(data, len, "libcudart.so.12");
    for name in ["libcudart.so.12.4.127", "libcuda.so.1"] {
        let whole = scan(data, len, name, &limits);
        assert!(whole.peak_kept_bytes <= limits.elf_kept_bytes);
        assert_eq!(whole, scan(Trickle(data), len, name, &limits));
    }
});
