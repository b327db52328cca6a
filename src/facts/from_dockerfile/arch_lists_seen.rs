//! Whether a list of architectures that ENV or ARG sets reaches a command that may compile.

use super::Extraction;
use super::steps::{self, Step, Variable, Workdirs};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::{BuildCommand, PythonAction, PythonInstall, RequirementSource};
use crate::facts::{ArchList, ArchListKind, Compiler, Facts, StageId};

/// Distributions that come as wheels or compile no GPU code.
const NEVER_BUILT: &[&str] = &[
    "build",
    "cmake",
    "ninja",
    "numpy",
    "packaging",
    "pip",
    "pybind11",
    "scikit-build-core",
    "setuptools",
    "setuptools-scm",
    "torch",
    "torchaudio",
    "torchvision",
    "triton",
    "wheel",
];
/// Programs that compile nothing and start nothing that does.
const HARMLESS: &[&str] = &[
    "[",
    "[[",
    "addgroup",
    "adduser",
    "awk",
    "cat",
    "chmod",
    "chown",
    "cut",
    "date",
    "find",
    "git",
    "grep",
    "groupadd",
    "head",
    "id",
    "ldd",
    "locale-gen",
    "ls",
    "perl",
    "sed",
    "sort",
    "tail",
    "test",
    "true",
    "uname",
    "update-alternatives",
    "useradd",
    "which",
];
/// Compilers that read no list of architectures from the environment.
const OWN_OPTIONS: &[&str] = &["nvcc", "gcc", "g++", "cc", "c++", "clang", "clang++", "cargo", "go"];

/// What is known of a list so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// No command may compile.
    NoCommand,
    /// Commands may, but all find something else.
    Hidden,
    /// A command finds it.
    Seen,
}

/// Sets [`ArchList::compiled`] of the lists in variables.
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let open: Vec<usize> =
        facts.arch_lists.iter().enumerate().filter(|(_, list)| !list.compiled).map(|(at, _)| at).collect();
    if open.is_empty() {
        return;
    }
    let compilers: Vec<bool> =
        facts.stages.iter().map(|stage| facts.compiler(stage.id) != Compiler::Absent).collect();
    let can_compile = |stage: StageId| compilers.get(stage.0).copied().unwrap_or(true);
    let mut sights = vec![Sight::NoCommand; open.len()];
    let dirs = Workdirs::new(cx);
    steps::walk(cx, &dirs, |step| {
        if !step.at_build() || !can_compile(step.stage()) || !cx.spend(open.len()) {
            return;
        }
        for (at, sight) in open.iter().zip(&mut sights) {
            let Some(list) =
                facts.arch_lists.get(*at).filter(|list| facts.inherits(step.stage(), list.stage))
            else {
                continue;
            };
            if *sight != Sight::Seen && reads(step, list) {
                *sight = if finds(cx, step, list) { Sight::Seen } else { Sight::Hidden };
            }
        }
    });
    let inherited: Vec<bool> = open
        .iter()
        .map(|at| {
            let list = facts.arch_lists.get(*at);
            list.is_some_and(|list| {
                facts.stages.iter().any(|stage| can_compile(stage.id) && facts.inherits(stage.id, list.stage))
            })
        })
        .collect();
    for ((at, sight), inherited) in open.into_iter().zip(sights).zip(inherited) {
        if let Some(list) = facts.arch_lists.get_mut(at) {
            // Without a command it is for what is compiled later: in an image that stands on this one, at run time.
            list.compiled = sight == Sight::Seen || (sight == Sight::NoCommand && inherited);
        }
    }
}

/// Whether a command may compile by the list of a variable of this kind.
fn reads(step: &Step<'_>, list: &ArchList) -> bool {
    let cmake = list.kind == ArchListKind::CmakeCudaArchitectures;
    match step.action {
        Action::Python(install) => builds(install),
        Action::Build(build) => {
            let by_flags = list.carrier.starts_with("NVCC_")
                || matches!(list.kind, ArchListKind::Gencode | ArchListKind::NvccArch);
            (by_flags || !OWN_OPTIONS.contains(&build.program.as_str()))
                && (!cmake || configures(build, &list.carrier))
        }
        Action::RunScript { .. } | Action::PythonCode(_) => true,
        Action::Program => step.command().program().is_some_and(|program| !HARMLESS.contains(&program.name)),
        Action::Nothing => !step.command().words.is_empty(),
        _ => false,
    }
}

fn builds(install: &PythonInstall) -> bool {
    if matches!(install.action, PythonAction::Uninstall | PythonAction::Lock | PythonAction::Download) {
        return false;
    }
    let never = |name: &Option<String>| name.as_deref().is_some_and(|name| NEVER_BUILT.contains(&name));
    !install.requirement_files.is_empty()
        || install.requirements.is_empty()
        || install.requirements.iter().any(|requirement| {
            let index = requirement.source == RequirementSource::Index;
            requirement.wheel.is_none() && !(index && !requirement.editable && never(&requirement.name))
        })
}

/// Whether CMake decides here about architectures: it is not asked to build or install what is configured. llama.cpp's make
/// files take CUDA_DOCKER_ARCH.
fn configures(build: &BuildCommand, carrier: &str) -> bool {
    match build.program.as_str() {
        "cmake" => !build.args.iter().any(|word| matches!(word.text.as_str(), "--build" | "--install")),
        "make" | "gmake" => carrier == "CUDA_DOCKER_ARCH",
        "ninja" => false,
        _ => true,
    }
}

/// Whether the command's value of the variable is the list's.
fn finds(cx: &Extraction<'_>, step: &Step<'_>, list: &ArchList) -> bool {
    if list.kind == ArchListKind::CmakeCudaArchitectures
        && let Action::Build(build) = step.action
        && let Some(own) = build.definitions.iter().rev().find(|one| one.name == "CMAKE_CUDA_ARCHITECTURES")
    {
        return own.value.literal().is_none_or(|value| value == list.raw);
    }
    match step.variable(cx, &list.variable) {
        Variable::Unset => false,
        Variable::Unknown => true,
        // Options hold a list among other words.
        Variable::Known(value) if list.variable != list.carrier => value.contains(&list.raw),
        Variable::Known(value) => value == list.raw,
    }
}
