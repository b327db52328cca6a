//! Heredoc markers in a logical line, found as BuildKit finds them: by its own shell words, not by a shell's.

use std::ops::Range;

/// A marker such as `<<EOF`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    /// Its place in the text.
    pub range: Range<usize>,
    /// Delimiter without quotes and escapes.
    pub delimiter: String,
    /// No part of the delimiter is quoted.
    pub expand: bool,
    /// `<<-`.
    pub chomp: bool,
    /// The number before `<<`, or 0.
    pub fd: u32,
}

/// All markers of a line; none when the line does not split into words (a quote without its end, `${v^^}`).
pub(super) fn markers(line: &str) -> Vec<Marker> {
    if memchr::memmem::find(line.as_bytes(), b"<<").is_none() {
        return Vec::new();
    }
    let Some(words) = shell_words(line) else { return Vec::new() };
    words
        .into_iter()
        .filter_map(|range| {
            let word = line.get(range.clone())?;
            marker(word).map(|(delimiter, expand, chomp, fd)| Marker { range, delimiter, expand, chomp, fd })
        })
        .collect()
}

/// Reads one word as `digits? << -? blanks delimiter`.
pub(super) fn marker(word: &str) -> Option<(String, bool, bool, u32)> {
    let rest = word.trim_start_matches(|ch: char| ch.is_ascii_digit());
    let digits = word.get(..word.len() - rest.len())?;
    let rest = rest.strip_prefix("<<")?;
    let (rest, chomp) = match rest.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let (delimiter, expand) = unquote(rest)?;
    let fd = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u32::MAX) };
    Some((delimiter, expand, chomp, fd))
}

/// A delimiter without quotes and escapes, and whether it had no quotes; `None` when it is empty, is more than one
/// word, or a quote has no end.
fn unquote(word: &str) -> Option<(String, bool)> {
    let mut out = String::new();
    let mut expand = true;
    let mut chars = word.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\'' => {
                expand = false;
                loop {
                    match chars.next()? {
                        '\'' => break,
                        ch => out.push(ch),
                    }
                }
            }
            '"' => {
                expand = false;
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => out.push(chars.next_if(|ch| matches!(ch, '"' | '$' | '\\')).unwrap_or('\\')),
                        ch => out.push(ch),
                    }
                }
            }
            '\\' => out.extend(chars.next()),
            ch if ch.is_whitespace() => return None,
            ch => out.push(ch),
        }
    }
    (!out.is_empty()).then_some((out, expand))
}

/// What is open while words are split.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A double quote.
    Quote,
    /// `${name-word`: ends at `}`.
    Brace,
    /// `${name/pattern`: ends at `/`, a replacement follows.
    Slash,
}

/// Splits a line into words with quotes, escapes and variables kept. White space behind `<<` does not end a word;
/// white space inside `${...}` does, unless a double quote is around it. `None` where BuildKit's splitter fails.
fn shell_words(line: &str) -> Option<Vec<Range<usize>>> {
    let mut words = Vec::new();
    let mut start: Option<usize> = None;
    let mut open: Vec<Open> = Vec::new();
    let mut chars = line.char_indices().peekable();
    while let Some((at, ch)) = chars.next() {
        let in_quote = open.last() == Some(&Open::Quote);
        let splits = open.first() != Some(&Open::Quote);
        if ch.is_whitespace() && splits {
            words.extend(start.take().map(|begin| begin..at));
            continue;
        }
        start.get_or_insert(at);
        match ch {
            '"' if in_quote => {
                open.pop();
            }
            '}' if open.last() == Some(&Open::Brace) => {
                open.pop();
            }
            '/' if open.last() == Some(&Open::Slash) => {
                open.pop();
                open.push(Open::Brace);
            }
            '\\' => {
                let escaped = chars.peek().copied();
                let takes = |ch| !in_quote || matches!(ch, '"' | '$' | '\\');
                if let Some((next, ch)) = escaped
                    && takes(ch)
                {
                    chars.next();
                    // Inside `${...}` the result is split again, so an escaped blank separates all the same.
                    if ch.is_whitespace() && splits && !open.is_empty() {
                        words.extend(start.take().map(|begin| begin..next));
                    }
                }
            }
            '"' => open.push(Open::Quote),
            '\'' if !in_quote => loop {
                let (inside, ch) = chars.next()?;
                if ch == '\'' {
                    break;
                }
                if splits && !open.is_empty() {
                    if ch.is_whitespace() {
                        words.extend(start.take().map(|begin| begin..inside));
                    } else {
                        start.get_or_insert(inside);
                    }
                }
            },
            '$' => open.extend(dollar(&mut chars)?),
            '<' if open.is_empty() && chars.next_if(|(_, ch)| *ch == '<').is_some() => {
                while chars.next_if(|(_, ch)| matches!(ch, '\t' | '\r' | ' ')).is_some() {}
            }
            _ => {}
        }
    }
    if !open.is_empty() {
        return None;
    }
    words.extend(start.map(|begin| begin..line.len()));
    Some(words)
}

