//! What the URL of a package index says about the CUDA of its wheels.

use crate::compat::CudaVersion;

use super::super::PythonIndex;
use super::requirement::wheel_digits;

/// How an index is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexRole {
    /// `--index-url`: in place of the default index.
    Primary,
    /// `--extra-index-url`: beside it.
    Extra,
    /// `--find-links`: a page of links beside it.
    FindLinks,
}

/// The default index and well-known mirrors of all of it: host, and path under it.
const DEFAULT_INDEX: &[(&str, &str)] = &[
    ("pypi.org", ""),
    ("pypi.python.org", ""),
    ("pypi.tuna.tsinghua.edu.cn", "simple"),
    ("mirrors.tuna.tsinghua.edu.cn", "pypi"),
    ("mirrors.aliyun.com", "pypi/simple"),
    ("mirrors.cloud.tencent.com", "pypi/simple"),
    ("mirrors.huaweicloud.com", "repository/pypi/simple"),
    ("repo.huaweicloud.com", "repository/pypi/simple"),
    ("mirrors.ustc.edu.cn", "pypi"),
    ("pypi.mirrors.ustc.edu.cn", "simple"),
    ("pypi.doubanio.com", "simple"),
    ("pypi.douban.com", "simple"),
    ("mirrors.bfsu.edu.cn", "pypi"),
    ("mirror.sjtu.edu.cn", "pypi"),
];

/// Classifies an index. `url` is `None` when it cannot be known.
///
/// The CUDA version is taken from a path segment `cuNNN` (`https://download.pytorch.org/whl/cu121`, and the mirrors
/// and other projects that follow the same habit) or from a find-links page named after it
/// (`torch-2.1.0+cu121.html`).
#[must_use]
pub fn classify_index(url: Option<&str>, role: IndexRole) -> PythonIndex {
    let Some(url) = url.filter(|url| !url.contains('$')) else {
        return PythonIndex::Other;
    };
    let bare = url.split(['?', '#']).next().unwrap_or(url).trim();
    let without_scheme = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    let without_user = without_scheme.rsplit_once('@').map_or(without_scheme, |(_, rest)| rest);
    let mut parts = without_user.split('/').filter(|part| !part.is_empty());
    let host = parts.next().unwrap_or_default().to_ascii_lowercase();
    let segments: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    let path = segments.join("/");
    if DEFAULT_INDEX.iter().any(|(known, under)| host == *known && path.starts_with(under)) {
        return PythonIndex::Default;
    }
    let nightly = segments.iter().any(|segment| segment == "nightly" || segment == "nightlies");
    let cuda = segments.iter().find_map(|segment| cuda_of_segment(segment));
    if let Some(version) = cuda {
        if nightly {
            return PythonIndex::Nightly(Some(version));
        }
        return PythonIndex::Cuda { version, replaces_default: role == IndexRole::Primary };
    }
    let wheel_folder = segments.iter().any(|segment| segment == "whl" || segment.ends_with("wheels"));
    if wheel_folder && segments.iter().any(|segment| segment == "cpu") {
        return PythonIndex::Cpu;
    }
    if wheel_folder && segments.iter().any(|segment| segment.starts_with("rocm") || segment == "xpu") {
        return PythonIndex::OtherAccelerator;
    }
    if nightly {
        return PythonIndex::Nightly(None);
    }
    PythonIndex::Other
}

/// CUDA version of `cu121`, or of a page `torch-2.1.0+cu121.html`.
fn cuda_of_segment(segment: &str) -> Option<CudaVersion> {
    if let Some(digits) = segment.strip_prefix("cu") {
        return wheel_digits(digits);
    }
    let page = segment.strip_suffix(".html")?;
    let page = page.replace("%2b", "+");
    let (_, local) = page.rsplit_once('+')?;
    let (_, digits) = local.rsplit_once("cu")?;
    wheel_digits(digits)
}

