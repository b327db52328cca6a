//! Stages, ARG and ENV evaluation, links and roles.

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
    AssignmentKind, Base, BaseEnv, BuildOptions, Dockerfile, InstructionKind, LinkKind, LinkSource, Lookup,
    OriginKind, Platform, ProblemKind, Role, StageGraph, UnknownReason,
};
use cudalint::limits::Limits;

fn options(args: &[(&str, &str)]) -> BuildOptions {
    BuildOptions {
        build_args: args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..BuildOptions::default()
    }
}

fn parse(text: &str) -> Dockerfile {
    Dockerfile::parse(text.as_bytes(), &Limits::default())
}

/// The environment that the tests' base images have.
fn known() -> BaseEnv {
    BaseEnv::Known(vec![
        ("PATH".to_owned(), "/bin".to_owned()),
        ("CUDA_VERSION".to_owned(), "12.4.1".to_owned()),
    ])
}

fn build_with(text: &str, options: &BuildOptions, env: BaseEnv) -> StageGraph {
    StageGraph::build(&parse(text), options, &mut |_| env.clone())
}

fn build(text: &str) -> StageGraph {
    build_with(text, &BuildOptions::default(), known())
}

/// The reference of an image base.
fn image(graph: &StageGraph, stage: usize) -> Option<String> {
    match &graph.stages[stage].base {
        Base::Image { reference, .. } => reference.text.as_ref().map(|text| text.to_string()),
        _ => None,
    }
}

/// A variable at the end of a stage: its text, `?` when unknown, `-` when unset.
fn at_end(graph: &StageGraph, stage: usize, name: &str) -> String {
    match graph.scope(stage, usize::MAX).get(name) {
        Lookup::Set(value) => value.text.map_or_else(|| "?".to_owned(), |text| text.to_string()),
        Lookup::Unset => "-".to_owned(),
        Lookup::ArgWithoutValue(_) => "arg?".to_owned(),
        Lookup::MaybeInBase => "base?".to_owned(),
    }
}

/// The image's environment as `name=value` words.
fn env(graph: &StageGraph, stage: usize) -> Vec<String> {
    let (variables, _) = graph.image_env(stage);
    variables.iter().map(|var| format!("{}={}", var.name, var.value.as_str().unwrap_or("?"))).collect()
}

#[test]
fn global_args_resolve_bases() {
    let text = "ARG V=12.4.1\nARG T=${V}-base\nFROM nvidia/cuda:$T\nFROM nvidia/cuda:${U:-1}\n";
    let graph = build(text);
    assert_eq!(image(&graph, 0).as_deref(), Some("nvidia/cuda:12.4.1-base"));
    assert_eq!(image(&graph, 1).as_deref(), Some("nvidia/cuda:1"));
    let Base::Image { reference, name, .. } = &graph.stages[0].base else { panic!() };
    assert_eq!(reference.args().collect::<Vec<_>>(), ["T", "V"]);
    let span = reference.origins.iter().find(|origin| &*origin.name == "V").unwrap().span.unwrap();
    assert_eq!(span.slice(text.as_bytes()), b"12.4.1");
    assert_eq!(name.as_ref().unwrap().tag.as_deref(), Some("12.4.1-base"));
    let given = build_with(text, &options(&[("V", "13.0.0")]), known());
    assert_eq!(image(&given, 0).as_deref(), Some("nvidia/cuda:13.0.0-base"));
}

#[test]
fn an_arg_without_value_makes_the_base_unknown_not_empty() {
    let graph = build("ARG V\nFROM nvidia/cuda:$V\nRUN x\n");
    let Base::Unknown { reference, .. } = &graph.stages[0].base else { panic!() };
    assert_eq!(reference.reason(), Some(&UnknownReason::ArgWithoutValue("V".into())));
    assert_eq!(reference.as_built().as_deref(), Some("nvidia/cuda:"));
    assert!(graph.problems.is_empty());
    // A name that is declared nowhere is empty.
    let graph = build("FROM ubuntu$V\n");
    assert_eq!(image(&graph, 0).as_deref(), Some("ubuntu"));
    let graph = build("FROM $V\n");
    assert_eq!(graph.problems[0].kind, ProblemKind::EmptyBase);
    // The rest of the stage is evaluated all the same; its base environment is not known.
    let graph = build("ARG V\nFROM x:$V\nENV A=1 B=$PATH\n");
    assert_eq!(at_end(&graph, 0, "A"), "1");
    assert_eq!(at_end(&graph, 0, "B"), "?");
}

