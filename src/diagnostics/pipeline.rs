//! Everything between rules and report, in its order: selection and severities, fingerprints, inline ignores, paths,
//! baseline.

use std::sync::Arc;

use super::{
    Baseline, Date, Finding, Fingerprinter, InputOutcome, PathBase, PerPath, Reported, RuleId, RuleInfo,
    Selection, Suppressions,
};
use crate::span::Span;

/// A file with the comments in which ignores may stand.
#[derive(Debug, Clone)]
pub struct CommentedFile {
    /// The file as locations name it.
    pub file: Arc<str>,
    /// Its bytes.
    pub source: Arc<[u8]>,
    /// Spans of its comments, in order, with or without their `#`.
    pub comments: Vec<Span>,
    /// Spans of its instructions, in order; none where a file has no instructions.
    pub instructions: Vec<Span>,
}

/// What the user decided about findings, the same for all inputs.
#[derive(Debug, Clone, Copy)]
pub struct Filters<'a> {
    /// All rules there are.
    pub rules: &'a [RuleInfo],
    /// Which of them run, and how bad their findings are.
    pub selection: &'a Selection,
    /// Rules that leave some paths in peace.
    pub per_path: &'a [PerPath],
    /// How the globs of `per_path` see file names: relative to the configuration's folder.
    pub config_paths: &'a PathBase,
    /// How fingerprints see file names: relative to the root of the repository.
    pub paths: &'a PathBase,
    /// Decides which ignores have expired.
    pub today: Date,
}

impl Filters<'_> {
    /// Puts what remains of an input's findings into its outcome, with fingerprints and with what there is to say about the
    /// ignores. `ran` tells which rules could judge this input (one that needs a target may not have had one): an ignore of
    /// a rule that did not run is not called unused.
    pub fn run(
        &self,
        input: &mut InputOutcome,
        findings: Vec<Finding>,
        files: &[CommentedFile],
        ran: impl Fn(RuleId) -> bool,
    ) {
        let mut suppressions = Suppressions::new(self.rules, self.today);
        for file in files {
            suppressions.add_file(&file.file, &file.source, &file.comments, &file.instructions);
        }
        let mut reported = self.fingerprints(input, self.selection.apply(findings));
        let before = reported.len();
        reported.retain(|reported| !suppressions.holds_back(&reported.finding));
        let held = before.saturating_sub(reported.len());
        let own = suppressions.finish(|rule| self.selection.is_on(rule) && ran(rule));
        reported.extend(self.fingerprints(input, self.selection.apply(own.kept)));
        reported.retain(|reported| {
            let covered = |table: &PerPath| table.covers(&reported.finding, self.rules, self.config_paths);
            !self.per_path.iter().any(covered)
        });
        input.suppressed = held.saturating_add(own.suppressed);
        input.findings = reported;
    }

    fn fingerprints(&self, input: &InputOutcome, findings: Vec<Finding>) -> Vec<Reported> {
        Fingerprinter { paths: self.paths, input: &input.input, sources: &input.sources }.assign(findings)
    }
}

