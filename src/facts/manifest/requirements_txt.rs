//! Requirement files of pip (`requirements.txt`, constraint files), as pip reads them.
//!
//! Format: <https://pip.pypa.io/en/stable/reference/requirements-file-format/>. Lines that pip would refuse are left
//! out; the rest of the file is kept.

use crate::span::Span;

/// What one logical line of a requirement file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequirementLine {
    /// A requirement.
    Requirement {
        /// The requirement itself, variables replaced where their value is known.
        text: String,
        /// Whether `-e` stands before it.
        editable: bool,
        /// Whether `--hash` fixes its files.
        hashed: bool,
        /// The requirement in the file, without options.
        span: Span,
    },
    /// `-r FILE` or `-c FILE`.
    Include {
        /// Path as written, relative to the file that includes.
        path: String,
        /// `-c` instead of `-r`.
        constraint: bool,
        /// The path in the file.
        span: Span,
    },
    /// Another option of the whole install (`--index-url`, `--pre`).
    Option {
        /// Long name with its dashes.
        name: String,
        /// Its value; empty without one.
        value: String,
        /// Option and value in the file.
        span: Span,
    },
}

/// Long spelling of the options that matter, by short or long name; whether they take a value.
const OPTIONS: &[(&str, &str, bool)] = &[
    ("-i", "--index-url", true),
    ("--index-url", "--index-url", true),
    ("--pypi-url", "--index-url", true),
    ("--extra-index-url", "--extra-index-url", true),
    ("-f", "--find-links", true),
    ("--find-links", "--find-links", true),
    ("--no-index", "--no-index", false),
    ("--no-binary", "--no-binary", true),
    ("--only-binary", "--only-binary", true),
    ("--prefer-binary", "--prefer-binary", false),
    ("--pre", "--pre", false),
    ("--require-hashes", "--require-hashes", false),
];

/// Reads a requirement file. `variable` gives the value of an environment variable that `${NAME}` may name.
#[must_use]
pub fn read_requirements(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Vec<RequirementLine> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = logical_end(text, at);
        read_line(text, Span::new(at, end), variable, &mut lines);
        at = end.saturating_add(1);
    }
    lines
}

/// Offset of the line feed (or end of text) that ends the logical line which begins at `from`: a backslash at the end
/// continues it, except at the end of a comment line.
fn logical_end(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', rest.as_bytes()) else {
            return text.len();
        };
        let physical = rest.get(..found).unwrap_or_default().trim_end_matches('\r');
        if !physical.ends_with('\\') || physical.trim_start().starts_with('#') {
            return at + found;
        }
        at += found + 1;
    }
}

/// The end of what stands before a comment: `#` at the start or after a blank.
fn before_comment(line: &str) -> &str {
    let mut previous_blank = true;
    for (at, c) in line.char_indices() {
        if c == '#' && previous_blank {
            return line.get(..at).unwrap_or(line);
        }
        previous_blank = c.is_whitespace();
    }
    line
}

fn read_line(
    text: &str,
    span: Span,
    variable: &dyn Fn(&str) -> Option<String>,
    lines: &mut Vec<RequirementLine>,
) {
    let raw = text.get(span.start..span.end).unwrap_or_default();
    let content = before_comment(raw);
    let Some(first) = content.find(|c: char| !c.is_whitespace() && c != '\\') else {
        return;
    };
    let content = content.trim_end_matches(|c: char| c.is_whitespace() || c == '\\');
    let Some(body) = content.get(first..) else {
        return;
    };
    let start = span.start + first;
    if body.starts_with('-') {
        read_option(body, start, variable, lines);
        return;
    }
    let end = option_start(body).unwrap_or(body.len());
    let requirement =
        body.get(..end).unwrap_or(body).trim_end_matches(|c: char| c.is_whitespace() || c == '\\');
    let options = body.get(end..).unwrap_or_default();
    lines.push(RequirementLine::Requirement {
        text: expand(&join(requirement), variable),
        editable: false,
        hashed: options.contains("--hash"),
        span: Span::new(start, start + requirement.len()),
    });
}

/// Where per-requirement options (` --hash=…`) begin.
fn option_start(body: &str) -> Option<usize> {
    body.char_indices()
        .zip(body.char_indices().skip(1))
        .find(|((_, blank), (at, dash))| {
            blank.is_whitespace()
                && *dash == '-'
                && body.get(*at..).is_some_and(|rest| rest.starts_with("--"))
        })
        .map(|((at, _), _)| at)
}

/// A logical line without its continuations.
fn join(text: &str) -> String {
    text.replace("\\\r\n", " ").replace("\\\n", " ")
}

