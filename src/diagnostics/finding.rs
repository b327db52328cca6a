//! A finding.

use std::fmt;

use super::{FilePlace, Fix, Location, RuleInfo, Severity};

/// Identifier of a rule: `CU` and three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct RuleId(&'static str);

impl RuleId {
    /// Names a rule; the catalogue's tests check the form and uniqueness.
    #[must_use]
    pub const fn new(id: &'static str) -> Self {
        Self(id)
    }

    /// The identifier as text (`CU301`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Over a set of drivers: which of them are fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// All of them.
    All,
    /// Some of them; the message says which.
    Some,
    /// None of them.
    None,
    /// It cannot be known.
    Unknown,
}

impl VerdictWord {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Some => "some",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that a rule has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// The rule's name (`driver-package-in-image`).
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, for which driver or GPU, where: one sentence, no full stop at the end.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Which of the target's drivers are fine, when the rule judges a target. [`VerdictWord::Unknown`] marks a
    /// question that could not be answered: it is shown and counted apart and fails only under `--strict`.
    pub verdict: Option<VerdictWord>,
    /// Where.
    pub location: Location,
    /// Other places that explain it, with a short label each.
    pub related: Vec<(Location, String)>,
    /// Changes that mend it, best first.
    pub fixes: Vec<Fix>,
    /// Pools of the fleet that it concerns; empty when the target has no named pools.
    pub pools: Vec<String>,
}

impl Finding {
    /// A finding of the engine itself, such as [`super::meta::DOCKERFILE_SYNTAX`].
    #[must_use]
    pub fn meta(rule: &RuleInfo, place: FilePlace, message: impl Into<String>, help: Option<String>) -> Self {
        Self {
            rule: rule.id,
            name: rule.name,
            severity: rule.severity,
            message: message.into(),
            help,
            verdict: None,
            location: Location::File(place),
            related: Vec::new(),
            fixes: Vec::new(),
            pools: Vec::new(),
        }
    }

    /// Whether this says "could not be known" instead of "is wrong".
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.verdict == Some(VerdictWord::Unknown)
    }
}
