//! Requirement files, projects and lock files that install commands read from the build context.

use crate::dockerfile::shell::tools::PythonTool as ShellTool;
use crate::dockerfile::shell::tools::{CondaCommand, PythonInstall};
use crate::facts::manifest::{
    self, Declared, IndexRole, ManifestError, MarkerEnvironment, PyProject, RequirementLine, UvSelection,
    normalize_name, read_environment_yml, read_poetry_lock, read_pyproject, read_requirements, read_uv_lock,
};
use crate::facts::{Facts, Origin};
use crate::span::Span;

use super::super::Problem;
use super::super::context_files::ContextText;
use super::super::steps::{Step, Variable};
use super::{Collector, Common, Constraints};

/// Most files that one `-r` reaches through further `-r` lines.
const MAX_INCLUDES: usize = 64;

impl Collector<'_, '_> {
    /// `-r FILE`: a requirement file, or a pyproject.toml for uv.
    pub(super) fn requirement_file(
        &mut self,
        facts: &mut Facts,
        step: &Step<'_>,
        common: &Common,
        path: &str,
        install: &PythonInstall,
        environment: MarkerEnvironment<'_>,
    ) {
        let Some(text) = self.cx.context_text(facts, self.dirs, step, path) else {
            self.unread(common);
            return;
        };
        if text.path.ends_with("pyproject.toml") {
            let Some(project) = self.pyproject(&text) else {
                self.unread(common);
                return;
            };
            let common = with_project_indexes(common, &project, &text);
            self.declared(&common, &chosen(&project, install), &text, environment);
            return;
        }
        self.requirements_text(facts, step, common, text, environment);
    }

    fn requirements_text(
        &mut self,
        facts: &mut Facts,
        step: &Step<'_>,
        common: &Common,
        first: ContextText,
        environment: MarkerEnvironment<'_>,
    ) {
        let mut common = common.clone();
        let mut files = vec![(first, false)];
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some((text, constraint)) = files.get(at).cloned() {
            at += 1;
            let variable = |name: &str| step.own_variable(self.cx, name).value().map(str::to_owned);
            for line in read_requirements(&text.text, &variable) {
                match line {
                    RequirementLine::Include { path, constraint: narrows, .. }
                        if files.len() < MAX_INCLUDES =>
                    {
                        let folder = text.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                        let known = |files: &[(ContextText, bool)], found: &ContextText| {
                            files.iter().any(|(other, _)| other.path == found.path)
                        };
                        match self.cx.context_text_at(facts, &format!("{folder}/{path}")) {
                            Some(found) if !known(&files, &found) => {
                                files.push((found, constraint || narrows))
                            }
                            Some(_) => {}
                            None if narrows => common.constraints.unread = true,
                            None => self.unread(&common),
                        }
                    }
                    RequirementLine::Include { .. } => self.unread(&common),
                    RequirementLine::Option { name, value, span } => {
                        let origin = Origin::file(text.file, span);
                        let url = Some(value.clone()).filter(|value| !value.contains('$'));
                        match name.as_str() {
                            "--index-url" => common.indexes.push(IndexRole::Primary, url, origin),
                            "--extra-index-url" => common.indexes.push(IndexRole::Extra, url, origin),
                            "--find-links" => common.indexes.push(IndexRole::FindLinks, url, origin),
                            "--no-index" => common.indexes.no_default = true,
                            "--pre" => common.prerelease = true,
                            "--require-hashes" => common.locked = true,
                            "--only-binary" => {
                                common.only_binary.extend(value.split(',').map(super::manifest_name))
                            }
                            _ => {}
                        }
                    }
                    RequirementLine::Requirement { text: requirement, hashed, span, .. } => {
                        let Some(requirement) = manifest::parse_requirement(&requirement) else {
                            self.unread(&common);
                            continue;
                        };
                        if constraint {
                            common.constraints.known.insert(requirement.name.clone(), requirement);
                        } else {
                            lines.push((requirement, hashed, Origin::file(text.file, span)));
                        }
                    }
                }
            }
        }
        // Options and constraints apply to every line, also to those before them.
        for (requirement, hashed, origin) in lines {
            let mut line = common.clone();
            line.locked |= hashed;
            self.push(&line, requirement, origin, environment);
        }
    }

