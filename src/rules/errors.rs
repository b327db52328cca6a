//! Run-time errors as people paste them: which static causes they have, which rules look for these, and what only the host
//! can tell. The table is `rules/data/errors.toml`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::date::PartialDate;

/// A run-time error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeError {
    /// Its key.
    pub id: String,
    /// The text as programs print it.
    pub title: String,
    /// Texts that identify it: lower case, blanks as one; `*` stands for any text in between.
    #[serde(skip_serializing)]
    pub pattern: Vec<String>,
    /// CUDA's error code, where it has one.
    pub code: Option<u16>,
    /// What in an image or its target causes it.
    pub causes: Vec<String>,
    /// Ids of the rules that look for these causes.
    pub rules: Vec<String>,
    /// What cannot be seen before the container runs on the host.
    pub not_static: Option<String>,
    /// The tool on the host that shows it.
    pub host: Option<String>,
    /// Reports and documents.
    pub source: Vec<String>,
    /// When they were read, where that is not the table's date.
    pub as_of: Option<PartialDate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    table: Header,
    error: Vec<RuntimeError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    as_of: PartialDate,
}

/// All run-time errors known, read once. A table that cannot be read is empty; a test proves that it can.
pub fn runtime_errors() -> &'static [RuntimeError] {
    static LIST: LazyLock<Vec<RuntimeError>> = LazyLock::new(|| read().unwrap_or_default());
    &LIST
}

fn read() -> Result<Vec<RuntimeError>, toml::de::Error> {
    let mut document: Document = toml::from_str(include_str!("../../rules/data/errors.toml"))?;
    for row in &mut document.error {
        row.as_of = row.as_of.or(Some(document.table.as_of));
    }
    Ok(document.error)
}

/// Bytes of a pasted text that are looked at; a log is longer than the error in it.
const MOST_TEXT: usize = 64 << 10;

/// The errors that a pasted text shows, the best match first: by their texts, else by an error code (`error 803`, `(803)`),
/// else by the words of their titles.
#[must_use]
pub fn match_error(text: &str) -> Vec<&'static RuntimeError> {
    let text = normal(text.get(..text.floor_char_boundary(MOST_TEXT)).unwrap_or(text));
    let mut found: Vec<(usize, &RuntimeError)> = runtime_errors()
        .iter()
        .filter_map(|row| {
            let longest =
                row.pattern.iter().filter(|pattern| occurs(pattern, &text)).map(String::len).max()?;
            Some((longest, row))
        })
        .collect();
    if found.is_empty() {
        let codes = codes(&text);
        found.extend(
            runtime_errors()
                .iter()
                .filter(|row| row.code.is_some_and(|code| codes.contains(&code)))
                .map(|row| (1, row)),
        );
    }
    if found.is_empty() {
        found.extend(by_words(&text));
    }
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, row)| row).collect()
}

/// Lower case, quotes left out, every run of blanks as one.
fn normal(text: &str) -> String {
    let plain: String =
        text.chars().filter(|c| !matches!(c, '`' | '"' | '\'' | '‘' | '’' | '“' | '”')).collect();
    plain.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a pattern's parts occur in the text one after the other; short ones only as whole words.
fn occurs(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|part| {
        let part: String = part.chars().filter(|c| !matches!(c, '`' | '"' | '\'')).collect();
        let found = if part.len() < 6 { find_word(&part, rest) } else { rest.find(&part) };
        match found {
            Some(at) => {
                rest = rest.get(at.saturating_add(part.len())..).unwrap_or_default();
                true
            }
            None => false,
        }
    })
}

fn find_word(word: &str, text: &str) -> Option<usize> {
    let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let (before, from) = text.split_at_checked(*at).unwrap_or((text, ""));
        let after = from.get(word.len()..).unwrap_or_default();
        word.is_empty() || (edge(before.chars().next_back()) && edge(after.chars().next()))
    })
}

