//! Words that several formats share: safe text, wrapping, places, counts.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostics::{Location, Outcome, Severity};
use crate::span::LineIndex;

/// The texts of an input with their lines indexed, each once.
pub(super) struct Texts<'a> {
    sources: &'a BTreeMap<Arc<str>, Arc<[u8]>>,
    indexes: RefCell<BTreeMap<&'a str, Rc<LineIndex>>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(sources: &'a BTreeMap<Arc<str>, Arc<[u8]>>) -> Self {
        Self { sources, indexes: RefCell::default() }
    }

    /// The bytes of a file and its lines.
    pub(super) fn get(&self, file: &str) -> Option<(&'a [u8], Rc<LineIndex>)> {
        let (name, bytes) = self.sources.get_key_value(file)?;
        let mut indexes = self.indexes.borrow_mut();
        let index = indexes.entry(name).or_insert_with(|| Rc::new(LineIndex::new(bytes)));
        Some((bytes, Rc::clone(index)))
    }

    /// Whether the file's bytes are known.
    pub(super) fn has(&self, file: &str) -> bool {
        self.sources.contains_key(file)
    }
}

/// What stands for a character that must not reach a terminal; `None` for harmless ones.
///
/// Besides control characters these are the marks that reverse the direction of text, with which a line can show
/// something else than it does.
pub(super) fn substitute(c: char) -> Option<char> {
    match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)),
        '\u{7f}' => Some('\u{2421}'),
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => Some('\u{fffd}'),
        _ => None,
    }
}

/// Writes JSON and a line feed. Characters that must not reach a terminal stand in strings only, and are escaped there.
pub(crate) fn write_json(value: &impl Serialize, pretty: bool, out: &mut dyn Write) -> io::Result<()> {
    let text = if pretty { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
    let mut rest = text.as_str();
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| *c != '\n' && substitute(*c).is_some()) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        write!(out, "{before}\\u{:04x}", u32::from(c))?;
        rest = after.get(c.len_utf8()..).unwrap_or_default();
    }
    writeln!(out, "{rest}")
}

/// The text with control characters made visible (`␛`), on one line.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| substitute(c).is_some()) {
        text.chars().map(|c| substitute(c).unwrap_or(c)).collect::<String>().into()
    } else {
        text.into()
    }
}

/// The text broken into lines of at most `width` characters where it has spaces; longer words stay whole.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    wrap_after(0, text, width)
}

/// The same, when `taken` characters stand on the first line already.
pub(crate) fn wrap_after(taken: usize, text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut length) = (String::new(), taken);
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if length > 0 && length.saturating_add(1).saturating_add(more) > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if !line.is_empty() {
            line.push(' ');
            length = length.saturating_add(1);
        }
        line.push_str(word);
        length = length.saturating_add(more);
    }
    lines.push(line);
    lines
}

/// At most `limit` characters of the text.
pub(super) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => text.into(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect::<String>().into(),
    }
}

/// A digest as people compare it: algorithm and 12 digits.
pub(super) fn short_digest(digest: &str) -> String {
    match digest.split_once(':') {
        Some((algorithm, hex)) => format!("{algorithm}:{}", hex.chars().take(12).collect::<String>()),
        None => digest.chars().take(12).collect(),
    }
}

/// A line of an image's history as the Dockerfile had it: without the shell, the `#(nop)` of the classic builder, the
/// values of build arguments (`|1 TOKEN=… /bin/sh -c`) and BuildKit's mark.
pub(super) fn instruction(created_by: &str) -> String {
    let line = created_by.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.strip_suffix("# buildkit").unwrap_or(&line).trim_end();
    let (keyword, line) = match line.strip_prefix("RUN ") {
        Some(rest) => ("RUN ", rest),
        None => ("", line),
    };
    let with_args = line.starts_with('|');
    let shell =
        if with_args { line.find("/bin/sh -c ") } else { line.starts_with("/bin/sh -c ").then_some(0) };
    let Some(after) = shell.and_then(|at| line.get(at.saturating_add("/bin/sh -c ".len())..)) else {
        return format!("{keyword}{line}");
    };
    match after.trim_start().strip_prefix("#(nop)") {
        Some(rest) => rest.trim_start().to_owned(),
        None => format!("RUN {after}"),
    }
}

/// Where a finding of `input` is, on one line: `path:line:col`, or the image with layer and path.
pub(super) fn where_is(location: &Location, input: &str) -> String {
    if let Some(place) = location.place() {
        return format!("{}:{}:{}", visible(&place.file), place.start.line, place.start.column);
    }
    let mut text = visible(input).into_owned();
    if let Some(inner) = inner_place(location) {
        text.push_str(": ");
        text.push_str(&inner);
    }
    text
}

