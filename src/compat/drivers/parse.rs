//! Reads driver specifications.

use super::{DriverPoint, DriverSet, DriverSpec, SpecError, SpecProblem, sort_points};
use crate::compat::tables::{Branch, DriverTable, ReleaseKind, Tables};
use crate::compat::version::{DriverBranch, DriverVersion, VersionError};
use crate::nearest::nearest;
use crate::span::Span;

/// Longest specification and most items of one; longer ones are no command line that a person wrote.
const MAX_SPEC: usize = 4_096;

impl DriverSpec {
    /// Reads a specification.
    ///
    /// A bare branch is every release of it from its first production release on ([`Branch::production`]). A version
    /// names that release, known or not; of a branch newer than the tables nothing can be told. Ranges hold the
    /// production releases between their ends; an end that is a bare branch takes that branch in (`525..=550`) or leaves
    /// it out (`<580`).
    ///
    /// # Errors
    ///
    /// What is wrong, where, and the nearest valid spelling.
    pub fn parse(text: &str, tables: &Tables) -> Result<Self, SpecError> {
        let parser = Parser { spec: text, drivers: tables.drivers() };
        let whole = Span::new(0, text.len());
        if text.len() > MAX_SPEC {
            return Err(parser.error(SpecProblem::NoRelease, whole, None));
        }
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("host") {
            return Ok(Self::Host);
        }
        if let Some(release) = trimmed.strip_prefix("l4t:").or_else(|| trimmed.strip_prefix("L4T:")) {
            let bare = release.trim().trim_start_matches(['r', 'R']);
            let plain = !bare.is_empty()
                && bare
                    .split('.')
                    .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
            let near = tables
                .gpus()
                .l4t_releases()
                .last()
                .map(|row| format!("l4t:{}", row.l4t.trim_start_matches('R')));
            return if plain {
                Ok(Self::L4t(bare.to_owned()))
            } else {
                Err(parser.error(SpecProblem::L4t, whole, near))
            };
        }
        parser.parse().map(Self::Drivers)
    }
}

struct Parser<'s> {
    spec: &'s str,
    drivers: &'s DriverTable,
}

/// One end of a range.
#[derive(Clone)]
struct Bound {
    version: DriverVersion,
    inclusive: bool,
    span: Span,
}

impl Bound {
    fn is_branch(&self) -> bool {
        self.version.part_count() == 1
    }

    /// Whether `version` is at or above this lower end.
    fn admits_from(&self, version: &DriverVersion) -> bool {
        if self.is_branch() {
            let branch = self.version.branch();
            return if self.inclusive { version.branch() >= branch } else { version.branch() > branch };
        }
        if self.inclusive { *version >= self.version } else { *version > self.version }
    }

    /// Whether `version` is at or below this upper end.
    fn admits_to(&self, version: &DriverVersion) -> bool {
        if self.is_branch() {
            let branch = self.version.branch();
            return if self.inclusive { version.branch() <= branch } else { version.branch() < branch };
        }
        if self.inclusive { *version <= self.version } else { *version < self.version }
    }
}

#[derive(Default)]
struct Range {
    from: Option<Bound>,
    to: Option<Bound>,
}

impl<'s> Parser<'s> {
    fn error(&self, problem: SpecProblem, span: Span, nearest: Option<String>) -> SpecError {
        SpecError { spec: self.spec.chars().take(120).collect(), problem, span, nearest }
    }

    fn parse(&self) -> Result<DriverSet, SpecError> {
        let mut items: Vec<(usize, &str)> = Vec::new();
        let mut at = 0;
        for part in self.spec.split(',') {
            let trimmed = part.trim_start();
            items.push((at + part.len() - trimmed.len(), trimmed.trim_end()));
            at += part.len() + 1;
        }
        if items.len() > 1 && items.last().is_some_and(|(_, item)| item.is_empty()) {
            items.pop();
        }
        let bounded = |item: &str| item.starts_with(['<', '>', '=']);
        let bounds = items.iter().filter(|(_, item)| bounded(item)).count();
        let mut points = Vec::new();
        let mut open_end = false;
        if bounds == items.len() {
            let (range, span) = self.bounds(&items)?;
            open_end = self.collect(&range, span, &mut points)?;
        } else if let Some((at, item)) = items.iter().find(|(_, item)| bounded(item)) {
            return Err(self.error(SpecProblem::Mixed, Span::new(*at, at + item.len()), None));
        } else {
            for (at, item) in items {
                let span = Span::new(at, at + item.len());
                if item.is_empty() {
                    return Err(self.error(SpecProblem::Empty, span, None));
                }
                match item.split_once("..") {
                    Some((from, to)) => {
                        let range = self.dotted(at, from, to)?;
                        open_end |= self.collect(&range, span, &mut points)?;
                    }
                    None => self.item(at, item, &mut points)?,
                }
            }
        }
        sort_points(&mut points);
        Ok(DriverSet { spec: self.spec.trim().to_owned(), points, open_end })
    }

