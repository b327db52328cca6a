//! GitLab's code quality report.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::Options;
use super::text::{inner_place, write_json};
use crate::diagnostics::{Outcome, Severity};

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'static str,
    location: IssueLocation,
}

#[derive(Serialize)]
struct IssueLocation {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
    end: usize,
}

/// Writes an array of issues. What an image has without a place in a file is reported at line 1 of the input's name.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut issues = Vec::new();
    for input in &outcome.inputs {
        for reported in input.known() {
            let finding = &reported.finding;
            let inner = inner_place(&finding.location).map(|inner| format!(" ({inner})")).unwrap_or_default();
            let (path, begin, end) = match finding.location.place() {
                Some(place) => (options.paths.relative(&place.file), place.start.line, place.end.line),
                None => (input.input.clone(), 1, 1),
            };
            // GitLab wants fingerprints to be unique; two tags of an image have the same.
            let number = seen.entry(reported.fingerprint.as_str()).or_default();
            let fingerprint = match *number {
                0 => reported.fingerprint.to_string(),
                number => format!("{}-{number}", reported.fingerprint),
            };
            *number = number.saturating_add(1);
            issues.push(Issue {
                description: format!("{}{inner}", finding.message),
                check_name: finding.rule.as_str(),
                fingerprint,
                severity: match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "major",
                    Severity::Info => "info",
                },
                location: IssueLocation { path, lines: Lines { begin, end } },
            });
        }
    }
    write_json(&issues, true, out)
}