/// Reads what follows `$`: a name, or `${name` with its operator. `None` where BuildKit fails, else what is open then.
fn dollar(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> Option<Option<Open>> {
    if chars.next_if(|(_, ch)| *ch == '{').is_none() {
        name(chars);
        return Some(None);
    }
    if matches!(chars.peek()?.1, '{' | '}' | ':') {
        return None;
    }
    name(chars);
    match chars.next()?.1 {
        '}' => Some(None),
        ':' => match chars.next()?.1 {
            '#' | '%' => None,
            _ => Some(Some(Open::Brace)),
        },
        '+' | '-' | '?' | '#' | '%' => Some(Some(Open::Brace)),
        '/' => {
            chars.next_if(|(_, ch)| *ch == '/');
            Some(Some(Open::Slash))
        }
        _ => None,
    }
}

/// Skips a variable name: digits, one special parameter, or letters, digits and underscores.
fn name(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) {
    match chars.peek().map(|(_, ch)| *ch) {
        Some(ch) if ch.is_numeric() => while chars.next_if(|(_, ch)| ch.is_numeric()).is_some() {},
        Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
            chars.next();
        }
        _ => while chars.next_if(|(_, ch)| ch.is_alphanumeric() || *ch == '_').is_some() {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        markers(line)
            .into_iter()
            .map(|marker| {
                let flags = format!(
                    "{}{}",
                    if marker.expand { "x" } else { "" },
                    if marker.chomp { "-" } else { "" }
                );
                format!("{}|{}|{}|{}", line.get(marker.range).unwrap(), marker.delimiter, flags, marker.fd)
            })
            .collect()
    }

    #[test]
    fn every_quoting_and_chomp_form() {
        assert_eq!(found("RUN <<EOF"), ["<<EOF|EOF|x|0"]);
        assert_eq!(found("RUN <<-EOF"), ["<<-EOF|EOF|x-|0"]);
        assert_eq!(found("RUN <<'EOF'"), ["<<'EOF'|EOF||0"]);
        assert_eq!(found("RUN <<\"E F\""), ["<<\"E F\"|E F||0"]);
        assert_eq!(found(r"RUN <<\EOF"), [r"<<\EOF|EOF|x|0"]);
        assert_eq!(found("RUN <<E'O'F"), ["<<E'O'F|EOF||0"]);
        assert_eq!(found("RUN 3<<EOF 4<<-'X'"), ["3<<EOF|EOF|x|3", "4<<-'X'|X|-|4"]);
        assert_eq!(found("RUN cat << EOF"), ["<< EOF|EOF|x|0"]);
        assert_eq!(found("RUN cat <<- EOF"), Vec::<String>::new());
        assert_eq!(found("RUN cat <<<EOF"), Vec::<String>::new());
        assert_eq!(found("RUN cat<<EOF"), Vec::<String>::new());
        assert_eq!(found("RUN <<"), Vec::<String>::new());
        assert_eq!(found("RUN <<''"), Vec::<String>::new());
    }

    #[test]
    fn what_a_shell_would_end_belongs_to_the_delimiter() {
        assert_eq!(found("RUN cat <<EOF; x"), ["<<EOF;|EOF;|x|0"]);
        assert_eq!(found("RUN cat <<EOF| sh"), ["<<EOF||EOF||x|0"]);
        assert_eq!(found("RUN cat <<EOF>/x"), ["<<EOF>/x|EOF>/x|x|0"]);
        assert_eq!(found("RUN $(cat <<EOF)"), ["<<EOF)|EOF)|x|0"]);
        assert_eq!(found("RUN echo $((1 << N))"), ["<< N))|N))|x|0"]);
    }

    #[test]
    fn quotes_hide_markers_and_errors_end_the_search() {
        assert_eq!(found("RUN echo '<<EOF' \"<<EOF\""), Vec::<String>::new());
        assert_eq!(found("RUN echo \" <<EOF"), Vec::<String>::new());
        assert_eq!(found("RUN echo ${x^^} <<EOF"), Vec::<String>::new());
        assert_eq!(found("RUN echo ${x:-a b} <<EOF"), ["<<EOF|EOF|x|0"]);
        assert_eq!(found("RUN echo ${x//a/b} ${x:0:3} <<EOF"), ["<<EOF|EOF|x|0"]);
    }

    #[test]
    fn nesting_costs_no_stack() {
        let line = format!("RUN {}{} <<EOF", "${a:-".repeat(200_000), "}".repeat(200_000));
        assert_eq!(markers(&line).len(), 1);
    }
}
