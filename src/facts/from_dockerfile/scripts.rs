//! Shell scripts of the build context that a RUN executes or the container starts with, and those that the Dockerfile
//! itself writes for the container to start with.

use std::collections::HashSet;

use super::context_files::absolute;
use super::executed::{self, Executed, Runner};
use super::inline_files::InlineFiles;
use super::steps::{self, Step, Workdirs};
use super::{Extraction, Problem};
use crate::dockerfile::LogicalText;
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::Session;
use crate::facts::{CommandRole, Facts, FileId, Origin, StageId};
use crate::span::Span;

/// Scripts that run scripts are followed this deep.
const MAX_DEPTH: u32 = 4;
/// Most scripts that are read for one Dockerfile.
const MAX_SCRIPTS: usize = 256;
/// Folders of PATH where a bare name is looked for.
const PATH: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh"];

/// The texts with each script of the context behind the text that runs it.
pub(super) fn add(
    cx: &Extraction<'_>,
    facts: &mut Facts,
    texts: Vec<Executed>,
    problems: &mut Vec<Problem>,
) -> Vec<Executed> {
    let dirs = Workdirs::new(cx);
    let inline = InlineFiles::new(cx, &dirs, &texts);
    let mut out = Vec::with_capacity(texts.len());
    let mut stack: Vec<(Executed, u32)> = texts.into_iter().rev().map(|text| (text, 0)).collect();
    let mut seen: HashSet<(FileId, usize, StageId, usize)> = HashSet::new();
    while let Some((text, depth)) = stack.pop() {
        let mut found = Vec::new();
        if depth < MAX_DEPTH && seen.len() < MAX_SCRIPTS {
            steps::walk_texts(cx, &dirs, std::slice::from_ref(&text), &mut |step| {
                let Some(script) = script_of(cx, facts, &dirs, &inline, step) else { return };
                let key = (script.file, script.text.span().start, step.stage(), step.instruction());
                if seen.len() < MAX_SCRIPTS && seen.insert(key) {
                    found.push(scan(cx, step, script, problems));
                }
            });
        }
        out.push(text);
        stack.extend(found.into_iter().rev().map(|script| (script, depth + 1)));
    }
    out
}

/// A script with the way back to its file.
struct ScriptText {
    file: FileId,
    /// The whole of it.
    origin: Origin,
    text: LogicalText,
}

fn scan(cx: &Extraction<'_>, step: &Step<'_>, script: ScriptText, problems: &mut Vec<Problem>) -> Executed {
    let runner = Runner {
        stage: step.stage(),
        role: if step.at_build() { CommandRole::BuildScript } else { CommandRole::StartScript },
        instruction: step.instruction(),
        file: script.file,
        origin: script.origin,
        gpu_device: step.executed.gpu_device,
        errexit: shebang(&script.text.text)
            .is_some_and(|line| line.split_whitespace().any(|word| word == "-e" || word == "-ex")),
        directory: Some(step.directory.to_owned()),
    };
    let mut executed = executed::scan(cx, runner, script.text, problems);
    if step.resolved.failure_ignored {
        for command in &mut executed.commands {
            command.failure_ignored = true;
        }
    }
    executed
}

/// The shell script that a command runs.
fn script_of(
    cx: &Extraction<'_>,
    facts: &mut Facts,
    dirs: &Workdirs,
    inline: &InlineFiles,
    step: &Step<'_>,
) -> Option<ScriptText> {
    let mut at = |path: &str| {
        let own =
            if step.at_build() { None } else { inline.at(cx, step.stage(), &absolute(step.directory, path)) };
        if let Some(text) = own {
            return Some(ScriptText { file: cx.file, origin: step.origin(), text });
        }
        let found = cx.context_text(facts, dirs, step, path)?;
        let mut text = LogicalText::default();
        text.push_bytes(found.text.as_bytes(), 0);
        let origin = Origin::file(found.file, Span::new(0, found.text.len()));
        Some(ScriptText { file: found.file, origin, text })
    };
    match step.action {
        Action::RunScript { interpreter, file, .. } if SHELLS.contains(&interpreter.as_str()) => {
            at(file.literal()?)
        }
        Action::Session(Session::Source { file, .. }) => at(file.literal()?),
        Action::Program => {
            let command = step.command();
            let path = command.program()?.word.literal()?;
            if path.contains('/') {
                return at(path).filter(|text| is_shell(text, path));
            }
            if step.at_build() && !path.ends_with(".sh") {
                return None;
            }
            PATH.iter().find_map(|folder| {
                let path = format!("{folder}/{path}");
                at(&path).filter(|text| is_shell(text, &path))
            })
        }
        _ => None,
    }
}

/// The first line of a script, without `#!`.
fn shebang(text: &str) -> Option<&str> {
    text.strip_prefix("#!")?.lines().next()
}

