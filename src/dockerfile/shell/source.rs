//! The text a scan level reads: the caller's text, or text that a command hands to another shell, with the way back.

use super::skip::Skipped;
use super::types::HeredocUse;
use super::word::{Piece, PieceKind, Segment, Word, map_range};
use crate::span::Span;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

/// A text to scan.
#[derive(Debug)]
pub(super) struct Source<'t> {
    /// The text.
    pub text: Cow<'t, str>,
    /// Where its bytes stand in the caller's text; `None` when it is the caller's text.
    segments: Option<Vec<Segment>>,
    /// Expansions that an outer shell has made: their text is none of this shell's business.
    opaque: Vec<Piece>,
    /// Where spans without a mapping go.
    fallback: Span,
    /// Ends of substitutions that were skipped once, by the offset of their opening.
    pub skipped: RefCell<HashMap<usize, Skipped>>,
}

impl<'t> Source<'t> {
    /// The caller's own text.
    pub fn whole(text: &'t str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            segments: None,
            opaque: Vec::new(),
            fallback: Span::new(text.len(), text.len()),
            skipped: RefCell::default(),
        }
    }

    /// What another shell reads when it is given these words, joined by blanks as `eval` and `echo` do.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w Word>) -> Self {
        let mut text = String::new();
        let mut segments = Vec::new();
        let mut opaque = Vec::new();
        let mut fallback = Span::default();
        for (index, word) in words.into_iter().enumerate() {
            if index > 0 {
                text.push(' ');
            }
            let base = text.len();
            text.push_str(&word.text);
            segments.extend(word.segments.iter().map(|s| Segment { offset: s.offset + base, ..*s }));
            opaque.extend(word.pieces.iter().filter(|piece| piece.kind != PieceKind::Literal).map(|piece| {
                Piece { range: Span::new(piece.range.start + base, piece.range.end + base), ..piece.clone() }
            }));
            fallback = Span::new(word.span.end, word.span.end);
        }
        Self {
            text: Cow::Owned(text),
            segments: Some(segments),
            opaque,
            fallback,
            skipped: RefCell::default(),
        }
    }

    /// The same text with backslashes before the bytes `escapable` taken off, as backticks do.
    pub fn unescaped(&self, range: Span, escapable: &[u8]) -> Source<'static> {
        let mut text = String::new();
        let mut segments = Vec::new();
        let bytes = self.text.as_bytes();
        let mut push = |start: usize, end: usize| {
            self.push_segments(&mut segments, text.len(), start, end);
            text.push_str(self.text.get(start..end).unwrap_or_default());
        };
        let mut start = range.start;
        let mut at = range.start;
        while let Some(found) = memchr::memchr(b'\\', bytes.get(at..range.end).unwrap_or_default()) {
            let backslash = at + found;
            let next = bytes.get(backslash + 1).copied().filter(|_| backslash + 1 < range.end);
            if next.is_some_and(|next| escapable.contains(&next)) {
                push(start, backslash);
                start = backslash + 1;
            }
            at = (backslash + 2).min(range.end);
        }
        push(start, range.end);
        let fallback = self.map(Span::new(range.end, range.end));
        Source {
            text: Cow::Owned(text),
            segments: Some(segments),
            opaque: Vec::new(),
            fallback,
            skipped: RefCell::default(),
        }
    }

    /// A range of this text in the caller's text.
    pub fn map(&self, range: Span) -> Span {
        match &self.segments {
            None => range,
            Some(segments) => map_range(segments, range, self.fallback),
        }
    }

    /// Adds the mapping of `start..end`, which is put at `offset` of a derived text.
    pub fn push_segments(&self, out: &mut Vec<Segment>, offset: usize, start: usize, end: usize) {
        let mut push = |segment: Segment| match out.last_mut() {
            Some(last)
                if last.offset + last.len == segment.offset && last.source + last.len == segment.source =>
            {
                last.len += segment.len;
            }
            _ => out.push(segment),
        };
        let Some(segments) = &self.segments else {
            if start < end {
                push(Segment { offset, source: start, len: end - start });
            }
            return;
        };
        let first = segments.partition_point(|segment| segment.offset + segment.len <= start);
        for segment in segments.iter().skip(first).take_while(|segment| segment.offset < end) {
            let from = segment.offset.max(start);
            let to = (segment.offset + segment.len).min(end);
            push(Segment {
                offset: offset + (from - start),
                source: segment.source + (from - segment.offset),
                len: to - from,
            });
        }
    }

    /// The outer shell's expansion that begins at `at`.
    pub fn opaque_at(&self, at: usize) -> Option<&Piece> {
        if self.opaque.is_empty() {
            return None;
        }
        let index = self.opaque.partition_point(|piece| piece.range.start < at);
        self.opaque.get(index).filter(|piece| piece.range.start == at && !piece.range.is_empty())
    }

    /// Offset of the first `byte` in `start..end` that is no part of an outer shell's expansion.
    pub fn find(&self, byte: u8, start: usize, end: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = start;
        loop {
            let found = at + memchr::memchr(byte, bytes.get(at..end)?)?;
            let index = self.opaque.partition_point(|piece| piece.range.end <= found);
            match self.opaque.get(index) {
                Some(piece) if piece.range.start <= found => at = piece.range.end,
                _ => return Some(found),
            }
        }
    }

    /// The next outer expansion that begins in `start..end`.
    pub fn next_opaque(&self, start: usize, end: usize) -> Option<&Piece> {
        let index = self.opaque.partition_point(|piece| piece.range.start < start);
        self.opaque.get(index).filter(|piece| piece.range.start < end && !piece.range.is_empty())
    }
}

/// A part of a source that another scan level reads.
#[derive(Debug)]
pub(super) enum Inner {
    /// The same text, a part of it.
    Range(Span),
    /// A text of its own, read as a whole.
    Text(Source<'static>),
}

/// Decides what a heredoc without a command is: docker runs its body, with the interpreter of its `#!` line.
pub(super) fn shebang_use(body: &str) -> HeredocUse {
    let Some(line) = body.strip_prefix("#!").and_then(|rest| rest.lines().next()) else {
        return HeredocUse::Shell;
    };
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let name = words.find(|word| *word != "env" && !word.starts_with('-')).unwrap_or("sh");
    if super::program::is_shell_name(name) {
        HeredocUse::Shell
    } else {
        HeredocUse::Interpreter(name.to_owned())
    }
}
