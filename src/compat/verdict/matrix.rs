//! Verdicts over sets of drivers and several GPUs: what the `matrix` and range questions show.

use serde::Serialize;

use super::{Answer, HostDriver, Question, Verdict, judge};
use crate::compat::drivers::{DriverPoint, DriverSet};
use crate::compat::gpu::Gpu;
use crate::compat::range::{RangeVerdict, RangeWord, Truth};
use crate::compat::tables::Tables;
use crate::compat::version::{DriverBranch, DriverVersion};

/// A run of neighbouring drivers with the same verdict, and the answer for its least driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The least driver of the run.
    pub first: DriverVersion,
    /// The greatest driver of the run.
    pub last: DriverVersion,
    /// The answer for the least driver; the others of the run differ in figures only.
    pub answer: Answer,
}

/// The answer over a set of drivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RangeAnswer {
    /// For which drivers it runs.
    pub range: RangeVerdict,
    /// Runs of the same verdict, least driver first.
    pub cells: Vec<Cell>,
}

impl RangeAnswer {
    /// The run that decides: the first that fails, else the first that is unknown, else the first.
    #[must_use]
    pub fn deciding(&self) -> Option<&Cell> {
        let of = |truth: Truth| self.cells.iter().find(|cell| cell.answer.truth() == truth);
        of(Truth::No).or_else(|| of(Truth::Unknown)).or_else(|| self.weakest())
    }

    /// The least native of the runs that hold: minor-version compatibility before native support.
    fn weakest(&self) -> Option<&Cell> {
        let rank = |verdict: Verdict| match verdict {
            Verdict::NeedsForwardCompat => 0,
            Verdict::OkMinorCompat => 1,
            _ => 2,
        };
        self.cells.iter().min_by_key(|cell| rank(cell.answer.verdict))
    }

    /// The verdict in one word: the deciding run's; where drivers both hold and fail the failing one's.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.deciding().map_or(Verdict::Unknown, |cell| cell.answer.verdict)
    }

    /// True when it runs on every driver, false when one fails, else unknown.
    #[must_use]
    pub fn satisfied(&self) -> Option<bool> {
        match self.range.word {
            RangeWord::All => Some(true),
            RangeWord::Some | RangeWord::None => Some(false),
            RangeWord::Unknown => None,
        }
    }
}

/// Answers a question for every driver of a set; the question's own driver is not looked at.
#[must_use]
pub fn judge_over(question: &Question<'_>, set: &DriverSet, tables: &Tables) -> RangeAnswer {
    let mut cells: Vec<Cell> = Vec::new();
    let range = RangeVerdict::over(set, |point: &DriverPoint| {
        let answer = judge(&Question { driver: HostDriver::Driver(point), ..*question }, tables);
        let truth = answer.truth();
        match cells.last_mut() {
            Some(cell)
                if cell.answer.verdict == answer.verdict && cell.answer.satisfied == answer.satisfied =>
            {
                cell.last = point.version.clone();
            }
            _ => cells.push(Cell { first: point.version.clone(), last: point.version.clone(), answer }),
        }
        truth
    });
    RangeAnswer { range, cells }
}

/// One driver branch of a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// The branch.
    pub branch: DriverBranch,
    /// One answer per GPU of the matrix.
    pub answers: Vec<RangeAnswer>,
}

/// Driver branches against GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The columns; `None` stands for "whatever GPU" when none was named.
    pub gpus: Vec<Option<Gpu>>,
    /// The rows, least branch first.
    pub rows: Vec<MatrixRow>,
}

/// Answers a question for every branch of a set and every GPU; the question's own driver and GPU are not looked at.
#[must_use]
pub fn matrix(question: &Question<'_>, set: &DriverSet, gpus: &[Gpu], tables: &Tables) -> Matrix {
    let columns: Vec<Option<Gpu>> =
        if gpus.is_empty() { vec![None] } else { gpus.iter().cloned().map(Some).collect() };
    let mut rows = Vec::new();
    for branch in set.branches() {
        let of_branch = set.branch(branch);
        let answers = columns
            .iter()
            .map(|gpu| judge_over(&Question { gpu: gpu.as_ref(), ..*question }, &of_branch, tables))
            .collect();
        rows.push(MatrixRow { branch, answers });
    }
    Matrix { gpus: columns, rows }
}
