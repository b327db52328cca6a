//! Reads files written by our own writer: every sign the reader goes by, damage, hostile numbers, odd streams.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::io::{self, Read};

use cudalint::elf::{
    CudartKind, DriverFlavor, DriverSoname, DriverVersionSource, FileKind, Machine, Part, PartState, Problem,
    ScannedFile, SectionClass, VersionSource, prefilter, scan,
};
use cudalint::limits::Limits;

#[path = "support/elf.rs"]
mod elf;

use elf::{Code, Elf};

fn read(bytes: &[u8], name: &str) -> ScannedFile {
    scan(bytes, bytes.len() as u64, name, &Limits::default())
}

fn whole(elf: &Elf, name: &str) -> ScannedFile {
    let bytes = elf.build();
    assert!(prefilter(&bytes[..8], bytes.len() as u64, name), "{name} is filtered out");
    let file = read(&bytes, name);
    assert_eq!(file.problems, [], "{name}");
    file
}

/// `section kind target isa count` of every entry.
fn listing(file: &ScannedFile) -> Vec<String> {
    file.device_code
        .entries
        .iter()
        .map(|entry| {
            let isa = entry.ptx_isa.map(|isa| format!(" isa {isa}")).unwrap_or_default();
            format!("{:?} {:?} {}{isa} x{}", entry.section, entry.kind, entry.target, entry.count)
        })
        .collect()
}

#[test]
fn shared_runtime() {
    for (version, family, elf) in [
        ("9.0", "9.0", elf::cudart("9.0")),
        ("11.8", "11.0", elf::cudart("11.8")),
        ("12.4", "12", elf::cudart("12.4")),
        ("13.5", "13", elf::cudart_aarch64("13.5")),
    ] {
        let file = whole(&elf, "libcudart.so.12");
        let cudart = file.cudart.expect("a runtime");
        assert_eq!(cudart.kind, CudartKind::Shared);
        assert_eq!(cudart.family.as_deref(), Some(family));
        let (found, source) = cudart.version().expect("a version");
        assert_eq!((found.to_string().as_str(), source), (version, VersionSource::CodeConstant));
        assert_eq!(cudart.disagreements(), []);
        assert_eq!(file.driver, None);
        let facts = file.elf.expect("facts");
        assert_eq!(facts.soname, Some(format!("libcudart.so.{family}")));
        assert_eq!(facts.function_count, 5);
        assert!(facts.defined.iter().any(|symbol| symbol.name == "cudaMalloc" && symbol.size == 300));
    }
}

#[test]
fn build_id_names_the_patch_release_and_file_names_only_hint() {
    let known = "85e010b7ac7b489d670f700f82c0cbb42f2ee8ea";
    let file = whole(&elf::cudart("12.4").build_id(known), "libcudart.so.12.3.52");
    let cudart = file.cudart.expect("a runtime");
    let (patch, source) = cudart.patch().expect("a patch release");
    assert_eq!((patch.to_string().as_str(), source), ("12.4.127", VersionSource::BuildId));
    assert_eq!(cudart.disagreements().len(), 1);
    assert_eq!(cudart.disagreements()[0].1, VersionSource::FileName);
    assert_eq!(file.elf.expect("facts").build_id.as_deref(), Some(known));

    let renamed = elf::cudart("12.0").soname("libcudart-5a077122.so.12.0.107");
    let cudart = whole(&renamed, "libcudart-5a077122.so.12.0.107").cudart.expect("a runtime");
    assert_eq!(
        cudart.patch().map(|(patch, source)| (patch.to_string(), source)),
        Some(("12.0.107".to_owned(), VersionSource::FileName))
    );
    assert_eq!(cudart.disagreements(), []);
}

#[test]
fn static_runtime() {
    for elf in [
        elf::static_program("11.1"),
        elf::static_program_aarch64("11.1"),
        elf::static_program("11.1").without_section_table(),
    ] {
        let file = whole(&elf, "app");
        let cudart = file.cudart.expect("a runtime");
        assert_eq!(cudart.kind, CudartKind::Static);
        assert_eq!(cudart.version().map(|(version, _)| version.to_string()).as_deref(), Some("11.1"));
        assert_eq!(file.dlopen, ["libcuda.so.1"]);
    }
}

