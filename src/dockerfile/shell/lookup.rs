//! Questions about a whole script: what a variable holds at a command, and whether a command's failure matters.

use super::types::{Command, GroupKind, Script, Separator};
use super::word::{PieceKind, SubstitutionKind, Word};
use std::collections::HashMap;

/// How far a walk over groups, earlier assignments or later commands goes; real scripts end it long before.
const WALK: usize = 64;

/// What the text says about a variable at some command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local<'v> {
    /// The text does not set it before; the environment decides.
    Unset,
    /// It was set to this word.
    Value(&'v Word),
    /// It is a loop's variable and takes these values in turn.
    Each(&'v [Word]),
    /// It was set in a way that cannot be followed: in a branch, by `read`, appended to.
    Unknown,
}

/// The variables that a script sets.
#[derive(Debug)]
pub struct Variables<'s> {
    script: &'s Script,
    /// For each name the commands that set it, in order, with the value where it is a plain one.
    set: HashMap<String, Vec<(usize, Option<Word>)>>,
}

impl Script {
    /// The variables that the script sets, ready for questions.
    #[must_use]
    pub fn variables(&self) -> Variables<'_> {
        let mut set: HashMap<String, Vec<(usize, Option<Word>)>> = HashMap::new();
        for (index, command) in self.commands.iter().enumerate() {
            each_setting(command, &mut |name, value| set.entry(name).or_default().push((index, value)));
        }
        Variables { script: self, set }
    }

    /// Whether the failure of command `index` is swallowed by its surroundings: it is followed by `||` and a command
    /// that always succeeds, stands in a condition, is negated, or runs in the background. What `;` does without
    /// `set -e` is not looked at: that depends on how the shell was started.
    #[must_use]
    pub fn failure_ignored(&self, index: usize) -> bool {
        let Some(command) = self.commands.get(index) else { return false };
        if command.context.condition || command.negated || self.or_true_follows(index, command) {
            return true;
        }
        let mut group = command.group;
        for _ in 0..WALK {
            let Some(found) = group.and_then(|at| self.groups.get(at)) else { return false };
            if found.negated || found.separator_after == Separator::Background {
                return true;
            }
            if found.separator_after == Separator::Or {
                let after = self.commands.partition_point(|next| next.span.start < found.span.end);
                let mut rest = self.commands.iter().skip(after).take(WALK);
                if rest.find(|next| next.group == found.parent).is_some_and(always_succeeds) {
                    return true;
                }
            }
            group = found.parent;
        }
        false
    }

    /// The command that reads the standard output of command `index` through a pipe.
    #[must_use]
    pub fn pipe_target(&self, index: usize) -> Option<usize> {
        let command = self.commands.get(index).filter(|command| command.separator_after.is_pipe())?;
        let place = command.pipeline_index.checked_add(1)?;
        let rest = self.commands.iter().enumerate().skip(index + 1).take(WALK);
        let mut same =
            rest.filter(|(_, next)| next.pipeline == command.pipeline && next.pipeline_index == place);
        same.next().map(|(index, _)| index)
    }

    fn or_true_follows(&self, index: usize, command: &Command) -> bool {
        let mut after = command.separator_after;
        for next in self.commands.iter().skip(index + 1).take(WALK) {
            if after == Separator::Background {
                return true;
            }
            if next.group != command.group || next.parent != command.parent {
                continue;
            }
            match after {
                Separator::Or if always_succeeds(next) => return true,
                Separator::And | Separator::Or | Separator::Pipe | Separator::PipeBoth => {
                    after = next.separator_after
                }
                _ => return false,
            }
        }
        after == Separator::Background
    }
}

