//! Which CUDA a Python distribution brings with it, by version, index, local version and the table of wheels.
//!
//! What the tables do not say stays unknown: no answer is better than a guess.

use std::str::FromStr;

use pep440_rs::Version;

use crate::compat::tables::wheel::Via;
use crate::compat::tables::{NamedCuda, Pinned, WheelTable};
use crate::compat::{CudaVersion, Tables};

use super::{PythonIndex, PythonRequirement};

/// A CUDA version that a distribution brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelCuda {
    /// The version; X.0 standing for "some X.y" when [`Self::major_only`].
    pub version: CudaVersion,
    /// Whether only the major is known.
    pub major_only: bool,
}

impl WheelCuda {
    fn exact(version: CudaVersion) -> Self {
        Self { version, major_only: false }
    }

    fn major(major: u16) -> Self {
        Self { version: CudaVersion::new(major, 0), major_only: true }
    }
}

/// Distributions that follow torch's own index and local version.
const TORCH_FAMILY: &[&str] = &["torch", "torchvision", "torchaudio", "torchtext"];

/// Distributions that need a GPU, or bring CUDA whatever their version. Names that carry a CUDA version
/// (`cupy-cuda12x`) are recognised by the table.
const GPU_DISTRIBUTIONS: &[&str] = &[
    "apex",
    "auto-gptq",
    "bitsandbytes",
    "causal-conv1d",
    "cuda-bindings",
    "cuda-python",
    "cudf",
    "cuml",
    "cupy",
    "deepspeed",
    "exllamav2",
    "faiss-gpu",
    "flash-attn",
    "flashinfer-python",
    "lmdeploy",
    "mamba-ssm",
    "nvdiffrast",
    "numba-cuda",
    "nvidia-cuda-nvrtc",
    "nvidia-cuda-runtime",
    "onnxruntime-gpu",
    "paddlepaddle-gpu",
    "pycuda",
    "pynvvideocodec",
    "sglang",
    "spconv",
    "tensorflow-gpu",
    "tensorrt",
    "tensorrt-llm",
    "tinycudann",
    "torch",
    "torch-tensorrt",
    "torchaudio",
    "torchvision",
    "transformer-engine",
    "unsloth",
    "vllm",
    "xformers",
];

/// Whether a distribution makes an image a GPU image.
#[must_use]
pub fn is_gpu_distribution(requirement: &PythonRequirement, tables: &Tables) -> bool {
    if requirement.not_installed || requirement.satisfied || is_cpu_build(requirement) {
        return false;
    }
    let name = requirement.name.as_str();
    GPU_DISTRIBUTIONS.contains(&name)
        || requirement.local_cuda.is_some()
        || tables.wheels().named_cuda(name).is_some()
        || jax_major(requirement).is_some()
        || has_extra(requirement, "and-cuda")
        || (name == "llama-cpp-python" && cuda_of_indexes(requirement).is_some())
        || (name == "spacy" && requirement.extras.iter().any(|extra| extra.starts_with("cuda")))
        || (name == "onnxruntime-genai-cuda")
}

/// Whether local version or index say that this is a build without CUDA.
#[must_use]
pub fn is_cpu_build(requirement: &PythonRequirement) -> bool {
    if requirement.local_cpu {
        return true;
    }
    if requirement.local_cuda.is_some() || !TORCH_FAMILY.contains(&requirement.name.as_str()) {
        return false;
    }
    let other = |index: &PythonIndex| matches!(index, PythonIndex::Cpu | PythonIndex::OtherAccelerator);
    requirement.indexes.iter().any(other) && cuda_of_indexes(requirement).is_none()
}

/// The CUDA version that a requirement brings; `amd64` says whether the image is built for x86-64, where the default
/// index has CUDA builds (its Arm builds of torch were CPU only for long).
#[must_use]
pub fn cuda_of_requirement(
    requirement: &PythonRequirement,
    tables: &Tables,
    amd64: bool,
) -> Option<WheelCuda> {
    if requirement.not_installed || requirement.satisfied || is_cpu_build(requirement) {
        return None;
    }
    if let Some(version) = requirement.local_cuda {
        return Some(WheelCuda::exact(version));
    }
    let wheels = tables.wheels();
    let name = requirement.name.as_str();
    if TORCH_FAMILY.contains(&name) {
        return torch_family(requirement, wheels, amd64);
    }
    if let Some(named) = wheels.named_cuda(name) {
        return Some(named_cuda(requirement, named));
    }
    if let Some(major) = jax_major(requirement) {
        return Some(WheelCuda::major(major));
    }
    if name == "nvidia-cuda-runtime" || name == "cuda-toolkit" {
        let version = requirement.exact.as_deref().and_then(first_two)?;
        return Some(WheelCuda::exact(version));
    }
    pinned_cuda(requirement, wheels, amd64)
}

