//! Which commands are sure not to run, given what is known of the conditions in front of them.

use std::collections::{BTreeSet, HashMap};

use super::types::{Command, GroupKind, Script, Separator};

/// Most groups and commands that are followed outwards from one command.
const WALK: usize = 64;

/// For each command of a script, whether it is sure not to run: behind `&&` or `||`, or in a branch of an `if`, that a
/// known condition closes. `commands` are those of the script, with values filled in; `succeeds` tells how a command ends,
/// where that is known. Loops, `case` and functions close nothing.
#[must_use]
pub fn unreached(
    script: &Script,
    commands: &[Command],
    succeeds: &dyn Fn(&Command) -> Option<bool>,
) -> Vec<bool> {
    let mut reach = Reach {
        script,
        commands,
        levels: HashMap::new(),
        arms: vec![BTreeSet::new(); script.groups.len()],
        statuses: HashMap::new(),
        commands_left_out: vec![false; commands.len()],
        groups_left_out: vec![false; script.groups.len()],
        closed: HashMap::new(),
    };
    reach.collect();
    // Groups come after those that hold them: from the end, what is inside is known first.
    let mut groups = vec![None; script.groups.len()];
    for index in (0..script.groups.len()).rev() {
        let status = reach.group(index, &groups, succeeds);
        if let Some(slot) = groups.get_mut(index) {
            *slot = status;
        }
    }
    let outside: Vec<Key> =
        reach.levels.keys().filter(|key| !reach.statuses.contains_key(*key)).copied().collect();
    for key in outside {
        reach.chain(key, &groups, succeeds);
    }
    (0..commands.len()).map(|index| reach.is_closed(index)).collect()
}

/// A list of commands: the command whose text it is in, the group around it and the group's part.
type Key = (Option<usize>, Option<usize>, usize);

#[derive(Debug, Clone, Copy)]
enum Held {
    Command(usize),
    Group(usize),
}

#[derive(Debug, Clone, Copy)]
struct Element {
    start: usize,
    held: Held,
    before: Separator,
    pipeline: usize,
    negated: bool,
}

struct Reach<'s> {
    script: &'s Script,
    commands: &'s [Command],
    levels: HashMap<Key, Vec<Element>>,
    /// The parts that each group has.
    arms: Vec<BTreeSet<usize>>,
    /// How each list ends.
    statuses: HashMap<Key, Option<bool>>,
    commands_left_out: Vec<bool>,
    groups_left_out: Vec<bool>,
    /// Parts of `if` groups that are not reached.
    closed: HashMap<(usize, usize), bool>,
}

