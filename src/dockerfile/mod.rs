//! Bytes of a Dockerfile to a tree with spans, stages, ARG/ENV evaluation and the shell words of RUN. Knows no CUDA, does no I/O.

pub mod ast;
pub mod expand;
pub mod file_name;
pub mod graph;
mod heredoc;
pub mod image_name;
mod lines;
mod parser;
mod pattern;
pub mod platform;
pub mod scope;
pub mod shell;
pub mod stages;
pub mod text;
mod typed;
pub mod value;
mod words;

pub use ast::{
    ArgDeclaration, Command, CommandForm, Comment, Directive, DirectiveName, Flag, FromClause, Healthcheck,
    Heredoc, HeredocBody, Instruction, InstructionKind, KeyValue, Keyword, MountKey, PairForm, Problem,
    ProblemKind, Transfer,
};
pub use file_name::{DOCKERFILE_PATTERN, is_dockerfile_name};
pub use graph::StageGraph;
pub use image_name::ImageName;
pub use platform::Platform;
pub use scope::{EnvVariable, Scope};
pub use stages::{
    Assignment, AssignmentKind, Base, BaseEnv, BuildOptions, Link, LinkKind, LinkSource, ResolvedBase, Role,
    Setting, Stage,
};
pub use text::LogicalText;
pub use value::{ExpandError, Lookup, Origin, OriginKind, Piece, UnknownReason, Value};

/// A parsed Dockerfile. There is always a tree; what BuildKit would refuse is in [`Dockerfile::problems`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The original bytes; all spans point into them.
    pub source: Vec<u8>,
    /// The escape character, `\` or a backtick.
    pub escape: char,
    /// Parser directives, in order.
    pub directives: Vec<Directive>,
    /// All comment lines but directives, in order.
    pub comments: Vec<Comment>,
    /// Instructions, in order; their spans do not overlap.
    pub instructions: Vec<Instruction>,
    /// What is wrong, in the order it was found.
    pub problems: Vec<Problem>,
}

impl Dockerfile {
    /// The instruction of that index, or the one that it holds when it is an ONBUILD.
    #[must_use]
    pub fn effective(&self, index: usize) -> Option<&Instruction> {
        let instruction = self.instructions.get(index)?;
        match &instruction.kind {
            InstructionKind::Onbuild(child) => Some(child),
            _ => Some(instruction),
        }
    }
}
