//! What holds for any text.

use crate::dockerfile::shell::{Script, Word, interpret, scan, tools};
use crate::limits::Limits;
use crate::span::Span;
use proptest::prelude::*;

fn check_span(text: &str, span: Span) {
    assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
}

fn check_word(text: &str, word: &Word) {
    check_span(text, word.span);
    let mut at = 0;
    for piece in &word.pieces {
        assert_eq!(piece.range.start, at, "pieces without gaps: {word:?}");
        at = piece.range.end;
        check_span(&word.text, piece.range);
    }
    assert_eq!(at, word.text.len(), "{word:?}");
    for segment in &word.segments {
        let here = word.text.get(segment.offset..segment.offset + segment.len);
        let there = text.get(segment.source..segment.source + segment.len);
        assert!(here.is_some() && here == there, "{segment:?} of {word:?} in {text:?}");
    }
    for (at, _) in word.text.char_indices() {
        check_span(text, word.map(Span::new(at, word.text.len())));
        check_span(text, word.suffix(at).span);
    }
}

fn check(text: &str) -> Script {
    let script = scan(text, &Limits::default());
    let mut last = 0;
    for (index, command) in script.commands.iter().enumerate() {
        check_span(text, command.span);
        assert!(command.span.start >= last, "in order");
        last = command.span.start;
        assert!(command.parent.is_none_or(|parent| parent < script.commands.len() && parent != index));
        assert!(command.group.is_none_or(|group| group < script.groups.len()));
        for word in &command.words {
            check_word(text, word);
            let _ = word.resolve(&|_| Some("a b".to_owned()));
        }
        for assignment in &command.assignments {
            check_span(text, assignment.span);
            check_word(text, &assignment.value);
            assignment.elements.iter().for_each(|word| check_word(text, word));
        }
        for redirection in &command.redirections {
            check_span(text, redirection.span);
            check_word(text, &redirection.target);
            if let Some(heredoc) = &redirection.heredoc {
                check_word(text, &heredoc.body);
            }
        }
        let _ = interpret(command);
        let _ = interpret(&command.resolved(&|_| crate::dockerfile::shell::Value::Set(" x  y ".to_owned())));
        let _ = script.failure_ignored(index);
        let _ = script.pipe_target(index);
    }
    for group in &script.groups {
        check_span(text, group.span);
    }
    for problem in &script.problems {
        check_span(text, problem.span);
    }
    let variables = script.variables();
    for index in 0..script.commands.len() {
        let _ = variables.local(index, "a");
    }
    for write in tools::files::writes(&script) {
        check_span(text, write.span);
    }
    script
}

fn fragment() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "apt-get install",
        "pip install",
        "torch==${V:-1}",
        "$(",
        ")",
        "`",
        "\"",
        "'",
        "\\",
        "\n",
        " ",
        ";",
        "&&",
        "||",
        "|",
        "&",
        "(",
        "((",
        "))",
        "{",
        "}",
        "${",
        "$((",
        "<<EOF",
        "<<-'E'",
        "EOF\n",
        "\nEOF\n",
        "if",
        "then",
        "fi",
        "for x in",
        "do",
        "done",
        "case",
        "in",
        "esac",
        ";;",
        "function",
        "f()",
        "[[",
        "]]",
        "!",
        "time",
        "a=",
        "a=(",
        "é",
        "ü",
        "#",
        "> f",
        "2>&1",
        "<(",
        "<<<",
        "bash -c",
        "eval",
        "sudo",
        "env A=1",
        "\t",
        "\r\n",
        "$V",
        "${V%.*}",
        "$'",
        "echo",
        "| sh",
        "| tee f",
        "-",
        "--x=",
        "@(",
        "*",
        "conda install a=1",
        "curl -O",
        "python -c",
        "export A=",
        "ln -s",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_sound_spans(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn shell_like_text_gives_sound_spans(parts in prop::collection::vec(fragment(), 0..24), glue in "[ ]?") {
        check(&parts.join(&glue));
    }

    #[test]
    fn a_chain_is_its_halves(
        left in "[a-z]{1,6}( [a-z0-9=./-]{1,8}| '[a-z ;&|]{0,8}'| \"[a-z $;]{0,8}\"| \\$\\([a-z ]{1,6}\\)){0,4}",
        right in "[a-z]{1,6}( [a-z0-9=./-]{1,8}| '[a-z ;&|]{0,8}'| \"[a-z $;]{0,8}\"| \\$\\([a-z ]{1,6}\\)){0,4}",
    ) {
        let words = |text: &str| -> Vec<Vec<String>> {
            check(text).commands.iter().map(|c| c.words.iter().map(|w| w.text.clone()).collect()).collect()
        };
        // A reserved word at the start makes no simple command.
        prop_assume!(!["if", "do", "fi", "in", "for", "then", "else", "elif", "done", "case", "esac", "while", "until", "select", "eval"]
            .iter().any(|word| left.split(' ').next() == Some(word) || right.split(' ').next() == Some(word)));
        let mut halves = words(&left);
        halves.extend(words(&right));
        prop_assert_eq!(words(&format!("{left} && {right}")), halves);
    }
}