fn has_extra(requirement: &PythonRequirement, name: &str) -> bool {
    requirement.extras.iter().any(|extra| extra == name)
}

/// CUDA major of `jax[cuda12]` and its like; `jax[cuda]` names none.
fn jax_major(requirement: &PythonRequirement) -> Option<u16> {
    if !matches!(requirement.name.as_str(), "jax" | "jaxlib") {
        return None;
    }
    requirement.extras.iter().find_map(|extra| {
        let rest = extra.strip_prefix("cuda")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let major: u16 = digits.get(..2)?.parse().ok()?;
        (11..=99).contains(&major).then_some(major)
    })
}

/// What the indexes in force say, the one in place of the default first.
fn cuda_of_indexes(requirement: &PythonRequirement) -> Option<CudaVersion> {
    let mut found = requirement.indexes.iter().filter_map(|index| match index {
        PythonIndex::Cuda { version, .. } | PythonIndex::Nightly(Some(version)) => Some(*version),
        _ => None,
    });
    let first = found.next()?;
    // Two indexes of different CUDA versions: which one is taken is not known.
    found.all(|other| other == first).then_some(first)
}

/// Whether the default index is one of those that are asked.
fn default_index_in_force(requirement: &PythonRequirement) -> bool {
    requirement.indexes.is_empty() || requirement.indexes.contains(&PythonIndex::Default)
}

fn torch_family(requirement: &PythonRequirement, wheels: &WheelTable, amd64: bool) -> Option<WheelCuda> {
    if requirement.url.is_some() {
        return None;
    }
    let release =
        requirement.exact.as_deref().and_then(|exact| torch_release(&requirement.name, exact, wheels));
    let index = cuda_of_indexes(requirement);
    if let Some(version) = index {
        let replaces = !default_index_in_force(requirement);
        if replaces || requirement.prerelease || requirement.tool == super::PythonTool::Uv {
            return Some(WheelCuda::exact(version));
        }
        // Both indexes are asked. A pin `==2.5.1` also matches 2.5.1+cu121, which sorts above 2.5.1: the extra index
        // wins where it has that release. Without a pin the newest release of either wins.
        let row = wheels.torch(release.as_deref()?)?;
        let variants = row.variants.as_ref()?;
        if variants.contains(&version.wheel_tag()) {
            return Some(WheelCuda::exact(version));
        }
        return row.pypi_minor.filter(|_| amd64).map(WheelCuda::exact);
    }
    let only_default = requirement.indexes.iter().all(|index| matches!(index, PythonIndex::Default));
    let default_and_others = requirement.indexes.first() == Some(&PythonIndex::Default);
    if !amd64 || requirement.prerelease || !(only_default || default_and_others) {
        return None;
    }
    match release {
        Some(release) => wheels.torch(&release)?.pypi_minor.map(WheelCuda::exact),
        None if requirement.name == "torch" => newest_in_range(requirement, wheels),
        None => None,
    }
}

/// The torch release that a pin of a member of the family goes with.
fn torch_release(name: &str, exact: &str, wheels: &WheelTable) -> Option<String> {
    let same = |known: &Option<String>| {
        let known = known.as_deref().and_then(|known| Version::from_str(known).ok());
        known.is_some() && known == Version::from_str(exact).ok()
    };
    match name {
        "torch" => Some(exact.to_owned()),
        "torchvision" => {
            wheels.torch_releases().iter().find(|row| same(&row.torchvision)).map(|row| row.version.clone())
        }
        "torchaudio" => {
            wheels.torch_releases().iter().find(|row| same(&row.torchaudio)).map(|row| row.version.clone())
        }
        _ => None,
    }
}

