//! Words, flags and JSON arrays inside a logical line.

use std::ops::Range;

use super::ast::{Flag, MountKey};
use super::text::LogicalText;
use crate::span::Spanned;

/// The separators of Go's `[\t\v\f\r ]+`, by which BuildKit splits arguments.
fn is_separator(ch: char) -> bool {
    matches!(ch, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// `range` of `text` without white space at both ends.
pub(super) fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(part) = text.get(range.clone()) else { return range };
    let start = range.start + (part.len() - part.trim_start().len());
    start..(start + part.trim().len())
}

/// The first word of a trimmed text, and the rest behind the separators.
pub(super) fn first_word(text: &str, range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let part = text.get(range.clone()).unwrap_or_default();
    let Some(end) = part.find(is_separator) else { return (range.clone(), range.end..range.end) };
    let rest = part.get(end..).unwrap_or_default();
    let gap = rest.len() - rest.trim_start_matches(is_separator).len();
    (range.start..range.start + end, range.start + end + gap..range.end)
}

/// The words of a trimmed text, split at blanks; quotes mean nothing.
pub(super) fn plain_words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, ch) in text.char_indices() {
        match (is_separator(ch), start) {
            (true, Some(begin)) => {
                words.push(begin..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    words.extend(start.map(|begin| begin..text.len()));
    words
}

/// The words of ENV, LABEL and ARG: split at white space outside quotes; quotes and escapes stay in the word.
pub(super) fn quoted_words(text: &str, escape: char) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut end = text.len();
    let mut chars = text.char_indices();
    while let Some((at, ch)) = chars.next() {
        if start.is_none() {
            if ch.is_whitespace() {
                continue;
            }
            start = Some(at);
        }
        match quote {
            None if ch.is_whitespace() => {
                words.extend(start.map(|begin| begin..at));
                start = None;
            }
            None if ch == '\'' || ch == '"' => quote = Some(ch),
            Some(open) if ch == open => quote = None,
            Some('\'') => {}
            // It takes the next character with it; at the very end it is dropped.
            _ if ch == escape && chars.next().is_none() => end = at,
            _ => {}
        }
    }
    words.extend(start.filter(|begin| *begin < end).map(|begin| begin..end));
    words
}

/// The flags in front of the arguments, and where the arguments begin.
pub(super) fn flags(text: &LogicalText, range: Range<usize>, escape: char) -> (Vec<Flag>, usize) {
    let part = text.get(range.clone());
    let mut flags = Vec::new();
    let mut chars = part.char_indices().peekable();
    loop {
        while chars.next_if(|(_, ch)| ch.is_whitespace()).is_some() {}
        let Some((start, _)) = chars.peek().copied() else { return (flags, range.end) };
        if !part.get(start..).is_some_and(|rest| rest.starts_with("--")) {
            return (flags, range.start + start);
        }
        let mut word = LogicalText::default();
        let mut quote = None;
        let mut quoted = false;
        let mut end = part.len();
        // The plain stretch that is not yet in the word.
        let mut plain = start;
        let mut take = |from: usize, to: usize| {
            word.push_part(text, range.start + from..range.start + to);
        };
        while let Some((at, ch)) = chars.peek().copied() {
            let after = at + ch.len_utf8();
            if quote.is_none() && ch.is_whitespace() {
                end = at;
                break;
            }
            chars.next();
            let drop = match quote {
                None if ch == '\'' || ch == '"' => {
                    quote = Some(ch);
                    quoted = true;
                    true
                }
                Some(open) if ch == open => {
                    quote = None;
                    true
                }
                _ if ch == escape => {
                    // The next character stands for itself.
                    if chars.next().is_some() {
                        take(plain, at);
                        plain = after;
                        continue;
                    }
                    true
                }
                _ => false,
            };
            if drop {
                if plain < at {
                    take(plain, at);
                }
                plain = after;
            }
        }
        if plain < end {
            take(plain, end);
        }
        if word.text == "--" {
            return (flags, range.start + end);
        }
        if quoted || !word.text.is_empty() {
            flags.push(flag(&word, text.source_span(range.start + start..range.start + end)));
        }
    }
}

/// Splits an unquoted flag word into name, value and the fields of `--mount`.
fn flag(word: &LogicalText, span: crate::span::Span) -> Flag {
    let name_start = word.text.len().min(2);
    let (name, value) = match word.text.find('=') {
        Some(at) if at >= name_start => (name_start..at, Some(at + 1..word.text.len())),
        _ => (name_start..word.text.len(), None),
    };
    let mount = match &value {
        Some(value) if word.get(name.clone()) == "mount" => mount_fields(word, value.clone()),
        _ => Vec::new(),
    };
    Flag { name: spanned(word, name), value: value.map(|value| spanned(word, value)), span, mount }
}

/// A part of a text with its place.
pub(super) fn spanned(text: &LogicalText, range: Range<usize>) -> Spanned<String> {
    Spanned::new(text.get(range.clone()).to_owned(), text.source_span(range))
}

/// The comma-separated fields of a `--mount` value; a field in double quotes may hold commas.
fn mount_fields(word: &LogicalText, range: Range<usize>) -> Vec<MountKey> {
    let mut fields = Vec::new();
    let mut start = range.start;
    let mut quoted = false;
    let value = word.get(range.clone());
    let cuts = value.char_indices().map(|(at, ch)| (range.start + at, ch)).chain([(range.end, ',')]);
    for (at, ch) in cuts {
        match ch {
            '"' if at == start => quoted = true,
            '"' => quoted = false,
            ',' if !quoted || at == range.end => {
                let mut field = start..at;
                if word.get(field.clone()).starts_with('"') {
                    field.start += 1;
                    if word.get(field.clone()).ends_with('"') {
                        field.end -= 1;
                    }
                }
                let (key, value) = match word.get(field.clone()).find('=') {
                    Some(equals) => {
                        (field.start..field.start + equals, Some(field.start + equals + 1..field.end))
                    }
                    None => (field, None),
                };
                fields.push(MountKey {
                    key: spanned(word, key),
                    value: value.map(|value| spanned(word, value)),
                });
                start = at + 1;
            }
            _ => {}
        }
    }
    fields
}

/// What a text is as a JSON array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// An array of strings: the decoded string and its place between the quotes.
    Strings(Vec<(String, Range<usize>)>),
    /// An array with something else in it.
    OtherArray,
    /// No JSON array.
    No,
}

/// Reads a text as BuildKit reads the JSON form.
pub(super) fn json_array(text: &str) -> Json {
    if !text.trim_start().starts_with('[') {
        return Json::No;
    }
    if let Some(strings) = string_array(text) {
        return Json::Strings(strings);
    }
    match serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text.trim_start()) {
        Ok(_) => Json::OtherArray,
        Err(_) => Json::No,
    }
}

