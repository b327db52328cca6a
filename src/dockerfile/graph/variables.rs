//! Evaluates ARG and ENV.

use super::super::ast::{ArgDeclaration, KeyValue, ProblemKind};
use super::super::expand::{self, Mode};
use super::super::stages::{Assignment, AssignmentKind, Setting, Stage};
use super::super::value::{ExpandError, Lookup, Origin, OriginKind, UnknownReason, Value, without_value};
use super::{ASSIGNMENT_COST, Builder, Site};
use crate::span::{Span, Spanned};

impl Builder<'_> {
    /// The value of an expansion; an error is reported and makes it unknown.
    fn settle(&mut self, result: Result<Value, ExpandError>, span: Span) -> Value {
        result.unwrap_or_else(|error| {
            self.problem(span, ProblemKind::Expansion(error.clone()));
            Value::unknown(UnknownReason::Error(error))
        })
    }

    pub(super) fn expand_global(&mut self, text: &Spanned<String>, own: &str) -> (Value, bool) {
        let mut self_reference = false;
        let globals = &self.globals;
        let mode = Mode { escape: self.graph.escape, quotes: true };
        let result = expand::expand(&text.value, mode, &self.graph.budget, &mut |name| {
            self_reference |= name == own;
            globals.get(name).cloned().unwrap_or(Lookup::Unset)
        });
        (self.settle(result, text.span), self_reference)
    }

    pub(super) fn global_args(&mut self, index: usize, declarations: &[ArgDeclaration]) {
        for declaration in declarations {
            let name = &declaration.name;
            let previous = previous(self.globals.get(&name.value).cloned(), &name.value);
            let mut self_reference = false;
            let value = match (self.options.build_args.get(&name.value), &declaration.default) {
                (Some(given), _) => Some(given_value(given, name)),
                (None, Some(default)) => {
                    let (value, own) = self.expand_global(default, &name.value);
                    self_reference = own;
                    Some(value.with_origin(Origin {
                        kind: OriginKind::ArgDefault,
                        name: name.value.as_str().into(),
                        span: Some(default.span),
                    }))
                }
                (None, None) => None,
            };
            match &value {
                Some(value) => {
                    self.globals.insert(name.value.clone(), Lookup::Set(value.clone()));
                }
                None => {
                    let unset = Lookup::ArgWithoutValue(without_value(name));
                    self.globals.entry(name.value.clone()).or_insert(unset);
                }
            }
            self.graph.global_args.push(Assignment {
                kind: AssignmentKind::Arg,
                name: name.clone(),
                raw: declaration.default.clone(),
                raw_range: declaration.default_range.clone(),
                value,
                previous,
                instruction: index,
                position: index,
                self_reference,
            });
        }
    }

    /// Up to where assignments are visible to an instruction: a trigger sees those of earlier triggers, which stand
    /// at the same position.
    pub(super) fn horizon(site: Site) -> usize {
        if site.trigger { site.position + 1 } else { site.position }
    }

    pub(super) fn expand_in_stage(
        &mut self,
        text: &Spanned<String>,
        own: &str,
        stage: usize,
        at: usize,
    ) -> (Value, bool) {
        let mut self_reference = false;
        let graph = &self.graph;
        let mode = Mode { escape: graph.escape, quotes: true };
        let result = expand::expand(&text.value, mode, &graph.budget, &mut |name| {
            self_reference |= name == own;
            graph.lookup(stage, at, name)
        });
        (self.settle(result, text.span), self_reference)
    }

    pub(super) fn env(&mut self, pairs: &[KeyValue], site: Site) {
        let at = Self::horizon(site);
        let mut assignments = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let (key, _) = self.expand_in_stage(&pair.key, "", site.stage, at);
            let name = key.as_str().unwrap_or(&pair.key.value).to_owned();
            let (value, self_reference) = self.expand_in_stage(&pair.value, &name, site.stage, at);
            let value = value.with_origin(Origin {
                kind: OriginKind::Env,
                name: name.as_str().into(),
                span: Some(pair.value.span),
            });
            assignments.push(Assignment {
                kind: AssignmentKind::Env,
                previous: previous(Some(self.graph.lookup(site.stage, at, &name)), &name),
                name: Spanned::new(name, pair.key.span),
                raw: Some(pair.value.clone()),
                raw_range: pair.value_range.clone(),
                value: Some(value),
                instruction: site.instruction,
                position: site.position,
                self_reference,
            });
        }
        for assignment in assignments {
            self.assign(assignment, site);
        }
    }

    /// ARG in a stage. Its names take effect one after another, unlike those of ENV.
    pub(super) fn args(&mut self, declarations: &[ArgDeclaration], site: Site) {
        let at = site.position + 1;
        for declaration in declarations {
            let name = &declaration.name;
            let mut self_reference = false;
            let value = match (self.options.build_args.get(&name.value), &declaration.default) {
                (Some(given), _) => Some(given_value(given, name)),
                (None, Some(default)) => {
                    let (value, own) = self.expand_in_stage(default, &name.value, site.stage, at);
                    self_reference = own;
                    Some(value.with_origin(Origin {
                        kind: OriginKind::ArgDefault,
                        name: name.value.as_str().into(),
                        span: Some(default.span),
                    }))
                }
                (None, None) => match self.globals.get(&name.value) {
                    Some(Lookup::Set(value)) => Some(value.clone()),
                    _ => None,
                },
            };
            let assignment = Assignment {
                kind: AssignmentKind::Arg,
                name: name.clone(),
                raw: declaration.default.clone(),
                raw_range: declaration.default_range.clone(),
                value,
                previous: previous(Some(self.graph.lookup(site.stage, at, &name.value)), &name.value),
                instruction: site.instruction,
                position: site.position,
                self_reference,
            };
            self.assign(assignment, site);
        }
    }

    /// Records a SHELL, USER or WORKDIR.
    pub(super) fn setting(
        &mut self,
        value: Option<Value>,
        site: Site,
        settings: fn(&mut Stage) -> &mut Vec<Setting>,
    ) {
        if let Some(stage) = self.graph.stages.get_mut(site.stage) {
            let setting = Setting { instruction: site.instruction, position: site.position, value };
            settings(stage).push(setting);
        }
    }

    /// The working folder that a WORKDIR makes: a relative one is below the one before it.
    pub(super) fn workdir(&mut self, path: &Spanned<String>, site: Site) -> Value {
        let (value, _) = self.expand_in_stage(path, "", site.stage, Self::horizon(site));
        let stage = self.graph.stages.get(site.stage);
        let before = stage.and_then(|stage| stage.workdirs.last()).and_then(|setting| setting.value.as_ref());
        let Some(text) = value.as_str() else { return value };
        if text.starts_with('/') {
            return value;
        }
        let known = before.and_then(|before| before.as_str());
        match known {
            Some(known) if self.graph.budget.take(known.len()) => {
                let joined = format!("{}/{text}", known.trim_end_matches('/'));
                if joined.len() > expand::LONGEST_VALUE {
                    return Value::unknown(UnknownReason::TooLarge);
                }
                let mut joined = Value { text: Some(joined.into()), ..value };
                for origin in before.iter().flat_map(|before| before.origins.iter()) {
                    joined = joined.with_origin(origin.clone());
                }
                joined
            }
            _ => Value::unknown(UnknownReason::Operator("WORKDIR".into())),
        }
    }

    /// Records an assignment, as long as the budget lasts.
    fn assign(&mut self, assignment: Assignment, site: Site) {
        let origins = assignment.value.as_ref().map_or(0, |value| value.origins.len());
        if self.graph.budget.take(ASSIGNMENT_COST + 64 * origins) {
            self.graph.assign(site.stage, assignment);
        } else {
            self.exhaust(assignment.name.span);
        }
    }

    /// Gives up on variables, and says so once.
    pub(super) fn exhaust(&mut self, span: Span) {
        if !self.graph.exhausted {
            self.graph.exhausted = true;
            self.problem(span, ProblemKind::TooMuchWork);
        }
    }
}

fn given_value(given: &str, name: &Spanned<String>) -> Value {
    Value::known(given).with_origin(Origin {
        kind: OriginKind::BuildArg,
        name: name.value.as_str().into(),
        span: Some(name.span),
    })
}

/// What a look-up says about the value before an assignment.
fn previous(found: Option<Lookup>, name: &str) -> Option<Value> {
    match found? {
        Lookup::Set(value) => Some(value),
        Lookup::Unset => None,
        Lookup::ArgWithoutValue(origin) => {
            let reason = UnknownReason::ArgWithoutValue(origin.name.clone());
            Some(Value::unknown(reason).with_origin(origin))
        }
        Lookup::MaybeInBase => Some(Value::unknown(UnknownReason::BaseEnvironment(name.into()))),
    }
}
