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
pub mod packages;
pub mod python;
pub mod repositories;
pub mod requirement;
pub mod session;

pub use args::Flag;
pub use build::{BuildCommand, Definition, GencodeFlag};
pub use conda::{CondaCommand, CondaVerb, MatchSpec};
pub use download::{Download, GitClone};
pub use files::{Archive, FileOperation, FileVerb, FileWrite, Ldconfig};
pub use packages::{PackageAction, PackageCommand, PackageManager, PackageWord};
pub use python::{PythonAction, PythonCode, PythonInstall, PythonTool};
pub use repositories::RepositoryCommand;
pub use requirement::{Requirement, RequirementSource};
pub use session::{Session, SetVariables};

use super::program::Program;
use super::types::Command;
use super::word::Word;
