//! CUDA version against driver: backward and minor-version compatibility, and which GPUs a branch drives.

use super::forward::{self, Help};
use super::{Footing, Question, Reason, ReasonKind, Verdict};
use crate::compat::drivers::DriverPoint;
use crate::compat::gpu::Gpu;
use crate::compat::range::Truth;
use crate::compat::tables::{Branch, Tables};
use crate::compat::version::{CudaVersion, DriverVersion, PtxIsa};

/// The least Linux driver that runs a CUDA version: the floor of its family (minor-version compatibility), or the driver
/// of the toolkit itself where that is lower or where there is no family floor (10.2 and older). `None` for versions that
/// are newer than the tables or older than them.
#[must_use]
pub fn least_driver(cuda: CudaVersion, tables: &Tables) -> Option<DriverVersion> {
    let toolkits = tables.toolkits();
    if toolkits.is_newer_than_known(cuda) {
        return None;
    }
    let floor = toolkits.family(cuda.major).map(|family| family.minor_compat_min_driver.clone());
    let own = toolkits.closest(cuda).and_then(|row| row.toolkit_driver_linux.clone());
    match (floor, own) {
        (Some(floor), Some(own)) => Some(floor.min(own)),
        (Some(only), None) | (None, Some(only)) => Some(only),
        (None, None) => None,
    }
}

/// What the driver alone makes of a CUDA version.
pub(super) enum Native {
    Ok(Reason),
    Minor(Reason),
    No(Reason),
    Unknown(Reason),
}

fn branch_row(row: &Branch) -> String {
    format!("branch {}", row.branch)
}

/// Backward and minor-version compatibility, without any compat library.
pub(super) fn native(cuda: CudaVersion, point: &DriverPoint, row: &Branch, tables: &Tables) -> Native {
    let toolkits = tables.toolkits();
    let driver = &point.version;
    let source = &row.provenance.source;
    if toolkits.is_newer_than_known(cuda) {
        let newest =
            toolkits.newest().map_or_else(String::new, |newest| newest.version.minor_only().to_string());
        let text = format!("CUDA {cuda} is newer than the tables, whose newest is {newest}");
        return Native::Unknown(Reason::new(ReasonKind::NotInTables, Truth::Unknown, text));
    }
    let minor = cuda.minor_only();
    if toolkits.family(cuda.major).is_none() {
        return native_before_11(cuda, point, row, tables);
    }
    match row.cuda_max {
        Some(reported) if reported >= minor => {
            let text =
                format!("driver {driver} reports CUDA {reported}, which runs {minor} and everything older");
            return Native::Ok(
                Reason::new(ReasonKind::Backward, Truth::Yes, text).row(branch_row(row), source),
            );
        }
        Some(_) => {}
        None => {
            let below = tables.drivers().all().iter().filter(|other| other.branch < row.branch);
            if below.filter_map(|other| other.cuda_max).max().is_some_and(|least| least >= minor) {
                let text = format!("branches older than {} already report CUDA {minor} or newer", row.branch);
                return Native::Ok(
                    Reason::new(ReasonKind::Backward, Truth::Yes, text).row(branch_row(row), source),
                );
            }
        }
    }
    let Some(family) = toolkits.family(cuda.major) else {
        return Native::Unknown(Reason::new(
            ReasonKind::NotInTables,
            Truth::Unknown,
            format!("CUDA {cuda} is unknown"),
        ));
    };
    let floor = &family.minor_compat_min_driver;
    let family_row = format!("family {}", family.major);
    if driver >= floor {
        let text = format!(
            "driver {driver} is at or above {floor}, from which every CUDA {}.x runs by minor-version compatibility",
            family.major
        );
        let reason = Reason::new(ReasonKind::MinorVersion, Truth::Yes, text);
        return Native::Minor(reason.row(family_row, &family.provenance.source));
    }
    let reported = row.cuda_max.map_or_else(String::new, |reported| format!(" (it reports CUDA {reported})"));
    let text = format!("CUDA {}.x runs from driver {floor} on, this is {driver}{reported}", family.major);
    let reason = Reason::new(ReasonKind::DriverTooOld, Truth::No, text).error(35);
    Native::No(reason.row(family_row, &family.provenance.source))
}

/// Up to 10.2 there is no minor-version compatibility: the toolkit's own driver is the minimum.
fn native_before_11(cuda: CudaVersion, point: &DriverPoint, row: &Branch, tables: &Tables) -> Native {
    let driver = &point.version;
    let oldest = tables.toolkits().all().first();
    let Some(toolkit) = tables.toolkits().closest(cuda) else {
        if oldest.is_some_and(|oldest| cuda < oldest.version) {
            let text = format!(
                "CUDA {cuda} is older than what driver {driver} reports; newer drivers run older CUDA"
            );
            return Native::Ok(
                Reason::new(ReasonKind::Backward, Truth::Yes, text)
                    .row(branch_row(row), &row.provenance.source),
            );
        }
        let text = format!("CUDA {cuda} is not in the tables");
        return Native::Unknown(Reason::new(ReasonKind::NotInTables, Truth::Unknown, text));
    };
    let key = format!("toolkit {}", toolkit.version);
    let source = &toolkit.provenance.source;
    let Some(own) = &toolkit.toolkit_driver_linux else {
        let text = format!("the driver of CUDA {} is not in the tables", toolkit.version);
        return Native::Unknown(Reason::new(ReasonKind::NotInTables, Truth::Unknown, text).row(key, source));
    };
    let paired = row.cuda_max == Some(cuda.minor_only())
        && row.toolkit_min.as_ref().is_some_and(|least| driver >= least);
    if driver >= own || paired {
        let text = format!("CUDA {} runs from driver {own} on, this is {driver}", cuda.minor_only());
        return Native::Ok(Reason::new(ReasonKind::Backward, Truth::Yes, text).row(key, source));
    }
    let text = format!(
        "CUDA {} needs driver {own} (before 11 there is no minor-version compatibility), this is {driver}",
        cuda.minor_only()
    );
    Native::No(Reason::new(ReasonKind::DriverTooOld, Truth::No, text).error(35).row(key, source))
}

