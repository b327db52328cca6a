//! A self-contained HTML page: no scripts, nothing loaded.

use std::io::{self, Write};

use super::Options;
use super::text::{Texts, found, held_back, inner_place, instruction, markup, unanswered, where_is};
use crate::diagnostics::{Finding, InputOutcome, Location, Outcome};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; overflow-wrap: anywhere; }
article { border: 1px solid var(--line); border-left: .4rem solid var(--dim); padding: .6rem 1rem; margin: 1rem 0;
  overflow-wrap: anywhere; }
article.error { border-left-color: #c62828; } article.warning { border-left-color: #e69500; }
article.info { border-left-color: #1976d2; }
article p { margin: .3rem 0; } .place, code { font-family: ui-monospace, monospace; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .5rem; margin: .5rem 0; }
mark { background: #ffd54f; color: #000; } .dim { color: var(--dim); }
";

/// Most characters that an excerpt shows of a line before, in and after the mark.
const LINE: usize = 400;
/// Lines that an excerpt shows.
const LINES: usize = 6;

/// Writes the page.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(
        out,
        "<title>{} report</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        markup(&outcome.tool.name)
    )?;
    let held = held_back(outcome).map(|held| format!(" ({held})")).unwrap_or_default();
    writeln!(out, "<h1>{}{held}</h1>", markup(&found(outcome)))?;
    writeln!(
        out,
        "<p class=\"dim\">{} {}, tables as of {}</p>",
        markup(&outcome.tool.name),
        markup(&outcome.tool.version),
        markup(&outcome.tool.data_as_of)
    )?;
    for (word, names) in [("Drivers", &outcome.fleet.drivers), ("GPUs", &outcome.fleet.gpus)] {
        if !names.is_empty() {
            writeln!(out, "<p>{word}: {}</p>", markup(&names.join(", ")))?;
        }
    }
    for input in &outcome.inputs {
        writeln!(out, "<h2>{}</h2>", markup(&input.input))?;
        for problem in &input.problems {
            let word = if input.complete { "Note" } else { "Incomplete" };
            writeln!(out, "<p><strong>{word}</strong>: {}</p>", prose(&problem.message))?;
        }
        if input.findings.is_empty() && input.problems.is_empty() {
            writeln!(out, "<p class=\"dim\">Nothing found.</p>")?;
        }
        let texts = Texts::new(&input.sources);
        for reported in &input.findings {
            write_finding(&reported.finding, input, &texts, options, out)?;
        }
    }
    if let Some(text) = unanswered(outcome) {
        writeln!(out, "<h2>{}</h2>\n<ul>", markup(&text))?;
        for reason in outcome.unanswered() {
            writeln!(out, "<li>{} × {}</li>", reason.count, markup(&reason.reason))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</body>\n</html>")
}

/// A message as markup: what stands between backticks is code.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else { break };
        for part in [&markup(before), "<code>", &markup(code), "</code>"] {
            out.push_str(part);
        }
        rest = after;
    }
    out.push_str(&markup(rest));
    out
}

fn write_finding(
    finding: &Finding,
    input: &InputOutcome,
    texts: &Texts<'_>,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let word = if finding.is_unknown() { "unknown" } else { finding.severity.as_str() };
    let summary =
        options.rules.iter().find(|manual| manual.info.id == finding.rule).map(|manual| manual.summary);
    writeln!(out, "<article class=\"{word}\">")?;
    writeln!(out, "<p><strong>{}</strong></p>", prose(&finding.message))?;
    writeln!(
        out,
        "<p class=\"dim\"><span class=\"place\">{}</span> · {word} · <span title=\"{}\">{} {}</span></p>",
        markup(&where_is(&finding.location, &input.input)),
        markup(summary.unwrap_or_default()),
        finding.rule,
        markup(finding.name)
    )?;
    write_excerpt(&finding.location, texts, out)?;
    if let Location::Layer { created_by: Some(created_by), .. } = &finding.location {
        writeln!(out, "<p>Made by <code>{}</code></p>", markup(&instruction(created_by)))?;
    }
    for (location, label) in &finding.related {
        let place = inner_place(location).unwrap_or_else(|| where_is(location, &input.input));
        writeln!(out, "<p><span class=\"place\">{}</span>: {}</p>", markup(&place), prose(label))?;
    }
    if !finding.pools.is_empty() {
        writeln!(out, "<p>Pools: {}</p>", markup(&finding.pools.join(", ")))?;
    }
    if let Some(help) = &finding.help {
        writeln!(out, "<p>Help: {}</p>", prose(help))?;
    }
    for fix in &finding.fixes {
        writeln!(out, "<p>Fix ({}): {}</p>", fix.safety.as_str(), prose(&fix.title))?;
    }
    writeln!(out, "</article>")
}

/// The lines of the place, the words marked.
fn write_excerpt(location: &Location, texts: &Texts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(place) = location.place() else { return Ok(()) };
    let Some((source, index)) = texts.get(&place.file) else { return Ok(()) };
    write!(out, "<pre>")?;
    let last = place.end.line.min(place.start.line.saturating_add(LINES - 1));
    for line in place.start.line..=last {
        let Some(span) = index.line_span(source, line) else { break };
        let start = place.span.start.clamp(span.start, span.end);
        let end = place.span.end.clamp(start, span.end);
        // What stands far from the mark is left out.
        let from = span.start.max(start.saturating_sub(LINE));
        let mut shown =
            source.get(from..span.end.min(end.saturating_add(4 * LINE))).unwrap_or_default().to_vec();
        for secret in crate::diagnostics::secrets(&shown) {
            shown.get_mut(secret).unwrap_or_default().fill(b'*');
        }
        let text = |part: std::ops::Range<usize>| {
            let bytes = shown.get(part.start..part.end.min(shown.len())).unwrap_or_default();
            markup(&super::text::shortened(&String::from_utf8_lossy(bytes), LINE))
        };
        writeln!(
            out,
            "<span class=\"dim\">{line:>4}</span> {}<mark>{}</mark>{}",
            text(0..start - from),
            text(start - from..end - from),
            text(end - from..shown.len())
        )?;
    }
    writeln!(out, "</pre>")
}
