//! One Python requirement as pip, uv and requirement files write it: PEP 508 names with bounds, URLs, paths, wheel files.

use std::str::FromStr;

use pep440_rs::{Operator, VersionSpecifiers};

use crate::compat::CudaVersion;
use crate::dockerfile::shell::tools::RequirementSource;
use crate::dockerfile::shell::tools::requirement as written;
pub use crate::dockerfile::shell::tools::requirement::normalise as normalize_name;

/// What one requirement asks for. Parts that hang on a variable without value stay unknown, never guessed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requirement {
    /// Name, normalised as PEP 503 says (`flash-attn`); a path that has none keeps its own text (`.`).
    pub name: String,
    /// Extras, lower case.
    pub extras: Vec<String>,
    /// Version bounds, when there are any and they can be read.
    pub specifiers: Option<VersionSpecifiers>,
    /// The version that `==` pins, without local part and wildcard; `None` when any part of it is unknown.
    pub exact: Option<String>,
    /// Whether any bound, pin or URL fixes it, known or not.
    pub bounded: bool,
    /// CUDA version of the local part (`+cu118`).
    pub local_cuda: Option<CudaVersion>,
    /// Whether the local part is `+cpu`.
    pub local_cpu: bool,
    /// URL, path or VCS reference.
    pub url: Option<String>,
    /// Whether that is a built wheel.
    pub wheel_file: bool,
    /// Environment marker after `;`.
    pub marker: Option<String>,
}

/// Names of source repositories whose Python distribution is called otherwise.
const REPOSITORY_NAMES: &[(&str, &str)] = &[
    ("flash-attention", "flash-attn"),
    ("mamba", "mamba-ssm"),
    ("sam2", "sam-2"),
    ("segment-anything-2", "sam-2"),
    ("transformerengine", "transformer-engine"),
    ("grouped-gemm", "grouped-gemm"),
    ("bitsandbytes", "bitsandbytes"),
    ("onnxruntime", "onnxruntime"),
    ("autogptq", "auto-gptq"),
    ("deep-gemm", "deep-gemm"),
    ("deepgemm", "deep-gemm"),
    ("groundingdino", "groundingdino"),
];

/// Reads one requirement word. `None` when it names nothing (an option, a name that is a variable, an empty word).
#[must_use]
pub fn parse_requirement(text: &str) -> Option<Requirement> {
    let text = text.trim();
    if text.is_empty() || text.starts_with(['-', '$']) {
        return None;
    }
    let written = written::Requirement::parse(text);
    let mut requirement = Requirement {
        extras: written.extras.into_iter().filter(|extra| !extra.contains('$')).collect(),
        marker: written.marker.filter(|marker| !marker.is_empty()),
        ..Requirement::default()
    };
    match written.source {
        RequirementSource::Index => {
            requirement.name = written.name?;
            if !written.specifier.is_empty() && !written.specifier.starts_with(['=', '<', '>', '!', '~']) {
                return None;
            }
            set_bounds(&mut requirement, &written.specifier);
        }
        RequirementSource::Url(target) | RequirementSource::Vcs(target) | RequirementSource::Path(target) => {
            let name = written.name.map(|name| distribution_name(&name));
            requirement.name = match name {
                Some(name) => name,
                None => name_of_source(&target)?,
            };
            requirement.bounded = true;
            let wheel = has_extension(target.split(['#', '?']).next().unwrap_or(&target), "whl");
            if let Some(wheel) = written.wheel.filter(|wheel| !wheel.version.contains(['*', '$'])) {
                set_bounds(&mut requirement, &format!("=={}", wheel.version));
            }
            requirement.wheel_file = wheel;
            requirement.url = Some(target);
        }
    }
    Some(requirement)
}

