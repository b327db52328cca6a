//! Which rules run, how bad their findings are, and which paths they leave in peace.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Finding, Location, PathBase, RuleId, RuleInfo, Severity, SeverityError};
use crate::nearest::nearest;

/// A word that stands for one or several rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Every rule, also those that are off unless asked for.
    All,
    /// Rules whose id begins so (`CU3`, `CU30`).
    Prefix(String),
    /// Rules of a group (`driver`).
    Group(&'static str),
    /// One rule, by id or name.
    Rule(RuleId),
}

/// A word that stands for no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` names no rule, group or prefix{}", suggestion(nearest.as_deref()))]
pub struct SelectError {
    /// The word.
    pub word: String,
    /// What may have been meant.
    pub nearest: Option<String>,
}

fn suggestion(nearest: Option<&str>) -> Cow<'static, str> {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?").into(),
        None => "; `cudalint rules` lists them".into(),
    }
}

impl Selector {
    /// Reads a selector: an id, a name, a prefix of ids, a group, or `ALL`; letters in any case.
    ///
    /// # Errors
    /// The word stands for no rule; the error names the nearest that does.
    pub fn parse(word: &str, rules: &[RuleInfo]) -> Result<Self, SelectError> {
        let word = word.trim();
        if word.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        if let Some(rule) = rules.iter().find(|rule| rule.is_called(word)) {
            return Ok(Self::Rule(rule.id));
        }
        if let Some(rule) = rules.iter().find(|rule| rule.group.eq_ignore_ascii_case(word)) {
            return Ok(Self::Group(rule.group));
        }
        let upper = word.to_ascii_uppercase();
        if upper.len() >= 2 && rules.iter().any(|rule| rule.id.as_str().starts_with(&upper)) {
            return Ok(Self::Prefix(upper));
        }
        let words = rules.iter().flat_map(|rule| [rule.id.as_str(), rule.name, rule.group]).chain(["ALL"]);
        Err(SelectError { word: word.to_owned(), nearest: nearest(word, words).map(str::to_owned) })
    }

    fn matches(&self, rule: &RuleInfo) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => rule.id.as_str().starts_with(prefix.as_str()),
            Self::Group(group) => rule.group == *group,
            Self::Rule(id) => rule.id == *id,
        }
    }

    /// Whether it turns on a rule that is off unless asked for.
    fn reaches_opt_in(&self) -> bool {
        matches!(self, Self::All | Self::Rule(_))
    }

    /// How narrow it is: the narrower of two that disagree wins.
    fn specificity(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Prefix(prefix) => prefix.len().min(4),
            Self::Group(_) => 3,
            Self::Rule(_) => 5,
        }
    }
}

/// What one place (the configuration, the command line) asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectLayer {
    /// Only these rules; `None` keeps what the layer below chose.
    pub select: Option<Vec<Selector>>,
    /// These as well.
    pub extend_select: Vec<Selector>,
    /// Not these.
    pub ignore: Vec<Selector>,
}

/// A severity for a rule instead of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeverityOverride {
    /// The rule does not run.
    Off,
    /// All its findings have this severity.
    To(Severity),
}

impl FromStr for SeverityOverride {
    type Err = SeverityError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word == "off" { Ok(Self::Off) } else { word.parse().map(Self::To) }
    }
}

/// The rules that run, with their severities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    on: BTreeSet<RuleId>,
    severities: BTreeMap<RuleId, Severity>,
}

impl Selection {
    /// Chooses among `rules`. Layers are given lowest first: a layer with `select` starts anew, one without builds on the
    /// layer below; within a layer the narrower selector wins, and `ignore` wins a draw. A severity of the overrides
    /// turns a rule on that is off unless asked for, `off` turns a rule off; a layer above may still say otherwise when
    /// `overrides` stand in the lowest layer, the configuration.
    #[must_use]
    pub fn resolve(
        rules: &[RuleInfo],
        overrides: &BTreeMap<RuleId, SeverityOverride>,
        layers: &[SelectLayer],
    ) -> Self {
        let mut on: BTreeSet<RuleId> = rules.iter().filter(|rule| !rule.opt_in).map(|rule| rule.id).collect();
        let first = SelectLayer::default();
        let layers = if layers.is_empty() { std::slice::from_ref(&first) } else { layers };
        for (at, layer) in layers.iter().enumerate() {
            if layer.select.is_some() {
                on.clear();
            }
            for rule in rules {
                let best = |selectors: &mut dyn Iterator<Item = &Selector>| {
                    selectors
                        .filter(|selector| selector.matches(rule))
                        .map(|selector| (selector.specificity(), selector.reaches_opt_in()))
                        .max()
                };
                let chosen = best(&mut layer.select.iter().flatten().chain(&layer.extend_select))
                    .filter(|(_, reaches_opt_in)| *reaches_opt_in || !rule.opt_in);
                let dropped = best(&mut layer.ignore.iter());
                match (chosen, dropped) {
                    (Some((wanted, _)), Some((unwanted, _))) if wanted > unwanted => on.insert(rule.id),
                    (_, Some(_)) => on.remove(&rule.id),
                    (Some(_), None) => on.insert(rule.id),
                    (None, None) => false,
                };
            }
            if at == 0 {
                for (id, severity) in overrides {
                    match severity {
                        SeverityOverride::Off => on.remove(id),
                        SeverityOverride::To(_) => {
                            rules.iter().any(|rule| rule.id == *id && rule.opt_in) && on.insert(*id)
                        }
                    };
                }
            }
        }
        let severities = overrides
            .iter()
            .filter_map(|(id, severity)| match severity {
                SeverityOverride::To(severity) => Some((*id, *severity)),
                SeverityOverride::Off => None,
            })
            .collect();
        Self { on, severities }
    }

