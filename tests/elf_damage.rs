//! The ELF reader on damaged files, hostile numbers and odd streams.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::io::{self, Read};

use cudalint::elf::{CodeKind, ScannedFile, scan};
use cudalint::limits::Limits;
use proptest::prelude::*;

#[path = "support/elf.rs"]
mod elf;

use elf::{Code, Elf};

fn read(bytes: &[u8], name: &str) -> ScannedFile {
    scan(bytes, bytes.len() as u64, name, &Limits::default())
}

fn sass(file: &ScannedFile) -> Vec<String> {
    let sass = file.device_code.entries.iter().filter(|entry| entry.kind == CodeKind::Sass);
    sass.map(|entry| format!("{:?} {} x{}", entry.section, entry.target, entry.count)).collect()
}

/// A file with everything, larger than the window that moves over it.
fn rich() -> Vec<u8> {
    let filler: Vec<u8> = (0..40_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    elf::static_program("12.4")
        .section(".filler1", &filler)
        .fatbin(&[
            Code::sass("80").payload(&filler),
            Code::ptx("90", "8.4").options("-v"),
            Code::sass("90a").lz4(),
        ])
        .texts(&["libcudnn.so.9", "libnvrtc.so.12"])
        .section(".filler2", &filler)
        .section(".cubin", &elf::cubin(75, 112))
        .relocatable_fatbin(&[Code::ptx("90", "8.4").options("--compile-only")])
        .build()
}

/// Gives at most `step` bytes at a time, with interruptions.
struct Slow<'b> {
    rest: &'b [u8],
    step: usize,
    interrupt: bool,
}

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.step.min(out.len());
        self.rest.read(&mut out[..len])
    }
}

#[test]
fn result_does_not_depend_on_how_bytes_arrive() {
    let bytes = rich();
    assert!(bytes.len() > 700 << 10);
    let whole = read(&bytes, "app");
    assert_eq!(whole.problems, []);
    assert_eq!(whole.dlopen, ["libcuda.so.1", "libcudnn.so.9", "libnvrtc.so.12"]);
    assert_eq!(whole.device_code.entries.len(), 5);
    for step in [1, 7, 4_096, 100_003] {
        let slow = Slow { rest: &bytes, step, interrupt: false };
        let file = scan(slow, bytes.len() as u64, "app", &Limits::default());
        assert_eq!(file, whole, "step {step}");
    }
}

#[test]
fn signs_are_found_wherever_they_meet_the_edge_of_the_window() {
    let plain = elf::fatbin(&[Code::sass("90")]);
    for shift in (0..1_200).step_by(8) {
        let padding = (512 << 10) - 2_000 + shift;
        let elf = Elf::x86_64()
            .padding(padding)
            .code_constant("12.4")
            .texts(&["CUDA driver version is insufficient for CUDA runtime version"])
            .section(".nv_fatbin", &plain);
        let file = read(&elf.build(), "app");
        assert_eq!(sass(&file), ["NvFatbin 90 x1"], "shift {shift}");
        assert!(file.cudart.is_some(), "shift {shift}");
    }
}

#[test]
fn cut_at_every_length() {
    let fixtures = [
        elf::cudart("12.4")
            .build_id("0011")
            .fatbin(&[Code::sass("80").lz4(), Code::concatenated(&[Code::ptx("90", "8.4")])])
            .build(),
        elf::consumer("12").tables_last().build(),
        Elf::i386().soname("libcuda.so.1").function("cuInit", 5).build(),
        elf::archive(&[("a.o", Elf::x86_64().object().fatbin(&[Code::sass("80")]).build())]),
        elf::fatbin(&[Code::ptx("90", "8.4").options("-v"), Code::sass("80")]),
    ];
    for bytes in fixtures {
        for len in 0..bytes.len() {
            let file = scan(&bytes[..len], bytes.len() as u64, "libcuda.so.1", &Limits::default());
            assert!(!file.is_complete(), "cut at {len} of {} goes unnoticed", bytes.len());
            // A file that is really this long must not end badly either.
            let _ = read(&bytes[..len], "x");
        }
    }
}

