//! What holds over a set of drivers: for all, for some (from which driver on), for none, or unknown; by interval and branch.

use serde::Serialize;

use super::drivers::{DriverPoint, DriverSet};
use super::version::{DriverBranch, DriverVersion};

/// A statement about one driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// It cannot be told.
    Unknown,
}

impl Truth {
    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    /// The same as far as both agree, else unknown.
    #[must_use]
    pub fn agree(self, other: Self) -> Self {
        if self == other { self } else { Self::Unknown }
    }

    /// As the `satisfied` key of the JSON output: true, false, null.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No => Some(false),
            Self::Unknown => None,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// A run of neighbouring drivers of a set for which a statement has the same truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// The least driver of the run.
    pub first: DriverVersion,
    /// The greatest driver of the run.
    pub last: DriverVersion,
    /// How many drivers of the set it covers.
    pub releases: usize,
    /// What holds for them.
    pub truth: Truth,
}

/// The truth of a statement over one branch of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BranchTruth {
    /// The branch.
    pub branch: DriverBranch,
    /// Yes or no when all its drivers in the set agree; unknown when they differ or any is unknown.
    pub truth: Truth,
    /// How many hold, fail, and are unknown.
    pub counts: [usize; 3],
    /// The least driver of the branch from which on all its drivers in the set hold.
    pub from: Option<DriverVersion>,
}

/// The truth of a statement over a set of drivers, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RangeWord {
    /// It holds for every driver.
    All,
    /// It fails for some, and holds (or may hold) for others.
    Some,
    /// It holds for none.
    None,
    /// For some or all it cannot be told, and it fails for none that can be told.
    Unknown,
}

impl RangeWord {
    /// The word of the JSON output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Some => "some",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// The truth of a statement over a set of drivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RangeVerdict {
    /// In one word. Drivers that are unknown make the whole unknown, unless another fails.
    pub word: RangeWord,
    /// For [`RangeWord::Some`]: the least driver of the set from which on it holds for all of the set; `None` where the
    /// greatest driver fails.
    pub from: Option<DriverVersion>,
    /// Neighbouring drivers of the same truth, least first.
    pub intervals: Vec<Interval>,
    /// By branch, least first.
    pub branches: Vec<BranchTruth>,
    /// Whether the set also reaches beyond the newest driver known, of which nothing is said here.
    pub open_end: bool,
}

impl RangeVerdict {
    /// Asks a statement of every driver of a set.
    #[must_use]
    pub fn over(set: &DriverSet, mut ask: impl FnMut(&DriverPoint) -> Truth) -> Self {
        let truths: Vec<(&DriverPoint, Truth)> =
            set.points().iter().map(|point| (point, ask(point))).collect();
        let mut intervals: Vec<Interval> = Vec::new();
        let mut branches: Vec<BranchTruth> = Vec::new();
        for (point, truth) in &truths {
            match intervals.last_mut() {
                Some(run) if run.truth == *truth => {
                    run.last = point.version.clone();
                    run.releases += 1;
                }
                _ => intervals.push(Interval {
                    first: point.version.clone(),
                    last: point.version.clone(),
                    releases: 1,
                    truth: *truth,
                }),
            }
            let slot = match truth {
                Truth::Yes => [1, 0, 0],
                Truth::No => [0, 1, 0],
                Truth::Unknown => [0, 0, 1],
            };
            let from = (*truth == Truth::Yes).then(|| point.version.clone());
            match branches.last_mut() {
                Some(branch) if branch.branch == point.branch => {
                    for (count, one) in branch.counts.iter_mut().zip(slot) {
                        *count += one;
                    }
                    branch.truth = branch.truth.agree(*truth);
                    branch.from = from.and_then(|version| branch.from.take().or(Some(version)));
                }
                _ => branches.push(BranchTruth { branch: point.branch, truth: *truth, counts: slot, from }),
            }
        }
        let has = |truth: Truth| truths.iter().any(|(_, one)| *one == truth);
        let word = match (has(Truth::Yes), has(Truth::No), has(Truth::Unknown)) {
            (true, true, _) | (_, true, true) => RangeWord::Some,
            (_, _, true) | (false, false, false) => RangeWord::Unknown,
            (true, false, false) => RangeWord::All,
            (false, true, false) => RangeWord::None,
        };
        let from = intervals.last().filter(|run| word == RangeWord::Some && run.truth == Truth::Yes);
        Self { word, from: from.map(|run| run.first.clone()), intervals, branches, open_end: set.open_end() }
    }

    /// The runs for which it does not hold.
    pub fn failing(&self) -> impl Iterator<Item = &Interval> {
        self.intervals.iter().filter(|run| run.truth == Truth::No)
    }

    /// The runs of which nothing can be told.
    pub fn unknown(&self) -> impl Iterator<Item = &Interval> {
        self.intervals.iter().filter(|run| run.truth == Truth::Unknown)
    }
}
