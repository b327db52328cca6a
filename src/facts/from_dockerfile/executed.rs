//! Text that a shell (or, in exec form, the kernel) executes: scanned into commands, variables filled in, every word with
//! its place in the file.

use std::ops::Range;

use super::variables::Values;
use super::{Extraction, Problem, conditions};
use crate::dockerfile::shell::{self, Action, GroupKind, PieceKind, Script, interpret};
use crate::dockerfile::{CommandForm, Healthcheck, Instruction, InstructionKind, LogicalText};
use crate::facts::{CommandRole, FileId, Origin, StageId, Word};
use crate::span::{Span, Spanned};

/// Most copies of one command that loops over literal words make.
const LOOP_COPIES: usize = 64;
/// Most commands that loops add to one text.
const LOOP_COPIES_PER_TEXT: usize = 4_096;

/// One executed text.
pub(super) struct Executed {
    /// Stage that runs it.
    pub stage: StageId,
    /// Who runs it.
    pub role: CommandRole,
    /// Number of the instruction.
    pub instruction: usize,
    /// The file that the text is from.
    pub file: FileId,
    /// The whole instruction; for a script, the script.
    pub origin: Origin,
    /// RUN asks for a GPU device.
    pub gpu_device: bool,
    /// The folder it starts in, where that is not the stage's WORKDIR.
    pub directory: Option<String>,
    /// The text with the way back to the file.
    pub text: LogicalText,
    /// All commands as scanned, with variables filled in other than those of loops.
    pub script: Script,
    /// The commands with variables filled in; a command in a loop over known words appears once for each of them.
    pub commands: Vec<Resolved>,
}

/// A command with known variables filled in.
pub(super) struct Resolved {
    /// Its number in [`Script::commands`].
    pub index: usize,
    /// The command; spans point into [`Executed::text`].
    pub command: shell::Command,
    /// What it does.
    pub action: Action,
    /// Whether its failure does not end the instruction with an error.
    pub failure_ignored: bool,
}

/// Who runs a text, and where it comes from.
#[derive(Clone)]
pub(super) struct Runner {
    /// Stage that runs it.
    pub stage: StageId,
    /// Who runs it.
    pub role: CommandRole,
    /// Number of the instruction.
    pub instruction: usize,
    /// The file that the text is from.
    pub file: FileId,
    /// The whole instruction; for a script, the script.
    pub origin: Origin,
    /// RUN asks for a GPU device.
    pub gpu_device: bool,
    /// The shell is started with `-e`.
    pub errexit: bool,
    /// The folder it starts in, where that is not the stage's WORKDIR.
    pub directory: Option<String>,
}

impl Executed {
    /// The place of a span of [`Executed::text`].
    pub fn origin_of(&self, span: Span) -> Origin {
        Origin::file(self.file, self.text.source_span(span.start..span.end))
    }

    /// A scanned word as a fact.
    pub fn word(&self, word: &shell::Word) -> Word {
        Word {
            text: word.literal().map(str::to_owned),
            raw: word.raw.clone(),
            origin: self.origin_of(word.span),
        }
    }

    /// The place of bytes of a word's value.
    pub fn part_origin(&self, word: &shell::Word, range: Range<usize>) -> Origin {
        let span = word.map(Span::new(range.start, range.end));
        let inside = !span.is_empty() && word.span.start <= span.start && span.end <= word.span.end;
        self.origin_of(if inside { span } else { word.span })
    }

    /// The command as a place.
    pub fn command_origin(&self, command: &shell::Command) -> Origin {
        self.origin_of(command.span)
    }

    /// What is written at a span of the text.
    pub fn written(&self, span: Span) -> &str {
        self.text.get(span.start..span.end)
    }

    /// Whether the text runs while the image is built.
    pub fn at_build(&self) -> bool {
        matches!(self.role, CommandRole::Run | CommandRole::BuildScript)
    }
}

