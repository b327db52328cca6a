//! Build stages: lineage, root image, shell, and the environment at the end.

use super::base_env::Gaps;
use super::{Extraction, Problem, base, base_env};
use crate::compat::CudaVersion;
use crate::dockerfile::shell::is_posix_shell;
use crate::dockerfile::stages::{self as graph, LinkKind, LinkSource, Role};
use crate::dockerfile::{Instruction, InstructionKind, Platform, Value};
use crate::facts::{Base, BaseKind, EnvVar, Environment, Facts, Stage, StageId};
use crate::span::Spanned;

/// What runs the shell form of RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShellKind {
    /// A POSIX shell.
    pub posix: bool,
    /// Started as a login or interactive shell, which reads start-up files.
    pub login: bool,
    /// Started with `-e`: the first failure ends it.
    pub errexit: bool,
}

impl ShellKind {
    /// `/bin/sh -c`, or what Windows has instead.
    fn of_platform(posix: bool) -> Self {
        Self { posix, login: false, errexit: false }
    }
}

/// Reads the words of SHELL.
pub(super) fn shell_kind(words: &[Spanned<String>]) -> ShellKind {
    let words: Vec<String> = words.iter().map(|word| word.value.clone()).collect();
    let login = words.iter().any(|word| {
        matches!(word.as_str(), "--login" | "--interactive")
            || (word.starts_with('-')
                && !word.starts_with("--")
                && word.contains(['l', 'i'])
                && short_options(word))
    });
    let errexit = words.iter().any(|word| {
        word == "errexit" || (word.starts_with('-') && word.contains('e') && short_options(word))
    });
    ShellKind { posix: is_posix_shell(&words), login, errexit }
}

/// `-lc`, not a long option with one dash.
fn short_options(word: &str) -> bool {
    word.len() <= 6 && word.bytes().skip(1).all(|byte| byte.is_ascii_alphabetic())
}

/// The shell that a stage starts with: that of the stage it stands on.
pub(super) fn inherited_shell(cx: &Extraction<'_>, stage: usize) -> ShellKind {
    let mut lineage = cx.graph.lineage(stage);
    lineage.pop();
    let mut shell = ShellKind::of_platform(cx.options.platform.os != "windows");
    for index in lineage {
        shell = final_shell(cx, index, shell);
    }
    shell
}

/// The shell at the end of a stage that starts with `shell`.
fn final_shell(cx: &Extraction<'_>, stage: usize, mut shell: ShellKind) -> ShellKind {
    for (_, instruction) in cx.instructions_of(stage) {
        if let InstructionKind::Shell(words) = &instruction.kind {
            shell = shell_kind(words);
        }
    }
    shell
}

/// Fills [`Facts::stages`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts, problems: &mut Vec<Problem>) {
    let shipped = shipped(cx);
    let mut variables_left = cx.limits.stage_variables;
    for stage in &cx.graph.stages {
        let Some(from) = cx.tree.instructions.get(stage.from) else { continue };
        let InstructionKind::From(clause) = &from.kind else { continue };
        let reference = cx.origin(clause.image.span);
        let own = own_base(cx, stage, &clause.image);
        let parent = match stage.base {
            graph::Base::Stage(parent) => Some(StageId(parent)),
            _ => None,
        };
        let root = match (&own, parent.and_then(|parent| facts.stage(parent))) {
            (Some(base), _) => base.clone(),
            (None, Some(parent)) => parent.root.clone(),
            (None, None) => base::unresolved(clause.image.value.clone(), reference.clone(), Vec::new()),
        };
        let shell = final_shell(cx, stage.index, inherited_shell(cx, stage.index));
        let source = &cx.tree.source;
        let line_end = memchr::memchr(b'\n', source.get(from.span.end..).unwrap_or_default());
        let env = environment(cx, stage.index, &root, &mut variables_left).unwrap_or_else(|| {
            problems.push(Problem {
                origin: reference.clone(),
                message: format!(
                    "the stages have more than {} variables together; those from here on were left out (raise --limit \
                     stage_variables)",
                    cx.limits.stage_variables
                ),
            });
            Environment::default()
        });
        facts.stages.push(Stage {
            id: StageId(stage.index),
            name: stage.name.as_ref().map(|name| name.value.clone()),
            parent,
            lineage: cx.graph.lineage(stage.index).into_iter().map(StageId).collect(),
            from: reference,
            from_instruction: cx.origin(from.span),
            base: own,
            root,
            env,
            shipped: shipped.get(stage.index).copied().unwrap_or(false),
            packages_shipped: false,
            ships_code: false,
            used: stage.role != Role::Unused,
            after_from: Some(line_end.map_or(source.len(), |at| from.span.end + at + 1)),
            posix_shell: shell.posix,
            login_shell: shell.login,
            architecture: fixed_architecture(from),
        });
    }
}

