//! Checking: facts of each input, rules over the facts, filters over the findings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::base_configs::BaseConfigs;
use super::dockerfile::{extract, no_stage, read};
use super::image::{ImageOptions, check_image};
use super::input::Input;
use crate::compat::{Tables, Target};
use crate::diagnostics::{
    Baseline, CommentedFile, Date, Filters, Finding, FleetNames, InputKind, InputOutcome, Location, Outcome,
    PathBase, PerPath, Selection, Tool, meta,
};
use crate::dockerfile::BuildOptions;
use crate::facts::from_dockerfile::{BuildContext, Extracted};
use crate::facts::{Facts, Origin};
use crate::limits::Limits;
use crate::rules::{Context, Sink, catalogue, rule_infos};

/// Everything a check depends on besides its inputs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Knowledge tables.
    pub tables: Arc<Tables>,
    /// Machines the images are meant for.
    pub target: Target,
    /// Bounds on outside input.
    pub limits: Limits,
    /// Build arguments, target stage and platform.
    pub build: BuildOptions,
    /// Build context of every Dockerfile, instead of the folder it lies in.
    pub context: Option<PathBuf>,
    /// How images are read.
    pub images: ImageOptions,
    /// Rules that run.
    pub selection: Selection,
    /// Rules that leave some paths in peace.
    pub per_path: Vec<PerPath>,
    /// How fingerprints see file names: relative to the root of the repository.
    pub paths: PathBase,
    /// How per-path settings see file names: relative to the configuration's folder.
    pub config_paths: PathBase,
    /// Findings to leave out.
    pub baseline: Option<Baseline>,
    /// Day for the expiry of ignores.
    pub today: Date,
}

/// Checks all inputs; the outcome has one entry each, in the order given.
#[must_use]
pub fn check(inputs: &[Input], options: &Options) -> Outcome {
    let configs = BaseConfigs::new(options);
    let mut outcomes: Vec<InputOutcome> =
        inputs.par_iter().map(|input| check_input(input, options, &configs)).collect();
    let stale_baseline = options.baseline.as_ref().map_or(0, |baseline| baseline.hold_back(&mut outcomes));
    Outcome { stale_baseline, ..Outcome::new(tool(&options.tables), fleet(&options.target), outcomes) }
}

fn tool(tables: &Tables) -> Tool {
    Tool {
        name: "cudalint".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data_as_of: tables.as_of().map(|date| date.to_string()).unwrap_or_default(),
    }
}

fn fleet(target: &Target) -> FleetNames {
    let mut drivers: Vec<String> = Vec::new();
    for pool in target.pools() {
        let named = pool
            .drivers
            .as_ref()
            .map(ToString::to_string)
            .or_else(|| pool.l4t.as_ref().map(|release| format!("l4t:{release}")));
        drivers.extend(named.filter(|name| !drivers.contains(name)));
    }
    FleetNames { drivers, gpus: target.gpus().into_iter().map(|gpu| gpu.name.clone()).collect() }
}

fn check_input(input: &Input, options: &Options, configs: &BaseConfigs<'_>) -> InputOutcome {
    match input {
        Input::Image { given, source } => check_image(given, source, options),
        Input::Dockerfile { name, .. } | Input::Unreadable { name, .. } => {
            check_text(name, input, options, configs)
        }
        Input::Stdin => check_text("<stdin>", input, options, configs),
    }
}

fn check_text(name: &str, input: &Input, options: &Options, configs: &BaseConfigs<'_>) -> InputOutcome {
    match read(input, options) {
        Ok(text) => judge_dockerfile(&text.name, &text.bytes, &*text.context, options, configs),
        Err(problem) => {
            let mut outcome = InputOutcome::new(name, InputKind::Dockerfile);
            outcome.complete = false;
            outcome.problems.push(problem);
            outcome
        }
    }
}

/// Checks the text of a Dockerfile.
#[must_use]
pub fn check_dockerfile(
    name: &str,
    bytes: &[u8],
    context: &dyn BuildContext,
    options: &Options,
) -> InputOutcome {
    judge_dockerfile(name, bytes, context, options, &BaseConfigs::new(options))
}

