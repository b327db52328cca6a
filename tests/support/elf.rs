//! Writes small ELF files, archives and fatbins of our own: look-alikes of NVIDIA's libraries that carry the signs the
//! reader goes by and nothing of NVIDIA's code.
//!
//! ```ignore
//! let runtime: Vec<u8> = elf::cudart("12.4").build();
//! let program = elf::consumer("12").runpath("$ORIGIN/../lib").fatbin(&[Code::sass("90a"), Code::ptx("90", "8.4")]).build();
//! let driver = elf::libcuda("535.261.03").build();
//! ```
//!
//! Every function gives an [`Elf`] that can be changed further before [`Elf::build`].

// Each test binary uses a part of this.
#![allow(dead_code, missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice)]

/// Padding (zeros, which compress well) that brings programs with a static runtime to a likely size.
const STATIC_PROGRAM_BYTES: usize = 300 << 10;

/// One ELF file to be written.
#[derive(Debug, Clone)]
pub struct Elf {
    machine: u16,
    wide: bool,
    big: bool,
    object_type: u16,
    soname: Option<String>,
    needed: Vec<String>,
    rpath: Option<String>,
    runpath: Option<String>,
    defines: Vec<String>,
    needs: Vec<(String, Vec<String>)>,
    functions: Vec<(String, u64)>,
    undefined: Vec<String>,
    build_id: Option<Vec<u8>>,
    notes: Vec<(String, String, u32, Vec<u8>)>,
    sections: Vec<(String, Vec<u8>)>,
    nobits: Vec<String>,
    tables_last: bool,
    section_table: bool,
    dynamic: bool,
}

impl Elf {
    fn new(machine: u16, wide: bool, big: bool) -> Self {
        Self {
            machine,
            wide,
            big,
            object_type: 3,
            soname: None,
            needed: Vec::new(),
            rpath: None,
            runpath: None,
            defines: Vec::new(),
            needs: Vec::new(),
            functions: Vec::new(),
            undefined: Vec::new(),
            build_id: None,
            notes: Vec::new(),
            sections: Vec::new(),
            nobits: Vec::new(),
            tables_last: false,
            section_table: true,
            dynamic: true,
        }
    }

    /// A library for x86_64.
    pub fn x86_64() -> Self {
        Self::new(62, true, false)
    }

    /// A library for aarch64.
    pub fn aarch64() -> Self {
        Self::new(183, true, false)
    }

    /// A library for i386 (32 bit).
    pub fn i386() -> Self {
        Self::new(3, false, false)
    }

    /// A library for big-endian 64-bit POWER.
    pub fn ppc64() -> Self {
        Self::new(21, true, true)
    }

    /// An object file: no dynamic section.
    pub fn object(mut self) -> Self {
        self.object_type = 1;
        self.dynamic = false;
        self
    }

    pub fn soname(mut self, name: &str) -> Self {
        self.soname = Some(name.to_owned());
        self
    }

    pub fn needed(mut self, name: &str) -> Self {
        self.needed.push(name.to_owned());
        self
    }

    pub fn rpath(mut self, path: &str) -> Self {
        self.rpath = Some(path.to_owned());
        self
    }

    pub fn runpath(mut self, path: &str) -> Self {
        self.runpath = Some(path.to_owned());
        self
    }

    /// Version definition; the base entry and one child carry the same name, as in libcudart.
    pub fn defines_version(mut self, name: &str) -> Self {
        self.defines.push(name.to_owned());
        self
    }

    /// Version need.
    pub fn needs_version(mut self, file: &str, versions: &[&str]) -> Self {
        self.needs.push((file.to_owned(), versions.iter().map(|name| (*name).to_owned()).collect()));
        self
    }

    /// A defined function of `size` bytes.
    pub fn function(mut self, name: &str, size: u64) -> Self {
        self.functions.push((name.to_owned(), size));
        self
    }

    pub fn functions(self, names: &[&str], size: u64) -> Self {
        names.iter().fold(self, |elf, name| elf.function(name, size))
    }

    pub fn undefined(mut self, name: &str) -> Self {
        self.undefined.push(name.to_owned());
        self
    }

