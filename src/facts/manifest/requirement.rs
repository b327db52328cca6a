//! One Python requirement as pip, uv and requirement files write it: PEP 508 names with bounds, URLs, paths, wheel files.

use std::str::FromStr;

use pep440_rs::{Operator, VersionSpecifiers};

use crate::compat::CudaVersion;

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

/// A name as PEP 503 normalises it: lower case, runs of `-`, `_` and `.` become one `-`.
#[must_use]
pub fn normalize_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.trim().chars() {
        if matches!(character, '-' | '_' | '.') {
            if !out.ends_with('-') {
                out.push('-');
            }
        } else {
            out.extend(character.to_lowercase());
        }
    }
    out
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
    if text.is_empty() || text.starts_with('-') || text.starts_with('$') {
        return None;
    }
    if is_direct(text) {
        return direct(text);
    }
    let name_end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(name_end)?;
    let name = name.trim_end_matches(['-', '_', '.']);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || rest.starts_with('$') {
        return None;
    }
    let mut requirement = Requirement { name: normalize_name(name), ..Requirement::default() };
    let rest = rest.trim_start();
    let rest = if let Some(inside) = rest.strip_prefix('[') {
        let (extras, after) = inside.split_once(']')?;
        requirement.extras = extras
            .split(',')
            .map(normalize_name)
            .filter(|extra| !extra.is_empty() && !extra.contains('$'))
            .collect();
        after.trim_start()
    } else {
        rest
    };
    if let Some(url) = rest.strip_prefix('@') {
        let (url, marker) = match url.split_once(" ;") {
            Some((url, marker)) => (url, Some(marker)),
            None => (url, None),
        };
        set_url(&mut requirement, url.trim());
        requirement.marker = marker.map(|marker| marker.trim().to_owned());
        return Some(requirement);
    }
    let (bounds, marker) = match rest.split_once(';') {
        Some((bounds, marker)) => (bounds, Some(marker)),
        None => (rest, None),
    };
    requirement.marker = marker.map(|marker| marker.trim().to_owned()).filter(|marker| !marker.is_empty());
    let bounds = bounds.trim().trim_start_matches('(').trim_end_matches(')').trim();
    if !bounds.is_empty() && !bounds.starts_with(['=', '<', '>', '!', '~']) {
        return None;
    }
    set_bounds(&mut requirement, bounds);
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

/// Whether a word is a URL, a path or a VCS reference instead of a name.
fn is_direct(text: &str) -> bool {
    let before_marker = text.split(';').next().unwrap_or(text).trim_end();
    text.contains("://") && !name_then_at(text)
        || text.starts_with(['.', '/', '~', '*'])
        || has_extension(before_marker, "whl")
        || !name_then_at(text) && before_marker.contains('/') && !before_marker.contains([' ', '=', '<', '>'])
}

/// `name @ url` or `name[extra]@url`.
fn name_then_at(text: &str) -> bool {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(0);
    let rest = text.get(end..).unwrap_or_default().trim_start();
    let rest = rest
        .strip_prefix('[')
        .and_then(|inside| inside.split_once(']'))
        .map_or(rest, |(_, after)| after.trim_start());
    end > 0 && rest.starts_with('@')
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case(extension))
}

/// A URL, path or VCS reference without a name before it.
fn direct(text: &str) -> Option<Requirement> {
    let (target, marker) = match text.split_once(" ;").or_else(|| text.split_once("; ")) {
        Some((target, marker)) => (target.trim(), Some(marker.trim().to_owned())),
        None => (text, None),
    };
    let mut requirement = Requirement { marker, ..Requirement::default() };
    let (path, extras) = match target.strip_suffix(']').and_then(|inner| inner.rsplit_once('[')) {
        Some((path, extras)) if !path.ends_with('*') && !path.is_empty() => (path, extras),
        _ => (target, ""),
    };
    requirement.extras = extras.split(',').map(normalize_name).filter(|extra| !extra.is_empty()).collect();
    set_url(&mut requirement, path);
    if requirement.name.is_empty() {
        requirement.name = name_of_source(path)?;
    }
    Some(requirement)
}

/// Stores a URL and reads what a wheel's file name says.
fn set_url(requirement: &mut Requirement, url: &str) {
    requirement.bounded = true;
    requirement.url = Some(url.to_owned());
    let path = url.split(['#', '?']).next().unwrap_or(url);
    if !has_extension(path, "whl") {
        return;
    }
    requirement.wheel_file = true;
    let file = path.rsplit('/').next().unwrap_or(path).replace("%2B", "+").replace("%2b", "+");
    // name-version(-build)?-python-abi-platform.whl (PEP 427).
    let mut parts = file.split('-');
    let (Some(name), Some(version)) = (parts.next(), parts.next()) else {
        return;
    };
    if name.contains(['*', '$']) || name.is_empty() {
        return;
    }
    if requirement.name.is_empty() {
        requirement.name = normalize_name(name);
    }
    if version.contains(['*', '$']) {
        return;
    }
    set_bounds(requirement, &format!("=={version}"));
    requirement.bounded = true;
}

/// The distribution name that a path or repository stands for, as well as its own name tells.
fn name_of_source(source: &str) -> Option<String> {
    if let Some((_, fragment)) = source.split_once('#')
        && let Some(egg) = fragment.split('&').find_map(|pair| pair.strip_prefix("egg="))
    {
        let name = egg.split('[').next().unwrap_or(egg);
        return Some(normalize_name(name));
    }
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
    let name = normalize_name(name);
    REPOSITORY_NAMES
        .iter()
        .find(|(repository, _)| *repository == name)
        .map_or(name, |(_, name)| (*name).to_owned())
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
