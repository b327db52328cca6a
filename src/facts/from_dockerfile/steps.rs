//! Walks everything that is executed, command by command, with the folder and the variables that each one sees.

use std::collections::HashMap;

use super::Extraction;
use super::context_files::absolute;
use super::executed::{Executed, Resolved};
use crate::dockerfile::shell::tools::Session;
use crate::dockerfile::shell::{self, Action};
use crate::dockerfile::{InstructionKind, Lookup};
use crate::facts::{CommandRole, Origin, StageId};

/// WORKDIR at every place of the file.
pub(super) struct Workdirs {
    /// By stage: instruction number and the folder from there on, in order.
    stages: Vec<Vec<(usize, String)>>,
}

impl Workdirs {
    pub fn new(cx: &Extraction<'_>) -> Self {
        let mut stages: Vec<Vec<(usize, String)>> = Vec::new();
        for stage in &cx.graph.stages {
            let inherited = match &stage.base {
                crate::dockerfile::Base::Stage(base) => {
                    stages.get(*base).and_then(|changes| changes.last()).map(|(_, folder)| folder.clone())
                }
                _ => None,
            };
            let mut folder = inherited.unwrap_or_else(|| "/".to_owned());
            let mut changes = vec![(0, folder.clone())];
            for (index, instruction) in cx.instructions_of(stage.index) {
                let InstructionKind::Workdir(path) = &instruction.kind else { continue };
                let position = cx.position(stage.index, index);
                let value = cx.graph.scope(stage.index, position).expand(&path.value);
                if let Some(path) = value.ok().as_ref().and_then(|value| value.as_str()) {
                    folder = absolute(&folder, path);
                    changes.push((position, folder.clone()));
                }
            }
            stages.push(changes);
        }
        Self { stages }
    }

    /// The folder before an instruction; `/` as long as none is set.
    pub fn at(&self, stage: StageId, instruction: usize) -> &str {
        let Some(changes) = self.stages.get(stage.0) else { return "/" };
        let after = changes.partition_point(|(index, _)| *index < instruction).max(1);
        changes.get(after - 1).map_or("/", |(_, folder)| folder)
    }
}

/// What a command finds in its environment under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// Nothing, as far as the file tells.
    Unset,
    /// Something that cannot be known.
    Unknown,
    /// This value.
    Known(String),
}

impl Variable {
    /// The value, when it is known and not empty.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Known(value) if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// Whether it is set, to something known or not; the empty value counts as unset.
    pub fn is_set(&self) -> bool {
        match self {
            Self::Unset => false,
            Self::Unknown => true,
            Self::Known(value) => !value.is_empty(),
        }
    }
}

/// One command on the walk.
pub(super) struct Step<'s> {
    pub executed: &'s Executed,
    pub resolved: &'s Resolved,
    /// What it does.
    pub action: &'s Action,
    /// The folder it runs in.
    pub directory: &'s str,
    exports: &'s HashMap<String, Option<String>>,
}

impl Step<'_> {
    pub fn command(&self) -> &shell::Command {
        &self.resolved.command
    }

    /// The whole command as a place.
    pub fn origin(&self) -> Origin {
        self.executed.command_origin(&self.resolved.command)
    }

    pub fn stage(&self) -> StageId {
        self.executed.stage
    }

    pub fn instruction(&self) -> usize {
        self.executed.instruction
    }

    /// A variable of the command's environment: set in front of it, exported before it, by ENV or ARG.
    pub fn variable(&self, cx: &Extraction<'_>, name: &str) -> Variable {
        let command = self.command();
        let inline = command.assignments.iter().rev().find(|assignment| assignment.name == name);
        if let Some(assignment) = inline {
            return known(assignment.value.literal());
        }
        let program = command.program();
        let by_env = program
            .as_ref()
            .and_then(|program| program.environment.iter().rev().find(|(key, _)| key == name));
        if let Some((_, value)) = by_env {
            return known(value.literal());
        }
        if let Some(value) = self.exports.get(name) {
            return known(value.as_deref());
        }
        let position = cx.position(self.executed.stage.0, self.executed.instruction);
        let scope = cx.graph.scope(self.executed.stage.0, position);
        let found = if self.at_build() { scope.get(name) } else { scope.image(name) };
        match found {
            Lookup::Set(_) if cx.unsure.name(self.executed.stage.0, name) => Variable::Unknown,
            Lookup::Set(value) => known(value.as_str()),
            Lookup::Unset => Variable::Unset,
            Lookup::ArgWithoutValue(_) | Lookup::MaybeInBase => Variable::Unknown,
        }
    }

    /// As [`Self::variable`], for a name that base images do not set: an unknown base sets it neither.
    pub fn own_variable(&self, cx: &Extraction<'_>, name: &str) -> Variable {
        let position = cx.position(self.executed.stage.0, self.executed.instruction);
        let scope = cx.graph.scope(self.executed.stage.0, position);
        match self.variable(cx, name) {
            Variable::Unknown
                if matches!(scope.get(name), Lookup::MaybeInBase) && !self.exports.contains_key(name) =>
            {
                let inline = self.command().assignments.iter().any(|assignment| assignment.name == name);
                if inline { Variable::Unknown } else { Variable::Unset }
            }
            found => found,
        }
    }

    pub fn at_build(&self) -> bool {
        matches!(self.executed.role, CommandRole::Run | CommandRole::BuildScript)
    }
}