    /// GNU build-id, in hex.
    pub fn build_id(mut self, hex: &str) -> Self {
        let digits: Vec<u8> =
            hex.bytes().map(|digit| (digit as char).to_digit(16).expect("hex") as u8).collect();
        self.build_id = Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect());
        self
    }

    /// A note in a section of its own.
    pub fn note(mut self, section: &str, owner: &str, kind: u32, data: &[u8]) -> Self {
        self.notes.push((section.to_owned(), owner.to_owned(), kind, data.to_vec()));
        self
    }

    /// A section with content; device code must be 8-aligned, which every section is.
    pub fn section(mut self, name: &str, data: &[u8]) -> Self {
        self.sections.push((name.to_owned(), data.to_vec()));
        self
    }

    /// A section of type NOBITS, as in separate debug files.
    pub fn nobits(mut self, name: &str) -> Self {
        self.nobits.push(name.to_owned());
        self
    }

    /// NUL-ended texts in `.rodata`.
    pub fn texts(self, texts: &[&str]) -> Self {
        let mut data = vec![0];
        for text in texts {
            data.extend_from_slice(text.as_bytes());
            data.push(0);
        }
        self.section(".rodata", &data)
    }

    /// The code pattern around the constant that `cudaRuntimeGetVersion` returns for `version` (`12.4`).
    pub fn code_constant(self, version: &str) -> Self {
        let (major, minor) = version.split_once('.').expect("major.minor");
        let value = major.parse::<u32>().expect("major") * 1_000 + minor.parse::<u32>().expect("minor") * 10;
        let mut code = vec![0x90; 32];
        if self.machine == 183 {
            code.extend_from_slice(&(0x5280_0002 | value << 5).to_le_bytes());
            code.extend_from_slice(&[0, 0, 0x80, 0x52, 0x22, 0, 0, 0xb9, 0xc0, 0x03, 0x5f, 0xd6]);
        } else {
            code.extend_from_slice(&[0x74, 0x09, 0xc7, 0x07]);
            code.extend_from_slice(&value.to_le_bytes());
            code.extend_from_slice(&[0x31, 0xc0, 0xc3]);
        }
        code.extend_from_slice(&[0x90; 32]);
        self.section(".text", &code)
    }

    /// One container in `.nv_fatbin`.
    pub fn fatbin(self, codes: &[Code]) -> Self {
        self.section(".nv_fatbin", &fatbin(codes))
    }

    /// One container in `__nv_relfatbin`.
    pub fn relocatable_fatbin(self, codes: &[Code]) -> Self {
        self.section("__nv_relfatbin", &fatbin(codes))
    }

    /// Zeros, to make the file larger.
    pub fn padding(self, bytes: usize) -> Self {
        self.section(".padding", &vec![0; bytes])
    }

    /// Puts string table and symbol tables behind the dynamic section, as patchelf does.
    pub fn tables_last(mut self) -> Self {
        self.tables_last = true;
        self
    }

    /// Leaves the section table out, as sstrip does.
    pub fn without_section_table(mut self) -> Self {
        self.section_table = false;
        self
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        Writer::new(self).write()
    }
}

/// A look-alike of the shared runtime of `version` (`12.4`): SONAME, version definition, code constant, symbols.
pub fn cudart(version: &str) -> Elf {
    shared_cudart(Elf::x86_64(), version)
}

/// The same for aarch64.
pub fn cudart_aarch64(version: &str) -> Elf {
    shared_cudart(Elf::aarch64(), version)
}

fn shared_cudart(elf: Elf, version: &str) -> Elf {
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).expect("major.minor");
    let family = match major {
        0..=10 => version.to_owned(),
        11 => "11.0".to_owned(),
        _ => major.to_string(),
    };
    let soname = format!("libcudart.so.{family}");
    elf.soname(&soname)
        .defines_version(&soname)
        .needed("libc.so.6")
        .functions(
            &["cudaMalloc", "cudaFree", "cudaMemcpy", "cudaRuntimeGetVersion", "__cudaRegisterFatBinary"],
            300,
        )
        .texts(&[RUNTIME_TEXT])
        .code_constant(version)
}

const RUNTIME_TEXT: &str = "CUDA driver version is insufficient for CUDA runtime version";

