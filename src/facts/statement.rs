//! Statements that a Dockerfile makes (and an image, where the same words fit).

use std::sync::Arc;

use pep440_rs::VersionSpecifiers;

use crate::compat::{CudaVersion, SmTarget};

use super::{Origin, StageId};

/// A shell word with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Text after unquoting and expansion; `None` when it cannot be known.
    pub text: Option<String>,
    /// Text as written.
    pub raw: String,
    /// Its place.
    pub origin: Origin,
}

/// Where COPY takes files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFrom {
    /// The build context.
    Context,
    /// Another stage.
    Stage(StageId),
    /// An image, with what is known of it.
    Image(Box<super::Base>),
    /// A named build context, or a name that cannot be known.
    Unknown(String),
}

/// A COPY or ADD instruction (or a file of an image's layer that such a rule judges).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Stage it stands in.
    pub stage: StageId,
    /// ADD instead of COPY.
    pub add: bool,
    /// Where from.
    pub from: CopyFrom,
    /// Source paths.
    pub sources: Vec<Word>,
    /// Destination.
    pub destination: Word,
    /// Whether a source is an inline heredoc (its text is data).
    pub heredoc: bool,
    /// The whole instruction.
    pub origin: Origin,
    /// Number of the instruction in the file, for "later than".
    pub instruction: usize,
}

/// Who runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandRole {
    /// RUN, while building.
    Run,
    /// CMD, when the container starts.
    Cmd,
    /// ENTRYPOINT, when the container starts.
    Entrypoint,
    /// HEALTHCHECK, in the running container.
    Healthcheck,
    /// A script of the build context that a RUN executes.
    BuildScript,
    /// A script of the build context that CMD or ENTRYPOINT starts.
    StartScript,
}

/// A simple command with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Stage it belongs to.
    pub stage: StageId,
    /// Who runs it.
    pub role: CommandRole,
    /// Number of the instruction in the file: commands of one RUN share it.
    pub instruction: usize,
    /// Base name of the program after sudo, env, time and their like are taken off; `None` unknown.
    pub program: Option<String>,
    /// Arguments after the program.
    pub args: Vec<Word>,
    /// `NAME=value` in front of the command (also by `env`).
    pub assignments: Vec<(String, Option<String>)>,
    /// Whether a failure is swallowed (`|| true`, `; exit 0`).
    pub failure_ignored: bool,
    /// Whether it stands in `$(…)` or backticks.
    pub substitution: bool,
    /// Code given to an interpreter by `-c` or a heredoc.
    pub code: Option<String>,
    /// GPU device asked for by `RUN --device`.
    pub gpu_device: bool,
    /// The whole command.
    pub origin: Origin,
}

/// Package managers of distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackageManager {
    /// apt-get, apt, aptitude.
    Apt,
    /// dnf, yum, microdnf, tdnf.
    Dnf,
    /// zypper.
    Zypper,
    /// apk.
    Apk,
    /// pacman.
    Pacman,
    /// dpkg -i, rpm -i: a package file.
    File,
}

/// A system package that a command installs, or that an image's package database lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageInstall {
    /// Stage.
    pub stage: StageId,
    /// Manager.
    pub manager: PackageManager,
    /// Name without version, release or architecture; a trailing part that is a variable or wildcard is cut off and
    /// [`Self::open_ended`] is set.
    pub name: String,
    /// Whether the name goes on in a wildcard or an unknown variable.
    pub open_ended: bool,
    /// Version pinned by `=`, as far as known.
    pub version: Option<String>,
    /// Whether any version or release was pinned, known or not.
    pub pinned: bool,
    /// Flags of the command, as written (`--allow-unauthenticated`).
    pub flags: Vec<String>,
    /// Whether the same RUN removes it again.
    pub removed: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The package word.
    pub origin: Origin,
    /// The whole command.
    pub command: Origin,
}

impl PackageInstall {
    /// The name for a message: `*` stands for a trailing part that is not known.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}{}", self.name, if self.open_ended { "*" } else { "" })
    }
}

