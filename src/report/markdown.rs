//! Markdown, for comments on merge requests and step summaries.

use std::io::{self, Write};

use super::Options;
use super::text::{found, held_back, unanswered, visible, where_is};
use crate::diagnostics::{InputOutcome, Outcome};

/// Writes a headline, a table per input with findings, and what stayed open.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {}", escape(&outcome.tool.name))?;
    writeln!(out)?;
    let held = held_back(outcome).map(|held| format!(" ({held})")).unwrap_or_default();
    writeln!(out, "**{}**{held}.", found(outcome))?;
    let fleet = [("Drivers", &outcome.fleet.drivers), ("GPUs", &outcome.fleet.gpus)];
    for (word, names) in fleet.iter().filter(|(_, names)| !names.is_empty()) {
        writeln!(out, "{word}: {}.", names.iter().map(|name| escape(name)).collect::<Vec<_>>().join(", "))?;
    }
    for input in &outcome.inputs {
        write_input(input, out)?;
    }
    if let Some(text) = unanswered(outcome) {
        writeln!(out)?;
        writeln!(out, "### {text}")?;
        writeln!(out)?;
        let reasons = outcome.unanswered();
        let shown = if options.verbose { reasons.len() } else { 10 };
        for reason in reasons.iter().take(shown) {
            writeln!(out, "- {} × {}", reason.count, escape(&reason.reason))?;
        }
        if reasons.len() > shown {
            writeln!(out, "- and {} other reasons", reasons.len() - shown)?;
        }
    }
    Ok(())
}

fn write_input(input: &InputOutcome, out: &mut dyn Write) -> io::Result<()> {
    if input.known().next().is_none() && input.problems.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "### {}", escape(&input.input))?;
    writeln!(out)?;
    for problem in &input.problems {
        let word = if input.complete { "Note" } else { "Incomplete" };
        writeln!(out, "{word}: {}", escape(&problem.message))?;
        writeln!(out)?;
    }
    if input.known().next().is_none() {
        return Ok(());
    }
    writeln!(out, "| | Rule | Where | What | Help |")?;
    writeln!(out, "| --- | --- | --- | --- | --- |")?;
    for finding in input.known().map(|reported| &reported.finding) {
        writeln!(
            out,
            "| {} | {} {} | {} | {} | {} |",
            finding.severity,
            finding.rule,
            escape(finding.name),
            escape(&where_is(&finding.location, &input.input)),
            cell(&finding.message),
            cell(finding.help.as_deref().unwrap_or_default()),
        )?;
    }
    Ok(())
}

/// Text of our own that may hold code between backticks: the code stays code, the rest is escaped.
fn cell(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick is no code.
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let mut out = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        match at % 2 {
            0 => out.push_str(&escape(part)),
            _ => {
                out.push('`');
                out.push_str(&visible(part).replace('|', "\\|"));
                out.push('`');
            }
        }
    }
    out
}

/// The text with everything escaped that Markdown, or HTML in it, would take as markup; on one line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // `@name` and `#1` would call people and link issues.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
