//! The program that a command runs once `sudo`, `env`, `timeout` and their kin are off.

use super::types::Command;
use super::word::{PieceKind, Word};

/// The program behind a command's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program<'c> {
    /// Base name: `apt-get` for `/usr/bin/apt-get`; empty when an expansion stands in the word.
    pub name: &'c str,
    /// The word that names it.
    pub word: &'c Word,
    /// What follows.
    pub args: &'c [Word],
    /// `NAME=value` words of `env` and `sudo` in front of it.
    pub environment: Vec<(String, Word)>,
    /// The prefixes that were taken off, outermost first: `sudo`, `env`.
    pub prefixes: Vec<&'c str>,
    /// More arguments come from standard input (`xargs`) or a search (`find -exec`).
    pub more_args: bool,
}

/// A program that runs the program named by its arguments.
struct Prefix {
    name: &'static str,
    /// Options that take the next word.
    valued: &'static [&'static str],
    /// Words between the options and the program.
    operands: usize,
    /// `NAME=value` may stand in front of the program.
    assignments: bool,
}

const fn prefix(name: &'static str, valued: &'static [&'static str], operands: usize) -> Prefix {
    Prefix { name, valued, operands, assignments: false }
}

/// Options from the manual pages of GNU coreutils, util-linux, findutils, sudo and busybox.
const PREFIXES: &[Prefix] = &[
    Prefix {
        name: "sudo",
        valued: &[
            "-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group", "--host",
            "--prompt", "--chdir", "--chroot",
        ],
        operands: 0,
        assignments: true,
    },
    Prefix {
        name: "env",
        valued: &["-u", "--unset", "-C", "--chdir", "-a", "--argv0"],
        operands: 0,
        assignments: true,
    },
    prefix("doas", &["-u", "-C"], 0),
    prefix("time", &["-f", "-o", "--format", "--output"], 0),
    prefix("nohup", &[], 0),
    prefix("exec", &["-a"], 0),
    prefix("command", &[], 0),
    prefix("builtin", &[], 0),
    prefix(
        "xargs",
        &[
            "-I",
            "-n",
            "-P",
            "-L",
            "-d",
            "-a",
            "-E",
            "-s",
            "--max-args",
            "--max-procs",
            "--delimiter",
            "--arg-file",
        ],
        0,
    ),
    prefix("nice", &["-n", "--adjustment"], 0),
    prefix("ionice", &["-c", "-n", "--class", "--classdata"], 0),
    prefix("timeout", &["-k", "-s", "--kill-after", "--signal"], 1),
    prefix("stdbuf", &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    prefix("busybox", &[], 0),
    prefix("eatmydata", &[], 0),
    prefix("unbuffer", &[], 0),
    prefix("fakeroot", &["-l", "-i", "-s"], 0),
    prefix("setsid", &[], 0),
    prefix("gosu", &[], 1),
    prefix("su-exec", &[], 1),
    prefix("tini", &["-p", "-e"], 0),
    prefix("dumb-init", &["-r", "--rewrite"], 0),
    prefix("flock", &["-w", "-E", "--timeout"], 1),
    prefix("xvfb-run", &["-e", "-f", "-n", "-p", "-s", "-w", "--server-args", "--server-num"], 0),
    prefix("catchsegv", &[], 0),
];

/// `conda run`, `uv run`: the runner, and options of `run` that take the next word.
const RUNNERS: &[(&str, &[&str])] = &[
    ("conda", &["-n", "-p", "--name", "--prefix", "--cwd"]),
    ("mamba", &["-n", "-p", "--name", "--prefix", "--cwd"]),
    ("micromamba", &["-n", "-p", "-r", "-a", "--name", "--prefix", "--root-prefix", "--cwd", "--attach"]),
    ("poetry", &["-C", "-P", "--directory", "--project"]),
    ("pipenv", &[]),
    ("pdm", &["-p", "--project", "-e", "--env-file"]),
    ("pixi", &["-e", "--environment", "--manifest-path"]),
    (
        "uv",
        &[
            "--with",
            "--with-requirements",
            "--with-editable",
            "--python",
            "-p",
            "--group",
            "--extra",
            "--index",
            "--index-url",
            "--extra-index-url",
            "-f",
            "--find-links",
            "--env-file",
            "--directory",
            "--project",
            "--package",
        ],
    ),
];

/// How many prefixes are taken off one command.
const PREFIX_LIMIT: usize = 16;

impl Command {
    /// The effective program and its arguments; `None` for a command without words and for prefixes alone.
    #[must_use]
    pub fn program(&self) -> Option<Program<'_>> {
        strip(&self.words)
    }

    /// Value of a variable that is set for this command alone, in front of it or by `env`.
    #[must_use]
    pub fn own_variable(&self, name: &str) -> Option<&Word> {
        self.assignments
            .iter()
            .rev()
            .find(|assignment| assignment.name == name)
            .map(|assignment| &assignment.value)
    }
}

/// Takes prefixes off `words`.
pub(super) fn strip(words: &[Word]) -> Option<Program<'_>> {
    let mut rest = words;
    let mut environment = Vec::new();
    let mut prefixes = Vec::new();
    let mut more_args = false;
    loop {
        let (word, args) = rest.split_first()?;
        if is_sudo_variable(word) && !args.is_empty() {
            rest = args;
            continue;
        }
        let name = program_name(word);
        let program = Program { name, word, args, environment: Vec::new(), prefixes: Vec::new(), more_args };
        let after = match (prefixes.len() < PREFIX_LIMIT).then(|| after_prefix(name, args, &mut environment))
        {
            Some(Some(after)) if !after.is_empty() => after,
            _ => return Some(Program { environment, prefixes, ..program }),
        };
        more_args |= name == "xargs";
        prefixes.push(name);
        rest = after;
    }
}