#[test]
fn text_or_constant_alone_is_no_runtime() {
    let text = Elf::x86_64().texts(&["CUDA driver version is insufficient for CUDA runtime version"]);
    assert_eq!(whole(&text, "libmxnet.so").cudart, None);
    assert_eq!(whole(&Elf::x86_64().code_constant("12.4").padding(600), "a.so").cudart, None);
    let both = elf::static_program("12.4").code_constant("12.8");
    let cudart = whole(&both, "app").cudart.expect("a runtime");
    assert!(cudart.constant_conflict);
    assert_eq!(cudart.version(), None);
}

#[test]
fn consumer() {
    let file = whole(&elf::consumer("12").rpath("$ORIGIN/../lib").undefined("cudaGetKernel"), "app");
    assert_eq!(file.cudart, None);
    assert_eq!(file.dlopen, Vec::<String>::new());
    let facts = file.elf.expect("facts");
    assert_eq!(facts.needed, ["libcudart.so.12", "libc.so.6"]);
    assert_eq!(facts.rpath.as_deref(), Some("$ORIGIN/../lib"));
    assert_eq!(facts.runpath, None);
    assert_eq!(facts.runtime_need(), Some("12"));
    assert_eq!(facts.runtime_floor().map(|version| version.to_string()).as_deref(), Some("12.1"));
    // Linked but not used.
    let idle = whole(&Elf::x86_64().needed("libcudart.so.12").padding(600), "app").elf.expect("facts");
    assert_eq!(idle.runtime_need(), None);
}

#[test]
fn driver_libraries() {
    let file = whole(&elf::libcuda("535.261.03").code_constant("12.2"), "libcuda.so.1");
    let driver = file.driver.expect("a driver library");
    assert_eq!((driver.soname, driver.flavor), (DriverSoname::LibCuda, DriverFlavor::Real));
    let (version, source) = driver.version.expect("a version");
    assert_eq!((version.as_str(), source), ("535.261.03", DriverVersionSource::Content));
    assert_eq!(driver.cuda_version.map(|version| version.to_string()).as_deref(), Some("12.2"));
    assert_eq!(file.cudart, None, "libcuda has the same constant");

    let stub = whole(&elf::libcuda_stub(), "libcuda.so");
    assert!(stub.stub);
    let driver = stub.driver.expect("a driver library");
    assert_eq!((driver.flavor, driver.version), (DriverFlavor::Stub, None));

    let nvml =
        whole(&elf::libnvidia_ml("550.54.15"), "libnvidia-ml.so.550.54.15").driver.expect("a driver library");
    assert_eq!((nvml.soname, nvml.flavor), (DriverSoname::LibNvidiaMl, DriverFlavor::Real));
    assert_eq!(
        nvml.version.map(|(version, source)| (version.to_string(), source)),
        Some(("550.54.15".to_owned(), DriverVersionSource::Content))
    );
    let stub = whole(&elf::libnvidia_ml_stub(), "libnvidia-ml.so").driver.expect("a driver library");
    assert_eq!(stub.flavor, DriverFlavor::Stub);

    let other = Elf::x86_64().soname("libnvidia-ptxjitcompiler.so.1").function("f", 999).padding(600);
    let driver = whole(&other, "libnvidia-ptxjitcompiler.so.535.261.03").driver.expect("a driver library");
    assert_eq!(driver.version.map(|(_, source)| source), Some(DriverVersionSource::FileName));
}

#[test]
fn compat_library() {
    let driver = whole(&elf::compat_libcuda("590.44.01", "13.1", &[535, 580]), "libcuda.so.590.44.01")
        .driver
        .expect("a driver library");
    assert_eq!(driver.flavor, DriverFlavor::Compat);
    assert_eq!(driver.version.map(|(version, _)| version.to_string()).as_deref(), Some("590.44.01"));
    let note = driver.compat_note.expect("a note");
    assert_eq!(note.cuda_version.as_deref(), Some("13.1"));
    assert_eq!(note.drivers, Some(vec![535, 580]));
    assert_eq!(note.devices, Some(vec![1, 2, 7]));
    let broken =
        elf::libcuda("590.44.01").note(".note.cuda.fwd_compatibility", "NVIDIA Corporation", 1, b"{]");
    let driver = whole(&broken, "libcuda.so.1").driver.expect("a driver library");
    assert!(driver.compat_note.expect("a note").malformed);
}

#[test]
fn empty_files() {
    assert!(prefilter(b"", 0, "libcuda.so.1"));
    assert!(!prefilter(b"", 0, "libc.so.6"));
    let file = read(b"", "libnvidia-ml.so.1");
    assert_eq!((file.kind, file.problems.len()), (FileKind::Empty, 0));
    let driver = file.driver.expect("a driver library");
    assert_eq!((driver.soname, driver.flavor), (DriverSoname::LibNvidiaMl, DriverFlavor::Empty));
    assert_eq!(read(b"", "notes.txt").driver, None);
}

