//! What a run has to say: the model that every output format renders.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::redact::{redact, redact_input};
use super::{Finding, Fingerprint, Location, Severity};

/// The program that made the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Day of the youngest row of the knowledge tables (`2026-08-21`).
    pub data_as_of: String,
}

/// Drivers and GPUs that the inputs were judged against, as the user would write them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetNames {
    /// Driver branches, releases or ranges.
    pub drivers: Vec<String>,
    /// GPUs.
    pub gpus: Vec<String>,
}

/// Kind of an input, as `kind` of the JSON output names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// A Dockerfile with its build context.
    Dockerfile,
    /// A built image.
    Image,
}

impl InputKind {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dockerfile => "dockerfile",
            Self::Image => "image",
        }
    }
}

/// A part of an input that could not be read or judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where, when it has a place.
    pub location: Option<Location>,
}

/// A finding with the fingerprint that baselines and code scanning know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The finding.
    pub finding: Finding,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
}

/// A kind of question that stayed without an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unanswered {
    /// Why (`the base image's tag is built from an ARG without value`).
    pub reason: String,
    /// How many questions.
    pub count: usize,
}

/// What was found in one input.
#[derive(Debug, Clone)]
pub struct InputOutcome {
    /// The input as the user gave it.
    pub input: String,
    /// Dockerfile or image.
    pub kind: InputKind,
    /// Whether all of it could be read.
    pub complete: bool,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// What the rules said, suppressed and baselined findings left out.
    pub findings: Vec<Reported>,
    /// Texts that locations point into, by name, for excerpts.
    pub sources: BTreeMap<Arc<str>, Arc<[u8]>>,
    /// Findings that an inline ignore holds back.
    pub suppressed: usize,
    /// Findings that the baseline holds back.
    pub baselined: usize,
}

impl InputOutcome {
    /// An outcome without findings.
    #[must_use]
    pub fn new(input: impl Into<String>, kind: InputKind) -> Self {
        Self {
            input: input.into(),
            kind,
            complete: true,
            problems: Vec::new(),
            findings: Vec::new(),
            sources: BTreeMap::new(),
            suppressed: 0,
            baselined: 0,
        }
    }

    /// Findings that say something is wrong, unknown ones left out.
    pub fn known(&self) -> impl Iterator<Item = &Reported> {
        self.findings.iter().filter(|reported| !reported.finding.is_unknown())
    }

    /// Questions that could not be answered.
    pub fn unknown(&self) -> impl Iterator<Item = &Reported> {
        self.findings.iter().filter(|reported| reported.finding.is_unknown())
    }
}

/// Counts over all inputs. An unknown finding counts only as unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Summary {
    /// Findings of severity error.
    pub error: usize,
    /// Findings of severity warning.
    pub warning: usize,
    /// Findings of severity info.
    pub info: usize,
    /// Questions that could not be answered.
    pub unknown: usize,
    /// Findings held back by an inline ignore.
    pub suppressed: usize,
    /// Findings held back by the baseline.
    pub baselined: usize,
}

impl Summary {
    /// Findings of any severity, unknown ones left out.
    #[must_use]
    pub fn found(&self) -> usize {
        self.error.saturating_add(self.warning).saturating_add(self.info)
    }

    /// Whether there is a finding at `threshold` or above.
    #[must_use]
    pub fn reaches(&self, threshold: Severity) -> bool {
        match threshold {
            Severity::Error => self.error > 0,
            Severity::Warning => self.error > 0 || self.warning > 0,
            Severity::Info => self.found() > 0,
        }
    }

    fn add(&mut self, input: &InputOutcome) {
        for reported in &input.findings {
            let counter = match (reported.finding.is_unknown(), reported.finding.severity) {
                (true, _) => &mut self.unknown,
                (false, Severity::Error) => &mut self.error,
                (false, Severity::Warning) => &mut self.warning,
                (false, Severity::Info) => &mut self.info,
            };
            *counter = counter.saturating_add(1);
        }
        self.suppressed = self.suppressed.saturating_add(input.suppressed);
        self.baselined = self.baselined.saturating_add(input.baselined);
    }
}