#[test]
fn stages_see_global_args_only_when_declared() {
    let graph = build("ARG V=1\nARG W\nFROM a\nENV A=x$V\nARG V\nENV B=x$V\nARG W\nENV C=$W\n");
    assert_eq!(at_end(&graph, 0, "A"), "x");
    assert_eq!(at_end(&graph, 0, "B"), "x1");
    assert_eq!(at_end(&graph, 0, "C"), "?");
    let graph = build("ARG V=1\nFROM a\nARG V=2\nENV B=$V\n");
    assert_eq!(at_end(&graph, 0, "B"), "2");
    let text = "ARG V=1\nFROM a\nARG V=2\nENV B=$V\n";
    let graph = build_with(text, &options(&[("V", "3")]), known());
    assert_eq!(at_end(&graph, 0, "B"), "3");
}

#[test]
fn args_end_with_their_stage_unless_another_builds_on_it() {
    let graph = build("FROM a AS one\nARG V=1\nENV E=2\nFROM b\nENV B=x$V-$E\nFROM one\nENV B=x$V-$E\n");
    assert_eq!(at_end(&graph, 1, "B"), "x-");
    assert_eq!(at_end(&graph, 2, "B"), "x1-2");
    assert_eq!(env(&graph, 2), ["PATH=/bin", "CUDA_VERSION=12.4.1", "E=2", "B=x1-2"]);
}

#[test]
fn the_last_of_arg_and_env_counts_and_only_env_is_in_the_image() {
    let graph = build("FROM a\nENV V=1\nARG V=2\nENV W=$V\n");
    assert_eq!(at_end(&graph, 0, "W"), "2");
    assert!(env(&graph, 0).contains(&"V=1".to_owned()));
    let graph = build("FROM a\nARG V=2\nENV V=1\nENV W=$V\n");
    assert_eq!(at_end(&graph, 0, "W"), "1");
    // Without a value, ARG leaves what is there.
    let graph = build("FROM a\nENV V=1\nARG V\nENV W=$V\nARG PATH\nENV X=$PATH\n");
    assert_eq!((at_end(&graph, 0, "W"), at_end(&graph, 0, "X")), ("1".to_owned(), "/bin".to_owned()));
}

#[test]
fn one_env_instruction_sees_what_was_before_it() {
    let graph = build("FROM a\nENV A=1\nENV A=2 B=$A\nARG C=3 D=$C\n");
    assert_eq!(at_end(&graph, 0, "B"), "1");
    assert_eq!(at_end(&graph, 0, "D"), "3");
}

#[test]
fn assignments_say_what_was_there_before() {
    let graph = build("FROM a\nENV PATH=/x:$PATH\nENV LD_LIBRARY_PATH=/y\nENV LD_LIBRARY_PATH=/z\n");
    let all = &graph.stages[0].assignments;
    assert!(all[0].self_reference && !all[2].self_reference);
    assert_eq!(all[0].value.as_ref().unwrap().as_str(), Some("/x:/bin"));
    assert_eq!(all[0].previous.as_ref().unwrap().as_str(), Some("/bin"));
    assert_eq!(all[1].previous, None);
    assert_eq!(all[2].previous.as_ref().unwrap().as_str(), Some("/y"));
    let kinds: Vec<_> = all[0].value.as_ref().unwrap().origins.iter().map(|origin| origin.kind).collect();
    assert_eq!(kinds, [OriginKind::Env, OriginKind::BaseEnv]);
    assert!(all.iter().all(|assignment| assignment.kind == AssignmentKind::Env));
}

