//! What a scanned shell text consists of: commands, their redirections, and the groups and loops around them.

use super::word::Word;
use crate::span::Span;

/// A scanned shell text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// All commands in the order of their text, those of substitutions and nested scripts included.
    pub commands: Vec<Command>,
    /// Compound commands (`( )`, `{ }`, `if`, loops, `case`, functions) in the order they open.
    pub groups: Vec<Group>,
    /// `for` and `select` loops with their words.
    pub loops: Vec<Loop>,
    /// Where the text is broken; the commands around it are still listed.
    pub problems: Vec<Problem>,
    /// Name of the limit (a field of [`crate::limits::Limits`]) that cut the scan short, if any.
    pub exceeded: Option<&'static str>,
}

/// One simple command, or an assignment or redirection that stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// From the first byte of the first word, assignment or redirection to the end of the last; heredoc bodies are outside.
    pub span: Span,
    /// `NAME=value` in front of the command name.
    pub assignments: Vec<Assignment>,
    /// Command name and arguments; empty when only assignments or redirections stand there.
    pub words: Vec<Word>,
    /// Redirections in the order of the text.
    pub redirections: Vec<Redirection>,
    /// What stands between the previous command and this one. The first command of a group inherits what stands
    /// before the group.
    pub separator_before: Separator,
    /// What follows this command inside its own list; [`Separator::End`] at the end of a list or group.
    pub separator_after: Separator,
    /// Levels of subshell, substitution and nested script around it; 0 at the top.
    pub depth: u32,
    /// What is around the command.
    pub context: Context,
    /// Preceded by `!`.
    pub negated: bool,
    /// Number shared by the commands of one pipeline.
    pub pipeline: usize,
    /// Place in that pipeline, from 0.
    pub pipeline_index: usize,
    /// Index of the command whose substitution, `-c` text or heredoc holds this one.
    pub parent: Option<usize>,
    /// Index in [`Script::groups`] of the innermost group around it.
    pub group: Option<usize>,
    /// Which part of that group; see [`Group::arm`].
    pub arm: usize,
}

/// What is around a command, on all levels together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Context {
    /// Inside `( … )`.
    pub subshell: bool,
    /// Inside `$( … )`, backticks or a process substitution.
    pub substitution: bool,
    /// Inside text that another command runs: `bash -c`, `eval`, a heredoc read by a shell.
    pub nested_script: bool,
    /// Inside a function's body: it runs only when the function is called.
    pub function: bool,
    /// In the condition of `if`, `elif`, `while` or `until`: its failure ends nothing.
    pub condition: bool,
    /// In a branch of `if` or `case`: it may not run.
    pub branch: bool,
    /// In the body of a loop: it may run any number of times.
    pub loop_body: bool,
}

impl Context {
    /// Whether nothing is around the command but braces.
    #[must_use]
    pub fn is_top_level(self) -> bool {
        self == Self::default()
    }
}

/// An operator between commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Separator {
    /// The start of the text or of a substitution.
    #[default]
    Start,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `;`, also `;;` and its kin.
    Semi,
    /// `|`
    Pipe,
    /// `|&`
    PipeBoth,
    /// `&`
    Background,
    /// A line end.
    Newline,
    /// The end of the text, substitution or group.
    End,
}

impl Separator {
    /// Whether output flows over it.
    #[must_use]
    pub fn is_pipe(self) -> bool {
        matches!(self, Self::Pipe | Self::PipeBoth)
    }
}

/// `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// `NAME` to the end of the value.
    pub span: Span,
    /// The value; for an array the whole `( … )`.
    pub value: Word,
    /// Elements of an array value.
    pub elements: Vec<Word>,
    /// `+=`
    pub append: bool,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// The number in front, if written.
    pub fd: Option<u32>,
    /// Operator and target.
    pub span: Span,
    /// The operator.
    pub op: RedirectionOp,
    /// File, descriptor, delimiter or here-string; empty when the text breaks off.
    pub target: Word,
    /// The body, for `<<` and `<<-`.
    pub heredoc: Option<Heredoc>,
}

