//! Device code found in a file: which SASS and PTX, for which targets, in which kind of place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a piece of device code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeKind {
    /// A cubin: machine code (SASS) of one architecture.
    Sass,
    /// PTX text, which the driver compiles when it loads it.
    Ptx,
    /// NVVM IR for link-time optimisation; nothing runs it directly.
    Nvvm,
    /// Tile IR (CUDA 13).
    TileIr,
    /// A kind this version does not know, by its number in the entry header.
    Other(u16),
}

/// Letter after an SM number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmSuffix {
    /// None: runs on later minor revisions too.
    #[default]
    None,
    /// `a`: this chip only (architecture-specific).
    ArchSpecific,
    /// `f`: the chips of one family.
    Family,
}

/// An SM target such as `sm_90a`: the compute capability times ten and a suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SmTarget {
    /// Compute capability times ten: 90 for 9.0, 120 for 12.0.
    pub number: u16,
    /// Suffix.
    pub suffix: SmSuffix,
}

impl fmt::Display for SmTarget {
    /// As compilers spell it without the prefix: `90a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.suffix {
            SmSuffix::None => "",
            SmSuffix::ArchSpecific => "a",
            SmSuffix::Family => "f",
        };
        write!(f, "{}{suffix}", self.number)
    }
}

/// A PTX ISA version, such as 8.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PtxIsa {
    /// Major number.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
}

impl fmt::Display for PtxIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Release of the toolkit whose ptxas wrote a cubin, such as 12.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ToolkitRelease {
    /// Major number.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
}

impl fmt::Display for ToolkitRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Compression of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Stored as it is.
    None,
    /// LZ4 block.
    Lz4,
    /// Zstandard frame.
    Zstd,
    /// Compressed in a way this version does not know.
    Other,
}

/// Where device code lies, which decides who can load it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionClass {
    /// `.nv_fatbin`: what the CUDA runtime registers at start.
    NvFatbin,
    /// `__nv_relfatbin`: input of the device linker, left behind. Its PTX is no JIT fallback.
    RelFatbin,
    /// Any other section: libraries that load their code themselves (cuBLASLt, cuDNN, cuFFT).
    Other,
    /// A cubin that stands in the file without a fatbin around it (drivers, profilers).
    RawCubin,
    /// The file itself is a fatbin, a cubin or PTX text.
    File,
    /// The section table could not be read.
    Unknown,
}

/// One distinct kind of device code in a file, and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeEntry {
    /// Where it lies.
    pub section: SectionClass,
    /// What it is.
    pub kind: CodeKind,
    /// Architecture it is for.
    pub target: SmTarget,
    /// PTX ISA of PTX.
    pub ptx_isa: Option<PtxIsa>,
    /// Compression of the payload.
    pub compression: Compression,
    /// PTX that is marked `--compile-only`: input for the device linker, never loaded.
    pub compile_only: bool,
    /// Number of such entries.
    pub count: u64,
}

impl CodeEntry {
    /// Whether the runtime can hand this PTX to the driver's compiler: PTX outside `__nv_relfatbin` that is not
    /// marked as linker input.
    #[must_use]
    pub fn is_jit_ptx(&self) -> bool {
        self.kind == CodeKind::Ptx && !self.compile_only && self.section != SectionClass::RelFatbin
    }

    /// Whether this is machine code that can be loaded as it is. Cubins in `__nv_relfatbin` are linker input.
    #[must_use]
    pub fn is_loadable_sass(&self) -> bool {
        self.kind == CodeKind::Sass && self.section != SectionClass::RelFatbin
    }
}

/// All device code of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceCode {
    /// Distinct entries, sorted.
    pub entries: Vec<CodeEntry>,
    /// Number of fatbin containers.
    pub containers: u64,
    /// Containers that broke off inside: their remaining entries are missing.
    pub broken_containers: u64,
    /// Toolkit releases that cubins name, with the number of cubins, oldest first. Only part of the cubins can be
    /// read (not those compressed with Zstandard).
    pub toolkits: Vec<(ToolkitRelease, u64)>,
    /// More entries than the limit allows: the list is not complete.
    pub limit_reached: bool,
}

impl DeviceCode {
    /// Whether the file holds no device code.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