fn known(value: Option<&str>) -> Variable {
    value.map_or(Variable::Unknown, |value| Variable::Known(value.to_owned()))
}

/// Calls `visit` for every command, in order.
pub(super) fn walk(cx: &Extraction<'_>, workdirs: &Workdirs, mut visit: impl FnMut(&Step<'_>)) {
    walk_texts(cx, workdirs, &cx.executed, &mut visit);
}

/// Calls `visit` for every command of some texts, in order.
pub(super) fn walk_texts(
    cx: &Extraction<'_>,
    workdirs: &Workdirs,
    texts: &[Executed],
    visit: &mut dyn FnMut(&Step<'_>),
) {
    for executed in texts {
        let at_build = executed.at_build();
        // What starts with the container does so in the last WORKDIR.
        let position =
            if at_build { cx.position(executed.stage.0, executed.instruction) } else { usize::MAX };
        let mut exports: HashMap<String, Option<String>> = HashMap::new();
        let start = executed.directory.as_deref().unwrap_or_else(|| workdirs.at(executed.stage, position));
        let mut folders = vec![start.to_owned()];
        let mut group = None;
        for resolved in &executed.commands {
            let command = &resolved.command;
            let depth = usize::try_from(command.depth).unwrap_or(usize::MAX).min(64);
            enter(&mut folders, depth, group != command.group);
            group = command.group;
            let action = &resolved.action;
            let directory = folders.last().cloned().unwrap_or_else(|| "/".to_owned());
            visit(&Step { executed, resolved, action, directory: &directory, exports: &exports });
            if command.context.substitution || command.context.function {
                continue;
            }
            match action {
                Action::Session(Session::Set(set)) if set.exported => {
                    for (name, value, _) in &set.variables {
                        exports.insert(name.clone(), value.literal().map(str::to_owned));
                    }
                }
                Action::Session(Session::Unset(names)) => {
                    for name in names {
                        exports.remove(&name.text);
                    }
                }
                Action::Session(Session::ChangeDirectory(to)) => {
                    if let (Some(folder), Some(to)) =
                        (folders.last_mut(), to.as_ref().and_then(|to| to.literal()))
                    {
                        *folder = absolute(folder, to);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Brings the stack of folders to a depth: a subshell begins where its parent stands and takes nothing back.
fn enter(folders: &mut Vec<String>, depth: usize, new_group: bool) {
    if folders.len() > depth + 1 {
        folders.truncate(depth + 1);
    } else if folders.len() == depth + 1 && new_group && depth > 0 {
        folders.truncate(depth);
    }
    while folders.len() <= depth {
        let last = folders.last().cloned().unwrap_or_else(|| "/".to_owned());
        folders.push(last);
    }
}

impl Extraction<'_> {
    /// Processor architecture that a stage is built for, as Docker names it; `None` unknown.
    fn architecture(&self, stage: StageId) -> Option<String> {
        let own = self.graph.stages.get(stage.0).and_then(|stage| stage.platform.as_ref());
        match own {
            None => Some(self.options.platform.architecture.clone()),
            Some(value) => {
                let platform = crate::dockerfile::Platform::parse(value.as_str()?)?;
                Some(platform.architecture)
            }
        }
    }

    /// Whether a stage is built for x86-64.
    pub(super) fn amd64(&self, stage: StageId) -> bool {
        self.architecture(stage).as_deref() == Some("amd64")
    }

    /// Whether a stage is built for 64-bit Arm.
    pub(super) fn arm64(&self, stage: StageId) -> bool {
        self.architecture(stage).as_deref() == Some("arm64")
    }
}
