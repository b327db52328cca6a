//! Lines of a source with the words underlined. miette draws; this file decides what it is given.
//!
//! Only a window of the source is handed over, with control characters replaced and long lines cropped around what is
//! underlined, so that a line of megabytes costs no more than a short one.

use std::fmt;
use std::ops::Range;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use super::Options;
use super::text::substitute;
use crate::diagnostics::{FilePlace, Severity};
use crate::span::LineIndex;

/// Lines shown above and below what is underlined.
const CONTEXT: usize = 1;
/// Lines underlined of one place; what is longer is shown by its beginning.
const MOST_LINES: usize = 6;
/// Labels shown in one excerpt.
const MOST_LABELS: usize = 8;
/// Room that line number and frame take.
const GUTTER: usize = 9;

/// A place to underline, with what to say about it.
pub(super) struct Label<'a> {
    pub(super) place: &'a FilePlace,
    pub(super) text: Option<String>,
}

/// Draws the labelled places of one source, the first being the main one. `None` when it does not lie in the source.
pub(super) fn draw(
    source: &[u8],
    index: &LineIndex,
    labels: &[Label<'_>],
    severity: Severity,
    options: &Options<'_>,
) -> Option<String> {
    let window = Window::new(source, index, labels, options.width)?;
    let mut theme = match (options.unicode, options.color) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme::ascii(),
        (false, false) => GraphicalTheme::none(),
    };
    let main = match severity {
        Severity::Error => theme.styles.error,
        Severity::Warning => theme.styles.warning,
        Severity::Info => theme.styles.advice,
    };
    // miette gives the styles out in order of the labels' places.
    theme.styles.highlights =
        window.labels.iter().map(|(_, is_main)| if *is_main { main } else { theme.styles.help }).collect();
    theme.styles.link = theme.styles.linum;
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_context_lines(CONTEXT)
        .with_width(options.width.max(40))
        .without_syntax_highlighting();
    let mut text = String::new();
    handler.render_report(&mut text, &window).ok()?;
    // miette begins with the message, which our own first line has said already.
    text.split_once('\n').map(|(_, excerpt)| excerpt.to_owned())
}

/// What is underlined on one line.
struct Mark<'a> {
    line: usize,
    range: Range<usize>,
    text: Option<&'a str>,
    is_main: bool,
    is_first: bool,
}

impl<'a> Mark<'a> {
    /// The labels line by line; those that do not lie in the source are left out.
    fn all(source: &[u8], index: &LineIndex, labels: &'a [Label<'_>]) -> Vec<Self> {
        let mut marks = Vec::new();
        for (at, label) in labels.iter().take(MOST_LABELS).enumerate() {
            let (place, span) = (label.place, label.place.span);
            let first = place.start.line;
            // A place that ends with a line feed does not reach into the line below.
            let reaches = place.end.line.saturating_sub(usize::from(place.end.column <= 1)).max(first);
            for line in first..=reaches.min(first.saturating_add(MOST_LINES - 1)) {
                let Some(whole) = index.line_span(source, line) else { break };
                let indent = whole.slice(source).iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                let start = if line == first { span.start } else { whole.start + indent };
                let end = span.end.min(whole.end).max(start);
                // A place may begin at the line end, which is two bytes long at most.
                if start < whole.start || start > whole.end + 1 {
                    break;
                }
                if line == first || end > start {
                    let text = label.text.as_deref().filter(|_| line == first);
                    marks.push(Self {
                        line,
                        range: start..end,
                        text,
                        is_main: at == 0,
                        is_first: line == first,
                    });
                }
            }
        }
        marks
    }
}

/// The lines around the labels, made safe to print.
#[derive(Debug)]
struct Window {
    name: String,
    text: String,
    /// Start in `text` and number (from 1) of each line.
    lines: Vec<(usize, usize)>,
    /// In order of their places, with whether they belong to the main place.
    labels: Vec<(LabeledSpan, bool)>,
    /// Column, from 1, of the main label.
    column: usize,
}

