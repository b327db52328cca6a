//! The tree of a Dockerfile: instructions with typed arguments, flags and heredocs, every part with its span.

use std::fmt;
use std::ops::Range;

use super::text::LogicalText;
use super::value::ExpandError;
use crate::span::{Span, Spanned};

/// The word an instruction begins with (letter case does not matter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keyword {
    /// `ADD`
    Add,
    /// `ARG`
    Arg,
    /// `CMD`
    Cmd,
    /// `COPY`
    Copy,
    /// `ENTRYPOINT`
    Entrypoint,
    /// `ENV`
    Env,
    /// `EXPOSE`
    Expose,
    /// `FROM`
    From,
    /// `HEALTHCHECK`
    Healthcheck,
    /// `LABEL`
    Label,
    /// `MAINTAINER` (deprecated)
    Maintainer,
    /// `ONBUILD`
    Onbuild,
    /// `RUN`
    Run,
    /// `SHELL`
    Shell,
    /// `STOPSIGNAL`
    StopSignal,
    /// `USER`
    User,
    /// `VOLUME`
    Volume,
    /// `WORKDIR`
    Workdir,
    /// Any other word.
    Unknown,
}

impl Keyword {
    const ALL: [(Self, &'static str); 18] = [
        (Self::Add, "ADD"),
        (Self::Arg, "ARG"),
        (Self::Cmd, "CMD"),
        (Self::Copy, "COPY"),
        (Self::Entrypoint, "ENTRYPOINT"),
        (Self::Env, "ENV"),
        (Self::Expose, "EXPOSE"),
        (Self::From, "FROM"),
        (Self::Healthcheck, "HEALTHCHECK"),
        (Self::Label, "LABEL"),
        (Self::Maintainer, "MAINTAINER"),
        (Self::Onbuild, "ONBUILD"),
        (Self::Run, "RUN"),
        (Self::Shell, "SHELL"),
        (Self::StopSignal, "STOPSIGNAL"),
        (Self::User, "USER"),
        (Self::Volume, "VOLUME"),
        (Self::Workdir, "WORKDIR"),
    ];

    /// The keyword that `word` spells, in any letter case.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::ALL
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(word))
            .map_or(Self::Unknown, |(keyword, _)| *keyword)
    }

    /// The usual spelling; `?` for [`Keyword::Unknown`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(keyword, _)| *keyword == self).map_or("?", |(_, name)| name)
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// From the keyword to the end of its last line, heredocs included, without the last line end.
    pub span: Span,
    /// From the keyword to the end of the logical line; heredoc bodies lie behind it.
    pub header: Span,
    /// The first word.
    pub keyword: Spanned<Keyword>,
    /// `--name=value` words between keyword and arguments, in order.
    pub flags: Vec<Flag>,
    /// The typed arguments.
    pub kind: InstructionKind,
    /// The arguments as one text: continuation lines joined, keyword and flags left out, trimmed.
    pub text: LogicalText,
    /// Heredocs in the order of their bodies (RUN, COPY, ADD, and these below ONBUILD, where they belong to the
    /// ONBUILD instruction).
    pub heredocs: Vec<Heredoc>,
}

impl Instruction {
    /// The first flag of this name (without dashes).
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name.value == name)
    }

    /// The span of a range of [`Instruction::text`].
    #[must_use]
    pub fn span_of(&self, range: Range<usize>) -> Span {
        self.text.source_span(range)
    }
}

/// `--name` or `--name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The name without dashes, as written.
    pub name: Spanned<String>,
    /// The value without quotes; `None` without `=`.
    pub value: Option<Spanned<String>>,
    /// The whole word.
    pub span: Span,
    /// The fields of `--mount`, in order; empty for other flags.
    pub mount: Vec<MountKey>,
}

impl Flag {
    /// The last value of a `--mount` field of that name (letter case does not matter).
    #[must_use]
    pub fn mount_value(&self, key: &str) -> Option<&Spanned<String>> {
        self.mount.iter().rev().find(|field| field.key.value.eq_ignore_ascii_case(key))?.value.as_ref()
    }
}