fn read_option(
    body: &str,
    start: usize,
    variable: &dyn Fn(&str) -> Option<String>,
    lines: &mut Vec<RequirementLine>,
) {
    let end = body.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(body.len());
    let (mut name, mut rest) = body.split_at_checked(end).unwrap_or((body, ""));
    // `-rother.txt`: a short option with its value directly behind it.
    if !name.starts_with("--")
        && let Some((short, value)) = name.split_at_checked(2)
        && !value.is_empty()
    {
        (name, rest) = (short, body.get(2..).unwrap_or_default());
    }
    let value_part = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=' || c == '\\');
    let value_start = start + (body.len() - value_part.len());
    let value_end = value_part.find(char::is_whitespace).unwrap_or(value_part.len());
    let value = value_part.get(..value_end).unwrap_or(value_part);
    let value_span = Span::new(value_start, value_start + value.len());
    let unquoted = expand(value.trim_matches(['"', '\'']), variable);
    match name {
        "-r" | "--requirement" | "-c" | "--constraint" if !unquoted.is_empty() => {
            let constraint = matches!(name, "-c" | "--constraint");
            lines.push(RequirementLine::Include { path: unquoted, constraint, span: value_span });
        }
        "-e" | "--editable" if !unquoted.is_empty() => {
            let whole = value_part.trim_end();
            let span = Span::new(value_start, value_start + whole.len());
            lines.push(RequirementLine::Requirement {
                text: expand(&join(whole), variable),
                editable: true,
                hashed: false,
                span,
            });
        }
        name => {
            let Some((_, long, takes_value)) = OPTIONS.iter().find(|(short, ..)| *short == name) else {
                return;
            };
            let end = if *takes_value { value_span.end } else { start + name.len() };
            lines.push(RequirementLine::Option {
                name: (*long).to_owned(),
                value: if *takes_value { unquoted } else { String::new() },
                span: Span::new(start, end),
            });
        }
    }
}

/// Replaces `${NAME}` (upper case, digits and underscore, as pip does) where the value is known.
fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let known = after.split_once('}').filter(|(name, _)| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        });
        match known.and_then(|(name, tail)| variable(name).map(|value| (value, tail))) {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::slice;
    use super::*;

    fn read(text: &str) -> Vec<RequirementLine> {
        read_requirements(text, &|name| (name == "CU").then(|| "cu121".to_owned()))
    }

    fn requirements(text: &str) -> Vec<(String, String)> {
        read(text)
            .into_iter()
            .filter_map(|line| match line {
                RequirementLine::Requirement { text: requirement, span, .. } => {
                    Some((requirement, text.get(span.start..span.end).unwrap_or("?").to_owned()))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let text = "# torch==1\n\ntorch==2.1.0 # the version\r\n  numpy\ngit+https://x.example/y#egg=z\n";
        let spans: Vec<String> = requirements(text).into_iter().map(|(_, span)| span).collect();
        assert_eq!(spans, ["torch==2.1.0", "numpy", "git+https://x.example/y#egg=z"]);
    }

    #[test]
    fn hashes_are_seen_and_left_out_of_the_span() {
        let text = "torch==2.1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nnumpy==1\n";
        let lines = read(text);
        let RequirementLine::Requirement { text: requirement, hashed, span, .. } = &lines[0] else {
            panic!("{lines:?}");
        };
        assert_eq!((requirement.as_str(), *hashed), ("torch==2.1.0", true));
        assert_eq!(*span, Span::new(0, 12));
        assert_eq!(requirements(text).len(), 2);
    }

    #[test]
    fn options_includes_and_editables() {
        let text = "-r base.txt\n-cconstraints.txt\n--constraint=c2.txt\n-e .[gpu]\n--extra-index-url https://x.example/whl/${CU}\n-f https://y.example\n--pre\n--trusted-host z\n";
        let lines = read(text);
        let shown: Vec<String> = lines
            .iter()
            .map(|line| match line {
                RequirementLine::Requirement { text, editable, .. } => format!("{text} {editable}"),
                RequirementLine::Include { path, constraint, span } => {
                    format!("{path} {constraint} {}", slice(text, *span))
                }
                RequirementLine::Option { name, value, span } => {
                    format!("{name} {value} | {}", slice(text, *span))
                }
            })
            .collect();
        assert_eq!(
            shown,
            [
                "base.txt false base.txt",
                "constraints.txt true constraints.txt",
                "c2.txt true c2.txt",
                ".[gpu] true",
                "--extra-index-url https://x.example/whl/cu121 | --extra-index-url https://x.example/whl/${CU}",
                "--find-links https://y.example | -f https://y.example",
                "--pre  | --pre",
            ]
        );
    }

    #[test]
    fn unknown_variables_stay_as_written() {
        assert_eq!(requirements("torch==${VERSION}\nx==${lower}\n")[0].0, "torch==${VERSION}");
    }

    #[test]
    fn a_hundred_thousand_continuations_are_one_line() {
        let text = format!("torch{}==2.1\n", " \\\n".repeat(100_000));
        assert_eq!(requirements(&text).len(), 1);
    }

    proptest! {
        #[test]
        fn spans_lie_in_the_text(text in "[a-z=#\\\\ \n\r${}A-Z.éß-]{0,80}") {
            for line in read(&text) {
                let span = match line {
                    RequirementLine::Requirement { span, .. }
                    | RequirementLine::Include { span, .. }
                    | RequirementLine::Option { span, .. } => span,
                };
                prop_assert!(text.get(span.start..span.end).is_some());
            }
        }
    }
}
