//! Python distributions that are installed, with the indexes, constraints and files that decide which.

mod environments;
mod files;
mod indexes;

use std::collections::{HashMap, HashSet};

use super::Extraction;
use super::Problem;
use super::steps::{self, Step, Variable, Workdirs};
use crate::dockerfile::InstructionKind;
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::PythonTool as ShellTool;
use crate::dockerfile::shell::tools::{PythonAction, PythonInstall};
use crate::facts::manifest::{self, MarkerEnvironment, Requirement, poetry_bounds};
use crate::facts::{Facts, Origin, PythonIndex, PythonRequirement, PythonTool, StageId, UnreadInstall};
use environments::{Activation, Place};
use indexes::{Indexes, PipConfig};

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts, problems: &mut Vec<Problem>) {
    let dirs = Workdirs::new(cx);
    let mut collector = Collector::new(cx, &dirs);
    steps::walk(cx, &dirs, |step| {
        if !step.at_build() {
            return;
        }
        collector.activation.see(step);
        match step.action {
            Action::PipConfig { key, value } => collector.config.set(step, key, value),
            Action::Python(install) => collector.install(facts, step, install),
            Action::Conda(command) => collector.conda(facts, step, command),
            _ => {}
        }
    });
    let Collector { mut found, places, unread, problems: unreadable, .. } = collector;
    environments::mark_satisfied(cx, facts, &mut found, &places);
    facts.python.extend(found);
    facts.unread_installs.extend(unread);
    problems.extend(unreadable);
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
    /// The environment that is installed into; `None` one that no other install is known to share.
    environment: Option<String>,
    /// What is there already is installed again.
    anew: bool,
    /// `--upgrade`: a newer version takes the place of what is there.
    upgrade: bool,
    /// An index is chosen by a variable that whoever builds may change.
    index_by_variable: bool,
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
            environment: None,
            anew: false,
            upgrade: false,
            index_by_variable: false,
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
    /// For each of them the environment that it goes into.
    places: Vec<Option<Place>>,
    unread: Vec<UnreadInstall>,
    activation: Activation,
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
            places: Vec::new(),
            unread: Vec::new(),
            activation: Activation::default(),
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
            let Some(requirement) = requirement_of(install.tool, &word.raw) else {
                self.unread(&common);
                continue;
            };
            let origin = step.executed.origin_of(word.span);
            let path = requirement.url.clone().filter(|url| !url.contains("://") && !requirement.wheel_file);
            let extras = requirement.extras.clone();
            if requirement.url.is_some() && path.is_none() {
                self.unread(&common);
            }
            self.push(&common, requirement, origin, environment);
            if let Some(path) = path
                && !common.no_deps
            {
                self.local_project(facts, step, &common, &path, &extras, environment);
            }
        }
        for word in &install.requirement_files {
            match word.literal() {
                Some(path) => self.requirement_file(facts, step, &common, path, install, environment),
                None => self.unread(&common),
            }
        }
        let project = install.action == PythonAction::Sync
            && matches!(install.tool, ShellTool::Uv | ShellTool::Poetry | ShellTool::Pdm);
        if project {
            self.project(facts, step, &common, install, environment);
        } else if install.action == PythonAction::Sync && install.requirement_files.is_empty() {
            self.unread(&common);
        }
    }

    /// Takes note of an install of which it is not known what it brings.
    fn unread(&mut self, common: &Common) {
        let found = UnreadInstall { stage: common.stage, origin: common.command.clone() };
        if !common.not_installed && self.unread.last() != Some(&found) {
            self.unread.push(found);
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
        let index_by_variable = indexes.origins().any(|origin| self.by_variable(origin));
        Common {
            environment: environments::of_install(self.cx, step, install, &self.activation),
            anew: install.has_flag(&["--force-reinstall", "--ignore-installed", "-I", "--reinstall"]),
            upgrade: install.upgrade,
            index_by_variable,
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

    /// Whether the text at a place of the Dockerfile is chosen by a variable: it is an ARG, or refers to a variable.
    fn by_variable(&self, origin: &Origin) -> bool {
        let Some((file, span)) = origin.as_file().filter(|(file, _)| *file == self.cx.file) else {
            return false;
        };
        let argument = self.cx.tree.instructions.get(self.cx.instruction_at(&Origin::file(file, span)));
        argument.is_some_and(|instruction| matches!(instruction.kind, InstructionKind::Arg(_)))
            || span.slice(&self.cx.tree.source).contains(&b'$')
    }

    /// Whether a variable chooses the name, the extras or the local version of a requirement of the Dockerfile.
    fn chosen_by_variable(&self, requirement: &Requirement, origin: &Origin) -> bool {
        let Some((_, span)) = origin.as_file().filter(|(file, _)| *file == self.cx.file) else {
            return false;
        };
        let written = span.slice(&self.cx.tree.source);
        let name = written.split(|byte| b"=<>~!;@".contains(byte)).next().unwrap_or_default();
        let local = requirement.local_cpu || requirement.local_cuda.is_some();
        name.contains(&b'$') || (local && written.contains(&b'$') && !written.contains(&b'+'))
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
        let by_variable = common.index_by_variable || self.chosen_by_variable(&requirement, &origin);
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
        let anew = common.anew || (common.upgrade && requirement.exact.is_none());
        self.places.push(common.environment.clone().map(|environment| Place { environment, anew }));
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
            satisfied: false,
            by_variable,
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
