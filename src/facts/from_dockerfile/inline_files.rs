//! Files that the Dockerfile itself writes: COPY with a heredoc, and text that a RUN redirects into a file. They matter
//! where the container starts with them; everywhere else such text is data.

use super::context_files::absolute;
use super::executed::Executed;
use super::exports::lines;
use super::steps::Workdirs;
use super::{Extraction, copies};
use crate::dockerfile::LogicalText;
use crate::dockerfile::shell::tools::files::{FileWrite, writes};
use crate::facts::{CommandRole, StageId};
use crate::span::Span;

/// Text that goes into a file.
struct Piece {
    stage: StageId,
    instruction: usize,
    path: String,
    /// The target as written: pieces of one redirected group share it.
    target: Span,
    append: bool,
    text: LogicalText,
}

/// All such files of a Dockerfile.
pub(super) struct InlineFiles(Vec<Piece>);

impl InlineFiles {
    /// Collects them, in order of the file.
    pub fn new(cx: &Extraction<'_>, dirs: &Workdirs, texts: &[Executed]) -> Self {
        let mut found = Vec::new();
        // Without anything that starts in the container nobody asks.
        if texts.iter().any(|text| !text.at_build()) {
            copied(cx, dirs, &mut found);
            for executed in texts.iter().filter(|text| text.role == CommandRole::Run) {
                written(cx, dirs, executed, &mut found);
            }
            found.sort_by_key(|piece| piece.instruction);
        }
        Self(found)
    }

    /// What the file at an absolute path holds at the end of a stage; `None` when the Dockerfile does not write it.
    pub fn at(&self, cx: &Extraction<'_>, stage: StageId, path: &str) -> Option<LogicalText> {
        if self.0.is_empty() || !cx.spend(self.0.len()) {
            return None;
        }
        let lineage = cx.graph.lineage(stage.0);
        let mut text = LogicalText::default();
        let mut last = None;
        for piece in self.0.iter().filter(|piece| piece.path == path && lineage.contains(&piece.stage.0)) {
            let same =
                last.replace((piece.instruction, piece.target)) == Some((piece.instruction, piece.target));
            if !piece.append && !same {
                text = LogicalText::default();
            }
            text.push_part(&piece.text, 0..piece.text.text.len());
        }
        (!text.text.is_empty()).then_some(text)
    }
}

fn copied(cx: &Extraction<'_>, dirs: &Workdirs, found: &mut Vec<Piece>) {
    for file in copies::heredocs(cx) {
        found.push(Piece {
            stage: file.stage,
            instruction: file.instruction,
            path: absolute(dirs.at(file.stage, file.instruction), &file.path),
            target: Span::default(),
            append: false,
            text: file.text.clone(),
        });
    }
}

fn written(cx: &Extraction<'_>, dirs: &Workdirs, executed: &Executed, found: &mut Vec<Piece>) {
    // A trigger runs in another order than it is written.
    if cx.position(executed.stage.0, executed.instruction) != executed.instruction {
        return;
    }
    for write in writes(&executed.script) {
        let Some(target) = write.target.literal() else { continue };
        let text = printed(executed, &write);
        found.push(Piece {
            stage: executed.stage,
            instruction: executed.instruction,
            path: absolute(dirs.at(executed.stage, executed.instruction), target),
            target: write.target.span,
            append: write.append,
            text,
        });
    }
}

/// The text that a command prints, line by line.
fn printed(executed: &Executed, write: &FileWrite) -> LogicalText {
    let echo = executed
        .script
        .commands
        .get(write.command)
        .and_then(|command| command.program())
        .is_some_and(|program| program.name == "echo");
    let mut text = LogicalText::default();
    let mut end = None;
    for word in &write.text {
        for (number, line) in lines(word, write.escapes).into_iter().enumerate() {
            let Some((_, place)) = executed.part_origin(word, line.start..line.end).as_file() else {
                continue;
            };
            if let Some(end) = end {
                // The words of one echo stand on one line.
                text.push_bytes(if echo && number == 0 { b" " } else { b"\n" }, end);
            }
            let part = word.text.get(line.start..line.end).unwrap_or_default();
            text.push_bytes(part.as_bytes(), place.start);
            end = Some(place.end);
        }
    }
    if let Some(end) = end {
        text.push_bytes(b"\n", end);
    }
    text
}