/// A program with a static runtime of `version` (`12.4`).
pub fn static_program(version: &str) -> Elf {
    static_runtime(Elf::x86_64(), version)
}

/// The same for aarch64.
pub fn static_program_aarch64(version: &str) -> Elf {
    static_runtime(Elf::aarch64(), version)
}

fn static_runtime(elf: Elf, version: &str) -> Elf {
    elf.needed("libc.so.6")
        .needed("libdl.so.2")
        .texts(&[RUNTIME_TEXT, "libcuda.so.1"])
        .code_constant(version)
        .padding(STATIC_PROGRAM_BYTES)
}

/// A program that uses the shared runtime of a family (`12`, `11.0`, `10.2`).
pub fn consumer(family: &str) -> Elf {
    let soname = format!("libcudart.so.{family}");
    Elf::x86_64()
        .needed(&soname)
        .needed("libc.so.6")
        .needs_version(&soname, &[&soname])
        .undefined("cudaMalloc")
        .undefined("cudaFree")
        .function("main", 500)
}

/// A look-alike of the libcuda of a driver version (`535.261.03`).
pub fn libcuda(version: &str) -> Elf {
    let own = format!("nvidia-application-profiles-{version}-rc");
    Elf::x86_64().soname("libcuda.so.1").needed("libc.so.6").functions(&CU_NAMES, 400).texts(&[
        &own,
        "450.80.02",
        "CUDA driver is a stub library",
    ])
}

const CU_NAMES: [&str; 12] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGet",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuCtxCreate_v2",
    "cuCtxDestroy_v2",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuLaunchKernel",
];

/// A look-alike of the link-time stub of libcuda.
pub fn libcuda_stub() -> Elf {
    Elf::x86_64().soname("libcuda.so.1").functions(&CU_NAMES, 11)
}

