//! Runs every Bad and Good block of the rule pages: a Bad block fires its rule at the marked line and nothing else at
//! warning or above, a Good block is silent. `RULE=CU301` restricts the run to one page.

mod support;

use std::collections::BTreeMap;

use cudalint::diagnostics::{Finding, InputOutcome, Location, Safety, Severity, apply_edits, plan_fixes};
use cudalint::rules::catalogue;

use support::blocks::{Block, blocks, check, options, pages};

/// What a block must show: rule, place (a line, or a path of an image), severity.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Expected {
    rule: String,
    place: String,
    severity: Option<Severity>,
}

fn expected(block: &Block) -> Vec<Expected> {
    let words = block.values("expect").into_iter().flat_map(|words| words.split(','));
    words
        .map(|word| {
            let (rule, rest) = word.split_once('@').unwrap_or_else(|| panic!("{}: `{word}`", block.place()));
            let (place, severity) = match rest.rsplit_once(':') {
                Some((place, severity)) => (place, Some(severity.parse().unwrap())),
                None => (rest, None),
            };
            Expected { rule: rule.to_owned(), place: place.to_owned(), severity }
        })
        .collect()
}

fn place_of(finding: &Finding) -> String {
    match &finding.location {
        Location::File(place) if &*place.file == "Dockerfile" => place.start.line.to_string(),
        Location::File(place) => format!("{}:{}", place.file, place.start.line),
        Location::Layer { path, .. } => path.as_deref().unwrap_or_default().to_owned(),
        Location::Config { key, .. } => key.to_string(),
    }
}

fn shown(outcome: &InputOutcome) -> String {
    let lines: Vec<String> = outcome
        .findings
        .iter()
        .map(|reported| {
            let finding = &reported.finding;
            format!("  {}@{}:{} {}", finding.rule, place_of(finding), finding.severity, finding.message)
        })
        .collect();
    if lines.is_empty() { "  (nothing)".to_owned() } else { lines.join("\n") }
}

/// What is wrong with a block's outcome, in words.
fn judge(block: &Block, rule: &str, outcome: &InputOutcome) -> Vec<String> {
    let expected = expected(block);
    let mut wrong = Vec::new();
    for wanted in &expected {
        let met = outcome.findings.iter().any(|reported| {
            let finding = &reported.finding;
            !finding.is_unknown()
                && finding.rule.as_str() == wanted.rule
                && place_of(finding) == wanted.place
                && wanted.severity.is_none_or(|severity| finding.severity == severity)
        });
        if !met {
            wrong.push(format!("expected {wanted:?}"));
        }
    }
    for reported in outcome.findings.iter().filter(|reported| !reported.finding.is_unknown()) {
        let finding = &reported.finding;
        let own = finding.rule.as_str() == rule;
        let wanted = expected
            .iter()
            .any(|wanted| wanted.rule == finding.rule.as_str() && wanted.place == place_of(finding));
        if !wanted && (own || finding.severity >= Severity::Warning) {
            wrong.push(format!("unexpected {}@{}:{}", finding.rule, place_of(finding), finding.severity));
        }
    }
    wrong
}

/// Applies the fixes of the page's rule and looks again.
fn judge_fix(
    block: &Block,
    rule: &str,
    outcome: &InputOutcome,
    files: &BTreeMap<String, String>,
) -> Vec<String> {
    let own: Vec<&Finding> = outcome
        .findings
        .iter()
        .map(|reported| &reported.finding)
        .filter(|finding| finding.rule.as_str() == rule)
        .collect();
    let plan = plan_fixes(own.iter().copied(), Safety::Unsafe);
    if plan.edits.is_empty() {
        return vec!["no fix is offered".to_owned()];
    }
    let mut text = block.text.clone();
    for edits in plan.edits.values() {
        text = String::from_utf8(apply_edits(text.as_bytes(), edits).unwrap()).unwrap();
    }
    let again = check(block, &text, files);
    let left: Vec<&Finding> = again
        .findings
        .iter()
        .map(|reported| &reported.finding)
        .filter(|finding| finding.rule.as_str() == rule || finding.severity >= Severity::Warning)
        .collect();
    let mut wrong: Vec<String> = left
        .iter()
        .map(|finding| format!("after the fix: {}@{} {}", finding.rule, place_of(finding), finding.message))
        .collect();
    if !wrong.is_empty() {
        wrong.push(format!("fixed text:\n{text}"));
    }
    wrong
}