/// Redirection operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedirectionOp {
    /// `<`
    Read,
    /// `>`
    Write,
    /// `>|`
    Clobber,
    /// `>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `<&`
    DupIn,
    /// `>&`
    DupOut,
    /// `&>`
    WriteBoth,
    /// `&>>`
    AppendBoth,
    /// `<<`
    Heredoc,
    /// `<<-`
    HeredocTabs,
    /// `<<<`
    HereString,
}

impl Redirection {
    /// The file that standard output (or both outputs) is written to, and whether it is appended.
    #[must_use]
    pub fn output_file(&self) -> Option<(&Word, bool)> {
        use RedirectionOp as Op;
        match self.op {
            Op::Write | Op::Clobber if self.fd.is_none_or(|fd| fd == 1) => Some((&self.target, false)),
            Op::Append if self.fd.is_none_or(|fd| fd == 1) => Some((&self.target, true)),
            Op::WriteBoth => Some((&self.target, false)),
            Op::AppendBoth => Some((&self.target, true)),
            Op::DupOut if self.fd.is_none() && !is_descriptor(&self.target.text) => {
                Some((&self.target, false))
            }
            _ => None,
        }
    }
}

fn is_descriptor(text: &str) -> bool {
    text == "-" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The body of a here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter without quotes.
    pub delimiter: String,
    /// The delimiter was quoted: the body is taken as it stands.
    pub quoted: bool,
    /// The body with expansions as pieces (one literal when quoted), tabs stripped for `<<-`.
    pub body: Word,
    /// Who reads it.
    pub usage: HeredocUse,
}

/// What becomes of a heredoc's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HeredocUse {
    /// Text for a program or a file.
    #[default]
    Data,
    /// A shell runs it; its commands are in [`Script::commands`].
    Shell,
    /// Another interpreter runs it: `python3`, `perl`, …
    Interpreter(String),
}

/// A compound command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is.
    pub kind: GroupKind,
    /// From its opening word or bracket to the end of its closing one (or of the text).
    pub span: Span,
    /// What stands before it.
    pub separator_before: Separator,
    /// What follows it.
    pub separator_after: Separator,
    /// Preceded by `!`.
    pub negated: bool,
    /// Number of the pipeline it is part of; see [`Command::pipeline`].
    pub pipeline: usize,
    /// The group around it.
    pub parent: Option<usize>,
    /// Which part of the group around it: in an `if`, conditions have even and bodies odd numbers, from 0 in the order of
    /// the text (an `else` has a condition's number left out before it); 0 in groups of other kinds, save 1 behind `do`.
    pub arm: usize,
    /// Index of the command whose substitution, `-c` text or heredoc holds it; see [`Command::parent`].
    pub command: Option<usize>,
    /// Redirections of the whole group: `{ …; } > file`.
    pub redirections: Vec<Redirection>,
}

/// Kinds of compound commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupKind {
    /// `( … )`
    Subshell,
    /// `{ … }`
    Brace,
    /// `if … fi`
    If,
    /// `while` and `until`
    While,
    /// `for` and `select`; the index in [`Script::loops`].
    For(usize),
    /// `case … esac`
    Case,
    /// A function definition and its name.
    Function(String),
}

/// The head of a `for` loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// The variable; empty for `for ((…))`.
    pub variable: String,
    /// The words after `in`; empty without `in`.
    pub words: Vec<Word>,
}

/// A place where the text is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// The opening that has no end, or the stray token.
    pub span: Span,
}

/// What can be wrong with shell text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// A quote without its end.
    UnterminatedQuote,
    /// `$(`, `${`, `$((`, a backtick or an array without its end.
    UnterminatedExpansion,
    /// A heredoc whose delimiter line is missing.
    UnterminatedHeredoc,
    /// `(`, `{`, `if`, a loop or `case` without its end.
    UnterminatedGroup,
    /// A closing word or bracket without its opening.
    StrayClose,
}
