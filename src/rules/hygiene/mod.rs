//! CU9xx: size, security, reproducibility.

mod cu903_ld_preload_driver_library;
mod cu905_unpinned_gpu_framework;

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu903_ld_preload_driver_library::LdPreloadDriverLibrary,
    &cu905_unpinned_gpu_framework::UnpinnedGpuFramework,
];
