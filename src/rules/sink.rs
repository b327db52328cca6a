//! Where rules put what they have to say; turns origins into locations.

use std::sync::Arc;

use crate::diagnostics::{Edit, FilePlace, Finding, Fix, Location, RuleId, Safety, Severity, VerdictWord};
use crate::facts::{Facts, FileId, Origin};
use crate::span::Span;

/// Collects the findings of one rule over one input.
#[derive(Debug)]
pub struct Sink<'a> {
    facts: &'a Facts,
    rule: RuleId,
    name: &'static str,
    severity: Severity,
    findings: Vec<Finding>,
}

impl<'a> Sink<'a> {
    /// A sink for a rule with the name and severity of its page.
    #[must_use]
    pub fn new(facts: &'a Facts, rule: RuleId, name: &'static str, severity: Severity) -> Self {
        Self { facts, rule, name, severity, findings: Vec::new() }
    }

    /// Starts a finding at `origin` with the rule's own severity. Nothing is kept until [`Draft::emit`].
    pub fn finding(&mut self, origin: &Origin, message: impl Into<String>) -> Draft<'_, 'a> {
        let location = self.location(origin);
        let finding = Finding {
            rule: self.rule,
            name: self.name,
            severity: self.severity,
            message: message.into(),
            help: None,
            verdict: None,
            location,
            related: Vec::new(),
            fixes: Vec::new(),
            pools: Vec::new(),
        };
        Draft { sink: self, finding }
    }

    /// Reports a question that could not be answered: shown and counted as unknown, not as a finding.
    pub fn unknown(&mut self, origin: &Origin, message: impl Into<String>) {
        self.finding(origin, message).severity(Severity::Info).verdict(VerdictWord::Unknown).emit();
    }

    /// What was reported, in order.
    #[must_use]
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    fn file_place(&self, file: FileId, span: Span) -> FilePlace {
        let Some(source) = self.facts.sources.get(file.0) else {
            let nowhere = crate::span::LineColumn { line: 1, column: 1 };
            return FilePlace { file: Arc::from(""), span, start: nowhere, end: nowhere };
        };
        FilePlace::new(&source.name, &source.bytes, &source.lines, span)
    }

    fn location(&self, origin: &Origin) -> Location {
        match origin {
            Origin::File { file, span } => Location::File(self.file_place(*file, *span)),
            Origin::Layer { layer, path } => self.layer(*layer, Some(Arc::clone(path))),
            Origin::WholeLayer { layer } => self.layer(*layer, None),
            Origin::Config { key } => Location::Config { key: Arc::clone(key), place: None },
        }
    }

    fn layer(&self, index: usize, path: Option<Arc<str>>) -> Location {
        let facts = self.facts.image.as_ref().and_then(|image| image.layers.get(index));
        Location::Layer {
            index,
            digest: facts.map_or_else(|| Arc::from(""), |layer| Arc::clone(&layer.digest)),
            path,
            created_by: facts.and_then(|layer| layer.created_by.clone()),
            place: None,
        }
    }
}

/// A finding that is being put together.
#[derive(Debug)]
#[must_use = "a draft says nothing until it is emitted"]
pub struct Draft<'s, 'a> {
    sink: &'s mut Sink<'a>,
    finding: Finding,
}

impl Draft<'_, '_> {
    /// Another severity than the page's.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// What to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.finding.help = Some(help.into());
        self
    }

    /// Which of the target's drivers are fine.
    pub fn verdict(mut self, verdict: VerdictWord) -> Self {
        self.finding.verdict = Some(verdict);
        self
    }

    /// Another place that explains the finding.
    pub fn related(mut self, origin: &Origin, label: impl Into<String>) -> Self {
        let location = self.sink.location(origin);
        self.finding.related.push((location, label.into()));
        self
    }

    /// Names the pools of the fleet that fail.
    pub fn pools(mut self, pools: impl IntoIterator<Item = String>) -> Self {
        self.finding.pools.extend(pools);
        self
    }

    /// Offers a change; edits whose origin is no text are left out, and a fix without edits is not offered.
    pub fn fix(mut self, safety: Safety, title: impl Into<String>, edits: &[(Origin, String)]) -> Self {
        let edits: Vec<Edit> = edits
            .iter()
            .filter_map(|(origin, replacement)| {
                let (file, span) = origin.as_file()?;
                let source = self.sink.facts.sources.get(file.0)?;
                Some(Edit { file: Arc::clone(&source.name), span, replacement: replacement.clone() })
            })
            .collect();
        if !edits.is_empty() {
            self.finding.fixes.push(Fix { title: title.into(), safety, edits });
        }
        self
    }

    /// Reports it.
    pub fn emit(self) {
        self.sink.findings.push(self.finding);
    }
}
