//! Laws that hold for any bytes, and large inputs that must cost no more than their size.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

use cudalint::dockerfile::{
    BaseEnv, BuildOptions, Dockerfile, Instruction, InstructionKind, LogicalText, ProblemKind, StageGraph,
};
use cudalint::limits::Limits;
use cudalint::span::Span;
use proptest::prelude::*;

fn parse(source: &[u8]) -> Dockerfile {
    Dockerfile::parse(source, &Limits::default())
}

/// Every character of a logical text maps back to its own bytes, in order.
fn check_text(text: &LogicalText, source: &[u8], inside: Span) {
    let mut before = inside.start;
    for (at, ch) in text.text.char_indices() {
        let span = text.source_span(at..at + ch.len_utf8());
        assert!(span.start >= before && span.end <= inside.end, "{span:?} of {ch:?} in {inside:?}");
        assert_eq!(text.source_offset(at), span.start);
        let bytes = span.slice(source);
        if ch == char::REPLACEMENT_CHARACTER {
            assert!(std::str::from_utf8(bytes).is_err() || bytes == "\u{fffd}".as_bytes());
        } else {
            assert_eq!(bytes, ch.to_string().as_bytes());
        }
        before = span.end;
    }
    let whole = text.span();
    assert!(inside.start <= whole.start && whole.end <= inside.end);
    // A part of the text has the same map.
    if let Some((at, _)) = text.text.char_indices().nth(text.text.chars().count() / 2) {
        let part = text.slice(at..text.text.len());
        assert_eq!(part.text, text.get(at..text.text.len()));
        assert_eq!(part.span(), text.source_span(at..text.text.len()));
    }
}

fn check_instruction(instruction: &Instruction, source: &[u8]) {
    let span = instruction.span;
    let within =
        |inner: Span| assert!(span.start <= inner.start && inner.end <= span.end, "{inner:?} in {span:?}");
    within(instruction.header);
    within(instruction.keyword.span);
    check_text(&instruction.text, source, instruction.header);
    for flag in &instruction.flags {
        within(flag.span);
        within(flag.name.span);
        flag.value.iter().for_each(|value| within(value.span));
        for field in &flag.mount {
            within(field.key.span);
            field.value.iter().for_each(|value| within(value.span));
        }
    }
    for heredoc in &instruction.heredocs {
        within(heredoc.marker);
        within(heredoc.body.span);
        within(heredoc.terminator);
        assert!(heredoc.marker_range.end <= instruction.text.text.len());
        check_text(&heredoc.body.text, source, heredoc.body.span);
    }
    let words = match &instruction.kind {
        InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => {
            pairs.iter().flat_map(|pair| [&pair.key, &pair.value]).collect()
        }
        InstructionKind::Arg(all) => all.iter().map(|arg| &arg.name).collect(),
        InstructionKind::Copy(transfer) | InstructionKind::Add(transfer) => {
            transfer.sources.iter().chain([&transfer.dest]).collect()
        }
        InstructionKind::Onbuild(child) => {
            check_instruction(child, source);
            Vec::new()
        }
        _ => Vec::new(),
    };
    words.iter().for_each(|word| within(word.span));
}

fn check(source: &[u8]) {
    let file = parse(source);
    let whole = Span::new(0, source.len());
    let mut end = 0;
    for instruction in &file.instructions {
        assert!(end <= instruction.span.start && instruction.span.end <= whole.end);
        end = instruction.span.end;
        check_instruction(instruction, source);
    }
    let mut end = 0;
    for comment in &file.comments {
        assert!(end <= comment.span.start && comment.span.end <= whole.end);
        assert_eq!(comment.span.slice(source).first(), Some(&b'#'));
        end = comment.span.end;
    }
    for problem in &file.problems {
        assert!(problem.span.end <= whole.end);
        assert!(!problem.kind.to_string().is_empty());
    }
    let graph = StageGraph::build(&file, &BuildOptions::default(), &mut |_| BaseEnv::Unknown);
    for stage in &graph.stages {
        for assignment in &stage.assignments {
            assert!(assignment.name.span.end <= whole.end);
        }
        let _ = graph.image_env(stage.index);
    }
}

/// Text made of what Dockerfiles are made of.
fn fragments() -> impl Strategy<Value = String> {
    let words = [
        "FROM a AS b\n",
        "RUN ",
        "ENV ",
        "COPY ",
        "ARG ",
        "ONBUILD ",
        "HEALTHCHECK ",
        "CMD ",
        "\\\n",
        "\n",
        "\r\n",
        "# c\n",
        "# escape=`\n",
        "`\n",
        "<<EOF",
        "<<-\"E F\"",
        "EOF\n",
        "\t",
        " ",
        "A=1 ",
        "\"",
        "'",
        "$A",
        "${A:-",
        "}",
        "${A/b/",
        "\\",
        "[\"a\", \"\\u00e9\"]",
        "[",
        "--from=b ",
        "--mount=type=bind,from=b ",
        "é",
        "\u{a0}",
        "\u{feff}",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..40)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_bytes_have_a_tree(source in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&source);
    }

    #[test]
    fn any_fragments_have_a_tree(text in fragments(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        check(text.as_bytes());
        let mut bytes = text.into_bytes();
        if !bytes.is_empty() {
            let at = cut.index(bytes.len());
            bytes[at] = byte;
            check(&bytes);
        }
    }

    #[test]
    fn a_bad_line_costs_one_line(text in "[a-z<$\"'\\[{ ]{1,30}", before in 0usize..3) {
        prop_assume!(!text.trim().is_empty());
        let good = "RUN ls\n";
        let source = format!("FROM a\n{}{text}\nCMD x\n", good.repeat(before));
        let file = parse(source.as_bytes());
        prop_assert_eq!(file.instructions.len(), before + 3);
        prop_assert!(matches!(file.instructions[before + 2].kind, InstructionKind::Cmd(_)));
    }
}