/// The architecture of a literal `--platform`.
fn fixed_architecture(from: &Instruction) -> Option<String> {
    let platform = from.flag("platform")?.value.as_ref()?;
    let literal = !platform.value.contains('$');
    literal.then(|| Platform::parse(&platform.value)).flatten().map(|platform| platform.architecture)
}

fn own_base(cx: &Extraction<'_>, stage: &graph::Stage, written: &Spanned<String>) -> Option<Base> {
    let origin = cx.origin(written.span);
    match &stage.base {
        graph::Base::Stage(_) => None,
        graph::Base::Scratch => Some(base::scratch(written.value.clone(), origin)),
        graph::Base::Unknown { reference, .. } => {
            Some(base::unresolved(written.value.clone(), origin, args(reference)))
        }
        graph::Base::Image { reference, name, .. } => {
            let Some(text) = reference.as_str() else {
                return Some(base::unresolved(written.value.clone(), origin, args(reference)));
            };
            let mut base = base::of_reference(text, name.as_ref(), cx.tables);
            base.written.clone_from(&written.value);
            base.args = args(reference);
            base.tag_origin = base::tag_range(&written.value, base.tag.as_deref()).map(|range| {
                let start = written.span.start;
                cx.origin(crate::span::Span::new(start + range.start, start + range.end))
            });
            base.origin = origin;
            // Images built on NVIDIA's keep its CUDA_VERSION, which says what the name of a private image does not.
            if base.kind == BaseKind::Other && base.cuda.is_none() {
                base.cuda = cuda_of_config(cx, stage.index);
            }
            Some(base)
        }
    }
}

/// CUDA_VERSION of a base image whose config was read whole.
fn cuda_of_config(cx: &Extraction<'_>, stage: usize) -> Option<CudaVersion> {
    let known = cx.base_env(stage).filter(|known| known.gaps == Gaps::None)?;
    let (_, value) = known.vars.iter().find(|(name, _)| name == "CUDA_VERSION")?;
    value.parse().ok()
}

/// Names of ARGs that a value came from, each once.
pub(super) fn args(value: &Value) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in value.args() {
        if !out.iter().any(|known| known == name) {
            out.push(name.to_owned());
        }
    }
    out
}

/// Which stages reach the shipped image: the target's lineage, and the lineages of stages that it copies from.
fn shipped(cx: &Extraction<'_>) -> Vec<bool> {
    let mut out = vec![false; cx.graph.stages.len()];
    let Some(target) = cx.graph.target else { return out };
    let mark = |out: &mut Vec<bool>, stage: usize| {
        for index in cx.graph.lineage(stage) {
            if let Some(flag) = out.get_mut(index) {
                *flag = true;
            }
        }
    };
    let lineage = cx.graph.lineage(target);
    mark(&mut out, target);
    for stage in lineage.iter().filter_map(|index| cx.graph.stages.get(*index)) {
        for link in &stage.links {
            if let (LinkKind::Copy, LinkSource::Stage(source)) = (link.kind, &link.source) {
                mark(&mut out, *source);
            }
        }
    }
    out
}