/// The newest release inside the bounds, when the bounds end below the newest release that is known.
fn newest_in_range(requirement: &PythonRequirement, wheels: &WheelTable) -> Option<WheelCuda> {
    let bounds = requirement.specifiers.as_ref()?;
    let mut releases: Vec<(Version, Option<CudaVersion>)> = wheels
        .torch_releases()
        .iter()
        .filter_map(|row| Some((Version::from_str(&row.version).ok()?, row.pypi_minor)))
        .collect();
    releases.sort_by(|a, b| a.0.cmp(&b.0));
    let (newest, _) = releases.last()?;
    if bounds.contains(newest) {
        return None;
    }
    let (_, cuda) = releases.iter().rev().find(|(version, _)| bounds.contains(version))?;
    cuda.map(WheelCuda::exact)
}

fn named_cuda(requirement: &PythonRequirement, named: NamedCuda) -> WheelCuda {
    match named {
        // `nvidia-dali-cuda120` and `jax-cuda120` stand for any 12.x.
        NamedCuda::Version(version) if version.minor == 0 => WheelCuda::major(version.major),
        NamedCuda::Version(version) => WheelCuda::exact(version),
        NamedCuda::Major(major) => {
            let runtime = requirement.name.starts_with("nvidia-cuda-runtime-cu");
            match requirement.exact.as_deref().filter(|_| runtime).and_then(first_two) {
                Some(version) => WheelCuda::exact(version),
                None => WheelCuda::major(major),
            }
        }
    }
}

/// What the metadata of a pinned release requires.
fn pinned_cuda(requirement: &PythonRequirement, wheels: &WheelTable, amd64: bool) -> Option<WheelCuda> {
    let name = requirement.name.as_str();
    let row = wheels.pinned(name, requirement.exact.as_deref()?)?;
    let applies = match row.via {
        Via::Plain => name != "xgboost",
        Via::Extra => row.extra.as_deref().is_some_and(|extra| has_extra(requirement, extra)),
        Via::Name => true,
        Via::External | Via::None => false,
    };
    if !applies || requirement.url.is_some() {
        return None;
    }
    if let Some(found) = metadata_cuda(row) {
        return Some(found);
    }
    let torch = row.torch.as_deref().filter(|torch| torch.starts_with(|c: char| c.is_ascii_digit()))?;
    if !amd64 || !default_index_in_force(requirement) || cuda_of_indexes(requirement).is_some() {
        return None;
    }
    wheels.torch(torch)?.pypi_minor.map(WheelCuda::exact)
}

fn metadata_cuda(row: &Pinned) -> Option<WheelCuda> {
    let text = row.cuda.as_deref()?;
    let exact = text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['*', ',', ' ']);
    if exact && let Some(version) = first_two(text) {
        return Some(WheelCuda::exact(version));
    }
    row.cuda_major().map(WheelCuda::major)
}

