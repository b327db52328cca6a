//! What variables hold inside executed text: loops, assignments of the text itself, ARG and ENV.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::executed::Runner;
use super::{Extraction, base_env};
use crate::dockerfile::Lookup;
use crate::dockerfile::shell::{Command, Local, Script, Value, Variables, Word};
use crate::facts::CommandRole;

/// How many assignments are followed one behind the other.
const DEPTH: u32 = 8;
/// Longest value that is filled in, in bytes.
const LONGEST: usize = 64 << 10;
/// Bytes that all look-ups of one text may yield together; what does not fit is unknown.
const BUDGET: usize = 16 << 20;
/// Cost of a look-up besides its bytes.
const STEP: usize = 16;

/// Variables that the shell, the user's account or the builder sets.
const SET_ELSEWHERE: &[&str] = &[
    "HOME",
    "PWD",
    "OLDPWD",
    "USER",
    "LOGNAME",
    "HOSTNAME",
    "SHELL",
    "UID",
    "EUID",
    "GROUPS",
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "IFS",
    "OSTYPE",
    "MACHTYPE",
    "HOSTTYPE",
    "LINENO",
    "PPID",
    "TERM",
    "OPTARG",
    "OPTIND",
    "REPLY",
    "PIPESTATUS",
    "EPOCHSECONDS",
    "SOURCE_DATE_EPOCH",
    "ID",
    "VERSION_ID",
    "VERSION_CODENAME",
    "UBUNTU_CODENAME",
    "DISTRIB_CODENAME",
    "DISTRIB_ID",
    "DISTRIB_RELEASE",
    "NAME",
    "VERSION",
];

/// Values of variables in one executed text.
pub(super) struct Values<'x> {
    cx: &'x Extraction<'x>,
    runner: &'x Runner,
    script: &'x Script,
    variables: Variables<'x>,
    /// The first command that reads another file into the shell: after it any variable may be set.
    sourced: usize,
    outer: RefCell<HashMap<String, Value>>,
    budget: Cell<usize>,
}

/// Values that loop variables have for one copy of a command.
pub(super) type Bound = Vec<(String, Value)>;

impl<'x> Values<'x> {
    /// Prepares for the questions of one text.
    pub fn new(cx: &'x Extraction<'x>, runner: &'x Runner, script: &'x Script) -> Self {
        let variables = script.variables();
        let sources = |command: &Command| {
            command.program().is_some_and(|program| matches!(program.name, "source" | "." | "eval"))
        };
        let sourced = script.commands.iter().position(sources).unwrap_or(usize::MAX);
        Self { cx, runner, script, variables, sourced, outer: RefCell::default(), budget: Cell::new(BUDGET) }
    }

    /// What `name` holds at command `index`.
    pub fn get(&self, index: usize, name: &str, bound: &Bound) -> Value {
        self.at(index, name, bound, DEPTH)
    }

    /// The values that the variables of `loops` take together, at most `limit` combinations; more are unknown.
    pub fn loop_values(&self, index: usize, loops: &[usize], limit: usize) -> Vec<Bound> {
        let mut out: Vec<Bound> = vec![Vec::new()];
        for head in loops.iter().filter_map(|index| self.script.loops.get(*index)) {
            let words: Vec<Word> = head
                .words
                .iter()
                .take(limit.saturating_add(1))
                .flat_map(|word| word.fields(&|name| self.at(index, name, &Vec::new(), DEPTH)))
                .collect();
            let known = words.iter().all(|word| word.is_fully_literal() && !word.has_glob());
            let combinations = out.len().saturating_mul(words.len());
            let values: Vec<Value> = if !known || words.is_empty() || combinations > limit {
                vec![Value::Unknown]
            } else {
                words.iter().map(|word| Value::Set(word.text.clone())).collect()
            };
            out = out
                .iter()
                .flat_map(|bound| {
                    values.iter().map(|value| {
                        let mut bound = bound.clone();
                        bound.push((head.variable.clone(), value.clone()));
                        bound
                    })
                })
                .collect();
        }
        out
    }

    fn at(&self, index: usize, name: &str, bound: &Bound, depth: u32) -> Value {
        if let Some((_, value)) = bound.iter().rev().find(|(variable, _)| variable == name) {
            return self.charge(value.clone());
        }
        match self.variables.local(index, name) {
            Local::Unset => match self.outside(name) {
                Value::Unset if self.sourced < index => self.charge(Value::Unknown),
                value => self.charge(value),
            },
            Local::Value(word) => {
                let Some(depth) = depth.checked_sub(1) else { return Value::Unknown };
                // The value is what the variables held where it was assigned.
                let after =
                    self.script.commands.partition_point(|command| command.span.start <= word.span.start);
                let Some(place) = after.checked_sub(1).filter(|place| *place < index) else {
                    return Value::Unknown;
                };
                let value = word.resolve_values(&|name| self.at(place, name, bound, depth));
                self.charge(value.map_or(Value::Unknown, Value::Set))
            }
            Local::Each(_) | Local::Unknown => Value::Unknown,
        }
    }

    fn charge(&self, value: Value) -> Value {
        let bytes = match &value {
            Value::Set(text) => text.len(),
            _ => 0,
        };
        let left = self.budget.get().checked_sub(bytes.saturating_add(STEP));
        self.budget.set(left.unwrap_or(0));
        if left.is_none() || bytes > LONGEST { Value::Unknown } else { value }
    }

    fn outside(&self, name: &str) -> Value {
        if let Some(known) = self.outer.borrow().get(name) {
            return known.clone();
        }
        let value = self.look_up(name);
        self.outer.borrow_mut().insert(name.to_owned(), value.clone());
        value
    }

    fn look_up(&self, name: &str) -> Value {
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Value::Unknown;
        }
        let stage = self.runner.stage.0;
        let found = if matches!(self.runner.role, CommandRole::Run | CommandRole::BuildScript) {
            self.cx.graph.scope(stage, self.cx.position(stage, self.runner.instruction)).get(name)
        } else {
            self.cx.graph.scope(stage, usize::MAX).image(name)
        };
        match found {
            Lookup::Set(_) if self.cx.unsure.name(stage, name) => Value::Unknown,
            Lookup::Set(value) => value.as_str().map_or(Value::Unknown, |text| Value::Set(text.to_owned())),
            Lookup::Unset if set_elsewhere(name) || base_env::may_set(self.cx, stage, name) => Value::Unknown,
            Lookup::Unset => Value::Unset,
            Lookup::ArgWithoutValue(_) | Lookup::MaybeInBase => Value::Unknown,
        }
    }
}

fn set_elsewhere(name: &str) -> bool {
    SET_ELSEWHERE.contains(&name)
        || name.starts_with("BASH")
        || name.starts_with("BUILDKIT_")
        || name.to_ascii_lowercase().ends_with("_proxy")
}