/// The environment at the end of a stage; `None` when it does not fit into what is left.
fn environment(cx: &Extraction<'_>, stage: usize, root: &Base, left: &mut u64) -> Option<Environment> {
    let set: usize = cx
        .graph
        .lineage(stage)
        .iter()
        .filter_map(|index| cx.graph.stages.get(*index))
        .map(|stage| stage.assignments.len())
        .sum();
    *left = left.checked_sub(u64::try_from(set).ok()?).unwrap_or(0);
    if *left == 0 {
        return None;
    }
    let (variables, known) = cx.graph.image_env(stage);
    let base_env = cx.base_env(stage);
    let complete = base_env.as_ref().is_some_and(|env| env.gaps != base_env::Gaps::Any);
    let mut env = Environment { base_known: known && complete, ..Environment::default() };
    for name in base_env.iter().flat_map(|env| &env.unknown) {
        let var = EnvVar { value: None, origin: root.origin.clone(), from_base: true };
        env.vars.insert((*name).to_owned(), var);
    }
    for variable in variables {
        let var = match variable.assignment {
            Some(assignment) => EnvVar {
                value: super::env::value(cx, assignment),
                origin: super::env::pair_origin(cx, assignment),
                from_base: false,
            },
            None => EnvVar {
                value: variable.value.as_str().map(str::to_owned),
                origin: root.origin.clone(),
                from_base: true,
            },
        };
        env.vars.insert(variable.name.to_owned(), var);
    }
    Some(env)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts, facts_with};
    use crate::dockerfile::BuildOptions;
    use crate::facts::{BaseKind, StageId};

    const TEXT: &str = "ARG V=12.4.1\nFROM nvidia/cuda:${V}-devel-ubuntu22.04 AS base\nSHELL [\"/bin/bash\", \"-lc\"]\nFROM base AS build\nFROM golang:1.23 AS tools\nFROM node:20 AS unused\nFROM debian:12-slim\nRUN --mount=from=tools,target=/t true\nCOPY --from=build /x /x\n";

    #[test]
    fn lineage_roots_and_roles() {
        let facts = facts(TEXT);
        let stages: Vec<_> = facts
            .stages
            .iter()
            .map(|s| (s.parent.map(|p| p.0), s.lineage.len(), s.root.kind, s.shipped, s.used))
            .collect();
        assert_eq!(
            stages,
            [
                (None, 1, BaseKind::Cuda, true, true),
                (Some(0), 2, BaseKind::Cuda, true, true),
                (None, 1, BaseKind::Plain, false, true),
                (None, 1, BaseKind::Plain, false, false),
                (None, 1, BaseKind::Plain, true, true),
            ]
        );
        assert_eq!(facts.target, StageId(4));
        let base = facts.stages[0].base.as_ref().unwrap();
        assert_eq!(base.reference.as_deref(), Some("nvidia/cuda:12.4.1-devel-ubuntu22.04"));
        assert_eq!((base.args.as_slice(), &base.tag_origin), (["V".to_owned()].as_slice(), &None));
        assert_eq!(base.written, "nvidia/cuda:${V}-devel-ubuntu22.04");
        assert!(facts.stages[1].base.is_none());
        assert_eq!(at(&facts, &facts.stages[4].from), "debian:12-slim");
        let after = facts.stages[4].after_from.unwrap();
        assert!(TEXT.get(after..).unwrap().starts_with("RUN --mount"));
    }

    #[test]
    fn the_shell_is_inherited() {
        let facts = facts(TEXT);
        assert_eq!(
            facts.stages.iter().map(|s| s.login_shell).collect::<Vec<_>>(),
            [true, true, false, false, false]
        );
        assert!(facts.stages.iter().all(|s| s.posix_shell));
        let windows = super::super::testing::facts(
            "FROM x\nSHELL [\"powershell\", \"-Command\"]\nRUN apt-get install -y libcuda1\n",
        );
        assert!(!windows.stages[0].posix_shell && windows.commands.is_empty());
    }

    #[test]
    fn targets_and_arguments_decide() {
        let mut options = BuildOptions { target: Some("build".to_owned()), ..BuildOptions::default() };
        options.build_args.insert("V".to_owned(), "12.6.3".to_owned());
        let facts = facts_with(TEXT, options);
        assert_eq!(facts.target, StageId(1));
        assert_eq!(facts.final_base().and_then(|base| base.tag.as_deref()), Some("12.6.3-devel-ubuntu22.04"));
        assert!(!facts.is_shipped(StageId(4)));
    }

    #[test]
    fn unknown_references_stay_unknown() {
        let facts = facts("ARG IMAGE\nFROM ${IMAGE}\nFROM scratch\n");
        let base = facts.stages[0].base.as_ref().unwrap();
        assert_eq!(
            (base.kind, base.reference.as_deref(), base.written.as_str()),
            (BaseKind::Unresolved, None, "${IMAGE}")
        );
        assert_eq!(facts.stages[1].root.kind, BaseKind::Scratch);
    }
}