impl Window {
    fn new(source: &[u8], index: &LineIndex, labels: &[Label<'_>], width: usize) -> Option<Self> {
        let main = labels.first()?;
        let marks = Mark::all(source, index, labels);
        if !marks.iter().any(|mark| mark.is_main) {
            return None;
        }
        let mut numbers: Vec<usize> = marks
            .iter()
            .flat_map(|mark| mark.line.saturating_sub(CONTEXT)..=mark.line.saturating_add(CONTEXT))
            .filter(|line| *line >= 1 && *line <= index.line_count())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        // An empty line after the last line feed is no line to people.
        if numbers.len() > 1
            && let Some(last) = numbers.last().copied()
            && last == index.line_count()
            && index.line_span(source, last).is_some_and(|span| span.is_empty())
            && !marks.iter().any(|mark| mark.line == last)
        {
            numbers.pop();
        }
        let mut window = Self {
            name: super::text::visible(&main.place.file).into_owned(),
            text: String::new(),
            lines: Vec::new(),
            labels: Vec::new(),
            column: main.place.start.column,
        };
        for number in numbers {
            let whole = index.line_span(source, number)?;
            let on_line: Vec<&Mark<'_>> = marks.iter().filter(|mark| mark.line == number).collect();
            let focus = on_line.first().map_or(whole.start..whole.start, |mark| mark.range.clone());
            let line = Line::new(source, whole.start..whole.end, focus, width.saturating_sub(GUTTER).max(20));
            let base = window.text.len();
            window.lines.push((base, number));
            for mark in on_line {
                let (start, end) = (line.position(mark.range.start), line.position(mark.range.end));
                let (span, text) = ((base + start, end - start), mark.text.map(str::to_owned));
                let label = if mark.is_main && mark.is_first {
                    LabeledSpan::new_primary_with_span(text, span)
                } else {
                    LabeledSpan::new_with_span(text, span)
                };
                window.labels.push((label, mark.is_main));
            }
            window.text.push_str(&line.text);
            window.text.push('\n');
        }
        window.labels.sort_by_key(|(label, _)| label.offset());
        Some(window)
    }

    /// Number, in `lines`, of the line that holds an offset of `text`.
    fn line_at(&self, offset: usize) -> usize {
        self.lines.partition_point(|(start, _)| *start <= offset).saturating_sub(1)
    }

    fn number(&self, line: usize) -> usize {
        self.lines.get(line).map_or(1, |(_, number)| *number)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Window {}

impl Diagnostic for Window {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().map(|(label, _)| label.clone())))
    }
}

impl SourceCode for Window {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (start, end) = (span.offset(), span.offset().saturating_add(span.len()));
        let line = self.line_at(start);
        if before == 0 && after == 0 {
            let data = self.text.as_bytes().get(start..end).ok_or(MietteError::OutOfBounds)?;
            let main = self.labels.iter().any(|(label, _)| label.primary() && label.inner() == span);
            let column = if main { self.column.saturating_sub(1) } else { 0 };
            let number = self.number(line).saturating_sub(1);
            let contents = MietteSpanContents::new_named(self.name.clone(), data, *span, number, column, 1);
            return Ok(Box::new(contents));
        }
        // Lines that do not follow each other in the source never come together.
        let mut first = line;
        while line - first < before
            && first > 0
            && self.number(first - 1).saturating_add(1) == self.number(first)
        {
            first -= 1;
        }
        let bottom = self.line_at(end.saturating_sub(1).max(start));
        let mut last = bottom;
        while last - bottom < after
            && last + 1 < self.lines.len()
            && self.number(last).saturating_add(1) == self.number(last + 1)
        {
            last += 1;
        }
        let from = self.lines.get(first).map_or(0, |(start, _)| *start);
        let to = self.lines.get(last + 1).map_or(self.text.len(), |(start, _)| *start);
        let data = self.text.as_bytes().get(from..to).ok_or(MietteError::OutOfBounds)?;
        let number = self.number(first).saturating_sub(1);
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            data,
            (from, to - from).into(),
            number,
            0,
            last - first + 1,
        );
        Ok(Box::new(contents))
    }
}

