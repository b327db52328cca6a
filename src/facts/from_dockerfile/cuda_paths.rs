//! Mentions of versioned CUDA folders: `/usr/local/cuda-12.4`.

use std::collections::HashSet;
use std::ops::Range;
use std::str::FromStr;

use super::Extraction;
use super::executed::{Executed, Resolved};
use crate::compat::CudaVersion;
use crate::dockerfile::shell::tools::FileVerb;
use crate::dockerfile::shell::{Action, Separator, Word as ShellWord};
use crate::facts::{CopyFrom, CudaPath, Facts, Origin, StageId};
use crate::span::Span;

const PREFIX: &str = "/usr/local/cuda-";
/// How far the command before is looked for.
const WALK: usize = 16;

/// A versioned folder in a text.
struct Mention {
    version: CudaVersion,
    range: Range<usize>,
}

/// The folders that a text names, each with its path as far as it goes.
fn mentions(text: &str) -> Vec<Mention> {
    text.match_indices(PREFIX)
        .filter_map(|(at, _)| {
            let rest = text.get(at + PREFIX.len()..)?;
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number = rest.get(..digits)?.trim_end_matches('.');
            let version = number.contains('.').then(|| CudaVersion::from_str(number).ok())??;
            let end = rest
                .find(|c: char| {
                    c.is_whitespace() || matches!(c, ':' | ';' | ',' | '"' | '\'' | '$' | ')' | '}' | '`')
                })
                .unwrap_or(rest.len());
            Some(Mention { version, range: at..at + PREFIX.len() + end })
        })
        .collect()
}

/// Fills [`Facts::cuda_paths`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut found = Vec::new();
    in_env(facts, &mut found);
    in_copies(facts, &mut found);
    for executed in &cx.executed {
        in_commands(executed, &mut found);
    }
    let mut seen: HashSet<(Origin, CudaVersion)> = HashSet::new();
    found.retain(|path| seen.insert((path.origin.clone(), path.version)));
    facts.cuda_paths = found;
}

/// Looks at what is written, so that inherited parts of a value are not told again; at the value where variables take part.
fn in_env(facts: &Facts, found: &mut Vec<CudaPath>) {
    for set in &facts.env_sets {
        let Some((file, span)) = set.value_origin.as_file() else { continue };
        let Some(source) = facts.sources.get(file.0) else { continue };
        let written = std::str::from_utf8(span.slice(&source.bytes)).unwrap_or_default();
        let in_written = mentions(written);
        let mut push = |mention: &Mention, text: &str, origin: Origin| {
            found.push(path(set.stage, mention, text, Some(set.stage), false, origin));
        };
        for mention in &in_written {
            let place = Span::new(span.start + mention.range.start, span.start + mention.range.end);
            push(mention, written, Origin::file(file, place));
        }
        // `/usr/local/cuda-${V}` with a known V; what the old value had is left out.
        if written.contains("cuda-$")
            && let Some(value) = &set.value
        {
            let old = set.previous.clone().flatten().unwrap_or_default();
            for mention in mentions(value) {
                let text = value.get(mention.range.clone()).unwrap_or_default();
                if !old.contains(text) && !written.contains(text) {
                    push(&mention, value, set.value_origin.clone());
                }
            }
        }
    }
}

fn in_copies(facts: &Facts, found: &mut Vec<CudaPath>) {
    for copy in &facts.copies {
        let in_stage = match &copy.from {
            CopyFrom::Stage(stage) => Some(*stage),
            CopyFrom::Image(_) => None,
            // Folders of the build context are none of the image.
            CopyFrom::Context | CopyFrom::Unknown(_) => continue,
        };
        for word in &copy.sources {
            let Some(text) = word.text.as_deref() else { continue };
            for mention in mentions(text) {
                found.push(path(copy.stage, &mention, text, in_stage, false, word.origin.clone()));
            }
        }
    }
}

fn in_commands(executed: &Executed, found: &mut Vec<CudaPath>) {
    for resolved in &executed.commands {
        let Some(program) = resolved.command.program() else { continue };
        // Printed text is data.
        if matches!(resolved.action, Action::Text) || matches!(program.name, "test" | "[" | "[[" | "mkdir") {
            continue;
        }
        let guarded = is_guarded(executed, resolved);
        for word in &resolved.command.words {
            for mention in mentions(&word.text) {
                let made = guarded || makes(resolved, word);
                let origin = executed.part_origin(word, mention.range.clone());
                found.push(path(executed.stage, &mention, &word.text, Some(executed.stage), made, origin));
            }
        }
    }
}