/// What a value of `--torch-backend` or UV_TORCH_BACKEND stands for. `auto` asks the machine that builds, which has no
/// GPU, and so says nothing certain.
#[must_use]
pub fn classify_torch_backend(value: Option<&str>) -> PythonIndex {
    match value {
        Some("cpu") => PythonIndex::Cpu,
        Some(value) => match value.strip_prefix("cu").and_then(wheel_digits) {
            Some(version) => PythonIndex::Cuda { version, replaces_default: true },
            None if value.starts_with("rocm") || value == "xpu" => PythonIndex::OtherAccelerator,
            None => PythonIndex::Other,
        },
        None => PythonIndex::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra(url: &str) -> PythonIndex {
        classify_index(Some(url), IndexRole::Extra)
    }

    fn cuda(major: u16, minor: u16, replaces_default: bool) -> PythonIndex {
        PythonIndex::Cuda { version: CudaVersion::new(major, minor), replaces_default }
    }

    #[test]
    fn pytorch_indexes() {
        let primary = classify_index(Some("https://download.pytorch.org/whl/cu121"), IndexRole::Primary);
        assert_eq!(primary, cuda(12, 1, true));
        assert_eq!(extra("https://download.pytorch.org/whl/cu118/"), cuda(11, 8, false));
        assert_eq!(extra("https://download.pytorch.org/whl/test/cu130"), cuda(13, 0, false));
        assert_eq!(extra("https://download.pytorch.org/whl/cpu"), PythonIndex::Cpu);
        assert_eq!(extra("https://download.pytorch.org/whl/nightly/cpu"), PythonIndex::Cpu);
        assert_eq!(extra("https://download.pytorch.org/whl/rocm6.2"), PythonIndex::OtherAccelerator);
        assert_eq!(extra("https://download.pytorch.org/whl/xpu"), PythonIndex::OtherAccelerator);
        let nightly = PythonIndex::Nightly(Some(CudaVersion::new(12, 8)));
        assert_eq!(extra("https://download.pytorch.org/whl/nightly/cu128"), nightly);
        assert_eq!(extra("https://download.pytorch.org/whl/torch_stable.html"), PythonIndex::Other);
    }

    #[test]
    fn mirrors_and_other_projects_follow_the_same_habit() {
        assert_eq!(extra("https://mirror.example/pytorch-wheels/cu124"), cuda(12, 4, false));
        assert_eq!(extra("https://user:pw@mirror.example/pytorch-wheels/cpu/"), PythonIndex::Cpu);
        assert_eq!(extra("https://data.pyg.org/whl/torch-2.1.0+cu121.html"), cuda(12, 1, false));
        assert_eq!(extra("https://data.pyg.org/whl/torch-2.1.0%2Bcu121.html"), cuda(12, 1, false));
        assert_eq!(extra("https://flashinfer.ai/whl/cu124/torch2.5/"), cuda(12, 4, false));
    }

    #[test]
    fn the_default_index_and_unknown_ones() {
        assert_eq!(extra("https://pypi.org/simple"), PythonIndex::Default);
        assert_eq!(extra("https://mirrors.aliyun.com/pypi/simple/"), PythonIndex::Default);
        assert_eq!(extra("https://mirrors.aliyun.com/pytorch-wheels/cu124"), cuda(12, 4, false));
        assert_eq!(extra("https://pypi.nvidia.com"), PythonIndex::Other);
        assert_eq!(extra("https://download.pytorch.org/whl/${CU}"), PythonIndex::Other);
        assert_eq!(classify_index(None, IndexRole::Primary), PythonIndex::Other);
        assert_eq!(extra("https://cu121.example/simple"), PythonIndex::Other);
        assert_eq!(extra("https://wheels.example/whl/cu12"), PythonIndex::Other);
    }

    #[test]
    fn torch_backends() {
        assert_eq!(classify_torch_backend(Some("cu126")), cuda(12, 6, true));
        assert_eq!(classify_torch_backend(Some("auto")), PythonIndex::Other);
        assert_eq!(classify_torch_backend(Some("cpu")), PythonIndex::Cpu);
    }
}