    /// What conda-like tools install with pip: `pip:` of environment.yml, `[pypi-dependencies]` of pixi.
    pub(super) fn conda(&mut self, facts: &mut Facts, step: &Step<'_>, command: &CondaCommand) {
        let environment = self.markers(facts, step.stage());
        let common = Common::plain(step);
        for path in super::super::conda::files_of(command) {
            let Some(text) = self.cx.context_text(facts, self.dirs, step, &path) else {
                self.unread(&common);
                continue;
            };
            if path.ends_with(".toml") {
                // Its errors are told with the conda packages.
                let Some(manifest) = super::super::conda::pixi_manifest(&text) else { continue };
                self.declared(&common, &manifest.pypi, &text, environment);
                return;
            }
            if !super::super::conda::is_yaml(&path) {
                continue;
            }
            let Ok(found) = read_environment_yml(&text.text) else {
                self.unread(&common);
                continue;
            };
            let mut common = common.clone();
            let mut lines = Vec::new();
            for entry in &found.pip {
                let offset = entry.span.start;
                for line in read_requirements(&entry.value, &|_| None) {
                    match line {
                        RequirementLine::Requirement { text: requirement, hashed, span, .. } => {
                            let place = Span::new(offset + span.start, offset + span.end);
                            lines.push((requirement, hashed, Origin::file(text.file, place)));
                        }
                        RequirementLine::Option { name, value, .. } => {
                            let origin = Origin::file(text.file, entry.span);
                            let role = match name.as_str() {
                                "--index-url" => IndexRole::Primary,
                                "--extra-index-url" => IndexRole::Extra,
                                "--find-links" => IndexRole::FindLinks,
                                _ => continue,
                            };
                            common.indexes.push(role, Some(value), origin);
                        }
                        RequirementLine::Include { path: include, constraint: false, .. } => {
                            let folder = text.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                            let file = self.cx.context_text_at(facts, &format!("{folder}/{include}"));
                            if let Some(file) = file {
                                self.requirements_text(facts, step, &common, file, environment);
                            }
                        }
                        RequirementLine::Include { .. } => common.constraints.unread = true,
                    }
                }
            }
            for (requirement, hashed, origin) in lines {
                let Some(requirement) = manifest::parse_requirement(&requirement) else { continue };
                let mut line = common.clone();
                line.locked |= hashed;
                self.push(&line, requirement, origin, environment);
            }
        }
    }

    /// Constraint files of the command line and of PIP_CONSTRAINT or UV_CONSTRAINT.
    pub(super) fn constraints(
        &mut self,
        facts: &mut Facts,
        step: &Step<'_>,
        install: &PythonInstall,
        is_uv: bool,
    ) -> Constraints {
        let mut paths: Vec<Option<String>> =
            install.constraint_files.iter().map(|word| word.literal().map(str::to_owned)).collect();
        match step.own_variable(self.cx, if is_uv { "UV_CONSTRAINT" } else { "PIP_CONSTRAINT" }) {
            Variable::Unset => {}
            Variable::Unknown => paths.push(None),
            Variable::Known(value) => {
                paths.extend(value.split_whitespace().map(|path| Some(path.to_owned())))
            }
        }
        let mut constraints = Constraints::default();
        for path in paths {
            let text = path.and_then(|path| self.cx.context_text(facts, self.dirs, step, &path));
            let Some(text) = text else {
                constraints.unread = true;
                continue;
            };
            let variable = |name: &str| step.own_variable(self.cx, name).value().map(str::to_owned);
            for line in read_requirements(&text.text, &variable) {
                if let RequirementLine::Requirement { text: requirement, .. } = line
                    && let Some(requirement) = manifest::parse_requirement(&requirement)
                {
                    constraints.known.insert(requirement.name.clone(), requirement);
                }
            }
        }
        constraints
    }

    /// The dependencies of a project folder that is installed itself (`pip install .`).
    pub(super) fn local_project(
        &mut self,
        facts: &mut Facts,
        step: &Step<'_>,
        common: &Common,
        path: &str,
        extras: &[String],
        environment: MarkerEnvironment<'_>,
    ) {
        let path = path.strip_prefix("file:").unwrap_or(path);
        let file = format!("{}/pyproject.toml", path.trim_end_matches('/'));
        let text = self.cx.context_text(facts, self.dirs, step, &file);
        let Some((text, project)) = text.and_then(|text| self.pyproject(&text).map(|found| (text, found)))
        else {
            self.unread(common);
            return;
        };
        let mut list = project.dependencies.clone();
        list.extend(extras.iter().filter_map(|extra| project.extras.get(extra)).flatten().cloned());
        let common = match common.tool {
            crate::facts::PythonTool::Uv => with_project_indexes(common, &project, &text),
            // pip knows nothing of `[tool.uv.sources]`.
            _ => {
                for declared in &mut list {
                    declared.index = None;
                }
                common.clone()
            }
        };
        self.declared(&common, &list, &text, environment);
    }

