//! GitHub workflow commands, which become annotations, and the step summary.
//!
//! A step shows 10 annotations of each level: the worst come first and the rest is folded into one line.

use std::io::{self, Write};

use super::text::{annotation_level, count, found, inner_place, visible};
use super::{Options, markdown};
use crate::diagnostics::{Finding, InputOutcome, Outcome, Severity};

/// Annotations of one level that a step shows.
const SHOWN: usize = 10;
/// Bytes that a step summary may have (GitHub refuses more than 1 MiB).
const SUMMARY_BYTES: usize = 1_000_000;

/// Writes one command per finding, worst first, at most ten of each level.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut left = Vec::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        let all: Vec<(&InputOutcome, &Finding)> = outcome
            .inputs
            .iter()
            .flat_map(|input| input.known().map(move |reported| (input, &reported.finding)))
            .filter(|(_, finding)| finding.severity == severity)
            .collect();
        // The line about what was folded is a notice itself.
        let folds = !left.is_empty() || all.len() > SHOWN;
        let shown = if severity == Severity::Info && folds { SHOWN - 1 } else { SHOWN };
        for (input, finding) in all.iter().take(shown) {
            write_command(input, finding, options, out)?;
        }
        let more = all.len().saturating_sub(shown);
        if more > 0 {
            left.push(count(more, annotation_level(severity)));
        }
    }
    for input in outcome.inputs.iter().filter(|input| !input.problems.is_empty()) {
        for problem in &input.problems {
            let message = format!("{}: {}", input.input, problem.message);
            // No annotation: it would take the place of a finding.
            writeln!(out, "{}", log_line(&message))?;
        }
    }
    if !left.is_empty() {
        let text = format!("{} more: see the log or the step summary", left.join(", "));
        writeln!(out, "::notice title={}::{}", property("cudalint"), data(&text))?;
    }
    if options.quiet { Ok(()) } else { writeln!(out, "{}.", found(outcome)) }
}

fn write_command(
    input: &InputOutcome,
    finding: &Finding,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut message = finding.message.clone();
    if let Some(inner) = inner_place(&finding.location) {
        message = format!("{}, {inner}: {message}", input.input);
    }
    if let Some(help) = &finding.help {
        message.push('\n');
        message.push_str(help);
    }
    let title = property(&format!("{} {}", finding.rule, finding.name));
    write!(out, "::{} ", annotation_level(finding.severity))?;
    if let Some(place) = finding.location.place() {
        write!(out, "file={},line={}", property(&options.paths.relative(&place.file)), place.start.line)?;
        // GitHub takes columns only when the place is on one line.
        if place.start.line == place.end.line {
            write!(
                out,
                ",endLine={},col={},endColumn={}",
                place.end.line, place.start.column, place.end.column
            )?;
        } else {
            write!(out, ",endLine={}", place.end.line)?;
        }
        write!(out, ",")?;
    }
    writeln!(out, "title={title}::{}", data(&message))
}

/// The text as a line of the log that is no command, in neither of GitHub's two spellings.
fn log_line(text: &str) -> String {
    visible(text).replace("::", ": :").replace("##[", "# #[")
}

/// The text as the message of a command.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| visible(line).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// The text as a property of a command.
fn property(text: &str) -> String {
    visible(text).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}

/// Writes the outcome for `$GITHUB_STEP_SUMMARY`: the Markdown format, cut below GitHub's limit of 1 MiB.
///
/// # Errors
/// The writer's.
pub fn write_step_summary(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    markdown::render(outcome, options, &mut text)?;
    if text.len() <= SUMMARY_BYTES {
        return out.write_all(&text);
    }
    let kept = text.get(..SUMMARY_BYTES).unwrap_or_default();
    let end = memchr::memrchr(b'\n', kept).map_or(0, |at| at + 1);
    out.write_all(kept.get(..end).unwrap_or_default())?;
    writeln!(out, "\nThe rest was cut, because GitHub takes no more than 1 MiB.")
}
