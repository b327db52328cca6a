//! Reads one word (or one heredoc body) into its pieces.

use super::skip::{self, Skipped, skip};
use super::source::{Inner, Source};
use super::types::{Problem, ProblemKind};
use super::word::{Parameter, Piece, PieceKind, Segment, SubstitutionKind, Word, is_name};
use crate::span::Span;

/// Where a word ends and which bytes are special in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// An ordinary word: ends at blanks and operators.
    Plain,
    /// A word where operators are plain text: array elements, `[[ … ]]`.
    Blanks,
    /// A heredoc's delimiter: like an ordinary word, but nothing is expanded.
    Delimiter,
    /// The operand of `${V:-x}`: runs to the end of the text.
    Operand,
    /// A heredoc's body: runs to the end, quotes are plain text.
    Body {
        /// Leading tabs are taken off each line.
        tabs: bool,
    },
    /// A quoted heredoc's body: everything is plain text.
    Verbatim {
        /// Leading tabs are taken off each line.
        tabs: bool,
    },
}

/// A word that was read.
#[derive(Debug)]
pub(super) struct Lexed {
    /// The word.
    pub word: Word,
    /// Just past it, in the source.
    pub end: usize,
    /// Substitutions in it that another level reads.
    pub inner: Vec<(Inner, SubstitutionKind)>,
    /// What is broken in it.
    pub problems: Vec<Problem>,
}

/// Reads a word that begins at `at` and ends at `limit` at the latest. The word may be empty.
pub(super) fn word(source: &Source<'_>, at: usize, limit: usize, style: Style) -> Lexed {
    let mut lexer = Lexer {
        source,
        limit,
        text: String::new(),
        pieces: Vec::new(),
        segments: Vec::new(),
        inner: Vec::new(),
        problems: Vec::new(),
    };
    let end = match style {
        Style::Plain | Style::Blanks | Style::Operand => lexer.unquoted(at, style),
        Style::Delimiter => lexer.delimiter(at),
        Style::Body { tabs } => lexer.body(at, tabs),
        Style::Verbatim { tabs } => lexer.verbatim(at, tabs),
    };
    let raw = source.text.get(at..end).unwrap_or_default().to_owned();
    let word = Word {
        span: source.map(Span::new(at, end)),
        raw,
        text: lexer.text,
        pieces: lexer.pieces,
        segments: lexer.segments,
    };
    Lexed { word, end, inner: lexer.inner, problems: lexer.problems }
}

/// What a command substitution that begins at `at` holds; `$(` or a backtick stands there.
pub(super) fn inner_at(source: &Source<'_>, at: usize, limit: usize) -> (Inner, usize, bool) {
    if source.text.as_bytes().get(at) == Some(&b'`') {
        let (end, closed) = skip::backtick_end(source, at, limit);
        let range = Span::new(at + 1, if closed { end - 1 } else { end });
        let escaped = source.text.get(range.start..range.end).is_some_and(|text| text.contains('\\'));
        let inner = if escaped { Inner::Text(source.unescaped(range, b"`\\$")) } else { Inner::Range(range) };
        return (inner, end, closed);
    }
    let Skipped { end, closed, .. } = skip(source, at, limit, None);
    let start = (at + 2).min(end);
    (Inner::Range(Span::new(start, if closed { end - 1 } else { end })), end, closed)
}

struct Lexer<'a, 't> {
    source: &'a Source<'t>,
    limit: usize,
    text: String,
    pieces: Vec<Piece>,
    segments: Vec<Segment>,
    inner: Vec<(Inner, SubstitutionKind)>,
    problems: Vec<Problem>,
}

impl Lexer<'_, '_> {
    fn byte(&self, at: usize) -> u8 {
        if at < self.limit { self.source.text.as_bytes().get(at).copied().unwrap_or(0) } else { 0 }
    }

    fn problem(&mut self, kind: ProblemKind, start: usize) {
        self.problems.push(Problem { kind, span: self.source.map(Span::new(start, self.limit)) });
    }

    /// Takes source bytes as literal text.
    fn literal(&mut self, start: usize, end: usize, quoted: bool) {
        let Some(text) = self.source.text.get(start..end).filter(|text| !text.is_empty()) else { return };
        self.source.push_segments(&mut self.segments, self.text.len(), start, end);
        self.push_text(text, quoted);
    }

    fn push_text(&mut self, text: &str, quoted: bool) {
        let start = self.text.len();
        self.text.push_str(text);
        let end = self.text.len();
        match self.pieces.last_mut() {
            Some(last) if last.kind == PieceKind::Literal && last.quoted == quoted => last.range.end = end,
            _ => self.pieces.push(Piece { range: Span::new(start, end), kind: PieceKind::Literal, quoted }),
        }
    }

