//! SARIF 2.1.0, as code scanning takes it: only the objects that are needed.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text::{Texts, inner_place, instruction, uri_path, write_json};
use super::{Options, RuleManual};
use crate::diagnostics::{
    FilePlace, Finding, InputKind, InputOutcome, Location, Outcome, Problem, Reported, RuleId, Severity,
};
use crate::span::LineColumn;

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: Vec<Run>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: Automation,
    column_kind: &'static str,
    invocations: Vec<Invocation>,
    results: Vec<SarifResult>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: String,
    semantic_version: String,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Automation {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Place>,
}

#[derive(Serialize)]
struct Text {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    markdown: Option<String>,
}

impl Text {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), markdown: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    name: String,
    short_description: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Text>,
    default_configuration: Configuration,
    properties: Value,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: Vec<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Place>,
    partial_fingerprints: Value,
    properties: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

/// Writes a log with one run. Questions that stayed open are notifications, not results: code scanning would show them
/// as alerts.
pub(super) fn render(outcome: &Outcome, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let used: BTreeSet<RuleId> =
        outcome.inputs.iter().flat_map(InputOutcome::known).map(|reported| reported.finding.rule).collect();
    let order: Vec<RuleId> = used.into_iter().collect();
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for input in &outcome.inputs {
        let writer = Writer { input, texts: Texts::new(&input.sources), options };
        results.extend(input.known().map(|reported| writer.result(reported, &order)));
        notifications.extend(input.unknown().map(|reported| writer.open_question(&reported.finding)));
        notifications.extend(input.problems.iter().map(|problem| writer.problem(problem)));
    }
    let images = outcome.inputs.iter().any(|input| input.kind == InputKind::Image);
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: vec![Run {
            tool: Tool {
                driver: Driver {
                    name: outcome.tool.name.clone(),
                    semantic_version: outcome.tool.version.clone(),
                    rules: order.iter().map(|id| rule(*id, outcome, options)).collect(),
                },
            },
            automation_details: Automation {
                id: format!("cudalint/{}/", if images { "image" } else { "dockerfile" }),
            },
            column_kind: "utf16CodeUnits",
            invocations: vec![Invocation {
                execution_successful: outcome.is_complete(),
                tool_execution_notifications: notifications,
            }],
            results,
        }],
    };
    write_json(&log, true, out)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(id: RuleId, outcome: &Outcome, options: &Options<'_>) -> Rule {
    let manual = options.rules.iter().find(|manual| manual.info.id == id);
    let seen =
        outcome.inputs.iter().flat_map(InputOutcome::known).find(|reported| reported.finding.rule == id);
    let name =
        manual.map(|manual| manual.info.name).or(seen.map(|seen| seen.finding.name)).unwrap_or_default();
    let severity = manual
        .map(|manual| manual.info.severity)
        .or(seen.map(|seen| seen.finding.severity))
        .unwrap_or(Severity::Warning);
    let problem = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "recommendation",
    };
    let mut tags = vec!["cuda"];
    tags.extend(manual.map(|manual| manual.info.group));
    Rule {
        id: id.to_string(),
        name: name.to_owned(),
        short_description: Text::plain(manual.map_or(name, |manual| manual.summary)),
        help: manual.map(|RuleManual { summary, body, .. }| Text {
            text: (*summary).to_owned(),
            markdown: Some((*body).to_owned()),
        }),
        default_configuration: Configuration { level: level(severity) },
        properties: json!({ "problem.severity": problem, "precision": "high", "tags": tags }),
    }
}

/// An input and what its places are written with.
struct Writer<'a> {
    input: &'a InputOutcome,
    texts: Texts<'a>,
    options: &'a Options<'a>,
}

impl Writer<'_> {
    fn result(&self, reported: &Reported, order: &[RuleId]) -> SarifResult {
        let finding = &reported.finding;
        let help = finding.help.as_ref().map(|help| format!(". {help}")).unwrap_or_default();
        let mut properties = Map::new();
        properties.insert("input".to_owned(), self.input.input.clone().into());
        if let Some(verdict) = finding.verdict {
            properties.insert("verdict".to_owned(), verdict.as_str().into());
        }
        if !finding.pools.is_empty() {
            properties.insert("pools".to_owned(), finding.pools.clone().into());
        }
        SarifResult {
            rule_id: finding.rule.to_string(),
            rule_index: order.binary_search(&finding.rule).unwrap_or(0),
            level: level(finding.severity),
            message: Text::plain(format!("{}{help}", finding.message)),
            locations: vec![self.place(&finding.location)],
            related_locations: finding
                .related
                .iter()
                .enumerate()
                .map(|(at, (location, label))| Place {
                    id: Some(at),
                    message: Some(Text::plain(label.clone())),
                    ..self.place(location)
                })
                .collect(),
            partial_fingerprints: json!({ "cudalint/v1": reported.fingerprint.as_str() }),
            properties: Value::Object(properties),
        }
    }

    fn open_question(&self, finding: &Finding) -> Notification {
        Notification {
            level: "note",
            message: Text::plain(format!("{} could not be answered: {}", finding.rule, finding.message)),
            locations: vec![self.place(&finding.location)],
        }
    }

    fn problem(&self, problem: &Problem) -> Notification {
        let help = problem.help.as_ref().map(|help| format!(". {help}")).unwrap_or_default();
        Notification {
            level: if self.input.complete { "warning" } else { "error" },
            message: Text::plain(format!("{}: {}{help}", self.input.input, problem.message)),
            locations: problem.location.iter().map(|location| self.place(location)).collect(),
        }
    }

    fn place(&self, location: &Location) -> Place {
        let image = &self.input.input;
        let logical =
            |name: String, kind| Logical { fully_qualified_name: format!("{image}: {name}"), name, kind };
        let mut logical_locations: Vec<Logical> =
            inner_place(location).map(|name| logical(name, "resource")).into_iter().collect();
        if let Location::Layer { created_by: Some(created_by), .. } = location {
            logical_locations.push(logical(instruction(created_by), "instruction"));
        }
        Place {
            id: None,
            physical_location: location.place().map(|place| self.physical(place)),
            logical_locations,
            message: None,
        }
    }

    fn physical(&self, place: &FilePlace) -> Value {
        let (start, end) = (self.column(place, place.start), self.column(place, place.end));
        json!({
            "artifactLocation": { "uri": uri_path(&self.options.paths.relative(&place.file)) },
            "region": {
                "startLine": place.start.line,
                "startColumn": start,
                "endLine": place.end.line,
                "endColumn": end,
            },
        })
    }

    /// The column in UTF-16 code units, from 1.
    fn column(&self, place: &FilePlace, at: LineColumn) -> usize {
        let line = self.texts.get(&place.file).and_then(|(source, index)| {
            let span = index.line_span(source, at.line)?;
            std::str::from_utf8(span.slice(source)).ok()
        });
        match line {
            Some(line) => {
                line.chars().take(at.column.saturating_sub(1)).map(char::len_utf16).sum::<usize>() + 1
            }
            None => at.column,
        }
    }
}
