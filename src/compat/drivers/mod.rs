//! Driver specifications (`525`, `525.60.13`, `525..=550`, `>=525.60.13, <580`, lists, `l4t:36.4`, `host`) and the sets of
//! real releases that they stand for.

mod parse;

use std::fmt;

use serde::Serialize;

use super::tables::{DriverTable, ReleaseKind};
use super::version::{DriverBranch, DriverVersion, VersionError, nearest_note};
use crate::span::Span;

/// One driver of a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct DriverPoint {
    /// Its version.
    pub version: DriverVersion,
    /// Its branch.
    pub branch: DriverBranch,
    /// What it was published as; `None` for a version that is not in the table.
    pub kind: Option<ReleaseKind>,
}

impl DriverPoint {
    /// A driver by its version, with what the table knows of it.
    #[must_use]
    pub fn new(version: DriverVersion, drivers: &DriverTable) -> Self {
        let branch = version.branch();
        let kind = drivers.get(branch).and_then(|row| row.release(&version)).map(|release| release.kind);
        Self { version, branch, kind }
    }
}

/// A set of drivers, by version, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverSet {
    spec: String,
    points: Vec<DriverPoint>,
    open_end: bool,
}

impl DriverSet {
    /// A set of exactly one driver.
    #[must_use]
    pub fn single(version: DriverVersion, drivers: &DriverTable) -> Self {
        let spec = version.to_string();
        Self { spec, points: vec![DriverPoint::new(version, drivers)], open_end: false }
    }

    /// As it was written.
    #[must_use]
    pub fn spec(&self) -> &str {
        &self.spec
    }

    /// Its drivers, least version first; never empty.
    #[must_use]
    pub fn points(&self) -> &[DriverPoint] {
        &self.points
    }

    /// The least driver.
    #[must_use]
    pub fn least(&self) -> Option<&DriverPoint> {
        self.points.first()
    }

    /// The greatest driver known to be in it.
    #[must_use]
    pub fn greatest(&self) -> Option<&DriverPoint> {
        self.points.last()
    }

    /// Whether it also reaches beyond the newest driver known (`>=525` has no upper end).
    #[must_use]
    pub fn open_end(&self) -> bool {
        self.open_end
    }

    /// Its branches, least first.
    #[must_use]
    pub fn branches(&self) -> Vec<DriverBranch> {
        let mut branches: Vec<_> = self.points.iter().map(|point| point.branch).collect();
        branches.dedup();
        branches
    }

    /// The drivers of one branch of the set.
    #[must_use]
    pub fn branch(&self, branch: DriverBranch) -> Self {
        let points = self.points.iter().filter(|point| point.branch == branch).cloned().collect();
        Self { spec: branch.to_string(), points, open_end: false }
    }

    /// The drivers of both sets; the text names both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut points = self.points.clone();
        points.extend(other.points.iter().cloned());
        sort_points(&mut points);
        let spec = if self.spec == other.spec {
            self.spec.clone()
        } else {
            format!("{}, {}", self.spec, other.spec)
        };
        Self { spec, points, open_end: self.open_end || other.open_end }
    }
}

fn sort_points(points: &mut Vec<DriverPoint>) {
    points.sort_by(|a, b| a.version.cmp(&b.version));
    points.dedup_by(|a, b| a.version == b.version);
}

impl fmt::Display for DriverSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.spec)
    }
}

/// What `--driver` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverSpec {
    /// The driver of this machine; finding it is the caller's.
    Host,
    /// A Jetson Linux release, e.g. "36.4".
    L4t(String),
    /// Desktop and data-centre drivers.
    Drivers(DriverSet),
}

/// A driver specification that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("driver specification `{spec}`: {problem}{}", nearest_note(.nearest.as_deref()))]
pub struct SpecError {
    /// The whole specification (cut at 120 characters).
    pub spec: String,
    /// What is wrong.
    pub problem: SpecProblem,
    /// Where in the specification.
    pub span: Span,
    /// The nearest valid spelling, where one is evident.
    pub nearest: Option<String>,
}

/// What can be wrong with a driver specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecProblem {
    /// Nothing was written, or nothing between two commas.
    #[error("a driver is missing; write a branch like 525 or a version like 525.60.13")]
    Empty,
    /// A part is no version.
    #[error("{0}")]
    Version(Box<VersionError>),
    /// A branch that was never published for Linux.
    #[error("there is no Linux driver branch {0}")]
    UnknownBranch(DriverBranch),
    /// Bounds that exclude each other.
    #[error("the bounds exclude each other, no driver is in both")]
    Contradiction,
    /// A range without any release.
    #[error("no known release lies in this range")]
    NoRelease,
    /// Bounds and list items mixed.
    #[error("bounds (>=, <) and list items cannot be mixed; write one range with .. per item")]
    Mixed,
    /// Not a release of Jetson Linux.
    #[error("`l4t:` takes a release of Jetson Linux like 36.4")]
    L4t,
}

impl DriverSpec {
    /// The set of drivers, where the specification names one.
    #[must_use]
    pub fn drivers(&self) -> Option<&DriverSet> {
        match self {
            Self::Drivers(set) => Some(set),
            Self::Host | Self::L4t(_) => None,
        }
    }
}