/// Where in an image: layer and path, or the key of the config.
pub(super) fn inner_place(location: &Location) -> Option<String> {
    match location {
        Location::File(_) => None,
        Location::Layer { index, path: Some(path), .. } => Some(format!("layer {index}: {}", visible(path))),
        Location::Layer { index, path: None, .. } => Some(format!("layer {index}")),
        Location::Config { key, .. } => Some(format!("config {}", visible(key))),
    }
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// `Found 2 errors, 1 warning in 3 inputs`, or that nothing was found.
pub(super) fn found(outcome: &Outcome) -> String {
    let summary = &outcome.summary;
    let counts = [
        (summary.error, count(summary.error, "error")),
        (summary.warning, count(summary.warning, "warning")),
        (summary.info, format!("{} info", summary.info)),
    ];
    let counts: Vec<String> =
        counts.into_iter().filter(|(number, _)| *number > 0).map(|(_, words)| words).collect();
    let inputs = count(outcome.inputs.len(), "input");
    match counts.is_empty() {
        true => format!("Nothing found in {inputs}"),
        false => format!("Found {} in {inputs}", counts.join(", ")),
    }
}

/// What was held back: `2 ignored inline, 5 in the baseline`.
pub(super) fn held_back(outcome: &Outcome) -> Option<String> {
    let summary = &outcome.summary;
    let mut parts = Vec::new();
    if summary.suppressed > 0 {
        parts.push(format!("{} ignored inline", summary.suppressed));
    }
    if summary.baselined > 0 {
        parts.push(format!("{} in the baseline", summary.baselined));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `3 questions could not be answered`.
pub(super) fn unanswered(outcome: &Outcome) -> Option<String> {
    let number = outcome.summary.unknown;
    (number > 0).then(|| format!("{} could not be answered", count(number, "question")))
}

/// The word that code hosts' annotations use.
pub(super) fn annotation_level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

/// The text for XML and HTML, in content and in attributes; characters that XML 1.0 cannot have are made visible.
pub(super) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(substitute(c).unwrap_or(c)),
        }
    }
    out
}

/// A path as the path of a URI reference (RFC 3986): everything but unreserved characters and `/` as `%XX`.
pub(super) fn uri_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(visible("a\x1b[31mb\u{7f}\u{9b}\u{202e}\n"), "a␛[31mb␡\u{fffd}\u{fffd}␊");
        assert!(matches!(visible("plain é"), Cow::Borrowed("plain é")));
    }

    #[test]
    fn json_escapes_what_a_terminal_would_obey() {
        let mut out = Vec::new();
        write_json(&["a\u{9b}b\u{7f}\u{202e}é\n"], false, &mut out).unwrap();
        assert_eq!(String::from_utf8(out.clone()).unwrap(), "[\"a\\u009bb\\u007f\\u202eé\\n\"]\n");
        assert_eq!(serde_json::from_slice::<Vec<String>>(&out).unwrap(), ["a\u{9b}b\u{7f}\u{202e}é\n"]);
    }

    #[test]
    fn history_lines_read_like_the_dockerfile() {
        for (line, expected) in [
            ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
            ("RUN |2 TOKEN=s3cret A=b /bin/sh -c pip install x # buildkit", "RUN pip install x"),
            ("|1 TOKEN=s3cret /bin/sh -c make", "RUN make"),
            ("/bin/sh -c #(nop) COPY file:ab in /x ", "COPY file:ab in /x"),
            ("/bin/sh -c #(nop)  ENV A=b", "ENV A=b"),
            ("/bin/sh -c apt-get   update", "RUN apt-get update"),
            ("COPY /a /b # buildkit", "COPY /a /b"),
            ("RUN /bin/bash -c x", "RUN /bin/bash -c x"),
            ("", ""),
        ] {
            assert_eq!(instruction(line), expected, "{line}");
        }
    }

    #[test]
    fn wraps_at_spaces_only() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("toolongword a", 5), ["toolongword", "a"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap_after(4, "aa bb", 5), ["", "aa bb"]);
        assert_eq!(wrap_after(2, "aa bb", 5), ["aa", "bb"]);
    }

    #[test]
    fn counts_and_shortens() {
        assert_eq!((count(1, "error"), count(0, "error")), ("1 error".into(), "0 errors".into()));
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!(short_digest(&format!("sha256:{}", "ab".repeat(32))), "sha256:abababababab");
    }

    #[test]
    fn uris_and_markup_are_escaped() {
        assert_eq!(uri_path("a b/ü%.txt"), "a%20b/%C3%BC%25.txt");
        assert_eq!(markup("<a b=\"1\">&'\x00"), "&lt;a b=&quot;1&quot;&gt;&amp;&#39;␀");
    }
}