    /// `>=A, <B`: all bounds must hold; several of one kind give the tightest.
    fn bounds(&self, items: &[(usize, &str)]) -> Result<(Range, Span), SpecError> {
        let mut range = Range::default();
        for (at, item) in items {
            let text = item.trim_start_matches(['<', '>', '=']);
            let operator = item.get(..item.len() - text.len()).unwrap_or_default();
            let skipped = text.len() - text.trim_start().len();
            let bound = |inclusive| self.bound(at + operator.len() + skipped, text.trim(), inclusive);
            match operator {
                ">=" => range.from = tightest(range.from, bound(true)?, true),
                ">" => range.from = tightest(range.from, bound(false)?, true),
                "<=" => range.to = tightest(range.to, bound(true)?, false),
                "<" => range.to = tightest(range.to, bound(false)?, false),
                "=" | "==" => {
                    range.from = tightest(range.from, bound(true)?, true);
                    range.to = tightest(range.to, bound(true)?, false);
                }
                _ => {
                    let near =
                        nearest(operator, [">=", "<=", ">", "<"]).map(|op| format!("{op}{}", text.trim()));
                    let error = VersionError {
                        what: "bound",
                        text: (*item).to_owned(),
                        problem: "the operators are >=, >, <= and <".to_owned(),
                        span: Span::new(0, operator.len()),
                        nearest: None,
                    };
                    let span = Span::new(*at, at + operator.len());
                    return Err(self.error(SpecProblem::Version(Box::new(error)), span, near));
                }
            }
        }
        let start = items.first().map_or(0, |(at, _)| *at);
        let end = items.last().map_or(0, |(at, item)| at + item.len());
        Ok((range, Span::new(start, end)))
    }

    /// `A..B`, `A..=B`, `A..`, `..=B`.
    fn dotted(&self, at: usize, from: &str, to: &str) -> Result<Range, SpecError> {
        let mut range = Range::default();
        if !from.trim().is_empty() {
            range.from = Some(self.bound(at, from.trim(), true)?);
        }
        let (after, inclusive) = to.strip_prefix('=').map_or((to, false), |rest| (rest, true));
        let to_at = at + from.len() + 2 + usize::from(inclusive);
        if !after.trim().is_empty() {
            let skipped = after.len() - after.trim_start().len();
            range.to = Some(self.bound(to_at + skipped, after.trim(), inclusive)?);
        }
        if range.from.is_none() && range.to.is_none() {
            return Err(self.error(SpecProblem::Empty, Span::new(at, at + from.len() + 2 + to.len()), None));
        }
        Ok(range)
    }

    fn bound(&self, at: usize, text: &str, inclusive: bool) -> Result<Bound, SpecError> {
        let version = self.version(at, text)?;
        Ok(Bound { version, inclusive, span: Span::new(at, at + text.len()) })
    }

    fn version(&self, at: usize, text: &str) -> Result<DriverVersion, SpecError> {
        if text.is_empty() {
            return Err(self.error(SpecProblem::Empty, Span::new(at, at), None));
        }
        let bare = text.strip_prefix(['R', 'r']).unwrap_or(text);
        bare.parse().map_err(|mut error: VersionError| {
            let shift = at + text.len() - bare.len();
            let span = Span::new(shift + error.span.start, shift + error.span.end);
            let near = other_notation(bare).or(error.nearest.take());
            self.error(SpecProblem::Version(Box::new(error)), span, near)
        })
    }

    /// A list item: a branch or a version.
    fn item(&self, at: usize, text: &str, points: &mut Vec<DriverPoint>) -> Result<(), SpecError> {
        let version = self.version(at, text)?;
        let branch = version.branch();
        // No driver since 2004 has so small a number; it is rather a CUDA version.
        let older = branch.0 >= 100 && self.drivers.oldest().is_some_and(|oldest| branch < oldest.branch);
        let Some(row) = self.drivers.get(branch) else {
            if older || self.drivers.is_newer_than_known(branch) {
                points.push(DriverPoint { version, branch, kind: None });
                return Ok(());
            }
            let near = self.drivers.nearest(branch).filter(|row| row.branch.0.abs_diff(branch.0) < 100);
            let near = near.map(|row| row.branch.to_string());
            return Err(self.error(SpecProblem::UnknownBranch(branch), Span::new(at, at + text.len()), near));
        };
        if version.part_count() > 1 {
            points.push(DriverPoint::new(version, self.drivers));
            return Ok(());
        }
        let production = row.production();
        if production.is_empty() {
            points.push(DriverPoint { version, branch, kind: None });
        }
        points.extend(production.into_iter().map(|release| DriverPoint {
            version: release.version.clone(),
            branch,
            kind: Some(release.kind),
        }));
        Ok(())
    }