/// A look-alike of the libcuda of a cuda-compat package: `cuda` is its CUDA version (`13.1`), `drivers` the host
/// branches that its note allows.
pub fn compat_libcuda(version: &str, cuda: &str, drivers: &[u32]) -> Elf {
    let note =
        format!(r#"{{"Format": 1, "CUDA Version": "{cuda}", "Driver": {drivers:?}, "Device": [1, 2, 7]}}"#);
    libcuda(version).note(".note.cuda.fwd_compatibility", "NVIDIA Corporation", 1, note.as_bytes())
}

const NVML_NAMES: [&str; 12] = [
    "nvmlInit_v2",
    "nvmlShutdown",
    "nvmlSystemGetDriverVersion",
    "nvmlSystemGetNVMLVersion",
    "nvmlDeviceGetCount_v2",
    "nvmlDeviceGetHandleByIndex_v2",
    "nvmlDeviceGetName",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetPowerUsage",
    "nvmlErrorString",
];

/// A look-alike of the libnvidia-ml of a driver version.
pub fn libnvidia_ml(version: &str) -> Elf {
    let own = format!("12.{version}");
    Elf::x86_64()
        .soname("libnvidia-ml.so.1")
        .needed("libc.so.6")
        .functions(&NVML_NAMES, 300)
        .texts(&[&own, "1.2.3"])
}

/// A look-alike of the link-time stub of libnvidia-ml.
pub fn libnvidia_ml_stub() -> Elf {
    Elf::x86_64()
        .soname("libnvidia-ml.so.1")
        .functions(&NVML_NAMES, 16)
        .texts(&["this is a stub library that is attached only for linking"])
}

/// One piece of device code: a fatbin entry.
#[derive(Debug, Clone)]
pub struct Code {
    kind: u16,
    sm: u32,
    suffix: u64,
    major: u16,
    minor: u16,
    compression: u64,
    options: String,
    payload: Vec<u8>,
    concatenated: Vec<Code>,
}

impl Code {
    fn new(kind: u16, target: &str) -> Self {
        let (number, suffix) = match target.as_bytes().last() {
            Some(b'a') => (&target[..target.len() - 1], 0x10_0000),
            Some(b'f') => (&target[..target.len() - 1], 0x20_0000),
            _ => (target, 0),
        };
        Self {
            kind,
            sm: number.parse().expect("an SM number"),
            suffix,
            major: 1,
            minor: 7,
            compression: 0,
            options: String::new(),
            payload: vec![0x5a; 64],
            concatenated: Vec::new(),
        }
    }

    /// A cubin for `90`, `90a`, `100f`. Its payload is a cubin header of toolkit 12.4 without code.
    pub fn sass(target: &str) -> Self {
        let mut code = Self::new(2, target);
        code.payload = cubin(code.sm, 124);
        code
    }

    /// PTX of an ISA (`8.4`) for a target.
    pub fn ptx(target: &str, isa: &str) -> Self {
        let (major, minor) = isa.split_once('.').expect("major.minor");
        let mut code = Self::new(1, target);
        (code.major, code.minor) = (major.parse().expect("major"), minor.parse().expect("minor"));
        code
    }

    /// NVVM IR.
    pub fn nvvm(target: &str) -> Self {
        Self::new(8, target)
    }

    /// Several codes in one concatenated entry.
    pub fn concatenated(codes: &[Self]) -> Self {
        let mut code = Self::new(0x100, "0");
        (code.major, code.minor) = (0, 1);
        code.concatenated = codes.to_vec();
        code.zstd()
    }

    /// Marks the payload as LZ4. The payload becomes one run of literals, which is a valid block.
    pub fn lz4(mut self) -> Self {
        self.compression = 0x2000;
        let literals = std::mem::take(&mut self.payload);
        self.payload = vec![0xf0];
        let mut rest = literals.len() - 15;
        while rest >= 255 {
            self.payload.push(255);
            rest -= 255;
        }
        self.payload.push(rest as u8);
        self.payload.extend_from_slice(&literals);
        self
    }

    /// Marks the payload as Zstandard. It is never decoded.
    pub fn zstd(mut self) -> Self {
        self.compression = 0x8000;
        self
    }

    /// The ptxas options that an entry carries, such as `--compile-only`.
    pub fn options(mut self, text: &str) -> Self {
        self.options = text.to_owned();
        self
    }

    /// Replaces the payload.
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// The 64 fixed bytes.
    fn header(&self, header_bytes: usize, payload_bytes: usize, options: usize) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.kind.to_le_bytes());
        out.extend_from_slice(&0x0101u16.to_le_bytes());
        out.extend_from_slice(&(header_bytes as u32).to_le_bytes());
        out.extend_from_slice(&(payload_bytes as u64).to_le_bytes());
        let compressed = if self.compression == 0 { 0 } else { self.payload.len() as u32 };
        out.extend_from_slice(&compressed.to_le_bytes());
        out.extend_from_slice(&(options as u32).to_le_bytes());
        out.extend_from_slice(&self.minor.to_le_bytes());
        out.extend_from_slice(&self.major.to_le_bytes());
        out.extend_from_slice(&self.sm.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&(0x11 | self.suffix | self.compression).to_le_bytes());
        out.extend_from_slice(&[0; 16]);
        out
    }

    fn build(&self) -> Vec<u8> {
        let mut tail = Vec::new();
        if !self.concatenated.is_empty() {
            let mut members = Vec::new();
            for code in &self.concatenated {
                members.extend_from_slice(&code.header(0, 0, 0));
                members.extend_from_slice(&[0; 8]);
                members.extend_from_slice(&0u32.to_le_bytes());
                members.extend_from_slice(&(code.options.len() as u32).to_le_bytes());
                members.extend_from_slice(code.options.as_bytes());
                members.resize((members.len() + 1).next_multiple_of(8), 0);
            }
            tail.extend_from_slice(&(self.concatenated.len() as u32).to_le_bytes());
            tail.extend_from_slice(&(members.len() as u32 + 8).to_le_bytes());
            tail.extend_from_slice(&members);
        } else if !self.options.is_empty() {
            tail.extend_from_slice(&72u32.to_le_bytes());
            tail.extend_from_slice(&(self.options.len() as u32).to_le_bytes());
            tail.extend_from_slice(self.options.as_bytes());
            tail.resize((tail.len() + 1).next_multiple_of(8), 0);
        }
        let payload_bytes = self.payload.len().next_multiple_of(8);
        let options = if tail.is_empty() { 0 } else { 64 };
        let mut out = self.header(64 + tail.len(), payload_bytes, options);
        out.extend_from_slice(&tail);
        out.extend_from_slice(&self.payload);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }
}

