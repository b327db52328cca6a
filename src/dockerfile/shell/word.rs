//! A shell word: its text without quotes, the pieces that are expansions, and where each byte came from.

use crate::span::Span;

/// A shell word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// The word in the scanned text, quotes included.
    pub span: Span,
    /// The word as written (inside `bash -c "…"`: after that quoting is taken off).
    pub raw: String,
    /// The value with quotes and escapes taken off; expansions stand in it as they are written (`${V:-x}`).
    pub text: String,
    /// The parts of `text`, in order and without gaps.
    pub pieces: Vec<Piece>,
    /// Where the bytes of `text` stand in the scanned text, in order.
    pub segments: Vec<Segment>,
}

/// A part of a word's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Byte range in [`Word::text`].
    pub range: Span,
    /// What it is.
    pub kind: PieceKind,
    /// It stood in quotes or behind a backslash: no splitting, no globs.
    pub quoted: bool,
}

/// What a part of a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PieceKind {
    /// Text that stands for itself.
    Literal,
    /// `$V`, `${V}`, `${V:-x}`
    Parameter(Parameter),
    /// `$( … )` and others whose value cannot be known.
    Substitution(SubstitutionKind),
}

/// A parameter expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Variable name, position (`1`) or special parameter (`@`).
    pub name: String,
    /// What follows the name inside the braces: `:-x`, `%.*`; empty for a plain one.
    pub operation: String,
    /// `${#V}`
    pub length: bool,
    /// `${!V}`
    pub indirect: bool,
}

/// Kinds of substitution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubstitutionKind {
    /// `$( … )` or backticks.
    Command,
    /// `$(( … ))`
    Arithmetic,
    /// `<( … )` or `>( … )`
    Process,
    /// The `( … )` of an array.
    Array,
}

/// Bytes of a word's text that stand together in the scanned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the word's text.
    pub offset: usize,
    /// Offset in the scanned text.
    pub source: usize,
    /// Number of bytes.
    pub len: usize,
}

impl Word {
    /// Whether no part of it is an expansion.
    #[must_use]
    pub fn is_fully_literal(&self) -> bool {
        self.pieces.iter().all(|piece| piece.kind == PieceKind::Literal)
    }