    /// Adds the releases of a range; says whether the range is open above the newest release known.
    fn collect(&self, range: &Range, span: Span, points: &mut Vec<DriverPoint>) -> Result<bool, SpecError> {
        if let (Some(from), Some(to)) = (&range.from, &range.to)
            && contradict(from, to)
        {
            let swapped = if self.spec.contains("..") {
                format!("{}..={}", to.version, from.version)
            } else {
                format!(">={}, <={}", to.version, from.version)
            };
            return Err(self.error(SpecProblem::Contradiction, from.span.cover(to.span), Some(swapped)));
        }
        let before = points.len();
        for row in self.drivers.all() {
            points.extend(self.within(row, range));
        }
        let newest =
            self.drivers.all().iter().flat_map(|row| &row.releases).map(|release| &release.version).max();
        let open_end = newest.is_none_or(|newest| {
            let next = DriverVersion::from(DriverBranch(newest.branch().0.saturating_add(1)));
            range.to.as_ref().is_none_or(|to| to.admits_to(&next))
        });
        if points.len() == before {
            // Nothing known: a range that lies wholly beyond the tables stands for its lower end, of which nothing is known.
            if let (true, Some(from)) = (open_end, &range.from)
                && self.drivers.is_newer_than_known(from.version.branch())
            {
                points.push(DriverPoint::new(from.version.clone(), self.drivers));
                return Ok(true);
            }
            let wanted = range.from.as_ref().or(range.to.as_ref()).map(|bound| bound.version.branch());
            let near =
                wanted.and_then(|branch| self.drivers.nearest(branch)).map(|row| row.branch.to_string());
            return Err(self.error(SpecProblem::NoRelease, span, near));
        }
        Ok(open_end)
    }

    fn within(&self, row: &Branch, range: &Range) -> Vec<DriverPoint> {
        // A lower end inside the branch asks for releases by number, not from the first production release on.
        let starts_inside =
            range.from.as_ref().is_some_and(|from| !from.is_branch() && from.version.branch() == row.branch);
        let has_production = row.releases.iter().any(|release| release.kind.may_be_production());
        let candidates: Vec<_> = if starts_inside {
            let wanted = |kind: ReleaseKind| {
                kind.may_be_production() || (!has_production && kind == ReleaseKind::Toolkit)
            };
            row.releases.iter().filter(|release| wanted(release.kind)).collect()
        } else {
            row.production()
        };
        candidates
            .into_iter()
            .filter(|release| range.from.as_ref().is_none_or(|from| from.admits_from(&release.version)))
            .filter(|release| range.to.as_ref().is_none_or(|to| to.admits_to(&release.version)))
            .map(|release| DriverPoint {
                version: release.version.clone(),
                branch: row.branch,
                kind: Some(release.kind),
            })
            .collect()
    }
}

/// What other notations of ranges mean: `525-550`, `525+`, `525.*`.
fn other_notation(text: &str) -> Option<String> {
    let is_version = |text: &str| text.parse::<DriverVersion>().is_ok();
    if let Some((from, to)) = text.split_once('-').filter(|(from, to)| is_version(from) && is_version(to)) {
        return Some(format!("{from}..={to}"));
    }
    if let Some(from) = text.strip_suffix('+').filter(|from| is_version(from)) {
        return Some(format!(">={from}"));
    }
    text.strip_suffix(".*")
        .or_else(|| text.strip_suffix(".x"))
        .filter(|from| is_version(from))
        .map(str::to_owned)
}

fn contradict(from: &Bound, to: &Bound) -> bool {
    let (low, high) = (&from.version, &to.version);
    if from.is_branch() || to.is_branch() {
        let (low, high) = (low.branch(), high.branch());
        return match low.cmp(&high) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => {
                (from.is_branch() && !from.inclusive) || (to.is_branch() && !to.inclusive)
            }
        };
    }
    low > high || (low == high && !(from.inclusive && to.inclusive))
}

#[expect(clippy::unnecessary_wraps, reason = "the caller assigns it to an optional end")]
fn tightest(known: Option<Bound>, new: Bound, lower: bool) -> Option<Bound> {
    let Some(known) = known else { return Some(new) };
    let new_is_tighter = match new.version.cmp(&known.version) {
        std::cmp::Ordering::Equal => !new.inclusive,
        ordering => ordering.is_gt() == lower,
    };
    Some(if new_is_tighter { new } else { known })
}
