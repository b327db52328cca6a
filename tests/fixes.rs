//! Fixes together: over every block of the rule pages and every labelled Dockerfile, all safe fixes at once, then all
//! others, leave a file that parses and in which nothing of that safety is left to fix.

mod support;

use std::collections::BTreeMap;

use cudalint::diagnostics::{Finding, InputOutcome, Safety, apply_edits, plan_fixes};

use support::{blocks, labels};

fn findings(outcome: &InputOutcome) -> Vec<&Finding> {
    outcome.findings.iter().map(|reported| &reported.finding).collect()
}

fn syntax_errors(outcome: &InputOutcome) -> usize {
    findings(outcome).iter().filter(|finding| finding.rule.as_str() == "CU004").count()
}

/// Applies the fixes that `allow` admits to the Dockerfile until none is left, as the program does: one can stand in the
/// way of another, or make room for it.
fn fixed(
    name: &str,
    mut text: String,
    allow: Safety,
    check: &dyn Fn(&str) -> InputOutcome,
) -> Result<String, String> {
    let before = check(&text);
    let errors = syntax_errors(&before);
    for _round in 0..4 {
        let outcome = check(&text);
        let findings = findings(&outcome);
        let plan = plan_fixes(findings.iter().copied(), allow);
        let edits = plan.edits.iter().filter(|(file, _)| &***file == name).map(|(_, edits)| edits);
        for edits in edits {
            let bytes = apply_edits(text.as_bytes(), edits).map_err(|error| error.to_string())?;
            text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        }
        let again = check(&text);
        if syntax_errors(&again) > errors {
            return Err(format!("does not parse after the {} fixes:\n{text}", allow.as_str()));
        }
        let left = self::findings(&again).iter().any(|finding| {
            finding
                .fixes
                .iter()
                .any(|fix| fix.safety <= allow && fix.edits.iter().all(|edit| &*edit.file == name))
        });
        if !left {
            return Ok(text);
        }
    }
    Err(format!("{} fixes never end:\n{text}", allow.as_str()))
}

fn fix_all(name: &str, text: &str, check: &dyn Fn(&str) -> InputOutcome) -> Result<bool, String> {
    let safe = fixed(name, text.to_owned(), Safety::Safe, check)?;
    let all = fixed(name, safe, Safety::Unsafe, check)?;
    Ok(all != text)
}

#[test]
fn all_fixes_together_leave_a_file_with_nothing_to_fix() {
    let (mut changed, mut failures) = (0, Vec::new());
    let mut note = |place: String, result: Result<bool, String>| match result {
        Ok(did) => changed += usize::from(did),
        Err(why) => failures.push(format!("{place}: {why}")),
    };
    for (page, text) in blocks::pages().into_iter().filter(|(name, _)| !name.starts_with("CU00")) {
        let mut files = BTreeMap::new();
        for block in blocks::blocks(&page, &text) {
            match block.info.first().map(String::as_str) {
                Some("text") => {
                    if let Some(file) = block.value("file") {
                        files.insert(file.to_owned(), block.text.clone());
                    }
                }
                Some("dockerfile") => {
                    let check = |text: &str| blocks::check(&block, text, &files);
                    note(block.place(), fix_all("Dockerfile", &block.text, &check));
                    files.clear();
                }
                _ => {}
            }
        }
    }
    for file in labels::labels().file {
        let text = String::from_utf8(labels::bytes(&file.name)).unwrap();
        note(file.name.clone(), fix_all(&file.name, &text, &|text| labels::check(&file, text.as_bytes())));
    }
    assert!(failures.is_empty(), "{} fail\n\n{}", failures.len(), failures.join("\n\n"));
    assert!(changed > 40, "only {changed} texts had something to fix");
}