    /// `uv sync`, `poetry install`: the lock file where there is one, else what the project declares.
    pub(super) fn project(
        &mut self,
        facts: &mut Facts,
        step: &Step<'_>,
        common: &Common,
        install: &PythonInstall,
        environment: MarkerEnvironment<'_>,
    ) {
        let folder =
            flag_value(install, &["--directory", "--project", "-C"]).unwrap_or_else(|| ".".to_owned());
        let lock_name = match install.tool {
            ShellTool::Uv => "uv.lock",
            ShellTool::Poetry => "poetry.lock",
            _ => "",
        };
        let lock = match lock_name {
            "" => None,
            name => self.cx.context_text(facts, self.dirs, step, &format!("{folder}/{name}")),
        };
        if let Some(lock) = lock {
            let read = match install.tool {
                ShellTool::Uv => read_uv_lock(&lock.text, &uv_selection(install), environment),
                _ => {
                    let left_out = flag_value(install, &["--only", "--without"]).is_some()
                        || install.has_flag(&["--only-root", "--no-dev"]);
                    read_poetry_lock(&lock.text, left_out, environment)
                }
            };
            match self.readable(read, &lock) {
                Some(list) => {
                    let common = Common { locked: true, ..common.clone() };
                    self.declared(&common, &list, &lock, environment);
                }
                None => self.unread(common),
            }
            return;
        }
        let text = self.cx.context_text(facts, self.dirs, step, &format!("{folder}/pyproject.toml"));
        let Some((text, project)) = text.and_then(|text| self.pyproject(&text).map(|found| (text, found)))
        else {
            self.unread(common);
            return;
        };
        let common = with_project_indexes(common, &project, &text);
        self.declared(&common, &chosen(&project, install), &text, environment);
    }

    fn pyproject(&mut self, text: &ContextText) -> Option<PyProject> {
        let read = read_pyproject(&text.text);
        self.readable(read, text)
    }

    /// The outcome of a reader, its error kept as a problem.
    fn readable<T>(&mut self, read: Result<T, ManifestError>, text: &ContextText) -> Option<T> {
        match read {
            Ok(found) => Some(found),
            Err(error) => {
                let problem = Problem { origin: Origin::file(text.file, error.span), message: error.message };
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                None
            }
        }
    }

    /// Takes what a manifest declares.
    pub(super) fn declared(
        &mut self,
        common: &Common,
        list: &[Declared],
        text: &ContextText,
        environment: MarkerEnvironment<'_>,
    ) {
        for declared in list {
            let Some(requirement) = manifest::parse_requirement(&declared.text) else { continue };
            let origin = Origin::file(text.file, declared.span);
            match &declared.index {
                None => self.push(common, requirement, origin, environment),
                Some(index) => {
                    let mut tied = common.clone();
                    tied.indexes = super::Indexes::default();
                    let url = Some(index.value.clone()).filter(|url| !url.contains('$'));
                    tied.indexes.push(IndexRole::Primary, url, Origin::file(text.file, index.span));
                    self.push(&tied, requirement, origin, environment);
                }
            }
        }
    }
}

/// The indexes of `[tool.uv]` or poetry beside those of the command.
fn with_project_indexes(common: &Common, project: &PyProject, text: &ContextText) -> Common {
    let mut common = common.clone();
    for (role, url) in &project.indexes {
        common.indexes.push(*role, Some(url.value.clone()), Origin::file(text.file, url.span));
    }
    if let Some(backend) = &project.torch_backend
        && common.indexes.torch_backend.is_none()
    {
        common.indexes.torch_backend =
            Some((Some(backend.value.clone()), Origin::file(text.file, backend.span)));
    }
    common
}

fn flag_value(install: &PythonInstall, names: &[&str]) -> Option<String> {
    let flag = install.flags.iter().rev().find(|flag| names.contains(&flag.name.as_str()))?;
    flag.value.as_ref()?.literal().map(str::to_owned)
}

fn flag_values(install: &PythonInstall, names: &[&str]) -> Vec<String> {
    let named = install.flags.iter().filter(|flag| names.contains(&flag.name.as_str()));
    let values = named.filter_map(|flag| flag.value.as_ref()?.literal().map(str::to_owned));
    values.flat_map(|value| value.split([',', ' ']).map(normalize_name).collect::<Vec<_>>()).collect()
}

fn uv_selection(install: &PythonInstall) -> UvSelection {
    let only = flag_values(install, &["--only-group"]);
    let mut groups = flag_values(install, &["--group"]);
    groups.extend(only.iter().cloned());
    UvSelection {
        extras: flag_values(install, &["--extra"]),
        all_extras: install.has_flag(&["--all-extras"]),
        dev: !install.has_flag(&["--no-dev", "--no-default-groups"]) && only.is_empty(),
        only_groups: !only.is_empty() || install.has_flag(&["--only-dev"]),
        groups,
    }
}

/// The dependencies of a project that a command installs: its own, of the extras and of the groups asked for.
fn chosen(project: &PyProject, install: &PythonInstall) -> Vec<Declared> {
    let mut list = project.dependencies.clone();
    let all_extras = install.has_flag(&["--all-extras"]);
    let extras = flag_values(install, &["--extra", "-E", "--extras"]);
    for (name, declared) in &project.extras {
        if all_extras || extras.contains(name) {
            list.extend(declared.iter().cloned());
        }
    }
    let groups = flag_values(install, &["--group", "--with", "-G"]);
    for (name, declared) in &project.groups {
        if groups.contains(name) {
            list.extend(declared.iter().cloned());
        }
    }
    list
}
