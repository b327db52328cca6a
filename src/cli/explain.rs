//! `cudalint explain`: a rule's page, or what is known of a run-time error.

use std::io::{self, Write};

use serde::Serialize;

use super::args::{ExplainArgs, PlainFormat};
use super::output::{Paint, Screen, Stop, write_json, write_wrapped};
use super::page::write_page;
use super::rules::RuleLine;
use crate::nearest::nearest;
use crate::report::visible;
use crate::rules::{Page, RuntimeError, find_page, match_error, pages};

/// Errors shown of those that a text matches.
const MOST_ERRORS: usize = 3;
/// Rules suggested for a text that is neither a rule nor a known error.
const MOST_NEAR: usize = 5;

#[derive(Serialize)]
struct Rules<'a> {
    schema: &'static str,
    kind: &'static str,
    rules: Vec<RuleLine<'a>>,
}

#[derive(Serialize)]
struct Errors<'a> {
    schema: &'static str,
    kind: &'static str,
    errors: Vec<ErrorLine<'a>>,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    #[serde(flatten)]
    error: &'a RuntimeError,
    rule_names: Vec<&'a str>,
}

/// Explains; the exit status is 2 for what is neither a rule nor a known error.
pub(super) fn run(args: &ExplainArgs, screen: &Screen, out: &mut dyn Write) -> Result<u8, Stop> {
    let named: Option<Vec<&Page>> = args.what.iter().map(|word| find_page(word.trim())).collect();
    if let Some(found) = named.filter(|found| !found.is_empty()) {
        match args.format {
            PlainFormat::Json => {
                let rules = found.iter().map(|page| RuleLine::new(page)).collect();
                write_json(&Rules { schema: "cudalint/1", kind: "rules", rules }, out)?;
            }
            PlainFormat::Human => {
                for (at, page) in found.iter().enumerate() {
                    if at > 0 {
                        writeln!(out)?;
                    }
                    write_page(page, screen, out)?;
                }
            }
        }
        return Ok(0);
    }
    let text = args.what.join(" ");
    let errors: Vec<&RuntimeError> = match_error(&text).into_iter().take(MOST_ERRORS).collect();
    if errors.is_empty() {
        return Err(unknown(&text));
    }
    match args.format {
        PlainFormat::Json => {
            let name = |id: &'static String| find_page(id).map(|page| page.name.as_str());
            let errors = errors.into_iter().map(|error| {
                let rule_names = error.rules.iter().filter_map(name).collect();
                ErrorLine { error, rule_names }
            });
            write_json(&Errors { schema: "cudalint/1", kind: "errors", errors: errors.collect() }, out)?;
        }
        PlainFormat::Human => {
            for (at, error) in errors.into_iter().enumerate() {
                if at > 0 {
                    writeln!(out)?;
                }
                write_error(error, screen, out)?;
            }
        }
    }
    Ok(0)
}

/// The message for a text that means nothing, with the rules that are near.
fn unknown(text: &str) -> Stop {
    let shown: String = visible(text).chars().take(80).collect();
    let near = near_rules(text);
    let help = if near.is_empty() {
        "give a rule's id or name (`cudalint rules` lists them), or the text of a run-time error in quotes"
            .to_owned()
    } else {
        format!(
            "near rules: {}",
            near.iter().map(|page| format!("{} {}", page.id, page.name)).collect::<Vec<_>>().join(", ")
        )
    };
    Stop::usage(format!("`{shown}` is neither a rule nor a run-time error that is known"), Some(&help))
}

/// Rules with a near id or name first, then those whose name, summary or page has the words.
fn near_rules(text: &str) -> Vec<&'static Page> {
    let word = text.trim();
    let mut found: Vec<&Page> = Vec::new();
    let names = pages().flat_map(|page| [page.id.as_str(), page.name.as_str()]);
    found.extend(nearest(word, names).and_then(find_page));
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.chars().count() > 2)
        .take(16)
        .map(str::to_lowercase)
        .collect();
    let score = |page: &Page| {
        let body = page.body.to_lowercase();
        let heads = format!("{} {}", page.name, page.summary).to_lowercase();
        let of = |text: &str| words.iter().filter(|word| text.contains(word.as_str())).count();
        of(&heads).saturating_mul(3).saturating_add(of(&body))
    };
    let least = words.len().saturating_mul(2).max(2);
    let mut scored: Vec<(usize, &Page)> =
        pages().map(|page| (score(page), page)).filter(|(score, _)| *score >= least).collect();
    scored.sort_by_key(|(score, page)| (std::cmp::Reverse(*score), page.id.clone()));
    for (_, page) in scored {
        if !found.iter().any(|other| other.id == page.id) {
            found.push(page);
        }
    }
    found.truncate(MOST_NEAR);
    found
}

