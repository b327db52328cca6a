//! Words and limits of the container runtime that the code around NVIDIA_REQUIRE_* needs.

use serde::Deserialize;

use super::forward::Confidence;
use super::load::row;

/// Limits of the requirement language (libnvidia-container).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Bytes of the message buffer; a false alternative whose text does not fit ends as invalid.
    pub message_limit: usize,
    /// Most requirements that the command line takes.
    pub max_requirements: usize,
}

/// Variables that count as requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentWords {
    /// Prefix of requirement variables.
    pub prefix: String,
    /// Prefix of those that are none after all.
    pub excluded_prefix: String,
    /// The variable that switches the check off.
    pub disable_variable: String,
    /// Its accepted words.
    pub disable_true: Vec<String>,
}

/// Words of NVIDIA_DRIVER_CAPABILITIES.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// All that exist.
    pub supported: Vec<String>,
    /// What unset or empty means.
    pub default: Vec<String>,
    /// The word for all.
    pub all_word: String,
}

row! {
    /// A runtime mode and whether requirements are checked in it.
    pub struct Mode in "mode", key |row| row.name.clone(), as RawMode {
        /// Name of the mode.
        pub name: String,
        /// Who uses it.
        pub used_by: String,
        /// Whether requirements are checked.
        pub requirements_checked: bool,
        /// Which evaluator checks.
        pub evaluator: Option<String>,
        /// How compat libraries get into the container.
        pub compat_libraries: Option<String>,
        /// How far it can be trusted, where that is not high.
        pub confidence: Option<Confidence>,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

/// Words and limits around NVIDIA_REQUIRE_*.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequireTable {
    pub(super) language: Language,
    pub(super) environment: EnvironmentWords,
    pub(super) capabilities: Capabilities,
    pub(super) modes: Vec<Mode>,
}

impl RequireTable {
    /// Limits of the language.
    #[must_use]
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Variables that count.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentWords {
        &self.environment
    }

    /// Capability words.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Runtime modes.
    #[must_use]
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }
}