#[test]
fn every_block_does_what_its_page_says() {
    let only = std::env::var("RULE").ok();
    let mut failures = Vec::new();
    let mut run = 0;
    for (name, text) in pages() {
        let rule = &name[..5];
        // Pages about ignores are about text around the rules; their blocks are run by tests/ignores.rs.
        if only.as_deref().is_some_and(|only| only != rule) || rule.starts_with("CU00") {
            continue;
        }
        let mut files = BTreeMap::new();
        let (mut bad, mut good) = (0, 0);
        for block in blocks(&name, &text) {
            let language = block.info.first().map(String::as_str);
            if let (Some("text"), Some(file)) = (language, block.value("file")) {
                files.insert(file.to_owned(), block.text.clone());
                continue;
            }
            let image = language == Some("toml") && block.info.iter().any(|word| word == "image");
            if language != Some("dockerfile") && !image {
                continue;
            }
            match block.section.as_str() {
                "Bad" => {
                    bad += 1;
                    assert!(
                        expected(&block).iter().any(|wanted| wanted.rule == rule),
                        "{}: a Bad block expects its own rule",
                        block.place()
                    );
                }
                "Good" => {
                    good += 1;
                    assert!(expected(&block).is_empty(), "{}: a Good block expects nothing", block.place());
                }
                other => {
                    panic!("{}: a block that is run stands under Bad or Good, not `{other}`", block.place())
                }
            }
            run += 1;
            let outcome = if image {
                support::image::check_image_block(&block.text, &options(&block))
            } else {
                check(&block, &block.text, &files)
            };
            let mut wrong = judge(&block, rule, &outcome);
            if block.info.iter().any(|word| word == "fix") {
                wrong.extend(judge_fix(&block, rule, &outcome, &files));
            }
            if !wrong.is_empty() {
                failures.push(format!(
                    "{}\n{}\n found:\n{}",
                    block.place(),
                    wrong.join("\n"),
                    shown(&outcome)
                ));
            }
            files.clear();
        }
        assert!(bad > 0 && good > 0, "{name}: a page has at least one Bad and one Good block");
    }
    assert!(only.is_some() || run > 150, "only {run} blocks were found");
    assert!(failures.is_empty(), "{} of {run} blocks fail\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn pages_rules_and_names_agree() {
    let mut listed: Vec<String> = Vec::new();
    for entry in catalogue().iter() {
        assert_eq!(entry.rule.id().as_str(), entry.page.id);
        listed.push(format!("{}-{}.md", entry.page.id, entry.page.name));
        let body = &entry.page.body;
        for section in ["What happens", "Why", "When it stays quiet", "Bad", "Good", "Fix", "References"] {
            assert!(
                body.contains(&format!("\n## {section}\n")),
                "{}: section `{section}` is missing",
                entry.page.id
            );
        }
        assert!(
            body.trim_start().starts_with(&format!("# {}\n", entry.page.name)),
            "{}: title",
            entry.page.id
        );
        assert!(["none", "safe", "unsafe"].contains(&entry.page.fix.as_str()), "{}: fix", entry.page.id);
    }
    let files: Vec<String> =
        pages().into_iter().map(|(name, _)| name).filter(|name| !name.starts_with("CU00")).collect();
    assert_eq!(listed, files, "pages in rules/ and rules in the catalogue");
}
