//! Inline ignores: what is read as one, what it covers, and what is said of unused and expired ones.

use super::*;
use crate::diagnostics::testing::{file_finding, place_in};
use crate::diagnostics::{Location, Severity};

const FILE: &str = "Dockerfile";

fn rules() -> Vec<RuleInfo> {
    let rule = |id, name, needs_target| RuleInfo {
        id: RuleId::new(id),
        name,
        group: "driver",
        severity: Severity::Error,
        opt_in: false,
        needs_target,
    };
    let own = [rule("CU301", "driver-package-in-image", false), rule("CU601", "copy-cuda-tree", false)];
    own.into_iter().chain([rule("CU801", "driver-too-old", true)]).chain(meta::ALL).collect()
}

/// Spans of comment lines and of instructions (a line that does not continue a line ending in `\`).
fn parse(source: &str) -> (Vec<Span>, Vec<Span>) {
    let (mut comments, mut instructions, mut at, mut open) = (Vec::new(), Vec::<Span>::new(), 0, false);
    for line in source.split_inclusive('\n') {
        let text = line.trim_end();
        if text.trim_start().starts_with('#') {
            comments.push(Span::new(at + line.find('#').unwrap(), at + text.len()));
        } else if !text.is_empty() {
            match instructions.last_mut().filter(|_| open) {
                Some(last) => last.end = at + text.len(),
                None => instructions.push(Span::new(at, at + text.len())),
            }
            open = text.ends_with('\\');
        }
        at += line.len();
    }
    (comments, instructions)
}

/// A finding of `rule` at every occurrence of `word`.
fn findings(source: &str, rule: &'static str, word: &str) -> Vec<Finding> {
    source
        .match_indices(word)
        .map(|(at, _)| {
            let mut finding = file_finding(rule, Severity::Error, word);
            finding.location = Location::File(place_in(FILE, source.as_bytes(), at, at + word.len()));
            finding
        })
        .collect()
}

/// Lines of the findings that stay, the number held back, and what is said about the ignores (`CU001@2 message`).
fn run(source: &str, found: Vec<Finding>) -> (Vec<usize>, usize, Vec<String>) {
    let rules = rules();
    let mut suppressions = Suppressions::new(&rules, "2026-11-25".parse().unwrap());
    let (comments, instructions) = parse(source);
    suppressions.add_file(&Arc::from(FILE), source.as_bytes(), &comments, &instructions);
    let applied = suppressions.apply(found);
    let line = |finding: &Finding| finding.location.place().unwrap().start.line;
    let kept = applied.kept.iter().map(line).collect();
    let own = suppressions.finish(|_| true);
    let said = own.kept.iter().map(|own| format!("{}@{} {}", own.rule, line(own), own.message)).collect();
    (kept, applied.suppressed + own.suppressed, said)
}

#[test]
fn above_an_instruction_it_covers_all_of_it() {
    let source = "FROM WORD\n# cudalint: ignore[CU301] x\n# and more\n\nRUN WORD && \\\n  WORD\nRUN WORD\n";
    assert_eq!(run(source, findings(source, "CU301", "WORD")), (vec![1, 7], 2, vec![]));
}

#[test]
fn inside_an_instruction_it_covers_the_next_line_only() {
    let source =
        "RUN WORD && \\\n# cudalint: ignore[driver-package-in-image] x\n\n# more\n  WORD && \\\n  WORD\n";
    assert_eq!(run(source, findings(source, "CU301", "WORD")), (vec![1, 6], 1, vec![]));
}

#[test]
fn for_the_file_it_may_stand_anywhere() {
    let source = "RUN WORD\nRUN WORD\n# cudalint: ignore-file[CU301] x\n";
    assert_eq!(run(source, findings(source, "CU301", "WORD")), (vec![], 2, vec![]));
}

#[test]
fn other_rules_and_other_files_are_not_covered() {
    let source = "# cudalint: ignore[CU301] x\nRUN WORD\n";
    let (kept, held, said) = run(source, findings(source, "CU601", "WORD"));
    assert_eq!((kept, held), (vec![2], 0));
    assert_eq!(said, ["CU001@1 the ignore of CU301 holds nothing back"]);
    let mut elsewhere = findings(source, "CU301", "WORD");
    elsewhere[0].location = Location::File(place_in("other", source.as_bytes(), 29, 30));
    assert_eq!(run(source, elsewhere).1, 0);
}

