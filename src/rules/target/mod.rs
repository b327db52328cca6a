//! CU8xx: against a target of drivers and GPUs.

mod cu801_driver_too_old;
mod cu802_require_cuda_unsatisfied;
mod cu803_forward_compat_unsupported_gpu;
mod cu805_no_kernel_image;
mod cu806_ptx_too_new;
mod cu808_toolkit_gpu_mismatch;
mod cu809_arch_list_without_ptx;
mod cu810_arch_native_in_build;
mod device_code;
mod requirements;

use super::Rule;

pub(super) use requirements::read as read_requirements;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu801_driver_too_old::DriverTooOld,
    &cu802_require_cuda_unsatisfied::RequireCudaUnsatisfied,
    &cu803_forward_compat_unsupported_gpu::ForwardCompatUnsupportedGpu,
    &cu805_no_kernel_image::NoKernelImage,
    &cu806_ptx_too_new::PtxTooNew,
    &cu808_toolkit_gpu_mismatch::ToolkitGpuMismatch,
    &cu809_arch_list_without_ptx::ArchListWithoutPtx,
    &cu810_arch_native_in_build::ArchNativeInBuild,
];
