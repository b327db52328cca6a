//! Checkstyle XML.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Options;
use super::text::{inner_place, markup};
use crate::diagnostics::{Finding, Outcome};

/// Writes one `file` per file (or image), its findings in order.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut files: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for input in &outcome.inputs {
        for reported in input.known() {
            let place = reported.finding.location.place();
            let name = place.map_or_else(|| input.input.clone(), |place| options.paths.relative(&place.file));
            files.entry(name).or_default().push(&reported.finding);
        }
    }
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<checkstyle version=\"4.3\">")?;
    for (file, findings) in files {
        writeln!(out, "  <file name=\"{}\">", markup(&file))?;
        for finding in findings {
            let (line, column) =
                finding.location.place().map_or((1, 1), |place| (place.start.line, place.start.column));
            let inner = inner_place(&finding.location).map(|inner| format!(" ({inner})")).unwrap_or_default();
            writeln!(
                out,
                "    <error line=\"{line}\" column=\"{column}\" severity=\"{}\" message=\"{}\" source=\"cudalint.{}\"/>",
                finding.severity,
                markup(&format!("{}{inner}", finding.message)),
                finding.rule,
            )?;
        }
        writeln!(out, "  </file>")?;
    }
    writeln!(out, "</checkstyle>")
}