impl Baseline {
    /// Takes the baseline's findings out of all inputs; returns how many entries matched nothing
    /// ([`super::Outcome::stale_baseline`]).
    #[must_use]
    pub fn hold_back(&self, inputs: &mut [InputOutcome]) -> usize {
        let mut matcher = self.matcher();
        for input in inputs {
            let (kept, held) = matcher.apply(std::mem::take(&mut input.findings));
            input.findings = kept;
            input.baselined = held;
        }
        matcher.stale()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::diagnostics::testing::{file_finding, place_in};
    use crate::diagnostics::{InputKind, Location, SelectLayer, Selector, Severity, SeverityOverride, meta};

    const SOURCE: &str = "FROM a\n# cudalint: ignore[CU301] x\nRUN WORD\nRUN WORD\nCOPY WORD\n";

    fn rules() -> Vec<RuleInfo> {
        let rule = |id, name| RuleInfo {
            id: RuleId::new(id),
            name,
            group: "driver",
            severity: Severity::Error,
            opt_in: false,
            needs_target: false,
        };
        let own = [rule("CU301", "driver-package-in-image"), rule("CU601", "copy-cuda-tree")];
        meta::ALL.into_iter().chain(own).collect()
    }

    fn words(rule: &'static str) -> Vec<Finding> {
        let place = |at| Location::File(place_in("Dockerfile", SOURCE.as_bytes(), at, at + 4));
        let finding = |at| Finding { location: place(at), ..file_finding(rule, Severity::Error, "m") };
        SOURCE.match_indices("WORD").map(|(at, _)| finding(at)).collect()
    }

    /// Lines and rules of what remains, with the outcome.
    fn run(
        layer: SelectLayer,
        overrides: &[(&'static str, SeverityOverride)],
        per_path: &[PerPath],
    ) -> (Vec<String>, InputOutcome) {
        let rules = rules();
        let overrides: BTreeMap<RuleId, SeverityOverride> =
            overrides.iter().map(|(id, severity)| (RuleId::new(id), *severity)).collect();
        let selection = Selection::resolve(&rules, &overrides, &[layer]);
        let paths = PathBase::default();
        let filters = Filters {
            rules: &rules,
            selection: &selection,
            per_path,
            config_paths: &paths,
            paths: &paths,
            today: "2026-11-25".parse().unwrap(),
        };
        let source: Arc<[u8]> = Arc::from(SOURCE.as_bytes());
        let mut input = InputOutcome::new("Dockerfile", InputKind::Dockerfile);
        input.sources.insert("Dockerfile".into(), Arc::clone(&source));
        let file = CommentedFile {
            file: "Dockerfile".into(),
            source,
            comments: vec![Span::new(7, 34)],
            instructions: vec![Span::new(0, 6), Span::new(35, 43), Span::new(44, 52), Span::new(53, 62)],
        };
        filters.run(&mut input, words("CU301"), &[file], |_| true);
        let show = |reported: &Reported| {
            let line = reported.finding.location.place().unwrap().start.line;
            format!("{}@{line}:{}", reported.finding.rule, reported.finding.severity)
        };
        (input.findings.iter().map(show).collect(), input)
    }

    #[test]
    fn ignores_hold_back_and_fingerprints_do_not_move_up() {
        let (shown, input) = run(SelectLayer::default(), &[], &[]);
        assert_eq!(shown, ["CU301@4:error", "CU301@5:error"]);
        assert_eq!(input.suppressed, 1);
        let paths = PathBase::default();
        let all = Fingerprinter { paths: &paths, input: "Dockerfile", sources: &input.sources }
            .assign(words("CU301"));
        assert_eq!(input.findings[0].fingerprint, all[1].fingerprint);
    }

    #[test]
    fn an_ignore_of_a_rule_that_is_off_is_not_unused() {
        let off = SelectLayer {
            ignore: vec![Selector::parse("CU301", &rules()).unwrap()],
            ..SelectLayer::default()
        };
        let (shown, input) = run(off, &[], &[]);
        assert_eq!((shown, input.suppressed), (vec![], 0));
    }

    #[test]
    fn severities_and_paths_of_the_configuration_count() {
        let info = [("CU301", SeverityOverride::To(Severity::Info))];
        assert_eq!(run(SelectLayer::default(), &info, &[]).0, ["CU301@4:info", "CU301@5:info"]);
        let all = vec![Selector::parse("driver", &rules()).unwrap()];
        let table = PerPath::new([PerPath::glob("Dockerfile").unwrap()], all).unwrap();
        assert_eq!(run(SelectLayer::default(), &[], &[table]).0, Vec::<String>::new());
    }

    #[test]
    fn a_baseline_holds_back_what_was_there() {
        let (_, input) = run(SelectLayer::default(), &[], &[]);
        let paths = PathBase::default();
        let baseline = Baseline::of(&input.findings[..1], &paths);
        let mut inputs = [input];
        assert_eq!(baseline.hold_back(&mut inputs), 0);
        assert_eq!((inputs[0].findings.len(), inputs[0].baselined), (1, 1));
        assert_eq!(baseline.hold_back(&mut inputs), 1);
    }
}
