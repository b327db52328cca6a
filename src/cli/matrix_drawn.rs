//! The matrix of drivers and GPUs on a screen: cells side by side as far as they fit, a legend, and the reasons.

use std::io::{self, Write};

use super::compat::verdict_words;
use super::matrix::{Cell, Grid, Mark, Row};
use super::output::{Paint, Screen, write_wrapped};
use crate::compat::Truth;
use crate::report::visible;

impl Mark {
    /// Glyph, the same in ASCII, word, paint, meaning.
    fn drawn(self) -> (&'static str, &'static str, &'static str, Paint, &'static str) {
        match self {
            Self::Ok => ("✓", "+", "ok", Paint::Good, "runs"),
            Self::Minor => ("✓", "+", "minor", Paint::Good, "runs by minor-version compatibility"),
            Self::Compat => ("✓", "+", "compat", Paint::Good, "runs by forward compatibility"),
            Self::Some => ("~", "~", "some", Paint::Caution, "runs on newer drivers of the branch only"),
            Self::Refused => {
                ("!", "!", "refused", Paint::Bad, "would run, but NVIDIA_REQUIRE_CUDA refuses the driver")
            }
            Self::NeedsCompat => ("✗", "x", "compat", Paint::Bad, "would need a compat package"),
            Self::Driver => ("✗", "x", "driver", Paint::Bad, "the driver is too old for the CUDA version"),
            Self::Gpu => ("✗", "x", "gpu", Paint::Bad, "the branch does not drive the GPU"),
            Self::Code => ("✗", "x", "code", Paint::Bad, "no code for the GPU"),
            Self::Ptx => ("✗", "x", "ptx", Paint::Bad, "the driver cannot compile the PTX"),
            Self::Unknown => ("?", "?", "", Paint::Caution, "cannot be told"),
        }
    }
}

/// Columns between two cells.
const GAP: usize = 2;
/// Columns of the widest cell: a glyph, a blank, a word.
const CELL: usize = 9;
/// Longest name of a GPU in a heading line.
const HEAD: usize = 12;

/// Draws a grid; `reasons` adds the reason of each cell.
pub(super) fn write_matrix(
    grid: &Grid,
    reasons: bool,
    screen: &Screen,
    out: &mut dyn Write,
) -> io::Result<()> {
    let names: Vec<Vec<String>> = grid.gpus.iter().map(|name| heading(name.as_deref())).collect();
    let widths: Vec<usize> = names
        .iter()
        .map(|lines| lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).max(CELL))
        .collect();
    let label = grid.rows.iter().map(|row| row.driver.chars().count()).max().unwrap_or(0).max("driver".len());
    for (at, block) in blocks(&widths, label, screen.width).into_iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let height = names.get(block.clone()).unwrap_or_default().iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            let last = line.saturating_add(1) == height;
            let mut text = format!("{:<label$}", if last { "driver" } else { "" });
            for column in block.clone() {
                let lines = names.get(column).map(Vec::as_slice).unwrap_or_default();
                // Names stand at the bottom of the heading.
                let missing = height.saturating_sub(lines.len());
                let part =
                    line.checked_sub(missing).and_then(|line| lines.get(line)).map_or("", String::as_str);
                let width = widths.get(column).copied().unwrap_or(CELL);
                text.push_str(&format!("{:GAP$}{part:<width$}", ""));
            }
            writeln!(out, "{}", Paint::Bold.on(text.trim_end(), screen))?;
        }
        for row in &grid.rows {
            write_row(row, block.clone(), &widths, label, screen, out)?;
        }
    }
    if !screen.quiet {
        write_legend(grid, screen, out)?;
    }
    if reasons { write_reasons(grid, screen, out) } else { Ok(()) }
}

/// Which columns go side by side.
fn blocks(widths: &[usize], label: usize, room: usize) -> Vec<std::ops::Range<usize>> {
    let mut blocks: Vec<std::ops::Range<usize>> = Vec::new();
    let mut used = label;
    for (at, width) in widths.iter().enumerate() {
        let wanted = used.saturating_add(width.saturating_add(GAP));
        match blocks.last_mut() {
            Some(block) if wanted <= room => block.end = at.saturating_add(1),
            _ => {
                blocks.push(at..at.saturating_add(1));
                used = label;
            }
        }
        used = used.saturating_add(width.saturating_add(GAP));
    }
    blocks
}