/// `12.4.127` as CUDA 12.4.
fn first_two(text: &str) -> Option<CudaVersion> {
    let mut numbers = text.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some(CudaVersion::new(major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::manifest::parse_requirement;
    use crate::facts::{FileId, Origin, PythonTool, StageId};
    use crate::span::Span;

    fn requirement(text: &str, indexes: &[PythonIndex]) -> PythonRequirement {
        let parsed = parse_requirement(text).unwrap_or_else(|| panic!("{text}"));
        let origin = Origin::file(FileId(0), Span::default());
        PythonRequirement {
            stage: StageId(0),
            tool: PythonTool::Pip,
            name: parsed.name,
            extras: parsed.extras,
            specifiers: parsed.specifiers,
            exact: parsed.exact,
            bounded: parsed.bounded,
            local_cuda: parsed.local_cuda,
            local_cpu: parsed.local_cpu,
            indexes: indexes.to_vec(),
            index_origin: None,
            url: parsed.url,
            wheel_file: parsed.wheel_file,
            no_deps: false,
            no_build_isolation: false,
            only_binary: false,
            not_installed: false,
            prerelease: false,
            constrained: false,
            satisfied: false,
            by_variable: false,
            locked: false,
            instruction: 0,
            origin: origin.clone(),
            command: origin,
        }
    }

    /// `12.4`, `12.x`, or `-`.
    fn cuda(text: &str, indexes: &[PythonIndex]) -> String {
        match cuda_of_requirement(&requirement(text, indexes), Tables::builtin(), true) {
            Some(WheelCuda { version, major_only: true }) => format!("{}.x", version.major),
            Some(WheelCuda { version, .. }) => version.to_string(),
            None => "-".to_owned(),
        }
    }

    fn index(major: u16, minor: u16, replaces_default: bool) -> PythonIndex {
        PythonIndex::Cuda { version: CudaVersion::new(major, minor), replaces_default }
    }

    #[test]
    fn torch_on_the_default_index() {
        assert_eq!(cuda("torch==2.5.1", &[]), "12.4");
        assert_eq!(cuda("torch==2.0.1", &[]), "11.7");
        assert_eq!(cuda("torch==2.1.*", &[]), "12.1");
        assert_eq!(cuda("torch", &[]), "-");
        assert_eq!(cuda("torch>=2.4", &[]), "-");
        assert_eq!(cuda("torch>=2.2,<2.4", &[]), "12.1");
        assert_eq!(cuda("torchvision==0.20.1", &[]), "12.4");
        assert_eq!(cuda("torch==99.0", &[]), "-");
    }

    #[test]
    fn torch_with_local_versions_and_indexes() {
        assert_eq!(cuda("torch==2.1.0+cu118", &[]), "11.8");
        assert_eq!(cuda("torch", &[index(12, 6, true)]), "12.6");
        assert_eq!(cuda("torch==2.5.1", &[PythonIndex::Default, index(12, 1, false)]), "12.1");
        assert_eq!(cuda("torch==2.5.1", &[PythonIndex::Default, index(13, 0, false)]), "12.4");
        assert_eq!(cuda("torch", &[PythonIndex::Default, index(12, 1, false)]), "-");
        assert_eq!(cuda("torch==2.5.1", &[PythonIndex::Cpu]), "-");
        assert_eq!(cuda("torch==2.5.1+cpu", &[]), "-");
        assert_eq!(cuda("torch==2.5.1", &[PythonIndex::Other]), "-");
        assert_eq!(cuda("torch==2.5.1", &[PythonIndex::Default, PythonIndex::Other]), "12.4");
        assert_eq!(cuda("torch", &[PythonIndex::Nightly(Some(CudaVersion::new(12, 8)))]), "12.8");
    }

    #[test]
    fn arm_has_no_cuda_on_the_default_index() {
        let plain = requirement("torch==2.5.1", &[]);
        assert_eq!(cuda_of_requirement(&plain, Tables::builtin(), false), None);
    }

    #[test]
    fn names_extras_and_metadata() {
        assert_eq!(cuda("cupy-cuda12x==13.3.0", &[]), "12.x");
        assert_eq!(cuda("jax[cuda12]", &[]), "12.x");
        assert_eq!(cuda("jax[cuda12_pip]==0.4.20", &[]), "12.x");
        assert_eq!(cuda("jax", &[]), "-");
        assert_eq!(cuda("tensorflow[and-cuda]==2.18.0", &[]), "12.5");
        assert_eq!(cuda("tensorflow==2.18.0", &[]), "-");
        assert_eq!(cuda("vllm==0.9.2", &[]), "12.6");
        assert_eq!(cuda("nvidia-cuda-runtime-cu12==12.4.127", &[]), "12.4");
        assert_eq!(cuda("nvidia-cudnn-cu12", &[]), "12.x");
        assert_eq!(cuda("onnxruntime-gpu==1.20.0", &[]), "-");
        assert_eq!(cuda("numpy==1.26", &[]), "-");
    }

    #[test]
    fn gpu_distributions() {
        let gpu = |text: &str| is_gpu_distribution(&requirement(text, &[]), Tables::builtin());
        assert!(gpu("torch") && gpu("cupy-cuda11x") && gpu("tensorflow[and-cuda]") && gpu("jax[cuda13]"));
        assert!(!gpu("tensorflow") && !gpu("jax") && !gpu("torch==2.1+cpu") && !gpu("numpy"));
        assert!(!is_gpu_distribution(&requirement("torch", &[PythonIndex::Cpu]), Tables::builtin()));
    }
}
