//! `cudalint rules`: the catalogue.

use std::io::{self, Write};

use serde::Serialize;

use super::args::{PlainFormat, RulesArgs};
use super::output::{Paint, Screen, Stop, write_json, write_wrapped};
use crate::diagnostics::Severity;
use crate::rules::{Page, pages};

#[derive(Serialize)]
struct Catalogue<'a> {
    schema: &'static str,
    rules: Vec<RuleLine<'a>>,
}

/// One rule as JSON.
#[derive(Serialize)]
pub(super) struct RuleLine<'a> {
    id: &'a str,
    name: &'a str,
    severity: &'static str,
    /// Off unless it is selected.
    opt_in: bool,
    group: &'a str,
    inspects: &'a [String],
    target: &'a [String],
    fix: &'a str,
    since: &'a str,
    summary: &'a str,
    /// The page's Markdown.
    body: &'a str,
}

impl<'a> RuleLine<'a> {
    pub(super) fn new(page: &'a Page) -> Self {
        Self {
            id: &page.id,
            name: &page.name,
            severity: page.severity.as_str(),
            opt_in: page.opt_in,
            group: &page.group,
            inspects: &page.inspects,
            target: &page.target,
            fix: &page.fix,
            since: &page.since,
            summary: &page.summary,
            body: &page.body,
        }
    }
}

/// Prints the catalogue.
pub(super) fn run(args: &RulesArgs, screen: &Screen, out: &mut dyn Write) -> Result<u8, Stop> {
    match args.format {
        PlainFormat::Json => {
            let catalogue = Catalogue { schema: "cudalint/1", rules: pages().map(RuleLine::new).collect() };
            write_json(&catalogue, out)?;
        }
        PlainFormat::Human => write_human(screen, out)?,
    }
    Ok(0)
}

fn write_human(screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let mut group = "";
    for page in pages() {
        if page.group != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            writeln!(out, "{gap}{}", Paint::Bold.on(&page.group, screen))?;
            group = &page.group;
        }
        write_rule(page, screen, out)?;
    }
    let count = pages().count();
    if screen.quiet {
        return Ok(());
    }
    writeln!(out)?;
    let text = format!("{count} rules. `cudalint explain RULE` prints a rule's page.");
    write_wrapped(("", 0), 0, &text, screen, out)
}

/// `  CU801  driver-too-old                   error    driver,gpu`, then what it says.
fn write_rule(page: &Page, screen: &Screen, out: &mut dyn Write) -> io::Result<()> {
    let fix = match page.fix.as_str() {
        "safe" => " fix",
        "unsafe" => " unsafe-fix",
        _ => "",
    };
    let (severity, extras) = (severity_word(page), format!("{}{fix}", page.target.join(",")));
    let extras = extras.trim();
    write!(out, "  {}  {:<37}{}", page.id, page.name, severity_paint(page).on(severity, screen))?;
    let gap = if extras.is_empty() { 0 } else { 8_usize.saturating_sub(severity.len()) };
    writeln!(out, "{:gap$}{}", "", Paint::Dim.on(extras, screen))?;
    write_wrapped(("         ", 9), 9, &page.summary, screen, out)
}

/// What the rule wants and offers besides its severity.
pub(super) fn extras(page: &Page) -> String {
    let flags = page.target.iter().map(|word| format!("--{word}"));
    let fix = match page.fix.as_str() {
        "safe" => Some("--fix".to_owned()),
        "unsafe" => Some("--unsafe-fixes".to_owned()),
        _ => None,
    };
    flags.chain(fix).collect::<Vec<_>>().join(" ")
}

/// The severity, or `off` for rules that must be selected.
pub(super) fn severity_word(page: &Page) -> &'static str {
    if page.opt_in { "off" } else { page.severity.as_str() }
}

/// The paint of a rule's severity.
pub(super) fn severity_paint(page: &Page) -> Paint {
    match page.severity {
        _ if page.opt_in => Paint::Dim,
        Severity::Error => Paint::Bad,
        Severity::Warning => Paint::Caution,
        Severity::Info => Paint::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_listed_in_80_columns() {
        let mut out = Vec::new();
        run(&RulesArgs { format: PlainFormat::Human }, &Screen::PLAIN, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for page in pages() {
            assert!(text.contains(&format!("  {}  {} ", page.id, page.name)), "{}", page.id);
        }
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end(), "no blanks at the end");
        }
        assert!(text.contains("\ntarget\n"));
    }

    #[test]
    fn json_has_the_pages() {
        let mut out = Vec::new();
        run(&RulesArgs { format: PlainFormat::Json }, &Screen::PLAIN, &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let rules = json["rules"].as_array().unwrap();
        assert_eq!(rules.len(), pages().count());
        let rule = rules.iter().find(|rule| rule["id"] == "CU801").unwrap();
        assert_eq!(
            (rule["name"].as_str(), rule["target"][0].as_str()),
            (Some("driver-too-old"), Some("driver"))
        );
        assert!(rule["body"].as_str().unwrap().contains("## Why"));
    }
}
