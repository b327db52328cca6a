//! The examples on the pages of the findings that the engine makes about ignores and unreadable lines: every Bad block
//! fires its rule at the marked line and nothing else, every Good block is silent, and fixes mend.

use std::sync::Arc;

use cudalint::diagnostics::{Date, FilePlace, Finding, Safety, Suppressions, apply_edits, meta, plan_fixes};
use cudalint::dockerfile::Dockerfile;
use cudalint::limits::Limits;
use cudalint::rules::{meta_pages, rule_infos};
use cudalint::span::{LineIndex, Span};

/// What the engine says about a file in which no rule finds anything, everything selected.
fn findings(source: &str) -> Vec<Finding> {
    let bytes = source.as_bytes();
    let file: Arc<str> = Arc::from("Dockerfile");
    let tree = Dockerfile::parse(bytes, &Limits::default());
    let comments: Vec<Span> = tree.comments.iter().map(|comment| comment.span).collect();
    let instructions: Vec<Span> = tree.instructions.iter().map(|instruction| instruction.span).collect();
    let lines = LineIndex::new(bytes);
    let syntax = tree.problems.iter().map(|problem| {
        let place = FilePlace {
            file: Arc::clone(&file),
            span: problem.span,
            start: lines.line_column(bytes, problem.span.start),
            end: lines.line_column(bytes, problem.span.end),
        };
        Finding::meta(&meta::DOCKERFILE_SYNTAX, place, problem.kind.to_string(), None)
    });
    let today: Date = "2026-11-25".parse().unwrap();
    let mut suppressions = Suppressions::new(rule_infos(), today);
    suppressions.add_file(&file, bytes, &comments, &instructions);
    let mut kept = suppressions.apply(syntax.collect()).kept;
    kept.extend(suppressions.finish(|_| true).kept);
    kept
}

fn places(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| finding.location.place().unwrap().start.line;
    findings.iter().map(|finding| format!("{}@{}", finding.rule, line(finding))).collect()
}

/// Info string and text of each fenced block, with the heading it stands under.
fn blocks(body: &str) -> Vec<(String, String, String)> {
    let (mut heading, mut blocks, mut open) = (String::new(), Vec::new(), None::<(String, String)>);
    for line in body.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => {
                let (info, text) = open.take().unwrap();
                blocks.push((heading.clone(), info, text));
            }
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, Some(info)) => open = Some((info.to_owned(), String::new())),
            (None, None) => {
                if let Some(title) = line.strip_prefix("## ") {
                    title.clone_into(&mut heading);
                }
            }
        }
    }
    blocks
}

#[test]
fn examples_do_what_the_pages_say() {
    for page in meta_pages() {
        let (mut bad, mut good) = (0, 0);
        for (heading, info, text) in blocks(&page.body) {
            let found = findings(&text);
            let expected: Vec<&str> = info
                .split_whitespace()
                .filter_map(|word| word.strip_prefix("expect="))
                .flat_map(|list| list.split(','))
                .collect();
            assert_eq!(places(&found), expected, "{}, {heading}:\n{text}", page.id);
            match heading.as_str() {
                "Bad" => bad += 1,
                "Good" => good += 1,
                other => panic!("{}: a block under {other}", page.id),
            }
            if info.split_whitespace().any(|word| word == "fix") {
                let plan = plan_fixes(&found, Safety::Safe);
                let fixed = apply_edits(text.as_bytes(), &plan.edits["Dockerfile"]).unwrap();
                let fixed = String::from_utf8(fixed).unwrap();
                assert_eq!(places(&findings(&fixed)), Vec::<String>::new(), "{}:\n{fixed}", page.id);
            }
        }
        assert!(bad > 0 && good > 0, "{} has no examples", page.id);
        assert!(
            page.fix == "none" || page.body.contains(" fix\n"),
            "{} promises a fix that no example runs",
            page.id
        );
    }
}
