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

use crate::dockerfile::shell::tools::MatchSpec;
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
/// `pytorch[version='2.1',build=cuda*]`), a comment behind it left out. `None` when it names nothing.
#[must_use]
pub fn parse_match_spec(text: &str, span: Span) -> Option<CondaSpec> {
    let spec = MatchSpec::parse(text.split('#').next().unwrap_or(text));
    let name = spec.name;
    if name.is_empty()
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*'))
    {
        return None;
    }
    // What hangs on a variable is unknown, `*` says nothing, `==` is what a plain version means.
    let keep = |part: Option<String>| {
        let part = part?;
        let part = part.trim().trim_start_matches("==").trim();
        (!part.is_empty() && part != "*" && !part.contains('$')).then(|| part.to_owned())
    };
    // `defaults/linux-64::x` and `conda-forge:namespace:x` name more than the channel.
    let channel = spec.channel.map(|channel| channel.split(':').next().unwrap_or(&channel).to_owned());
    Some(CondaSpec {
        name,
        version: keep(spec.version),
        build: keep(spec.build),
        channel,
        explicit: false,
        span,
    })
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
