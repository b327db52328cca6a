//! File operations, archives, ldconfig, and text that is written to files.

use super::args::{Args, Flag, Spec};
use crate::dockerfile::shell::types::{Command, HeredocUse, Redirection, RedirectionOp, Script};
use crate::dockerfile::shell::word::Word;
use crate::span::Span;

/// What happens to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileVerb {
    /// `ln`
    Link,
    /// `cp`, also `rsync`
    Copy,
    /// `mv`
    Move,
    /// `install`
    Install,
    /// `rm`, `unlink`
    Remove,
    /// `touch`
    Touch,
    /// `mkdir`, `install -d`
    MakeDirectory,
}

/// A file operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOperation {
    /// What it does.
    pub verb: FileVerb,
    /// The files it acts on.
    pub sources: Vec<Word>,
    /// Where they go; `None` for `rm`, and for `ln FILE`, which links into the working directory.
    pub destination: Option<Word>,
    /// `ln -s`
    pub symbolic: bool,
    /// `-r`, `-R`, `-a`
    pub recursive: bool,
    /// All options.
    pub flags: Vec<Flag>,
}

/// A call of ldconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ldconfig {
    /// Directories named.
    pub directories: Vec<Word>,
    /// `-f`
    pub config: Option<Word>,
    /// `-C`
    pub cache: Option<Word>,
    /// `-r`
    pub root: Option<Word>,
    /// `-n` or `-N`: the cache is not rebuilt.
    pub no_cache: bool,
    /// `-p`: it only prints.
    pub print: bool,
}

/// An archive that is unpacked (or packed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// `tar`, `unzip`, …
    pub program: String,
    /// The archive; `None` when it comes from standard input.
    pub archive: Option<Word>,
    /// `-C`, `-d`
    pub directory: Option<Word>,
    /// It is unpacked.
    pub extract: bool,
    /// Members named.
    pub members: Vec<Word>,
}

/// Text that ends up in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWrite {
    /// Index of the command that holds the text.
    pub command: usize,
    /// From the text to the target.
    pub span: Span,
    /// The words that `echo` or `printf` prints, a heredoc's body, or a here-string.
    pub text: Vec<Word>,
    /// The file.
    pub target: Word,
    /// The text is appended.
    pub append: bool,
    /// `\n` in the text is a line end: `printf`, `echo -e`.
    pub escapes: bool,
}

const COPY: Spec = Spec::new(&["-t", "--target-directory", "-S", "--suffix"]);
const INSTALL: Spec = Spec::new(&[
    "-t",
    "--target-directory",
    "-S",
    "--suffix",
    "-m",
    "--mode",
    "-o",
    "--owner",
    "-g",
    "--group",
]);
const TOUCH: Spec = Spec::new(&["-d", "-r", "-t", "--date", "--reference"]);
const MKDIR: Spec = Spec::new(&["-m", "--mode"]);
const RSYNC: Spec = Spec::new(&["-e", "--rsh", "--exclude", "--include", "--filter", "-f", "--rsync-path"]);
const PLAIN: Spec = Spec::new(&[]);

/// Reads a file operation; `None` for other programs.
#[must_use]
pub fn read(program: &str, words: &[Word]) -> Option<FileOperation> {
    let (verb, spec) = match program {
        "ln" => (FileVerb::Link, COPY),
        "cp" => (FileVerb::Copy, COPY),
        "rsync" => (FileVerb::Copy, RSYNC),
        "mv" => (FileVerb::Move, COPY),
        "install" => (FileVerb::Install, INSTALL),
        "rm" | "unlink" => (FileVerb::Remove, PLAIN),
        "touch" => (FileVerb::Touch, TOUCH),
        "mkdir" => (FileVerb::MakeDirectory, MKDIR),
        _ => return None,
    };
    let args = Args::parse(words, spec);
    let makes_directories = verb == FileVerb::Install && args.has(&["-d", "--directory"]);
    let verb = if makes_directories { FileVerb::MakeDirectory } else { verb };
    let mut sources = args.operands.clone();
    let mut destination =
        args.value(&["-t", "--target-directory"]).filter(|_| verb != FileVerb::Touch).cloned();
    let moves = matches!(verb, FileVerb::Link | FileVerb::Copy | FileVerb::Move | FileVerb::Install);
    if destination.is_none() && moves && sources.len() > 1 {
        destination = sources.pop();
    }
    Some(FileOperation {
        verb,
        sources,
        destination,
        symbolic: args.has(&["-s", "--symbolic", "--symbolic-link"]),
        recursive: args.has(&["-r", "-R", "--recursive", "-a", "--archive"]),
        flags: args.flags,
    })
}

/// Reads the words of ldconfig.
#[must_use]
pub fn ldconfig(words: &[Word]) -> Ldconfig {
    let args = Args::parse(words, Spec::new(&["-f", "-C", "-r", "-c", "--format"]));
    Ldconfig {
        config: args.value(&["-f"]).cloned(),
        cache: args.value(&["-C"]).cloned(),
        root: args.value(&["-r"]).cloned(),
        no_cache: args.has(&["-n", "-N"]),
        print: args.has(&["-p", "--print-cache"]),
        directories: args.operands,
    }
}

/// Reads a call of an archiver; `None` for other programs.
#[must_use]
pub fn archive(program: &str, words: &[Word]) -> Option<Archive> {
    match program {
        "tar" | "bsdtar" => Some(tar(program, words)),
        "unzip" => {
            let mut args = Args::parse(words, Spec::new(&["-d", "-x"]));
            let archive = args.subcommand();
            Some(Archive {
                program: program.to_owned(),
                archive,
                directory: args.value(&["-d"]).cloned(),
                extract: !args.has(&["-l", "-t", "-v"]),
                members: args.operands,
            })
        }
        _ => None,
    }
}