/// The words after a prefix program's own; `None` when `name` is no prefix or runs nothing here.
fn after_prefix<'c>(
    name: &str,
    args: &'c [Word],
    environment: &mut Vec<(String, Word)>,
) -> Option<&'c [Word]> {
    if let Some((_, valued)) = RUNNERS.iter().find(|(runner, _)| *runner == name) {
        let (verb, rest) = args.split_first()?;
        return (verb.text == "run").then(|| skip_options(rest, valued));
    }
    let prefix = PREFIXES.iter().find(|prefix| prefix.name == name)?;
    // `command -v` and `xargs` without a program run nothing.
    if name == "command"
        && args
            .iter()
            .take_while(|arg| arg.text.starts_with('-'))
            .any(|arg| arg.text != "-p" && arg.text != "--")
    {
        return None;
    }
    let mut rest = skip_options(args, prefix.valued);
    while prefix.assignments
        && let Some((word, after)) = rest.split_first()
        && let Some(assignment) = word.assignment()
    {
        environment.push(assignment);
        rest = after;
    }
    rest.get(prefix.operands..)
}

/// Leaves out leading options and the values of those in `valued`.
fn skip_options<'c>(args: &'c [Word], valued: &[&str]) -> &'c [Word] {
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        if word.text == "--" {
            return after;
        }
        if !word.text.starts_with('-') || word.text == "-" {
            // `timeout -k 5 10 cmd`: the first plain word ends the options.
            return rest;
        }
        rest = after;
        if valued.contains(&word.text.as_str()) {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    rest
}

/// `$SUDO apt-get …`: scripts keep `sudo` or nothing in such a variable.
fn is_sudo_variable(word: &Word) -> bool {
    matches!(word.pieces.as_slice(), [piece] if matches!(&piece.kind, PieceKind::Parameter(parameter) if parameter.name.eq_ignore_ascii_case("sudo")))
}

/// The last path part of a literal word; empty when it holds an expansion there.
pub(super) fn program_name(word: &Word) -> &str {
    let start = word.text.rfind('/').map_or(0, |slash| slash + 1);
    let expanded =
        word.pieces.iter().any(|piece| piece.kind != PieceKind::Literal && piece.range.end > start);
    if expanded { "" } else { word.text.get(start..).unwrap_or_default() }
}

/// Whether a program of this base name is a POSIX-like shell.
pub(super) fn is_shell_name(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "mksh" | "rbash")
}

/// Whether the `SHELL` of a Dockerfile (its argument list) runs POSIX shell text: `["/bin/bash", "-c"]`, also behind a
/// runner such as `["conda", "run", "-n", "x", "/bin/bash", "-c"]` or a script that ends in a shell
/// (`_dockerfile_shell.sh` of the micromamba images). PowerShell and cmd do not.
#[must_use]
pub fn is_posix_shell(shell: &[String]) -> bool {
    let names = shell.iter().map(|arg| {
        let base = arg.rsplit(['/', '\\']).next().unwrap_or(arg).to_ascii_lowercase();
        base.strip_suffix(".exe").map(str::to_owned).unwrap_or(base)
    });
    let mut posix = false;
    for (index, name) in names.enumerate() {
        if matches!(name.as_str(), "powershell" | "pwsh" | "cmd") {
            return false;
        }
        posix |= is_shell_name(&name) || (index == 0 && (name.ends_with(".sh") || name.ends_with(".bash")));
    }
    posix
}
