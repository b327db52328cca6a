//! Labelled Dockerfiles: every expected finding is reported at one of its lines, and nothing is that must not be.

mod support;

use cudalint::diagnostics::{Finding, Location, Severity};
use cudalint::rules::catalogue;

use support::labels::{Labelled, bytes, check, labels};

fn line_of(finding: &Finding) -> Option<usize> {
    match &finding.location {
        Location::File(place) => Some(place.start.line),
        Location::Layer { .. } | Location::Config { .. } => None,
    }
}

/// What is wrong with the outcome of a file, in words, and how many expectations were met.
fn judge(file: &Labelled) -> (usize, Vec<String>) {
    let outcome = check(file, &bytes(&file.name));
    let findings: Vec<&Finding> = outcome
        .findings
        .iter()
        .map(|reported| &reported.finding)
        .filter(|finding| !finding.is_unknown())
        .collect();
    let mut wrong = Vec::new();
    let mut met = 0;
    for expect in &file.expect {
        let found = findings.iter().any(|finding| {
            finding.rule.as_str() == expect.rule
                && line_of(finding).is_some_and(|line| expect.lines.contains(&line))
        });
        if found {
            met += 1;
        } else {
            wrong.push(format!("  missed {}@{:?}: {}", expect.rule, expect.lines, expect.why));
        }
    }
    for finding in &findings {
        let rule = finding.rule.as_str();
        let forbidden = file.must_not_fire.iter().any(|id| id == rule);
        let allowed =
            file.may.iter().any(|id| id == rule) || file.expect.iter().any(|expect| expect.rule == rule);
        if forbidden || (file.clean && finding.severity >= Severity::Warning && !allowed) {
            wrong.push(format!(
                "  false {rule}@{:?}:{} {}",
                line_of(finding),
                finding.severity,
                finding.message
            ));
        }
    }
    if !wrong.is_empty() || std::env::var_os("LABELS_SHOW").is_some() {
        for finding in &findings {
            wrong.push(format!(
                "    (reported {}@{}:{} {})",
                finding.rule,
                line_of(finding).unwrap_or(0),
                finding.severity,
                finding.message
            ));
        }
    }
    (met, wrong)
}

#[test]
fn the_labels_fit_the_files() {
    for file in labels().file {
        let text = String::from_utf8(bytes(&file.name)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(!file.clean || file.expect.is_empty(), "{}: a clean file expects nothing", file.name);
        assert!(file.clean || !file.expect.is_empty(), "{}: expects nothing, so it is clean", file.name);
        for expect in &file.expect {
            let line = lines.get(expect.line - 1).copied().unwrap_or_default();
            assert!(
                line.contains(&expect.text),
                "{}: `{}` is not in line {}: {line}",
                file.name,
                expect.text,
                expect.line
            );
            assert!(
                expect.lines.contains(&expect.line),
                "{}: {} is none of its lines",
                file.name,
                expect.line
            );
            let entry = catalogue().iter().find(|entry| entry.rule.id().as_str() == expect.rule);
            assert_eq!(
                entry.map(|entry| entry.page.name.as_str()),
                Some(expect.name.as_str()),
                "{}",
                file.name
            );
        }
    }
}

#[test]
fn every_expected_finding_is_reported_and_no_forbidden_one() {
    let only = std::env::var("LABELS").unwrap_or_default();
    let (mut expected, mut met, mut failures) = (0, 0, Vec::new());
    let files = labels().file;
    for file in files.iter().filter(|file| file.name.contains(&only)) {
        let (found, wrong) = judge(file);
        expected += file.expect.len();
        met += found;
        if !wrong.is_empty() {
            failures.push(format!("{}\n{}", file.name, wrong.join("\n")));
        }
    }
    assert!(
        failures.is_empty(),
        "{met} of {expected} met; {} files\n{}",
        failures.len(),
        failures.join("\n")
    );
}