#[test]
fn unused_ignores_can_be_mended() {
    let source = "FROM a\n# cudalint: ignore[CU301, CU601] x\nRUN WORD\n";
    let rules = rules();
    let mut suppressions = Suppressions::new(&rules, "2026-11-25".parse().unwrap());
    let (comments, instructions) = parse(source);
    suppressions.add_file(&Arc::from(FILE), source.as_bytes(), &comments, &instructions);
    suppressions.apply(findings(source, "CU301", "WORD"));
    let own = suppressions.finish(|_| true).kept;
    let plan = crate::diagnostics::plan_fixes(&own, Safety::Safe);
    let fixed = crate::diagnostics::apply_edits(source.as_bytes(), &plan.edits[FILE]).unwrap();
    assert_eq!(String::from_utf8(fixed).unwrap(), "FROM a\n# cudalint: ignore[CU301] x\nRUN WORD\n");

    let mut suppressions = Suppressions::new(&rules, "2026-11-25".parse().unwrap());
    suppressions.add_file(&Arc::from(FILE), source.as_bytes(), &comments, &instructions);
    let own = suppressions.finish(|_| true).kept;
    let plan = crate::diagnostics::plan_fixes(&own, Safety::Safe);
    let fixed = crate::diagnostics::apply_edits(source.as_bytes(), &plan.edits[FILE]).unwrap();
    assert_eq!(String::from_utf8(fixed).unwrap(), "FROM a\nRUN WORD\n");
}

#[test]
fn a_rule_that_did_not_run_is_not_called_unused() {
    let rules = rules();
    let source = "# cudalint: ignore[CU801] x\nFROM a\n";
    let (comments, instructions) = parse(source);
    let said = |ran: bool| {
        let mut suppressions = Suppressions::new(&rules, "2026-11-25".parse().unwrap());
        suppressions.add_file(&Arc::from(FILE), source.as_bytes(), &comments, &instructions);
        suppressions.finish(|rule| ran || rule.as_str() != "CU801").kept
    };
    assert_eq!(said(false), []);
    assert_eq!(said(true)[0].fixes[0].safety, Safety::Unsafe);
}

#[test]
fn an_expired_ignore_is_void_and_said_so() {
    let source = "# cudalint: ignore[CU301] x until=2026-11-24\nRUN WORD\n";
    let (kept, held, said) = run(source, findings(source, "CU301", "WORD"));
    assert_eq!((kept, held), (vec![2], 0));
    assert_eq!(said, ["CU002@1 the ignore ended on 2026-11-24 and holds nothing back"]);
    let source = "# cudalint: ignore[CU301] x until=2026-11-25\nRUN WORD\n";
    assert_eq!(run(source, findings(source, "CU301", "WORD")), (vec![], 1, vec![]));
}

#[test]
fn a_missing_reason_is_said_but_the_ignore_holds() {
    let source = "# cudalint: ignore[CU301]\nRUN WORD\n";
    let (kept, held, said) = run(source, findings(source, "CU301", "WORD"));
    assert_eq!((kept, held), (vec![], 1));
    assert_eq!(said, ["CU003@1 the ignore gives no reason"]);
}

#[test]
fn repeated_and_trailing_ignores_are_unused() {
    let source =
        "# cudalint: ignore[CU301] x\n# cudalint: ignore[CU301] y\nRUN WORD\n# cudalint: ignore[CU301] z\n";
    let (kept, held, said) = run(source, findings(source, "CU301", "WORD"));
    assert_eq!((kept, held), (vec![], 1));
    let expected = [2, 4].map(|line| format!("CU001@{line} the ignore of CU301 holds nothing back"));
    assert_eq!(said, expected);
}

#[test]
fn findings_about_ignores_can_be_ignored_too() {
    let source =
        "# cudalint: ignore-file[CU001] kept for other targets\n# cudalint: ignore[CU301] x\nRUN a\n";
    assert_eq!(run(source, vec![]), (vec![], 1, vec![]));
    let source = "# cudalint: ignore-file[CU001] for nothing\nRUN a\n";
    assert_eq!(run(source, vec![]).2, ["CU001@1 the ignore of CU001 holds nothing back"]);
}

#[test]
fn comments_after_text_cover_their_line() {
    let source = "torch==2.4 # cudalint: ignore[CU301] x\ntorch==2.5\n";
    let rules = rules();
    let mut suppressions = Suppressions::new(&rules, "2026-11-25".parse().unwrap());
    suppressions.add_file(&Arc::from(FILE), source.as_bytes(), &[Span::new(11, 38)], &[]);
    let applied = suppressions.apply(findings(source, "CU301", "torch"));
    assert_eq!((applied.kept.len(), applied.suppressed), (1, 1));
    let mut unused = Suppressions::new(&rules, "2026-11-25".parse().unwrap());
    unused.add_file(&Arc::from(FILE), source.as_bytes(), &[Span::new(11, 38)], &[]);
    let own = unused.finish(|_| true).kept;
    let fixed = crate::diagnostics::apply_edits(source.as_bytes(), &own[0].fixes[0].edits).unwrap();
    assert_eq!(String::from_utf8(fixed).unwrap(), "torch==2.4\ntorch==2.5\n");
}

/// Quadratic work over these comments would not end within the patience of a test run.
#[test]
fn many_comments_take_linear_time() {
    let number = 200_000;
    let source = format!("RUN a \\\n{}  WORD\n", "# cudalint: ignore[CU301] x\n".repeat(number));
    let (kept, held, said) = run(&source, findings(&source, "CU301", "WORD"));
    assert_eq!((kept.len(), held, said.len()), (0, 1, number - 1));
}
