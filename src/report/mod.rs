//! Output formats: one file each, all of the same [`Outcome`].
//!
//! A format judges nothing and changes nothing. What it is given is already sorted and free of credentials; what it
//! writes is the same for the same outcome, and control characters of the input never reach a terminal.

mod checkstyle;
mod concise;
mod excerpt;
mod github;
mod gitlab;
mod html;
mod human;
mod json;
mod junit;
mod markdown;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

pub use github::write_step_summary;
pub use human::write_problem;
pub use json::schema as json_schema;
pub use text::visible;
pub(crate) use text::{wrap, write_json};

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use crate::diagnostics::{Outcome, PathBase, RuleInfo};
use crate::nearest::nearest;

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    /// For people at a terminal: excerpts, help, a summary.
    #[default]
    Human,
    /// One line per finding: `path:line:col: severity CODE message`.
    Concise,
    /// One JSON document, schema `cudalint/1`.
    Json,
    /// One JSON object per input and line, then one with the summary.
    Jsonl,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// GitHub workflow commands (annotations).
    Github,
    /// GitLab code quality report.
    Gitlab,
    /// JUnit XML.
    Junit,
    /// Checkstyle XML.
    Checkstyle,
    /// Markdown, for comments and step summaries.
    Markdown,
    /// A self-contained HTML page.
    Html,
}

impl Format {
    /// All formats with their words.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Human, "human"),
        (Self::Concise, "concise"),
        (Self::Json, "json"),
        (Self::Jsonl, "jsonl"),
        (Self::Sarif, "sarif"),
        (Self::Github, "github"),
        (Self::Gitlab, "gitlab"),
        (Self::Junit, "junit"),
        (Self::Checkstyle, "checkstyle"),
        (Self::Markdown, "markdown"),
        (Self::Html, "html"),
    ];

    /// The word of `--format`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(format, _)| *format == self).map_or("human", |(_, word)| word)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no output format{}", nearest.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub struct FormatError {
    /// The word.
    pub word: String,
    /// What may have been meant.
    pub nearest: Option<&'static str>,
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(format, _)| *format).ok_or_else(|| {
            FormatError { word: word.to_owned(), nearest: nearest(word, Self::ALL.map(|(_, name)| name)) }
        })
    }
}

/// A rule's manual, for formats that carry it.
#[derive(Debug, Clone, Copy)]
pub struct RuleManual<'a> {
    /// The rule.
    pub info: RuleInfo,
    /// One line.
    pub summary: &'a str,
    /// Markdown.
    pub body: &'a str,
}

/// The manuals of all rules.
#[must_use]
pub fn manuals() -> Vec<RuleManual<'static>> {
    let infos = crate::rules::rule_infos();
    crate::rules::pages()
        .filter_map(|page| {
            let info = infos.iter().find(|info| info.id.as_str() == page.id)?;
            Some(RuleManual { info: *info, summary: &page.summary, body: &page.body })
        })
        .collect()
}

/// How to render.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Columns of the terminal (human format).
    pub width: usize,
    /// Whether to colour (human and concise formats).
    pub color: bool,
    /// Whether to draw with characters outside ASCII (human format).
    pub unicode: bool,
    /// Whether to list questions that could not be answered.
    pub verbose: bool,
    /// Whether to leave out the summary (human and concise formats).
    pub quiet: bool,
    /// How file names are written where they must be relative to the repository (SARIF, annotations, GitLab).
    pub paths: &'a PathBase,
    /// Manuals of the rules (SARIF, HTML).
    pub rules: &'a [RuleManual<'a>],
}

impl<'a> Options<'a> {
    /// 80 columns, no colour, box-drawing characters, neither verbose nor quiet, no manuals.
    #[must_use]
    pub fn plain(paths: &'a PathBase) -> Self {
        Self { width: 80, color: false, unicode: true, verbose: false, quiet: false, paths, rules: &[] }
    }
}

/// Writes the outcome in a format.
///
/// # Errors
/// The writer's.
pub fn render(
    format: Format,
    outcome: &Outcome,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Human => human::render(outcome, options, out),
        Format::Concise => concise::render(outcome, options, out),
        Format::Json => json::render(outcome, options, out),
        Format::Jsonl => json::render_lines(outcome, options, out),
        Format::Sarif => sarif::render(outcome, options, out),
        Format::Github => github::render(outcome, options, out),
        Format::Gitlab => gitlab::render(outcome, options, out),
        Format::Junit => junit::render(outcome, options, out),
        Format::Checkstyle => checkstyle::render(outcome, options, out),
        Format::Markdown => markdown::render(outcome, options, out),
        Format::Html => html::render(outcome, options, out),
    }
}