/// Reads version bounds into `requirement`.
fn set_bounds(requirement: &mut Requirement, bounds: &str) {
    if bounds.is_empty() {
        return;
    }
    requirement.bounded = true;
    if bounds.contains('$') {
        return;
    }
    // `===` compares text; for versions it means what `==` does, and the parser below wants a version.
    let Ok(specifiers) = VersionSpecifiers::from_str(bounds) else {
        return;
    };
    for specifier in specifiers.iter() {
        if matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual | Operator::EqualStar) {
            let version = specifier.version();
            let local: Vec<String> = version.local().iter().map(ToString::to_string).collect();
            set_local(requirement, &local.join("."));
            requirement.exact = Some(version.clone().without_local().to_string());
        }
    }
    requirement.specifiers = (!specifiers.is_empty()).then_some(specifiers);
}

/// Reads a local version part (`cu118`, `pt20cu118`, `cpu`, `cpu.cxx11.abi`).
fn set_local(requirement: &mut Requirement, local: &str) {
    let local = local.to_ascii_lowercase();
    if local.split('.').any(|part| part == "cpu") {
        requirement.local_cpu = true;
    }
    requirement.local_cuda = local.split(['.', '-', '_']).find_map(cuda_tag);
}

/// CUDA version of a wheel tag: `cu118`, `cuda12.4`'s `cu124`, `pt20cu118`; the table `local_version` of wheels.toml.
fn cuda_tag(tag: &str) -> Option<CudaVersion> {
    let digits = match tag.strip_prefix("cu") {
        Some(digits) => digits,
        None => {
            let (torch, digits) = tag.strip_prefix("pt")?.split_once("cu")?;
            if torch.is_empty() || !torch.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            digits
        }
    };
    wheel_digits(digits)
}

/// CUDA version of the digits behind `cu`, where they carry a minor number: `cu12` names a family only.
pub(super) fn wheel_digits(digits: &str) -> Option<CudaVersion> {
    CudaVersion::from_wheel_digits(digits).filter(|version| version.major >= 7)
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case(extension))
}

/// The distribution name that a path or repository stands for, as well as its own name tells.
fn name_of_source(source: &str) -> Option<String> {
    let path = source.split(['#', '?']).next().unwrap_or(source);
    let path = path.split_once("://").map_or(path, |(_, rest)| rest).trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or(path);
    let last = last.split('@').next().unwrap_or(last);
    let last = last.strip_suffix(".git").unwrap_or(last);
    if last.is_empty() || last == "." || last == ".." {
        return Some(if source.starts_with('.') { ".".to_owned() } else { source.to_owned() });
    }
    if last.contains('$') {
        return Some("$".to_owned());
    }
    for extension in [".tar.gz", ".tar.bz2", ".zip", ".tgz"] {
        if let Some(stem) = last.strip_suffix(extension) {
            // An archive of a repository host is named after a branch or tag, the repository stands further up.
            let owner_path = path.split("/archive/").next().unwrap_or(path);
            if owner_path.len() < path.len() {
                return Some(repository_name(owner_path.rsplit('/').next().unwrap_or(owner_path)));
            }
            let name = stem.rsplit_once('-').map_or(stem, |(name, _)| name);
            return Some(normalize_name(name));
        }
    }
    Some(repository_name(last))
}

fn repository_name(name: &str) -> String {
    distribution_name(&normalize_name(name))
}

