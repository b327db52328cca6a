//! The variables that an instruction sees, and the environment that an image ends up with.

use std::collections::HashMap;
use std::ops::Range;

use super::expand::{self, Budget, Mode};
use super::graph::StageGraph;
use super::stages::{Assignment, AssignmentKind, Base, BaseEnv, Setting};
use super::value::{ExpandError, Lookup, Origin, OriginKind, UnknownReason, Value, without_value};

/// Assignments of a stage by name: indices in the order they take effect.
pub(super) type Timeline = HashMap<String, Vec<usize>>;

/// Work charged for looking a name up in one stage of a lineage.
const HOP_COST: usize = 4;

/// The variables at one place of a stage.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    graph: &'a StageGraph,
    stage: usize,
    at: usize,
}

/// A variable of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVariable<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: Value,
    /// The ENV that set it last; `None` for a variable of the base image.
    pub assignment: Option<&'a Assignment>,
}

impl StageGraph {
    /// The variables before instruction `instruction` (an index into [`super::Dockerfile::instructions`]) of a
    /// stage; with `usize::MAX`, those at its end.
    #[must_use]
    pub fn scope(&self, stage: usize, instruction: usize) -> Scope<'_> {
        Scope { graph: self, stage, at: instruction }
    }

    /// The stage that holds an instruction, its FROM included.
    #[must_use]
    pub fn stage_of(&self, instruction: usize) -> Option<usize> {
        self.stages.partition_point(|stage| stage.from <= instruction).checked_sub(1)
    }

    /// The stages that a stage stands on, from the first to itself.
    #[must_use]
    pub fn lineage(&self, stage: usize) -> Vec<usize> {
        let mut out = Vec::new();
        let mut next = Some(stage);
        while let Some(found) = next.and_then(|index| self.stages.get(index)) {
            out.push(found.index);
            next = match found.base {
                Base::Stage(base) => Some(base),
                _ => None,
            };
        }
        out.reverse();
        out
    }

    /// The environment in the image of a stage: the base's variables, then those that ENV adds, in order.
    /// ARGs are not part of it. The flag says whether the base's variables are known.
    #[must_use]
    pub fn image_env(&self, stage: usize) -> (Vec<EnvVariable<'_>>, bool) {
        let mut variables = Variables::default();
        let mut known = !self.exhausted;
        for stage in self.lineage(stage).into_iter().filter_map(|index| self.stages.get(index)) {
            match (&stage.base, &stage.base_env) {
                (Base::Stage(_), _) => {}
                (_, BaseEnv::Unknown) => known = false,
                (_, BaseEnv::Known(env)) => {
                    for (name, value) in env {
                        variables.put(EnvVariable { name, value: base_value(name, value), assignment: None });
                    }
                }
            }
            for assignment in &stage.assignments {
                if let (AssignmentKind::Env, Some(value)) = (assignment.kind, &assignment.value) {
                    let name = assignment.name.value.as_str();
                    let value = value.clone();
                    variables.put(EnvVariable { name, value, assignment: Some(assignment) });
                }
            }
        }
        (variables.list, known)
    }

    /// The SHELL that an instruction of a stage is under; `None` where the file sets none.
    #[must_use]
    pub fn shell_at(&self, stage: usize, instruction: usize) -> Option<&Setting> {
        last_before(&self.stages.get(stage)?.shells, instruction)
    }

    /// The USER that an instruction of a stage runs as; `None` where the file sets none.
    #[must_use]
    pub fn user_at(&self, stage: usize, instruction: usize) -> Option<&Setting> {
        last_before(&self.stages.get(stage)?.users, instruction)
    }

    /// The WORKDIR of an instruction of a stage; `None` where the file sets none.
    #[must_use]
    pub fn workdir_at(&self, stage: usize, instruction: usize) -> Option<&Setting> {
        last_before(&self.stages.get(stage)?.workdirs, instruction)
    }

    /// Assignments of a stage that the instructions in `range` make, triggers not included.
    pub fn assignments_in(&self, stage: usize, range: Range<usize>) -> impl Iterator<Item = &Assignment> {
        let all = self.stages.get(stage).map(|stage| stage.assignments.as_slice()).unwrap_or_default();
        all.iter().filter(move |assignment| {
            range.contains(&assignment.instruction) && assignment.instruction == assignment.position
        })
    }

    /// Records an assignment.
    pub(super) fn assign(&mut self, stage: usize, assignment: Assignment) {
        let (Some(stage), Some(timeline)) = (self.stages.get_mut(stage), self.timelines.get_mut(stage))
        else {
            return;
        };
        timeline.entry(assignment.name.value.clone()).or_default().push(stage.assignments.len());
        stage.assignments.push(assignment);
    }

    /// What a name stands for before position `at` of a stage, for instructions that are expanded during the build.
    pub(super) fn lookup(&self, stage: usize, at: usize, name: &str) -> Lookup {
        self.find(stage, at, name, false)
    }

    fn find(&self, stage: usize, at: usize, name: &str, image_only: bool) -> Lookup {
        if self.exhausted {
            return too_large();
        }
        let mut without = None;
        let mut at = at;
        let mut next = stage;
        loop {
            if !self.budget.take(HOP_COST) {
                return too_large();
            }
            let Some(stage) = self.stages.get(next) else { return Lookup::Unset };
            let places = self.timelines.get(next).and_then(|timeline| timeline.get(name));
            let places = places.map(Vec::as_slice).unwrap_or_default();
            let visible = places.partition_point(|place| {
                stage.assignments.get(*place).is_some_and(|assignment| assignment.position < at)
            });
            for assignment in
                places.iter().take(visible).rev().filter_map(|place| stage.assignments.get(*place))
            {
                if !self.budget.take(1) {
                    return too_large();
                }
                if image_only && assignment.kind == AssignmentKind::Arg {
                    continue;
                }
                match &assignment.value {
                    Some(value) => return Lookup::Set(value.clone()),
                    // The name keeps the value that it had before, if any.
                    None => without = without.or_else(|| Some(without_value(&assignment.name))),
                }
            }
            match (&stage.base, &stage.base_env) {
                (Base::Stage(base), _) => {
                    next = *base;
                    at = usize::MAX;
                }
                (_, BaseEnv::Known(env)) => {
                    if !self.budget.take(env.len()) {
                        return too_large();
                    }
                    return match (env.iter().rev().find(|(key, _)| key == name), without) {
                        (Some((name, value)), _) => Lookup::Set(base_value(name, value)),
                        (None, Some(origin)) => Lookup::ArgWithoutValue(origin),
                        (None, None) => Lookup::Unset,
                    };
                }
                (_, BaseEnv::Unknown) => {
                    return without.map_or(Lookup::MaybeInBase, Lookup::ArgWithoutValue);
                }
            }
        }
    }
}