/// Scans everything that the stages execute.
pub(super) fn scan_all(cx: &Extraction<'_>, problems: &mut Vec<Problem>) -> Vec<Executed> {
    let mut out = Vec::new();
    for stage in 0..cx.graph.stages.len() {
        let mut kind = super::stages::inherited_shell(cx, stage);
        let instructions = cx.instructions_of(stage);
        let replaced = Replaced::later(cx, stage);
        let last = |is: fn(&InstructionKind) -> bool| {
            instructions.iter().rev().find(|(_, found)| is(&found.kind)).map(|(index, _)| *index)
        };
        let last_cmd = last(|kind| matches!(kind, InstructionKind::Cmd(_)));
        let last_entrypoint = last(|kind| matches!(kind, InstructionKind::Entrypoint(_)));
        let last_healthcheck = last(|kind| matches!(kind, InstructionKind::Healthcheck(_)));
        for (index, instruction) in &instructions {
            let (command, role) = match &instruction.kind {
                InstructionKind::Shell(words) => {
                    kind = super::stages::shell_kind(words);
                    continue;
                }
                InstructionKind::Run(command) => (command, CommandRole::Run),
                InstructionKind::Cmd(command) if last_cmd == Some(*index) && !replaced.cmd => {
                    (command, CommandRole::Cmd)
                }
                InstructionKind::Entrypoint(command)
                    if last_entrypoint == Some(*index) && !replaced.entrypoint =>
                {
                    (command, CommandRole::Entrypoint)
                }
                InstructionKind::Healthcheck(Healthcheck::Cmd(command))
                    if last_healthcheck == Some(*index) && !replaced.healthcheck =>
                {
                    (command, CommandRole::Healthcheck)
                }
                _ => continue,
            };
            let text = match &command.form {
                CommandForm::Shell(_) if !kind.posix => continue,
                CommandForm::Shell(range) => shell_text(cx, instruction, range.clone()),
                CommandForm::Exec(words) => exec_text(cx, words),
            };
            let runner = Runner {
                stage: StageId(stage),
                role,
                instruction: *index,
                file: cx.file,
                origin: cx.origin(instruction.span),
                gpu_device: asks_for_gpu(instruction),
                errexit: kind.errexit && matches!(command.form, CommandForm::Shell(_)),
                directory: None,
            };
            out.push(scan(cx, runner, text, problems));
        }
    }
    out
}

/// What stages that stand on a stage set anew, on the way to the shipped image.
#[derive(Default)]
struct Replaced {
    cmd: bool,
    entrypoint: bool,
    healthcheck: bool,
}

impl Replaced {
    /// Looks at the stages of the target's lineage behind `stage`; nothing is replaced in other stages.
    fn later(cx: &Extraction<'_>, stage: usize) -> Self {
        let mut out = Self::default();
        let lineage = cx.graph.target.map(|target| cx.graph.lineage(target)).unwrap_or_default();
        let Some(at) = lineage.iter().position(|found| *found == stage) else { return out };
        for later in lineage.iter().skip(at + 1).filter_map(|index| cx.graph.stages.get(*index)) {
            for index in later.triggers.iter().copied().chain(later.instructions.clone()) {
                let triggered = later.triggers.contains(&index);
                let Some(instruction) = cx.tree.instructions.get(index) else { continue };
                let kind = match &instruction.kind {
                    InstructionKind::Onbuild(child) if triggered => &child.kind,
                    kind => kind,
                };
                match kind {
                    InstructionKind::Cmd(_) => out.cmd = true,
                    // BuildKit drops the CMD that is inherited when ENTRYPOINT is set.
                    InstructionKind::Entrypoint(_) => (out.cmd, out.entrypoint) = (true, true),
                    InstructionKind::Healthcheck(_) => out.healthcheck = true,
                    _ => {}
                }
            }
        }
        out
    }
}

/// Scans one text and fills in what is known of its variables.
pub(super) fn scan(
    cx: &Extraction<'_>,
    runner: Runner,
    text: LogicalText,
    problems: &mut Vec<Problem>,
) -> Executed {
    let mut script = shell::scan(&text.text, cx.limits);
    if let Some(limit) = script.exceeded {
        problems.push(Problem {
            origin: runner.origin.clone(),
            message: format!(
                "the shell text is larger than is read; the rest was left out (raise --limit {limit})"
            ),
        });
    }
    let (commands, filled) = resolve(cx, &runner, &script);
    script.commands = filled;
    let Runner { stage, role, instruction, file, origin, gpu_device, directory, .. } = runner;
    Executed { stage, role, instruction, file, origin, gpu_device, directory, text, script, commands }
}

/// The commands with values filled in: with one copy for each value of the loops around them, and once without.
fn resolve(cx: &Extraction<'_>, runner: &Runner, script: &Script) -> (Vec<Resolved>, Vec<shell::Command>) {
    let values = Values::new(cx, runner, script);
    let swallowed = super::commands::Swallowed::new(script, runner.errexit);
    let mut out = Vec::with_capacity(script.commands.len());
    let mut filled = Vec::with_capacity(script.commands.len());
    let mut extra = 0_usize;
    for (index, command) in script.commands.iter().enumerate() {
        let failure_ignored = swallowed.at(index);
        let loops = loops_of(script, command);
        let plain = command.resolved(&|name| values.get(index, name, &Vec::new()));
        let limit = LOOP_COPIES.min(LOOP_COPIES_PER_TEXT.saturating_sub(extra));
        let copies = if loops.is_empty() { Vec::new() } else { values.loop_values(index, &loops, limit) };
        extra = extra.saturating_add(copies.len());
        for bound in &copies {
            let command = command.resolved(&|name| values.get(index, name, bound));
            out.push(Resolved { index, action: interpret(&command), command, failure_ignored });
        }
        if copies.is_empty() {
            out.push(Resolved { index, action: interpret(&plain), command: plain.clone(), failure_ignored });
        }
        filled.push(plain);
    }
    if matches!(runner.role, CommandRole::Run | CommandRole::BuildScript) {
        let build = conditions::Build::new(cx, runner);
        let unreached = shell::unreached(script, &filled, &|command| build.succeeds(command));
        out.retain(|resolved| !unreached.get(resolved.index).copied().unwrap_or_default());
    }
    (out, filled)
}

