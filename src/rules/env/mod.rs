//! CU2xx: environment that the NVIDIA runtime reads.

mod capabilities;
mod cu201_missing_nvidia_env;
mod cu202_driver_capabilities_missing_compute;
mod cu203_driver_capabilities_missing_utility;
mod cu204_driver_capabilities_missing_video;
mod cu205_driver_capabilities_missing_graphics;
mod cu206_driver_capabilities_invalid;
mod cu207_driver_capabilities_all;
mod cu208_visible_devices_hardcoded;
mod cu209_visible_devices_redundant;
mod cu210_cuda_visible_devices_baked;
mod cu211_disable_require_set;
mod cu212_disable_require_not_boolean;
mod cu213_require_cuda_emptied;
mod cu214_cuda_version_env_invalid;
mod cu215_require_cuda_understated;
mod cu216_run_export_lost;

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu201_missing_nvidia_env::MissingNvidiaEnv,
    &cu202_driver_capabilities_missing_compute::DriverCapabilitiesMissingCompute,
    &cu203_driver_capabilities_missing_utility::DriverCapabilitiesMissingUtility,
    &cu204_driver_capabilities_missing_video::DriverCapabilitiesMissingVideo,
    &cu205_driver_capabilities_missing_graphics::DriverCapabilitiesMissingGraphics,
    &cu206_driver_capabilities_invalid::DriverCapabilitiesInvalid,
    &cu207_driver_capabilities_all::DriverCapabilitiesAll,
    &cu208_visible_devices_hardcoded::VisibleDevicesHardcoded,
    &cu209_visible_devices_redundant::VisibleDevicesRedundant,
    &cu210_cuda_visible_devices_baked::CudaVisibleDevicesBaked,
    &cu211_disable_require_set::DisableRequireSet,
    &cu212_disable_require_not_boolean::DisableRequireNotBoolean,
    &cu213_require_cuda_emptied::RequireCudaEmptied,
    &cu214_cuda_version_env_invalid::CudaVersionEnvInvalid,
    &cu215_require_cuda_understated::RequireCudaUnderstated,
    &cu216_run_export_lost::RunExportLost,
];

/// Go's strconv.ParseBool, with which the runtime reads NVIDIA_DISABLE_REQUIRE.
fn go_bool(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
