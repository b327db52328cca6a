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

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};
    use crate::facts::{Command, CommandRole, Facts};

    fn named<'f>(facts: &'f Facts, program: &str) -> &'f Command {
        facts.commands.iter().find(|command| command.program.as_deref() == Some(program)).unwrap()
    }

    #[test]
    fn words_are_filled_in_with_arg_env_and_locals() {
        let facts = facts(
            "FROM debian:12\nARG A=1\nENV B=2\nRUN C=3 && D=$UNSET && sudo X=y tool $A ${B} \"$C\" ${D:-4} $(id) $HOME\n",
        );
        let command = named(&facts, "tool");
        let words: Vec<_> = command.args.iter().map(|word| word.text.as_deref()).collect();
        assert_eq!(words, [Some("1"), Some("2"), Some("3"), Some("4"), None, None]);
        assert_eq!(command.assignments, [("X".to_owned(), Some("y".to_owned()))]);
        assert_eq!(at(&facts, &command.args[2].origin), "\"$C\"");
        assert!(at(&facts, &command.origin).starts_with("sudo X=y tool"));
        assert!(named(&facts, "id").substitution);
    }

    #[test]
    fn start_commands_see_the_image_and_the_last_one_counts() {
        let facts = facts(
            "FROM debian:12\nARG A=1\nENV B=2\nCMD old\nCMD serve $A $B\nENTRYPOINT [\"/bin/run\", \"$B\"]\nHEALTHCHECK CMD nvidia-smi -L || exit 1\n",
        );
        let roles: Vec<_> = facts.commands.iter().map(|c| (c.role, c.program.as_deref().unwrap())).collect();
        assert_eq!(
            roles,
            [
                (CommandRole::Cmd, "serve"),
                (CommandRole::Entrypoint, "run"),
                (CommandRole::Healthcheck, "nvidia-smi"),
                (CommandRole::Healthcheck, "exit"),
            ]
        );
        let words =
            |program| -> Vec<_> { named(&facts, program).args.iter().map(|w| w.text.clone()).collect() };
        // An ARG is gone when the container starts, and the exec form expands nothing.
        assert_eq!(words("serve"), [Some("2".to_owned())]);
        assert_eq!(words("run"), [Some("$B".to_owned())]);
    }

    #[test]
    fn what_a_later_stage_sets_anew_does_not_start() {
        let facts = facts(
            "FROM debian:12 AS a\nCMD nvidia-smi\nHEALTHCHECK CMD probe\nFROM a\nENTRYPOINT [\"serve\"]\n",
        );
        let programs: Vec<_> = facts.commands.iter().map(|c| c.program.as_deref().unwrap()).collect();
        assert_eq!(programs, ["probe", "serve"]);
    }

    #[test]
    fn code_of_interpreters_is_kept() {
        let facts = facts(
            "FROM python:3.12\nRUN python3 -u -c \"import torch; print(1)\"\nRUN <<EOF\n#!/usr/bin/env python3\nimport os\nEOF\nRUN perl <<'X'\nprint 1\nX\nRUN python -m pip install x\n",
        );
        let found: Vec<_> =
            facts.commands.iter().map(|c| (c.program.as_deref().unwrap(), c.code.as_deref())).collect();
        assert_eq!(
            found,
            [
                ("python3", Some("import torch; print(1)")),
                ("python3", Some("#!/usr/bin/env python3\nimport os\n")),
                ("perl", Some("print 1\n")),
                ("python", None),
            ]
        );
    }

    #[test]
    fn swallowed_failures() {
        for (run, ignored) in [
            ("nvidia-smi", false),
            ("nvidia-smi || true", true),
            ("nvidia-smi && make || echo no", true),
            ("nvidia-smi ; exit 0", true),
            ("set -e; nvidia-smi; make", false),
            ("nvidia-smi; make", true),
            ("make && nvidia-smi", false),
            ("make; nvidia-smi", false),
            ("if nvidia-smi; then make; fi", true),
            ("X=$(nvidia-smi) && make", false),
        ] {
            let facts = facts(&format!("FROM debian:12\nRUN {run}\n"));
            assert_eq!(named(&facts, "nvidia-smi").failure_ignored, ignored, "{run}");
        }
        let strict = facts(
            "FROM debian:12\nSHELL [\"/bin/bash\", \"-eo\", \"pipefail\", \"-c\"]\nRUN nvidia-smi; make\n",
        );
        assert!(!named(&strict, "nvidia-smi").failure_ignored);
    }

    #[test]
    fn gpu_devices_and_triggers() {
        let facts = facts(
            "FROM debian:12 AS a\nONBUILD RUN one\nRUN --device=nvidia.com/gpu=all two\nFROM a\nRUN three\n",
        );
        let found: Vec<_> =
            facts.commands.iter().map(|c| (c.stage.0, c.program.as_deref().unwrap(), c.gpu_device)).collect();
        assert_eq!(found, [(0, "two", true), (1, "one", false), (1, "three", false)]);
    }
}
