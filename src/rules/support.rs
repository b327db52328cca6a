//! What several rules share: finding the ENV in force, and edits that keep the author's formatting.

use crate::facts::{BaseKind, Command, EnvSet, Facts, Flavour, GpuPayload, Origin, PayloadKind, StageId};
use crate::span::Span;

/// The ENV of the final lineage that sets `name` last; `None` when only the base image (or nobody) sets it.
pub(super) fn effective_set<'a>(facts: &'a Facts, name: &str) -> Option<&'a EnvSet> {
    let lineage = &facts.target_stage()?.lineage;
    lineage
        .iter()
        .rev()
        .find_map(|stage| facts.env_sets.iter().rev().find(|set| set.stage == *stage && set.name == name))
}

/// Where a finding about a variable goes: the ENV that sets it, else its config key, else `otherwise`.
pub(super) fn variable_origin<'a>(facts: &'a Facts, name: &str, otherwise: &'a Origin) -> &'a Origin {
    if let Some(set) = effective_set(facts, name) {
        return &set.origin;
    }
    match facts.final_env().and_then(|env| env.get(name)) {
        Some(var) if matches!(var.origin, Origin::Config { .. }) => &var.origin,
        _ => otherwise,
    }
}

/// The written bytes at an origin.
pub(super) fn written<'a>(facts: &'a Facts, origin: &Origin) -> Option<&'a [u8]> {
    let (file, span) = origin.as_file()?;
    facts.sources.get(file.0).map(|source| span.slice(&source.bytes))
}

/// An edit that gives `set` a new value, in the quotes that the old one has. `None` when the old value is not written
/// out literally (it refers to variables), so that replacing it would lose something.
pub(super) fn replace_value(facts: &Facts, set: &EnvSet, value: &str) -> Option<(Origin, String)> {
    let old = written(facts, &set.value_origin)?;
    if set.value.as_deref() != Some(set.raw.as_str()) || old.contains(&b'$') {
        return None;
    }
    let replacement = match old.first() {
        Some(quote @ (b'"' | b'\'')) if old.len() >= 2 && old.last() == Some(quote) => {
            let quote = char::from(*quote);
            format!("{quote}{value}{quote}")
        }
        _ if value.contains([' ', '\t']) => format!("\"{value}\""),
        _ => value.to_owned(),
    };
    Some((set.value_origin.clone(), replacement))
}

/// An edit that inserts an instruction line directly after the FROM of `stage`.
pub(super) fn insert_after_from(facts: &Facts, stage: StageId, line: &str) -> Option<(Origin, String)> {
    let stage = facts.stage(stage)?;
    let (file, _) = stage.from.as_file()?;
    let at = stage.after_from?;
    let bytes = &facts.sources.get(file.0)?.bytes;
    let needs_break = at > 0 && bytes.get(at - 1) != Some(&b'\n');
    let text = if needs_break { format!("\n{line}\n") } else { format!("{line}\n") };
    Some((Origin::file(file, Span::new(at, at)), text))
}

/// An edit that deletes the whole lines of an instruction, its line end included.
pub(super) fn delete_lines(facts: &Facts, instruction: &Origin) -> Option<(Origin, String)> {
    let (file, span) = instruction.as_file()?;
    let bytes = &facts.sources.get(file.0)?.bytes;
    let before = bytes.get(..span.start)?;
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let after = bytes.get(span.end..)?;
    let end = memchr::memchr(b'\n', after).map_or(bytes.len(), |at| span.end + at + 1);
    Some((Origin::file(file, Span::new(start, end)), String::new()))
}

/// An edit that deletes one `NAME=value` of an ENV, or the whole instruction when it is the only one.
pub(super) fn delete_assignment(facts: &Facts, set: &EnvSet) -> Option<(Origin, String)> {
    let alone = facts.env_sets.iter().filter(|other| other.instruction == set.instruction).count() == 1;
    if alone {
        return delete_lines(facts, &set.instruction);
    }
    let (file, span) = set.origin.as_file()?;
    let (_, instruction) = set.instruction.as_file()?;
    let bytes = &facts.sources.get(file.0)?.bytes;
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let mut end = span.end;
    while end < instruction.end && blank(bytes.get(end)) {
        end += 1;
    }
    let at_line_end = end >= instruction.end || matches!(bytes.get(end), Some(b'\n' | b'\r'));
    let mut start = span.start;
    if at_line_end {
        end = span.end;
        while start > instruction.start && blank(start.checked_sub(1).and_then(|at| bytes.get(at))) {
            start -= 1;
        }
    }
    Some((Origin::file(file, Span::new(start, end)), String::new()))
}

/// The strongest sign that the shipped image runs CUDA code: anything but environment variables and the `-base` flavour,
/// which holds nothing that exporters and other tools need not also have.
pub(super) fn cuda_payload(facts: &Facts) -> Option<&GpuPayload> {
    facts.payload.iter().filter(|payload| facts.is_shipped(payload.stage)).find(|payload| {
        match payload.kind {
            PayloadKind::Environment => false,
            PayloadKind::Base => facts.base_of(payload.stage).is_some_and(|base| {
                base.kind != BaseKind::Cuda || base.flavour.is_some_and(|flavour| flavour != Flavour::Base)
            }),
            PayloadKind::SystemPackage
            | PayloadKind::Copied
            | PayloadKind::Wheel
            | PayloadKind::Conda
            | PayloadKind::Elf
            | PayloadKind::Installer => true,
        }
    })
}

/// An edit that deletes a word and the blanks before it; a word alone on its continued line takes the line with it.
pub(super) fn delete_word(facts: &Facts, word: &Origin) -> Option<(Origin, String)> {
    let (file, span) = word.as_file()?;
    let bytes = &facts.sources.get(file.0)?.bytes;
    let blank = |at: usize| matches!(bytes.get(at), Some(b' ' | b'\t'));
    let mut start = span.start;
    while start > 0 && blank(start - 1) {
        start -= 1;
    }
    let begins_line = start == 0 || bytes.get(start - 1) == Some(&b'\n');
    let mut end = span.end;
    while blank(end) {
        end += 1;
    }
    let continued = bytes.get(end) == Some(&b'\\') && bytes.get(end + 1) == Some(&b'\n');
    let span = if begins_line && continued { Span::new(start, end + 2) } else { Span::new(start, span.end) };
    Some((Origin::file(file, span), String::new()))
}

/// Whether a word of the command contains `text`.
pub(super) fn mentions(command: &Command, text: &str) -> bool {
    command.args.iter().any(|word| word.text.as_deref().unwrap_or(&word.raw).contains(text))
}

/// An edit that deletes one element of a colon-separated list with one of its colons. An element that is the whole value
/// is not deleted: an empty value would mean something else.
pub(super) fn delete_path_element(facts: &Facts, element: &Origin) -> Option<(Origin, String)> {
    let (file, span) = element.as_file()?;
    let bytes = &facts.sources.get(file.0)?.bytes;
    let span = if bytes.get(span.end) == Some(&b':') {
        Span::new(span.start, span.end + 1)
    } else if span.start > 0 && bytes.get(span.start - 1) == Some(&b':') {
        Span::new(span.start - 1, span.end)
    } else {
        return None;
    };
    Some((Origin::file(file, span), String::new()))
}
