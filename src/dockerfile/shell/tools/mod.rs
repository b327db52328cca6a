//! What commands do, read from their words: one file per family of tools, typed results, every part with its span.
//!
//! Readers take the words after prefixes such as `sudo` are off (see [`Command::program`]). A word that holds an
//! expansion is kept as it is; whoever knows the variables resolves the word first ([`Command::resolved`]) and
//! interprets the outcome.

mod args;
pub mod build;
pub mod conda;
pub mod download;
pub mod files;
pub mod package_word;
pub mod packages;
pub mod python;
pub mod python_code;
pub mod repositories;
pub mod requirement;
pub mod session;

pub use args::Flag;
pub use build::{BuildCommand, Definition, GencodeFlag};
pub use conda::{CondaCommand, CondaVerb, MatchSpec};
pub use download::{Download, GitClone};
pub use files::{Archive, FileOperation, FileVerb, FileWrite, Ldconfig};
pub use package_word::PackageWord;
pub use packages::{PackageAction, PackageCommand, PackageManager};
pub use python::{PythonAction, PythonInstall, PythonTool};
pub use python_code::PythonCode;
pub use repositories::RepositoryCommand;
pub use requirement::{Requirement, RequirementSource};
pub use session::{Session, SetVariables};

use super::program::Program;
use super::program::is_shell_name;
use super::types::Command;
use super::types::{HeredocUse, RedirectionOp};
use super::word::PieceKind;
use super::word::Word;

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A system package manager.
    Packages(PackageCommand),
    /// Repositories and keys.
    Repository(RepositoryCommand),
    /// A Python package tool.
    Python(Box<PythonInstall>),
    /// `pip config set KEY VALUE`
    PipConfig {
        /// `global.index-url`
        key: Word,
        /// Its value.
        value: Word,
    },
    /// Python source text: `python -c`, `python <<EOF`.
    PythonCode(PythonCode),
    /// conda, mamba, micromamba, pixi.
    Conda(CondaCommand),
    /// curl, wget, aria2c.
    Download(Download),
    /// `git clone`
    GitClone(GitClone),
    /// cp, mv, ln, install, rm, touch, mkdir.
    Files(FileOperation),
    /// tar, unzip.
    Archive(Archive),
    /// ldconfig
    Ldconfig(Ldconfig),
    /// A self-extracting installer: `sh x.run ARGS`, `./x.run ARGS`.
    Runfile {
        /// The file.
        file: Word,
        /// Its arguments.
        args: Vec<Word>,
    },
    /// A script file that an interpreter runs: `bash x.sh`, `python x.py`.
    RunScript {
        /// `bash`, `python3`
        interpreter: String,
        /// The file.
        file: Word,
        /// Its arguments.
        args: Vec<Word>,
    },
    /// A compiler or build tool.
    Build(BuildCommand),
    /// A change of the shell itself.
    Session(Session),
    /// Assignments alone: `A=1 B=2`.
    Assign,
    /// Text for a file or a pipe: echo, printf, cat, tee; see [`files::writes`].
    Text,
    /// Any other program: its name and arguments are in [`Command::program`].
    Program,
    /// No program, or one named by an expansion.
    Nothing,
}

/// Reads what a command does. Prefixes such as `sudo` are taken off first.
#[must_use]
pub fn interpret(command: &Command) -> Action {
    let Some(program) = command.program() else {
        if let Some(text) = python_heredoc(command) {
            return Action::PythonCode(PythonCode { text: text.clone() });
        }
        return if command.assignments.is_empty() { Action::Nothing } else { Action::Assign };
    };
    if let Some(action) = runfile(&program) {
        return action;
    }
    let name = program.name;
    if name.is_empty() {
        return Action::Nothing;
    }
    if python_code::is_python(name) {
        return python_action(command, &program);
    }
    read_by_name(name, program.args).unwrap_or_else(|| other(&program))
}

/// The body of a heredoc without a command whose `#!` line names Python: docker runs it.
fn python_heredoc(command: &Command) -> Option<&Word> {
    command.redirections.iter().filter_map(|redirection| redirection.heredoc.as_ref()).find_map(|heredoc| {
        match &heredoc.usage {
            HeredocUse::Interpreter(name) if python_code::is_python(name) => Some(&heredoc.body),
            _ => None,
        }
    })
}