#[test]
fn device_code_by_section() {
    let elf = elf::consumer("12")
        .fatbin(&[Code::sass("80"), Code::sass("90a").lz4(), Code::ptx("90", "8.4").zstd(), Code::nvvm("90")])
        .relocatable_fatbin(&[Code::ptx("90", "8.4").options("-O3 --compile-only"), Code::sass("80")])
        .section(".rodata.code", &elf::fatbin(&[Code::sass("100f"), Code::sass("100f")]))
        .section(".data.cubin", &elf::cubin(75, 112));
    let file = whole(&elf, "app");
    assert_eq!(
        listing(&file),
        [
            "NvFatbin Sass 80 x1",
            "NvFatbin Sass 90a x1",
            "NvFatbin Ptx 90 isa 8.4 x1",
            "NvFatbin Nvvm 90 x1",
            "RelFatbin Sass 80 x1",
            "RelFatbin Ptx 90 isa 8.4 x1",
            "Other Sass 100f x2",
            "RawCubin Sass 75 x1",
        ]
    );
    let jit: Vec<_> = file.device_code.entries.iter().filter(|entry| entry.is_jit_ptx()).collect();
    assert_eq!((jit.len(), jit[0].section), (1, SectionClass::NvFatbin));
    assert!(file.device_code.entries.iter().any(|entry| entry.compile_only));
    let toolkits: Vec<_> =
        file.device_code.toolkits.iter().map(|(release, count)| format!("{release} x{count}")).collect();
    assert_eq!(toolkits, ["11.2 x1", "12.4 x5"]);
    assert_eq!(file.device_code.containers, 3);
}

#[test]
fn linker_input_is_no_jit_fallback_without_section_names_either() {
    let elf = elf::consumer("12")
        .relocatable_fatbin(&[Code::ptx("90", "8.4").options("--compile-only")])
        .without_section_table();
    let file = whole(&elf, "app");
    assert_eq!(listing(&file), ["Unknown Ptx 90 isa 8.4 x1"]);
    assert!(!file.device_code.entries[0].is_jit_ptx());
    assert_eq!(file.elf.expect("facts").needed.len(), 2, "dynamic facts do not need sections");
}

#[test]
fn concatenated_entries() {
    let codes = [Code::sass("90"), Code::sass("100f"), Code::ptx("120", "9.5").options("--compile-only")];
    let file = whole(&elf::consumer("13").fatbin(&[Code::concatenated(&codes)]), "app");
    assert_eq!(
        listing(&file),
        ["NvFatbin Sass 90 x1", "NvFatbin Sass 100f x1", "NvFatbin Ptx 120 isa 9.5 x1"]
    );
    assert!(file.device_code.entries[2].compile_only);
}

#[test]
fn archives() {
    let object = |codes: &[Code]| Elf::x86_64().object().fatbin(codes).build();
    let relocatable = Elf::x86_64().object().relocatable_fatbin(&[Code::sass("86")]).build();
    let bytes = elf::archive(&[
        ("a.o", object(&[Code::sass("80")])),
        ("odd", vec![7; 33]),
        ("b.o", object(&[Code::ptx("80", "7.4")])),
        ("c.o", relocatable),
    ]);
    assert!(prefilter(&bytes[..8], bytes.len() as u64, "libx.a"));
    let file = read(&bytes, "libx.a");
    assert_eq!((file.kind, file.problems.as_slice()), (FileKind::Archive, &[][..]));
    assert_eq!(listing(&file), ["NvFatbin Sass 80 x1", "NvFatbin Ptx 80 isa 7.4 x1", "RelFatbin Sass 86 x1"]);
    assert_eq!(file.elf, None);

    let runtime = elf::archive(&[("a.o", elf::static_program("12.8").object().build())]);
    let cudart = read(&runtime, "libcudart_static.a").cudart.expect("a runtime");
    assert_eq!(
        (cudart.kind, cudart.version().map(|(version, _)| version.to_string())),
        (CudartKind::Static, Some("12.8".to_owned()))
    );

    let mut damaged = bytes;
    damaged[8 + 48] = b'x';
    assert!(matches!(read(&damaged, "libx.a").problems[..], [Problem::BrokenArchive { offset: 8 }]));
}