/// Numbers of the loops around a command whose variable it uses, outermost first.
fn loops_of(script: &Script, command: &shell::Command) -> Vec<usize> {
    let mut out = Vec::new();
    let mut group = command.group;
    // Groups nest as deep as the scanner lets them; a bound keeps the walk linear all the same.
    for _ in 0..LOOP_COPIES {
        let Some(found) = group.and_then(|at| script.groups.get(at)) else { break };
        if let GroupKind::For(index) = found.kind
            && let Some(head) = script.loops.get(index)
            && uses(command, &head.variable)
        {
            out.push(index);
        }
        group = found.parent;
    }
    out.reverse();
    out
}

fn uses(command: &shell::Command, variable: &str) -> bool {
    let in_word = |word: &shell::Word| {
        word.pieces.iter().any(|piece| match &piece.kind {
            PieceKind::Parameter(parameter) => {
                parameter.name == variable || parameter.operation.contains(variable)
            }
            _ => false,
        })
    };
    command.words.iter().any(in_word)
        || command.assignments.iter().any(|assignment| in_word(&assignment.value))
        || command.redirections.iter().any(|redirection| {
            in_word(&redirection.target)
                || redirection.heredoc.as_ref().is_some_and(|heredoc| in_word(&heredoc.body))
        })
}

/// The text of a shell form, heredocs included.
fn shell_text(cx: &Extraction<'_>, instruction: &Instruction, range: Range<usize>) -> LogicalText {
    let mut text = instruction.text.slice(range);
    if instruction.heredocs.is_empty() {
        return text;
    }
    text.push_bytes(b"\n", instruction.header.end);
    for heredoc in &instruction.heredocs {
        text.push_part(&heredoc.body.text, 0..heredoc.body.text.text.len());
        text.push_bytes(heredoc.terminator.slice(&cx.tree.source), heredoc.terminator.start);
        text.push_bytes(b"\n", heredoc.terminator.end);
    }
    text
}

/// The words of an exec form, quoted so that a shell would run the same.
fn exec_text(cx: &Extraction<'_>, words: &[Spanned<String>]) -> LogicalText {
    let mut text = LogicalText::default();
    for word in words {
        if !text.text.is_empty() {
            text.push_bytes(b" ", word.span.start.saturating_sub(1));
        }
        let plain = !word.value.is_empty()
            && word.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(&byte));
        let same = word.span.slice(&cx.tree.source) == word.value.as_bytes();
        if plain && same && !is_reserved(&word.value) {
            text.push_bytes(word.value.as_bytes(), word.span.start);
            continue;
        }
        let before = word.span.start.saturating_sub(1);
        text.push_bytes(b"'", before);
        let mut at = word.span.start;
        for part in word.value.split_inclusive('\'') {
            let (body, quote) = match part.strip_suffix('\'') {
                Some(body) => (body, true),
                None => (part, false),
            };
            push_json(&mut text, body, &mut at, word.span, same);
            if quote {
                // Out of the quotes, the quote itself, and into quotes again: all four stand for one byte.
                for byte in [b"'", b"\\", b"'", b"'"] {
                    text.push_bytes(byte, at.min(word.span.end));
                }
                at = at.saturating_add(1);
            }
        }
        text.push_bytes(b"'", word.span.end);
    }
    text
}

/// Appends part of a JSON string's value. Where the string has escapes, bytes behind the first one are placed by walking
/// the value, which is off by the escapes before: good enough to point into the word.
fn push_json(text: &mut LogicalText, body: &str, at: &mut usize, word: Span, same: bool) {
    if same {
        text.push_bytes(body.as_bytes(), *at);
        *at = at.saturating_add(body.len());
        return;
    }
    for ch in body.chars() {
        let mut buffer = [0; 4];
        let encoded = ch.encode_utf8(&mut buffer);
        text.push_bytes(encoded.as_bytes(), (*at).min(word.end));
        let escaped = matches!(ch, '"' | '\\' | '\n' | '\t' | '\r');
        *at = at.saturating_add(encoded.len()).saturating_add(usize::from(escaped)).min(word.end);
    }
}

/// Words that a shell would not take as a command name.
fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "if" | "then"
            | "elif"
            | "else"
            | "fi"
            | "for"
            | "while"
            | "until"
            | "do"
            | "done"
            | "case"
            | "esac"
            | "in"
            | "function"
            | "select"
            | "time"
    ) || word.contains('=')
}

/// `RUN --device=nvidia.com/gpu=all`.
fn asks_for_gpu(instruction: &Instruction) -> bool {
    instruction.flags.iter().any(|flag| {
        flag.name.value == "device"
            && flag.value.as_ref().is_some_and(|value| value.value.to_ascii_lowercase().contains("gpu"))
    })
}
