//! CU3xx: the driver in the image.

mod cu301_driver_package_in_image;
mod cu302_cuda_metapackage_installs_driver;
mod cu303_container_runtime_in_image;
mod cu304_driver_library_in_layer;
mod cu305_driver_library_copied;
mod cu306_installer_may_install_driver;
mod cu307_gpu_query_at_build;
mod names;

use super::Rule;

pub(super) use names::driver_file;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu301_driver_package_in_image::DriverPackageInImage,
    &cu302_cuda_metapackage_installs_driver::CudaMetapackageInstallsDriver,
    &cu303_container_runtime_in_image::ContainerRuntimeInImage,
    &cu304_driver_library_in_layer::DriverLibraryInLayer,
    &cu305_driver_library_copied::DriverLibraryCopied,
    &cu306_installer_may_install_driver::InstallerMayInstallDriver,
    &cu307_gpu_query_at_build::GpuQueryAtBuild,
];
