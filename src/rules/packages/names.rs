//! How NVIDIA's packages carry CUDA versions in their names and versions.

use crate::facts::PackageInstall;

/// Stems of NVIDIA's CUDA packages that exist with and without `-X-Y`.
const CUDA_STEMS: &[&str] = &[
    "cuda-toolkit",
    "cuda-libraries",
    "cuda-libraries-dev",
    "cuda-compiler",
    "cuda-command-line-tools",
    "cuda-minimal-build",
    "cuda-cudart",
    "cuda-cudart-dev",
    "cuda-nvcc",
    "cuda-nvrtc",
    "cuda-nvrtc-dev",
    "cuda-nvtx",
    "cuda-nvml-dev",
    "cuda-tools",
    "cuda-visual-tools",
    "cuda-driver-dev",
    "cuda-cupti",
    "cuda-cupti-dev",
    "cuda-profiler-api",
    "cuda-runtime",
    "libcublas",
    "libcublas-dev",
    "libcufft",
    "libcufft-dev",
    "libcurand",
    "libcurand-dev",
    "libcusolver",
    "libcusolver-dev",
    "libcusparse",
    "libcusparse-dev",
    "libnpp",
    "libnpp-dev",
    "libnvjitlink",
    "libnvjpeg",
];

/// A CUDA package name taken apart.
pub(super) struct CudaName<'a> {
    /// Name without the version (`cuda-toolkit`).
    pub(super) stem: &'a str,
    /// Major version in the name.
    pub(super) major: Option<u16>,
    /// Minor version in the name.
    pub(super) minor: Option<u16>,
}

/// Reads `cuda-toolkit-12-4`, `libcublas-dev-12-4`, `cuda-toolkit`; `None` for other packages.
pub(super) fn cuda_name(name: &str) -> Option<CudaName<'_>> {
    let mut stem = name;
    let mut numbers = Vec::new();
    while let Some((rest, last)) = stem.rsplit_once('-') {
        match last.parse::<u16>() {
            Ok(number) if numbers.len() < 2 => {
                numbers.insert(0, number);
                stem = rest;
            }
            _ => break,
        }
    }
    CUDA_STEMS.contains(&stem).then(|| CudaName {
        stem,
        major: numbers.first().copied(),
        minor: numbers.get(1).copied(),
    })
}

/// cuDNN, NCCL and TensorRT packages of NVIDIA's repository, whose version carries the CUDA they were built for.
pub(super) fn is_cuda_library_build(name: &str) -> bool {
    ["libcudnn", "libnccl", "libnvinfer", "libnvonnxparsers", "libnvparsers", "tensorrt"]
        .iter()
        .any(|stem| name.starts_with(stem))
}

/// CUDA version in a package version: `2.21.5-1+cuda12.4` gives (12, Some(4)), `+cuda12.*` gives (12, None).
pub(super) fn cuda_of_version(package: &PackageInstall) -> Option<(u16, Option<u16>)> {
    let version = package.version.as_deref()?;
    let (_, cuda) = version.rsplit_once("cuda")?;
    let mut parts = cuda.trim_start_matches('-').split(['.', '-']);
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok())))
}

/// The CUDA major that a build of cuDNN, NCCL or TensorRT is for: by its version (`+cuda12.4`) or name
/// (`libcudnn9-cuda-12`).
pub(super) fn major_of_build(package: &PackageInstall) -> Option<u16> {
    let by_name = || {
        let (_, rest) = package.name.split_once("-cuda-")?;
        rest.split('-').next()?.parse().ok()
    };
    cuda_of_version(package).map(|(major, _)| major).or_else(by_name)
}

/// A library's name with the major of its SONAME.
pub(super) struct Soname<'a> {
    /// `libcublas`
    pub(super) stem: &'a str,
    /// 12 of `libcublas.so.12.4.5.8`.
    pub(super) major: u16,
}

/// Beginnings of names of CUDA's libraries whose file versions begin with the major of their SONAME.
const SONAME_STEMS: &[&str] = &[
    "libcublas",
    "libcudart",
    "libcudnn",
    "libcufft",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libcutensor",
    "libnccl",
    "libnpp",
    "libnvJitLink",
    "libnvinfer",
    "libnvjpeg",
    "libnvonnxparser",
    "libnvrtc",
];

/// Reads the name of a CUDA library with a version; `None` for other files and names without one.
pub(super) fn soname_of(path: &str) -> Option<Soname<'_>> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, version) = file.split_once(".so.")?;
    let major = version.split('.').next()?.parse().ok()?;
    SONAME_STEMS.iter().any(|known| stem.starts_with(known)).then_some(Soname { stem, major })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let name = cuda_name("libcublas-dev-12-4").unwrap();
        assert_eq!((name.stem, name.major, name.minor), ("libcublas-dev", Some(12), Some(4)));
        let name = cuda_name("cuda-toolkit-12").unwrap();
        assert_eq!((name.stem, name.major, name.minor), ("cuda-toolkit", Some(12), None));
        assert!(cuda_name("cuda-keyring").is_none());
        assert!(cuda_name("cuda-compat-12-4").is_none());
        assert!(cuda_name("cuda-12-4").is_none());
    }
}