/// One `key=value` or `key` of `--mount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountKey {
    /// The key as written.
    pub key: Spanned<String>,
    /// The value; `None` without `=`.
    pub value: Option<Spanned<String>>,
}

/// One heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The marker in the instruction, `<<EOF`.
    pub marker: Span,
    /// The marker's place in [`Instruction::text`]; empty where the marker is not part of it (a marker in a flag).
    pub marker_range: Range<usize>,
    /// The delimiter without quotes and escapes.
    pub delimiter: String,
    /// Whether variables in the body are expanded: no part of the delimiter is quoted.
    pub expand: bool,
    /// `<<-`: leading tabs are removed.
    pub chomp: bool,
    /// The file descriptor before `<<`; 0 without one.
    pub fd: u32,
    /// The lines between marker and terminator, with their line ends.
    pub body: HeredocBody,
    /// The terminating line without its line end.
    pub terminator: Span,
}

/// The body of a heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeredocBody {
    /// All lines, with line ends.
    pub span: Span,
    /// The text; leading tabs are gone when the heredoc chomps.
    pub text: LogicalText,
}

/// A command given as shell text or as a JSON array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandForm {
    /// A line for the shell: this part of [`Instruction::text`].
    Shell(Range<usize>),
    /// Words that are run as they are.
    Exec(Vec<Spanned<String>>),
}

/// The arguments of RUN, CMD and ENTRYPOINT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Shell or exec form.
    pub form: CommandForm,
    /// The text begins with `[` but is no JSON array, so it is read as shell text.
    pub json_fallback: bool,
}

/// How a pair was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairForm {
    /// `key=value`
    Equals,
    /// `key value`, the old form: one pair, the value is the rest of the line.
    Legacy,
}

/// A pair of ENV or LABEL. Both texts are as written: with quotes, escapes and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Spanned<String>,
    /// The value's place in [`Instruction::text`], to find the source of a part of it.
    pub value_range: Range<usize>,
    /// How the pair was written.
    pub form: PairForm,
}

/// A name of ARG with its default, as written (quotes, escapes and variables kept).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDeclaration {
    /// The name.
    pub name: Spanned<String>,
    /// The text after `=`; `None` without one.
    pub default: Option<Spanned<String>>,
    /// The default's place in [`Instruction::text`], to find the source of a part of it; empty without one.
    pub default_range: Range<usize>,
}

/// The arguments of COPY and ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Source paths as written, heredoc markers left out.
    pub sources: Vec<Spanned<String>>,
    /// The destination as written.
    pub dest: Spanned<String>,
    /// Sources that are heredocs: indices into [`Instruction::heredocs`].
    pub heredocs: Vec<usize>,
    /// Whether the arguments were a JSON array.
    pub json: bool,
}

/// The arguments of HEALTHCHECK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`
    None,
    /// `HEALTHCHECK CMD ...`
    Cmd(Command),
}

/// The arguments of FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromClause {
    /// The base as written, variables included; empty where it is missing.
    pub image: Spanned<String>,
    /// The stage name as written.
    pub name: Option<Spanned<String>>,
}

/// An instruction's typed arguments. Words keep quotes and variables unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `FROM [--platform=] image [AS name]`
    From(FromClause),
    /// `RUN`
    Run(Command),
    /// `CMD`
    Cmd(Command),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `ENV`
    Env(Vec<KeyValue>),
    /// `ARG`
    Arg(Vec<ArgDeclaration>),
    /// `LABEL`
    Label(Vec<KeyValue>),
    /// `COPY`
    Copy(Transfer),
    /// `ADD`
    Add(Transfer),
    /// `SHELL ["..."]`
    Shell(Vec<Spanned<String>>),
    /// `USER`
    User(Spanned<String>),
    /// `WORKDIR`
    Workdir(Spanned<String>),
    /// `EXPOSE`
    Expose(Vec<Spanned<String>>),
    /// `VOLUME`
    Volume(Vec<Spanned<String>>),
    /// `STOPSIGNAL`
    StopSignal(Spanned<String>),
    /// `ONBUILD`
    Onbuild(Box<Instruction>),
    /// `MAINTAINER`
    Maintainer(Spanned<String>),
    /// An unknown keyword, or arguments that do not parse (a problem says why).
    Unknown,
}

