//! An image's findings at the lines of the Dockerfile that made it (`--dockerfile`): history instructions are matched to
//! instructions of the file.

use std::sync::Arc;

use super::check::Options;
use super::dockerfile::read_bounded;
use crate::diagnostics::{FilePlace, Finding, InputOutcome, Location, Problem};
use crate::dockerfile::{Dockerfile, InstructionKind};
use crate::facts::SourceFile;
use crate::span::Span;

/// Adds places in the Dockerfile to findings about layers and the config, where the instruction is certain; the outcome
/// gets its text, or the reason why there is none.
pub(super) fn point_at_lines(
    findings: Vec<Finding>,
    outcome: &mut InputOutcome,
    options: &Options,
) -> Vec<Finding> {
    let Some(path) = &options.images.dockerfile else { return findings };
    let opened = std::fs::File::open(path).map_err(|error| error.to_string());
    let bytes = match opened.and_then(|file| read_bounded(file, options.limits.text_bytes)) {
        Ok(bytes) => bytes,
        Err(why) => {
            outcome.problems.push(Problem {
                message: format!(
                    "--dockerfile {} cannot be read: {why}; findings are shown without its lines",
                    path.display()
                ),
                help: None,
                location: None,
            });
            return findings;
        }
    };
    let source = SourceFile::new(path.to_string_lossy().replace('\\', "/"), bytes);
    let tree = Dockerfile::parse(&source.bytes, &options.limits);
    let lines = Lines { source: &source, tree: &tree };
    let findings = findings.into_iter().map(|finding| lines.locate(finding)).collect();
    outcome.sources.insert(Arc::clone(&source.name), Arc::clone(&source.bytes));
    findings
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
        FilePlace::new(&self.source.name, &self.source.bytes, &self.source.lines, span)
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
