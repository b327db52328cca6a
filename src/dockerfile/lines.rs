//! Physical lines, their continuation into logical lines, and parser directives.

use super::ast::DirectiveName;

/// Longest physical line, line feed left out, that BuildKit's scanner holds (Go's `bufio.MaxScanTokenSize` - 1).
pub(super) const LONGEST_LINE: usize = 65_535;

/// A physical line: offsets into the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// First byte.
    pub start: usize,
    /// Past the last byte that is no line end (all trailing `\r` and `\n` count as line end).
    pub end: usize,
    /// First byte of the next line.
    pub next: usize,
}

impl Line {
    /// The line without its end.
    pub(super) fn content<'a>(&self, source: &'a [u8]) -> &'a [u8] {
        source.get(self.start..self.end).unwrap_or_default()
    }
}

/// Reads lines one after another.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    source: &'a [u8],
    /// Offset of the next line.
    pub pos: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: &'a [u8], pos: usize) -> Self {
        Self { source, pos }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let rest = self.source.get(self.pos..)?;
        if rest.is_empty() {
            return None;
        }
        let start = self.pos;
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let line = rest.get(..len).unwrap_or_default();
        let ends = line.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.pos = start + len;
        Some(Line { start, end: start + len - ends, next: start + len })
    }
}

/// Number of bytes of white space (Unicode's `White_Space`, as Go's `unicode.IsSpace`) in front.
pub(super) fn leading_space(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let len = match byte {
            b'\t'..=b'\r' | b' ' => 1,
            0x80.. => {
                let is_space = |len: usize| {
                    let text = bytes.get(at..at + len).and_then(|part| std::str::from_utf8(part).ok());
                    text.and_then(|text| text.chars().next()).is_some_and(char::is_whitespace)
                };
                match (is_space(2), is_space(3)) {
                    (true, _) => 2,
                    (false, true) => 3,
                    _ => break,
                }
            }
            _ => break,
        };
        at += len;
    }
    at
}

/// Length of a line without its continuation mark, and whether it goes on. The mark is the last escape character
/// with only blanks behind it, unless another escape character stands right before it.
pub(super) fn trim_continuation(line: &[u8], escape: u8) -> (usize, bool) {
    let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let Some(mark) = (line.len() - blanks).checked_sub(1) else { return (line.len(), false) };
    if line.get(mark) != Some(&escape) {
        return (line.len(), false);
    }
    match mark.checked_sub(1).and_then(|before| line.get(before)) {
        Some(before) if *before == escape => (line.len(), false),
        _ => (mark, true),
    }
}

/// A line read as a directive.
#[derive(Debug)]
pub(super) struct DirectiveLine<'a> {
    pub name: DirectiveName,
    pub value: &'a [u8],
    /// Offset of the value in the line.
    pub value_at: usize,
}

/// Reads `# name = value`; the line begins with `#`. Other names than BuildKit's are comments.
pub(super) fn directive(line: &[u8]) -> Option<DirectiveLine<'_>> {
    let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ');
    let mut at = 1 + leading_space(line.get(1..)?);
    let rest = line.get(at..)?;
    let len = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = match rest.get(..len)?.to_ascii_lowercase().as_slice() {
        b"syntax" => DirectiveName::Syntax,
        b"escape" => DirectiveName::Escape,
        b"check" => DirectiveName::Check,
        _ => return None,
    };
    at += len;
    at += line.get(at..)?.iter().take_while(|byte| is_space(byte)).count();
    if line.get(at) != Some(&b'=') {
        return None;
    }
    at += 1;
    at += line.get(at..)?.iter().take_while(|byte| is_space(byte)).count();
    let value = line.get(at..)?;
    let end = value.len() - value.iter().rev().take_while(|byte| is_space(byte)).count();
    let value = value.get(..end)?;
    (!value.is_empty()).then_some(DirectiveLine { name, value, value_at: at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_the_last_escape_unless_escaped() {
        let trim = |line: &str| trim_continuation(line.as_bytes(), b'\\');
        assert_eq!(trim("a \\"), (2, true));
        assert_eq!(trim("a \\ \t"), (2, true));
        assert_eq!(trim("\\"), (0, true));
        assert_eq!(trim("a\\\\"), (3, false));
        assert_eq!(trim("a"), (1, false));
        assert_eq!(trim(""), (0, false));
        assert_eq!(trim("  "), (2, false));
    }

    #[test]
    fn lines_end_at_line_feeds_and_carriage_returns_do_not_count() {
        let source = b"a\r\n\nb\r";
        let got: Vec<_> = Lines::new(source, 0).map(|line| (line.start, line.end, line.next)).collect();
        assert_eq!(got, [(0, 1, 3), (3, 3, 4), (4, 5, 6)]);
    }

    #[test]
    fn unicode_space_is_space() {
        assert_eq!(leading_space(" \t\u{a0}\u{3000}x".as_bytes()), 7);
        assert_eq!(leading_space(&[0xff, b' ']), 0);
    }
}
