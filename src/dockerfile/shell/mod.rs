//! Shell text of a RUN (or of a script) to a flat list of commands with byte spans. Owns quoting, expansions, nesting and
//! what the arguments of well-known tools mean as text; knows no CUDA, does no I/O, judges nothing.
//!
//! [`scan`] is no shell parser: it accepts anything, never fails and loses no command of broken input. All spans are
//! byte offsets into the text that [`scan`] was given, also for text inside `bash -c '…'`, `eval` and heredocs.

mod expand;
mod heredoc;
mod lex;
mod lookup;
mod nested;
mod program;
mod reach;
mod scan;
mod skip;
mod source;
mod state;
pub mod tools;
mod types;
mod word;

pub use expand::Value;
pub use lookup::{Local, Variables};
pub use program::{Program, is_posix_shell};
pub use reach::unreached;
pub use scan::scan;
pub use tools::{Action, interpret};
pub use types::{
    Assignment, Command, Context, Group, GroupKind, Heredoc, HeredocUse, Loop, Problem, ProblemKind,
    Redirection, RedirectionOp, Script, Separator,
};
pub use word::{Parameter, Piece, PieceKind, Segment, SubstitutionKind, Word};

#[cfg(test)]
mod tests;
