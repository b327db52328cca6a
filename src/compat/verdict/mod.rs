//! The verdict: will code of a CUDA version run on a driver and a GPU, and why (NVIDIA CUDA Compatibility guide).
//!
//! `satisfied` and `verdict` say different things. [`Verdict::NeedsForwardCompat`] means that neither backward nor
//! minor-version compatibility allows the pair, but that a `cuda-compat` package does: it is satisfied only when such a
//! package was given and holds for driver and GPU, unknown when one was given and the GPU is not known, and not satisfied
//! when none was given.

mod code;
mod driver;
mod forward;
mod l4t;
mod matrix;

use serde::Serialize;

use super::drivers::DriverPoint;
use super::gpu::Gpu;
use super::range::Truth;
use super::tables::{PackageVersion, Tables};
use super::version::{CudaVersion, DriverBranch, DriverVersion, PtxIsa, SmTarget};

pub use driver::least_driver;
pub use matrix::{Cell, Matrix, MatrixRow, RangeAnswer, judge_over, matrix};

/// One word for the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The driver natively supports the CUDA version or a newer one.
    Ok,
    /// The driver is older but of the same major family, at or above its floor.
    OkMinorCompat,
    /// Only a compat package can help; see `satisfied`.
    NeedsForwardCompat,
    /// The GPU would need PTX that the driver cannot compile.
    PtxJitFails,
    /// No code for the GPU.
    NoKernelImage,
    /// It does not run.
    Fails,
    /// It cannot be told.
    Unknown,
}

impl Verdict {
    /// The word of the JSON output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OkMinorCompat => "ok-minor-compat",
            Self::NeedsForwardCompat => "needs-forward-compat",
            Self::PtxJitFails => "ptx-jit-fails",
            Self::NoKernelImage => "no-kernel-image",
            Self::Fails => "fails",
            Self::Unknown => "unknown",
        }
    }
}

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonKind {
    /// The driver reports this CUDA version or a newer one.
    Backward,
    /// Minor-version compatibility.
    MinorVersion,
    /// The driver is below what the CUDA version needs.
    DriverTooOld,
    /// Forward compatibility by a package.
    Forward,
    /// A compat library that is not used or harms.
    CompatLibrary,
    /// The branch drives the GPU, not yet, or no longer.
    GpuDriven,
    /// Device code in machine form.
    Sass,
    /// Device code in PTX form.
    Ptx,
    /// A stub driver library is found instead of the driver's.
    Stub,
    /// Jetson.
    Jetson,
    /// Something is newer than the tables.
    NotInTables,
}

/// One step of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it is about.
    pub kind: ReasonKind,
    /// Whether it speaks for running (yes), against it (no), or leaves it open.
    pub holds: Truth,
    /// The statement, a plain sentence part without a full stop.
    pub text: String,
    /// The table row that it rests on, as `table key`.
    pub row: Option<String>,
    /// Keys of the row's sources.
    pub source: Vec<String>,
    /// The error code that the program will show.
    pub error: Option<u16>,
}

impl Reason {
    fn new(kind: ReasonKind, holds: Truth, text: impl Into<String>) -> Self {
        Self { kind, holds, text: text.into(), row: None, source: Vec::new(), error: None }
    }

    fn row(mut self, row: impl Into<String>, source: &[String]) -> Self {
        self.row = Some(row.into());
        self.source = source.to_vec();
        self
    }

    fn error(mut self, code: u16) -> Self {
        self.error = Some(code);
        self
    }
}

/// The answer to a [`Question`], with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The outcome in one word.
    pub verdict: Verdict,
    /// Whether it runs.
    pub satisfied: Option<bool>,
    /// The proof, the deciding step first.
    pub reasons: Vec<Reason>,
}

impl Answer {
    /// Whether it runs, as a truth that can be combined.
    #[must_use]
    pub fn truth(&self) -> Truth {
        match self.satisfied {
            Some(satisfied) => Truth::from(satisfied),
            None => Truth::Unknown,
        }
    }

    /// The error code that the program will show where it fails, or would show where that is open.
    #[must_use]
    pub fn error(&self) -> Option<u16> {
        let truth = self.truth();
        let mut deciding = self.reasons.iter().filter(|reason| reason.holds == truth && truth != Truth::Yes);
        deciding.find_map(|reason| reason.error)
    }

