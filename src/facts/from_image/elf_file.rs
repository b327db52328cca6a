//! What is kept of one ELF file of a layer: the CUDA facts in it, and nothing when there are none.

use serde::{Deserialize, Serialize};

use crate::compat::{ComputeCapability, PtxIsa, SmSuffix, SmTarget};
use crate::elf::{self, CudartEvidence, DriverLibrary, Machine, ScannedFile};

/// The facts of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElfFile {
    /// SONAME.
    pub soname: Option<String>,
    /// Machine of the host code.
    pub machine: Option<Machine>,
    /// CUDA and driver libraries in NEEDED.
    pub needed: Vec<String>,
    /// CUDA and driver libraries that the file names as text.
    pub dlopen: Vec<String>,
    /// The CUDA runtime in it.
    pub cudart: Option<CudartEvidence>,
    /// The driver library that it is.
    pub driver: Option<DriverLibrary>,
    /// Targets of machine code, sorted, distinct.
    pub sass: Vec<SmTarget>,
    /// Targets and ISA of PTX that the driver may compile, sorted, distinct.
    pub ptx: Vec<(SmTarget, PtxIsa)>,
    /// Whether it is a link-time stub.
    pub stub: bool,
    /// Whether all of it was seen.
    pub complete: bool,
}

impl ElfFile {
    /// Keeps the CUDA facts of a file; `None` when it has none.
    #[must_use]
    pub fn of(scanned: ScannedFile) -> Option<Self> {
        let mut sass: Vec<SmTarget> = Vec::new();
        let mut ptx: Vec<(SmTarget, PtxIsa)> = Vec::new();
        for entry in &scanned.device_code.entries {
            let Some(target) = target(entry.target) else { continue };
            if entry.is_loadable_sass() {
                sass.push(target);
            }
            if entry.is_jit_ptx()
                && let Some(isa) = entry.ptx_isa.and_then(isa)
            {
                ptx.push((target, isa));
            }
        }
        sass.sort_unstable();
        sass.dedup();
        ptx.sort_unstable();
        ptx.dedup();
        let complete = scanned.is_complete();
        let (soname, machine, needed) = match scanned.elf {
            Some(elf) => {
                let needed: Vec<String> =
                    elf.needed.into_iter().filter(|name| is_cuda_library(name)).collect();
                (elf.soname, Some(elf.machine), needed)
            }
            None => (None, None, Vec::new()),
        };
        let file = Self {
            soname,
            machine,
            needed,
            dlopen: scanned.dlopen,
            cudart: scanned.cudart,
            driver: scanned.driver,
            sass,
            ptx,
            stub: scanned.stub,
            complete,
        };
        file.says_something().then_some(file)
    }

    fn says_something(&self) -> bool {
        self.cudart.is_some()
            || self.driver.is_some()
            || self.stub
            || !(self.sass.is_empty()
                && self.ptx.is_empty()
                && self.needed.is_empty()
                && self.dlopen.is_empty())
            || self.soname.as_deref().is_some_and(is_cuda_library)
    }
}

fn target(target: elf::SmTarget) -> Option<SmTarget> {
    let suffix = match target.suffix {
        elf::SmSuffix::None => SmSuffix::None,
        elf::SmSuffix::ArchSpecific => SmSuffix::ArchSpecific,
        elf::SmSuffix::Family => SmSuffix::Family,
    };
    ComputeCapability::from_sm_number(target.number).map(|cc| SmTarget { cc, suffix })
}

fn isa(isa: elf::PtxIsa) -> Option<PtxIsa> {
    Some(PtxIsa::new(u8::try_from(isa.major).ok()?, u8::try_from(isa.minor).ok()?))
}

/// Stems of the libraries of CUDA and of the driver.
const CUDA_STEMS: &[&str] = &[
    "libEGL_nvidia",
    "libGLX_nvidia",
    "libcublas",
    "libcublasLt",
    "libcuda.so",
    "libcudadebugger",
    "libcudart",
    "libcudnn",
    "libcufft",
    "libcufile",
    "libcupti",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libcutensor",
    "libnccl",
    "libnpp",
    "libnvJitLink",
    "libnvToolsExt",
    "libnvcuvid",
    "libnvidia-",
    "libnvinfer",
    "libnvjpeg",
    "libnvonnxparser",
    "libnvoptix",
    "libnvrtc",
];

/// Whether a library name is one of CUDA's or the driver's.
#[must_use]
pub fn is_cuda_library(name: &str) -> bool {
    // The container tools carry the driver's prefix and are no part of it.
    !name.starts_with("libnvidia-container")
        && !name.starts_with("libnvidia-egl-")
        && CUDA_STEMS.iter().any(|stem| name.starts_with(stem))
}

/// Whether a library is one of NVIDIA's own CUDA libraries: they choose among kernels by themselves and may carry an
/// older runtime than the toolkit they ship with.
#[must_use]
pub fn is_vendor_library(name: &str) -> bool {
    is_cuda_library(name) && !name.starts_with("libcudart")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names() {
        for name in [
            "libcuda.so.1",
            "libcudart.so.12",
            "libnvidia-ml.so.1",
            "libcudnn_ops.so.9",
            "libcudart-5a.so.12.0",
        ] {
            assert!(is_cuda_library(name), "{name}");
        }
        for name in ["libc.so.6", "libnvidia-container.so.1", "libnvidia-egl-wayland.so.1", "libculture.so"] {
            assert!(!is_cuda_library(name), "{name}");
        }
        assert!(is_vendor_library("libcublas.so.12") && !is_vendor_library("libcudart.so.12"));
    }
}
