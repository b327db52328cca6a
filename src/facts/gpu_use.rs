//! Statements about what needs the GPU, the driver or CUDA: the loader path, capabilities, payload and CUDA versions.

use std::sync::Arc;

use crate::compat::CudaVersion;

use super::{Origin, StageId};

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
    /// The instruction of the Dockerfile that brings it, where it stands in a file of the build context.
    pub through: Option<Origin>,
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
