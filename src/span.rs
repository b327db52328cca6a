//! Byte ranges in a source text, and their translation to lines and columns.

use std::ops::Range;

/// A half-open range of byte offsets (`start..end`) into the original source bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just past the last byte; never below `start`.
    pub end: usize,
}

impl Span {
    /// A span from `start` to `end`; an `end` before `start` gives an empty span at `start`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Number of bytes covered.
    #[must_use]
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether no byte is covered.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `offset` lies inside.
    #[must_use]
    pub fn contains(self, offset: usize) -> bool {
        self.start <= offset && offset < self.end
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The bytes of `source` that this span names; empty when it lies outside.
    #[must_use]
    pub fn slice(self, source: &[u8]) -> &[u8] {
        source.get(self.start..self.end).unwrap_or_default()
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// A value and the place it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    #[must_use]
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A place as people and editors count it: both numbers start at 1, the column counts characters
/// (Unicode scalar values; bytes where the line is no UTF-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineColumn {
    /// Line number, from 1.
    pub line: usize,
    /// Column number, from 1.
    pub column: usize,
}

/// Where each line of a source begins, for translating offsets.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Vec<usize>,
    len: usize,
}

impl LineIndex {
    /// Indexes a source; lines end at `\n` (a preceding `\r` belongs to the line end).
    #[must_use]
    pub fn new(source: &[u8]) -> Self {
        let mut starts = vec![0];
        starts.extend(memchr::memchr_iter(b'\n', source).map(|at| at + 1));
        Self { starts, len: source.len() }
    }

    /// Line and column of `offset`; an offset past the end is taken as the end.
    #[must_use]
    pub fn line_column(&self, source: &[u8], offset: usize) -> LineColumn {
        let offset = offset.min(self.len);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = source.get(start..offset).unwrap_or_default();
        let column = std::str::from_utf8(before).map_or(before.len(), |text| text.chars().count()) + 1;
        LineColumn { line, column }
    }

    /// Number of lines; a source that ends in a line feed has an empty last line.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// The bytes of line `line` (from 1) without its line end, as a span; `None` past the last line.
    #[must_use]
    pub fn line_span(&self, source: &[u8], line: usize) -> Option<Span> {
        let start = *self.starts.get(line.checked_sub(1)?)?;
        let end = self.starts.get(line).map_or(self.len, |next| next - 1);
        let end = if end > start && source.get(end - 1) == Some(&b'\r') { end - 1 } else { end };
        Some(Span::new(start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let source = "é=1\nabc".as_bytes();
        let index = LineIndex::new(source);
        assert_eq!(index.line_column(source, 2), LineColumn { line: 1, column: 2 });
        assert_eq!(index.line_column(source, 6), LineColumn { line: 2, column: 2 });
        assert_eq!(index.line_column(source, 99), LineColumn { line: 2, column: 4 });
    }

    #[test]
    fn line_spans_leave_out_the_line_end() {
        let source = b"a\r\nbc\n";
        let index = LineIndex::new(source);
        assert_eq!(index.line_span(source, 1), Some(Span::new(0, 1)));
        assert_eq!(index.line_span(source, 2), Some(Span::new(3, 5)));
        assert_eq!(index.line_span(source, 3), Some(Span::new(6, 6)));
        assert_eq!(index.line_span(source, 4), None);
        assert_eq!(index.line_span(source, 0), None);
    }
}