/// Reads an array that holds nothing but strings.
fn string_array(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let mut chars = text.char_indices().peekable();
    let mut out = Vec::new();
    while chars.next_if(|(_, ch)| ch.is_whitespace()).is_some() {}
    chars.next_if(|(_, ch)| *ch == '[')?;
    let is_space = |ch: char| matches!(ch, ' ' | '\t' | '\n' | '\r');
    loop {
        while chars.next_if(|(_, ch)| is_space(*ch)).is_some() {}
        match chars.next()? {
            (_, ']') if out.is_empty() => break,
            (at, '"') => out.push(json_string(&mut chars, at + 1)?),
            _ => return None,
        }
        while chars.next_if(|(_, ch)| is_space(*ch)).is_some() {}
        match chars.next()? {
            (_, ',') => {}
            (_, ']') => break,
            _ => return None,
        }
    }
    chars.all(|(_, ch)| is_space(ch)).then_some(out)
}

/// Reads a JSON string behind its opening quote, which ends at `start`.
fn json_string(
    chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
    start: usize,
) -> Option<(String, Range<usize>)> {
    let mut out = String::new();
    loop {
        let (at, ch) = chars.next()?;
        match ch {
            '"' => return Some((out, start..at)),
            '\\' => match chars.next()?.1 {
                ch @ ('"' | '\\' | '/') => out.push(ch),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'u' => {
                    let first = hex4(chars)?;
                    let mut decoded = char::from_u32(first);
                    if (0xd800..0xdc00).contains(&first) {
                        // A pair of surrogates; one alone is replaced.
                        let mut ahead = chars.clone();
                        if ahead.next().is_some_and(|(_, ch)| ch == '\\')
                            && ahead.next().is_some_and(|(_, ch)| ch == 'u')
                            && let Some(second) = hex4(&mut ahead)
                            && (0xdc00..0xe000).contains(&second)
                        {
                            decoded = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                            *chars = ahead;
                        }
                    }
                    out.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                _ => return None,
            },
            '\0'..='\u{1f}' => return None,
            ch => out.push(ch),
        }
    }
}

/// Four hexadecimal digits.
fn hex4(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> Option<u32> {
    let mut out = 0;
    for _ in 0..4 {
        out = out * 16 + chars.next()?.1.to_digit(16)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> Vec<&str> {
        quoted_words(text, '\\').into_iter().map(|range| text.get(range).unwrap()).collect()
    }

    #[test]
    fn quoted_words_keep_their_quotes() {
        assert_eq!(quoted(r#"a="b c" d='e f'g h\ i"#), [r#"a="b c""#, "d='e f'g", r"h\ i"]);
        assert_eq!(quoted(r#"a="x\" y" b"#), [r#"a="x\" y""#, "b"]);
        assert_eq!(quoted(r"a='x\' b"), [r"a='x\'", "b"]);
        assert_eq!(quoted(r"a\"), ["a"]);
        assert_eq!(quoted(r"a \"), ["a"]);
        assert_eq!(quoted(r#"a="open b"#), [r#"a="open b"#]);
    }

    fn all_flags(source: &str) -> (Vec<Flag>, String) {
        let mut text = LogicalText::default();
        text.push_bytes(source.as_bytes(), 100);
        let (flags, args) = flags(&text, 0..source.len(), '\\');
        (flags, source.get(args..).unwrap().to_owned())
    }

    #[test]
    fn flags_lose_their_quotes_and_keep_their_places() {
        let (flags, rest) = all_flags(r#"--from=a --chown="b c"d --link -x --no"#);
        let names: Vec<_> = flags.iter().map(|flag| flag.name.value.as_str()).collect();
        assert_eq!(names, ["from", "chown", "link"]);
        assert_eq!(rest, "-x --no");
        let value = flags[1].value.as_ref().unwrap();
        assert_eq!(value.value, "b cd");
        assert_eq!((value.span.start, value.span.end), (118, 123));
        assert_eq!(flags[2].value, None);
        let (flags, rest) = all_flags("--a -- --b c");
        assert_eq!((flags.len(), rest.trim()), (1, "--b c"));
    }

    #[test]
    fn mount_fields_have_places() {
        let (flags, rest) = all_flags("--mount=type=cache,target=/root/.cache,ro x");
        assert_eq!(rest, "x");
        let fields = &flags[0].mount;
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[1].key.value, "target");
        assert_eq!(fields[1].value.as_ref().unwrap().value, "/root/.cache");
        assert_eq!(fields[1].value.as_ref().unwrap().span.start, 126);
        assert_eq!(fields[2].value, None);
    }

    #[test]
    fn json_arrays_are_what_go_takes() {
        let strings = |text: &str| match json_array(text) {
            Json::Strings(strings) => strings.into_iter().map(|(text, _)| text).collect::<Vec<_>>(),
            other => vec![format!("{other:?}")],
        };
        assert_eq!(strings(r#"[ "a" , "b\n\u0041\ud83d\ude00\ud800" ]"#), ["a", "b\nA\u{1f600}\u{fffd}"]);
        assert_eq!(strings("[]"), Vec::<String>::new());
        assert_eq!(json_array(r#"["a",1]"#), Json::OtherArray);
        assert_eq!(json_array(r#"["a",]"#), Json::No);
        assert_eq!(json_array(r#"["a"] x"#), Json::No);
        assert_eq!(json_array("['a']"), Json::No);
        assert_eq!(json_array(r#"["a", "b\ c"]"#), Json::No);
    }
}
