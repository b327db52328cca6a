//! Inline ignores: which comment holds which finding back, and which comments are wrong, stale or for nothing.

mod comment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Date, Edit, FilePlace, Finding, Fix, RuleId, RuleInfo, Safety, meta};
use crate::span::{LineIndex, Span};
use comment::{Directive, Flaw};

/// What is left after ignores, and how much they held back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Findings that stay.
    pub kept: Vec<Finding>,
    /// Findings held back.
    pub suppressed: usize,
}

/// The inline ignores of one input, all its files.
///
/// `# cudalint: ignore[CU301] reason` covers the instruction below it; inside a continued instruction, the next line
/// that is neither blank nor a comment; after text on the same line (files other than Dockerfiles), that line.
/// `ignore-file[..]` covers the file. `until=2027-01-31` in the reason gives the last day on which it holds.
#[derive(Debug)]
pub struct Suppressions<'a> {
    rules: &'a [RuleInfo],
    today: Date,
    ignores: Vec<Ignore>,
    whole_files: BTreeMap<(Arc<str>, RuleId), Use>,
    /// By file, rule and first byte covered. Within each map no two ranges overlap.
    instructions: BTreeMap<(Arc<str>, RuleId, usize), Use>,
    lines: BTreeMap<(Arc<str>, RuleId, usize), Use>,
    own: Vec<Finding>,
}

/// One rule of one ignore at work.
#[derive(Debug)]
struct Use {
    ignore: usize,
    end: usize,
    used: bool,
}

/// A comment that holds something back.
#[derive(Debug)]
struct Ignore {
    file: Arc<str>,
    place: FilePlace,
    directive: Directive,
    /// Bytes to delete to take the comment away.
    removal: Span,
    /// Rules that an earlier comment already ignores for the same lines.
    repeated: Vec<RuleId>,
}

/// What an ignore covers.
enum Cover {
    File,
    Instruction(Span),
    Line(Span),
    Nothing,
}

impl<'a> Suppressions<'a> {
    /// No ignores yet. `rules` are all rules there are; `today` decides which ignores have expired.
    #[must_use]
    pub fn new(rules: &'a [RuleInfo], today: Date) -> Self {
        Self {
            rules,
            today,
            ignores: Vec::new(),
            whole_files: BTreeMap::new(),
            instructions: BTreeMap::new(),
            lines: BTreeMap::new(),
            own: Vec::new(),
        }
    }

    /// Reads the comments of a file: their spans (with or without the `#`) and those of its instructions, both in order.
    /// A file that has no instructions gives none.
    pub fn add_file(&mut self, file: &Arc<str>, source: &[u8], comments: &[Span], instructions: &[Span]) {
        if comments.is_empty() {
            return;
        }
        let text = Text { file, source, lines: LineIndex::new(source) };
        let mut content = None;
        for span in comments {
            let Some(reading) = comment::read(source, *span, self.rules) else { continue };
            for Flaw { span, message, help } in reading.flaws {
                let finding = Finding::meta(&meta::INVALID_IGNORE, text.place(span), message, Some(help));
                self.own.push(finding);
            }
            let Some(directive) = reading.directive else { continue };
            let place = text.place(*span);
            if let Some(until) = directive.until
                && until < self.today
            {
                let message = format!("the ignore ended on {until} and holds nothing back");
                let help = "mend what it was for, or give a new date and the reason for it".to_owned();
                self.own.push(Finding::meta(&meta::EXPIRED_IGNORE, place, message, Some(help)));
                continue;
            }
            let content = content.get_or_insert_with(|| text.content_lines());
            let (cover, removal) = text.cover(*span, &directive, instructions, content);
            self.register(
                Ignore { file: Arc::clone(file), place, directive, removal, repeated: Vec::new() },
                &cover,
            );
        }
    }

