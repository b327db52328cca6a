//! ENV: every assignment with the value before it and where its parts came from.

use std::collections::{HashMap, HashSet};

use super::{Extraction, base_env};
use crate::dockerfile::stages::{Assignment, AssignmentKind, Base};
use crate::dockerfile::{Lookup, OriginKind, Value};
use crate::facts::{EnvSet, Facts, Origin, StageId};

/// Variables whose value hangs on a variable that only the base image knows, although the stage graph, which takes what
/// the tables do not list as unset, has a text for it.
#[derive(Debug, Default)]
pub(super) struct Unsure {
    /// Instruction and name of the assignments.
    assignments: HashSet<(usize, String)>,
    /// What each stage adds.
    stages: Vec<UnsureStage>,
}

/// Names that are unsure at some place of a stage, and the stage it stands on, which is an earlier one.
#[derive(Debug)]
struct UnsureStage {
    names: HashSet<String>,
    parent: Option<usize>,
}

impl Unsure {
    /// Follows all assignments in order.
    pub fn new(cx: &Extraction<'_>) -> Self {
        let mut out = Self::default();
        // For each stage, names with whether the last assignment of them is unsure.
        let mut ends: Vec<HashMap<&str, bool>> = Vec::new();
        for stage in &cx.graph.stages {
            let lineage = cx.graph.lineage(stage.index);
            let mut state: HashMap<&str, bool> = HashMap::new();
            let mut names = HashSet::new();
            for assignment in &stage.assignments {
                let (Some(raw), Some(_)) = (&assignment.raw, &assignment.value) else { continue };
                let hangs = references(&raw.value).iter().any(|name| {
                    let below = lineage.iter().rev().filter_map(|index| ends.get(*index));
                    let known = state.get(*name).or_else(|| below.filter_map(|end| end.get(*name)).next());
                    known.copied().unwrap_or_else(|| {
                        base_env::may_set(cx, stage.index, name)
                            && !is_declared(cx, stage.index, name, assignment)
                    })
                });
                if hangs {
                    out.assignments.insert((assignment.instruction, assignment.name.value.clone()));
                    names.insert(assignment.name.value.clone());
                }
                state.insert(&assignment.name.value, hangs);
            }
            let parent = match stage.base {
                Base::Stage(parent) => Some(parent),
                _ => None,
            };
            out.stages.push(UnsureStage { names, parent });
            ends.push(state);
        }
        out
    }

    /// Whether a name is unsure somewhere in a stage or in one that it stands on.
    pub fn name(&self, stage: usize, name: &str) -> bool {
        if self.assignments.is_empty() {
            return false;
        }
        let mut next = self.stages.get(stage);
        while let Some(found) = next {
            if found.names.contains(name) {
                return true;
            }
            next = found.parent.and_then(|parent| self.stages.get(parent));
        }
        false
    }

    fn assignment(&self, assignment: &Assignment) -> bool {
        !self.assignments.is_empty()
            && self.assignments.contains(&(assignment.instruction, assignment.name.value.clone()))
    }
}

/// Whether something of the file or the table gives the name a value before an assignment.
fn is_declared(cx: &Extraction<'_>, stage: usize, name: &str, assignment: &Assignment) -> bool {
    !matches!(cx.graph.scope(stage, assignment.position).get(name), Lookup::Unset)
}

/// Names that `$NAME` and `${NAME…}` refer to in a text.
pub(super) fn references(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        let body = after.strip_prefix('{').unwrap_or(after);
        let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        if let Some(name) = body.get(..end).filter(|name| !name.is_empty()) {
            out.push(name);
        }
        rest = after;
    }
    out
}

/// Fills [`Facts::env_sets`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    for stage in &cx.graph.stages {
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (number, assignment) in stage.assignments.iter().enumerate() {
            if assignment.kind == AssignmentKind::Env {
                last.insert(assignment.name.value.as_str(), number);
            }
        }
        for (number, assignment) in stage.assignments.iter().enumerate() {
            if assignment.kind != AssignmentKind::Env {
                continue;
            }
            let (Some(raw), Some(result)) = (&assignment.raw, &assignment.value) else { continue };
            let name = &assignment.name.value;
            let (previous, previous_from_base) = previous(cx, stage.index, assignment);
            facts.env_sets.push(EnvSet {
                stage: StageId(stage.index),
                name: name.clone(),
                raw: unquoted(&raw.value, cx.tree.escape),
                value: value(cx, assignment),
                previous,
                previous_from_base,
                references_self: assignment.self_reference,
                references_self_conditionally: assignment.self_reference
                    && [":+", "+"].iter().any(|op| raw.value.contains(&format!("${{{name}{op}"))),
                args: super::stages::args(result),
                origin: pair_origin(cx, assignment),
                value_origin: cx.origin(raw.span),
                instruction: instruction_origin(cx, assignment),
                effective: last.get(name.as_str()) == Some(&number),
            });
        }
    }
}

/// The value that an assignment gives, where it is known.
pub(super) fn value(cx: &Extraction<'_>, assignment: &Assignment) -> Option<String> {
    if cx.unsure.assignment(assignment) {
        return None;
    }
    assignment.value.as_ref()?.as_str().map(str::to_owned)
}

/// The place of `NAME=value`.
pub(super) fn pair_origin(cx: &Extraction<'_>, assignment: &Assignment) -> Origin {
    let name = assignment.name.span;
    cx.origin(assignment.raw.as_ref().map_or(name, |raw| name.cover(raw.span)))
}

fn instruction_origin(cx: &Extraction<'_>, assignment: &Assignment) -> Origin {
    let instruction = cx.tree.effective(assignment.instruction);
    instruction.map_or_else(|| pair_origin(cx, assignment), |instruction| cx.origin(instruction.span))
}

