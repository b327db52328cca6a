//! Edits that mend a finding.

use std::sync::Arc;

use crate::span::Span;

/// Whether a fix may be applied without a second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// Keeps the meaning of everything else; applied by `--fix`.
    Safe,
    /// Changes what the image contains or a decision of the author; applied by `--unsafe-fixes`.
    Unsafe,
}

impl Safety {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
        }
    }
}

/// Replaces bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edit {
    /// File as the user names it.
    pub file: Arc<str>,
    /// Bytes to replace; empty to insert.
    pub span: Span,
    /// What to put there.
    pub replacement: String,
}

/// A change that makes a finding go away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an imperative (`add \`compute\``).
    pub title: String,
    /// Whether it needs a second look.
    pub safety: Safety,
    /// Edits that belong together; they do not overlap.
    pub edits: Vec<Edit>,
}
