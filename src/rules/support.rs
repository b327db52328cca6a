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

/// An edit that deletes one `NAME=value` of an ENV, or the whole instruction when it is the only one. What stands
/// between it and its neighbour (blanks, a continued line) goes with it.
pub(super) fn delete_assignment(facts: &Facts, set: &EnvSet) -> Option<(Origin, String)> {
    let (file, span) = set.origin.as_file()?;
    let mut before = None;
    let mut after: Option<Span> = None;
    for other in facts.env_sets.iter().filter(|other| other.instruction == set.instruction) {
        let (_, other) = other.origin.as_file()?;
        if other.end <= span.start {
            before = before.max(Some(other.end));
        } else if other.start >= span.end {
            after = Some(after.map_or(other, |after| if after.start < other.start { after } else { other }));
        }
    }
    let span = match (before, after) {
        (Some(before), _) => Span::new(before, span.end),
        (None, Some(after)) => Span::new(span.start, after.start),
        (None, None) => return delete_lines(facts, &set.instruction),
    };
    Some((Origin::file(file, span), String::new()))
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

/// An edit that deletes a word and the blanks before it; a word alone on its line takes the line with it. `None` where
/// that would leave a line continued into nothing.
pub(super) fn delete_word(facts: &Facts, word: &Origin) -> Option<(Origin, String)> {
    let (file, span) = word.as_file()?;
    let bytes = &facts.sources.get(file.0)?.bytes;
    let head = bytes.get(..span.start)?;
    let blanks = |text: &[u8]| text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let kept = without_blanks_at_end(head);
    let Some(line_before) = without_line_end(kept) else {
        return Some((Origin::file(file, Span::new(kept.len(), span.end)), String::new()));
    };
    let tail = bytes.get(span.end..)?;
    let gap = blanks(tail);
    let rest = tail.get(gap..)?;
    let continued = rest.strip_prefix(b"\\").and_then(|rest| {
        let end = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        (end > 0).then_some(1 + end)
    });
    if let Some(end) = continued {
        return Some((Origin::file(file, Span::new(kept.len(), span.end + gap + end)), String::new()));
    }
    let ends_line = rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n");
    if !ends_line {
        return Some((Origin::file(file, Span::new(span.start, span.end + gap)), String::new()));
    }
    // The last line of the instruction: the line before it must no longer be continued.
    let start = without_blanks_at_end(line_before.strip_suffix(b"\\")?).len();
    Some((Origin::file(file, Span::new(start, span.end)), String::new()))
}

fn without_blanks_at_end(text: &[u8]) -> &[u8] {
    let blanks = text.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(..text.len() - blanks).unwrap_or_default()
}

/// The text before the line feed that ends it; `None` when it does not end in one.
fn without_line_end(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_suffix(b"\n")?;
    Some(text.strip_suffix(b"\r").unwrap_or(text))
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

/// Whether a command is a shell that reads start-up files (a login or interactive one), or reads one itself.
pub(super) fn reads_startup_files(command: &Command) -> bool {
    match command.program.as_deref() {
        Some("bash" | "sh" | "zsh" | "dash" | "ash" | "fish") => {
            let options = command.args.iter().take_while(|word| word.raw.starts_with(['-', '+']));
            command.args.is_empty()
                || options.into_iter().any(|word| match word.raw.strip_prefix("--") {
                    Some(long) => long == "login" || long == "interactive" || long == "rcfile",
                    None => word.raw.contains(['l', 'i']),
                })
        }
        Some("." | "source") => ["rc", "profile"].iter().any(|name| mentions(command, name)),
        _ => false,
    }
}