    fn register(&mut self, mut ignore: Ignore, cover: &Cover) {
        let number = self.ignores.len();
        for (rule, _) in &ignore.directive.rules {
            let key = |start| (Arc::clone(&ignore.file), *rule, start);
            let new = |end| Use { ignore: number, end, used: false };
            let repeated = match cover {
                Cover::File => insert(&mut self.whole_files, (Arc::clone(&ignore.file), *rule), new(0)),
                Cover::Instruction(span) => insert(&mut self.instructions, key(span.start), new(span.end)),
                Cover::Line(span) => insert(&mut self.lines, key(span.start), new(span.end)),
                Cover::Nothing => true,
            };
            if repeated {
                ignore.repeated.push(*rule);
            }
        }
        self.ignores.push(ignore);
    }

    /// Takes out the findings that an ignore covers: those of its rules whose place begins in the covered lines.
    pub fn apply(&mut self, findings: Vec<Finding>) -> Applied {
        let mut applied = Applied::default();
        for finding in findings {
            if self.holds_back(&finding) {
                applied.suppressed = applied.suppressed.saturating_add(1);
            } else {
                applied.kept.push(finding);
            }
        }
        applied
    }

    /// Whether an ignore covers this finding; remembers that the ignore was of use.
    #[must_use]
    pub fn holds_back(&mut self, finding: &Finding) -> bool {
        let Some(place) = finding.location.place() else { return false };
        let (file, rule, at) = (&place.file, finding.rule, place.span.start);
        let mut held = false;
        for map in [&mut self.lines, &mut self.instructions] {
            let last = map.range_mut(..=(Arc::clone(file), rule, at)).next_back();
            if let Some(((its_file, its_rule, _), entry)) = last
                && its_file == file
                && *its_rule == rule
                && at < entry.end
            {
                entry.used = true;
                held = true;
            }
        }
        if !held && let Some(entry) = self.whole_files.get_mut(&(Arc::clone(file), rule)) {
            entry.used = true;
            held = true;
        }
        held
    }

    /// What there is to say about the ignores themselves, after all findings went through [`Suppressions::apply`].
    /// An ignore of a rule that did not run (`ran` says so) is not called unused.
    #[must_use]
    pub fn finish(mut self, ran: impl Fn(RuleId) -> bool) -> Applied {
        let is_meta = |rule: RuleId| meta::ALL.iter().any(|info| info.id == rule);
        let mut findings = std::mem::take(&mut self.own);
        findings.extend(self.unused(|rule| !is_meta(rule) && ran(rule)));
        let mut applied = self.apply(findings);
        applied.kept.extend(self.unused(|rule| is_meta(rule) && ran(rule)));
        applied
    }

    /// Reports ignores of the asked rules that held nothing back, one finding per comment.
    fn unused(&self, asked: impl Fn(RuleId) -> bool) -> Vec<Finding> {
        let mut idle: BTreeMap<usize, Vec<RuleId>> = BTreeMap::new();
        let entries = self.whole_files.iter().map(|((_, rule), entry)| (*rule, entry));
        let placed = self.instructions.iter().chain(&self.lines).map(|((_, rule, _), entry)| (*rule, entry));
        for (rule, entry) in entries.chain(placed) {
            if !entry.used && asked(rule) {
                idle.entry(entry.ignore).or_default().push(rule);
            }
        }
        for (number, ignore) in self.ignores.iter().enumerate() {
            let repeated = ignore.repeated.iter().filter(|rule| asked(**rule));
            idle.entry(number).or_default().extend(repeated);
        }
        idle.into_iter()
            .filter(|(_, rules)| !rules.is_empty())
            .filter_map(|(number, rules)| {
                self.ignores.get(number).map(|ignore| self.unused_finding(ignore, &rules))
            })
            .collect()
    }