    /// Takes source bytes as an expansion.
    fn expansion(&mut self, start: usize, end: usize, kind: PieceKind, quoted: bool) {
        let offset = self.text.len();
        self.source.push_segments(&mut self.segments, offset, start, end);
        self.text.push_str(self.source.text.get(start..end).unwrap_or_default());
        self.pieces.push(Piece { range: Span::new(offset, self.text.len()), kind, quoted });
    }

    fn unquoted(&mut self, at: usize, style: Style) -> usize {
        let mut p = at;
        while p < self.limit {
            let b = self.byte(p);
            match b {
                b' ' | b'\t' | b'\n' if style != Style::Operand => return p,
                b'\r' if style != Style::Operand && self.byte(p + 1) == b'\n' => return p,
                b'<' | b'>' if style == Style::Plain && self.byte(p + 1) == b'(' => p = self.process(p),
                b'(' if style != Style::Operand && self.takes_bracket() => {
                    let mut found = Vec::new();
                    let skipped = skip(self.source, p, self.limit, Some(&mut found));
                    if !skipped.closed {
                        self.problem(ProblemKind::UnterminatedExpansion, p);
                    }
                    self.collect(&found);
                    self.literal(p, skipped.end, false);
                    p = skipped.end.max(p + 1);
                }
                b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' if style == Style::Plain => return p,
                b'\\' => p = self.backslash(p, None),
                b'\'' => p = self.single(p),
                b'"' => p = self.double(p),
                b'$' | b'`' => p = self.dollar(p, false),
                _ => {
                    let end = plain_end(self.source.text.as_bytes(), p).min(self.limit).max(p + 1);
                    self.literal(p, end, false);
                    p = end;
                }
            }
        }
        self.limit
    }

    /// Whether `(` goes on with the word: an array value or an extended glob.
    fn takes_bracket(&self) -> bool {
        if !self.pieces.last().is_some_and(|piece| piece.kind == PieceKind::Literal && !piece.quoted) {
            return false;
        }
        if self.text.ends_with(['?', '*', '+', '@', '!']) {
            return true;
        }
        let name = self.text.strip_suffix('=').map(|name| name.strip_suffix('+').unwrap_or(name));
        self.pieces.len() == 1 && name.is_some_and(is_name)
    }

    fn collect(&mut self, found: &[usize]) {
        for at in found {
            let (inner, _, _) = inner_at(self.source, *at, self.limit);
            self.inner.push((inner, SubstitutionKind::Command));
        }
    }