#[test]
fn bare_files() {
    let bytes = elf::fatbin(&[Code::sass("90"), Code::ptx("90", "8.4")]);
    let file = read(&bytes, "kernel.fatbin");
    assert_eq!(file.kind, FileKind::Fatbin);
    assert_eq!(listing(&file), ["File Sass 90 x1", "File Ptx 90 isa 8.4 x1"]);

    let mut bytes = elf::cubin(90, 124);
    bytes.resize(600, 0);
    let file = read(&bytes, "kernel.cubin");
    assert_eq!(file.elf.as_ref().map(|facts| facts.machine), Some(Machine::Cuda));
    assert_eq!(listing(&file), ["File Sass 90 x1"]);

    let text = format!("//\n.version 8.4\n.target sm_90a\n.address_size 64\n{}", "// kernel\n".repeat(60));
    assert!(prefilter(&text.as_bytes()[..8], text.len() as u64, "kernel.ptx"));
    let file = read(text.as_bytes(), "kernel.ptx");
    assert_eq!((file.kind, listing(&file)), (FileKind::Ptx, vec!["File Ptx 90a isa 8.4 x1".to_owned()]));
    assert!(file.device_code.entries[0].is_jit_ptx());
    let file = read(b"#!/bin/sh\nexit 0\n", "run.ptx");
    assert_eq!((file.kind, file.device_code.is_empty()), (FileKind::Other, true));
}

#[test]
fn other_machines_and_layouts() {
    for (machine, elf) in
        [(Machine::I386, Elf::i386()), (Machine::Ppc64, Elf::ppc64()), (Machine::Aarch64, Elf::aarch64())]
    {
        for elf in [elf.clone(), elf.tables_last()] {
            let elf = elf
                .soname("libx.so.1")
                .needed("liby.so.2")
                .runpath("/opt/lib")
                .defines_version("X_1")
                .needs_version("liby.so.2", &["Y_1", "Y_2"])
                .function("cuOne", 77)
                .undefined("cudaMalloc")
                .build_id("00ff10");
            let facts = whole(&elf, "libx.so.1").elf.expect("facts");
            assert_eq!(facts.machine, machine);
            assert_eq!(facts.soname.as_deref(), Some("libx.so.1"));
            assert_eq!(facts.needed, ["liby.so.2"]);
            assert_eq!(facts.runpath.as_deref(), Some("/opt/lib"));
            assert_eq!(facts.version_definitions[0].name, "X_1");
            assert!(facts.version_definitions[0].base);
            assert_eq!(facts.version_needs[0].versions, ["Y_1", "Y_2"]);
            assert_eq!(facts.build_id.as_deref(), Some("00ff10"));
            assert_eq!((facts.largest_function, facts.function_count), (77, 1));
            assert_eq!(facts.undefined[0].name, "cudaMalloc");
        }
    }
}

#[test]
fn little_kept_and_tables_at_the_end() {
    let limits = Limits { elf_kept_bytes: 200 << 10, ..Limits::default() };
    let elf = elf::cudart("12.4").padding(4 << 20).tables_last();
    let bytes = elf.build();
    let file = scan(&bytes[..], bytes.len() as u64, "libcudart.so.12", &limits);
    assert_eq!(file.problems, []);
    assert!(file.peak_kept_bytes <= limits.elf_kept_bytes, "{}", file.peak_kept_bytes);
    let facts = file.elf.expect("facts");
    assert_eq!(facts.soname.as_deref(), Some("libcudart.so.12"));
    assert_eq!(facts.function_count, 5);
    assert_eq!(facts.parts.sections, PartState::Read);
}

#[test]
fn a_spent_budget_is_reported() {
    let limits = Limits { elf_kept_bytes: 1_000, ..Limits::default() };
    let bytes = elf::cudart("12.4").padding(1 << 20).tables_last().build();
    let file = scan(&bytes[..], bytes.len() as u64, "libcudart.so.12", &limits);
    assert!(file.peak_kept_bytes <= 1_000);
    assert!(
        file.problems
            .iter()
            .any(|problem| matches!(problem, Problem::Limit { limit, .. } if limit == "elf_kept_bytes"))
    );
    assert!(file.problems.contains(&Problem::Unreadable { part: Part::Dynamic }));
    // The name tells that it is the shared runtime, the constant which.
    assert_eq!(file.cudart.expect("a runtime").kind, CudartKind::Shared);
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let head = elf::cudart("12.4").build();
    let limits = Limits { elf_kept_bytes: 1 << 20, ..Limits::default() };
    let size = 64 << 20;
    let zeros = io::repeat(0).take(size - head.len() as u64);
    let file = scan(head.chain(zeros), size, "x.so", &limits);
    assert_eq!(file.size, size);
    assert!(file.peak_kept_bytes <= 1 << 20);
}

