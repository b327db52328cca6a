//! Text joined from pieces of the source, with a map back to the original bytes.

use std::ops::Range;

use crate::span::Span;

/// A piece of logical text and the source bytes it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// Offset of the piece in the logical text.
    logical: usize,
    /// Offset of the piece in the source.
    source: usize,
    /// Bytes of the piece in the source. Equal to its logical length, except for a replaced byte sequence
    /// that is no UTF-8.
    source_len: usize,
}

/// Text after continuation lines are joined (escape characters, comment and blank lines between them are gone).
/// Bytes that are no UTF-8 are shown as U+FFFD. Every offset maps back to the source by binary search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogicalText {
    /// The text.
    pub text: String,
    segments: Vec<Segment>,
}

impl LogicalText {
    /// The part `range` of the text; empty where the range lies outside or cuts a character.
    #[must_use]
    pub fn get(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// Source offset of the logical `offset`; the end of the text maps to the end of its last piece.
    #[must_use]
    pub fn source_offset(&self, offset: usize) -> usize {
        let at = self.segments.partition_point(|segment| segment.logical <= offset);
        let Some(index) = at.checked_sub(1) else { return 0 };
        let Some(segment) = self.segments.get(index) else { return 0 };
        let next = self.segments.get(at).map_or(self.text.len(), |next| next.logical);
        let inside = offset - segment.logical;
        if inside >= next - segment.logical {
            segment.source + segment.source_len
        } else if next - segment.logical == segment.source_len {
            segment.source + inside
        } else {
            segment.source
        }
    }

    /// Source bytes that the logical `range` came from. What lies between its pieces (escape characters, line
    /// ends, comments) is inside the span; what follows the last piece is not.
    #[must_use]
    pub fn source_span(&self, range: Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        if range.end <= range.start {
            return Span::new(start, start);
        }
        let last = range.end.min(self.text.len()).saturating_sub(1);
        let at = self.segments.partition_point(|segment| segment.logical <= last);
        let Some(segment) = at.checked_sub(1).and_then(|index| self.segments.get(index)) else {
            return Span::new(start, start);
        };
        let next = self.segments.get(at).map_or(self.text.len(), |next| next.logical);
        let end = if next - segment.logical == segment.source_len {
            segment.source + (last - segment.logical) + 1
        } else {
            segment.source + segment.source_len
        };
        Span::new(start, end)
    }

    /// The span of the whole text.
    #[must_use]
    pub fn span(&self) -> Span {
        self.source_span(0..self.text.len())
    }

    /// A copy of the part `range` with its own map.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut out = Self::default();
        out.push_part(self, range);
        out
    }

    /// Appends the part `range` of another text.
    pub(crate) fn push_part(&mut self, from: &Self, range: Range<usize>) {
        let Some(text) = from.text.get(range.clone()) else { return };
        let base = self.text.len();
        if range.is_empty() {
            if self.segments.is_empty() {
                self.anchor(from.source_offset(range.start));
            }
            return;
        }
        let first = from.segments.partition_point(|segment| segment.logical <= range.start).saturating_sub(1);
        for (index, segment) in from.segments.iter().enumerate().skip(first) {
            if segment.logical >= range.end {
                break;
            }
            let next = from.segments.get(index + 1).map_or(from.text.len(), |next| next.logical);
            let start = segment.logical.max(range.start);
            let end = next.min(range.end);
            if end <= start {
                continue;
            }
            let linear = next - segment.logical == segment.source_len;
            self.add_segment(
                Segment {
                    logical: base + (start - range.start),
                    source: if linear { segment.source + (start - segment.logical) } else { segment.source },
                    source_len: if linear { end - start } else { segment.source_len },
                },
                end - start,
            );
        }
        self.text.push_str(text);
    }

    /// Appends source bytes that start at `source`.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8], source: usize) {
        if bytes.is_empty() {
            if self.segments.is_empty() {
                self.anchor(source);
            }
            return;
        }
        let mut at = source;
        for chunk in bytes.utf8_chunks() {
            let valid = chunk.valid();
            if !valid.is_empty() {
                let piece = Segment { logical: self.text.len(), source: at, source_len: valid.len() };
                self.add_segment(piece, valid.len());
                self.text.push_str(valid);
                at += valid.len();
            }
            let invalid = chunk.invalid();
            if !invalid.is_empty() {
                let piece = Segment { logical: self.text.len(), source: at, source_len: invalid.len() };
                self.add_segment(piece, char::REPLACEMENT_CHARACTER.len_utf8());
                self.text.push(char::REPLACEMENT_CHARACTER);
                at += invalid.len();
            }
        }
    }

    /// Gives an empty text a place in the source.
    fn anchor(&mut self, source: usize) {
        self.segments.push(Segment { logical: self.text.len(), source, source_len: 0 });
    }

    /// Adds a piece of `len` logical bytes; joins it to the one before when both are plain and touch.
    fn add_segment(&mut self, segment: Segment, len: usize) {
        if let Some(last) = self.segments.last() {
            if last.logical == segment.logical {
                self.segments.pop();
            } else if last.source + last.source_len == segment.source
                && segment.logical - last.logical == last.source_len
                && len == segment.source_len
            {
                if let Some(last) = self.segments.last_mut() {
                    last.source_len += len;
                }
                return;
            }
        }
        self.segments.push(segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_pieces_map_back_and_spans_stop_at_the_last_piece() {
        let source = b"RUN a \\\n# c\n  b\n";
        let mut text = LogicalText::default();
        text.push_bytes(&source[..6], 0);
        text.push_bytes(&source[12..15], 12);
        assert_eq!(text.text, "RUN a   b");
        assert_eq!(text.source_offset(8), 14);
        assert_eq!(text.source_span(4..6), Span::new(4, 6));
        assert_eq!(text.source_span(4..9), Span::new(4, 15));
        assert_eq!(text.source_offset(9), 15);
        let part = text.slice(4..9);
        assert_eq!(part.text, "a   b");
        assert_eq!(part.source_span(0..1), Span::new(4, 5));
        assert_eq!(part.source_span(4..5), Span::new(14, 15));
    }

    #[test]
    fn bytes_that_are_no_utf8_become_one_replacement_each() {
        let mut text = LogicalText::default();
        text.push_bytes(b"a\xffb", 10);
        assert_eq!(text.text, "a\u{fffd}b");
        assert_eq!(text.source_span(1..4), Span::new(11, 12));
        assert_eq!(text.source_span(4..5), Span::new(12, 13));
        assert_eq!(text.slice(1..5).source_span(0..4), Span::new(11, 13));
    }

    #[test]
    fn an_empty_text_keeps_its_place() {
        let mut text = LogicalText::default();
        text.push_bytes(b"", 7);
        assert_eq!(text.span(), Span::new(7, 7));
    }
}
