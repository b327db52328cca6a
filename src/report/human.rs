//! The format for people at a terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::Options;
use super::excerpt::{Label, draw};
use super::text::{
    Texts, count, found, held_back, inner_place, instruction, short_digest, shortened, unanswered, visible,
    where_is, wrap, wrap_after,
};
use crate::diagnostics::{Finding, InputOutcome, Location, Outcome, Problem, Safety, Severity};

/// Reasons listed for what stayed unknown, when the questions themselves are not.
const MOST_REASONS: usize = 3;

/// How words are painted.
#[derive(Clone, Copy)]
enum Paint {
    Error,
    Warning,
    Info,
    Good,
    Bold,
    Dim,
}

impl Paint {
    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
        }
    }

    fn on(self, text: &str, options: &Options<'_>) -> String {
        let code = match self {
            Self::Error => "1;31",
            Self::Warning => "1;33",
            Self::Info => "1;36",
            Self::Good => "1;32",
            Self::Bold => "1",
            Self::Dim => "2",
        };
        if options.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes findings with excerpts, what could not be read, and a summary.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    for input in &outcome.inputs {
        let texts = Texts::new(&input.sources);
        for reported in &input.findings {
            if options.verbose || !reported.finding.is_unknown() {
                write_finding(&reported.finding, input, &texts, options, out)?;
                writeln!(out)?;
            }
        }
        for problem in &input.problems {
            let title = if input.complete { "note" } else { "incomplete" };
            write_titled(problem, title, Paint::Warning, Some(&input.input), &texts, options, out)?;
            writeln!(out)?;
        }
    }
    if options.quiet { Ok(()) } else { write_summary(outcome, options, out) }
}

/// Writes a problem that belongs to no input (a broken configuration or data file) with its excerpt.
///
/// # Errors
/// The writer's.
pub fn write_problem(
    problem: &Problem,
    source: &Arc<[u8]>,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = problem.location.as_ref().and_then(Location::place).map(|place| Arc::clone(&place.file));
    let sources: BTreeMap<Arc<str>, Arc<[u8]>> =
        file.into_iter().map(|file| (file, Arc::clone(source))).collect();
    write_titled(problem, "error", Paint::Error, None, &Texts::new(&sources), options, out)
}

fn write_titled(
    problem: &Problem,
    title: &str,
    paint: Paint,
    input: Option<&str>,
    texts: &Texts<'_>,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let place = match (&problem.location, input) {
        (Some(location), input) => Some(where_is(location, input.unwrap_or_default())),
        (None, input) => input.map(|input| visible(input).into_owned()),
    };
    write_headline(place.as_deref(), (&format!("{title}:"), paint), &problem.message, options, out)?;
    if let Some(location) = &problem.location {
        let severity = if title == "error" { Severity::Error } else { Severity::Warning };
        write_excerpt(location, &[], severity, texts, options, out)?;
    }
    match &problem.help {
        Some(help) => write_note("help", help, options, out),
        None => Ok(()),
    }
}

/// `path:line:col: error[CU301] message`, wrapped with an indent.
fn write_headline(
    place: Option<&str>,
    (title, paint): (&str, Paint),
    message: &str,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut taken = title.chars().count();
    if let Some(place) = place {
        taken = taken.saturating_add(place.chars().count()).saturating_add(2);
        write!(out, "{}: ", Paint::Bold.on(place, options))?;
    }
    write!(out, "{}", paint.on(title, options))?;
    // Lines below the first are indented, and so have a little less room.
    let message = visible(message);
    for (at, line) in wrap_after(taken, &message, options.width.saturating_sub(2).max(40)).iter().enumerate()
    {
        match (at, line.is_empty()) {
            (0, true) => writeln!(out)?,
            (0, false) => writeln!(out, " {line}")?,
            _ => writeln!(out, "  {line}")?,
        }
    }
    Ok(())
}

fn write_finding(
    finding: &Finding,
    input: &InputOutcome,
    texts: &Texts<'_>,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let place = match finding.location.place() {
        Some(_) => where_is(&finding.location, &input.input),
        None => visible(&input.input).into_owned(),
    };
    let (word, paint) = if finding.is_unknown() {
        ("unknown", Paint::Dim)
    } else {
        (finding.severity.as_str(), Paint::of(finding.severity))
    };
    let title = format!("{word}[{}]", finding.rule);
    write_headline(Some(&place), (&title, paint), &finding.message, options, out)?;
    write_excerpt(&finding.location, &finding.related, finding.severity, texts, options, out)?;
    write_inner(&finding.location, input, options, out)?;
    for (location, label) in &finding.related {
        if !is_drawn(location, &finding.location, texts) {
            write_note("note", &format!("{}: {label}", related_place(location)), options, out)?;
        }
    }
    if !finding.pools.is_empty() {
        write_note("pools", &finding.pools.join(", "), options, out)?;
    }
    if let Some(help) = &finding.help {
        write_note("help", help, options, out)?;
    }
    for fix in &finding.fixes {
        let flag = match fix.safety {
            Safety::Safe => "--fix",
            Safety::Unsafe => "--unsafe-fixes",
        };
        write_note("fix", &format!("{} ({flag})", fix.title), options, out)?;
    }
    Ok(())
}

