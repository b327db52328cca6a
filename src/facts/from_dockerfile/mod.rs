//! From a Dockerfile, its build context and the knowledge tables to facts. Owns the order in which the families of
//! facts are extracted; one file per family.

mod arch_lists;
mod arch_lists_seen;
mod base;
mod base_env;
mod base_os;
mod capability_uses;
mod commands;
mod compiles;
mod conda;
mod conditions;
mod context;
mod context_files;
mod copies;
mod cuda_paths;
mod cuda_uses;
mod env;
mod executed;
mod exports;
mod file_ops;
mod glob;
mod gpu_queries;
#[cfg(test)]
mod hostile_tests;
mod inline_files;
mod installers;
mod loader;
mod loader_env;
mod packages;
mod payload;
mod preferences;
mod python;
mod repositories;
mod scripts;
mod shipped_code;
mod shipped_packages;
mod source_builds;
mod stages;
mod steps;
#[cfg(test)]
pub(in crate::facts) mod testing;
mod unread;
mod variables;
mod words;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

pub use context::{BuildContext, ContextFile, NoContext};
pub(in crate::facts) use cuda_uses::cuda_of_package;
pub(in crate::facts) use payload::is_cuda_package;

use super::{Base, Facts, FileId, InputKind, Origin, SourceFile, StageId};
use crate::compat::Tables;
use crate::compat::tables::image::Arch;
use crate::dockerfile::{BuildOptions, Dockerfile, Instruction, InstructionKind, Platform, StageGraph};
use crate::limits::Limits;
use crate::span::Span;
use base_env::KnownEnv;
use env::Unsure;
use executed::{Executed, Resolved};

/// Most comparisons between commands of a file: real files need some thousands. What is over stays unknown.
const WORK: usize = 8 << 20;

/// Tells the environment of a base image, as it is for a platform, from its real config; `None` when that was not read.
pub type BaseConfig<'a> = dyn Fn(&Base, &Platform) -> Option<Vec<(String, String)>> + 'a;

/// A Dockerfile and all that decides what it means.
pub struct DockerfileInput<'a> {
    /// Name as the user would write it.
    pub name: &'a str,
    /// The bytes.
    pub source: &'a [u8],
    /// Build arguments, target and platform.
    pub options: BuildOptions,
    /// Files of the build context.
    pub context: &'a dyn BuildContext,
    /// Environments of base images whose config was read; the tables answer for the others.
    pub base_config: &'a BaseConfig<'a>,
}

/// What could not be read or is refused by BuildKit; the facts around it are there all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What, in one sentence.
    pub message: String,
}

/// Facts of a Dockerfile with what stood in the way.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// The facts.
    pub facts: Facts,
    /// Problems, in the order of the file.
    pub problems: Vec<Problem>,
    /// Whether the file has a stage to judge: rules must not see facts without one.
    pub has_target: bool,
    /// Comment lines of the Dockerfile, in order.
    pub comments: Vec<Span>,
    /// Instructions of the Dockerfile, in order.
    pub instructions: Vec<Span>,
}

/// Reads all facts of a Dockerfile. Never fails: what cannot be known is absent.
#[must_use]
pub fn from_dockerfile(input: DockerfileInput<'_>, tables: &Tables, limits: &Limits) -> Extracted {
    let tree = Dockerfile::parse(input.source, limits);
    let arch = Arch::from_word(&input.options.platform.architecture);
    let graph = StageGraph::build(&tree, &input.options, &mut |base| {
        base_env::for_stage(base, tables, arch, input.base_config)
    });
    let mut facts = Facts::empty(InputKind::Dockerfile);
    facts.sources.push(SourceFile::new(input.name, input.source));
    let mut problems = problems_of(&tree, &graph);
    let comments = tree.comments.iter().map(|comment| comment.span).collect();
    let instructions = tree.instructions.iter().map(|instruction| instruction.span).collect();
    if u64::try_from(graph.stages.len()).is_ok_and(|stages| stages > limits.stages) {
        problems.push(Problem {
            origin: Origin::file(FileId(0), Span::new(0, 0)),
            message: format!(
                "the file has more than {} build stages; it was not analysed (raise --limit stages)",
                limits.stages
            ),
        });
        return Extracted { facts, problems, has_target: false, comments, instructions };
    }
    let mut cx = Extraction {
        file: FileId(0),
        tree: &tree,
        graph: &graph,
        options: &input.options,
        tables,
        limits,
        context: input.context,
        base_envs: base_env::of_stages(&graph, tables, &input.options.platform, input.base_config),
        unsure: Unsure::default(),
        work: Cell::new(WORK),
        executed: Vec::new(),
    };
    cx.unsure = Unsure::new(&cx);
    facts.target = StageId(graph.target.unwrap_or_else(|| graph.stages.len().saturating_sub(1)));
    stages::extract(&cx, &mut facts, &mut problems);
    env::extract(&cx, &mut facts);
    copies::extract(&cx, &mut facts);
    let texts = executed::scan_all(&cx, &mut problems);
    cx.executed = scripts::add(&cx, &mut facts, texts, &mut problems);
    families(&cx, &mut facts, &mut problems);
    if cx.work.get() == 0 {
        problems.push(Problem {
            origin: cx.origin(Span::new(0, 0)),
            message:
                "the file has too many commands to compare all of them; some that undo others were not seen"
                    .to_owned(),
        });
    }
    problems.sort_by(|a, b| a.origin.cmp(&b.origin));
    Extracted { facts, problems, has_target: graph.target.is_some(), comments, instructions }
}