#[test]
fn an_unknown_base_environment_is_unknown() {
    let text = "FROM a\nENV A=$CUDA_VERSION B=${NOPE:-d} C=1\nENV D=$C\n";
    let graph = build_with(text, &BuildOptions::default(), BaseEnv::Unknown);
    assert_eq!(at_end(&graph, 0, "A"), "?");
    assert_eq!(at_end(&graph, 0, "B"), "?");
    assert_eq!(at_end(&graph, 0, "D"), "1");
    assert_eq!(at_end(&graph, 0, "E"), "base?");
    assert!(!graph.image_env(0).1);
    let graph = build(text);
    assert_eq!((at_end(&graph, 0, "A"), at_end(&graph, 0, "B")), ("12.4.1".to_owned(), "d".to_owned()));
    assert_eq!(at_end(&graph, 0, "E"), "-");
    assert!(graph.image_env(0).1);
    // Nothing is unknown of scratch.
    let graph = build_with("FROM scratch\nENV A=x$B\n", &BuildOptions::default(), BaseEnv::Unknown);
    assert_eq!(graph.stages[0].base, Base::Scratch);
    assert_eq!(at_end(&graph, 0, "A"), "x");
}

#[test]
fn scopes_are_places() {
    let graph = build("FROM a\nENV A=1\nRUN x\nENV A=2\nRUN y\n");
    let text = |at: usize| match graph.scope(0, at).get("A") {
        Lookup::Set(value) => value.text.unwrap().to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(text(1), "Unset");
    assert_eq!((text(2), text(3), text(4)), ("1".to_owned(), "1".to_owned(), "2".to_owned()));
    let expanded = graph.scope(0, 4).expand("'$A' \"${A}\"").unwrap();
    assert_eq!(expanded.as_str(), Some("$A 2"));
    assert_eq!(graph.scope(0, 4).expand_heredoc("'$A'").unwrap().as_str(), Some("'2'"));
    assert_eq!((graph.stage_of(0), graph.stage_of(4)), (Some(0), Some(0)));
}

#[test]
fn platform_args_are_there_for_from_and_on_demand_in_stages() {
    let text = "FROM --platform=$BUILDPLATFORM a:$TARGETARCH\nENV A=x$TARGETARCH\nARG TARGETARCH TARGETVARIANT\n\
                ENV B=$TARGETARCH$TARGETVARIANT\n";
    let options =
        BuildOptions { platform: Platform::parse("linux/arm/v7").unwrap(), ..BuildOptions::default() };
    let mut asked = Vec::new();
    let graph = StageGraph::build(&parse(text), &options, &mut |base| {
        asked.push(format!("{} {}", base.reference, base.platform.unwrap()));
        known()
    });
    assert_eq!(asked, ["a:arm linux/amd64"]);
    assert_eq!(graph.stages[0].platform.as_ref().unwrap().as_str(), Some("linux/amd64"));
    assert_eq!(at_end(&graph, 0, "A"), "x");
    assert_eq!(at_end(&graph, 0, "B"), "armv7");
    let given = build_with("FROM a:$TARGETARCH\n", &self::options(&[("TARGETARCH", "s390x")]), known());
    assert_eq!(image(&given, 0).as_deref(), Some("a:s390x"));
}

#[test]
fn names_win_over_images_and_only_earlier_ones_count() {
    let graph = build("FROM ubuntu AS Base\nFROM base AS ubuntu\nFROM ubuntu\nFROM later\nFROM x AS later\n");
    assert_eq!(image(&graph, 0).as_deref(), Some("ubuntu"));
    assert_eq!(graph.stages[1].base, Base::Stage(0));
    assert_eq!(graph.stages[2].base, Base::Stage(1));
    assert_eq!(image(&graph, 3).as_deref(), Some("later"));
    assert_eq!(graph.lineage(2), [0, 1, 2]);
    assert_eq!(build("FROM a\nFROM 0\n").stages[1].base, build("FROM 0\n").stages[0].base.clone().respan(12));
}

/// Moves the span of an image base, to compare bases of different files.
trait Respan {
    fn respan(self, start: usize) -> Self;
}

impl Respan for Base {
    fn respan(self, start: usize) -> Self {
        match self {
            Self::Image { reference, name, span } => {
                let span = cudalint::span::Span::new(start, start + span.len());
                Self::Image { reference, name, span }
            }
            other => other,
        }
    }
}

#[test]
fn links_name_stages_images_and_contexts() {
    let graph = build(
        "FROM a AS one\nFROM b\nCOPY --from=ONE /x /y\nCOPY --from=0 /x /y\nCOPY --from=nvidia/cuda:1 /x /y\n\
         RUN --mount=type=bind,from=one,target=/z --mount=type=cache,target=/c make\nCOPY --from=$X /a /b\n\
         COPY --from=1 /a /b\nCOPY --from=two /a /b\nCOPY a b\nFROM c AS two\n",
    );
    let links = &graph.stages[1].links;
    let stages: Vec<_> = links.iter().map(|link| (link.kind, link.source.clone())).collect();
    assert_eq!(stages[0], (LinkKind::Copy, LinkSource::Stage(0)));
    assert_eq!(stages[1], (LinkKind::Copy, LinkSource::Stage(0)));
    let LinkSource::Image { reference, name } = &stages[2].1 else { panic!() };
    assert_eq!(
        (reference.as_str(), name.as_ref().unwrap().familiar()),
        ("nvidia/cuda:1", "nvidia/cuda".to_owned())
    );
    assert_eq!(stages[3], (LinkKind::Mount, LinkSource::Stage(0)));
    assert!(stages[4..].iter().all(|(_, source)| *source == LinkSource::Unknown));
    assert_eq!(stages.len(), 7);
    let problems: Vec<_> = graph.problems.iter().map(|problem| problem.kind.clone()).collect();
    assert_eq!(
        problems,
        [
            ProblemKind::VariableInFrom,
            ProblemKind::LaterStage("1".to_owned()),
            ProblemKind::LaterStage("two".to_owned())
        ]
    );
}

#[test]
fn roles_follow_the_target() {
    let text = "FROM a AS base\nFROM base AS builder\nFROM c AS tool\nFROM d AS unused\nFROM base AS final\n\
                COPY --from=builder /x /x\nFROM e AS other\nCOPY --from=tool /t /t\n";
    let roles = |target: &str| {
        let options = BuildOptions { target: Some(target.to_owned()), ..BuildOptions::default() };
        let graph = build_with(text, &options, known());
        (graph.target, graph.stages.iter().map(|stage| stage.role).collect::<Vec<_>>())
    };
    use Role::{Shipped, Unused, Used};
    assert_eq!(roles("FINAL"), (Some(4), vec![Shipped, Used, Unused, Unused, Shipped, Unused]));
    assert_eq!(roles("5"), (Some(5), vec![Unused, Unused, Used, Unused, Unused, Shipped]));
    assert_eq!(roles("nope"), (None, vec![Unused; 6]));
    assert_eq!(build(text).target, Some(5));
}

#[test]
fn onbuild_runs_in_the_stage_that_builds_on_it() {
    let text = "FROM x AS lib\nFROM a AS base\nONBUILD ENV A=1 B=$A\nONBUILD ENV B=x$A\nONBUILD ARG C=4\n\
                ONBUILD COPY --from=lib /x /y\nENV Z=$A\nFROM base AS child\nENV D=$A$C\nFROM child\nENV E=$A\n";
    let graph = build(text);
    assert_eq!(at_end(&graph, 1, "Z"), "");
    assert_eq!(graph.stages[2].triggers, [2, 3, 4, 5]);
    assert_eq!((at_end(&graph, 2, "B"), at_end(&graph, 2, "D")), ("x1".to_owned(), "14".to_owned()));
    assert_eq!(graph.stages[2].links[0].source, LinkSource::Stage(0));
    assert_eq!(graph.stages[2].assignments[0].instruction, 2);
    assert_eq!(graph.stages[2].assignments[0].position, graph.stages[2].from);
    assert!(graph.stages[3].triggers.is_empty());
    assert_eq!(at_end(&graph, 3, "E"), "1");
    assert_eq!(graph.stages[0].role, Role::Used);
}

#[test]
fn shell_user_and_workdir_reach_later_stages() {
    let text = "FROM a AS one\nRUN x\nSHELL [\"bash\", \"-c\"]\nARG D=opt\nWORKDIR /$D\nWORKDIR x/\nUSER app\n\
                ONBUILD USER root\nFROM one\nRUN y\nWORKDIR y\nFROM b\nWORKDIR z\nRUN z\n";
    let file = parse(text);
    let graph = build(text);
    let shell = |stage, at| graph.shell_at(stage, at).map(|setting| setting.instruction);
    assert_eq!((shell(0, 1), shell(0, 3), shell(1, 9), shell(2, 13)), (None, Some(2), Some(2), None));
    let path = |stage| {
        let setting = graph.workdir_at(stage, usize::MAX).unwrap();
        setting.value.as_ref().unwrap().text.as_ref().map(|text| text.to_string())
    };
    assert_eq!((path(0).as_deref(), path(1).as_deref(), path(2)), (Some("/opt/x/"), Some("/opt/x/y"), None));
    let user = graph.user_at(1, 9).unwrap();
    assert_eq!(user.value.as_ref().unwrap().as_str(), Some("root"));
    assert!(matches!(file.effective(user.instruction).unwrap().kind, InstructionKind::User(_)));
    assert_eq!(graph.user_at(0, 7).unwrap().value.as_ref().unwrap().as_str(), Some("app"));
}

#[test]
fn parts_of_values_have_places() {
    let text = "FROM a\nENV X=1 LD_LIBRARY_PATH=/one:\\\n/two:$X\n";
    let file = parse(text);
    let graph = build(text);
    let assignment = &graph.stages[0].assignments[1];
    let raw = &assignment.raw.as_ref().unwrap().value;
    let at = raw.find("/two").unwrap() + assignment.raw_range.start;
    let span = file.instructions[assignment.instruction].span_of(at..at + 4);
    assert_eq!(span.slice(text.as_bytes()), b"/two");
    assert_eq!(assignment.value.as_ref().unwrap().as_str(), Some("/one:/two:"));
}

#[test]
fn what_the_parser_could_not_see_is_a_problem() {
    let kinds = |text: &str| build(text).problems.into_iter().map(|problem| problem.kind).collect::<Vec<_>>();
    assert_eq!(kinds("RUN x\nFROM a\n"), [ProblemKind::NoStage]);
    assert_eq!(kinds("FROM Nvidia/CUDA\n"), [ProblemKind::ImageName("Nvidia/CUDA".to_owned())]);
    assert!(matches!(kinds("FROM a\nENV A=${B^^}\n")[..], [ProblemKind::Expansion(_)]));
    assert!(matches!(kinds("FROM a:${B?no version}\n")[..], [ProblemKind::Expansion(_)]));
    let graph = build("FROM a\nENV A=${B^^}\n");
    assert_eq!(at_end(&graph, 0, "A"), "?");
    assert!(build("").stages.is_empty());
}

#[test]
fn doubling_values_end_as_unknown() {
    let mut text = "FROM a\nENV A0=xxxxxxxxxxxxxxxx\n".to_owned();
    for index in 1..2_000 {
        text.push_str(&format!("ENV A{index}=$A{}$A{}\n", index - 1, index - 1));
    }
    let graph = build(&text);
    assert_eq!(at_end(&graph, 0, "A1"), "x".repeat(32));
    assert_eq!(at_end(&graph, 0, "A1999"), "?");
    let bytes: usize = graph.stages[0]
        .assignments
        .iter()
        .filter_map(|assignment| assignment.value.as_ref()?.text.as_ref())
        .map(|text| text.len())
        .sum();
    assert!(bytes < 4 << 20, "{bytes}");
}

#[test]
fn long_chains_of_stages_cost_little() {
    let mut text = "FROM a AS s0\nENV A=1\n".to_owned();
    for index in 1..1_000 {
        text.push_str(&format!(
            "FROM s{} AS s{index}\nENV B{index}=$A\nONBUILD ENV C{index}=$A\n",
            index - 1
        ));
    }
    let graph = build(&text);
    assert_eq!(graph.lineage(999).len(), 1_000);
    assert_eq!(at_end(&graph, 999, "B999"), "1");
    assert_eq!(graph.stages[999].role, Role::Shipped);
}
