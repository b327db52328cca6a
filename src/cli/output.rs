//! How commands answer: what they know of the terminal, words in colour, errors with their places.

use std::io::{self, Write};
use std::sync::Arc;

use crate::compat::tables::DataErrors;
use crate::config::ConfigError;
use crate::diagnostics::{FilePlace, Location, PathBase, Problem};
use crate::report;
use crate::span::LineIndex;

/// How answers for people are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    /// Columns to use.
    pub(super) width: usize,
    /// Whether to colour.
    pub(super) color: bool,
    /// Whether characters outside ASCII may be used.
    pub(super) unicode: bool,
    /// Whether to say less.
    pub(super) quiet: bool,
    /// Whether to say more.
    pub(super) verbose: bool,
}

#[cfg(test)]
impl Screen {
    /// 80 columns, no colour.
    pub(super) const PLAIN: Self =
        Self { width: 80, color: false, unicode: true, quiet: false, verbose: false };
}

/// How words are painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Bad,
    Caution,
    Info,
    Good,
    Bold,
    Dim,
}

impl Paint {
    /// The text in this paint, as far as the screen takes colours.
    pub(super) fn on(self, text: &str, screen: &Screen) -> String {
        let code = match self {
            Self::Bad => "1;31",
            Self::Caution => "1;33",
            Self::Info => "1;36",
            Self::Good => "1;32",
            Self::Bold => "1",
            Self::Dim => "2",
        };
        if screen.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Why a command gave no answer.
#[derive(Debug)]
pub(super) enum Stop {
    /// Usage or configuration: exit status 2.
    Usage(Vec<Trouble>),
    /// The answer could not be written.
    Write(io::Error),
}

/// One thing wrong with what was given, with the text it stands in.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What is wrong.
    pub(super) problem: Problem,
    /// The text that its place is in; empty when it has none.
    pub(super) source: Arc<[u8]>,
}

impl Stop {
    /// A message without a place.
    pub(super) fn usage(message: impl Into<String>, help: Option<&str>) -> Self {
        let problem = Problem { message: message.into(), help: help.map(str::to_owned), location: None };
        Self::Usage(vec![Trouble { problem, source: Arc::from(&[][..]) }])
    }

    /// Everything wrong with a data file, each at its place.
    pub(super) fn data(errors: DataErrors, text: &str) -> Self {
        let source: Arc<[u8]> = Arc::from(text.as_bytes());
        let lines = LineIndex::new(&source);
        let troubles = errors.0.into_iter().map(|error| {
            let place = FilePlace::new(&Arc::from(error.document.as_str()), &source, &lines, error.span);
            let near = error.nearest.map(|near| format!("did you mean `{near}`?"));
            let problem =
                Problem { message: error.message, help: near, location: Some(Location::File(place)) };
            Trouble { problem, source: Arc::clone(&source) }
        });
        Self::Usage(troubles.collect())
    }

    /// The messages, one a line: for tests.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        match self {
            Self::Usage(troubles) => {
                troubles.iter().map(|trouble| trouble.problem.message.clone()).collect::<Vec<_>>().join("\n")
            }
            Self::Write(error) => error.to_string(),
        }
    }

    /// Writes the messages; nothing for answers that could not be written because the reader went away.
    pub(super) fn write(&self, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Self::Write(error) => writeln!(out, "error: the answer cannot be written: {error}"),
            Self::Usage(troubles) => {
                let paths = PathBase::default();
                let options = report::Options {
                    width: screen.width,
                    color: screen.color,
                    unicode: screen.unicode,
                    ..report::Options::plain(&paths)
                };
                for trouble in troubles {
                    report::write_problem(&trouble.problem, &trouble.source, &options, out)?;
                }
                Ok(())
            }
        }
    }

    /// The exit status: a reader that went away has seen what it wanted.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 2,
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Self {
        Self::Usage(vec![Trouble { problem: *error.problem, source: error.source }])
    }
}

/// Writes an answer as JSON.
pub(super) fn write_json(value: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Stop> {
    report::write_json(value, true, out).map_err(Stop::from)
}

/// Writes text wrapped at the screen's width: the first line after `first`, the others after `rest`, whose widths are
/// counted without colours.
pub(super) fn write_wrapped(
    (first, first_width): (&str, usize),
    rest: usize,
    text: &str,
    screen: &Screen,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = report::visible(text);
    let room = screen.width.max(40);
    let lines = report::wrap(&text, room.saturating_sub(rest.max(first_width)).max(20));
    for (at, line) in lines.iter().enumerate() {
        match at {
            0 => writeln!(out, "{first}{line}")?,
            _ => writeln!(out, "{:rest$}{line}", "")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = Stop::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let mut out = Vec::new();
        gone.write(&Screen::PLAIN, &mut out).unwrap();
        assert_eq!((gone.status(), out.len()), (0, 0));
        let full = Stop::from(io::Error::from(io::ErrorKind::StorageFull));
        full.write(&Screen::PLAIN, &mut out).unwrap();
        assert_eq!(full.status(), 2);
        assert!(String::from_utf8(out).unwrap().starts_with("error: the answer cannot be written"));
    }

    #[test]
    fn wrapped_text_is_indented_and_harmless() {
        let screen = Screen { width: 40, ..Screen::PLAIN };
        let mut out = Vec::new();
        write_wrapped(
            ("- ", 2),
            4,
            "aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii\u{1b}[2J",
            &screen,
            &mut out,
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "- aaaa bbbb cccc dddd eeee ffff gggg\n    hhhh iiii␛[2J\n"
        );
    }
}