    fn backslash(&mut self, at: usize, only: Option<&[u8]>) -> usize {
        let next = at + 1;
        if next >= self.limit {
            self.literal(at, next, false);
            return next;
        }
        let b = self.byte(next);
        if b == b'\n' {
            return next + 1;
        }
        if b == b'\r' && self.byte(next + 1) == b'\n' {
            return next + 2;
        }
        if only.is_some_and(|only| !only.contains(&b)) {
            self.literal(at, next, true);
            return next;
        }
        let length =
            self.source.text.get(next..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        self.literal(next, next + length, true);
        next + length
    }

    fn single(&mut self, at: usize) -> usize {
        let end = self.source.find(b'\'', at + 1, self.limit);
        if end.is_none() {
            self.problem(ProblemKind::UnterminatedQuote, at);
        }
        let stop = end.unwrap_or(self.limit);
        let mut p = at + 1;
        while let Some(piece) = self.source.next_opaque(p, stop) {
            let (range, kind) = (piece.range, piece.kind.clone());
            self.literal(p, range.start, true);
            self.expansion(range.start, range.end, kind, true);
            p = range.end;
        }
        self.literal(p, stop, true);
        self.quote_of(at + 1, stop);
        end.map_or(self.limit, |end| end + 1)
    }

    /// Keeps an empty quote visible: the word exists although it has no text.
    fn quote_of(&mut self, start: usize, end: usize) {
        if start >= end && self.pieces.is_empty() {
            self.pieces.push(Piece { range: Span::new(0, 0), kind: PieceKind::Literal, quoted: true });
        }
    }

    fn double(&mut self, at: usize) -> usize {
        let mut p = at + 1;
        loop {
            let bytes = self.source.text.as_bytes().get(..self.limit).unwrap_or_default();
            let rest = bytes.get(p..).unwrap_or_default();
            let run = rest.iter().position(|b| matches!(b, b'"' | b'\\' | b'$' | b'`'));
            let Some(run) = run else {
                self.literal(p, self.limit, true);
                self.problem(ProblemKind::UnterminatedQuote, at);
                return self.limit;
            };
            self.literal(p, p + run, true);
            p += run;
            match self.byte(p) {
                b'"' => {
                    self.quote_of(at + 1, p);
                    return p + 1;
                }
                b'\\' => p = self.backslash(p, Some(b"\"\\$`")),
                _ => p = self.dollar(p, true),
            }
        }
    }

    fn process(&mut self, at: usize) -> usize {
        let Skipped { end, closed, .. } = skip(self.source, at, self.limit, None);
        if !closed {
            self.problem(ProblemKind::UnterminatedExpansion, at);
        }
        let range = Span::new((at + 2).min(end), if closed { end - 1 } else { end });
        self.inner.push((Inner::Range(range), SubstitutionKind::Process));
        self.expansion(at, end, PieceKind::Substitution(SubstitutionKind::Process), false);
        end.max(at + 1)
    }

    /// An expansion, or a dollar that stands for itself.
    fn dollar(&mut self, at: usize, quoted: bool) -> usize {
        if let Some(piece) = self.source.opaque_at(at) {
            let (end, kind) = (piece.range.end, piece.kind.clone());
            self.expansion(at, end, kind, quoted);
            return end;
        }
        let next = self.byte(at + 1);
        match next {
            _ if self.byte(at) == b'`' => self.command(at, quoted),
            b'(' if self.byte(at + 2) == b'(' => {
                self.bracketed(at, quoted, PieceKind::Substitution(SubstitutionKind::Arithmetic))
            }
            b'(' => self.command(at, quoted),
            b'{' => self.braces(at, quoted),
            b'\'' if !quoted => self.ansi(at),
            b'"' if !quoted => at + 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let bytes = self.source.text.as_bytes().get(at + 1..self.limit).unwrap_or_default();
                let name = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                self.simple_parameter(at, at + 1 + name, quoted)
            }
            b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-' => {
                self.simple_parameter(at, at + 2, quoted)
            }
            _ => {
                self.literal(at, at + 1, quoted);
                at + 1
            }
        }
    }

    fn simple_parameter(&mut self, at: usize, end: usize, quoted: bool) -> usize {
        let name = self.source.text.get(at + 1..end).unwrap_or_default().to_owned();
        let parameter = Parameter { name, operation: String::new(), length: false, indirect: false };
        self.expansion(at, end, PieceKind::Parameter(parameter), quoted);
        end
    }

    fn command(&mut self, at: usize, quoted: bool) -> usize {
        let (inner, end, closed) = inner_at(self.source, at, self.limit);
        if !closed {
            self.problem(ProblemKind::UnterminatedExpansion, at);
        }
        self.inner.push((inner, SubstitutionKind::Command));
        self.expansion(at, end, PieceKind::Substitution(SubstitutionKind::Command), quoted);
        end.max(at + 1)
    }

    fn bracketed(&mut self, at: usize, quoted: bool, kind: PieceKind) -> usize {
        let mut found = Vec::new();
        let skipped = skip(self.source, at, self.limit, Some(&mut found));
        if kind == PieceKind::Substitution(SubstitutionKind::Arithmetic) && !skipped.arithmetic {
            return self.command(at, quoted);
        }
        if !skipped.closed {
            self.problem(ProblemKind::UnterminatedExpansion, at);
        }
        self.collect(&found);
        let kind = match kind {
            PieceKind::Parameter(_) => PieceKind::Parameter(self.parameter(at, skipped)),
            other => other,
        };
        self.expansion(at, skipped.end, kind, quoted);
        skipped.end.max(at + 1)
    }

    fn braces(&mut self, at: usize, quoted: bool) -> usize {
        let empty =
            Parameter { name: String::new(), operation: String::new(), length: false, indirect: false };
        self.bracketed(at, quoted, PieceKind::Parameter(empty))
    }

    fn parameter(&self, at: usize, skipped: Skipped) -> Parameter {
        let end = if skipped.closed { skipped.end.saturating_sub(1) } else { skipped.end };
        parse_parameter(self.source.text.get(at + 2..end).unwrap_or_default())
    }

    fn ansi(&mut self, at: usize) -> usize {
        let bytes = self.source.text.as_bytes().get(..self.limit).unwrap_or_default();
        let end = skip::ansi_end(bytes, at + 2);
        let closed = end >= at + 3 && self.byte(end - 1) == b'\'';
        if !closed {
            self.problem(ProblemKind::UnterminatedQuote, at);
        }
        let stop = if closed { end - 1 } else { end };
        let mut p = at + 2;
        while p < stop {
            let rest = self.source.text.as_bytes().get(p..stop).unwrap_or_default();
            let run = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            self.literal(p, p + run, true);
            p += run;
            if p + 1 >= stop {
                self.literal(p, stop, true);
                break;
            }
            let plain = match self.byte(p + 1) {
                b'n' => Some("\n"),
                b't' => Some("\t"),
                b'r' => Some("\r"),
                b'e' | b'E' => Some("\x1b"),
                _ => None,
            };
            match plain {
                Some(text) => {
                    self.push_text(text, true);
                    p += 2;
                }
                None if matches!(self.byte(p + 1), b'\\' | b'\'' | b'"' | b'?') => {
                    self.literal(p + 1, p + 2, true);
                    p += 2;
                }
                None => {
                    self.literal(p, p + 1, true);
                    p += 1;
                }
            }
        }
        self.quote_of(at + 2, stop);
        end
    }

    fn delimiter(&mut self, at: usize) -> usize {
        let mut p = at;
        while p < self.limit {
            p = match self.byte(p) {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => return p,
                b'\\' => self.backslash(p, None),
                b'\'' => self.single(p),
                b'"' => {
                    let end = self.source.find(b'"', p + 1, self.limit).unwrap_or(self.limit);
                    self.literal(p + 1, end, true);
                    self.quote_of(p + 1, end);
                    (end + 1).min(self.limit)
                }
                _ => {
                    let end = plain_end(self.source.text.as_bytes(), p).min(self.limit).max(p + 1);
                    self.literal(p, end, false);
                    end
                }
            };
        }
        self.limit
    }

    fn skip_tabs(&self, mut at: usize, tabs: bool) -> usize {
        while tabs && self.byte(at) == b'\t' {
            at += 1;
        }
        at
    }

    fn verbatim(&mut self, at: usize, tabs: bool) -> usize {
        let mut p = self.skip_tabs(at, tabs);
        while tabs && p < self.limit {
            let rest = self.source.text.as_bytes().get(p..self.limit).unwrap_or_default();
            let Some(line) = memchr::memchr(b'\n', rest) else { break };
            self.literal(p, p + line + 1, true);
            p = self.skip_tabs(p + line + 1, tabs);
        }
        self.literal(p, self.limit, true);
        self.limit
    }

    fn body(&mut self, at: usize, tabs: bool) -> usize {
        let mut p = self.skip_tabs(at, tabs);
        while p < self.limit {
            let rest = self.source.text.as_bytes().get(p..self.limit).unwrap_or_default();
            let special = |b: &u8| matches!(b, b'\\' | b'$' | b'`') || (tabs && *b == b'\n');
            let run = rest.iter().position(special).unwrap_or(rest.len());
            self.literal(p, p + run, true);
            p += run;
            match self.byte(p) {
                b'\n' => {
                    self.literal(p, p + 1, true);
                    p = self.skip_tabs(p + 1, tabs);
                }
                b'\\' => p = self.backslash(p, Some(b"\\$`")),
                b'$' | b'`' => p = self.dollar(p, true),
                _ => {}
            }
        }
        self.limit
    }
}