/// A fatbin container.
pub fn fatbin(codes: &[Code]) -> Vec<u8> {
    let entries: Vec<u8> = codes.iter().flat_map(Code::build).collect();
    let mut out = vec![0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    out.extend_from_slice(&entries);
    out
}

/// The ELF header of a cubin of the old layout; `release` is the toolkit's times ten.
pub fn cubin(sm: u32, release: u32) -> Vec<u8> {
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0x33, 7, 0, 0, 0, 0, 0, 0, 0];
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&190u16.to_le_bytes());
    out.extend_from_slice(&release.to_le_bytes());
    out.resize(48, 0);
    out.extend_from_slice(&(sm << 16 | sm).to_le_bytes());
    out.resize(64, 0);
    out
}

/// An archive of members.
pub fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in members {
        let header =
            format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", format!("{name}/"), 0, 0, 0, "644", data.len());
        assert_eq!(header.len(), 60, "member name too long");
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(data);
        if out.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// Lays an [`Elf`] out: virtual addresses equal file offsets.
struct Writer<'e> {
    elf: &'e Elf,
    out: Vec<u8>,
    strings: Vec<u8>,
    /// Name, type, offset, size, link, alignment, entry size.
    table: Vec<(String, u32, usize, usize, u32, u64, u64)>,
    tags: Vec<(u64, u64)>,
}

impl<'e> Writer<'e> {
    fn new(elf: &'e Elf) -> Self {
        Self { elf, out: Vec::new(), strings: vec![0], table: Vec::new(), tags: Vec::new() }
    }