/// What a run has to say.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The program.
    pub tool: Tool,
    /// What the inputs were judged against.
    pub fleet: FleetNames,
    /// One entry per input, in the order given.
    pub inputs: Vec<InputOutcome>,
    /// Counts.
    pub summary: Summary,
    /// Baseline entries that no finding matched any more.
    pub stale_baseline: usize,
}

impl Outcome {
    /// Puts inputs together: sorts findings by place and rule, counts, and masks credentials in what will be shown (names
    /// of inputs, messages, history lines), so that no format has to think of it.
    #[must_use]
    pub fn new(tool: Tool, fleet: FleetNames, mut inputs: Vec<InputOutcome>) -> Self {
        let mut summary = Summary::default();
        for input in &mut inputs {
            mask(input);
            input.findings.sort_by(|a, b| sort_key(&a.finding).cmp(&sort_key(&b.finding)));
            summary.add(input);
        }
        Self { tool, fleet, inputs, summary, stale_baseline: 0 }
    }

    /// Whether every input could be read as a whole.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.inputs.iter().all(|input| input.complete)
    }

    /// Findings that a safe fix mends, and those that only an unsafe one does.
    #[must_use]
    pub fn fixable(&self) -> (usize, usize) {
        let fixable = |safe: bool| {
            self.inputs
                .iter()
                .flat_map(|input| &input.findings)
                .filter(|reported| {
                    let best = reported.finding.fixes.iter().map(|fix| fix.safety).min();
                    best.is_some_and(|safety| (safety == super::Safety::Safe) == safe)
                })
                .count()
        };
        (fixable(true), fixable(false))
    }

    /// Unanswered questions of all inputs grouped by reason, the most frequent first.
    #[must_use]
    pub fn unanswered(&self) -> Vec<Unanswered> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for reported in self.inputs.iter().flat_map(InputOutcome::unknown) {
            let count = counts.entry(&reported.finding.message).or_default();
            *count = count.saturating_add(1);
        }
        let mut reasons: Vec<Unanswered> = counts
            .into_iter()
            .map(|(reason, count)| Unanswered { reason: reason.to_owned(), count })
            .collect();
        reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        reasons
    }
}

/// Masks credentials in everything of an input that a report shows as text.
fn mask(input: &mut InputOutcome) {
    input.input = redact_input(&input.input);
    for problem in &mut input.problems {
        problem.message = redact(&problem.message);
        problem.help = problem.help.as_deref().map(redact);
        problem.location.iter_mut().for_each(mask_location);
    }
    for finding in input.findings.iter_mut().map(|reported| &mut reported.finding) {
        finding.message = redact(&finding.message);
        finding.help = finding.help.as_deref().map(redact);
        mask_location(&mut finding.location);
        for (location, label) in &mut finding.related {
            mask_location(location);
            *label = redact(label);
        }
        for fix in &mut finding.fixes {
            fix.title = redact(&fix.title);
        }
    }
}

fn mask_location(location: &mut Location) {
    if let Location::Layer { created_by: Some(created_by), .. } = location {
        *created_by = redact(created_by).into();
    }
}

/// When findings make the program fail.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// On errors.
    Error,
    /// On errors and warnings.
    Warning,
    /// On any finding.
    Info,
    /// Never.
    Never,
}

impl FailOn {
    /// Whether these counts make the program fail; `strict` counts a question that stayed open as a
    /// failure. [`FailOn::Never`] stands above `strict`.
    #[must_use]
    pub fn fails(self, summary: &Summary, strict: bool) -> bool {
        let threshold = match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Info => Severity::Info,
            Self::Never => return false,
        };
        summary.reaches(threshold) || (strict && summary.unknown > 0)
    }
}

