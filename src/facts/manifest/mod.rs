//! Manifests of a build context: requirement files, pyproject.toml, lock files, conda environments, each with byte spans
//! into its own text. Readers keep what they can read; what they cannot is one [`ManifestError`] with its place.

mod environment_yml;
mod index;
mod marker;
mod pixi;
mod poetry_lock;
mod pyproject;
mod requirement;
mod requirements_txt;
mod toml_tree;
mod uv_lock;

pub use environment_yml::{CondaEnvironment, read_conda_spec_file, read_environment_yml};
pub use index::{IndexRole, classify_index, classify_torch_backend};
pub use marker::{MarkerEnvironment, evaluate};
pub use pixi::{PixiManifest, read_pixi};
pub use poetry_lock::read_poetry_lock;
pub(in crate::facts) use pyproject::poetry_bounds;
pub use pyproject::{PyProject, read_pyproject};
pub use requirement::{Requirement, normalize_name, parse_requirement};
pub use requirements_txt::{RequirementLine, read_requirements};
pub use uv_lock::{UvSelection, read_uv_lock};

use crate::span::{Span, Spanned};

/// A manifest that cannot be read: why, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ManifestError {
    /// What is wrong, as the reader of the format says it.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// A Python dependency that a manifest declares or pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The requirement as PEP 508 writes it (`torch>=2.1,<3`).
    pub text: String,
    /// Its place: the requirement, or the pinned version in a lock file.
    pub span: Span,
    /// URL of the index that it is tied to.
    pub index: Option<Spanned<String>>,
}

/// A conda package that a manifest declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaSpec {
    /// Name, lower case.
    pub name: String,
    /// Version part of the match spec.
    pub version: Option<String>,
    /// Build string part.
    pub build: Option<String>,
    /// Channel named in the spec itself.
    pub channel: Option<String>,
    /// Whether an explicit URL or lock file fixes it.
    pub explicit: bool,
    /// Its place.
    pub span: Span,
}

/// Reads a conda match spec (`conda-forge::pytorch=2.5.*=cuda12*`, `python>=3.10`, `numpy 1.26.* py311*`,
/// `pytorch[version='2.1',build=cuda*]`). `None` when it names nothing.
///
/// Format: conda's documentation, "Package match specifications".
#[must_use]
pub fn parse_match_spec(text: &str, span: Span) -> Option<CondaSpec> {
    let text = text.split('#').next().unwrap_or(text).trim();
    let (head, brackets) = match text.split_once('[') {
        Some((head, inside)) => (head.trim(), inside.trim_end_matches(']')),
        None => (text, ""),
    };
    let (channel, head) = match head.rsplit_once("::") {
        Some((channel, head)) => {
            let channel = channel.split(':').next().unwrap_or(channel);
            (Some(channel.to_owned()), head)
        }
        None => (None, head),
    };
    let end = head
        .find(|c: char| c.is_whitespace() || matches!(c, '=' | '<' | '>' | '!' | '~'))
        .unwrap_or(head.len());
    let (name, rest) = head.split_at_checked(end)?;
    let name = name.to_ascii_lowercase();
    if name.is_empty()
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*'))
    {
        return None;
    }
    let rest = rest.trim();
    let (version, build) = if rest.starts_with(['<', '>', '!', '~']) || rest.starts_with("==") {
        (Some(rest.trim_start_matches("==").trim()), None)
    } else {
        let rest = rest.trim_start_matches('=').trim();
        match rest.split_once(|c: char| c == '=' || c.is_whitespace()) {
            Some((version, build)) => (Some(version), Some(build.trim_start_matches('=').trim())),
            None => (Some(rest), None),
        }
    };
    let keep = |part: Option<&str>| {
        part.map(str::trim).filter(|part| !part.is_empty() && !part.contains('$')).map(str::to_owned)
    };
    let mut spec = CondaSpec {
        name,
        version: keep(version).filter(|version| version != "*"),
        build: keep(build).filter(|build| build != "*"),
        channel,
        explicit: false,
        span,
    };
    for pair in brackets.split(',') {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches(['\'', '"']).to_owned();
        match key.trim() {
            "version" => spec.version = Some(value),
            "build" => spec.build = Some(value),
            "channel" => spec.channel = Some(value),
            _ => {}
        }
    }
    Some(spec)
}

/// The text that a span covers.
#[cfg(test)]
fn slice(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).unwrap_or("outside")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, Option<String>, Option<String>, Option<String>) {
        let spec = parse_match_spec(text, Span::default()).unwrap_or_else(|| panic!("{text}"));
        (spec.name, spec.version, spec.build, spec.channel)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn match_specs() {
        assert_eq!(parts("pytorch"), ("pytorch".into(), None, None, None));
        assert_eq!(parts("pytorch=2.5.*=cuda12*"), ("pytorch".into(), some("2.5.*"), some("cuda12*"), None));
        assert_eq!(
            parts("conda-forge::faiss-gpu==1.8"),
            ("faiss-gpu".into(), some("1.8"), None, some("conda-forge"))
        );
        assert_eq!(parts("nvidia/label/cuda-12.4.0::cuda-nvcc").3, some("nvidia/label/cuda-12.4.0"));
        assert_eq!(parts("python >=3.10,<3.12"), ("python".into(), some(">=3.10,<3.12"), None, None));
        assert_eq!(parts("numpy 1.26.* py311*"), ("numpy".into(), some("1.26.*"), some("py311*"), None));
        assert_eq!(
            parts("pytorch[version='2.1', build=cuda*]"),
            ("pytorch".into(), some("2.1"), some("cuda*"), None)
        );
        assert_eq!(parts("pytorch-cuda=${CUDA}"), ("pytorch-cuda".into(), None, None, None));
        assert_eq!(parts("cudatoolkit=11.8 # pinned").1, some("11.8"));
        assert_eq!(parse_match_spec("$PACKAGES", Span::default()), None);
        assert_eq!(parse_match_spec("", Span::default()), None);
    }
}