/// Python installers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PythonTool {
    /// pip, pip3, python -m pip.
    Pip,
    /// uv pip, uv add, uv sync, uv tool.
    Uv,
    /// poetry.
    Poetry,
    /// pipenv, pipx, pdm.
    Other,
    /// An installed distribution seen in an image.
    Installed,
}

/// What an index URL (or local version, or `--torch-backend`) says about the CUDA of wheels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonIndex {
    /// The default index.
    Default,
    /// An index of CUDA builds (`/whl/cu121`).
    Cuda {
        /// CUDA version (12.1).
        version: CudaVersion,
        /// Whether it replaces the default index (`--index-url`) or only adds to it.
        replaces_default: bool,
    },
    /// An index of CPU builds (`/whl/cpu`).
    Cpu,
    /// An index of ROCm or XPU builds.
    OtherAccelerator,
    /// Nightly builds (`/whl/nightly/cu121`), CUDA version where the URL tells.
    Nightly(Option<CudaVersion>),
    /// An index we know nothing about, or an unknown variable.
    Other,
}

/// A Python distribution that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonRequirement {
    /// Stage.
    pub stage: StageId,
    /// Installer.
    pub tool: PythonTool,
    /// Name, normalised as PEP 503 says (`flash-attn`).
    pub name: String,
    /// Extras, lower case (`and-cuda`).
    pub extras: Vec<String>,
    /// Version bounds, when there are any and they can be read.
    pub specifiers: Option<VersionSpecifiers>,
    /// The version that `==` pins (`2.1.0`, without local part and wildcard).
    pub exact: Option<String>,
    /// Whether any bound, pin, hash or URL fixes it, known or not (an unknown `${VERSION}` counts).
    pub bounded: bool,
    /// CUDA version of the local part (`+cu118`).
    pub local_cuda: Option<CudaVersion>,
    /// Whether the local part is `+cpu`.
    pub local_cpu: bool,
    /// Indexes in force, `--index-url`, extra ones and find-links; empty means the default index.
    pub indexes: Vec<PythonIndex>,
    /// Where the index that names a CUDA version stands.
    pub index_origin: Option<Origin>,
    /// Given as URL, path or VCS reference: `git+https://…`.
    pub url: Option<String>,
    /// Given as a wheel file or URL.
    pub wheel_file: bool,
    /// A `--no-deps` install.
    pub no_deps: bool,
    /// A `--no-build-isolation` install.
    pub no_build_isolation: bool,
    /// A `--only-binary` that covers it.
    pub only_binary: bool,
    /// `pip wheel` or `pip download` instead of an install.
    pub not_installed: bool,
    /// `--pre` or a nightly index.
    pub prerelease: bool,
    /// Constraint files or a lock file bound it.
    pub constrained: bool,
    /// A requirement of the project itself that a lock file pins (uv.lock, poetry.lock, requirements with hashes).
    pub locked: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The requirement word, or the line of the requirements or lock file.
    pub origin: Origin,
    /// The install command.
    pub command: Origin,
}

/// A package that conda, mamba, micromamba or pixi installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaPackage {
    /// Stage.
    pub stage: StageId,
    /// Program (`conda`, `micromamba`).
    pub tool: String,
    /// Package name, lower case.
    pub name: String,
    /// Version part of the match spec.
    pub version: Option<String>,
    /// Build string part of the match spec.
    pub build: Option<String>,
    /// Channels named by the command or the environment file.
    pub channels: Vec<String>,
    /// Whether an explicit lock file names it.
    pub locked: bool,
    /// Value of CONDA_OVERRIDE_CUDA visible to the command; `Some(None)` set but unknown.
    pub override_cuda: Option<Option<String>>,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The match spec.
    pub origin: Origin,
    /// The whole command.
    pub command: Origin,
}

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

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileOperationKind {
    /// ln (symbolic or hard).
    Link,
    /// cp, install, rsync.
    Copy,
    /// mv.
    Move,
    /// rm.
    Remove,
}

