//! Variables exported inside a RUN, exports written into shell start-up files, and what is set where the container starts.

use std::collections::HashMap;

use super::Extraction;
use super::env::references;
use super::executed::{Executed, Resolved};
use crate::dockerfile::shell::tools::Session;
use crate::dockerfile::shell::tools::files::writes;
use crate::dockerfile::shell::{Action, Word as ShellWord};
use crate::facts::{CommandRole, Export, ExportKind, Facts};
use crate::span::Span;

/// Fills [`Facts::exports`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        in_run(executed, facts);
        in_startup_files(executed, facts);
    }
    let starts = |executed: &&Executed| {
        matches!(executed.role, CommandRole::Cmd | CommandRole::Entrypoint | CommandRole::StartScript)
    };
    for executed in cx.executed.iter().filter(starts) {
        at_start(executed, facts);
    }
}

/// What the programs that the container starts find in their environment besides the image's.
fn at_start(executed: &Executed, facts: &mut Facts) {
    let mut push = |name: &str, value: &ShellWord, span: Span| {
        facts.exports.push(Export {
            stage: executed.stage,
            kind: ExportKind::Start,
            name: name.to_owned(),
            value: value.literal().map(str::to_owned),
            raw: raw_value(executed, span, name, value),
            used_later: true,
            alone: false,
            instruction: executed.instruction,
            origin: executed.origin_of(span),
            run: executed.origin.clone(),
        });
    };
    for resolved in &executed.commands {
        if let Action::Session(Session::Set(set)) = &resolved.action {
            for (name, value, span) in &set.variables {
                push(name, value, *span);
            }
            continue;
        }
        for assignment in &resolved.command.assignments {
            push(&assignment.name, &assignment.value, assignment.span);
        }
        for (name, value) in resolved.command.program().iter().flat_map(|program| &program.environment) {
            push(name, value, value.span);
        }
    }
}

fn in_run(executed: &Executed, facts: &mut Facts) {
    let last_use = executed.commands.iter().rposition(may_use);
    let printed = printed(executed);
    for (at, resolved) in executed.commands.iter().enumerate() {
        let Action::Session(Session::Set(set)) = &resolved.action else { continue };
        if !set.exported {
            continue;
        }
        let used_by_program = last_use.is_some_and(|last| last > at);
        for (name, value, span) in &set.variables {
            let used_later = used_by_program || printed.get(name.as_str()).is_some_and(|last| *last > at);
            facts.exports.push(Export {
                stage: executed.stage,
                kind: ExportKind::Run,
                name: name.clone(),
                value: value.literal().map(str::to_owned),
                raw: raw_value(executed, *span, name, value),
                used_later,
                alone: executed.commands.len() == 1 && set.variables.len() == 1,
                instruction: executed.instruction,
                origin: executed.origin_of(*span),
                run: executed.origin.clone(),
            });
        }
    }
}

/// Variables that `echo`, `printf` and `printenv` print, with the last command that does.
fn printed(executed: &Executed) -> HashMap<&str, usize> {
    let mut out = HashMap::new();
    for (at, resolved) in executed.commands.iter().enumerate() {
        let Some(program) = resolved.command.program() else { continue };
        if !matches!(program.name, "echo" | "printf" | "printenv") {
            continue;
        }
        for word in program.args {
            if program.name == "printenv" {
                out.insert(word.raw.as_str(), at);
                continue;
            }
            // Single quotes keep what is between them from being expanded.
            let mut double = false;
            let mut single = false;
            let mut start = 0;
            let mut pieces = Vec::new();
            for (offset, byte) in word.raw.bytes().enumerate() {
                match byte {
                    b'"' if !single => double = !double,
                    b'\'' if !double => {
                        if !single {
                            pieces.extend(word.raw.get(start..offset));
                        }
                        single = !single;
                        start = offset + 1;
                    }
                    _ => {}
                }
            }
            if !single {
                pieces.extend(word.raw.get(start..));
            }
            out.extend(pieces.into_iter().flat_map(references).map(|name| (name, at)));
        }
    }
    out
}

/// Whether a command can make use of a variable: anything but changes of the shell and printing.
fn may_use(resolved: &Resolved) -> bool {
    match &resolved.action {
        Action::Session(session) => matches!(session, Session::Source { .. }),
        Action::Assign | Action::Nothing => false,
        Action::Text | Action::Program => resolved.command.program().is_some_and(|program| {
            match program.name {
                "echo" | "printf" | "true" | ":" | "cd" | "exit" | "set" => false,
                // Named variables are looked at one by one.
                "printenv" => program.args.is_empty(),
                _ => true,
            }
        }),
        _ => true,
    }
}

/// The value as written with quotes taken off.
fn raw_value(executed: &Executed, span: Span, name: &str, value: &ShellWord) -> String {
    let written = executed.written(span);
    match written.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
        Some(rest) => rest.replace(['"', '\''], ""),
        None => value.raw.replace(['"', '\''], ""),
    }
}

/// Whether shells read a file when they start.
fn is_startup_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.contains("/etc/profile.d/")
        || matches!(
            name,
            ".bashrc"
                | ".bash_profile"
                | ".profile"
                | ".zshrc"
                | ".zshenv"
                | "bash.bashrc"
                | "profile"
                | ".bash_aliases"
        ) && (name.starts_with('.') || path.starts_with("/etc/"))
        || path == "/etc/environment"
}

