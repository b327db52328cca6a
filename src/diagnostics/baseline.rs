//! Findings that were there before: a file that keeps them quiet until they are gone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fingerprint, Location, PathBase, Reported};

/// Name of the file format, in its `schema` key.
const SCHEMA: &str = "cudalint-baseline/1";

/// The baseline file: `{"schema": "cudalint-baseline/1", "findings": [..]}`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Baseline {
    schema: String,
    /// The findings, in order of path, rule and fingerprint.
    pub findings: Vec<BaselineEntry>,
}

/// One finding of a baseline. Only the fingerprint counts; the rest is for people who read the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct BaselineEntry {
    /// File, path in the image, or key of the config.
    pub path: String,
    /// The rule's id.
    pub rule: String,
    /// What it said when the baseline was written.
    pub message: String,
    /// What the finding is known by.
    pub fingerprint: Fingerprint,
}

/// A baseline that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file is not what `--write-baseline` writes.
    #[error("the baseline cannot be read: {0}; write it anew with --write-baseline")]
    Syntax(#[from] serde_json::Error),
    /// The file is of another format or version.
    #[error(
        "the baseline has the schema `{0}`, this program reads `{SCHEMA}`; write it anew with --write-baseline"
    )]
    Schema(String),
}

impl Baseline {
    /// A baseline of these findings. Questions that stayed open are no findings and are left out: the answer may be a
    /// failure that nobody has seen.
    #[must_use]
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Reported>, paths: &PathBase) -> Self {
        let entries: BTreeSet<BaselineEntry> = findings
            .into_iter()
            .filter(|reported| !reported.finding.is_unknown())
            .map(|reported| BaselineEntry {
                path: match &reported.finding.location {
                    Location::File(place) => paths.relative(&place.file),
                    Location::Layer { path, digest, .. } => path.as_ref().unwrap_or(digest).to_string(),
                    Location::Config { key, .. } => key.to_string(),
                },
                rule: reported.finding.rule.to_string(),
                message: super::redact::redact(&reported.finding.message),
                fingerprint: reported.fingerprint.clone(),
            })
            .collect();
        Self { schema: SCHEMA.to_owned(), findings: entries.into_iter().collect() }
    }

    /// Reads a baseline file.
    ///
    /// # Errors
    /// The text is no JSON, lacks a key, or is of another schema.
    pub fn read(text: &str) -> Result<Self, BaselineError> {
        #[derive(serde::Deserialize)]
        struct Header {
            schema: String,
        }
        let header: Header = serde_json::from_str(text)?;
        if header.schema != SCHEMA {
            return Err(BaselineError::Schema(header.schema));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The text of the baseline file, the same for the same findings.
    ///
    /// # Errors
    /// None in practice; serialising is fallible by its type.
    pub fn write(&self) -> Result<String, BaselineError> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Something that takes the baseline's findings out of outcomes and remembers which it met.
    #[must_use]
    pub fn matcher(&self) -> Matcher<'_> {
        Matcher { entries: self.findings.iter().map(|entry| (&entry.fingerprint, false)).collect() }
    }
}

/// Takes known findings out, input by input.
#[derive(Debug)]
pub struct Matcher<'a> {
    entries: BTreeMap<&'a Fingerprint, bool>,
}

impl Matcher<'_> {
    /// Leaves out what the baseline has; returns the rest and how many were left out.
    pub fn apply(&mut self, findings: Vec<Reported>) -> (Vec<Reported>, usize) {
        let before = findings.len();
        let kept: Vec<Reported> = findings
            .into_iter()
            .filter(|reported| match self.entries.get_mut(&reported.fingerprint) {
                Some(met) if !reported.finding.is_unknown() => {
                    *met = true;
                    false
                }
                _ => true,
            })
            .collect();
        let held = before.saturating_sub(kept.len());
        (kept, held)
    }

    /// Entries that no finding matched: mended since, or not looked at in this run.
    #[must_use]
    pub fn stale(&self) -> usize {
        self.entries.values().filter(|met| !**met).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::testing::{file_finding, reported};
    use crate::diagnostics::{Severity, VerdictWord};

    fn some() -> Vec<Reported> {
        let mut open = file_finding("CU801", Severity::Error, "cannot say");
        open.verdict = Some(VerdictWord::Unknown);
        vec![
            reported(file_finding("CU301", Severity::Error, "old")),
            reported(file_finding("CU304", Severity::Error, "gone")),
            reported(open),
        ]
    }

    #[test]
    fn written_and_read_again_it_holds_the_same_back() {
        let all = some();
        let baseline = Baseline::of(&all, &PathBase::default());
        let text = baseline.write().unwrap();
        let again = Baseline::read(&text).unwrap();
        assert_eq!(again, baseline);
        assert_eq!(again.write().unwrap(), text);
        let mut matcher = again.matcher();
        let fresh = reported(file_finding("CU101", Severity::Error, "new"));
        let (kept, held) = matcher.apply(vec![all[0].clone(), all[2].clone(), fresh]);
        let kept: Vec<&str> = kept.iter().map(|reported| reported.finding.rule.as_str()).collect();
        assert_eq!((kept, held, matcher.stale()), (vec!["CU801", "CU101"], 1, 1));
    }

    #[test]
    fn the_file_is_plain_and_sorted() {
        let mut all = some();
        all.reverse();
        let text = Baseline::of(&all, &PathBase::default()).write().unwrap();
        assert!(text.starts_with("{\n  \"schema\": \"cudalint-baseline/1\""));
        assert!(text.find("CU301") < text.find("CU304"));
        assert_eq!(text, Baseline::of(&some(), &PathBase::default()).write().unwrap());
    }

    #[test]
    fn other_files_are_refused_with_what_to_do() {
        for (text, part) in [
            ("{\"schema\": \"cudalint-baseline/2\", \"entries\": []}", "cudalint-baseline/2"),
            ("{\"schema\": \"cudalint-baseline/1\"}", "findings"),
            ("", "line 1"),
            ("[]", "--write-baseline"),
        ] {
            let error = Baseline::read(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("--write-baseline"), "{error}");
        }
    }
}
