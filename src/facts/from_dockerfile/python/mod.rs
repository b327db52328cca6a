//! Python distributions that are installed, with the indexes, constraints and files that decide which.

mod files;
mod indexes;

use std::collections::{HashMap, HashSet};

use super::Extraction;
use super::Problem;
use super::steps::{self, Step, Variable, Workdirs};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::PythonTool as ShellTool;
use crate::dockerfile::shell::tools::{PythonAction, PythonInstall};
use crate::facts::manifest::{self, MarkerEnvironment, Requirement, poetry_bounds};
use crate::facts::{Facts, Origin, PythonIndex, PythonRequirement, PythonTool, StageId};
use indexes::{Indexes, PipConfig};

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts, problems: &mut Vec<Problem>) {
    let dirs = Workdirs::new(cx);
    let mut collector = Collector::new(cx, &dirs);
    steps::walk(cx, &dirs, |step| {
        if !step.at_build() {
            return;
        }
        match step.action {
            Action::PipConfig { key, value } => collector.config.set(step, key, value),
            Action::Python(install) => collector.install(facts, step, install),
            Action::Conda(command) => collector.conda(facts, step, command),
            _ => {}
        }
    });
    let Collector { found, problems: unread, .. } = collector;
    facts.python.extend(found);
    problems.extend(unread);
}

/// What the requirements of one command have in common.
#[derive(Clone)]
struct Common {
    stage: StageId,
    tool: PythonTool,
    instruction: usize,
    command: Origin,
    indexes: Indexes,
    no_deps: bool,
    no_build_isolation: bool,
    only_binary: Vec<String>,
    not_installed: bool,
    prerelease: bool,
    locked: bool,
    constraints: Constraints,
}

impl Common {
    /// What an install without options of its own has in common.
    fn plain(step: &Step<'_>) -> Self {
        Self {
            stage: step.stage(),
            tool: PythonTool::Pip,
            instruction: step.instruction(),
            command: step.origin(),
            indexes: Indexes::default(),
            no_deps: false,
            no_build_isolation: false,
            only_binary: Vec::new(),
            not_installed: false,
            prerelease: false,
            locked: false,
            constraints: Constraints::default(),
        }
    }
}

/// Bounds from constraint files.
#[derive(Clone, Default)]
struct Constraints {
    /// By name.
    known: HashMap<String, Requirement>,
    /// A file could not be read: anything may be bound.
    unread: bool,
}

struct Collector<'a, 'c> {
    cx: &'c Extraction<'a>,
    dirs: &'c Workdirs,
    config: PipConfig,
    found: Vec<PythonRequirement>,
    /// Requirements taken before: the same place is not taken twice for a stage.
    seen: HashSet<(StageId, Origin, String)>,
    problems: Vec<Problem>,
}

impl<'a, 'c> Collector<'a, 'c> {
    fn new(cx: &'c Extraction<'a>, dirs: &'c Workdirs) -> Self {
        Self {
            cx,
            dirs,
            config: PipConfig::default(),
            found: Vec::new(),
            seen: HashSet::new(),
            problems: Vec::new(),
        }
    }

    fn install(&mut self, facts: &mut Facts, step: &Step<'_>, install: &PythonInstall) {
        if matches!(install.action, PythonAction::Uninstall | PythonAction::Lock)
            || install.has_flag(&["--dry-run"])
        {
            return;
        }
        let common = self.common(facts, step, install);
        let environment = self.markers(facts, step.stage());
        for word in &install.requirements {
            let Some(requirement) = requirement_of(install.tool, &word.raw) else { continue };
            let origin = step.executed.origin_of(word.span);
            let path = requirement.url.clone().filter(|url| !url.contains("://") && !requirement.wheel_file);
            let extras = requirement.extras.clone();
            self.push(&common, requirement, origin, environment);
            if let Some(path) = path
                && !common.no_deps
            {
                self.local_project(facts, step, &common, &path, &extras, environment);
            }
        }
        for word in &install.requirement_files {
            if let Some(path) = word.literal() {
                self.requirement_file(facts, step, &common, path, install, environment);
            }
        }
        let project = install.action == PythonAction::Sync
            && matches!(install.tool, ShellTool::Uv | ShellTool::Poetry | ShellTool::Pdm);
        if project {
            self.project(facts, step, &common, install, environment);
        }
    }