/// Whether a branch drives a GPU.
pub(super) fn drives(gpu: &Gpu, point: &DriverPoint, tables: &Tables) -> Reason {
    let kind = ReasonKind::GpuDriven;
    let Some(sm) = tables.gpus().sm(gpu.cc) else {
        let text = format!("compute capability {} is not in the tables", gpu.cc);
        return Reason::new(ReasonKind::NotInTables, Truth::Unknown, text);
    };
    let row = format!("sm {}", sm.cc);
    let source = &sm.provenance.source;
    let Some(first) = sm.min_branch else {
        let text = format!("{gpu} is a Jetson part; desktop drivers do not drive it");
        return Reason::new(ReasonKind::Jetson, Truth::No, text).row(row, source).error(100);
    };
    if let Some(last) = sm.last_branch.filter(|last| point.branch > *last) {
        let text = format!(
            "branch {} no longer drives {gpu} ({}, {}); the last one is {last}",
            point.branch, sm.arch, sm.cc
        );
        return Reason::new(kind, Truth::No, text).row(row, source).error(100);
    }
    if point.branch < first {
        let text = format!(
            "branch {} does not drive {gpu} ({}, {}) yet; the first one is {first}",
            point.branch, sm.arch, sm.cc
        );
        return Reason::new(kind, Truth::No, text).row(row, source).error(100);
    }
    Reason::new(kind, Truth::Yes, format!("branch {} drives {gpu} ({}, {})", point.branch, sm.arch, sm.cc))
        .row(row, source)
}

/// The newest PTX ISA that a driver's own compiler accepts.
fn ptx_limit(row: &Branch) -> Option<PtxIsa> {
    row.ptx_max
}

/// What driver, CUDA version, GPU model and compat library come to.
pub(super) fn footing(point: &DriverPoint, question: &Question<'_>, tables: &Tables) -> Footing {
    let Some(row) = tables.drivers().get(point.branch) else {
        let newest = tables.drivers().newest().map_or_else(String::new, |row| row.branch.to_string());
        let text = format!("driver branch {} is not in the tables (newest known: {newest})", point.branch);
        let reasons = vec![Reason::new(ReasonKind::NotInTables, Truth::Unknown, text)];
        return Footing { verdict: Verdict::Unknown, truth: Truth::Unknown, reasons, ptx_limit: None };
    };
    let driven = question.gpu.map(|gpu| drives(gpu, point, tables));
    if let Some(reason) = driven.as_ref().filter(|reason| reason.holds == Truth::No) {
        let reasons = vec![reason.clone()];
        return Footing { verdict: Verdict::Fails, truth: Truth::No, reasons, ptx_limit: ptx_limit(row) };
    }
    let native = match question.cuda {
        Some(cuda) => native(cuda, point, row, tables),
        None => {
            let text =
                format!("no CUDA version was given; driver {} reports {}", point.version, reported(row));
            Native::Ok(
                Reason::new(ReasonKind::Backward, Truth::Yes, text)
                    .row(branch_row(row), &row.provenance.source),
            )
        }
    };
    let mut footing = match native {
        Native::Ok(reason) => Footing {
            verdict: Verdict::Ok,
            truth: Truth::Yes,
            reasons: vec![reason],
            ptx_limit: ptx_limit(row),
        },
        Native::Minor(reason) => {
            let limit = ptx_limit(row);
            Footing {
                verdict: Verdict::OkMinorCompat,
                truth: Truth::Yes,
                reasons: vec![reason],
                ptx_limit: limit,
            }
        }
        Native::Unknown(reason) => {
            let reasons = vec![reason];
            Footing { verdict: Verdict::Unknown, truth: Truth::Unknown, reasons, ptx_limit: ptx_limit(row) }
        }
        Native::No(reason) => {
            let reasons = vec![reason];
            Footing { verdict: Verdict::Fails, truth: Truth::No, reasons, ptx_limit: ptx_limit(row) }
        }
    };
    match forward::help(point, question, &footing, tables) {
        Help::None => {}
        Help::Note(reason) => footing.reasons.push(reason),
        Help::Changes { verdict, truth, reasons, ptx_limit } => {
            footing.verdict = verdict;
            footing.truth = truth;
            footing.reasons.splice(0..0, reasons);
            footing.ptx_limit = ptx_limit.or(footing.ptx_limit);
        }
    }
    if let Some(reason) = driven {
        if reason.holds == Truth::Unknown && footing.truth == Truth::Yes {
            footing.verdict = Verdict::Unknown;
            footing.truth = Truth::Unknown;
            footing.reasons.insert(0, reason);
        } else {
            footing.reasons.push(reason);
        }
    }
    footing
}

fn reported(row: &Branch) -> String {
    row.cuda_max
        .map_or_else(|| "a CUDA version that is not in the tables".to_owned(), |cuda| format!("CUDA {cuda}"))
}
