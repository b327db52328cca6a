//! Statements about packages: what package managers, Python installers and conda are asked for, and from where.

use pep440_rs::VersionSpecifiers;

use crate::compat::CudaVersion;

use super::{Origin, StageId};

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
    /// [`Self::open_ended`] is set. A group is written `@development-tools`.
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
    /// An earlier install into the same environment, or the base image, has it already: this one installs nothing.
    pub satisfied: bool,
    /// A variable that whoever builds may change chooses the distribution, its build or its index.
    pub by_variable: bool,
    /// A requirement of the project itself that a lock file pins (uv.lock, poetry.lock, requirements with hashes).
    pub locked: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The requirement word, or the line of the requirements or lock file.
    pub origin: Origin,
    /// The install command.
    pub command: Origin,
}

/// An install of which it is not known what it brings: a requirement file that cannot be read, a wheel, an archive or a
/// folder without a project file, a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadInstall {
    /// Stage.
    pub stage: StageId,
    /// The install command.
    pub origin: Origin,
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
    /// The word `apt-key`, where that takes the key.
    pub apt_key: Option<Origin>,
    /// The option that switches verification off, where one does.
    pub unverified_by: Option<Origin>,
    /// The whole command.
    pub command: Origin,
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