    /// Whether the rule runs.
    #[must_use]
    pub fn is_on(&self, rule: RuleId) -> bool {
        self.on.contains(&rule)
    }

    /// The rules that run, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = RuleId> {
        self.on.iter().copied()
    }

    /// Leaves out findings of rules that are off and gives the others their severity. A question that stayed open keeps
    /// its own.
    #[must_use]
    pub fn apply(&self, findings: Vec<Finding>) -> Vec<Finding> {
        findings
            .into_iter()
            .filter(|finding| self.is_on(finding.rule))
            .map(|mut finding| {
                if let Some(severity) = self.severities.get(&finding.rule)
                    && !finding.is_unknown()
                {
                    finding.severity = *severity;
                }
                finding
            })
            .collect()
    }
}

/// Rules that leave some paths in peace.
#[derive(Debug, Clone)]
pub struct PerPath {
    globs: GlobSet,
    ignore: Vec<Selector>,
}

impl PerPath {
    /// Reads one glob as paths are matched: `*` stays within a folder, `**` does not, and a pattern without `/` matches a
    /// file name anywhere.
    ///
    /// # Errors
    /// The pattern is no glob.
    pub fn glob(pattern: &str) -> Result<Glob, globset::Error> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let anchored = match pattern.strip_prefix('/') {
            Some(rest) => Cow::Borrowed(rest),
            None if pattern.contains('/') => Cow::Borrowed(pattern),
            None => Cow::Owned(format!("**/{pattern}")),
        };
        GlobBuilder::new(&anchored).literal_separator(true).build()
    }

    /// Rules to ignore where a path matches one of the globs.
    ///
    /// # Errors
    /// The globs together are too large.
    pub fn new(globs: impl IntoIterator<Item = Glob>, ignore: Vec<Selector>) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(glob);
        }
        Ok(Self { globs: set.build()?, ignore })
    }

    /// Whether the finding is left out: its file (relative to the root), or its path in the image, matches.
    #[must_use]
    pub fn covers(&self, finding: &Finding, rules: &[RuleInfo], paths: &PathBase) -> bool {
        let ignored = || {
            rules.iter().any(|rule| {
                rule.id == finding.rule && self.ignore.iter().any(|selector| selector.matches(rule))
            })
        };
        let file = finding.location.place().map(|place| paths.relative(&place.file));
        let inner = match &finding.location {
            Location::Layer { path: Some(path), .. } => Some(path.to_string()),
            _ => None,
        };
        file.into_iter().chain(inner).any(|path| self.globs.is_match(path.trim_start_matches('/')))
            && ignored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::VerdictWord;
    use crate::diagnostics::testing::{at, file_finding};

    fn rules() -> Vec<RuleInfo> {
        let rule = |id, name, group, opt_in| RuleInfo {
            id: RuleId::new(id),
            name,
            group,
            severity: Severity::Warning,
            opt_in,
            needs_target: false,
        };
        vec![
            rule("CU101", "unknown-cuda-tag", "base", false),
            rule("CU301", "driver-package-in-image", "driver", false),
            rule("CU304", "driver-library-in-layer", "driver", false),
            rule("CU311", "driver-extra", "driver", true),
        ]
    }

    fn layer(select: Option<&[&str]>, extend: &[&str], ignore: &[&str]) -> SelectLayer {
        let read =
            |words: &[&str]| words.iter().map(|word| Selector::parse(word, &rules()).unwrap()).collect();
        SelectLayer { select: select.map(read), extend_select: read(extend), ignore: read(ignore) }
    }

    fn on(layers: &[SelectLayer]) -> Vec<String> {
        Selection::resolve(&rules(), &BTreeMap::new(), layers).iter().map(|id| id.to_string()).collect()
    }

    #[test]
    fn everything_but_opt_in_rules_runs_by_default() {
        assert_eq!(on(&[]), ["CU101", "CU301", "CU304"]);
    }

    #[test]
    fn selects_by_id_name_prefix_group_and_all() {
        assert_eq!(on(&[layer(Some(&["cu301"]), &[], &[])]), ["CU301"]);
        assert_eq!(on(&[layer(Some(&["driver-package-in-image"]), &[], &[])]), ["CU301"]);
        assert_eq!(on(&[layer(Some(&["CU30"]), &[], &[])]), ["CU301", "CU304"]);
        assert_eq!(on(&[layer(Some(&["driver"]), &[], &[])]), ["CU301", "CU304"]);
        assert_eq!(on(&[layer(Some(&["ALL"]), &[], &[])]), ["CU101", "CU301", "CU304", "CU311"]);
        assert_eq!(on(&[layer(None, &["CU311"], &[])]), ["CU101", "CU301", "CU304", "CU311"]);
        assert_eq!(on(&[layer(None, &[], &["CU3"])]), ["CU101"]);
    }

    #[test]
    fn the_narrower_selector_wins_and_ignore_wins_a_draw() {
        assert_eq!(on(&[layer(Some(&["CU301"]), &[], &["CU3"])]), ["CU301"]);
        assert_eq!(on(&[layer(Some(&["CU3"]), &[], &["CU301"])]), ["CU304"]);
        assert_eq!(on(&[layer(Some(&["CU301"]), &[], &["CU301"])]), Vec::<String>::new());
    }

    #[test]
    fn the_command_line_stands_above_the_configuration() {
        let config = layer(None, &[], &["CU301"]);
        assert_eq!(on(&[config.clone(), layer(None, &[], &["CU101"])]), ["CU304"]);
        assert_eq!(on(&[config, layer(Some(&["CU301"]), &[], &[])]), ["CU301"]);
    }

    #[test]
    fn misspelt_selectors_name_the_nearest() {
        let error = |word: &str| Selector::parse(word, &rules()).unwrap_err().to_string();
        assert_eq!(error("CU3O1"), "`CU3O1` names no rule, group or prefix; did you mean `CU301`?");
        assert_eq!(error("drivr"), "`drivr` names no rule, group or prefix; did you mean `driver`?");
        assert_eq!(error("C"), "`C` names no rule, group or prefix; `cudalint rules` lists them");
        assert_eq!(error(""), "`` names no rule, group or prefix; `cudalint rules` lists them");
    }

    #[test]
    fn severities_are_overridden_but_not_those_of_open_questions() {
        let id = RuleId::new("CU301");
        let overrides = BTreeMap::from([
            (id, SeverityOverride::To(Severity::Info)),
            (RuleId::new("CU304"), SeverityOverride::Off),
            (RuleId::new("CU311"), SeverityOverride::To(Severity::Error)),
        ]);
        let selection = Selection::resolve(&rules(), &overrides, &[]);
        assert!(!selection.is_on(RuleId::new("CU304")));
        assert!(selection.is_on(RuleId::new("CU311")));
        let mut open = file_finding("CU301", Severity::Warning, "open");
        open.verdict = Some(VerdictWord::Unknown);
        let applied = selection.apply(vec![
            file_finding("CU301", Severity::Error, "closed"),
            open,
            file_finding("CU304", Severity::Error, "off"),
        ]);
        let severities: Vec<Severity> = applied.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Info, Severity::Warning]);
    }

    #[test]
    fn per_path_ignores_match_files_and_paths_in_the_image() {
        let per = |pattern: &str| {
            PerPath::new(
                [PerPath::glob(pattern).unwrap()],
                vec![Selector::parse("driver", &rules()).unwrap()],
            )
            .unwrap()
        };
        let mut file = file_finding("CU301", Severity::Error, "m");
        file.location = at("./ci/gpu/Dockerfile", 0, 1);
        let mut other = file.clone();
        other.rule = RuleId::new("CU101");
        let paths = PathBase::default();
        for pattern in ["ci/**", "Dockerfile", "ci/*/Dockerfile", "./ci/gpu/Dockerfile"] {
            assert!(per(pattern).covers(&file, &rules(), &paths), "{pattern}");
            assert!(!per(pattern).covers(&other, &rules(), &paths), "{pattern}");
        }
        assert!(!per("ci/*").covers(&file, &rules(), &paths));
        let mut inner = file_finding("CU304", Severity::Error, "m");
        inner.location = Location::Layer {
            index: 0,
            digest: "d".into(),
            path: Some("/opt/conda/lib/libcuda.so.1".into()),
            created_by: None,
            place: None,
        };
        assert!(per("/opt/conda/**").covers(&inner, &rules(), &paths));
        assert!(PerPath::glob("a{").is_err());
    }
}
