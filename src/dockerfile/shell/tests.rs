//! Tests of the scanner as a whole.

use super::*;
use crate::limits::Limits;

fn list(text: &str) -> Vec<String> {
    let script = scan(text, &Limits::default());
    for command in &script.commands {
        assert!(text.get(command.span.start..command.span.end).is_some(), "{text:?} {command:?}");
    }
    script
        .commands
        .iter()
        .map(|command| {
            let assignments = command.assignments.iter().map(|a| format!("{}:={}", a.name, a.value.text));
            assignments
                .chain(command.words.iter().map(|word| word.text.clone()))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(list(text), expected, "{text}");
}

#[test]
fn chains_and_pipes() {
    check(
        "apt-get update && apt-get install -y curl; ls || true",
        &["apt-get update", "apt-get install -y curl", "ls", "true"],
    );
    check("curl -fsSL https://x/y | bash -s -- -y", &["curl -fsSL https://x/y", "bash -s -- -y"]);
    check("a & b |& c\nd", &["a", "b", "c", "d"]);
}
