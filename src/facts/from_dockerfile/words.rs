//! Looking at resolved words: what they show, and where a part of one stands.

use std::borrow::Cow;

use crate::facts::{Origin, Word};
use crate::span::Span;

/// A word as far as it is known: its value, or what is written with quotes taken off.
pub(super) fn shown(word: &Word) -> Cow<'_, str> {
    match &word.text {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(word.raw.replace(['"', '\''], "")),
    }
}

/// Whether `needle` stands in `text` with no letter, digit, `-` or `_` directly beside it.
pub(super) fn contains_word(text: &str, needle: &str) -> bool {
    let part_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else { return false };
    // Words are short and asked for dozens of names: setting up a searcher for each costs more than this.
    memchr::memchr_iter(*first, text).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        text.get(at..)
            .and_then(|rest| rest.strip_prefix(needle))
            .is_some_and(|rest| !before.is_some_and(part_of_word) && !rest.first().is_some_and(part_of_word))
    })
}

/// Where in its file the first byte of a word's value stands, when the value is written out there as it is. For
/// `NAME="value"` that is where it would stand if the value's own place were right.
pub(super) fn value_start(word: &Word, value: &str) -> Option<usize> {
    let (_, span) = word.origin.as_file()?;
    // ENV keeps what is written without the quotes around it.
    let quotes = match span.len().checked_sub(word.raw.len())? {
        0 => 0,
        2 => 1,
        _ => return None,
    };
    let start = span.start + quotes;
    if let Some(at) = word.raw.find(value) {
        return Some(start + at);
    }
    let (name, rest) = value.split_once('=')?;
    let at = word.raw.find(rest).filter(|_| !rest.is_empty())?;
    (start + at).checked_sub(name.len() + 1)
}

/// The place of bytes `range` of a word's value, which begins at `start` in its file; without that the whole word.
pub(super) fn part_origin(word: &Word, start: Option<usize>, range: Span) -> Origin {
    match (&word.origin, start) {
        (Origin::File { file, .. }, Some(start)) if !range.is_empty() => {
            Origin::file(*file, Span::new(start + range.start, start + range.end))
        }
        _ => word.origin.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::FileId;

    fn word(raw: &str, text: Option<&str>) -> Word {
        Word {
            text: text.map(str::to_owned),
            raw: raw.to_owned(),
            origin: Origin::file(FileId(0), Span::new(100, 100 + raw.len())),
        }
    }

    fn span(origin: &Origin) -> Span {
        origin.as_file().map(|(_, span)| span).unwrap_or_default()
    }

    #[test]
    fn parts_of_quoted_words_are_found() {
        let part = |word: &Word, from, to| {
            let start = value_start(word, &shown(word));
            span(&part_origin(word, start, Span::new(from, to)))
        };
        assert_eq!(part(&word("\"8.0 9.0\"", Some("8.0 9.0")), 4, 7), Span::new(105, 108));
        assert_eq!(part(&word("-DX=80;90", Some("-DX=80;90")), 7, 9), Span::new(107, 109));
        assert_eq!(part(&word("A=\"8.0 9.0\"", Some("A=8.0 9.0")), 6, 9), Span::new(107, 110));
        assert_eq!(part(&word("-DX=$ARCHS", Some("-DX=80;90")), 7, 9), Span::new(100, 110));
    }

    #[test]
    fn words_have_borders() {
        assert!(contains_word("ffmpeg -c:v h264_nvenc", "h264_nvenc"));
        assert!(contains_word("nvidia-smi", "nvidia-smi"));
        assert!(!contains_word("my-nvidia-smi-exporter", "nvidia-smi"));
        assert!(!contains_word("--enable-nvencx", "--enable-nvenc"));
    }
}