fn in_startup_files(executed: &Executed, facts: &mut Facts) {
    let written = writes(&executed.script);
    let alone = executed.commands.len() == 1 && written.len() == 1;
    for write in written.iter().filter(|write| is_startup_file(&write.target.text)) {
        let environment_file = write.target.text == "/etc/environment";
        for word in &write.text {
            for line in lines(word, write.escapes) {
                let text = word.text.get(line.start..line.end).unwrap_or_default();
                let statement = text.trim_start();
                let rest = statement.strip_prefix("export ").map(str::trim_start);
                let Some(rest) = rest.or((environment_file).then_some(statement)) else { continue };
                let Some((name, raw)) = rest.split_once('=') else { continue };
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    continue;
                }
                let raw = raw.trim().replace(['"', '\''], "");
                facts.exports.push(Export {
                    stage: executed.stage,
                    kind: ExportKind::StartupFile,
                    name: name.to_owned(),
                    value: (!raw.contains(['$', '`'])).then(|| raw.clone()),
                    raw,
                    used_later: false,
                    alone: alone && write.text.len() == 1,
                    instruction: executed.instruction,
                    origin: executed.part_origin(word, line.start..line.end),
                    run: executed.origin.clone(),
                });
            }
        }
    }
}

/// The lines of printed text: at line ends, and at `\n` where the program reads escapes.
pub(super) fn lines(word: &ShellWord, escapes: bool) -> Vec<Span> {
    let text = word.text.as_str();
    let mut out = Vec::new();
    let mut start = 0;
    let mut push = |start: usize, end: usize| {
        let line = text.get(start..end).unwrap_or_default();
        let begin = start + (line.len() - line.trim_start().len());
        let trimmed = line.trim();
        if !trimmed.is_empty() {
            out.push(Span::new(begin, begin + trimmed.len()));
        }
    };
    let bytes = text.as_bytes();
    for at in memchr::memchr2_iter(b'\n', b'\\', bytes) {
        if at < start {
            continue;
        }
        let newline = bytes.get(at) == Some(&b'\n');
        let escaped = escapes && !newline && bytes.get(at + 1) == Some(&b'n');
        if newline || escaped {
            push(start, at);
            start = at + if newline { 1 } else { 2 };
        }
    }
    push(start, text.len());
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};
    use crate::facts::ExportKind;

    #[test]
    fn exports_know_whether_anything_can_use_them() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN export LD_LIBRARY_PATH=/opt/app/lib:$LD_LIBRARY_PATH\nRUN export CUDA_HOME=/usr/local/cuda && cd /src && make\nRUN make && export A=1 && echo done\nRUN export B=1 && echo \"${B}\" > /b\nRUN export C=1 && echo '$C'\nRUN export D=1 && printenv D\n",
        );
        let found: Vec<_> =
            facts.exports.iter().map(|e| (e.name.as_str(), e.raw.as_str(), e.used_later, e.alone)).collect();
        assert_eq!(
            found,
            [
                ("LD_LIBRARY_PATH", "/opt/app/lib:$LD_LIBRARY_PATH", false, true),
                ("CUDA_HOME", "/usr/local/cuda", true, false),
                ("A", "1", false, false),
                ("B", "1", true, false),
                ("C", "1", false, false),
                ("D", "1", true, false),
            ]
        );
        let first = &facts.exports[0];
        assert_eq!(
            first.value.as_deref(),
            Some("/opt/app/lib:/usr/local/nvidia/lib:/usr/local/nvidia/lib64")
        );
        assert_eq!(at(&facts, &first.origin), "LD_LIBRARY_PATH=/opt/app/lib:$LD_LIBRARY_PATH");
    }

    #[test]
    fn what_starts_in_the_container_sets_variables() {
        for start in [
            "CMD [\"sh\", \"-c\", \"export A=/x:$A; exec app\"]",
            "CMD A=/x:$A exec app",
            "ENTRYPOINT [\"env\", \"A=/x\", \"app\"]",
            "COPY <<'E' /s.sh\nA=/x:$A\nexec app\nE\nCMD [\"sh\", \"/s.sh\"]",
        ] {
            let facts = facts(&format!("FROM debian:12\nENV A=/y\n{start}\n"));
            let found: Vec<_> = facts.exports.iter().map(|e| (e.kind, e.name.as_str())).collect();
            assert_eq!(found, [(ExportKind::Start, "A")], "{start}");
            assert!(facts.exports[0].raw.starts_with("/x"), "{start}");
        }
    }

    #[test]
    fn start_up_files_are_seen() {
        let facts = facts(
            "FROM debian:12\nRUN echo 'export PATH=/usr/local/cuda/bin:$PATH' >> ~/.bashrc\nRUN printf 'export A=1\\nexport B=\"2\"\\n' | tee /etc/profile.d/x.sh\nRUN echo 'export C=1' > /entrypoint.sh\n",
        );
        let found: Vec<_> =
            facts.exports.iter().map(|e| (e.kind, e.name.as_str(), e.value.as_deref(), e.alone)).collect();
        assert_eq!(
            found,
            [
                (ExportKind::StartupFile, "PATH", None, true),
                (ExportKind::StartupFile, "A", Some("1"), false),
                (ExportKind::StartupFile, "B", Some("2"), false),
            ]
        );
        assert_eq!(at(&facts, &facts.exports[0].origin), "export PATH=/usr/local/cuda/bin:$PATH");
    }
}
