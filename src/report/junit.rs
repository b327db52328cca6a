//! JUnit XML: one suite per input, one case per finding.

use std::io::{self, Write};

use super::Options;
use super::text::{markup, where_is};
use crate::diagnostics::{InputOutcome, Outcome, Severity};

/// Writes the suites. Errors and warnings are failures, what is info passes with a note, open questions are skipped, and
/// what could not be read is an error. An input without any of them is one case that passed.
pub(super) fn render(outcome: &Outcome, _: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"{}\">", markup(&outcome.tool.name))?;
    for input in &outcome.inputs {
        write_suite(input, out)?;
    }
    writeln!(out, "</testsuites>")
}

fn write_suite(input: &InputOutcome, out: &mut dyn Write) -> io::Result<()> {
    let failures = input.known().filter(|reported| reported.finding.severity >= Severity::Warning).count();
    let skipped = input.unknown().count();
    let errors = if input.complete { 0 } else { input.problems.len() };
    let tests = input.findings.len().saturating_add(input.problems.len()).max(1);
    let name = markup(&input.input);
    writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">"
    )?;
    for finding in input.findings.iter().map(|reported| &reported.finding) {
        let place = where_is(&finding.location, &input.input);
        write!(out, "    <testcase classname=\"{name}\" name=\"{} {}\"", finding.rule, markup(&place))?;
        if let Some(place) = finding.location.place() {
            write!(out, " file=\"{}\" line=\"{}\"", markup(&place.file), place.start.line)?;
        }
        writeln!(out, ">")?;
        let message = markup(&finding.message);
        let help = markup(finding.help.as_deref().unwrap_or_default());
        match (finding.is_unknown(), finding.severity) {
            (true, _) => writeln!(out, "      <skipped message=\"{message}\"/>")?,
            (false, Severity::Info) => writeln!(out, "      <system-out>{message}</system-out>")?,
            (false, severity) => {
                writeln!(out, "      <failure type=\"{severity}\" message=\"{message}\">{help}</failure>")?;
            }
        }
        writeln!(out, "    </testcase>")?;
    }
    for problem in &input.problems {
        let help = markup(problem.help.as_deref().unwrap_or_default());
        writeln!(out, "    <testcase classname=\"{name}\" name=\"reading {name}\">")?;
        writeln!(
            out,
            "      <error type=\"incomplete\" message=\"{}\">{help}</error>",
            markup(&problem.message)
        )?;
        writeln!(out, "    </testcase>")?;
    }
    if input.findings.is_empty() && input.problems.is_empty() {
        writeln!(out, "    <testcase classname=\"{name}\" name=\"{name}\"/>")?;
    }
    writeln!(out, "  </testsuite>")
}