/// The distribution that a repository of this (normalised) name holds.
fn distribution_name(name: &str) -> String {
    let known = REPOSITORY_NAMES.iter().find(|(repository, _)| *repository == name);
    known.map_or(name, |(_, name)| *name).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Requirement {
        parse_requirement(text).unwrap_or_else(|| panic!("{text} is a requirement"))
    }

    #[test]
    fn plain_names_are_normalised() {
        let requirement = read("Flash_Attn");
        assert_eq!(requirement.name, "flash-attn");
        assert!(!requirement.bounded);
        assert_eq!(requirement.specifiers, None);
    }

    #[test]
    fn pins_give_the_exact_version_and_the_local_part() {
        let requirement = read("torch==2.1.0+cu118");
        assert_eq!((requirement.name.as_str(), requirement.exact.as_deref()), ("torch", Some("2.1.0")));
        assert_eq!(requirement.local_cuda, Some(CudaVersion::new(11, 8)));
        let requirement = read("torch==2.1.*");
        assert_eq!(requirement.exact.as_deref(), Some("2.1"));
        let requirement = read("torch==2.3.0+cpu");
        assert!(requirement.local_cpu);
        assert_eq!(read("natten==0.17.3+torch250cu124").local_cuda, None);
    }

    #[test]
    fn bounds_without_a_pin_have_no_exact_version() {
        let requirement = read("torch >=2.1, <2.4 ; python_version > '3.8'");
        assert!(requirement.bounded && requirement.exact.is_none());
        assert_eq!(requirement.specifiers.map(|s| s.len()), Some(2));
        assert_eq!(requirement.marker.as_deref(), Some("python_version > '3.8'"));
    }

    #[test]
    fn extras_are_lower_case() {
        let requirement = read("tensorflow[And-CUDA]==2.18.0");
        assert_eq!(requirement.extras, ["and-cuda"]);
        assert_eq!(requirement.exact.as_deref(), Some("2.18.0"));
    }

    #[test]
    fn unknown_variables_bound_without_being_guessed() {
        let requirement = read("torch==${TORCH_VERSION}");
        assert!(requirement.bounded);
        assert_eq!((requirement.exact, requirement.specifiers), (None, None));
        let requirement = read("torch==2.1.0+$CUDA_TAG");
        assert!(requirement.bounded && requirement.exact.is_none() && requirement.local_cuda.is_none());
        assert_eq!(parse_requirement("$PACKAGES"), None);
        assert_eq!(parse_requirement("torch${SUFFIX}"), None);
        assert_eq!(parse_requirement("--no-deps"), None);
    }

    #[test]
    fn urls_and_wheels() {
        let requirement =
            read("https://download.pytorch.org/whl/cu118/torch-2.1.0%2Bcu118-cp310-cp310-linux_x86_64.whl");
        assert_eq!((requirement.name.as_str(), requirement.exact.as_deref()), ("torch", Some("2.1.0")));
        assert!(requirement.wheel_file && requirement.local_cuda == Some(CudaVersion::new(11, 8)));
        let requirement = read("/wheels/*.whl");
        assert!(requirement.wheel_file && requirement.exact.is_none());
        let requirement = read("git+https://github.com/facebookresearch/detectron2.git@v0.6");
        assert_eq!((requirement.name.as_str(), requirement.wheel_file), ("detectron2", false));
        assert_eq!(read("git+https://github.com/Dao-AILab/flash-attention").name, "flash-attn");
        assert_eq!(
            read("git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch").name,
            "tiny-cuda-nn"
        );
        assert_eq!(read("git+https://x.example/y.git#egg=My_Pkg&subdirectory=z").name, "my-pkg");
        assert_eq!(
            read("https://github.com/NVlabs/nvdiffrast/archive/refs/heads/main.zip").name,
            "nvdiffrast"
        );
        let requirement = read(".[gpu]");
        assert_eq!(
            (requirement.name.as_str(), requirement.extras.as_slice()),
            (".", ["gpu".to_owned()].as_slice())
        );
        let requirement =
            read("torch @ https://x.example/torch-2.0.1-cp311-none-any.whl ; sys_platform == 'linux'");
        assert_eq!((requirement.name.as_str(), requirement.exact.as_deref()), ("torch", Some("2.0.1")));
        assert_eq!(read("xformers@git+https://github.com/facebookresearch/xformers").name, "xformers");
    }

    #[test]
    fn garbage_is_no_requirement() {
        for text in ["", "  ", "&&", "name name", "torch 2.0", "[x]", "=1"] {
            assert_eq!(parse_requirement(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = parse_requirement(&text);
        }

        #[test]
        fn names_are_stable_under_normalisation(name in "[A-Za-z0-9._-]{1,30}") {
            let once = normalize_name(&name);
            prop_assert_eq!(normalize_name(&once), once);
        }
    }
}