fn path(
    stage: StageId,
    mention: &Mention,
    text: &str,
    in_stage: Option<StageId>,
    guarded: bool,
    origin: Origin,
) -> CudaPath {
    CudaPath {
        stage,
        version: mention.version,
        path: text.get(mention.range.clone()).unwrap_or_default().into(),
        in_stage,
        guarded,
        origin,
    }
}

/// Whether the command runs only under a condition, or behind a test in the same `&&` list.
fn is_guarded(executed: &Executed, resolved: &Resolved) -> bool {
    let command = &resolved.command;
    if command.context.branch || command.context.condition || resolved.failure_ignored {
        return true;
    }
    let before = executed.script.commands.get(..resolved.index).unwrap_or_default();
    let mut separator = command.separator_before;
    for earlier in before.iter().rev().take(WALK) {
        if separator != Separator::And {
            return false;
        }
        if earlier.group != command.group || earlier.parent != command.parent {
            continue;
        }
        if earlier.program().is_some_and(|program| matches!(program.name, "test" | "[" | "[[")) {
            return true;
        }
        separator = earlier.separator_before;
    }
    false
}

/// Whether the command makes the folder, or takes it away, instead of using what is in it.
fn makes(resolved: &Resolved, word: &ShellWord) -> bool {
    match &resolved.action {
        Action::Files(operation) => match operation.verb {
            FileVerb::Remove | FileVerb::MakeDirectory | FileVerb::Touch => true,
            FileVerb::Link | FileVerb::Copy | FileVerb::Move | FileVerb::Install => {
                operation.destination.as_ref() == Some(word)
            }
        },
        Action::Runfile { .. } | Action::Archive(_) | Action::GitClone(_) | Action::Download(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};

    #[test]
    fn uses_of_versioned_folders_are_found() {
        let facts = facts(
            "FROM nvidia/cuda:12.6.3-devel-ubuntu22.04 AS build\nARG V=12.1\nENV PATH=/usr/local/cuda-12.4/bin:${PATH} CUDA_HOME=/usr/local/cuda-$V\nRUN /usr/local/cuda-11.8/bin/nvcc -o a a.cu\nRUN [ -d /usr/local/cuda-11.7 ] && ls /usr/local/cuda-11.7/lib64\nRUN mkdir /usr/local/cuda-10.2 && sh cuda_11.0.run --toolkitpath=/usr/local/cuda-11.0\nRUN echo /usr/local/cuda-9.2/lib64 > /x\nFROM debian:12\nCOPY --from=build /usr/local/cuda-12.6/lib64/libcudart.so.12 /usr/local/cuda-12.6 /opt/\n",
        );
        let found: Vec<_> = facts
            .cuda_paths
            .iter()
            .map(|p| {
                (p.version.to_string(), &*p.path, p.in_stage.map(|s| s.0), p.guarded, at(&facts, &p.origin))
            })
            .collect();
        let bin = "/usr/local/cuda-12.4/bin";
        let nvcc = "/usr/local/cuda-11.8/bin/nvcc";
        let lib = "/usr/local/cuda-11.7/lib64";
        let cudart = "/usr/local/cuda-12.6/lib64/libcudart.so.12";
        assert_eq!(
            found,
            [
                ("12.4".to_owned(), bin, Some(0), false, bin),
                ("12.1".to_owned(), "/usr/local/cuda-12.1", Some(0), false, "/usr/local/cuda-$V"),
                ("12.6".to_owned(), cudart, Some(0), false, cudart),
                ("12.6".to_owned(), "/usr/local/cuda-12.6", Some(0), false, "/usr/local/cuda-12.6"),
                ("11.8".to_owned(), nvcc, Some(0), false, nvcc),
                ("11.7".to_owned(), lib, Some(0), true, lib),
                ("11.0".to_owned(), "/usr/local/cuda-11.0", Some(0), true, "/usr/local/cuda-11.0"),
            ]
        );
    }
}
