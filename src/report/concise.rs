//! One line per finding: `path:line:col: severity CODE message`.

use std::io::{self, Write};

use super::Options;
use super::text::{found, held_back, unanswered, visible, where_is};
use crate::diagnostics::Outcome;

/// Writes one line per finding and per part that could not be read, then a summary line.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    for input in &outcome.inputs {
        for finding in input.findings.iter().map(|reported| &reported.finding) {
            let word = match finding.is_unknown() {
                true if !options.verbose => continue,
                true => "unknown",
                false => finding.severity.as_str(),
            };
            let place = where_is(&finding.location, &input.input);
            writeln!(out, "{place}: {word} {} {}", finding.rule, visible(&finding.message))?;
        }
        for problem in &input.problems {
            let place = match &problem.location {
                Some(location) => where_is(location, &input.input),
                None => visible(&input.input).into_owned(),
            };
            let word = if input.complete { "note" } else { "incomplete" };
            writeln!(out, "{place}: {word}: {}", visible(&problem.message))?;
        }
    }
    if options.quiet {
        return Ok(());
    }
    write!(out, "{}", found(outcome))?;
    for part in [held_back(outcome), unanswered(outcome)].into_iter().flatten() {
        write!(out, "; {part}")?;
    }
    writeln!(out, ".")
}
