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

/// Number of single-character edits between two words, letters compared without case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = at;
        let mut before = at.saturating_add(1);
        let mut next = Vec::with_capacity(row.len());
        next.push(before);
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            let change = diagonal.saturating_add(usize::from(left != *right));
            before = change.min(before.saturating_add(1)).min(above.saturating_add(1));
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// The candidate nearest to a misspelt word, when one is near enough to be meant. Words over 64 bytes have none.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.chars().count() / 3).clamp(1, 5);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("CU301", "cu301"), 0);
    }

    #[test]
    fn names_what_is_near_only() {
        assert_eq!(nearest("CU31", ["CU301", "CU601"]), Some("CU301"));
        assert_eq!(
            nearest("driver-packge-in-image", ["driver-package-in-image", "x"]),
            Some("driver-package-in-image")
        );
        assert_eq!(nearest("zebra", ["CU301"]), None);
        assert_eq!(nearest(&"C".repeat(100_000), ["CU301"]), None);
    }
}
