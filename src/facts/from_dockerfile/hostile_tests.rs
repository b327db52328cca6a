//! Input that is made to break or to stall: facts come back all the same.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::testing::{at, facts};
use super::{DockerfileInput, Extracted, NoContext, from_dockerfile};
use crate::compat::Tables;
use crate::dockerfile::BuildOptions;
use crate::facts::{Facts, Origin};
use crate::limits::Limits;

fn extract(source: &[u8], limits: &Limits) -> Extracted {
    let input = DockerfileInput {
        name: "Dockerfile",
        source,
        options: BuildOptions::default(),
        context: &NoContext,
        base_config: &|_, _| None,
    };
    from_dockerfile(input, Tables::builtin(), limits)
}

fn origins(facts: &Facts) -> Vec<&Origin> {
    let mut out: Vec<&Origin> = Vec::new();
    out.extend(
        facts.stages.iter().flat_map(|stage| [&stage.from, &stage.from_instruction, &stage.root.origin]),
    );
    out.extend(facts.env_sets.iter().flat_map(|set| [&set.origin, &set.value_origin, &set.instruction]));
    out.extend(facts.copies.iter().flat_map(|copy| copy.sources.iter().map(|word| &word.origin)));
    out.extend(facts.commands.iter().map(|command| &command.origin));
    out.extend(facts.commands.iter().flat_map(|command| command.args.iter().map(|word| &word.origin)));
    out.extend(facts.packages.iter().flat_map(|package| [&package.origin, &package.command]));
    out.extend(facts.file_operations.iter().map(|operation| &operation.origin));
    out.extend(facts.loader.iter().map(|entry| &entry.origin));
    out.extend(facts.exports.iter().flat_map(|export| [&export.origin, &export.run]));
    out.extend(facts.repositories.iter().flat_map(|used| [&used.origin, &used.command]));
    out.extend(facts.compiles.iter().map(|signal| &signal.origin));
    out.extend(facts.cuda_paths.iter().map(|path| &path.origin));
    out.extend(facts.python.iter().map(|requirement| &requirement.origin));
    out.extend(facts.conda.iter().map(|package| &package.origin));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Pieces that mean something to the extractors, in any order: no panic, and every place lies in the file.
    #[test]
    fn places_lie_in_the_file(pieces in proptest::collection::vec(piece(), 0..40)) {
        let source = pieces.concat();
        let facts = extract(source.as_bytes(), &Limits::default()).facts;
        for origin in origins(&facts) {
            let (file, span) = origin.as_file().expect("a place in a text");
            let bytes = &facts.sources[file.0].bytes;
            prop_assert!(span.start <= span.end && span.end <= bytes.len(), "{span:?} of {}", bytes.len());
        }
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(source in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut text = b"FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN ".to_vec();
        text.extend(source);
        let _ = extract(&text, &Limits::default());
    }
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS a\n",
        "FROM a\n",
        "FROM ${X}\n",
        "ARG X=1\n",
        "ENV LD_LIBRARY_PATH=/a:$LD_LIBRARY_PATH",
        ":${LD_LIBRARY_PATH:+$X",
        "}\n",
        "RUN apt-get install -y ",
        "cuda-toolkit-12-4 ",
        "lib$X* ",
        "\\\n",
        "# c\n",
        " && ",
        " | ",
        "; ",
        "for i in a b; do ",
        "done",
        "RUN [\"sh\", \"-c\", \"",
        "'q'",
        "\\\"",
        "\"]\n",
        "RUN <<EOF\n",
        "EOF\n",
        "COPY --from=a /usr/local/cuda-12.4/x ",
        "é",
        "echo /x > /etc/ld.so.conf.d/y.conf",
        "ldconfig /usr/local/cuda/compat",
        "export A=1 ",
        "$(",
        ")",
        "`",
        "pip install torch==2.5.1 ",
        "-r r.txt ",
        "curl https://developer.download.nvidia.com/a/7fa2af80.pub | apt-key add -",
        "ln -s /x/stubs/libcuda.so /usr/lib/",
        "\n",
        "\r\n",
        " ",
    ])
}

#[test]
fn a_file_with_too_many_stages_is_refused_with_the_limit() {
    let source = "FROM debian:12\n".repeat(4);
    let extracted = extract(source.as_bytes(), &Limits { stages: 3, ..Limits::default() });
    assert!(!extracted.has_target && extracted.facts.stages.is_empty());
    assert!(extracted.problems.iter().any(|problem| problem.message.contains("--limit stages")));
}

#[test]
fn a_file_with_too_many_variables_keeps_the_rest() {
    let source = "FROM debian:12\nENV A=1 B=2 C=3\nRUN apt-get install -y libcuda1\n";
    let extracted = extract(source.as_bytes(), &Limits { stage_variables: 2, ..Limits::default() });
    assert!(extracted.problems.iter().any(|problem| problem.message.contains("--limit stage_variables")));
    assert!(!extracted.facts.stages[0].env.is_unset("NVIDIA_VISIBLE_DEVICES"));
    assert_eq!(extracted.facts.packages.len(), 1);
}

/// Many commands that each look at all later ones; many variables over many stages.
#[test]
fn large_files_stay_linear() {
    let mut source = "FROM nvidia/cuda:12.4.1-base-ubuntu22.04 AS s0\nRUN true".to_owned();
    for at in 0..5_000 {
        let _ = write!(source, " && ln -s /x/libcuda.so.{at} /usr/lib/libcuda.so && apt-get install a{at}");
    }
    source.push('\n');
    for at in 0..1_000 {
        let _ = writeln!(source, "ENV V{at}=$V{at}x LD_LIBRARY_PATH=/d{at}:$LD_LIBRARY_PATH");
    }
    for at in 1..200 {
        let _ = writeln!(source, "FROM s{} AS s{at}", at - 1);
        let _ = writeln!(source, "RUN echo /usr/local/cuda/compat > /etc/ld.so.conf.d/{at}.conf");
    }
    let extracted = extract(source.as_bytes(), &Limits::default());
    assert_eq!(extracted.facts.stages.len(), 200);
    assert_eq!(extracted.facts.file_operations.len(), 5_000);
    // The comparisons of so many commands are cut off, and the outcome says so.
    assert!(extracted.problems.iter().any(|problem| problem.message.contains("too many commands")));
}

#[test]
fn nested_values_do_not_explode() {
    let mut text = "FROM debian:12\nRUN A0=xxxxxxxxxx".to_owned();
    for at in 1..40 {
        let _ = write!(text, "; A{at}=$A{}$A{}$A{}$A{}", at - 1, at - 1, at - 1, at - 1);
    }
    text.push_str("; tool $A39 $A3\n");
    let facts = facts(&text);
    let tool = facts.commands.iter().find(|command| command.program.as_deref() == Some("tool")).unwrap();
    assert_eq!(tool.args[0].text, None);
    assert_eq!(at(&facts, &tool.args[1].origin), "$A3");
}