impl Chained for Vec<u8> {}

trait Chained: AsRef<[u8]> + Sized {
    fn chain(self, rest: impl Read) -> impl Read {
        io::Read::chain(io::Cursor::new(self), rest)
    }
}

#[test]
fn debug_files_and_packed_programs() {
    let elf = elf::cudart("12.4").nobits(".text").without_section_table();
    assert!(!whole(&elf, "libcudart.so.12").elf.expect("facts").debug_file);
    let elf = Elf::x86_64().soname("libcuda.so.1").nobits(".dynamic").padding(600);
    let facts = whole(&elf, "libcuda.debug").elf.expect("facts");
    assert!(facts.debug_file);
    assert_eq!((facts.soname, facts.parts.dynamic), (None, PartState::Absent));

    let packed = Elf::x86_64().object().section(".x", b"....UPX!").padding(600).without_section_table();
    let file = read(&packed.build(), "app");
    assert!(file.elf.expect("facts").packed);
    assert_eq!(file.problems, [Problem::Packed]);
}

#[test]
fn limits_are_named() {
    let bytes = elf::consumer("12").fatbin(&[Code::sass("80"), Code::sass("86"), Code::sass("90")]).build();
    let limits = Limits { fatbin_entries: 2, ..Limits::default() };
    let file = scan(&bytes[..], bytes.len() as u64, "app", &limits);
    assert!(file.device_code.limit_reached);
    assert_eq!(file.problems, [Problem::Limit { limit: "fatbin_entries".to_owned(), value: 2 }]);

    let limits = Limits { elf_file_bytes: 700, ..Limits::default() };
    let file = scan(&bytes[..], bytes.len() as u64, "app", &limits);
    assert_eq!(file.size, 700);
    assert!(file.problems.contains(&Problem::Limit { limit: "elf_file_bytes".to_owned(), value: 700 }));
    assert!(file.problems[0].to_string().contains("--limit elf_file_bytes=VALUE"));
}

#[test]
fn a_size_that_lies_costs_nothing() {
    let bytes = elf::cudart("12.4").build();
    let file = scan(
        &bytes[..],
        u64::MAX >> 1,
        "libcudart.so.12",
        &Limits { elf_file_bytes: u64::MAX, ..Limits::default() },
    );
    assert_eq!(file.problems, [Problem::Truncated { read: bytes.len() as u64, declared: u64::MAX >> 1 }]);
    assert!(file.cudart.is_some());
}

#[test]
fn a_stream_that_fails() {
    struct Failing<'b>(&'b [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::other("checksum mismatch")),
                came => Ok(came),
            }
        }
    }
    let bytes = elf::static_program("12.4").build();
    let file = scan(Failing(&bytes[..4_000]), bytes.len() as u64, "app", &Limits::default());
    assert!(
        matches!(&file.problems[0], Problem::ReadFailed { read: 4_000, message } if message == "checksum mismatch")
    );
    assert!(!file.is_complete());
}

#[test]
fn false_magics_and_broken_containers() {
    let mut data = vec![];
    for _ in 0..100 {
        data.extend_from_slice(&[0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]);
    }
    let mut broken = elf::fatbin(&[Code::sass("80"), Code::sass("90")]);
    let second = broken.len() - 128;
    broken[second + 2] = 9;
    let elf =
        elf::consumer("12").section(".data", &data).fatbin(&[Code::sass("86")]).section(".data1", &broken);
    let file = read(&elf.build(), "app");
    // The cubin of the damaged entry is still seen as one that stands alone.
    assert_eq!(listing(&file), ["NvFatbin Sass 86 x1", "Other Sass 80 x1", "RawCubin Sass 90 x1"]);
    assert_eq!(file.problems, [Problem::BrokenFatbin { count: 1 }]);
}

#[test]
fn texts_in_payloads_do_not_count() {
    let payload = b"CUDA driver version is insufficient for CUDA runtime version\0libcudnn.so.9\0".repeat(10);
    let elf = elf::consumer("12").fatbin(&[Code::sass("80").payload(&payload)]).code_constant("12.4");
    let file = whole(&elf, "app");
    assert_eq!((file.cudart, file.dlopen), (None, vec![]));
}