/// A comment line: before, between, behind or inside instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// From `#` to the end of the line, line end left out.
    pub span: Span,
    /// What follows `#`, trimmed.
    pub text: String,
}

/// Parser directives that BuildKit knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DirectiveName {
    /// `# syntax=`
    Syntax,
    /// `# escape=`
    Escape,
    /// `# check=`
    Check,
}

/// A parser directive at the top of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Which one.
    pub name: DirectiveName,
    /// Its value, trimmed.
    pub value: Spanned<String>,
    /// The whole line from `#` on.
    pub span: Span,
}

/// Something that BuildKit refuses, with its place. The tree is there all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: ProblemKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The source is larger than the limit; the rest was not read.
    #[error("the file is larger than {limit} bytes; the rest was not read (raise --limit text_bytes)")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// More instructions than the limit; the rest was not read.
    #[error(
        "the file has more than {limit} instructions; the rest was not read (raise --limit instructions)"
    )]
    TooManyInstructions {
        /// The limit.
        limit: u64,
    },
    /// Evaluation stopped: the variables of the file are too many or too large. What they hold is unknown.
    #[error(
        "the variables of this file are too many or too large to evaluate; their values count as unknown"
    )]
    TooMuchWork,
    /// A physical line that BuildKit's scanner cannot hold.
    #[error("the line is longer than 65535 bytes, which BuildKit refuses; split it with continuation lines")]
    LineTooLong,
    /// A directive given twice.
    #[error("only one `{0}` parser directive can be used")]
    DuplicateDirective(&'static str),
    /// `# escape=` with another value than a backslash or a backtick.
    #[error("invalid escape character `{0}`: it must be a backslash or a backtick")]
    InvalidEscape(String),
    /// The first word is no instruction.
    #[error("unknown instruction `{0}`")]
    UnknownInstruction(String),
    /// A heredoc without its terminator. Its lines were read as instructions.
    #[error("unterminated heredoc: no line equals `{0}`")]
    UnterminatedHeredoc(String),
    /// A JSON array with an element that is no string.
    #[error("a JSON array here must hold strings only")]
    NotStringArray,
    /// Missing arguments.
    #[error("{keyword} {needs}")]
    Arguments {
        /// The instruction.
        keyword: Keyword,
        /// What it requires.
        needs: &'static str,
    },
    /// A word of ENV or LABEL without `=`.
    #[error("`{word}` has no `=`: {keyword} takes name=value pairs")]
    MissingEquals {
        /// The instruction.
        keyword: Keyword,
        /// The word.
        word: String,
    },
    /// A pair with nothing before `=`.
    #[error("{0} names can not be blank")]
    BlankName(Keyword),
    /// A stage name with other characters than letters, digits, `-`, `_` and `.`, or with a digit in front.
    #[error("invalid stage name `{0}`: it begins with a letter and holds letters, digits, `-`, `_` and `.`")]
    StageName(String),
    /// ONBUILD below ONBUILD, or with FROM or MAINTAINER.
    #[error("{0} is not allowed as an ONBUILD trigger")]
    OnbuildTrigger(Keyword),
    /// A flag that the instruction does not take.
    #[error("unknown flag --{flag} for {keyword}")]
    UnknownFlag {
        /// The instruction.
        keyword: Keyword,
        /// The flag's name.
        flag: String,
    },
    /// A variable expansion that is an error.
    #[error("{0}")]
    Expansion(ExpandError),
    /// An instruction before the first FROM that is not ARG.
    #[error("no build stage in current context: only ARG may stand before the first FROM")]
    NoStage,
    /// A base that expands to nothing.
    #[error("the base name must not be blank")]
    EmptyBase,
    /// A base that is no image name.
    #[error("`{0}` is neither a stage nor a valid image name")]
    ImageName(String),
    /// A variable in `--from` or `--mount=from`.
    #[error("variables are not expanded here; name a stage that FROM makes of the variable")]
    VariableInFrom,
    /// A link to a stage that is not earlier.
    #[error("`{0}` is not an earlier stage")]
    LaterStage(String),
    /// The file holds no instruction.
    #[error("the file has no instructions")]
    NoInstructions,
}