/// Reads what stands between `${` and `}`.
fn parse_parameter(inside: &str) -> Parameter {
    let (indirect, rest) = match inside.strip_prefix('!') {
        Some(rest) if !rest.is_empty() => (true, rest),
        _ => (false, inside),
    };
    let (length, rest) = match rest.strip_prefix('#') {
        Some(name) if !name.is_empty() && !name.starts_with([':', '-', '%', '#', '/', '+', '=', '?']) => {
            (true, name)
        }
        _ => (false, rest),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let letters = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let special = usize::from(rest.starts_with(['@', '*', '#', '?', '$', '!', '-']));
    let name_len = if digits > 0 { digits } else { letters.max(special) };
    let (name, operation) = rest.split_at_checked(name_len).unwrap_or((rest, ""));
    Parameter { name: name.to_owned(), operation: operation.to_owned(), length, indirect }
}

/// Whether a word could begin at `at`.
pub(super) fn at_word_start(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|b| {
        matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' | b'`')
    })
}

/// End of a run of bytes without a meaning in unquoted text.
pub(super) fn plain_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let special = |b: &u8| {
        matches!(
            b,
            b' ' | b'\t'
                | b'\r'
                | b'\n'
                | b';'
                | b'&'
                | b'|'
                | b'('
                | b')'
                | b'<'
                | b'>'
                | b'$'
                | b'`'
                | b'\\'
                | b'\''
                | b'"'
        )
    };
    at + rest.iter().position(special).unwrap_or(rest.len())
}