fn tar(program: &str, words: &[Word]) -> Archive {
    let spec = Spec::new(&[
        "-f",
        "--file",
        "-C",
        "--directory",
        "-I",
        "--use-compress-program",
        "-T",
        "--files-from",
        "-X",
        "-H",
        "--format",
        "--strip-components",
        "--exclude",
        "--transform",
        "--owner",
        "--group",
        "--mode",
    ]);
    let mut args = Args::parse(words, spec);
    let mut extract = args.has(&["-x", "--extract", "--get"]);
    let mut archive = args.value(&["-f", "--file"]).cloned();
    // `tar xzf a.tgz`: the first word is a bundle of options without a dash.
    let bundle = words.first().is_some_and(|word| {
        !word.text.starts_with('-')
            && word.text.bytes().all(|b| b.is_ascii_alphabetic())
            && word.is_fully_literal()
    });
    if bundle && let Some(letters) = args.subcommand() {
        extract |= letters.text.contains('x');
        if letters.text.contains('f') {
            archive = args.subcommand();
        }
    }
    Archive {
        program: program.to_owned(),
        archive: archive.filter(|archive| archive.text != "-"),
        directory: args.value(&["-C", "--directory"]).cloned(),
        extract,
        members: args.operands,
    }
}

/// How many groups around a command are looked at for a redirection.
const GROUPS: usize = 16;

/// All text of a script that is written to files: by redirections of `echo`, `printf` and `cat`, of groups of them,
/// and by `… | tee FILE` and `tee FILE <<EOF`.
#[must_use]
pub fn writes(script: &Script) -> Vec<FileWrite> {
    let mut found = Vec::new();
    for (index, command) in script.commands.iter().enumerate() {
        let Some((text, escapes)) = printed(command) else { continue };
        let start = command.span;
        let mut push = |target: &Word, append: bool| {
            found.push(FileWrite {
                command: index,
                span: start.cover(target.span),
                text: text.clone(),
                target: target.clone(),
                append,
                escapes,
            });
        };
        let program = command.program();
        if program.as_ref().is_some_and(|program| program.name == "tee") {
            tee(program.map(|program| program.args).unwrap_or_default(), &mut push);
            continue;
        }
        if let Some((target, append)) = command.redirections.iter().find_map(Redirection::output_file) {
            push(target, append);
            continue;
        }
        if command.separator_after.is_pipe() {
            let next = script.commands.iter().skip(index + 1).take(GROUPS).find(|next| {
                next.pipeline == command.pipeline
                    && next.pipeline_index == command.pipeline_index.saturating_add(1)
            });
            if let Some(program) = next.and_then(Command::program) {
                match program.name {
                    "tee" => tee(program.args, &mut push),
                    "cat" if program.args.iter().all(|arg| arg.text == "-") => {
                        let redirections = next.map(|next| next.redirections.as_slice()).unwrap_or_default();
                        if let Some((target, append)) = redirections.iter().find_map(Redirection::output_file)
                        {
                            push(target, append);
                        }
                    }
                    _ => {}
                }
            }
            continue;
        }
        let mut group = command.group;
        for _ in 0..GROUPS {
            let Some(around) = group.and_then(|at| script.groups.get(at)) else { break };
            if let Some((target, append)) = around.redirections.iter().find_map(Redirection::output_file) {
                push(target, append);
                break;
            }
            group = around.parent;
        }
    }
    found
}

fn tee(args: &[Word], push: &mut dyn FnMut(&Word, bool)) {
    let args = Args::parse(args, PLAIN);
    let append = args.has(&["-a", "--append"]);
    for target in &args.operands {
        push(target, append);
    }
}

/// The text that a command prints, and whether its escapes count.
fn printed(command: &Command) -> Option<(Vec<Word>, bool)> {
    let program = command.program()?;
    match program.name {
        "echo" => {
            let options = program.args.iter().take_while(|arg| is_echo_option(&arg.text)).count();
            let escapes = program.args.iter().take(options).any(|arg| arg.text.contains('e'));
            Some((program.args.get(options..)?.to_vec(), escapes))
        }
        "printf" => {
            let args = match program.args {
                [dashes, rest @ ..] if dashes.text == "--" => rest,
                all => all,
            };
            match args {
                [format, rest @ ..] if !rest.is_empty() && is_plain_format(&format.text) => {
                    Some((rest.to_vec(), format.text.contains("%b")))
                }
                args => Some((args.to_vec(), true)),
            }
        }
        "cat" | "tee" => {
            let redirection = command.redirections.iter().rev().find(|redirection| {
                redirection.heredoc.is_some() || redirection.op == RedirectionOp::HereString
            })?;
            let body = match &redirection.heredoc {
                Some(heredoc) if heredoc.usage == HeredocUse::Data => heredoc.body.clone(),
                Some(_) => return None,
                None => redirection.target.clone(),
            };
            Some((vec![body], false))
        }
        _ => None,
    }
}

fn is_echo_option(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|flags| !flags.is_empty() && flags.bytes().all(|b| matches!(b, b'n' | b'e' | b'E')))
}

/// `%s`, `%s\n`: each argument is printed as it is.
fn is_plain_format(format: &str) -> bool {
    let rest = format.replace("%s", "").replace("%b", "").replace("\\n", "");
    rest.trim().is_empty()
}