/// Whether a text is run by a shell: its first line says so, or there is none and the name does.
fn is_shell(script: &ScriptText, path: &str) -> bool {
    match shebang(&script.text.text) {
        Some(line) => line.split(['/', ' ', '\t']).any(|word| SHELLS.contains(&word)),
        None => path.ends_with(".sh") || path.ends_with(".bash"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, extracted, facts_in};
    use crate::facts::{CommandRole, Facts};

    /// Role, place and file of the commands that scripts run.
    fn shown(facts: &Facts) -> Vec<(CommandRole, &str, &str)> {
        facts
            .commands
            .iter()
            .filter_map(|command| {
                let (file, _) = command.origin.as_file()?;
                let name = facts.sources.get(file.0)?.name.as_ref();
                (name != "Dockerfile").then(|| (command.role, at(facts, &command.origin), name))
            })
            .collect()
    }

    #[test]
    fn scripts_that_run_executes() {
        let files = [
            ("scripts/setup.sh", "#!/bin/bash\nset -e\n# comment\nbash scripts/more.sh\nnvidia-smi\n"),
            ("scripts/more.sh", "pip install torch==2.5.1\n"),
            ("unused.sh", "nvidia-smi\n"),
        ];
        let facts = facts_in("FROM ubuntu:22.04\nWORKDIR /w\nCOPY . .\nRUN ./scripts/setup.sh\n", &files);
        assert_eq!(
            shown(&facts),
            [
                (CommandRole::BuildScript, "set -e", "scripts/setup.sh"),
                (CommandRole::BuildScript, "bash scripts/more.sh", "scripts/setup.sh"),
                (CommandRole::BuildScript, "nvidia-smi", "scripts/setup.sh"),
                (CommandRole::BuildScript, "pip install torch==2.5.1", "scripts/more.sh"),
            ]
        );
        assert_eq!(facts.gpu_queries.len(), 1);
        assert!(!facts.gpu_queries[0].failure_ignored);
        assert_eq!(facts.python[0].name, "torch");
        assert_eq!(at(&facts, &facts.python[0].origin), "torch==2.5.1");
    }

    #[test]
    fn scripts_that_the_container_starts_with() {
        let files = [("docker/entrypoint.sh", "#!/usr/bin/env bash\nnvidia-smi\nexec \"$@\"\n")];
        for text in [
            "FROM ubuntu:22.04\nCOPY docker/entrypoint.sh /\nENTRYPOINT [\"/entrypoint.sh\"]\n",
            "FROM ubuntu:22.04\nCOPY docker/entrypoint.sh /usr/local/bin/\nENTRYPOINT [\"entrypoint.sh\"]\n",
            "FROM ubuntu:22.04\nWORKDIR /app\nCOPY docker .\nCMD sh ./entrypoint.sh\n",
        ] {
            let facts = facts_in(text, &files);
            let found = shown(&facts);
            assert_eq!(
                found.first(),
                Some(&(CommandRole::StartScript, "nvidia-smi", "docker/entrypoint.sh")),
                "{text}"
            );
            assert_eq!(facts.capability_uses.len(), 1, "{text}");
            assert!(facts.gpu_queries.is_empty());
        }
    }

    #[test]
    fn scripts_that_the_file_itself_writes() {
        for (text, place) in [
            (
                "FROM ubuntu:22.04\nCOPY <<'SH' /entry.sh\n#!/bin/sh\nnvidia-smi -L\nexec \"$@\"\nSH\nENTRYPOINT [\"sh\", \"/entry.sh\"]\n",
                "nvidia-smi -L",
            ),
            (
                "FROM ubuntu:22.04\nRUN printf '#!/bin/sh\\nnvidia-smi\\nexec \"$@\"\\n' > /entry.sh && chmod +x /entry.sh\nENTRYPOINT [\"/entry.sh\"]\n",
                "nvidia-smi",
            ),
            (
                "FROM ubuntu:22.04\nWORKDIR /app\nRUN echo '#!/bin/bash' > start.sh && echo nvidia-smi -L >> start.sh\nCMD ./start.sh\n",
                "nvidia-smi -L",
            ),
            (
                "FROM ubuntu:22.04\nRUN cat > /start.sh <<'EOF'\n#!/bin/bash\nnvidia-smi\nEOF\nCMD [\"bash\", \"/start.sh\"]\n",
                "nvidia-smi",
            ),
        ] {
            let facts = facts_in(text, &[]);
            let found: Vec<_> = facts
                .commands
                .iter()
                .filter(|command| command.role == CommandRole::StartScript)
                .map(|command| at(&facts, &command.origin))
                .collect();
            assert!(found.contains(&place), "{text}: {found:?}");
            assert_eq!(facts.capability_uses.len(), 1, "{text}");
            assert!(facts.gpu_queries.is_empty());
        }
        let overwritten = facts_in(
            "FROM ubuntu:22.04\nCOPY <<A /x.sh\nnvidia-smi\nA\nCOPY <<B /x.sh\ntrue\nB\nCMD sh /x.sh\n",
            &[],
        );
        assert!(overwritten.capability_uses.is_empty());
    }

    #[test]
    fn failures_of_a_script_are_swallowed_with_it() {
        let files = [("x.sh", "#!/bin/sh -e\nnvidia-smi\n"), ("y.py", "#!/usr/bin/python3\nnvidia-smi\n")];
        let facts = facts_in("FROM ubuntu:22.04\nCOPY x.sh y.py /\nRUN /x.sh || true\nRUN /y.py\n", &files);
        assert_eq!(facts.gpu_queries.len(), 1);
        assert!(facts.gpu_queries[0].failure_ignored);
    }

    #[test]
    fn scripts_that_run_themselves_end() {
        let files = [("a.sh", "bash a.sh\nbash a.sh\n")];
        let found = extracted("FROM ubuntu:22.04\nCOPY a.sh .\nRUN bash a.sh\nRUN bash a.sh\n", &files);
        assert_eq!(shown(&found.facts).len(), 4);
    }
}
