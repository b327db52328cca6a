//! Names of packages and files that belong to the host driver.

use std::collections::BTreeSet;

use crate::facts::{Facts, StageId};

/// Stems of package names that bring driver libraries or modules (Debian, Ubuntu, NVIDIA's repositories, Fedora, SUSE,
/// Arch). A name matches when it is the stem or goes on with a digit, `-` or `_`.
const DRIVER_STEMS: &[&str] = &[
    "akmod-nvidia",
    "cuda-drivers",
    "kmod-nvidia",
    "libcuda1",
    "libnvcuvid1",
    "libnvidia-cfg1",
    "libnvidia-common",
    "libnvidia-compute",
    "libnvidia-decode",
    "libnvidia-encode",
    "libnvidia-extra",
    "libnvidia-fbc1",
    "libnvidia-gl",
    "libnvidia-gpucomp",
    "libnvidia-ifr1",
    "libnvidia-ml",
    "libnvidia-opticalflow1",
    "libnvidia-ptxjitcompiler",
    "libnvoptix1",
    "nvidia-compute-utils",
    "nvidia-dkms",
    "nvidia-driver",
    "nvidia-fabricmanager",
    "nvidia-headless",
    "nvidia-kernel",
    "nvidia-open",
    "nvidia-smi",
    "nvidia-utils",
    "xorg-x11-drv-nvidia",
    "xserver-xorg-video-nvidia",
];

/// Names that look alike and carry no driver: headers, stubs, repository descriptions.
const HARMLESS: &[&str] = &["libnvidia-ml-dev", "nvidia-driver-local-repo", "nvidia-fabricmanager-dev"];

/// Whether a package of this name puts driver libraries, tools or modules into the image.
pub(super) fn is_driver_package(name: &str) -> bool {
    if HARMLESS.iter().any(|harmless| name.starts_with(harmless)) {
        return false;
    }
    DRIVER_STEMS.iter().any(|stem| {
        name.strip_prefix(stem).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '_')
        })
    })
}

/// Stages that build a driver container: kernel headers or module tooling beside the driver. Such images are meant to
/// carry the driver.
pub(super) struct DriverContainers {
    /// Stages that install them.
    kernel: BTreeSet<StageId>,
}

impl DriverContainers {
    /// Finds them once, for many questions.
    pub(super) fn of(facts: &Facts) -> Self {
        let for_kernels = |name: &str| {
            ["linux-headers", "linux-modules", "kernel-devel", "kernel-headers", "dkms", "kmod"].iter().any(
                |stem| name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
            )
        };
        let packages = facts.packages.iter().filter(|package| for_kernels(&package.name));
        Self { kernel: packages.map(|package| package.stage).collect() }
    }

    /// Whether a stage, or one that it is built from, is one.
    pub(super) fn has(&self, facts: &Facts, stage: StageId) -> bool {
        self.kernel.iter().any(|kernel| facts.inherits(stage, *kernel))
    }
}

/// Whether a path names a file that the host driver owns and the runtime mounts; the base name is returned. Stubs,
/// compat folders and Jetson's own folder are judged elsewhere, and `libnvidia-container`, `libnvidia-egl-*` belong to
/// other packages.
pub(in crate::rules) fn driver_file(path: &str) -> Option<&str> {
    let folders = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if folders
        .split('/')
        .any(|part| part == "stubs" || part.starts_with("compat") || part.starts_with("tegra"))
    {
        return None;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let owned = if let Some(rest) = name.strip_prefix("libnvidia-") {
        !rest.starts_with("container") && !rest.starts_with("egl-") && rest.contains(".so")
    } else {
        name == "nvidia-smi"
            || ["libcuda.so", "libnvcuvid.so", "libnvoptix.so", "libcudadebugger.so"].iter().any(|stem| {
                name.strip_prefix(stem)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('*'))
            })
    };
    owned.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_packages_by_stem() {
        for name in [
            "libnvidia-compute-535",
            "libnvidia-ml1",
            "nvidia-driver-550-server",
            "cuda-drivers",
            "libcuda1-340",
            "nvidia-utils",
            "kmod-nvidia-latest-dkms",
        ] {
            assert!(is_driver_package(name), "{name}");
        }
        for name in [
            "libnvidia-ml-dev",
            "libnvidia-container1",
            "libnvidia-egl-wayland1",
            "nvidia-cuda-toolkit",
            "cuda-nvml-dev-12-4",
            "nvidia-container-toolkit",
            "libcudnn8",
            "libnvidia-nscq-535",
        ] {
            assert!(!is_driver_package(name), "{name}");
        }
    }

    #[test]
    fn driver_files_by_name_and_folder() {
        assert_eq!(driver_file("/usr/lib/x86_64-linux-gnu/libcuda.so.1"), Some("libcuda.so.1"));
        assert_eq!(driver_file("/usr/lib/libnvidia-ml.so.535.104.05"), Some("libnvidia-ml.so.535.104.05"));
        assert_eq!(driver_file("/usr/local/cuda/compat/libcuda.so.1"), None);
        assert_eq!(driver_file("/usr/local/cuda/lib64/stubs/libcuda.so"), None);
        assert_eq!(driver_file("/usr/lib/libnvidia-container.so.1"), None);
        assert_eq!(driver_file("/usr/lib/libcudart.so.12"), None);
    }
}