    /// The deciding step.
    #[must_use]
    pub fn deciding(&self) -> Option<&Reason> {
        self.reasons.first()
    }
}

/// PTX code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Ptx {
    /// What it was compiled for.
    pub target: SmTarget,
    /// Version of its instruction set, where known; else that of the question's CUDA version is taken.
    pub isa: Option<PtxIsa>,
}

/// The device code of a program; a GPU needs one fitting piece of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeviceCode {
    /// Machine code targets.
    pub sass: Vec<SmTarget>,
    /// PTX.
    pub ptx: Vec<Ptx>,
}

impl DeviceCode {
    /// Whether there is none at all, which is taken as "not known".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sass.is_empty() && self.ptx.is_empty()
    }
}

/// A compat library in the container: what its name, file or ELF note tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompatLibrary {
    /// The X-Y of the package `cuda-compat-X-Y`.
    pub package: Option<PackageVersion>,
    /// Version of its libcuda.
    pub libcuda: Option<DriverVersion>,
    /// The driver branches that its ELF note lists; decides where it is given.
    pub note_drivers: Option<Vec<DriverBranch>>,
    /// Whether LD_LIBRARY_PATH or the loader's cache puts it before the host's library whatever the driver.
    pub forced: bool,
}

impl CompatLibrary {
    /// A package by its name alone.
    #[must_use]
    pub fn package(version: PackageVersion) -> Self {
        Self { package: Some(version), ..Self::default() }
    }
}

/// The driver that a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostDriver<'q> {
    /// A desktop or data-centre driver.
    Driver(&'q DriverPoint),
    /// A Jetson Linux release, e.g. "36.4".
    L4t(&'q str),
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The host's driver.
    pub driver: HostDriver<'q>,
    /// CUDA version of the runtime libraries, where known.
    pub cuda: Option<CudaVersion>,
    /// Device code, where known.
    pub code: Option<&'q DeviceCode>,
    /// A compat library in the container.
    pub compat: Option<&'q CompatLibrary>,
    /// The GPU, where known.
    pub gpu: Option<&'q Gpu>,
    /// Whether the loader finds the toolkit's stub of libcuda before the driver's library.
    pub stub_on_path: bool,
}

impl<'q> Question<'q> {
    /// A question about a driver alone, to be completed.
    #[must_use]
    pub fn new(driver: HostDriver<'q>) -> Self {
        Self { driver, cuda: None, code: None, compat: None, gpu: None, stub_on_path: false }
    }
}

/// How CUDA version and driver go together, before device code is looked at.
struct Footing {
    verdict: Verdict,
    truth: Truth,
    reasons: Vec<Reason>,
    /// Newest PTX ISA that will be accepted.
    ptx_limit: Option<PtxIsa>,
}

/// Answers a question from the tables.
#[must_use]
pub fn judge(question: &Question<'_>, tables: &Tables) -> Answer {
    if question.stub_on_path {
        let text = "the loader finds the toolkit's stub of libcuda instead of the driver's library";
        let reason = Reason::new(ReasonKind::Stub, Truth::No, text).error(34);
        return Answer { verdict: Verdict::Fails, satisfied: Some(false), reasons: vec![reason] };
    }
    let footing = match question.driver {
        HostDriver::L4t(release) => l4t::footing(release, question, tables),
        HostDriver::Driver(point) => driver::footing(point, question, tables),
    };
    let code = code::judge(question, footing.ptx_limit, tables);
    let (mut verdict, mut truth) = (footing.verdict, footing.truth);
    let mut reasons = footing.reasons;
    if let Some(code) = code {
        match code.truth {
            // What fails whatever the driver does is said even where the driver is unknown.
            Truth::No if truth != Truth::No => {
                (verdict, truth) = (code.verdict, Truth::No);
                reasons.splice(0..0, code.reasons);
            }
            Truth::Unknown if truth == Truth::Yes => {
                (verdict, truth) = (Verdict::Unknown, Truth::Unknown);
                reasons.splice(0..0, code.reasons);
            }
            _ => reasons.extend(code.reasons),
        }
    }
    Answer { verdict, satisfied: truth.as_bool(), reasons }
}