/// A GPU's name in lines: what every GPU of a maker is called is left out, long names break at blanks.
fn heading(name: Option<&str>) -> Vec<String> {
    let name = visible(name.unwrap_or("any GPU")).into_owned();
    let short = name.strip_prefix("GeForce ").or_else(|| name.strip_prefix("Tesla ")).unwrap_or(&name);
    crate::report::wrap(short, HEAD)
}

fn write_row(
    row: &Row,
    block: std::ops::Range<usize>,
    widths: &[usize],
    label: usize,
    screen: &Screen,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(out, "{:<label$}", row.driver)?;
    let last = block.end.saturating_sub(1);
    for column in block {
        let width = widths.get(column).copied().unwrap_or(CELL);
        let text = match row.cells.get(column).and_then(Option::as_ref) {
            None => ("·".to_owned(), Paint::Dim),
            Some(cell) => {
                let (glyph, ascii, word, paint, _) = cell.mark.drawn();
                let glyph = if screen.unicode { glyph } else { ascii };
                (format!("{glyph} {word}").trim_end().to_owned(), paint)
            }
        };
        let (text, paint) = text;
        let fill = if column == last { 0 } else { width.saturating_sub(text.chars().count()) };
        write!(out, "{:GAP$}{}{:fill$}", "", paint.on(&text, screen), "")?;
    }
    writeln!(out)
}

pub(super) fn marks(grid: &Grid) -> Vec<Mark> {
    let mut marks: Vec<Mark> =
        grid.rows.iter().flat_map(|row| &row.cells).flatten().map(|cell| cell.mark).collect();
    marks.sort();
    marks.dedup();
    marks
}

/// What the marks mean, only those that are there.
fn write_legend(grid: &Grid, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    for mark in marks(grid) {
        let (glyph, ascii, word, paint, meaning) = mark.drawn();
        let glyph = if screen.unicode { glyph } else { ascii };
        let text = format!("{glyph} {word}");
        let fill = CELL.saturating_sub(text.chars().count());
        writeln!(out, "{}{:fill$}  {meaning}", paint.on(&text, screen), "")?;
    }
    if grid.rows.iter().flat_map(|row| &row.cells).any(Option::is_none) {
        writeln!(out, "{:<CELL$}  no pool of the target has both", "·")?;
    }
    if !grid.device_code {
        let text = "No GPU code was found to judge; whether the image has any for these GPUs is not known.";
        writeln!(out)?;
        write_wrapped(("", 0), 0, text, screen, out)?;
    }
    Ok(())
}

/// The reasons, cell by cell; neighbouring GPUs of a branch with the same reason share one.
fn write_reasons(grid: &Grid, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    for row in &grid.rows {
        let mut groups: Vec<(Vec<String>, String)> = Vec::new();
        for (gpu, cell) in grid.gpus.iter().zip(&row.cells) {
            let Some(cell) = cell else { continue };
            let name = heading(gpu.as_deref()).join(" ");
            let text = cell_text(cell);
            match groups.iter_mut().find(|(_, other)| *other == text) {
                Some((names, _)) => names.push(name),
                None => groups.push((vec![name], text)),
            }
        }
        writeln!(out, "\n{}", Paint::Bold.on(&row.driver, screen))?;
        for (names, text) in groups {
            write_wrapped(("  ", 2), 4, &format!("{}: {text}", names.join(", ")), screen, out)?;
        }
    }
    Ok(())
}

/// The reason of a cell in a sentence.
fn cell_text(cell: &Cell) -> String {
    let words = match (&cell.from, cell.mark) {
        (Some(from), _) => format!("runs from driver {from} on"),
        (None, Mark::Some) => "runs on some drivers only".to_owned(),
        (None, _) => verdict_words(cell.verdict, cell.satisfied).to_owned(),
    };
    let because = cell.reasons.first().map(|reason| {
        let error = reason
            .error
            .filter(|_| reason.holds == Truth::No)
            .map(|code| format!(" (error {code})"))
            .unwrap_or_default();
        format!("; {}{error}", reason.text)
    });
    let refused =
        cell.refused.as_ref().map(|text| format!("; NVIDIA_REQUIRE_CUDA refuses {text}")).unwrap_or_default();
    format!("{words}{}{refused}", because.unwrap_or_default())
}
