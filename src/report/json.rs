//! `cudalint/1`: the JSON that others build on. Keys may be added, none is renamed.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::Options;
use super::text::write_json;
use crate::diagnostics::{FilePlace, Finding, InputOutcome, Location, Outcome, Problem, Reported, Summary};

const SCHEMA: &str = "cudalint/1";

/// The document that `--format json` writes.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "cudalint/1", rename = "Document")]
struct JsonDocument<'a> {
    /// Name and version of this format.
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    tool: JsonTool<'a>,
    fleet: JsonFleet<'a>,
    inputs: Vec<JsonInput<'a>>,
    summary: JsonSummary,
}

/// The program that wrote it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tool")]
struct JsonTool<'a> {
    name: &'a str,
    version: &'a str,
    /// Day of the youngest row of the knowledge tables.
    data_as_of: &'a str,
}

/// What the inputs were judged against.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fleet")]
struct JsonFleet<'a> {
    drivers: &'a [String],
    gpus: &'a [String],
}

/// One input.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Input")]
struct JsonInput<'a> {
    input: &'a str,
    #[schemars(extend("enum" = ["dockerfile", "image"]))]
    kind: &'static str,
    /// Whether all of it could be read.
    complete: bool,
    /// What could not be read.
    problems: Vec<JsonProblem<'a>>,
    findings: Vec<JsonFinding<'a>>,
    /// Findings held back by inline ignores.
    suppressed: usize,
    /// Findings held back by the baseline.
    baselined: usize,
}

/// A part of an input that could not be read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct JsonProblem<'a> {
    message: &'a str,
    help: Option<&'a str>,
    location: Option<JsonLocation<'a>>,
}

/// One finding.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
struct JsonFinding<'a> {
    /// Id of the rule.
    #[schemars(regex(pattern = r"^CU[0-9]{3}$"))]
    rule: &'static str,
    /// Name of the rule.
    name: &'a str,
    #[schemars(extend("enum" = ["error", "warning", "info"]))]
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    /// Which of the fleet's drivers are fine; `unknown` marks a question that could not be answered.
    #[schemars(extend("enum" = ["all", "some", "none", "unknown", null]))]
    verdict: Option<&'static str>,
    /// Stays the same when lines move.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    fingerprint: &'a str,
    location: JsonLocation<'a>,
    /// Other places that explain it.
    related: Vec<JsonRelated<'a>>,
    /// Changes that mend it, best first.
    fixes: Vec<JsonFix<'a>>,
    /// Pools of the fleet that it concerns.
    pools: &'a [String],
}

/// A place that explains a finding.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Related")]
struct JsonRelated<'a> {
    label: &'a str,
    location: JsonLocation<'a>,
}

/// A place in a text, in a layer of an image, or in its config. Lines and columns count from 1, columns in characters;
/// the end is just past the last character.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Location")]
enum JsonLocation<'a> {
    /// A place in a Dockerfile or a file of its context.
    File { file: &'a str, line: usize, column: usize, end_line: usize, end_column: usize },
    /// A layer, or a file in it; `file` and `line` name the instruction in the Dockerfile that was given with the image.
    Layer {
        /// Number of the layer, from 0, the lowest.
        layer: usize,
        digest: &'a str,
        path: Option<&'a str>,
        created_by: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<usize>,
    },
    /// A key of the image's config.
    Config {
        config: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<usize>,
    },
}

/// A change that mends a finding.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fix")]
struct JsonFix<'a> {
    title: &'a str,
    #[schemars(extend("enum" = ["safe", "unsafe"]))]
    safety: &'static str,
    edits: Vec<JsonEdit<'a>>,
}

/// Bytes of a file to replace.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Edit")]
struct JsonEdit<'a> {
    file: &'a str,
    /// Offset of the first byte.
    start: usize,
    /// Offset just past the last byte.
    end: usize,
    replacement: &'a str,
}

/// Counts. A question that could not be answered counts only as unknown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Summary")]
struct JsonSummary {
    error: usize,
    warning: usize,
    info: usize,
    unknown: usize,
    /// Findings held back by inline ignores.
    suppressed: usize,
    /// Findings held back by the baseline.
    baselined: usize,
    /// Entries of the baseline that matched nothing.
    stale_baseline: usize,
}

/// A line of `--format jsonl`: one per input, the last one with the summary.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum JsonLine<'a> {
    Input {
        schema: &'static str,
        #[serde(flatten)]
        input: JsonInput<'a>,
    },
    Summary {
        schema: &'static str,
        tool: JsonTool<'a>,
        fleet: JsonFleet<'a>,
        summary: JsonSummary,
    },
}

