//! Commands that RUN executes, and those of CMD, ENTRYPOINT and HEALTHCHECK.

use super::Extraction;
use super::executed::{Executed, Resolved};
use crate::dockerfile::shell::{self, HeredocUse, Script, Separator};
use crate::facts::{Command, Facts};

/// How far later commands are looked at to see whether a failure counts.
const WALK: usize = 64;

/// Fills [`Facts::commands`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    for executed in &cx.executed {
        for resolved in &executed.commands {
            if let Some(command) = command(executed, resolved) {
                facts.commands.push(command);
            }
        }
    }
}

fn command(executed: &Executed, resolved: &Resolved) -> Option<Command> {
    let scanned = &resolved.command;
    let known = |word: &shell::Word| word.literal().map(str::to_owned);
    let mut assignments: Vec<(String, Option<String>)> = scanned
        .assignments
        .iter()
        .map(|assignment| {
            let value =
                known(&assignment.value).filter(|_| !assignment.append && assignment.elements.is_empty());
            (assignment.name.clone(), value)
        })
        .collect();
    let heredoc_program = interpreter(scanned);
    let (program, args) = match scanned.program() {
        Some(program) => {
            assignments.extend(program.environment.iter().map(|(name, value)| (name.clone(), known(value))));
            let args = program.args.iter().map(|word| executed.word(word)).collect();
            ((!program.name.is_empty()).then(|| program.name.to_owned()), args)
        }
        // A heredoc alone, with the interpreter of its `#!` line.
        None => (Some(heredoc_program?.0.to_owned()), Vec::new()),
    };
    Some(Command {
        stage: executed.stage,
        role: executed.role,
        instruction: executed.instruction,
        code: code(scanned, program.as_deref()),
        program,
        args,
        assignments,
        failure_ignored: resolved.failure_ignored,
        substitution: scanned.context.substitution,
        gpu_device: executed.gpu_device,
        origin: executed.command_origin(scanned),
    })
}

/// The interpreter that reads a heredoc of the command, and the text.
fn interpreter(command: &shell::Command) -> Option<(&str, &str)> {
    command.redirections.iter().find_map(|redirection| {
        let heredoc = redirection.heredoc.as_ref()?;
        match &heredoc.usage {
            HeredocUse::Interpreter(name) => Some((name.as_str(), heredoc.body.text.as_str())),
            HeredocUse::Data | HeredocUse::Shell => None,
        }
    })
}

/// Code that an interpreter is given by `-c` (or `-e`) or by a heredoc.
fn code(command: &shell::Command, program: Option<&str>) -> Option<String> {
    let program = program?;
    let option = match program {
        "perl" | "node" | "ruby" | "php" => "e",
        name if name.starts_with("python") || name.starts_with("pypy") || name == "ipython" => "c",
        "Rscript" => "e",
        _ => return interpreter(command).map(|(_, code)| code.to_owned()),
    };
    let args = command.program().map(|program| program.args).unwrap_or_default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        // `-c`, also behind other letters as in `-uc`; a word without a dash is a script and ends the options.
        let Some(letters) = word.text.strip_prefix('-') else { break };
        if letters.ends_with(option) && !letters.starts_with('-') {
            return words.next().map(|code| code.text.clone());
        }
        if matches!(letters, "m") {
            break;
        }
    }
    interpreter(command).map(|(_, code)| code.to_owned())
}

/// Which commands may fail without failing the instruction.
pub(super) struct Swallowed<'s> {
    script: &'s Script,
    /// Number of the first command after `set -e`.
    errexit_from: Option<usize>,
}

impl<'s> Swallowed<'s> {
    /// Prepares for the questions about one script; `errexit` when the shell itself is started with `-e`.
    pub fn new(script: &'s Script, errexit: bool) -> Self {
        let set = script.commands.iter().position(|command| {
            let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
            let short = |word: &&str| {
                word.strip_prefix('-').is_some_and(|letters| {
                    !letters.starts_with('-') && letters.len() <= 8 && letters.contains('e')
                })
            };
            match words.as_slice() {
                ["set", rest @ ..] => rest.iter().any(short) || rest.contains(&"errexit"),
                _ => false,
            }
        });
        Self { script, errexit_from: if errexit { Some(0) } else { set } }
    }

    /// Whether the failure of command `index` does not end the instruction with an error.
    pub fn at(&self, index: usize) -> bool {
        self.script.failure_ignored(index)
            || (self.errexit_from.is_none_or(|from| index < from) && self.another_follows(index))
    }

    /// Whether a further command runs whatever this one's status is: one behind `;` or a line end.
    fn another_follows(&self, index: usize) -> bool {
        let Some(command) = self.script.commands.get(index) else { return false };
        if command.context.substitution {
            return false;
        }
        let mut after = command.separator_after;
        for next in self.script.commands.iter().skip(index + 1).take(WALK) {
            if next.group != command.group || next.parent != command.parent {
                continue;
            }
            match after {
                Separator::Semi | Separator::Newline => return true,
                Separator::And | Separator::Or | Separator::Pipe | Separator::PipeBoth => {
                    after = next.separator_after;
                }
                Separator::Start | Separator::Background | Separator::End => return false,
            }
        }
        false
    }
}
