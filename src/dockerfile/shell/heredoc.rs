//! Where a heredoc begins and ends.

use super::lex::{self, Lexed, Style};
use super::source::Source;
use super::word::Word;

/// The delimiter of a heredoc.
#[derive(Debug, Clone)]
pub(super) struct HeredocHead {
    /// Without quotes.
    pub delimiter: String,
    /// A part of it was quoted.
    pub quoted: bool,
    /// `<<-`
    pub tabs: bool,
    /// The delimiter as a word.
    pub word: Word,
}

/// Reads a delimiter after `<<`; `None` when there is none.
pub(super) fn head(source: &Source<'_>, at: usize, limit: usize) -> Option<(HeredocHead, usize)> {
    let bytes = source.text.as_bytes().get(..limit)?;
    let tabs = bytes.get(at) == Some(&b'-');
    let mut p = at + usize::from(tabs);
    while matches!(bytes.get(p), Some(b' ' | b'\t')) {
        p += 1;
    }
    let Lexed { word, end, .. } = lex::word(source, p, limit, Style::Delimiter);
    if word.pieces.is_empty() {
        return None;
    }
    let quoted = word.raw.contains(['\'', '"', '\\']);
    Some((HeredocHead { delimiter: word.text.clone(), quoted, tabs, word }, end))
}

/// Where a heredoc's body ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeredocEnd {
    /// End of the body, its last line end included.
    pub body: usize,
    /// Start of the line after the delimiter's line.
    pub after: usize,
    /// The delimiter's line is there.
    pub closed: bool,
}

/// Finds the end of a body that begins at `at`.
pub(super) fn end_of_body(bytes: &[u8], at: usize, head: &HeredocHead) -> HeredocEnd {
    let mut p = at;
    while p < bytes.len() {
        let rest = bytes.get(p..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest);
        let line = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let tabs = if head.tabs { line.iter().take_while(|b| **b == b'\t').count() } else { 0 };
        let after = length.map_or(bytes.len(), |length| p + length + 1);
        if line.get(tabs..) == Some(head.delimiter.as_bytes()) {
            return HeredocEnd { body: p, after, closed: true };
        }
        p = after;
    }
    HeredocEnd { body: bytes.len(), after: bytes.len(), closed: false }
}