impl Reach<'_> {
    fn collect(&mut self) {
        for (index, command) in self.commands.iter().enumerate() {
            self.levels.entry((command.parent, command.group, command.arm)).or_default().push(Element {
                start: command.span.start,
                held: Held::Command(index),
                before: command.separator_before,
                pipeline: command.pipeline,
                negated: command.negated,
            });
        }
        for (index, group) in self.script.groups.iter().enumerate() {
            self.levels.entry((group.command, group.parent, group.arm)).or_default().push(Element {
                start: group.span.start,
                held: Held::Group(index),
                before: group.separator_before,
                pipeline: group.pipeline,
                negated: group.negated,
            });
        }
        for (key, elements) in &mut self.levels {
            elements.sort_by_key(|element| element.start);
            let (command, group, arm) = *key;
            let same_text =
                |at: &usize| self.script.groups.get(*at).is_some_and(|group| group.command == command);
            if let Some(arms) = group.filter(same_text).and_then(|group| self.arms.get_mut(group)) {
                arms.insert(arm);
            }
        }
    }

    /// How a group ends, and which of its parts are closed.
    fn group(
        &mut self,
        index: usize,
        groups: &[Option<bool>],
        succeeds: &dyn Fn(&Command) -> Option<bool>,
    ) -> Option<bool> {
        let group = self.script.groups.get(index)?;
        let key = |arm| (group.command, Some(index), arm);
        let arms = self.arms.get_mut(index).map(std::mem::take).unwrap_or_default();
        match group.kind {
            GroupKind::Brace | GroupKind::Subshell => self.chain(key(0), groups, succeeds),
            GroupKind::If => {
                // Whether all conditions so far have failed.
                let mut still = Some(true);
                for arm in arms {
                    let status = self.chain(key(arm), groups, succeeds);
                    if arm % 2 == 0 {
                        self.closed.insert((index, arm), still == Some(false));
                        still = and(still, not(status));
                        // The body of this condition runs when it holds and those before it do not.
                        continue;
                    }
                    let own = arm.checked_sub(1).and_then(|arm| self.statuses.get(&key(arm)).copied());
                    let reached = match own {
                        // `still` already has the failure of this condition in it: the body needs its success.
                        Some(own) => and(own, not_closed(self.closed.get(&(index, arm - 1)).copied())),
                        None => still,
                    };
                    self.closed.insert((index, arm), reached == Some(false));
                }
                None
            }
            _ => {
                for arm in arms {
                    self.chain(key(arm), groups, succeeds);
                }
                None
            }
        }
    }

    /// Walks a list: which of its members are left out, and how it ends.
    fn chain(
        &mut self,
        key: Key,
        groups: &[Option<bool>],
        succeeds: &dyn Fn(&Command) -> Option<bool>,
    ) -> Option<bool> {
        let elements = self.levels.get(&key).cloned().unwrap_or_default();
        let mut status = None;
        let mut first = true;
        for pipeline in elements.chunk_by(|a, b| a.pipeline == b.pipeline) {
            let Some(head) = pipeline.first() else { continue };
            let own = match pipeline {
                [only] => {
                    let own = match only.held {
                        Held::Command(index) => self.commands.get(index).and_then(succeeds),
                        Held::Group(index) => groups.get(index).copied().flatten(),
                    };
                    if only.negated { not(own) } else { own }
                }
                _ => None,
            };
            let before = if std::mem::take(&mut first) { Separator::Start } else { head.before };
            let reached = match before {
                Separator::And => status,
                Separator::Or => not(status),
                _ => Some(true),
            };
            if reached == Some(false) {
                for element in pipeline {
                    let slot = match element.held {
                        Held::Command(index) => self.commands_left_out.get_mut(index),
                        Held::Group(index) => self.groups_left_out.get_mut(index),
                    };
                    if let Some(slot) = slot {
                        *slot = true;
                    }
                }
            }
            status = match before {
                Separator::And => and(status, own),
                Separator::Or => not(and(not(status), not(own))),
                _ => own,
            };
        }
        self.statuses.insert(key, status);
        status
    }

    /// Whether a command, or anything around it, is left out.
    fn is_closed(&self, index: usize) -> bool {
        let mut command = Some(index);
        for _ in 0..WALK {
            let Some(at) = command else { return false };
            let Some(found) = self.commands.get(at) else { return false };
            if self.commands_left_out.get(at).copied().unwrap_or_default() {
                return true;
            }
            let (mut group, mut arm) = (found.group, found.arm);
            for _ in 0..WALK {
                let Some(around) = group else { break };
                if self.closed.get(&(around, arm)).copied().unwrap_or_default()
                    || self.groups_left_out.get(around).copied().unwrap_or_default()
                {
                    return true;
                }
                let Some(outer) = self.script.groups.get(around) else { break };
                (group, arm) = (outer.parent, outer.arm);
            }
            command = found.parent;
        }
        false
    }
}

fn not(value: Option<bool>) -> Option<bool> {
    value.map(|value| !value)
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// What is known of reaching a part from whether it is closed.
fn not_closed(closed: Option<bool>) -> Option<bool> {
    (closed == Some(true)).then_some(false).or(Some(true))
}
