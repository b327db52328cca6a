//! Statements about what a Dockerfile does: its commands, copies, exports and changes to files.

use super::{Origin, StageId};

/// A shell word with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Text after unquoting and expansion; `None` when it cannot be known.
    pub text: Option<String>,
    /// Text as written.
    pub raw: String,
    /// Its place.
    pub origin: Origin,
}

/// Where COPY takes files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFrom {
    /// The build context.
    Context,
    /// Another stage.
    Stage(StageId),
    /// An image, with what is known of it.
    Image(Box<super::Base>),
    /// A named build context, or a name that cannot be known.
    Unknown(String),
}

/// A COPY or ADD instruction (or a file of an image's layer that such a rule judges).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Stage it stands in.
    pub stage: StageId,
    /// ADD instead of COPY.
    pub add: bool,
    /// Where from.
    pub from: CopyFrom,
    /// Source paths.
    pub sources: Vec<Word>,
    /// Destination.
    pub destination: Word,
    /// Whether a source is an inline heredoc (its text is data).
    pub heredoc: bool,
    /// The whole instruction.
    pub origin: Origin,
    /// Number of the instruction in the file, for "later than".
    pub instruction: usize,
}

/// Who runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandRole {
    /// RUN, while building.
    Run,
    /// CMD, when the container starts.
    Cmd,
    /// ENTRYPOINT, when the container starts.
    Entrypoint,
    /// HEALTHCHECK, in the running container.
    Healthcheck,
    /// A script of the build context that a RUN executes.
    BuildScript,
    /// A script of the build context that CMD or ENTRYPOINT starts.
    StartScript,
}

/// A simple command with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Stage it belongs to.
    pub stage: StageId,
    /// Who runs it.
    pub role: CommandRole,
    /// Number of the instruction in the file: commands of one RUN share it.
    pub instruction: usize,
    /// Base name of the program after sudo, env, time and their like are taken off; `None` unknown.
    pub program: Option<String>,
    /// Arguments after the program.
    pub args: Vec<Word>,
    /// `NAME=value` in front of the command (also by `env`).
    pub assignments: Vec<(String, Option<String>)>,
    /// Whether a failure is swallowed (`|| true`, `; exit 0`).
    pub failure_ignored: bool,
    /// Whether it stands in `$(…)` or backticks.
    pub substitution: bool,
    /// Code given to an interpreter by `-c` or a heredoc.
    pub code: Option<String>,
    /// GPU device asked for by `RUN --device`.
    pub gpu_device: bool,
    /// The whole command.
    pub origin: Origin,
}

/// A self-extracting installer of NVIDIA's that a RUN starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installer {
    /// Stage.
    pub stage: StageId,
    /// The installer's own name, whatever the file is called (`cuda_12.4.1_550.54.15_linux.run`).
    pub name: String,
    /// Its arguments.
    pub args: Vec<Word>,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The whole command.
    pub origin: Origin,
}

impl Installer {
    /// Whether an option is given, with or without a value.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.args
            .iter()
            .filter_map(|word| word.text.as_deref())
            .any(|text| text.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    }

    /// Whether it is the driver's own installer.
    #[must_use]
    pub fn is_driver(&self) -> bool {
        self.name.starts_with("NVIDIA-Linux")
    }
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileOperationKind {
    /// ln (symbolic or hard).
    Link,
    /// cp, install, rsync.
    Copy,
    /// mv.
    Move,
    /// rm.
    Remove,
}

/// ln, cp, mv, install, rm in a RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOperation {
    /// Stage.
    pub stage: StageId,
    /// What is done.
    pub kind: FileOperationKind,
    /// Source paths (for Remove, the paths).
    pub sources: Vec<Word>,
    /// Destination (for ln, the link).
    pub destination: Option<Word>,
    /// Whether the same RUN removes the destination again.
    pub undone: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The whole command.
    pub origin: Origin,
}

/// Where an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportKind {
    /// `export NAME=value` in a RUN.
    Run,
    /// Appended to ~/.bashrc, ~/.profile, /etc/profile.d and their like.
    StartupFile,
}

/// A variable exported inside a RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Stage.
    pub stage: StageId,
    /// Where.
    pub kind: ExportKind,
    /// Variable.
    pub name: String,
    /// Value after expansion; `None` unknown.
    pub value: Option<String>,
    /// Value as written, quotes removed.
    pub raw: String,
    /// Whether a later command of the same RUN can use it.
    pub used_later: bool,
    /// Whether the RUN consists of this export alone.
    pub alone: bool,
    /// Number of the instruction in the file.
    pub instruction: usize,
    /// The export.
    pub origin: Origin,
    /// The whole RUN instruction.
    pub run: Origin,
}