    fn u16(&self, out: &mut Vec<u8>, value: u16) {
        out.extend_from_slice(&if self.elf.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u32(&self, out: &mut Vec<u8>, value: u32) {
        out.extend_from_slice(&if self.elf.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn word(&self, out: &mut Vec<u8>, value: u64) {
        if self.elf.wide {
            out.extend_from_slice(&if self.elf.big { value.to_be_bytes() } else { value.to_le_bytes() });
        } else {
            self.u32(out, value as u32);
        }
    }

    fn string(&mut self, text: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    fn put(&mut self, name: &str, kind: u32, data: &[u8], link: u32, entry: u64) -> (usize, usize) {
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        let at = self.out.len();
        self.out.extend_from_slice(data);
        self.table.push((name.to_owned(), kind, at, data.len(), link, if kind == 7 { 4 } else { 8 }, entry));
        (at, data.len())
    }

    fn symbols(&mut self) -> Vec<u8> {
        let elf = self.elf;
        let entry = if elf.wide { 24 } else { 16 };
        let mut out = vec![0; entry];
        let defined = elf.functions.iter().map(|(name, size)| (name, *size, 0x12u8, 1u16));
        let undefined = elf.undefined.iter().map(|name| (name, 0, 0x10, 0));
        for (name, size, info, section) in defined.chain(undefined) {
            let name = self.string(name);
            self.u32(&mut out, name);
            if elf.wide {
                out.extend_from_slice(&[info, 0]);
                self.u16(&mut out, section);
                self.word(&mut out, 0);
                self.word(&mut out, size);
            } else {
                self.word(&mut out, 0);
                self.word(&mut out, size);
                out.extend_from_slice(&[info, 0]);
                self.u16(&mut out, section);
            }
        }
        out
    }

    /// Old-style hash table with one empty bucket: enough to state the number of symbols.
    fn hash(&self) -> Vec<u8> {
        let count = 1 + self.elf.functions.len() + self.elf.undefined.len();
        let mut out = Vec::new();
        self.u32(&mut out, 1);
        self.u32(&mut out, count as u32);
        for _ in 0..=count {
            self.u32(&mut out, 0);
        }
        out
    }

    fn definitions(&mut self) -> Vec<u8> {
        let names: Vec<(String, u16)> =
            self.elf.defines.iter().flat_map(|name| [(name.clone(), 1), (name.clone(), 0)]).collect();
        let mut out = Vec::new();
        for (index, (name, flags)) in names.iter().enumerate() {
            let name = self.string(name);
            for value in [1, *flags, index as u16 + 1, 1] {
                self.u16(&mut out, value);
            }
            let next = if index + 1 == names.len() { 0 } else { 28 };
            for value in [0, 20, next, name, 0] {
                self.u32(&mut out, value);
            }
        }
        out
    }

    fn version_needs(&mut self) -> Vec<u8> {
        let needs = self.elf.needs.clone();
        let mut out = Vec::new();
        for (index, (file, versions)) in needs.iter().enumerate() {
            let file = self.string(file);
            let size = 16 + 16 * versions.len() as u32;
            self.u16(&mut out, 1);
            self.u16(&mut out, versions.len() as u16);
            for value in [file, 16, if index + 1 == needs.len() { 0 } else { size }] {
                self.u32(&mut out, value);
            }
            for (index, version) in versions.iter().enumerate() {
                let name = self.string(version);
                self.u32(&mut out, 0);
                self.u16(&mut out, 0);
                self.u16(&mut out, 2);
                self.u32(&mut out, name);
                self.u32(&mut out, if index + 1 == versions.len() { 0 } else { 16 });
            }
        }
        out
    }

    fn note(&self, owner: &str, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for value in [owner.len() as u32 + 1, data.len() as u32, kind] {
            self.u32(&mut out, value);
        }
        out.extend_from_slice(owner.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    /// Symbol, hash, version and string tables.
    fn tables(&mut self, tables: &[(&str, u32, u64, u64, Vec<u8>)]) {
        for (name, kind, tag, entry, data) in tables {
            if !data.is_empty() {
                // The string table is section 1 wherever it lies.
                let (at, _) = self.put(name, *kind, data, 1, *entry);
                self.tags.push((*tag, at as u64));
            }
        }
    }

    fn dynamic_bytes(&self, tags: &[(u64, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, value) in tags.iter().chain(&[(0, 0)]) {
            self.word(&mut out, *tag);
            self.word(&mut out, *value);
        }
        out
    }

    fn write(mut self) -> Vec<u8> {
        let elf = self.elf;
        let (header, segment) = if elf.wide { (64, 56) } else { (52, 32) };
        let segments = if elf.object_type == 1 { 0 } else { 3 };
        self.out = vec![0; header + segment * segments];
        self.table.push((String::new(), 0, 0, 0, 0, 0, 0));

        let symbol_bytes = if elf.wide { 24 } else { 16 };
        let mut tables = Vec::new();
        if elf.dynamic {
            let symbols = self.symbols();
            let (definitions, needs) = (self.definitions(), self.version_needs());
            let mut strings_of = |list: &[(u64, Option<&String>)]| {
                for (tag, text) in list {
                    if let Some(text) = text {
                        let at = self.string(text);
                        self.tags.push((*tag, u64::from(at)));
                    }
                }
            };
            let needed: Vec<_> = elf.needed.iter().map(|name| (1, Some(name))).collect();
            strings_of(&needed);
            strings_of(&[(14, elf.soname.as_ref()), (15, elf.rpath.as_ref()), (29, elf.runpath.as_ref())]);
            if !definitions.is_empty() {
                self.tags.push((0x6fff_fffd, elf.defines.len() as u64 * 2));
            }
            if !needs.is_empty() {
                self.tags.push((0x6fff_ffff, elf.needs.len() as u64));
            }
            self.tags.push((10, self.strings.len() as u64));
            tables = vec![
                (".dynstr", 3, 5, 0, self.strings.clone()),
                (".dynsym", 11, 6, symbol_bytes, symbols),
                (".hash", 5, 4, 4, self.hash()),
                (".gnu.version_d", 0x6fff_fffd, 0x6fff_fffc, 0, definitions),
                (".gnu.version_r", 0x6fff_fffe, 0x6fff_fffe, 0, needs),
            ];
        }
        if !elf.tables_last {
            self.tables(&tables);
        }

        let notes_at = self.out.len().next_multiple_of(8);
        if let Some(build_id) = &elf.build_id {
            let note = self.note("GNU", 3, build_id);
            self.put(".note.gnu.build-id", 7, &note, 0, 0);
        }
        let notes_end = self.out.len().max(notes_at);
        for (section, owner, kind, data) in &elf.notes {
            let note = self.note(owner, *kind, data);
            self.put(section, 7, &note, 0, 0);
        }
        for (name, data) in &elf.sections {
            self.put(name, 1, data, 0, 0);
        }

        let mut dynamic = (0, 0);
        if elf.dynamic {
            // The size is known before the addresses are.
            let waiting =
                if elf.tables_last { tables.iter().filter(|(.., data)| !data.is_empty()).count() } else { 0 };
            let word = if elf.wide { 8 } else { 4 };
            let size = (self.tags.len() + waiting + 1) * 2 * word;
            dynamic = self.put(".dynamic", 6, &vec![0; size], 1, 2 * word as u64);
        }
        if elf.tables_last {
            self.tables(&tables);
        }
        let bytes = self.dynamic_bytes(&self.tags);
        self.out[dynamic.0..dynamic.0 + dynamic.1].copy_from_slice(&bytes[..dynamic.1]);
        for name in &elf.nobits {
            self.table.push((name.clone(), 8, self.out.len(), 4_096, 0, 8, 0));
        }

        let (shoff, shnum) = if elf.section_table { self.section_table() } else { (0, 0) };
        let mut head =
            vec![0x7f, b'E', b'L', b'F', if elf.wide { 2 } else { 1 }, if elf.big { 2 } else { 1 }, 1];
        head.resize(16, 0);
        self.u16(&mut head, elf.object_type);
        self.u16(&mut head, elf.machine);
        self.u32(&mut head, 1);
        self.word(&mut head, 0);
        self.word(&mut head, if segments > 0 { header as u64 } else { 0 });
        self.word(&mut head, shoff as u64);
        self.u32(&mut head, 0);
        let section = if elf.wide { 64 } else { 40 };
        for value in [header, segment, segments, section, shnum, shnum.saturating_sub(1)] {
            self.u16(&mut head, value as u16);
        }
        if segments > 0 {
            let whole = (1, 4, 0, self.out.len());
            let note = (4, 4, notes_at, notes_end - notes_at);
            for (kind, flags, at, size) in [whole, (2, 4, dynamic.0, dynamic.1), note] {
                self.u32(&mut head, kind);
                if elf.wide {
                    self.u32(&mut head, flags);
                }
                for value in [at, at, at, size, size] {
                    self.word(&mut head, value as u64);
                }
                if !elf.wide {
                    self.u32(&mut head, flags);
                }
                self.word(&mut head, 8);
            }
        }
        self.out[..head.len()].copy_from_slice(&head);
        self.out
    }

    /// Writes section names and section table; gives its offset and the number of sections.
    fn section_table(&mut self) -> (usize, usize) {
        let mut names = vec![0];
        // The names come last; the table refers to them by position.
        self.table.push((".shstrtab".to_owned(), 3, 0, 0, 0, 1, 0));
        let mut offsets = Vec::new();
        for (name, ..) in &self.table {
            offsets.push(if name.is_empty() { 0 } else { names.len() });
            if !name.is_empty() {
                names.extend_from_slice(name.as_bytes());
                names.push(0);
            }
        }
        let at = self.out.len();
        self.out.extend_from_slice(&names);
        if let Some(last) = self.table.last_mut() {
            (last.2, last.3) = (at, names.len());
        }
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        let table_at = self.out.len();
        let strings = self.table.iter().position(|section| section.0 == ".dynstr").unwrap_or(0) as u32;
        let mut bytes = Vec::new();
        for ((name, kind, at, size, link, align, entry), name_at) in
            self.table.clone().into_iter().zip(offsets)
        {
            let loaded = !name.is_empty() && name != ".shstrtab";
            self.u32(&mut bytes, name_at as u32);
            self.u32(&mut bytes, kind);
            self.word(&mut bytes, if loaded { 2 } else { 0 });
            for value in [if loaded { at } else { 0 }, at, size] {
                self.word(&mut bytes, value as u64);
            }
            self.u32(&mut bytes, if link == 1 { strings } else { link });
            self.u32(&mut bytes, 0);
            self.word(&mut bytes, align);
            self.word(&mut bytes, entry);
        }
        self.out.extend_from_slice(&bytes);
        (table_at, self.table.len())
    }
}
