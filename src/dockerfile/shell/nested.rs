//! Text that a command hands to another shell: `bash -c '…'`, `eval`, heredocs, `echo … | sh`.

use super::program::{self, Program, is_shell_name};
use super::source::{Source, shebang_use};
use super::types::{Command, HeredocUse};
use super::word::Word;

/// The script that a command runs from its own words, if any.
pub(super) fn script_words(words: &[Word]) -> Option<Vec<&Word>> {
    // Most commands are no shells; look before taking prefixes off.
    if words.len() < 2 {
        return None;
    }
    let program = program::strip(words)?;
    match program.name {
        "eval" => Some(program.args.iter().filter(|arg| arg.text != "--").collect()),
        "su" | "runuser" => option_c(program.args, false),
        "find" => {
            let at = program.args.iter().position(|arg| matches!(arg.text.as_str(), "-exec" | "-execdir"))?;
            let (shell, args) = program.args.get(at + 1..)?.split_first()?;
            is_shell_name(program::program_name(shell)).then(|| option_c(args, true))?
        }
        name if is_shell_name(name) => option_c(program.args, true),
        _ => None,
    }
}

/// The word after `-c` (also `-lc`, `-exc`, `-c -l`).
fn option_c(args: &[Word], stop_at_operand: bool) -> Option<Vec<&Word>> {
    let mut wanted = false;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let text = arg.text.as_str();
        if matches!(
            text,
            "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file" | "-s" | "--shell" | "-g" | "--group"
        ) && !(text == "-s" && stop_at_operand)
        {
            rest.next();
            continue;
        }
        let option = text.starts_with(['-', '+']) && text.len() > 1;
        if option {
            let cluster = text.starts_with('-') && !text.starts_with("--");
            wanted |= (cluster && text.contains('c')) || text == "--command";
            // `bash -euo pipefail -c`: the cluster's `o` takes a word.
            if cluster && text.ends_with('o') && text.len() > 2 {
                rest.next();
            }
            continue;
        }
        if wanted {
            return Some(vec![arg]);
        }
        if stop_at_operand {
            return None;
        }
    }
    None
}

/// Who reads the standard input of a command that has a heredoc.
pub(super) fn stdin_use(command: &Command) -> HeredocUse {
    let Some(program) = command.program() else { return HeredocUse::Data };
    let name = program.name;
    if is_shell_name(name) {
        return if reads_stdin(&program, &["-c"], &["-o", "+o", "-O", "+O", "--rcfile", "--init-file"]) {
            HeredocUse::Shell
        } else {
            HeredocUse::Data
        };
    }
    if matches!(name, "source" | ".") && program.args.first().is_some_and(|arg| arg.text == "/dev/stdin") {
        return HeredocUse::Shell;
    }
    if matches!(name, "su" | "runuser") && option_c(program.args, false).is_none() {
        return HeredocUse::Shell;
    }
    if is_interpreter(name) && reads_stdin(&program, &["-c", "-m", "-e"], &["-W", "-X", "-I"]) {
        return HeredocUse::Interpreter(name.to_owned());
    }
    HeredocUse::Data
}

/// Whether a program of this name runs the text on its standard input.
fn is_interpreter(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    matches!(
        stem,
        "python" | "pypy" | "perl" | "ruby" | "node" | "php" | "lua" | "R" | "Rscript" | "ipython" | "julia"
    )
}

fn reads_stdin(program: &Program<'_>, script: &[&str], valued: &[&str]) -> bool {
    let mut args = program.args.iter();
    while let Some(arg) = args.next() {
        let text = arg.text.as_str();
        if matches!(text, "-" | "/dev/stdin" | "-s") {
            return true;
        }
        if !text.starts_with(['-', '+']) {
            return false;
        }
        let cluster = text.starts_with('-') && !text.starts_with("--");
        if script.contains(&text) || (script == ["-c"] && cluster && text.contains('c')) {
            return false;
        }
        if cluster && text.contains('s') && script == ["-c"] {
            return true;
        }
        if valued.contains(&text) || (cluster && text.ends_with('o') && script == ["-c"]) {
            args.next();
        }
    }
    true
}

/// The words that an `echo` or `printf` prints, when they are shell text for the next command of the pipeline.
pub(super) fn printed_words(command: &Command) -> Option<Vec<&Word>> {
    let program = command.program()?;
    match program.name {
        "echo" => Some(program.args.iter().skip_while(|arg| is_echo_option(&arg.text)).collect()),
        "printf" => match program.args {
            [text] => Some(vec![text]),
            [format, text] if matches!(format.text.as_str(), "%s" | "%s\\n" | "%b") => Some(vec![text]),
            _ => None,
        },
        _ => None,
    }
}

fn is_echo_option(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|flags| {
        !flags.is_empty() && flags.bytes().all(|flag| matches!(flag, b'n' | b'e' | b'E'))
    })
}

/// Whether a command passes its standard input on unchanged: `cat`, `cat -`, `tee file`.
pub(super) fn passes_input(command: &Command) -> bool {
    command.program().is_some_and(|program| match program.name {
        "cat" => program.args.iter().all(|arg| arg.text == "-"),
        "tee" => true,
        _ => false,
    })
}

/// Who reads the body of a heredoc without a command: docker runs it as the script of the RUN.
pub(super) fn body_use(body: &Word) -> HeredocUse {
    shebang_use(&body.text)
}

/// The text of `words` as another shell reads it.
pub(super) fn source_of<'w>(words: impl IntoIterator<Item = &'w Word>) -> Source<'static> {
    Source::<'static>::from_words(words)
}