    fn common(&mut self, facts: &mut Facts, step: &Step<'_>, install: &PythonInstall) -> Common {
        let lineage =
            facts.stage(step.stage()).map_or_else(|| vec![step.stage()], |stage| stage.lineage.clone());
        let is_uv = matches!(install.tool, ShellTool::Uv | ShellTool::UvPip);
        let switched_on = |name: &str| {
            matches!(
                step.own_variable(self.cx, name),
                Variable::Known(value) if matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on" | "allow")
            )
        };
        let mut only_binary: Vec<String> = install
            .only_binary
            .iter()
            .filter_map(|word| word.literal())
            .flat_map(|value| value.split(',').map(manifest_name))
            .collect();
        if let Some(value) = step.own_variable(self.cx, "PIP_ONLY_BINARY").value() {
            only_binary.extend(value.split(',').map(manifest_name));
        }
        let indexes = indexes::of_command(self.cx, step, install, &self.config, &lineage, is_uv);
        let tool = match install.tool {
            ShellTool::Pip => PythonTool::Pip,
            ShellTool::UvPip | ShellTool::Uv => PythonTool::Uv,
            ShellTool::Poetry => PythonTool::Poetry,
            ShellTool::Pipenv | ShellTool::Pipx | ShellTool::Pdm => PythonTool::Other,
        };
        let constraints = self.constraints(facts, step, install, is_uv);
        Common {
            stage: step.stage(),
            tool,
            instruction: step.instruction(),
            command: step.origin(),
            no_deps: install.no_deps || switched_on("PIP_NO_DEPS"),
            no_build_isolation: install.no_build_isolation || switched_on("UV_NO_BUILD_ISOLATION"),
            only_binary,
            not_installed: matches!(install.action, PythonAction::Wheel | PythonAction::Download),
            prerelease: install.pre || switched_on("PIP_PRE") || switched_on("UV_PRERELEASE"),
            locked: install.require_hashes || switched_on("PIP_REQUIRE_HASHES"),
            constraints,
            indexes,
        }
    }

    /// What is known of the Python that installs, from the base image's tag.
    fn markers(&self, facts: &Facts, stage: StageId) -> MarkerEnvironment<'static> {
        let python = facts
            .base_of(stage)
            .filter(|base| base.repository.as_deref() == Some("python"))
            .and_then(|base| {
                let tag = base.tag.as_deref()?;
                let mut numbers = tag.split(['.', '-']);
                Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
            });
        let machine =
            if self.cx.amd64(stage) { Some("x86_64") } else { self.cx.arm64(stage).then_some("aarch64") };
        MarkerEnvironment { python, machine, extra: None }
    }

    /// Takes a requirement, unless its marker rules Linux out.
    fn push(
        &mut self,
        common: &Common,
        requirement: Requirement,
        origin: Origin,
        environment: MarkerEnvironment<'_>,
    ) {
        let holds = requirement.marker.as_deref().map(|marker| manifest::evaluate(marker, environment));
        if holds == Some(Some(false)) {
            return;
        }
        let key = (common.stage, origin.clone(), requirement.name.clone());
        if !self.seen.insert(key) {
            return;
        }
        let (indexes, index_origin) = common.indexes.for_distribution(&requirement.name);
        let nightly = indexes.iter().any(|index| matches!(index, PythonIndex::Nightly(_)));
        let mut requirement = requirement;
        let constrained = common.constraints.apply(&mut requirement);
        let only_binary = common.only_binary.iter().any(|name| name == ":all:" || *name == requirement.name);
        // A marker that may or may not hold leaves the version open.
        if holds == Some(None) {
            requirement.exact = None;
            requirement.specifiers = None;
            requirement.local_cuda = None;
            requirement.bounded = true;
        }
        self.found.push(PythonRequirement {
            stage: common.stage,
            tool: common.tool,
            name: requirement.name,
            extras: requirement.extras,
            specifiers: requirement.specifiers,
            exact: requirement.exact,
            bounded: requirement.bounded,
            local_cuda: requirement.local_cuda,
            local_cpu: requirement.local_cpu,
            indexes,
            index_origin,
            url: requirement.url,
            wheel_file: requirement.wheel_file,
            no_deps: common.no_deps,
            no_build_isolation: common.no_build_isolation,
            only_binary,
            not_installed: common.not_installed,
            prerelease: common.prerelease || nightly,
            constrained,
            locked: common.locked,
            instruction: common.instruction,
            origin,
            command: common.command.clone(),
        });
    }
}

impl Constraints {
    /// Takes a constraint's bounds over into a requirement that has none; whether a constraint applies, as far as is known.
    fn apply(&self, requirement: &mut Requirement) -> bool {
        let Some(bound) = self.known.get(&requirement.name) else {
            return self.unread;
        };
        if requirement.exact.is_none() && requirement.url.is_none() {
            requirement.exact.clone_from(&bound.exact);
            requirement.specifiers.clone_from(&bound.specifiers);
            requirement.local_cuda = bound.local_cuda;
            requirement.local_cpu = bound.local_cpu;
            requirement.bounded = true;
        }
        true
    }
}

/// A name of `--only-binary`: `:all:` and `:none:` stay as they are.
fn manifest_name(name: &str) -> String {
    let name = name.trim();
    if name.starts_with(':') { name.to_owned() } else { manifest::normalize_name(name) }
}

/// A requirement as the tool's command line writes it: poetry takes `torch@^2.1`.
fn requirement_of(tool: ShellTool, text: &str) -> Option<Requirement> {
    if tool == ShellTool::Poetry
        && let Some((name, constraint)) = text.split_once('@')
        && !constraint.contains('/')
    {
        return manifest::parse_requirement(&format!("{name}{}", poetry_bounds(constraint)));
    }
    manifest::parse_requirement(text)
}

#[cfg(test)]
mod tests;