    /// The value, when no part of it is an expansion.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        self.is_fully_literal().then_some(self.text.as_str())
    }

    /// Whether an unquoted `*`, `?` or `[` stands in it.
    #[must_use]
    pub fn has_glob(&self) -> bool {
        self.pieces.iter().any(|piece| {
            piece.kind == PieceKind::Literal
                && !piece.quoted
                && self.piece_text(piece).contains(['*', '?', '['])
        })
    }

    /// The bytes of `text` that a piece covers.
    #[must_use]
    pub fn piece_text(&self, piece: &Piece) -> &str {
        self.text.get(piece.range.start..piece.range.end).unwrap_or_default()
    }

    /// The literal text that the word begins with.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        let end = self
            .pieces
            .iter()
            .find(|piece| piece.kind != PieceKind::Literal)
            .map_or(self.text.len(), |piece| piece.range.start);
        self.text.get(..end).unwrap_or_default()
    }

    /// Where bytes of `text` stand in the scanned text; covers everything between when they do not stand together.
    #[must_use]
    pub fn map(&self, range: Span) -> Span {
        map_range(&self.segments, range, self.span)
    }

    /// The part of the word that begins at byte `offset` of `text`, as a word of its own.
    #[must_use]
    pub fn suffix(&self, offset: usize) -> Self {
        self.part(offset, self.text.len())
    }

    /// The part of the word between two byte offsets of `text`, as a word of its own; an expansion that a bound cuts is
    /// left out. Offsets that are no character boundaries give an empty word.
    #[must_use]
    pub fn part(&self, start: usize, end: usize) -> Self {
        let Some(text) = self.text.get(start..end) else {
            return Self { span: Span::new(self.span.end, self.span.end), ..Self::default() };
        };
        let first = self.pieces.partition_point(|piece| piece.range.end <= start);
        let pieces = self.pieces.iter().skip(first).take_while(|piece| piece.range.start < end);
        let pieces = pieces.filter_map(|piece| {
            let from = piece.range.start.max(start);
            let to = piece.range.end.min(end);
            let whole = from == piece.range.start && to == piece.range.end;
            (whole || piece.kind == PieceKind::Literal).then(|| Piece {
                range: Span::new(from - start, to - start),
                kind: piece.kind.clone(),
                quoted: piece.quoted,
            })
        });
        let first = self.segments.partition_point(|segment| segment.offset + segment.len <= start);
        let segments = self.segments.iter().skip(first).take_while(|segment| segment.offset < end);
        let segments = segments.map(|segment| {
            let from = segment.offset.max(start);
            let to = (segment.offset + segment.len).min(end);
            Segment { offset: from - start, source: segment.source + (from - segment.offset), len: to - from }
        });
        let span = self.map(Span::new(start, end));
        let raw = match span.start.checked_sub(self.span.start) {
            Some(from) if self.raw.len() == self.span.len() => self.raw.get(from..from + span.len()),
            _ => None,
        };
        let raw = raw.unwrap_or(text).to_owned();
        Self { span, raw, text: text.to_owned(), pieces: pieces.collect(), segments: segments.collect() }
    }

    /// Splits at the first literal `separator`.
    #[must_use]
    pub fn split_once(&self, separator: char) -> Option<(Self, Self)> {
        let at = self.pieces.iter().find_map(|piece| {
            let inside =
                (piece.kind == PieceKind::Literal).then(|| self.piece_text(piece).find(separator))??;
            Some(piece.range.start + inside)
        })?;
        Some((self.part(0, at), self.suffix(at + separator.len_utf8())))
    }

    /// The parts between literal `separator`s, empty ones left out.
    #[must_use]
    pub fn split(&self, separators: &[char]) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut start = 0;
        for piece in self.pieces.iter().filter(|piece| piece.kind == PieceKind::Literal) {
            for (inside, separator) in self.piece_text(piece).match_indices(separators) {
                let at = piece.range.start + inside;
                if at > start {
                    parts.push(self.part(start, at));
                }
                start = at + separator.len();
            }
        }
        if start < self.text.len() {
            parts.push(self.suffix(start));
        }
        parts
    }

    /// Reads the word as `NAME=value`, as `export` and `env` do.
    #[must_use]
    pub fn assignment(&self) -> Option<(String, Self)> {
        let prefix = self.literal_prefix();
        let at = prefix.find('=')?;
        let name = prefix.get(..at)?;
        is_name(name).then(|| (name.to_owned(), self.suffix(at + 1)))
    }
}

/// Whether `text` is a variable name.
pub(super) fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Maps a range of derived text through `segments`; `fallback` is used where nothing is mapped.
pub(super) fn map_range(segments: &[Segment], range: Span, fallback: Span) -> Span {
    let start = map_start(segments, range.start).unwrap_or(fallback.end);
    if range.is_empty() {
        return Span::new(start, start);
    }
    let end = map_end(segments, range.end).unwrap_or(fallback.end);
    Span::new(start, end)
}

fn map_start(segments: &[Segment], offset: usize) -> Option<usize> {
    let index = segments.partition_point(|segment| segment.offset + segment.len <= offset);
    match segments.get(index) {
        Some(segment) => Some(segment.source + offset.saturating_sub(segment.offset)),
        None => segments.last().map(|segment| segment.source + segment.len),
    }
}

fn map_end(segments: &[Segment], offset: usize) -> Option<usize> {
    let index = segments.partition_point(|segment| segment.offset < offset);
    let segment = segments.get(index.checked_sub(1)?)?;
    Some(segment.source + (offset - segment.offset).min(segment.len))
}