fn write_error(error: &RuntimeError, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let code = error.code.map(|code| format!(" (error {code})")).unwrap_or_default();
    writeln!(out, "{}{code}", Paint::Bold.on(&error.title, screen))?;
    let head = |text: &str, out: &mut dyn Write| writeln!(out, "\n{}", Paint::Bold.on(text, screen));
    if !error.causes.is_empty() {
        head("Causes that an image can have", out)?;
        for cause in &error.causes {
            write_wrapped(("  - ", 4), 4, cause, screen, out)?;
        }
        head("Rules that look for them", out)?;
        for page in error.rules.iter().filter_map(|id| find_page(id)) {
            let first = format!("  {} {}: ", Paint::Info.on(&page.id, screen), page.name);
            let width = page.id.len().saturating_add(page.name.len()).saturating_add(5);
            write_wrapped((&first, width), 8, &page.summary, screen, out)?;
        }
    }
    if let Some(text) = &error.not_static {
        head("What no look at an image can tell", out)?;
        write_wrapped(("  ", 2), 2, text, screen, out)?;
    }
    if let Some(text) = &error.host {
        head("On the host", out)?;
        write_wrapped(("  ", 2), 2, text, screen, out)?;
    }
    head("Seen in", out)?;
    let date = error.as_of.map(|date| format!(" (as of {date})")).unwrap_or_default();
    write_wrapped(("  ", 2), 2, &format!("{}{date}", error.source.join(", ")), screen, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(what: &[&str], format: PlainFormat) -> (u8, String) {
        let args = ExplainArgs { what: what.iter().map(|word| (*word).to_owned()).collect(), format };
        let mut out = Vec::new();
        match run(&args, &Screen::PLAIN, &mut out) {
            Ok(status) => (status, String::from_utf8(out).unwrap()),
            Err(Stop::Usage(troubles)) => (
                2,
                format!(
                    "{}; {}",
                    troubles[0].problem.message,
                    troubles[0].problem.help.clone().unwrap_or_default()
                ),
            ),
            Err(stop) => (2, stop.text()),
        }
    }

    #[test]
    fn rules_by_id_and_name_in_any_case() {
        for what in ["CU801", "cu801", "driver-too-old", "DRIVER-TOO-OLD"] {
            let (status, text) = explain(&[what], PlainFormat::Human);
            assert!(status == 0 && text.starts_with("CU801 driver-too-old"), "{text}");
        }
        let (_, text) = explain(&["CU801", "CU802"], PlainFormat::Human);
        assert!(text.contains("\nCU802 require-cuda-unsatisfied"), "{text}");
        let (_, text) = explain(&["CU801"], PlainFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((json["kind"].as_str(), json["rules"][0]["id"].as_str()), (Some("rules"), Some("CU801")));
    }

    #[test]
    fn pasted_errors_name_causes_rules_and_tools() {
        let (status, text) =
            explain(&["CUDA driver version is insufficient for CUDA runtime version"], PlainFormat::Human);
        assert_eq!(status, 0);
        for part in [
            "(error 35)",
            "CU801 driver-too-old",
            "What no look at an image can tell",
            "nvidia-smi",
            "as of 2026",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let (_, text) = explain(&["no", "kernel", "image", "is", "available"], PlainFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (json["errors"][0]["id"].as_str(), json["errors"][0]["rules"][0].as_str()),
            (Some("no-kernel-image"), Some("CU805"))
        );
        assert_eq!(json["errors"][0]["rule_names"][0], "no-kernel-image");
    }

    #[test]
    fn what_is_unknown_gets_near_rules() {
        let (status, text) = explain(&["driver-to-old"], PlainFormat::Human);
        assert!(status == 2 && text.contains("near rules: CU801 driver-too-old"), "{text}");
        let (_, text) = explain(&["LD_LIBRARY_PATH"], PlainFormat::Human);
        assert!(text.contains("CU701"), "{text}");
        let (_, text) = explain(&["qqqq"], PlainFormat::Human);
        assert!(text.contains("`cudalint rules` lists them"), "{text}");
    }
}
