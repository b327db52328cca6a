//! Reading one ignore comment.

use crate::diagnostics::{Date, DateError, RuleId, RuleInfo};
use crate::nearest::nearest;
use crate::span::Span;

/// What a comment asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// `ignore-file`: for the whole file.
    pub(super) whole_file: bool,
    /// Rules named, with the place of each word.
    pub(super) rules: Vec<(RuleId, Span)>,
    /// Last day on which it holds.
    pub(super) until: Option<Date>,
    /// Bytes between the brackets.
    pub(super) list: Span,
}

/// What is wrong with a comment, where, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: String,
}

/// What a comment turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The ignore, when enough of it could be read for it to hold.
    pub(super) directive: Option<Directive>,
    /// What is wrong with it.
    pub(super) flaws: Vec<Flaw>,
}

const FORM: &str =
    "write `# cudalint: ignore[CU301] reason`, or `ignore-file[CU301] reason` for the whole file";

/// Reads the comment at `span`, with or without its `#`. `None` when it is not addressed to this program.
pub(super) fn read(source: &[u8], span: Span, rules: &[RuleInfo]) -> Option<Reading> {
    let text = std::str::from_utf8(span.slice(source)).ok()?;
    let rest = text.trim_start().trim_start_matches('#').trim_start();
    let (tool, rest) = (rest.get(.."cudalint".len())?, rest.get("cudalint".len()..)?);
    if !tool.eq_ignore_ascii_case("cudalint") {
        return None;
    }
    let rest = rest.trim_start().strip_prefix(':')?.trim();
    // Byte range, in the source, of a part of `text`.
    let place = |part: &str| {
        let start = span.start + (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        Span::new(start, start + part.len())
    };
    let broken = |part: &str, message: String, help: &str| {
        let flaw = Flaw { span: place(part), message, help: help.to_owned() };
        Some(Reading { directive: None, flaws: vec![flaw] })
    };
    let word_end = rest.find(|c: char| c.is_whitespace() || c == '[').unwrap_or(rest.len());
    let (word, after) = rest.split_at_checked(word_end)?;
    let whole_file = match word {
        "ignore" => false,
        "ignore-file" => true,
        "" => return broken(rest, "the comment asks cudalint for nothing".to_owned(), FORM),
        _ => {
            let near = nearest(word, ["ignore", "ignore-file"]);
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return broken(
                word,
                format!("`{word}` is nothing that a comment can ask cudalint for{near}"),
                FORM,
            );
        }
    };
    let Some(inner) = after.trim_start().strip_prefix('[') else {
        return broken(word, format!("`{word}` names no rules"), FORM);
    };
    let Some((list, reason)) = inner.split_once(']') else {
        return broken(inner, format!("the list of `{word}` does not end with `]`"), FORM);
    };
    let mut flaws = Vec::new();
    let mut found: Vec<(RuleId, Span)> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match rules.iter().find(|rule| rule.is_called(name)) {
            Some(rule) if found.iter().any(|(id, _)| *id == rule.id) => {
                let message = format!("{} is named twice", rule.id);
                flaws.push(Flaw { span: place(name), message, help: "name each rule once".to_owned() });
            }
            Some(rule) => found.push((rule.id, place(name))),
            None => flaws.push(unknown_rule(name, place(name), rules)),
        }
    }
    if list.trim().is_empty() {
        return broken(rest, format!("`{word}` names no rules"), FORM);
    }
    let until = match until(reason) {
        None => None,
        Some((_, Ok(day))) => Some(day),
        Some((part, Err(error))) => {
            let help = "an ignore with a date that cannot be read holds nothing back";
            return broken(part, format!("{error}"), help);
        }
    };
    let given = reason.split_whitespace().filter(|word| !word.starts_with("until="));
    if !given.into_iter().any(|word| word.chars().any(char::is_alphanumeric)) {
        flaws.push(Flaw {
            span: place(rest),
            message: format!("the {word} gives no reason"),
            help: "say after the `]` why it is right here, for those who read it next year".to_owned(),
        });
    }
    let directive =
        (!found.is_empty()).then(|| Directive { whole_file, rules: found, until, list: place(list) });
    Some(Reading { directive, flaws })
}

