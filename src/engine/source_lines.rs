//! An image's findings at the lines of the Dockerfile that made it (`--dockerfile`): history instructions are matched to
//! instructions of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::Options;
use crate::diagnostics::{FilePlace, Finding, Location};
use crate::dockerfile::{Dockerfile, InstructionKind};
use crate::facts::SourceFile;
use crate::span::Span;

/// Texts for excerpts, by name.
type Sources = BTreeMap<Arc<str>, Arc<[u8]>>;

/// Adds places in the Dockerfile to findings about layers and the config, where the instruction is certain.
pub(super) fn point_at_lines(findings: Vec<Finding>, options: &Options) -> (Vec<Finding>, Sources) {
    let Some(path) = &options.images.dockerfile else { return (findings, Sources::new()) };
    let Ok(bytes) = std::fs::read(path) else {
        log::warn!("{} cannot be read; findings are shown without its lines", path.display());
        return (findings, Sources::new());
    };
    let source = SourceFile::new(path.to_string_lossy().replace('\\', "/"), bytes);
    let tree = Dockerfile::parse(&source.bytes, &options.limits);
    let lines = Lines { source: &source, tree: &tree };
    let findings = findings.into_iter().map(|finding| lines.locate(finding)).collect();
    (findings, Sources::from([(Arc::clone(&source.name), Arc::clone(&source.bytes))]))
}

struct Lines<'a> {
    source: &'a SourceFile,
    tree: &'a Dockerfile,
}

impl Lines<'_> {
    fn locate(&self, mut finding: Finding) -> Finding {
        match &mut finding.location {
            Location::Layer { created_by, place, .. } => {
                *place = created_by
                    .as_deref()
                    .and_then(|text| self.instruction(text))
                    .map(|span| self.place(span));
            }
            Location::Config { key, place } => {
                *place = key
                    .strip_prefix("Env.")
                    .and_then(|name| self.assignment(name))
                    .map(|span| self.place(span));
            }
            Location::File(_) => {}
        }
        finding
    }

    fn place(&self, span: Span) -> FilePlace {
        FilePlace {
            file: Arc::clone(&self.source.name),
            span,
            start: self.source.lines.line_column(&self.source.bytes, span.start),
            end: self.source.lines.line_column(&self.source.bytes, span.end),
        }
    }

    /// The one instruction whose text the history entry repeats; `None` when none or several do.
    fn instruction(&self, created_by: &str) -> Option<Span> {
        let wanted = essence(created_by);
        if wanted.len() < 8 {
            return None;
        }
        let mut matching = self.tree.instructions.iter().filter(|instruction| {
            let text = essence(&instruction.text.text);
            text.len() >= 8 && wanted.ends_with(&text)
        });
        let (first, None) = (matching.next()?, matching.next()) else { return None };
        Some(first.span)
    }

    /// The last ENV that sets a variable.
    fn assignment(&self, name: &str) -> Option<Span> {
        self.tree.instructions.iter().rev().find_map(|instruction| match &instruction.kind {
            InstructionKind::Env(pairs) => {
                pairs.iter().rev().find(|pair| pair.key.value == name).map(|_| instruction.span)
            }
            _ => None,
        })
    }
}

/// A text without the builder's additions and without blanks and continuation: BuildKit appends `# buildkit`, the old
/// builder writes `/bin/sh -c #(nop)` in front.
fn essence(text: &str) -> String {
    let text = text.trim_end().trim_end_matches("# buildkit");
    text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect()
}