impl<'s> Variables<'s> {
    /// What the text says about variable `name` at command `index`: the loops around it first, then the last
    /// assignment before it on the same level.
    #[must_use]
    pub fn local(&self, index: usize, name: &str) -> Local<'_> {
        let Some(command) = self.script.commands.get(index) else { return Local::Unset };
        if let Some(words) = self.loop_words(command, name) {
            return if words.is_empty() { Local::Unknown } else { Local::Each(words) };
        }
        let Some(settings) = self.set.get(name) else { return Local::Unset };
        let before = settings.partition_point(|(at, _)| *at < index);
        for (at, value) in settings.get(..before).unwrap_or_default().iter().rev().take(WALK) {
            let Some(earlier) = self.script.commands.get(*at) else { continue };
            // What a subshell or substitution sets is gone afterwards.
            if earlier.depth > command.depth || (earlier.parent.is_some() && earlier.parent != command.parent)
            {
                continue;
            }
            let context = earlier.context;
            let certain =
                earlier.group == command.group || !(context.branch || context.loop_body || context.function);
            return match value {
                Some(word) if certain => Local::Value(word),
                _ => Local::Unknown,
            };
        }
        if before > WALK { Local::Unknown } else { Local::Unset }
    }

    fn loop_words(&self, command: &Command, name: &str) -> Option<&'s [Word]> {
        let script = self.script;
        let mut group = command.group;
        for _ in 0..WALK {
            let found = script.groups.get(group?)?;
            if let GroupKind::For(index) = found.kind
                && let Some(head) = script.loops.get(index)
                && head.variable == name
            {
                return Some(&head.words);
            }
            group = found.parent;
        }
        None
    }
}

/// `true`, `:`, `echo`, `exit 0`.
fn always_succeeds(command: &Command) -> bool {
    let Some(program) = command.program() else { return false };
    match program.name {
        "true" | ":" | "echo" | "printf" => true,
        "exit" | "return" => program.args.first().is_some_and(|arg| arg.text == "0"),
        _ => false,
    }
}

/// The variables that a command sets for those after it; no value where it cannot be told.
fn each_setting(command: &Command, push: &mut dyn FnMut(String, Option<Word>)) {
    for word in &command.words {
        set_inside(word, push);
    }
    let Some(first) = command.words.first() else {
        for assignment in &command.assignments {
            let plain = !assignment.append && assignment.elements.is_empty();
            push(assignment.name.clone(), plain.then(|| assignment.value.clone()));
        }
        return;
    };
    let rest = command.words.iter().skip(1);
    match first.text.as_str() {
        "export" | "declare" | "local" | "readonly" | "typeset" => {
            for (name, value) in rest.filter_map(Word::assignment) {
                push(name, Some(value));
            }
        }
        "read" | "unset" | "mapfile" | "readarray" => {
            for word in rest.filter(|word| !word.text.starts_with('-')) {
                push(word.text.clone(), None);
            }
        }
        "printf" => {
            let target = rest.skip_while(|word| word.text != "-v").nth(1);
            target.into_iter().for_each(|word| push(word.text.clone(), None));
        }
        "let" => rest.for_each(|word| assigned_in(&word.text, push)),
        _ => {}
    }
}

/// Variables that the expansion of a word sets: `${V:=x}`, `$((V=1))`, `((V++))`.
fn set_inside(word: &Word, push: &mut dyn FnMut(String, Option<Word>)) {
    for piece in &word.pieces {
        match &piece.kind {
            PieceKind::Parameter(parameter)
                if parameter.operation.trim_start_matches(':').starts_with('=') =>
            {
                push(parameter.name.clone(), None);
            }
            PieceKind::Substitution(SubstitutionKind::Arithmetic) => {
                assigned_in(word.piece_text(piece), push);
            }
            _ => {}
        }
    }
}

/// The variables that an arithmetic expression assigns: `V=1`, `V+=1`, `V++`, `--V`.
fn assigned_in(expression: &str, push: &mut dyn FnMut(String, Option<Word>)) {
    let mut rest = expression;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let (gap, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        let operator = after.trim_start();
        let stepped =
            ["++", "--"].iter().any(|step| operator.starts_with(step) || gap.trim_end().ends_with(step));
        let set = operator.trim_start_matches(['+', '-', '*', '/', '%', '&', '|', '^', '<', '>']);
        if stepped
            || (set.starts_with('=') && !set.starts_with("==") && !operator.starts_with(['<', '>']))
            || operator.starts_with("<<=")
            || operator.starts_with(">>=")
        {
            push(name.to_owned(), None);
        }
        rest = after;
    }
}