/// The readers that go by the program's name alone.
fn read_by_name(name: &str, args: &[Word]) -> Option<Action> {
    if let Some(repository) = repositories::read(name, args) {
        return Some(Action::Repository(repository));
    }
    if let Some(manager) = PackageManager::from_program(name) {
        return Some(Action::Packages(packages::read(manager, args)));
    }
    if let Some(install) = python::read(name, args) {
        return Some(Action::Python(Box::new(install)));
    }
    if python::is_pip(name) {
        return pip_config(args);
    }
    if let Some(conda) = conda::read(name, args) {
        return Some(Action::Conda(conda));
    }
    if let Some(download) = download::read(name, args) {
        return Some(Action::Download(download));
    }
    if let Some(operation) = files::read(name, args) {
        return Some(Action::Files(operation));
    }
    if let Some(archive) = files::archive(name, args) {
        return Some(Action::Archive(archive));
    }
    if let Some(session) = session::read(name, args) {
        return Some(Action::Session(session));
    }
    match name {
        "git" => download::git_clone(args).map(Action::GitClone),
        "ldconfig" | "ldconfig.real" => Some(Action::Ldconfig(files::ldconfig(args))),
        "echo" | "printf" | "cat" | "tee" => Some(Action::Text),
        _ if build::is_build_program(name) => Some(Action::Build(build::read(name, args))),
        _ => None,
    }
}

fn pip_config(args: &[Word]) -> Option<Action> {
    let spec = args::Spec::new(&["--python", "--editor"]);
    let mut args = args::Args::parse(args, spec);
    if args.subcommand()?.text != "config" || args.subcommand()?.text != "set" {
        return None;
    }
    let (key, value) = (args.subcommand()?, args.subcommand()?);
    Some(Action::PipConfig { key, value })
}

fn python_action(command: &Command, program: &Program<'_>) -> Action {
    use python_code::Interpreter;
    match python_code::interpreter(program.args) {
        Interpreter::Code(code) => Action::PythonCode(PythonCode { text: code.clone() }),
        Interpreter::Module(module, args) => {
            let read = module.literal().and_then(|module| read_by_name(module, args));
            read.unwrap_or(Action::Program)
        }
        Interpreter::Script(file, args) if file.text.ends_with("setup.py") => {
            Action::Build(BuildCommand { program: "setup.py".to_owned(), ..build::read("setup.py", args) })
        }
        Interpreter::Script(file, args) => Action::RunScript {
            interpreter: program.name.to_owned(),
            file: file.clone(),
            args: args.to_vec(),
        },
        Interpreter::Stdin => {
            let mut bodies =
                command.redirections.iter().filter_map(|redirection| redirection.heredoc.as_ref());
            let body = bodies.find(|heredoc| matches!(heredoc.usage, HeredocUse::Interpreter(_)));
            let here =
                command.redirections.iter().find(|redirection| redirection.op == RedirectionOp::HereString);
            match body.map(|heredoc| &heredoc.body).or(here.map(|here| &here.target)) {
                Some(text) => Action::PythonCode(PythonCode { text: text.clone() }),
                None => Action::Program,
            }
        }
    }
}

/// `./x.run …`, `sh x.run …`, `bash x.run …`
fn runfile(program: &Program<'_>) -> Option<Action> {
    let (file, args) = if is_shell_name(program.name) {
        let at = program.args.iter().position(|arg| !arg.text.starts_with(['-', '+']))?;
        program.args.get(at..)?.split_first()?
    } else {
        (program.word, program.args)
    };
    // `cuda_${V}_linux.run` is one as well: the literal end decides.
    let ends = file
        .pieces
        .last()
        .is_some_and(|piece| piece.kind == PieceKind::Literal && file.piece_text(piece).ends_with(".run"));
    ends.then(|| Action::Runfile { file: file.clone(), args: args.to_vec() })
}

fn other(program: &Program<'_>) -> Action {
    if is_shell_name(program.name) {
        let at = program.args.iter().position(|arg| !arg.text.starts_with(['-', '+']));
        let dash_c = program.args.iter().take(at.unwrap_or(0)).any(|arg| {
            arg.text.starts_with('-') && !arg.text.starts_with("--") && arg.text.contains(['c', 's'])
        });
        let script = at.and_then(|at| program.args.get(at..)).and_then(<[Word]>::split_first);
        if let Some((file, args)) = script.filter(|_| !dash_c) {
            return Action::RunScript {
                interpreter: program.name.to_owned(),
                file: file.clone(),
                args: args.to_vec(),
            };
        }
    }
    Action::Program
}

#[cfg(test)]
mod tests;
