//! Finds the end of an expansion without reading its commands. One pass with a stack of its own, whatever the nesting.

use super::heredoc::{self, HeredocHead};
use super::lex;
use super::source::Source;

/// The end of an expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Just past the closing bracket, or the end of the text.
    pub end: usize,
    /// The closing bracket is there.
    pub closed: bool,
    /// It is arithmetic.
    pub arithmetic: bool,
}

#[derive(Debug)]
enum Frame {
    /// Commands up to `)`.
    Commands { open: usize, case: u32, command_position: bool },
    /// `${ … }`
    Brace { quoted: bool },
    /// `(( … ))`
    Arithmetic { open: usize, depth: u32 },
    /// `" … "`
    Double,
}

/// Skips what begins at `at`: `$(`, `$((`, `${`, `((` or `(`. Offsets of command substitutions that stand directly in
/// it (not in one another) are added to `found`.
pub(super) fn skip(
    source: &Source<'_>,
    at: usize,
    limit: usize,
    mut found: Option<&mut Vec<usize>>,
) -> Skipped {
    if let Some(known) = source.skipped.borrow().get(&at) {
        return Skipped { end: known.end.min(limit), ..*known };
    }
    let bytes = source.text.as_bytes().get(..limit).unwrap_or_default();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let mut frames: Vec<Frame> = Vec::new();
    let mut pending: Vec<HeredocHead> = Vec::new();
    let mut commands_open = 0usize;
    let mut p = at;
    // The opening itself.
    let bracket = if matches!(byte(p), b'$' | b'<' | b'>') { p + 1 } else { p };
    // Plain brackets are not remembered: `((` is arithmetic or two subshells, depending on who asks.
    let remember = |open: usize, skipped: Skipped| {
        if matches!(byte(open), b'$' | b'<' | b'>') {
            source.skipped.borrow_mut().insert(open, skipped);
        }
    };
    match (byte(bracket), byte(bracket + 1)) {
        (b'(', b'(') => {
            frames.push(Frame::Arithmetic { open: at, depth: 0 });
            p = bracket + 2;
        }
        (b'(', _) => {
            frames.push(Frame::Commands { open: at, case: 0, command_position: true });
            commands_open += 1;
            p = bracket + 1;
        }
        (b'{', _) => {
            frames.push(Frame::Brace { quoted: false });
            p = bracket + 1;
        }
        _ => return Skipped { end: (at + 1).min(limit), closed: false, arithmetic: false },
    }
    let mut arithmetic = matches!(frames.first(), Some(Frame::Arithmetic { .. }));
    while p < bytes.len() {
        let b = byte(p);
        let quoted = matches!(frames.last(), Some(Frame::Double | Frame::Brace { quoted: true }));
        // What all frames have in common.
        match b {
            b'\\' => {
                p += 2;
                mark_word(frames.last_mut());
                continue;
            }
            b'$' | b'`' if let Some(piece) = source.opaque_at(p) => {
                p = piece.range.end;
                mark_word(frames.last_mut());
                continue;
            }
            b'`' => {
                if let Some(found) = found.as_deref_mut().filter(|_| commands_open == 0) {
                    found.push(p);
                }
                p = backtick_end(source, p, limit).0;
                mark_word(frames.last_mut());
                continue;
            }
            b'$' => {
                mark_word(frames.last_mut());
                match byte(p + 1) {
                    b'(' => {
                        let known = source.skipped.borrow().get(&p).copied();
                        let arith = known.is_none() && byte(p + 2) == b'(';
                        if let Some(found) = found.as_deref_mut().filter(|_| commands_open == 0 && !arith) {
                            found.push(p);
                        }
                        if let Some(known) = known {
                            p = known.end.max(p + 1);
                        } else if arith {
                            frames.push(Frame::Arithmetic { open: p, depth: 0 });
                            p += 3;
                        } else {
                            frames.push(Frame::Commands { open: p, case: 0, command_position: true });
                            commands_open += 1;
                            p += 2;
                        }
                    }
                    b'{' => {
                        frames.push(Frame::Brace { quoted });
                        p += 2;
                    }
                    b'\'' if !quoted => p = ansi_end(bytes, p + 2),
                    _ => p += 1,
                }
                continue;
            }
            b'"' if !matches!(frames.last(), Some(Frame::Double)) => {
                mark_word(frames.last_mut());
                frames.push(Frame::Double);
                p += 1;
                continue;
            }
            b'\'' if !quoted => {
                mark_word(frames.last_mut());
                p = source.find(b'\'', p + 1, limit).map_or(bytes.len(), |end| end + 1);
                continue;
            }
            _ => {}
        }
        let outermost = frames.len() == 1;
        match frames.last_mut() {
            None => break,
            Some(Frame::Double) => {
                if b == b'"' {
                    frames.pop();
                }
                p += 1;
            }
            Some(Frame::Brace { .. }) => {
                p += 1;
                if b == b'}' {
                    frames.pop();
                }
            }
            Some(Frame::Arithmetic { open, depth }) => {
                p += 1;
                match b {
                    b'(' => *depth = depth.saturating_add(1),
                    b')' if *depth > 0 => *depth -= 1,
                    b')' if byte(p) == b')' => {
                        p += 1;
                        frames.pop();
                    }
                    b')' => {
                        // `$((a); b)`: commands that begin with a subshell, now closed.
                        arithmetic &= !outermost;
                        let open = *open;
                        if let Some(found) = found.as_deref_mut().filter(|_| commands_open == 0) {
                            found.retain(|at| *at < open);
                            found.push(open);
                        }
                        commands_open += 1;
                        frames.pop();
                        frames.push(Frame::Commands { open, case: 0, command_position: false });
                    }
                    _ => {}
                }
            }
            Some(Frame::Commands { open, case, command_position }) => match b {
                b')' if *case > 0 => {
                    *command_position = true;
                    p += 1;
                }
                b')' => {
                    p += 1;
                    let skipped = Skipped { end: p, closed: true, arithmetic: false };
                    remember(*open, skipped);
                    commands_open = commands_open.saturating_sub(1);
                    frames.pop();
                }
                b'(' => {
                    frames.push(Frame::Commands { open: p, case: 0, command_position: true });
                    commands_open += 1;
                    p += 1;
                }
                b'\n' => {
                    *command_position = true;
                    p += 1;
                    for head in pending.drain(..) {
                        p = heredoc::end_of_body(bytes, p, &head).after;
                    }
                }
                b';' | b'&' | b'|' => {
                    *command_position = true;
                    p += 1;
                }
                b'<' if byte(p + 1) == b'<' && byte(p + 2) == b'<' => p += 3,
                b'<' if byte(p + 1) == b'<' => match heredoc::head(source, p + 2, limit) {
                    Some((head, end)) => {
                        pending.push(head);
                        p = end;
                    }
                    None => p += 2,
                },
                b' ' | b'\t' | b'\r' | b'<' | b'>' => p += 1,
                b'#' if lex::at_word_start(bytes, p) => {
                    p = memchr::memchr(b'\n', bytes.get(p..).unwrap_or_default())
                        .map_or(bytes.len(), |end| p + end);
                }
                _ => {
                    let end = lex::plain_end(bytes, p);
                    match bytes.get(p..end).filter(|_| *command_position).unwrap_or_default() {
                        b"case" => *case = case.saturating_add(1),
                        b"esac" => *case = case.saturating_sub(1),
                        b"then" | b"do" | b"else" | b"elif" | b"if" | b"while" | b"until" | b"!" | b"{" => {}
                        _ => *command_position = false,
                    }
                    if bytes.get(p..end) == Some(b"case") {
                        *command_position = false;
                    }
                    p = end.max(p + 1);
                }
            },
        }
        if frames.is_empty() {
            return Skipped { end: p.min(limit), closed: true, arithmetic };
        }
    }
    let rest = Skipped { end: bytes.len(), closed: false, arithmetic: false };
    for frame in &frames {
        if let Frame::Commands { open, .. } = frame {
            remember(*open, rest);
        }
    }
    Skipped { arithmetic, ..rest }
}

/// A word begins: what follows is no command name any more.
fn mark_word(frame: Option<&mut Frame>) {
    if let Some(Frame::Commands { command_position, .. }) = frame {
        *command_position = false;
    }
}

/// Just past the backtick that closes the one at `at`, and whether it is there.
pub(super) fn backtick_end(source: &Source<'_>, at: usize, limit: usize) -> (usize, bool) {
    let bytes = source.text.as_bytes().get(..limit).unwrap_or_default();
    let mut p = at + 1;
    while let Some(found) = memchr::memchr2(b'\\', b'`', bytes.get(p..).unwrap_or_default()) {
        p += found;
        if bytes.get(p) == Some(&b'`') {
            return (p + 1, true);
        }
        p += 2;
    }
    (limit, false)
}

/// Just past the quote that closes `$'`, whose text begins at `at`.
pub(super) fn ansi_end(bytes: &[u8], at: usize) -> usize {
    let mut p = at;
    while let Some(found) = memchr::memchr2(b'\\', b'\'', bytes.get(p..).unwrap_or_default()) {
        p += found;
        if bytes.get(p) == Some(&b'\'') {
            return p + 1;
        }
        p += 2;
    }
    bytes.len()
}