/// The value of the environment before an assignment, and whether the base image set it.
fn previous(cx: &Extraction<'_>, stage: usize, assignment: &Assignment) -> (Option<Option<String>>, bool) {
    let name = &assignment.name.value;
    match cx.graph.scope(stage, assignment.position).image(name) {
        Lookup::Set(value) => {
            let from_base = is_base_value(&value);
            let known =
                value.as_str().map(str::to_owned).filter(|_| from_base || !cx.unsure.name(stage, name));
            (Some(known), from_base)
        }
        Lookup::Unset if base_env::may_set(cx, stage, name) => (Some(None), true),
        Lookup::Unset => (None, false),
        Lookup::ArgWithoutValue(_) | Lookup::MaybeInBase => (Some(None), true),
    }
}

fn is_base_value(value: &Value) -> bool {
    !value.origins.is_empty() && value.origins.iter().all(|origin| origin.kind == OriginKind::BaseEnv)
}

/// A value as written with quotes and escapes taken off; references stay as they are.
fn unquoted(raw: &str, escape: char) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut quote = None;
    let mut chars = raw.chars().peekable();
    while let Some(ch) = chars.next() {
        match (quote, ch) {
            (None, '\'' | '"') => quote = Some(ch),
            (Some(open), ch) if open == ch => quote = None,
            (None, ch) if ch == escape => out.extend(chars.next()),
            (Some('"'), ch)
                if ch == escape && chars.peek().is_some_and(|next| matches!(next, '"' | '$' | '\\')) =>
            {
                out.extend(chars.next());
            }
            (_, ch) => out.push(ch),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};

    const DRIVER: &str = "/usr/local/nvidia/lib:/usr/local/nvidia/lib64";

    #[test]
    fn values_are_folded_over_the_base() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nENV LD_LIBRARY_PATH=\"/opt/lib:${LD_LIBRARY_PATH}\" A='b c'\nENV LD_LIBRARY_PATH=/x\n",
        );
        let [first, second, third] = facts.env_sets.as_slice() else { panic!("three") };
        assert_eq!(first.value.as_deref(), Some(&*format!("/opt/lib:{DRIVER}")));
        assert_eq!(first.previous, Some(Some(DRIVER.to_owned())));
        assert!(first.previous_from_base && first.references_self && !first.effective);
        assert_eq!(first.raw, "/opt/lib:${LD_LIBRARY_PATH}");
        assert_eq!(at(&facts, &first.origin), "LD_LIBRARY_PATH=\"/opt/lib:${LD_LIBRARY_PATH}\"");
        assert_eq!(at(&facts, &first.value_origin), "\"/opt/lib:${LD_LIBRARY_PATH}\"");
        assert_eq!((second.value.as_deref(), second.raw.as_str()), (Some("b c"), "b c"));
        assert!(third.effective && !third.previous_from_base && !third.references_self);
        let env = facts.final_env().unwrap();
        assert!(env.base_known);
        assert_eq!(env.value("LD_LIBRARY_PATH"), Some("/x"));
        assert_eq!(env.value("NVIDIA_VISIBLE_DEVICES"), Some("all"));
        assert!(env.value("NVIDIA_REQUIRE_CUDA").unwrap().starts_with("cuda>=12.4 "));
        assert!(env.is_unset("NVIDIA_DISABLE_REQUIRE"));
    }

    #[test]
    fn plain_bases_have_nothing_set() {
        let facts = facts(
            "FROM python:3.12-slim\nENV LD_LIBRARY_PATH=/a:$LD_LIBRARY_PATH\nENV P=$PYTHON_VERSION Q=${P}x\n",
        );
        let [path, version, derived] = facts.env_sets.as_slice() else { panic!("three") };
        assert_eq!((path.value.as_deref(), &path.previous), (Some("/a:"), &None));
        // The image sets PYTHON_VERSION, to what nobody here knows.
        assert_eq!((&version.value, &derived.value), (&None, &None));
    }

    #[test]
    fn unknown_bases_leave_values_open() {
        let facts = facts("FROM example.com/x:1\nENV LD_LIBRARY_PATH=/a:$LD_LIBRARY_PATH B=1\n");
        let [path, other] = facts.env_sets.as_slice() else { panic!("two") };
        assert_eq!((&path.value, &path.previous), (&None, &Some(None)));
        assert_eq!(other.value.as_deref(), Some("1"));
        assert!(!facts.final_env().unwrap().is_unset("NVIDIA_VISIBLE_DEVICES"));
    }

    #[test]
    fn conditional_references_and_args_are_told() {
        let facts = facts(
            "FROM debian:12\nARG CAPS=video\nENV NVIDIA_DRIVER_CAPABILITIES=${NVIDIA_DRIVER_CAPABILITIES:+$NVIDIA_DRIVER_CAPABILITIES,}$CAPS\n",
        );
        let set = &facts.env_sets[0];
        assert!(set.references_self && set.references_self_conditionally);
        assert_eq!(
            (set.value.as_deref(), set.args.as_slice()),
            (Some("video"), ["CAPS".to_owned()].as_slice())
        );
    }

    #[test]
    fn pytorch_images_are_known_in_part() {
        let facts = facts("FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime\nENV LD_LIBRARY_PATH=/x\n");
        assert_eq!(facts.env_sets[0].previous, Some(Some(DRIVER.to_owned())));
        let env = facts.final_env().unwrap();
        assert_eq!(env.value("NVIDIA_DRIVER_CAPABILITIES"), Some("compute,utility"));
        assert!(!env.is_unset("NVIDIA_REQUIRE_CUDA"));
    }
}