/// Numbers that are called an error: `error 803`, `error: 803`, `code=35`, `(35)`, or the number alone.
fn codes(text: &str) -> Vec<u16> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let named = words.windows(2).filter_map(|pair| match pair {
        [name, number] if name.contains("error") || matches!(*name, "code" | "status") => number.parse().ok(),
        _ => None,
    });
    let braced = text.split('(').skip(1).filter_map(|rest| rest.split(')').next()?.parse().ok());
    let alone = text.parse().ok();
    named.chain(braced).chain(alone).collect()
}

/// Errors whose title has most of its telling words in the text.
fn by_words(text: &str) -> Vec<(usize, &'static RuntimeError)> {
    let telling = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 3);
        words
            .map(str::to_lowercase)
            .filter(|word| {
                !matches!(word.as_str(), "cuda" | "error" | "with" | "that" | "found" | "failed" | "nvidia")
            })
            .collect()
    };
    let given = telling(text);
    runtime_errors()
        .iter()
        .filter_map(|row| {
            let wanted = telling(&row.title);
            let there = wanted.iter().filter(|word| given.contains(word)).count();
            (there >= 2 && there.saturating_mul(10) >= wanted.len().saturating_mul(6)).then_some((there, row))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<&'static str> {
        match_error(text).into_iter().map(|row| row.id.as_str()).collect()
    }

    #[test]
    fn the_table_is_sound() {
        let rows = read().unwrap();
        assert!(rows.len() > 30);
        for row in &rows {
            assert!(rows.iter().filter(|other| other.id == row.id).count() == 1, "{} is there twice", row.id);
            assert!(!row.source.is_empty() && row.as_of.is_some(), "{} names no source", row.id);
            assert!(
                row.causes.is_empty() == row.rules.is_empty(),
                "{}: causes and rules belong together",
                row.id
            );
            assert!(!row.rules.is_empty() || row.not_static.is_some(), "{} says nothing", row.id);
            assert!(row.not_static.is_none() || row.host.is_some(), "{}: which tool shows it?", row.id);
            for rule in &row.rules {
                assert!(super::super::find_page(rule).is_some(), "{}: {rule} is no rule", row.id);
            }
            for pattern in &row.pattern {
                assert_eq!(pattern.to_lowercase(), *pattern, "{}", row.id);
                assert!(match_error(pattern).iter().any(|found| found.id == row.id), "{}: {pattern}", row.id);
            }
            assert!(
                ids(&row.title).contains(&row.id.as_str()),
                "{} is not found by its title: {:?}",
                row.id,
                ids(&row.title)
            );
        }
    }

    #[test]
    fn pasted_errors_are_found() {
        for (text, id) in [
            (
                "RuntimeError: CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be…",
                "no-kernel-image",
            ),
            (
                "docker: Error response from daemon: failed to create task: nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.6, please update your driver to a newer version, or use an earlier cuda container: unknown.",
                "requirement-error",
            ),
            ("Failed to initialize NVML:   Driver/library   version mismatch", "driver-library-mismatch"),
            (
                "/app: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /app)",
                "glibc-too-old",
            ),
            (
                "Error 803: system has unsupported display driver / cuda driver combination",
                "system-driver-mismatch",
            ),
            (
                "Could not load library libcudnn_ops_infer.so.8. Error: libcudnn_ops_infer.so.8: cannot open shared object file",
                "cudnn-not-loaded",
            ),
            ("CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "unsupported-ptx"),
            ("cuInit failed with error code 804", "compat-not-supported"),
            ("the driver version seems insufficient for the runtime version", "insufficient-driver"),
            (
                "ImportError: libcublas.so.11: cannot open shared object file: No such file or directory",
                "cuda-library-not-found",
            ),
        ] {
            assert_eq!(ids(text).first(), Some(&id), "{text}: {:?}", ids(text));
        }
        assert_eq!(ids("segmentation fault in my program"), Vec::<&str>::new());
        assert_eq!(ids("the maxidrive was slow"), Vec::<&str>::new(), "short patterns are whole words");
        assert_eq!(ids(""), Vec::<&str>::new());
    }

    #[test]
    fn long_texts_are_cut() {
        let text = format!("{}no kernel image is available", "é".repeat(1 << 20));
        assert_eq!(ids(&text), Vec::<&str>::new());
    }
}
