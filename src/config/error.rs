//! Errors of the configuration, with their place.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::{FilePlace, Location, Problem};
use crate::nearest::nearest;
use crate::span::{LineIndex, Span};

/// A configuration that cannot be used: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, with its place in the file.
    pub problem: Box<Problem>,
    /// The file's text, for an excerpt; empty when it could not be read.
    pub source: Arc<[u8]>,
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(super) fn whole(message: String, help: &str) -> Self {
        let problem = Problem { message, help: Some(help.to_owned()), location: None };
        Self { problem: Box::new(problem), source: Arc::from(&[][..]) }
    }

    /// An error at some bytes of the file.
    pub(super) fn at(
        file: &Arc<str>,
        source: &Arc<[u8]>,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        let place = FilePlace::new(file, source, &LineIndex::new(source), span);
        let problem = Problem { message: message.into(), help, location: Some(Location::File(place)) };
        Self { problem: Box::new(problem), source: Arc::clone(source) }
    }

    /// The TOML reader's error in our words: serde lists what is expected between backticks, of which the nearest is named.
    pub(super) fn toml(file: &Arc<str>, source: &Arc<[u8]>, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let text = error.message().trim();
        let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let unknown = [("unknown field", "key"), ("unknown variant", "value")];
        let unknown = unknown.iter().find(|(start, _)| text.starts_with(start));
        let (message, help) = match (unknown, quoted.split_first()) {
            (Some((_, kind)), Some((word, known))) => {
                let near = nearest(word, known.iter().copied());
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let list = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
                (format!("`{word}` is no {kind} here{near}"), Some(format!("possible here: {list}")))
            }
            _ => match (text.strip_prefix("missing field "), quoted.first()) {
                (Some(_), Some(word)) => (format!("`{word}` is missing"), None),
                _ => (text.lines().collect::<Vec<_>>().join(", "), None),
            },
        };
        Self::at(file, source, span.into(), message, help)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.problem.location.as_ref().and_then(Location::place) {
            write!(f, "{}:{}:{}: ", place.file, place.start.line, place.start.column)?;
        }
        f.write_str(&self.problem.message)?;
        match &self.problem.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}