#[test]
fn the_battery_of_sizes() {
    // One RUN of 5 MB over 100,000 continuation lines.
    let line = format!("  && echo {} \\\n", "x".repeat(40));
    let source = format!("FROM a\nRUN true \\\n{}  && true\nCMD x\n", line.repeat(100_000));
    assert!(source.len() > 5_000_000);
    let file = parse(source.as_bytes());
    assert_eq!(file.instructions.len(), 3);
    assert!(file.problems.is_empty());
    let text = &file.instructions[1].text;
    let at = text.text.rfind("echo").unwrap();
    assert_eq!(text.source_span(at..at + 4).slice(source.as_bytes()), b"echo");

    // Comment and blank lines inside a continuation.
    let source = format!("FROM a\nRUN true \\\n{}  x\n", "# c\n\n".repeat(100_000));
    let file = parse(source.as_bytes());
    assert_eq!((file.instructions.len(), file.comments.len()), (2, 100_000));

    // 200,000 nested substitutions, closed and open.
    for close in ["}", ""] {
        let source = format!("FROM a\nENV A={}{}\nRUN x <<E\n", "${a:-".repeat(12_000), close.repeat(12_000));
        let file = parse(source.as_bytes());
        let graph = StageGraph::build(&file, &BuildOptions::default(), &mut |_| BaseEnv::Known(Vec::new()));
        assert_eq!(graph.problems.len(), usize::from(close.is_empty()));
    }
    let source = format!("FROM a\nRUN {}\n", "$(".repeat(200_000));
    assert_eq!(parse(source.as_bytes()).instructions.len(), 2);

    // ONBUILD below ONBUILD.
    let source = format!("FROM a\n{}\n", "ONBUILD ".repeat(500_000));
    assert_eq!(parse(source.as_bytes()).instructions.len(), 2);

    // JSON that goes deep.
    let source = format!("FROM a\nRUN {}\n", "[".repeat(500_000));
    assert_eq!(parse(source.as_bytes()).instructions.len(), 2);
}

#[test]
fn many_heredocs_without_an_end_stay_linear() {
    let mut source = "FROM a\n".to_owned();
    for index in 0..40_000 {
        source.push_str(&format!("RUN cat <<E{index}\n"));
    }
    source.push_str("E39999\n");
    let file = parse(source.as_bytes());
    assert_eq!(file.instructions.len(), 40_001);
    assert_eq!(file.problems.len(), 39_999);
    assert_eq!(file.instructions[40_000].heredocs.len(), 1);
    // The same with a line that matches but for its tabs.
    let source = format!("FROM a\n{}{}", "RUN cat <<E\n".repeat(20_000), "\tE\n".repeat(20_000));
    assert_eq!(parse(source.as_bytes()).instructions.len(), 40_001);
}

#[test]
fn limits_say_which_flag_raises_them() {
    let limits = Limits { text_bytes: 10, ..Limits::default() };
    let file = Dockerfile::parse(b"FROM a\nRUN ls\n", &limits);
    assert_eq!(file.problems[0].kind, ProblemKind::TooLarge { limit: 10 });
    assert!(file.problems[0].kind.to_string().contains("--limit text_bytes"));
    assert_eq!(file.source.len(), 14);
    let limits = Limits { instructions: 2, ..Limits::default() };
    let file = Dockerfile::parse(b"FROM a\nRUN ls\nRUN ls\nRUN ls\n", &limits);
    assert_eq!(file.instructions.len(), 2);
    assert_eq!(file.problems[0].kind, ProblemKind::TooManyInstructions { limit: 2 });
    assert!(file.problems[0].kind.to_string().contains("--limit instructions"));
}

#[test]
fn a_long_physical_line_is_kept_with_a_problem() {
    let source = |len: usize| format!("FROM a\nRUN {}\nCMD x\n", "x".repeat(len - 4));
    let file = parse(source(65_535).as_bytes());
    assert!(file.problems.is_empty());
    let file = parse(source(65_536).as_bytes());
    assert_eq!(file.problems[0].kind, ProblemKind::LineTooLong);
    assert_eq!(file.instructions.len(), 3);
    let heredoc = format!("FROM a\nRUN <<E\n{}\nE\n", "x".repeat(70_000));
    let file = parse(heredoc.as_bytes());
    assert_eq!(file.problems.len(), 1);
    assert_eq!(file.instructions[1].heredocs.len(), 1);
}

#[test]
fn too_many_variables_are_unknown_and_said_so() {
    let source = format!("FROM a\nENV {}\nENV B=1\n", "A=1 ".repeat(600_000));
    let graph =
        StageGraph::build(&parse(source.as_bytes()), &BuildOptions::default(), &mut |_| BaseEnv::Unknown);
    assert_eq!(graph.problems.len(), 1);
    assert_eq!(graph.problems[0].kind, ProblemKind::TooMuchWork);
    let (variables, _) = graph.image_env(0);
    assert!(variables.len() <= 2);
}
