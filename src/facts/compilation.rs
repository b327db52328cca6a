//! Statements about code that is compiled: lists of architectures, builds from source, and signs of a compiler at work.

use crate::compat::SmTarget;

use super::{Origin, StageId};

/// How a list of architectures is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchListKind {
    /// TORCH_CUDA_ARCH_LIST: `8.0;8.6+PTX`.
    TorchCudaArchList,
    /// CMAKE_CUDA_ARCHITECTURES (variable or -D): `75;80-real;90-virtual`; a plain number gives both.
    CmakeCudaArchitectures,
    /// nvcc -gencode, all of one command.
    Gencode,
    /// nvcc -arch=sm_XX (adds PTX).
    NvccArch,
    /// Another variable with plain numbers (TCNN_CUDA_ARCHITECTURES, CUDAARCHS, …).
    OtherVariable,
}

/// One entry of a list of architectures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchEntry {
    /// The architecture; `None` for a word without number (`native`, `all`, `Kepler`).
    pub target: Option<SmTarget>,
    /// The word as written.
    pub word: String,
    /// Machine code (SASS) is made.
    pub sass: bool,
    /// PTX is kept.
    pub ptx: bool,
    /// Its place.
    pub origin: Origin,
}

/// A list of GPU architectures that a build is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchList {
    /// Stage.
    pub stage: StageId,
    /// How it is written.
    pub kind: ArchListKind,
    /// Its entries in order.
    pub entries: Vec<ArchEntry>,
    /// The value as written.
    pub raw: String,
    /// Whether every entry is known (no unresolved variable).
    pub complete: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The value.
    pub origin: Origin,
    /// Variable or option that carries it.
    pub carrier: String,
    /// The variable of ENV, ARG or a command that holds it; empty for an option.
    pub variable: String,
    /// Whether a command that may compile sees it: not a variable that is set anew before, or where nothing is compiled.
    pub compiled: bool,
    /// Whether it makes one of several outputs, one for each architecture: by a loop, or by an output that bears the number.
    /// The outputs of a stage serve the GPUs together.
    pub variant: bool,
}

/// A GPU extension that is built from source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBuild {
    /// Stage.
    pub stage: StageId,
    /// Package name (`flash-attn`), or what is configured (`llama.cpp`, `cmake`).
    pub package: String,
    /// Whether it is a torch C++/CUDA extension.
    pub torch_extension: bool,
    /// Whether its build asks the present GPU for the architecture when no list is given.
    pub detects_arch: bool,
    /// Whether a list of architectures is visible to the command.
    pub arch_list_visible: bool,
    /// Whether a switch or index makes the build unnecessary or CUDA-free.
    pub prebuilt: bool,
    /// Whether the build goes through without CUDA, and leaves it out, where it finds neither a GPU nor FORCE_CUDA.
    pub falls_back: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The word that names it.
    pub origin: Origin,
}

/// A sign that something is compiled in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileSignal {
    /// Stage.
    pub stage: StageId,
    /// What it was (`nvcc`, `cmake`, `pip wheel`).
    pub what: String,
    /// Whether CUDA code is certainly involved (nvcc, a CUDA switch, a torch extension).
    pub cuda: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// Its place.
    pub origin: Origin,
}

/// What kind of step cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnreadKind {
    /// A script of the build context or of a clone.
    Script,
    /// A Python project that is installed from its folder.
    Project,
    /// A list of system packages that comes from a file or an unknown variable.
    Packages,
}

/// A step of the build that may do anything, since what it runs or installs is not at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadStep {
    /// Stage.
    pub stage: StageId,
    /// What it is.
    pub kind: UnreadKind,
    /// The command as written.
    pub what: String,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// Its place.
    pub origin: Origin,
}