/// Writes one document.
pub(super) fn render(outcome: &Outcome, _: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let document = JsonDocument {
        schema: SCHEMA,
        tool: tool(outcome),
        fleet: fleet(outcome),
        inputs: outcome.inputs.iter().map(input).collect(),
        summary: summary(outcome),
    };
    write_json(&document, true, out)
}

/// Writes one object per line: each input, then the summary.
pub(super) fn render_lines(outcome: &Outcome, _: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let inputs = outcome.inputs.iter().map(|one| JsonLine::Input { schema: SCHEMA, input: input(one) });
    let last = JsonLine::Summary {
        schema: SCHEMA,
        tool: tool(outcome),
        fleet: fleet(outcome),
        summary: summary(outcome),
    };
    for line in inputs.chain([last]) {
        write_json(&line, false, out)?;
    }
    Ok(())
}

/// The JSON schema of `--format json`; `docs/schema/cudalint-1.schema.json` is this text.
#[must_use]
pub fn schema() -> String {
    let generator = schemars::generate::SchemaSettings::default().for_serialize().into_generator();
    format!("{:#}\n", generator.into_root_schema_for::<JsonDocument<'_>>().to_value())
}

fn tool(outcome: &Outcome) -> JsonTool<'_> {
    JsonTool {
        name: &outcome.tool.name,
        version: &outcome.tool.version,
        data_as_of: &outcome.tool.data_as_of,
    }
}

fn fleet(outcome: &Outcome) -> JsonFleet<'_> {
    JsonFleet { drivers: &outcome.fleet.drivers, gpus: &outcome.fleet.gpus }
}

fn summary(outcome: &Outcome) -> JsonSummary {
    let Summary { error, warning, info, unknown, suppressed, baselined } = outcome.summary;
    JsonSummary {
        error,
        warning,
        info,
        unknown,
        suppressed,
        baselined,
        stale_baseline: outcome.stale_baseline,
    }
}

fn input(input: &InputOutcome) -> JsonInput<'_> {
    JsonInput {
        input: &input.input,
        kind: input.kind.as_str(),
        complete: input.complete,
        problems: input.problems.iter().map(problem).collect(),
        findings: input.findings.iter().map(finding).collect(),
        suppressed: input.suppressed,
        baselined: input.baselined,
    }
}

fn problem(problem: &Problem) -> JsonProblem<'_> {
    JsonProblem {
        message: &problem.message,
        help: problem.help.as_deref(),
        location: problem.location.as_ref().map(location),
    }
}

fn finding(reported: &Reported) -> JsonFinding<'_> {
    let finding: &Finding = &reported.finding;
    JsonFinding {
        rule: finding.rule.as_str(),
        name: finding.name,
        severity: finding.severity.as_str(),
        message: &finding.message,
        help: finding.help.as_deref(),
        verdict: finding.verdict.map(crate::diagnostics::VerdictWord::as_str),
        fingerprint: reported.fingerprint.as_str(),
        location: location(&finding.location),
        related: finding
            .related
            .iter()
            .map(|(place, label)| JsonRelated { label, location: location(place) })
            .collect(),
        fixes: finding
            .fixes
            .iter()
            .map(|fix| JsonFix {
                title: &fix.title,
                safety: fix.safety.as_str(),
                edits: fix
                    .edits
                    .iter()
                    .map(|edit| JsonEdit {
                        file: &edit.file,
                        start: edit.span.start,
                        end: edit.span.end,
                        replacement: &edit.replacement,
                    })
                    .collect(),
            })
            .collect(),
        pools: &finding.pools,
    }
}

fn location(location: &Location) -> JsonLocation<'_> {
    let line = |place: &Option<FilePlace>| place.as_ref().map(|place| place.start.line);
    match location {
        Location::File(place) => JsonLocation::File {
            file: &place.file,
            line: place.start.line,
            column: place.start.column,
            end_line: place.end.line,
            end_column: place.end.column,
        },
        Location::Layer { index, digest, path, created_by, place } => JsonLocation::Layer {
            layer: *index,
            digest,
            path: path.as_deref(),
            created_by: created_by.as_deref(),
            file: place.as_ref().map(|place| &*place.file),
            line: line(place),
        },
        Location::Config { key, place } => JsonLocation::Config {
            config: key,
            file: place.as_ref().map(|place| &*place.file),
            line: line(place),
        },
    }
}