/// All families of facts; later ones may read what earlier ones found.
fn families(cx: &Extraction<'_>, facts: &mut Facts, problems: &mut Vec<Problem>) {
    shipped_code::extract(cx, facts);
    commands::extract(cx, facts);
    installers::extract(cx, facts);
    packages::extract(cx, facts);
    preferences::extract(cx, facts);
    file_ops::extract(cx, facts);
    loader::extract(cx, facts);
    exports::extract(cx, facts);
    repositories::extract(cx, facts);
    python::extract(cx, facts, problems);
    conda::extract(cx, facts, problems);
    arch_lists::extract(cx, facts);
    source_builds::extract(cx, facts);
    compiles::extract(cx, facts);
    unread::extract(cx, facts);
    gpu_queries::extract(cx, facts);
    capability_uses::extract(cx, facts);
    payload::extract(cx, facts);
    cuda_uses::extract(cx, facts);
    cuda_paths::extract(cx, facts);
    shipped_packages::extract(cx, facts);
    arch_lists_seen::extract(cx, facts);
}

/// Everything an extractor reads from.
struct Extraction<'a> {
    /// The Dockerfile among the sources.
    pub file: FileId,
    /// The parsed tree.
    pub tree: &'a Dockerfile,
    /// Stages, variables and links.
    pub graph: &'a StageGraph,
    /// Build arguments, target and platform.
    pub options: &'a BuildOptions,
    /// Knowledge.
    pub tables: &'a Tables,
    /// Bounds.
    pub limits: &'a Limits,
    /// The build context.
    pub context: &'a dyn BuildContext,
    /// For each stage, what is known of the environment of the image it stands on.
    pub base_envs: Vec<Option<Rc<KnownEnv>>>,
    /// Comparisons between commands that are still made.
    pub work: Cell<usize>,
    /// Variables whose value hangs on what only the base image knows.
    pub unsure: Unsure,
    /// Shell text of RUN, CMD, ENTRYPOINT and HEALTHCHECK (and of scripts they run) with resolved commands, in the order
    /// of the file.
    pub executed: Vec<Executed>,
}

impl Extraction<'_> {
    /// Takes `amount` off the comparisons that are made; `false` when that is more than is left.
    pub fn spend(&self, amount: usize) -> bool {
        let left = self.work.get().checked_sub(amount);
        self.work.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Whether one of the commands behind command `at` of a text is of some kind.
    pub fn any_later(&self, executed: &Executed, at: usize, is: impl FnMut(&Resolved) -> bool) -> bool {
        let later = executed.commands.get(at + 1..).unwrap_or_default();
        self.spend(later.len()) && later.iter().any(is)
    }

    /// A place in the Dockerfile.
    pub fn origin(&self, span: Span) -> Origin {
        Origin::file(self.file, span)
    }

    /// Number of the instruction that holds a place of the Dockerfile; 0 for other places.
    pub fn instruction_at(&self, origin: &Origin) -> usize {
        let Some((file, span)) = origin.as_file() else { return 0 };
        if file != self.file {
            return 0;
        }
        let after =
            self.tree.instructions.partition_point(|instruction| instruction.span.start <= span.start);
        after.saturating_sub(1)
    }

    /// A file of the build context: its number among the sources, which it joins when it is read first, and its bytes.
    pub fn context_file(&self, facts: &mut Facts, path: &str) -> Option<(FileId, Arc<[u8]>)> {
        let ContextFile::Found { name, bytes } = self.context.read(path) else { return None };
        let known = facts.sources.iter().position(|source| *source.name == *name);
        let at = known.unwrap_or_else(|| {
            facts.sources.push(SourceFile::new(name, bytes));
            facts.sources.len() - 1
        });
        facts.sources.get(at).map(|source| (FileId(at), Arc::clone(&source.bytes)))
    }

    /// Instructions that a stage runs, in order, with their numbers: the triggers of its base stage, then its own.
    /// A trigger stands for the instruction below ONBUILD.
    pub fn instructions_of(&self, stage: usize) -> Vec<(usize, &Instruction)> {
        let Some(stage) = self.graph.stages.get(stage) else { return Vec::new() };
        stage
            .triggers
            .iter()
            .copied()
            .chain(stage.instructions.clone())
            .filter_map(|index| {
                let instruction = self.tree.instructions.get(index)?;
                match &instruction.kind {
                    InstructionKind::Onbuild(child) => {
                        stage.triggers.contains(&index).then_some((index, &**child))
                    }
                    _ => Some((index, instruction)),
                }
            })
            .collect()
    }

    /// What is known of the environment of the image under a stage.
    pub fn base_env(&self, stage: usize) -> Option<&KnownEnv> {
        self.base_envs.get(stage)?.as_deref()
    }

    /// Position for [`StageGraph::scope`] at which an instruction of a stage sees its variables: triggers run at FROM.
    pub fn position(&self, stage: usize, instruction: usize) -> usize {
        let Some(found) = self.graph.stages.get(stage) else { return instruction };
        if found.triggers.contains(&instruction) { found.from.saturating_add(1) } else { instruction }
    }
}

fn problems_of(tree: &Dockerfile, graph: &StageGraph) -> Vec<Problem> {
    let all = tree.problems.iter().chain(&graph.problems);
    all.map(|problem| Problem {
        origin: Origin::file(FileId(0), problem.span),
        message: problem.kind.to_string(),
    })
    .collect()
}
