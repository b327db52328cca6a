//! What filters need to know of a rule: who it is, and what it is called.

use super::{RuleId, Severity};

/// A rule as selectors, ignores and reports see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// `CU301`.
    pub id: RuleId,
    /// `driver-package-in-image`.
    pub name: &'static str,
    /// Group word (`driver`).
    pub group: &'static str,
    /// Severity of a finding unless the rule says otherwise.
    pub severity: Severity,
    /// Off unless selected by id, by name or by `ALL`.
    pub opt_in: bool,
    /// Whether what it says depends on the target (drivers, GPUs, host).
    pub needs_target: bool,
}

impl RuleInfo {
    /// Whether `word` is this rule's id or name, whatever the case.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.id.as_str().eq_ignore_ascii_case(word) || self.name.eq_ignore_ascii_case(word)
    }
}

/// Findings that the engine itself makes, about ignores and unreadable lines. Their pages are in `rules/CU00*.md`.
pub mod meta {
    use super::{RuleId, RuleInfo, Severity};

    /// An ignore that holds nothing back.
    pub const UNUSED_IGNORE: RuleInfo = info("CU001", "unused-ignore");
    /// An ignore whose day has passed.
    pub const EXPIRED_IGNORE: RuleInfo = info("CU002", "expired-ignore");
    /// An ignore that cannot be read: no ids, no reason, an unknown rule, a bad date.
    pub const INVALID_IGNORE: RuleInfo = info("CU003", "invalid-ignore");
    /// A line of a Dockerfile that could not be read.
    pub const DOCKERFILE_SYNTAX: RuleInfo = info("CU004", "dockerfile-syntax");

    /// All of them, in order of their ids.
    pub const ALL: [RuleInfo; 4] = [UNUSED_IGNORE, EXPIRED_IGNORE, INVALID_IGNORE, DOCKERFILE_SYNTAX];

    const fn info(id: &'static str, name: &'static str) -> RuleInfo {
        RuleInfo {
            id: RuleId::new(id),
            name,
            group: "meta",
            severity: Severity::Warning,
            opt_in: false,
            needs_target: false,
        }
    }
}
