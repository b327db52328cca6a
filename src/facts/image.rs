//! What only a built image shows: layers, files, and what the ELF reader found in them.

use std::sync::Arc;

use crate::compat::{CudaVersion, DriverBranch, DriverVersion, PtxIsa, SmTarget};

use super::Origin;

/// Facts of a built image.
#[derive(Debug, Clone, Default)]
pub struct ImageFacts {
    /// Layers, lowest first.
    pub layers: Vec<LayerFacts>,
    /// CUDA runtimes in the merged file system.
    pub cudart: Vec<CudartFile>,
    /// Driver-owned libraries in the merged file system.
    pub driver_libraries: Vec<DriverLibraryFile>,
    /// Files with GPU code.
    pub device_code: Vec<DeviceCodeFile>,
    /// CUDA libraries that files ask for (NEEDED), by SONAME.
    pub needed: Vec<NeededLibrary>,
    /// Packages of dpkg, rpm and apk databases.
    pub packages: Vec<InstalledPackage>,
    /// Python distributions (dist-info folders).
    pub python: Vec<PythonDistribution>,
    /// Loader configuration files.
    pub loader_files: Vec<LoaderFile>,
    /// C library of the image.
    pub libc: Option<Libc>,
    /// Whether kernel modules are present (a driver container).
    pub kernel_modules: bool,
    /// Whether every layer was read to its end.
    pub complete: bool,
    /// Labels of the config.
    pub labels: Vec<(String, String)>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// Digest as in the manifest.
    pub digest: Arc<str>,
    /// Digest of the inflated stream, as in the config.
    pub diff_id: Option<Arc<str>>,
    /// The history instruction that made it.
    pub created_by: Option<Arc<str>>,
    /// Compressed size in bytes.
    pub size: u64,
    /// Whether it was read to its end.
    pub complete: bool,
}

/// A CUDA runtime, shared or linked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudartFile {
    /// Path and layer.
    pub origin: Origin,
    /// Absolute path.
    pub path: Arc<str>,
    /// SONAME of a shared one.
    pub soname: Option<String>,
    /// Version, as exact as the evidence allows.
    pub version: Option<CudaVersion>,
    /// Patch-exact component version where a build-id or name gives it (12.4.127).
    pub build: Option<String>,
    /// What gave the version, strongest first (`code constant`, `build-id`, `SONAME`, `file name`, `symbols`).
    pub version_from: Vec<String>,
    /// Evidence that disagrees with the version, in words.
    pub disagreement: Option<String>,
    /// Linked into the file instead of a shared library.
    pub is_static: bool,
    /// Whether `LD_LIBRARY_PATH`, the loader's cache or defaults, or only an RPATH can reach it; `None` not examined.
    pub on_loader_path: Option<bool>,
    /// ELF machine is not that of the image's platform.
    pub foreign_machine: bool,
}

/// Kinds of driver library files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverLibraryFile {
    /// Path and layer.
    pub origin: Origin,
    /// Absolute path.
    pub path: Arc<str>,
    /// SONAME, where the file has one.
    pub soname: Option<String>,
    /// `real`, `stub`, `compat` or `empty`.
    pub kind: DriverLibraryKind,
    /// Driver version inside.
    pub version: Option<DriverVersion>,
    /// What gave the version.
    pub version_from: Option<String>,
    /// CUDA version that a compat library declares.
    pub compat_cuda: Option<CudaVersion>,
    /// Base branches that a compat library's ELF note declares; `None` no note or no list.
    pub compat_branches: Option<Vec<DriverBranch>>,
    /// A symbolic link whose target is not in the image.
    pub dangling_link: bool,
}

/// What a driver library file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverLibraryKind {
    /// A working library of a driver.
    Real,
    /// A link-time stub.
    Stub,
    /// A forward-compatibility library.
    Compat,
    /// A zero-byte file.
    Empty,
}

/// A file with GPU code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCodeFile {
    /// Path and layer.
    pub origin: Origin,
    /// Absolute path.
    pub path: Arc<str>,
    /// SASS targets, sorted, distinct.
    pub sass: Vec<SmTarget>,
    /// PTX targets with ISA version, sorted, distinct; only PTX that the driver may compile at run time.
    pub ptx: Vec<(SmTarget, PtxIsa)>,
    /// Whether it is a CUDA library of NVIDIA's that dispatches by itself (cuBLAS, cuDNN, …).
    pub vendor_library: bool,
    /// Whether its device code was read to the end.
    pub complete: bool,
}

/// A CUDA or driver library that a file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededLibrary {
    /// The file that asks.
    pub origin: Origin,
    /// Absolute path of that file.
    pub path: Arc<str>,
    /// What it asks for (`libcudart.so.12`, `libnvidia-ml.so.1`).
    pub soname: String,
    /// By a dlopen string instead of DT_NEEDED.
    pub dlopen: bool,
}

/// A package of a package database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Name.
    pub name: String,
    /// Version as the database has it.
    pub version: String,
    /// Database: `dpkg`, `rpm`, `apk`.
    pub database: String,
    /// The database file and the layer that last changed it.
    pub origin: Origin,
}

/// An installed Python distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonDistribution {
    /// Name, normalised.
    pub name: String,
    /// Version, local part included.
    pub version: String,
    /// Its dist-info folder.
    pub origin: Origin,
}

/// A loader configuration file with its directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderFile {
    /// Path and layer.
    pub origin: Origin,
    /// Directories it names.
    pub directories: Vec<String>,
}

/// C library of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Libc {
    /// glibc.
    Glibc,
    /// musl, and no glibc.
    Musl,
}
