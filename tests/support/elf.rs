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
#![allow(dead_code, unused_imports, missing_docs)]

#[path = "elf_writer.rs"]
mod elf_writer;
#[path = "fatbin.rs"]
mod fatbin_writer;

pub use fatbin_writer::{Code, cubin, fatbin};

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
        elf_writer::Writer::new(self).write()
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