    fn unused_finding(&self, ignore: &Ignore, idle: &[RuleId]) -> Finding {
        let named: Vec<&str> = ignore
            .directive
            .rules
            .iter()
            .map(|(rule, _)| rule.as_str())
            .filter(|id| idle.iter().any(|rule| rule.as_str() == *id))
            .collect();
        let message = format!("the ignore of {} holds nothing back", named.join(", "));
        let help = if ignore.repeated.is_empty() {
            "take it out, or move it directly above what it is for".to_owned()
        } else {
            "another comment already ignores the same there, or nothing follows; take it out".to_owned()
        };
        let mut finding = Finding::meta(&meta::UNUSED_IGNORE, ignore.place.clone(), message, Some(help));
        let left: Vec<&str> = ignore
            .directive
            .rules
            .iter()
            .filter(|(rule, _)| !idle.contains(rule))
            .map(|(rule, _)| rule.as_str())
            .collect();
        let (title, span, replacement) = if left.is_empty() {
            ("take the comment out", ignore.removal, String::new())
        } else {
            ("take the unused rules out of the comment", ignore.directive.list, left.join(", "))
        };
        let edit = Edit { file: Arc::clone(&ignore.file), span, replacement };
        // With another target the rule may have something to say, and the ignore its use.
        let depends =
            idle.iter().any(|rule| self.rules.iter().any(|info| info.id == *rule && info.needs_target));
        let safety = if depends { Safety::Unsafe } else { Safety::Safe };
        finding.fixes.push(Fix { title: title.to_owned(), safety, edits: vec![edit] });
        finding
    }
}

/// Enters a use; whether there was one already, which then stays.
fn insert<K: Ord>(map: &mut BTreeMap<K, Use>, key: K, new: Use) -> bool {
    let number = new.ignore;
    map.entry(key).or_insert(new).ignore != number
}

/// A file whose comments are read.
struct Text<'a> {
    file: &'a Arc<str>,
    source: &'a [u8],
    lines: LineIndex,
}

impl Text<'_> {
    fn place(&self, span: Span) -> FilePlace {
        FilePlace::new(self.file, self.source, &self.lines, span)
    }

    /// Lines that are neither blank nor comments, in order.
    fn content_lines(&self) -> Vec<Span> {
        (1..=self.lines.line_count())
            .filter_map(|line| self.lines.line_span(self.source, line))
            .filter(|span| {
                let first = span.slice(self.source).iter().find(|byte| !byte.is_ascii_whitespace());
                first.is_some_and(|byte| *byte != b'#')
            })
            .collect()
    }

    /// What a comment covers, and what to delete to take it away.
    fn cover(
        &self,
        comment: Span,
        directive: &Directive,
        instructions: &[Span],
        content: &[Span],
    ) -> (Cover, Span) {
        let line = self.lines.line_column(self.source, comment.start).line;
        let span = self.lines.line_span(self.source, line).unwrap_or(comment);
        let next_line =
            self.lines.line_span(self.source, line + 1).map_or(self.source.len(), |next| next.start);
        let before = Span::new(span.start, comment.start).slice(self.source);
        let kept =
            before.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != b'#').map(|at| at + 1);
        let removal = match kept {
            None => Span::new(span.start, next_line),
            Some(kept) => Span::new(span.start + kept, comment.end),
        };
        let covered = if directive.whole_file {
            Cover::File
        } else if kept.is_some() {
            Cover::Line(span)
        } else {
            self.cover_below(comment, instructions, content)
        };
        (covered, removal)
    }

    fn cover_below(&self, comment: Span, instructions: &[Span], content: &[Span]) -> Cover {
        let next = instructions.partition_point(|instruction| instruction.start < comment.start);
        let around =
            next.checked_sub(1).and_then(|at| instructions.get(at)).filter(|it| comment.start < it.end);
        let line_below = content.get(content.partition_point(|line| line.start < comment.start));
        match (around, instructions.get(next), line_below) {
            (Some(around), _, Some(line)) if line.start < around.end => Cover::Line(*line),
            (Some(_), _, _) => Cover::Nothing,
            (None, Some(instruction), _) => Cover::Instruction(*instruction),
            (None, None, Some(line)) if instructions.is_empty() => Cover::Line(*line),
            (None, None, _) => Cover::Nothing,
        }
    }
}