#[test]
fn huge_counts() {
    // Header fields: program and section table position, sizes and counts.
    for (at, width) in [(32, 8), (40, 8), (54, 2), (56, 2), (58, 2), (60, 2), (62, 2)] {
        for value in [0u64, 1, 0xffff, 0xffff_ffff, u64::MAX, u64::MAX - 7] {
            let mut bytes = elf::consumer("12").build();
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            let _ = read(&bytes, "app");
        }
    }
    // Every 8-byte field of the file in turn.
    let bytes = elf::cudart("12.4").build_id("0011").build();
    for at in (0..bytes.len() - 8).step_by(4) {
        for value in [u64::MAX, 1 << 62, 0xffff_ffff_0000_0001] {
            let mut bytes = bytes.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            let _ = read(&bytes, "libcudart.so.12");
        }
    }
}

#[test]
fn facts_survive_serialisation() {
    let file = read(&rich(), "app");
    let text = serde_json::to_string(&file).expect("JSON");
    let back: ScannedFile = serde_json::from_str(&text).expect("JSON");
    assert_eq!(back, file);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damage is never a panic, keeps the bounds, and never depends on how bytes arrive.
    #[test]
    fn damaged_files(
        which in 0usize..5,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        cut in any::<prop::sample::Index>(),
        step in 1usize..5_000,
    ) {
        let mut bytes = match which {
            0 => elf::cudart("12.4").fatbin(&[Code::sass("80").lz4(), Code::ptx("90", "8.4").options("-v")]).build(),
            1 => elf::compat_libcuda("590.44.01", "13.1", &[535]).tables_last().build(),
            2 => Elf::ppc64().needs_version("libcudart.so.12", &["libcudart.so.12"]).undefined("cudaFree").build(),
            3 => elf::archive(&[("a.o", Elf::x86_64().object().fatbin(&[Code::sass("80")]).build()), ("b.o", elf::cubin(90, 124))]),
            _ => elf::fatbin(&[Code::concatenated(&[Code::sass("90"), Code::ptx("120", "9.5")]), Code::sass("80")]),
        };
        for (index, value) in edits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        let limits = Limits { elf_kept_bytes: 64 << 10, ..Limits::default() };
        let file = scan(&bytes[..], bytes.len() as u64, "libcuda.so.1", &limits);
        prop_assert!(file.peak_kept_bytes <= limits.elf_kept_bytes);
        let slow = scan(Slow { rest: &bytes, step, interrupt: false }, bytes.len() as u64, "libcuda.so.1", &limits);
        prop_assert_eq!(file, slow);
    }

    /// Whatever the codes, the listing gives them back.
    #[test]
    fn codes_round_trip(codes in proptest::collection::vec((0usize..3, 30u16..130, 0usize..3, 0u8..3), 1..20)) {
        let made: Vec<Code> = codes
            .iter()
            .map(|(kind, sm, suffix, compression)| {
                let target = format!("{sm}{}", ["", "a", "f"][*suffix]);
                let code = match kind {
                    0 => Code::sass(&target),
                    1 => Code::ptx(&target, "8.4"),
                    _ => Code::nvvm(&target),
                };
                match compression {
                    0 => code,
                    1 => code.lz4(),
                    _ => code.zstd(),
                }
            })
            .collect();
        let file = read(&elf::consumer("12").fatbin(&made).build(), "app");
        prop_assert_eq!(&file.problems, &[]);
        let total: u64 = file.device_code.entries.iter().map(|entry| entry.count).sum();
        prop_assert_eq!(total, codes.len() as u64);
        for (kind, sm, suffix, _) in codes {
            let kind = [CodeKind::Sass, CodeKind::Ptx, CodeKind::Nvvm][kind];
            let target = format!("{sm}{}", ["", "a", "f"][suffix]);
            prop_assert!(file.device_code.entries.iter().any(|entry| entry.kind == kind && entry.target.to_string() == target));
        }
    }
}
