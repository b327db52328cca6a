//! Text of hostile size and depth: time stays linear, nothing overflows, what was left out is named.

use crate::dockerfile::shell::{Script, scan};
use crate::limits::Limits;

fn scan_default(text: &str) -> Script {
    scan(text, &Limits::default())
}

#[test]
fn two_hundred_thousand_nested_substitutions() {
    let text = "echo $(".repeat(200_000);
    let script = scan_default(&text);
    assert_eq!(script.exceeded, Some("shell_depth"));
    assert_eq!(script.commands.len(), 33);
    let closed = format!("{}x{}", "echo $(".repeat(200_000), ")".repeat(200_000));
    let script = scan_default(&closed);
    assert_eq!(script.exceeded, Some("shell_depth"));
    assert!(script.problems.is_empty());
}

#[test]
fn a_run_of_five_megabytes() {
    let line = "apt-get update && apt-get install -y --no-install-recommends cuda-toolkit-12-4=12.4.1-1 \"pkg $V\"; ";
    let count = (5 << 20) / line.len();
    let script = scan_default(&line.repeat(count));
    assert_eq!(script.exceeded, None);
    assert_eq!(script.commands.len(), count * 2);
    let last = script.commands.last().expect("commands");
    assert_eq!(last.span.end, line.len() * count - 2);
}

#[test]
fn too_many_words_are_named() {
    let limits = Limits { shell_words: 1_000, ..Limits::default() };
    let script = scan(&"a b; ".repeat(10_000), &limits);
    assert_eq!(script.exceeded, Some("shell_words"));
    assert!(script.commands.len() <= 502);
}

/// Openings without ends, one after the other: each must cost its own length, not the rest of the text.
#[test]
fn unclosed_openings_cost_linear_time() {
    for opening in [
        "${",
        "$((",
        "((",
        "(",
        "{ ",
        "`",
        "\"$(",
        "'",
        "<(",
        "a=(",
        "@(",
        "<<E ",
        "<<$(",
        "if ",
        "case x in ",
        "[[ ",
        "[[ a\n\n",
        "[[\n",
        "f() ",
        "$((a);",
        "\"`",
        "${a:-$(",
        "x $(case a in b) ",
        "$(cat <<E\n",
        "cat <<E\n",
        "for x in ",
        "a=$(",
        "! ",
        "(( ( ",
        "\"${a:-\"",
        "eval ",
        "bash -c '",
        "|",
        "<<'",
        "$'",
        "\\",
        "fi;",
        ") ",
        "} ",
        "{a}>",
        "time ",
        "sudo ",
        "cat <<A | x;",
        "a <<A;",
        "function ",
        "a[",
        "$(#",
        "$(\"$(\"",
    ] {
        let text = opening.repeat(50_000);
        let script = scan_default(&text);
        let _ = (script.variables(), crate::dockerfile::shell::tools::files::writes(&script));
        // It comes back, where a quadratic step takes minutes; and no opening is read more than twice.
        assert!(script.commands.len() <= 2 * 50_000 + 1, "{opening:?}");
    }
}

#[test]
fn questions_about_big_scripts_stay_cheap() {
    let script = scan_default(&format!("{}b", "a && (".repeat(50_000)));
    let ignored = (0..script.commands.len()).filter(|index| script.failure_ignored(*index)).count();
    assert_eq!(ignored, 0);
    let script = scan_default(&"x=1; (y=2); ".repeat(50_000));
    let variables = script.variables();
    for index in 0..script.commands.len() {
        let _ = variables.local(index, "y");
    }
}