fn judge_dockerfile(
    name: &str,
    bytes: &[u8],
    context: &dyn BuildContext,
    options: &Options,
    configs: &BaseConfigs<'_>,
) -> InputOutcome {
    let (extracted, problems, complete) = extract(name, bytes, context, options, configs);
    let mut outcome = InputOutcome::new(name, InputKind::Dockerfile);
    outcome.sources = sources(&extracted.facts);
    outcome.complete = complete;
    outcome.problems = problems;
    let mut findings = Vec::new();
    // A text without any FROM is no Dockerfile: one message says so, not one a line.
    if !extracted.facts.stages.is_empty() {
        findings = syntax_findings(&extracted);
    }
    if extracted.has_target {
        findings.extend(judge(&extracted.facts, options));
    } else {
        outcome.complete = false;
        outcome.problems.push(no_stage(name, &extracted, options));
    }
    let files = commented_files(&extracted);
    finish(outcome, findings, &files, options)
}

/// Texts for excerpts.
fn sources(facts: &Facts) -> BTreeMap<Arc<str>, Arc<[u8]>> {
    facts.sources.iter().map(|source| (Arc::clone(&source.name), Arc::clone(&source.bytes))).collect()
}

/// Lines that could not be read, as findings.
fn syntax_findings(extracted: &Extracted) -> Vec<Finding> {
    let rule = meta::DOCKERFILE_SYNTAX;
    let mut sink = Sink::new(&extracted.facts, rule.id, rule.name, rule.severity);
    for problem in &extracted.problems {
        let origin: &Origin = &problem.origin;
        sink.finding(origin, problem.message.clone()).emit();
    }
    sink.into_findings()
}

/// Runs the selected rules over facts.
pub(super) fn judge(facts: &Facts, options: &Options) -> Vec<Finding> {
    let cx = Context { facts, tables: &options.tables, target: &options.target };
    let mut findings = Vec::new();
    for entry in catalogue().iter().filter(|entry| options.selection.is_on(entry.rule.id())) {
        let mut sink = Sink::new(facts, entry.rule.id(), &entry.page.name, entry.page.severity);
        entry.rule.check(&cx, &mut sink);
        findings.extend(sink.into_findings());
    }
    findings
}

/// Filters and fingerprints the findings of an input.
pub(super) fn finish(
    mut outcome: InputOutcome,
    findings: Vec<Finding>,
    files: &[CommentedFile],
    options: &Options,
) -> InputOutcome {
    let filters = Filters {
        rules: rule_infos(),
        selection: &options.selection,
        per_path: &options.per_path,
        config_paths: &options.config_paths,
        paths: &options.paths,
        today: options.today,
    };
    // A rule that needs a target said nothing without one; an ignore of it is not unused.
    let has_target = !options.target.pools().is_empty();
    let ran = |rule| rule_infos().iter().any(|info| info.id == rule && (has_target || !info.needs_target));
    filters.run(&mut outcome, dedup(findings), files, ran);
    outcome
}

/// Files in whose comments ignores may stand: the Dockerfile, and files of its context that have `#` comments.
fn commented_files(extracted: &Extracted) -> Vec<CommentedFile> {
    let mut files = Vec::new();
    for (at, source) in extracted.facts.sources.iter().enumerate() {
        let (comments, instructions) = if at == 0 {
            (extracted.comments.clone(), extracted.instructions.clone())
        } else {
            let lines = (1..=source.lines.line_count())
                .filter_map(|line| source.lines.line_span(&source.bytes, line));
            (
                lines.filter(|span| span.slice(&source.bytes).trim_ascii_start().starts_with(b"#")).collect(),
                Vec::new(),
            )
        };
        files.push(CommentedFile {
            file: Arc::clone(&source.name),
            source: Arc::clone(&source.bytes),
            comments,
            instructions,
        });
    }
    files
}

/// The same words at the same place once: a loop in a RUN, or two stages that share a line, say things twice.
fn dedup(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| key(a).cmp(&key(b)));
    findings.dedup_by(|a, b| key(a) == key(b));
    findings
}

fn key(finding: &Finding) -> (&Location, crate::diagnostics::RuleId, &str) {
    (&finding.location, finding.rule, &finding.message)
}
