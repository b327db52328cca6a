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

/// Stages of a driver container: kernel headers or module tooling beside an installer of the driver and its kernel
/// module. Such images are meant to carry the driver.
pub(super) struct DriverContainers {
    /// Stages with headers or module tooling.
    kernel: BTreeSet<StageId>,
    /// Stages that install the driver's kernel module.
    driver: BTreeSet<StageId>,
}

impl DriverContainers {
    /// Finds them once, for many questions.
    pub(super) fn of(facts: &Facts) -> Self {
        let stages = |is: fn(&str) -> bool| -> BTreeSet<StageId> {
            facts.packages.iter().filter(|package| is(&package.name)).map(|package| package.stage).collect()
        };
        let mut driver = stages(brings_module);
        let with_module = facts.installers.iter().filter(|installer| {
            installer.is_driver()
                && !installer.has("--no-kernel-module")
                && !installer.has("--no-kernel-modules")
        });
        driver.extend(with_module.map(|installer| installer.stage));
        Self { kernel: stages(for_kernels), driver }
    }

    /// Whether a stage, with those that it is built from, is one.
    pub(super) fn has(&self, facts: &Facts, stage: StageId) -> bool {
        let below = |stages: &BTreeSet<StageId>| stages.iter().any(|found| facts.inherits(stage, *found));
        below(&self.kernel) && below(&self.driver)
    }
}

/// Whether a name is a stem, or goes on behind it with a dash.
fn has_stem(name: &str, stems: &[&str]) -> bool {
    stems
        .iter()
        .any(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

/// Packages that build or load kernel modules, or are needed for it. The driver's own modules prove nothing.
fn for_kernels(name: &str) -> bool {
    has_stem(name, &["linux-headers", "linux-modules", "kernel-devel", "kernel-headers", "dkms", "kmod"])
        && !name.contains("nvidia")
}

/// Driver packages that take the kernel module along; those of user space alone do not make a driver container.
fn brings_module(name: &str) -> bool {
    let user_space = [
        "nvidia-driver-cuda",
        "nvidia-driver-libs",
        "nvidia-driver-NVML",
        "nvidia-driver-bin",
        "nvidia-headless-no-dkms",
        "nvidia-kernel-common",
    ];
    let stems = [
        "akmod-nvidia",
        "cuda-drivers",
        "kmod-nvidia",
        "nvidia-dkms",
        "nvidia-driver",
        "nvidia-headless",
        "nvidia-kernel",
        "nvidia-open",
    ];
    has_stem(name, &stems) && !has_stem(name, &user_space) && is_driver_package(name)
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
        rest.split_once(".so").is_some_and(|(stem, version)| {
            let versioned =
                version.strip_prefix('.').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()));
            !stem.starts_with("container")
                && !stem.starts_with("egl-")
                && (versioned || stem.contains('*') || DRIVER_LIBRARIES.contains(&stem))
        })
    } else {
        name == "nvidia-smi"
            || ["libcuda.so", "libnvcuvid.so", "libnvoptix.so", "libcudadebugger.so"].iter().any(|stem| {
                name.strip_prefix(stem)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('*'))
            })
    };
    owned.then_some(name)
}

/// The driver's libraries `libnvidia-…` by the rest of their names: without a version only these are known to be its.
const DRIVER_LIBRARIES: &[&str] = &[
    "allocator",
    "api",
    "cfg",
    "compiler",
    "eglcore",
    "encode",
    "fbc",
    "glcore",
    "glsi",
    "glvkspirv",
    "gpucomp",
    "gtk2",
    "gtk3",
    "ifr",
    "ml",
    "ngx",
    "nvvm",
    "opencl",
    "opticalflow",
    "pkcs11",
    "ptxjitcompiler",
    "rtcore",
    "sandboxutils",
    "tls",
    "vksc-core",
];

/// Whether a pattern takes driver files out of a library folder of the system (`/usr/lib/x86_64-linux-gnu/libnvidia-*`,
/// `…/libcuda*`); the pattern's last part is returned.
pub(super) fn driver_glob(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    let system =
        ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/nvidia/lib", "/usr/local/nvidia/lib64"];
    let multiarch = ["/x86_64-linux-gnu", "/aarch64-linux-gnu"];
    let root = multiarch.iter().find_map(|end| folder.strip_suffix(end)).unwrap_or(folder);
    let (known, _) = name.split_once('*')?;
    let driver = match known.strip_prefix("libnvidia") {
        Some("" | "-") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|rest| DRIVER_LIBRARIES.contains(&rest)),
        None => known == "libcuda" || known == "libcuda.",
    };
    (system.contains(&root) && driver).then_some(name)
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
        assert_eq!(driver_file("libnvidia-hooks.so"), None);
        assert_eq!(driver_file("/usr/lib/libnvidia-ml.so"), Some("libnvidia-ml.so"));
    }

    #[test]
    fn driver_files_by_pattern_and_folder() {
        assert_eq!(driver_glob("/usr/lib/x86_64-linux-gnu/libnvidia-*"), Some("libnvidia-*"));
        assert_eq!(driver_glob("/usr/lib64/libcuda*"), Some("libcuda*"));
        assert_eq!(driver_glob("/usr/local/cuda/lib64/libcuda*"), None);
        assert_eq!(driver_glob("/usr/lib/x86_64-linux-gnu/libcudnn*"), None);
        assert_eq!(driver_glob("/usr/lib/x86_64-linux-gnu/libnvidia-container*"), None);
    }
}