/// Order of findings within an input: place, rule, words.
fn sort_key(finding: &Finding) -> (&Location, super::RuleId, &str) {
    (&finding.location, finding.rule, &finding.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::VerdictWord;
    use crate::diagnostics::testing::{at, file_finding, reported};

    fn tool() -> Tool {
        Tool { name: "cudalint".into(), version: "0.1.0".into(), data_as_of: "2026-08-21".into() }
    }

    #[test]
    fn unknown_findings_count_only_as_unknown() {
        let mut input = InputOutcome::new("Dockerfile", InputKind::Dockerfile);
        let mut open = file_finding("CU801", Severity::Error, "the base is unknown");
        open.verdict = Some(VerdictWord::Unknown);
        input.findings = vec![reported(open), reported(file_finding("CU301", Severity::Error, "x"))];
        input.suppressed = 2;
        let outcome = Outcome::new(tool(), FleetNames::default(), vec![input]);
        assert_eq!(outcome.summary, Summary { error: 1, unknown: 1, suppressed: 2, ..Summary::default() });
        assert_eq!(outcome.unanswered(), [Unanswered { reason: "the base is unknown".into(), count: 1 }]);
    }

    #[test]
    fn findings_are_sorted_by_place_then_rule() {
        let mut late = file_finding("CU101", Severity::Error, "late");
        late.location = at("Dockerfile", 30, 33);
        let mut early = file_finding("CU901", Severity::Error, "early");
        early.location = at("Dockerfile", 2, 3);
        let mut tie = file_finding("CU201", Severity::Error, "tie");
        tie.location = at("Dockerfile", 30, 33);
        let mut input = InputOutcome::new("Dockerfile", InputKind::Dockerfile);
        input.findings = vec![reported(tie), reported(late), reported(early)];
        let outcome = Outcome::new(tool(), FleetNames::default(), vec![input]);
        let order: Vec<&str> =
            outcome.inputs[0].findings.iter().map(|reported| reported.finding.message.as_str()).collect();
        assert_eq!(order, ["early", "late", "tie"]);
    }

    #[test]
    fn credentials_are_masked_everywhere() {
        let mut input = InputOutcome::new("docker://me:s3cret@registry.example/app:1", InputKind::Image);
        input.problems.push(Problem {
            message: "https://me:s3cret@registry.example/v2/ answered 401".into(),
            help: Some("try https://me:s3cret@registry.example".into()),
            location: None,
        });
        let mut finding = file_finding("CU301", Severity::Error, "https://s3cret@pypi.example is asked");
        finding.location = Location::Layer {
            index: 0,
            digest: "sha256:aa".into(),
            path: None,
            created_by: Some("RUN pip install -i https://me:s3cret@pypi.example x".into()),
            place: None,
        };
        input.findings.push(reported(finding));
        let outcome = Outcome::new(tool(), FleetNames::default(), vec![input]);
        assert!(!format!("{outcome:?}").contains("s3cret"), "{outcome:?}");
    }

    #[test]
    fn only_what_reaches_the_threshold_fails() {
        let open = Summary { unknown: 1, ..Summary::default() };
        assert!(!FailOn::Info.fails(&open, false));
        assert!(FailOn::Error.fails(&open, true));
        assert!(!FailOn::Never.fails(&Summary { error: 1, unknown: 1, ..Summary::default() }, true));
        assert!(FailOn::Warning.fails(&Summary { warning: 1, ..Summary::default() }, false));
        assert!(!FailOn::Error.fails(&Summary { warning: 1, ..Summary::default() }, false));
    }

    #[test]
    fn thresholds_include_what_is_worse() {
        let summary = Summary { warning: 1, ..Summary::default() };
        assert!(!summary.reaches(Severity::Error));
        assert!(summary.reaches(Severity::Warning));
        assert!(summary.reaches(Severity::Info));
    }
}