/// ln, cp, mv, install, rm in a RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOperation {
    /// Stage.
    pub stage: StageId,
    /// What is done.
    pub kind: FileOperationKind,
    /// Source paths (for Remove, the paths).
    pub sources: Vec<Word>,
    /// Destination (for ln, the link).
    pub destination: Option<Word>,
    /// Whether the same RUN removes the destination again.
    pub undone: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The whole command.
    pub origin: Origin,
}

/// How a directory reaches the dynamic loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoaderVia {
    /// LD_LIBRARY_PATH of the image.
    Environment,
    /// A file under /etc/ld.so.conf.d (or /etc/ld.so.conf).
    ConfFile,
    /// `ldconfig DIR`, kept in the cache.
    LdconfigArgument,
}

/// A directory on the loader's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderEntry {
    /// Stage.
    pub stage: StageId,
    /// Directory.
    pub directory: String,
    /// How it got there.
    pub via: LoaderVia,
    /// Whether it is still in force when the stage ends.
    pub survives: bool,
    /// Whether the base image itself set it.
    pub from_base: bool,
    /// Whether `ldconfig` ran after a conf file was written.
    pub cache_refreshed: bool,
    /// Number of the instruction in the file (0 for an image).
    pub instruction: usize,
    /// Its place: the element of LD_LIBRARY_PATH, the text written, the argument.
    pub origin: Origin,
}

/// A command that needs a GPU while the image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuQuery {
    /// Stage.
    pub stage: StageId,
    /// What asks (`nvidia-smi`, `torch.cuda.is_available()`).
    pub what: String,
    /// Whether the failure (or a "no") is swallowed.
    pub failure_ignored: bool,
    /// Whether RUN asks for a GPU device (`--device=nvidia.com/gpu=…`).
    pub gpu_device: bool,
    /// Its place.
    pub origin: Origin,
}

/// What is done with a package source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepositoryUseKind {
    /// apt-key add or adv.
    AptKey,
    /// apt-key del.
    AptKeyDelete,
    /// A key fetched another way (gpg --dearmor, rpm --import, signed-by).
    Key,
    /// A source line or repo file.
    Source,
    /// A package or installer downloaded.
    Download,
    /// The keyring package.
    Keyring,
}

/// A use of one of NVIDIA's package repositories or keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUse {
    /// Stage.
    pub stage: StageId,
    /// What is done.
    pub kind: RepositoryUseKind,
    /// URL or key id, as far as known.
    pub url: String,
    /// Ways in which verification is switched off (`http`, `trusted=yes`, `--no-check-certificate`).
    pub unverified: Vec<String>,
    /// Whether the distribution or architecture in the URL is chosen by a variable or command.
    pub dynamic: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The URL, key id or flag.
    pub origin: Origin,
    /// The whole command.
    pub command: Origin,
}

/// Where an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportKind {
    /// `export NAME=value` in a RUN.
    Run,
    /// Appended to ~/.bashrc, ~/.profile, /etc/profile.d and their like.
    StartupFile,
}

/// A variable exported inside a RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Stage.
    pub stage: StageId,
    /// Where.
    pub kind: ExportKind,
    /// Variable.
    pub name: String,
    /// Value after expansion; `None` unknown.
    pub value: Option<String>,
    /// Value as written, quotes removed.
    pub raw: String,
    /// Whether a later command of the same RUN can use it.
    pub used_later: bool,
    /// Whether the RUN consists of this export alone.
    pub alone: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The export.
    pub origin: Origin,
    /// The whole RUN instruction.
    pub run: Origin,
}

/// An upgrade of the whole system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemUpgrade {
    /// Stage.
    pub stage: StageId,
    /// Manager.
    pub manager: PackageManager,
    /// Whether the CUDA package source was removed, or CUDA packages were held, before.
    pub cuda_protected: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The command.
    pub origin: Origin,
}