/// A line made safe to print and cropped to a width.
struct Line {
    text: String,
    /// First source byte of each character kept, and where the character stands in `text`.
    kept: Vec<(usize, usize)>,
    /// Source offset and text position just past the last character kept.
    end: (usize, usize),
}

impl Line {
    fn new(source: &[u8], line: Range<usize>, focus: Range<usize>, width: usize) -> Self {
        // Characters before the focus are counted from a little to its left, so that long lines cost no more than short.
        let reach = width.saturating_mul(4);
        let from =
            if focus.start.saturating_sub(line.start) > reach { focus.start - reach } else { line.start };
        let to = line.end.min(focus.start.saturating_add(reach));
        let mut chars: Vec<(usize, char)> = decode(source, from..to);
        mask(source, from..to, &mut chars);
        let focus_at = chars.partition_point(|(at, _)| *at < focus.start);
        let focus_end = chars.partition_point(|(at, _)| *at < focus.end);
        let cropped_left = from > line.start;
        let fits = !cropped_left && to == line.end && chars.len() <= width;
        let skip = if fits || (!cropped_left && focus_end.max(focus_at) < width.saturating_sub(1)) {
            0
        } else {
            // The focus in view with some of what stands before it, more when it is short.
            let room = width.saturating_sub(focus_end.saturating_sub(focus_at).min(width)).min(width / 3);
            focus_at.saturating_sub(room)
        };
        let mut text = String::new();
        if skip > 0 || cropped_left {
            text.push('…');
        }
        let mut kept = Vec::new();
        let room = width.saturating_sub(text.chars().count());
        let shown = chars.get(skip..).unwrap_or_default();
        let cut = shown.len() > room || to < line.end;
        let take = if cut { room.saturating_sub(1) } else { room };
        for (at, c) in shown.iter().take(take) {
            kept.push((*at, text.len()));
            match c {
                '\t' => text.push_str("    "),
                c => text.push(*c),
            }
        }
        let end = (shown.get(take).map_or(to, |(at, _)| *at), text.len());
        if cut {
            text.push('…');
        }
        Self { text, kept, end }
    }

    /// Where a source byte stands in the text; the nearest end when it was cropped away.
    fn position(&self, offset: usize) -> usize {
        match self.kept.get(self.kept.partition_point(|(at, _)| *at < offset)) {
            Some((_, position)) => *position,
            None if offset > self.end.0 => self.text.len(),
            None => self.end.1,
        }
    }
}

/// The characters of a range, each with its first byte; bytes that are no UTF-8 and control characters replaced.
fn decode(source: &[u8], range: Range<usize>) -> Vec<(usize, char)> {
    let mut at = range.start;
    let mut chars = Vec::new();
    for chunk in source.get(range).unwrap_or_default().utf8_chunks() {
        for c in chunk.valid().chars() {
            chars.push((at, if c == '\t' { c } else { substitute(c).unwrap_or(c) }));
            at += c.len_utf8();
        }
        if !chunk.invalid().is_empty() {
            chars.push((at, '\u{fffd}'));
            at += chunk.invalid().len();
        }
    }
    chars
}

/// Puts `*` for every character of a password in an address.
fn mask(source: &[u8], range: Range<usize>, chars: &mut [(usize, char)]) {
    let base = range.start;
    for secret in crate::diagnostics::secrets(source.get(range).unwrap_or_default()) {
        let hidden = base + secret.start..base + secret.end;
        chars.iter_mut().filter(|(at, _)| hidden.contains(at)).for_each(|(_, c)| *c = '*');
    }
}