fn last_before(settings: &[Setting], instruction: usize) -> Option<&Setting> {
    settings.get(settings.partition_point(|setting| setting.position < instruction).checked_sub(1)?)
}

/// Variables in the order of their first appearance.
#[derive(Default)]
struct Variables<'a> {
    list: Vec<EnvVariable<'a>>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Variables<'a> {
    fn put(&mut self, variable: EnvVariable<'a>) {
        let place = *self.places.entry(variable.name).or_insert(self.list.len());
        match self.list.get_mut(place) {
            Some(old) => *old = variable,
            None => self.list.push(variable),
        }
    }
}

fn too_large() -> Lookup {
    Lookup::Set(Value::unknown(UnknownReason::TooLarge))
}

fn base_value(name: &str, value: &str) -> Value {
    Value::known(value).with_origin(Origin { kind: OriginKind::BaseEnv, name: name.into(), span: None })
}

impl Scope<'_> {
    /// What a name stands for in instructions that BuildKit expands and in the shell of RUN: ARG and ENV alike, the
    /// one that was set last counts. (Docker's reference says that ENV overrides ARG; BuildKit's `dispatchArg` puts
    /// the value into the same state as ENV, so an ARG behind an ENV, or below a base image that sets the name, wins.)
    #[must_use]
    pub fn get(&self, name: &str) -> Lookup {
        self.graph.find(self.stage, self.at, name, false)
    }

    /// What a name stands for in the image: ENV and the base's environment, ARGs left out.
    #[must_use]
    pub fn image(&self, name: &str) -> Lookup {
        self.graph.find(self.stage, self.at, name, true)
    }

    /// Expands a text as BuildKit expands the arguments of ENV, COPY, WORKDIR, USER and the like.
    ///
    /// # Errors
    /// See [`expand::expand`].
    pub fn expand(&self, text: &str) -> Result<Value, ExpandError> {
        self.expand_with(text, Mode { escape: self.graph.escape, quotes: true }, &self.graph.budget)
    }

    /// Expands the body of a heredoc that COPY or ADD writes: quotes stay.
    ///
    /// # Errors
    /// See [`expand::expand`].
    pub fn expand_heredoc(&self, text: &str) -> Result<Value, ExpandError> {
        self.expand_with(text, Mode { escape: '\\', quotes: false }, &self.graph.budget)
    }

    fn expand_with(&self, text: &str, mode: Mode, budget: &Budget) -> Result<Value, ExpandError> {
        expand::expand(text, mode, budget, &mut |name| self.get(name))
    }
}