/// Driver capabilities of the NVIDIA container runtime (the words of NVIDIA_DRIVER_CAPABILITIES).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// libcuda, OpenCL, the PTX compilers.
    Compute,
    /// 32-bit libraries.
    Compat32,
    /// OpenGL, EGL, Vulkan.
    Graphics,
    /// nvidia-smi and NVML.
    Utility,
    /// NVENC, NVDEC, optical flow.
    Video,
    /// X11 display.
    Display,
    /// NGX.
    Ngx,
}

impl Capability {
    /// The word in NVIDIA_DRIVER_CAPABILITIES.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Compat32 => "compat32",
            Self::Graphics => "graphics",
            Self::Utility => "utility",
            Self::Video => "video",
            Self::Display => "display",
            Self::Ngx => "ngx",
        }
    }

    /// Reads one word; the case matters, `all` is no single capability.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Compute, Self::Compat32, Self::Graphics, Self::Utility, Self::Video, Self::Display, Self::Ngx]
            .into_iter()
            .find(|capability| capability.as_str() == word)
    }
}

/// A sign that a driver capability is needed at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityUse {
    /// Stage.
    pub stage: StageId,
    /// Which one.
    pub capability: Capability,
    /// What needs it (`nvidia-smi`, `PyNvVideoCodec`, `MUJOCO_GL=egl`).
    pub what: String,
    /// Whether the sign leaves no reasonable doubt.
    pub strong: bool,
    /// Its place.
    pub origin: Origin,
}

/// What makes an image a GPU image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadKind {
    /// A base image that carries CUDA.
    Base,
    /// CUDA libraries installed as system packages.
    SystemPackage,
    /// CUDA files copied from another stage or image.
    Copied,
    /// A Python wheel that brings or uses CUDA.
    Wheel,
    /// A conda package that brings or uses CUDA.
    Conda,
    /// NVIDIA_VISIBLE_DEVICES or NVIDIA_DRIVER_CAPABILITIES set by the author.
    Environment,
    /// CUDA code found in files.
    Elf,
    /// A runfile installer.
    Installer,
}

/// A reason to call this a GPU image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuPayload {
    /// Stage.
    pub stage: StageId,
    /// Of what kind.
    pub kind: PayloadKind,
    /// What it is (`torch`, `cuda-libraries-12-4`).
    pub what: String,
    /// Its place.
    pub origin: Origin,
}

/// How a CUDA version is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CudaUseKind {
    /// The base image's tag or config.
    Base,
    /// A package name or version.
    Package,
    /// A Python wheel that bundles its runtime.
    Wheel,
    /// A conda package.
    Conda,
    /// A file copied from another stage or image.
    Copied,
    /// A runfile's name.
    Installer,
    /// The code or SONAME of a libcudart.
    Elf,
    /// CUDA_VERSION of the image's config.
    Config,
}

/// A CUDA runtime version that the image ships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudaUse {
    /// Stage.
    pub stage: StageId,
    /// Version; major and minor at least, 12.0 standing for "some 12.x" when [`Self::major_only`].
    pub version: CudaVersion,
    /// Whether only the major is known.
    pub major_only: bool,
    /// How it is known.
    pub kind: CudaUseKind,
    /// What carries it (`nvidia/cuda:12.4.1-…`, `torch 2.5.1`, `/usr/lib/libcudart.so.12`).
    pub what: String,
    /// Its place.
    pub origin: Origin,
}

/// A mention of a versioned CUDA folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudaPath {
    /// Stage.
    pub stage: StageId,
    /// Version in the path.
    pub version: CudaVersion,
    /// The path as far as it goes.
    pub path: Arc<str>,
    /// The stage whose files are meant (the source of a COPY --from, otherwise [`Self::stage`]); `None` an image.
    pub in_stage: Option<StageId>,
    /// Whether a test (`[ -d … ]`, `if`) guards it, or the command creates it.
    pub guarded: bool,
    /// Its place.
    pub origin: Origin,
}
