//! Looking at resolved words: what they show, and where a part of one stands.

use crate::facts::{Origin, Word};
use crate::span::Span;

/// A word as far as it is known: its value, or what is written with quotes taken off.
pub(super) fn shown(word: &Word) -> String {
    match &word.text {
        Some(text) => text.clone(),
        None => word.raw.replace(['"', '\''], ""),
    }
}

/// Whether `needle` stands in `text` with no letter, digit, `-` or `_` directly beside it.
pub(super) fn contains_word(text: &str, needle: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(needle).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// The place of bytes `range` of a word's value, where the value stands in the file as it is; otherwise the whole word.
pub(super) fn part_origin(word: &Word, range: Span) -> Origin {
    let Origin::File { file, span } = &word.origin else {
        return word.origin.clone();
    };
    let value = shown(word);
    let Some(part) = value.get(range.start..range.end).filter(|part| !part.is_empty()) else {
        return word.origin.clone();
    };
    // The word's text is written out: find the value in it, then the part inside the value.
    let offset = if word.raw.len() != span.len() {
        None
    } else if let Some(at) = word.raw.find(value.as_str()) {
        Some(at + range.start)
    } else {
        let mut found = word.raw.match_indices(part);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    };
    match offset {
        Some(offset) => Origin::file(*file, Span::new(span.start + offset, span.start + offset + part.len())),
        None => word.origin.clone(),
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
        let quoted = word("ARCH=\"8.0 9.0\"", Some("ARCH=8.0 9.0"));
        assert_eq!(span(&part_origin(&quoted, Span::new(9, 12))), Span::new(110, 113));
        let plain = word("-DX=80;90", Some("-DX=80;90"));
        assert_eq!(span(&part_origin(&plain, Span::new(7, 9))), Span::new(107, 109));
        let expanded = word("-DX=$ARCHS", Some("-DX=80;90"));
        assert_eq!(span(&part_origin(&expanded, Span::new(7, 9))), Span::new(100, 110));
    }

    #[test]
    fn words_have_borders() {
        assert!(contains_word("ffmpeg -c:v h264_nvenc", "h264_nvenc"));
        assert!(contains_word("nvidia-smi", "nvidia-smi"));
        assert!(!contains_word("my-nvidia-smi-exporter", "nvidia-smi"));
        assert!(!contains_word("--enable-nvencx", "--enable-nvenc"));
    }
}