/// Whether a related place is underlined in the finding's own excerpt.
fn is_drawn(related: &Location, main: &Location, texts: &Texts<'_>) -> bool {
    match (related, main.place()) {
        (Location::File(place), Some(main)) => place.file == main.file && texts.has(&main.file),
        _ => false,
    }
}

fn related_place(location: &Location) -> String {
    match location {
        Location::File(place) => {
            format!("{}:{}:{}", visible(&place.file), place.start.line, place.start.column)
        }
        location => inner_place(location).unwrap_or_default(),
    }
}

fn write_excerpt(
    location: &Location,
    related: &[(Location, String)],
    severity: Severity,
    texts: &Texts<'_>,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(place) = location.place() else { return Ok(()) };
    let Some((source, index)) = texts.get(&place.file) else { return Ok(()) };
    let mut labels = vec![Label { place, text: None }];
    labels.extend(related.iter().filter_map(|(other, label)| match other {
        Location::File(other) if other.file == place.file => {
            Some(Label { place: other, text: Some(visible(label).into_owned()) })
        }
        _ => None,
    }));
    match draw(source, &index, &labels, severity, options) {
        Some(excerpt) => out.write_all(excerpt.as_bytes()),
        None => Ok(()),
    }
}

/// Layer, path and history instruction, or the key of the config.
fn write_inner(
    location: &Location,
    input: &InputOutcome,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    // The headline names the line of the Dockerfile then.
    if !matches!(location, Location::File(_)) && location.place().is_some() {
        write_note("image", &input.input, options, out)?;
    }
    match location {
        Location::File(_) => Ok(()),
        Location::Config { key, .. } => write_note("config", key, options, out),
        Location::Layer { index, digest, path, created_by, .. } => {
            if let Some(path) = path {
                write_note("file", path, options, out)?;
            }
            let digest =
                if digest.is_empty() { String::new() } else { format!(" ({})", short_digest(digest)) };
            write_note("layer", &format!("{index}{digest}"), options, out)?;
            match created_by {
                Some(created_by) => {
                    let line = instruction(created_by);
                    write_note("made by", &shortened(&line, options.width.saturating_mul(3)), options, out)
                }
                None => Ok(()),
            }
        }
    }
}

/// `  help: text`, wrapped.
fn write_note(word: &str, text: &str, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let indent = word.chars().count().saturating_add(4);
    let lines =
        text.lines().flat_map(|line| wrap(&visible(line), options.width.saturating_sub(indent).max(20)));
    for (at, line) in lines.enumerate() {
        if at == 0 {
            writeln!(out, "  {} {line}", Paint::Bold.on(&format!("{word}:"), options))?;
        } else {
            writeln!(out, "{:indent$}{line}", "")?;
        }
    }
    Ok(())
}

fn write_summary(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let summary = &outcome.summary;
    let paint = match (summary.error, summary.warning, summary.info) {
        (0, 0, 0) => Paint::Good,
        (0, 0, _) => Paint::Info,
        (0, _, _) => Paint::Warning,
        _ => Paint::Error,
    };
    let held = held_back(outcome).map(|held| format!(" ({held})")).unwrap_or_default();
    writeln!(out, "{}{held}.", paint.on(&found(outcome), options))?;
    write_unanswered(outcome, options, out)?;
    let incomplete = outcome.inputs.iter().filter(|input| !input.complete).count();
    if incomplete > 0 {
        let text = format!("{} could not be read completely.", count(incomplete, "input"));
        writeln!(out, "{}", Paint::Warning.on(&text, options))?;
    }
    if outcome.stale_baseline > 0 {
        let entries = match outcome.stale_baseline {
            1 => "1 entry".to_owned(),
            number => format!("{number} entries"),
        };
        writeln!(out, "{entries} of the baseline matched nothing; --write-baseline takes them out.")?;
    }
    let (safe, hard) = outcome.fixable();
    match (safe, hard) {
        (0, 0) => Ok(()),
        (safe, 0) => writeln!(out, "{} can be mended with --fix.", count(safe, "finding")),
        (0, hard) => writeln!(out, "{} can be mended with --unsafe-fixes.", count(hard, "finding")),
        (safe, hard) => writeln!(
            out,
            "{} can be mended with --fix, {hard} more with --unsafe-fixes.",
            count(safe, "finding")
        ),
    }
}

fn write_unanswered(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(text) = unanswered(outcome) else { return Ok(()) };
    if options.verbose {
        return writeln!(out, "{text}; see the unknown ones above.");
    }
    writeln!(out, "{text} (run with -v to see where):")?;
    let reasons = outcome.unanswered();
    let counted = |number: usize| if number > 1 { format!("{number} × ") } else { String::new() };
    for reason in reasons.iter().take(MOST_REASONS) {
        let text = format!("{}{}", counted(reason.count), visible(&reason.reason));
        for (at, line) in wrap(&text, options.width.saturating_sub(4).max(20)).iter().enumerate() {
            writeln!(out, "{}{}", if at == 0 { "  - " } else { "    " }, Paint::Dim.on(line, options))?;
        }
    }
    match reasons.len().saturating_sub(MOST_REASONS) {
        0 => Ok(()),
        more => writeln!(out, "  - and {}", count(more, "other reason")),
    }
}
