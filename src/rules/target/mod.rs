//! CU8xx: against a target of drivers and GPUs.

mod cu808_toolkit_gpu_mismatch;
mod cu809_arch_list_without_ptx;
mod cu810_arch_native_in_build;

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu808_toolkit_gpu_mismatch::ToolkitGpuMismatch,
    &cu809_arch_list_without_ptx::ArchListWithoutPtx,
    &cu810_arch_native_in_build::ArchNativeInBuild,
];
