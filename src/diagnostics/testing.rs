//! Findings made by hand, for tests.

use std::sync::Arc;

use super::{FilePlace, Finding, Fingerprinter, Location, PathBase, Reported, RuleId, Severity};
use crate::span::{LineIndex, Span};

/// A place in a text.
pub(crate) fn place_in(file: &str, source: &[u8], start: usize, end: usize) -> FilePlace {
    FilePlace::new(&file.into(), source, &LineIndex::new(source), Span::new(start, end))
}

/// A place in a text of one long line.
pub(crate) fn at(file: &str, start: usize, end: usize) -> Location {
    Location::File(place_in(file, &[b'x'; 200], start, end))
}

/// A finding at the first byte of `Dockerfile`.
pub(crate) fn file_finding(rule: &'static str, severity: Severity, message: &str) -> Finding {
    Finding {
        rule: RuleId::new(rule),
        name: "some-rule",
        severity,
        message: message.to_owned(),
        help: None,
        verdict: None,
        location: at("Dockerfile", 0, 1),
        related: Vec::new(),
        fixes: Vec::new(),
        pools: Vec::new(),
    }
}

/// The finding with a fingerprint.
pub(crate) fn reported(finding: Finding) -> Reported {
    let (paths, sources) = (PathBase::default(), [(Arc::from("Dockerfile"), Arc::from(&b"x"[..]))].into());
    Fingerprinter { paths: &paths, input: "Dockerfile", sources: &sources }.assign(vec![finding]).remove(0)
}