fn unknown_rule(name: &str, span: Span, rules: &[RuleInfo]) -> Flaw {
    let near = nearest(name, rules.iter().flat_map(|rule| [rule.id.as_str(), rule.name]));
    let shown: String = name.chars().take(40).collect();
    let message = match near {
        Some(near) => format!("`{shown}` is no rule; did you mean `{near}`?"),
        None => format!("`{shown}` is no rule"),
    };
    Flaw {
        span,
        message,
        help: "name rules by id (CU301) or name, one by one; `cudalint rules` lists them".to_owned(),
    }
}

/// The `until=` word of a reason.
fn until(reason: &str) -> Option<(&str, Result<Date, DateError>)> {
    reason.split_whitespace().find_map(|word| word.strip_prefix("until=").map(|day| (word, day.parse())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::meta;

    fn of(text: &str) -> Option<Reading> {
        read(text.as_bytes(), Span::new(0, text.len()), &meta::ALL)
    }

    #[test]
    fn reads_ids_names_and_dates() {
        let text = "# cudalint: ignore[CU001, expired-ignore] told by ops until=2027-01-31";
        let reading = of(text).unwrap();
        assert_eq!(reading.flaws, []);
        let directive = reading.directive.unwrap();
        let ids: Vec<&str> = directive.rules.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["CU001", "CU002"]);
        assert_eq!(directive.until.unwrap().to_string(), "2027-01-31");
        assert_eq!(directive.list.slice(text.as_bytes()), b"CU001, expired-ignore");
        assert_eq!(directive.rules[1].1.slice(text.as_bytes()), b"expired-ignore");
        assert!(!directive.whole_file);
    }

    #[test]
    fn takes_the_forms_people_write() {
        for text in
            ["cudalint: ignore[cu001] x", "#cudalint:ignore[CU001]: x", "##  CUDALINT : ignore [CU001] - x"]
        {
            let reading = of(text).unwrap();
            assert!(reading.directive.is_some() && reading.flaws.is_empty(), "{text}: {reading:?}");
        }
        assert!(of("# cudalint: ignore-file[CU001] x").unwrap().directive.unwrap().whole_file);
    }

    #[test]
    fn leaves_other_comments_in_peace() {
        for text in [
            "# hadolint ignore=DL3008",
            "# check=skip=all",
            "# cudalint is good",
            "#",
            "",
            "# see cudalint: x",
            "#é",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part, holds) in [
            ("# cudalint: ignore", "names no rules", false),
            ("# cudalint: ignore because", "names no rules", false),
            ("# cudalint: ignore[] because", "names no rules", false),
            ("# cudalint: ignore[CU001 because", "does not end with `]`", false),
            ("# cudalint: ingore[CU001] because", "did you mean `ignore`?", false),
            ("# cudalint:", "asks cudalint for nothing", false),
            ("# cudalint: ignore[CU001]", "gives no reason", true),
            ("# cudalint: ignore[CU001] until=2027-01-01 -", "gives no reason", true),
            ("# cudalint: ignore[CU01] because", "did you mean `CU001`?", false),
            ("# cudalint: ignore[CU001, zebra] because", "`zebra` is no rule", true),
            ("# cudalint: ignore[CU001, CU001] because", "named twice", true),
            ("# cudalint: ignore[CU001] because until=soon", "`soon` is not a date", false),
        ] {
            let reading = of(text).unwrap();
            assert_eq!(reading.flaws.len(), 1, "{text}: {reading:?}");
            assert!(reading.flaws[0].message.contains(part), "{text}: {reading:?}");
            assert_eq!(reading.directive.is_some(), holds, "{text}");
        }
    }
}
