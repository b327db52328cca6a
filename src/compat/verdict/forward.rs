//! Forward compatibility: which compat package helps on which base branch and GPU, when a library is used at all, and
//! when it harms.

use super::{CompatLibrary, Footing, Question, Reason, ReasonKind, Verdict};
use crate::compat::drivers::DriverPoint;
use crate::compat::gpu::Gpu;
use crate::compat::range::Truth;
use crate::compat::tables::{Cell, ForwardSupport, PackageVersion, Tables};
use crate::compat::version::{CudaVersion, DriverBranch, DriverVersion, PtxIsa};

/// What a compat library (or the lack of one) does to a verdict.
pub(super) enum Help {
    None,
    Note(Reason),
    Changes { verdict: Verdict, truth: Truth, reasons: Vec<Reason>, ptx_limit: Option<PtxIsa> },
}

fn failing(reason: Reason) -> Help {
    Help::Changes { verdict: Verdict::Fails, truth: Truth::No, reasons: vec![reason], ptx_limit: None }
}

/// Looks at the compat library of a question, or for one that would help.
pub(super) fn help(point: &DriverPoint, question: &Question<'_>, footing: &Footing, tables: &Tables) -> Help {
    match question.compat {
        None if footing.truth == Truth::No => match question.cuda {
            Some(cuda) => suggest(cuda, point, question.gpu, tables),
            None => Help::None,
        },
        None => Help::None,
        Some(library) => with_library(library, point, question, footing, tables),
    }
}

/// Without a library: is there a package that would do?
fn suggest(cuda: CudaVersion, point: &DriverPoint, gpu: Option<&Gpu>, tables: &Tables) -> Help {
    let Some(package) = package_for(cuda, point.branch, tables) else {
        return match ended(cuda, point.branch, tables) {
            Some(reason) => Help::Note(reason),
            None => Help::None,
        };
    };
    if let Some(gpu) = gpu
        && eligible(gpu) == Truth::No
    {
        return Help::Note(gpu_reason(gpu, tables));
    }
    let edition = tables.forward().newest_edition();
    let text = format!(
        "only the compat package cuda-compat-{package} would bring CUDA {cuda} to branch {}, on data-centre GPUs",
        point.branch
    );
    let mut reason = Reason::new(ReasonKind::Forward, Truth::No, text).error(35);
    if let Some(edition) = edition {
        reason = reason.row(format!("edition {}", edition.id), &edition.provenance.source);
    }
    Help::Changes {
        verdict: Verdict::NeedsForwardCompat,
        truth: Truth::No,
        reasons: vec![reason],
        ptx_limit: package_ptx_limit(package, tables),
    }
}

/// The least package at or above a CUDA version that the newest edition offers on a base branch.
pub(crate) fn package_for(
    cuda: CudaVersion,
    branch: DriverBranch,
    tables: &Tables,
) -> Option<PackageVersion> {
    let edition = tables.forward().newest_edition()?;
    let wanted = PackageVersion(cuda.minor_only());
    let packages = edition.rows.iter().map(|row| row.package).filter(|package| *package >= wanted);
    packages.filter(|package| edition.cell(*package, branch) == Some(Cell::Compatible)).min()
}

/// A remark when NVIDIA once offered forward compatibility for a pair that the newest edition no longer has.
fn ended(cuda: CudaVersion, branch: DriverBranch, tables: &Tables) -> Option<Reason> {
    let forward = tables.forward();
    let package = PackageVersion(cuda.minor_only());
    for edition in forward.editions().iter().skip(1) {
        if edition.cell(package, branch) == Some(Cell::Compatible) {
            let text = format!(
                "cuda-compat-{package} on branch {branch} was offered in edition {}, the newest no longer has it",
                edition.id
            );
            let reason = Reason::new(ReasonKind::Forward, Truth::No, text);
            return Some(reason.row(format!("edition {}", edition.id), &edition.provenance.source));
        }
    }
    let ngc = forward.ngc_base(cuda).filter(|row| row.branches.contains(&branch))?;
    let text = format!(
        "NGC release notes once named branch {branch} as a base for CUDA {}, the newest matrix no longer has it",
        ngc.cuda
    );
    Some(
        Reason::new(ReasonKind::Forward, Truth::No, text)
            .row(format!("ngc_base {}", ngc.cuda), &ngc.provenance.source),
    )
}

/// Whether a GPU may use compat packages of the desktop kind.
fn eligible(gpu: &Gpu) -> Truth {
    match gpu.forward_compat {
        ForwardSupport::Yes => Truth::Yes,
        // NVIDIA publishes no list of the workstation boards; not supported unless the user asserts it.
        ForwardSupport::No | ForwardSupport::Selected | ForwardSupport::OwnPackage => Truth::No,
        ForwardSupport::Unknown => Truth::Unknown,
    }
}

fn gpu_reason(gpu: &Gpu, tables: &Tables) -> Reason {
    let why = match gpu.forward_compat {
        ForwardSupport::Selected => {
            "of the workstation boards only some may use it, and NVIDIA publishes no list"
        }
        ForwardSupport::OwnPackage => "Jetson has packages of its own",
        _ => "it is for data-centre GPUs",
    };
    let text = format!("forward compatibility is not for {gpu}: {why}");
    let reason = Reason::new(ReasonKind::Forward, Truth::No, text).error(804);
    match tables.forward().error(804) {
        Some(row) => reason.row("error 804", &row.provenance.source),
        None => reason,
    }
}

/// The package's own version of what is known: its CUDA version and its library's version or at least branch.
struct Known {
    cuda: Option<CudaVersion>,
    libcuda: Option<DriverVersion>,
    branch: Option<DriverBranch>,
    /// Base branches of the library's ELF note: the input's own, else the one tabulated for this build.
    note: Option<Vec<DriverBranch>>,
    name: String,
}

fn known(library: &CompatLibrary, tables: &Tables) -> Known {
    let row = library.package.and_then(|package| tables.forward().package(package));
    let libcuda = library.libcuda.clone().or_else(|| row.map(|row| row.libcuda.clone()));
    let toolkit = library.package.and_then(|package| tables.toolkits().minor(package.0).last());
    let branch = libcuda.as_ref().map(DriverVersion::branch).or_else(|| toolkit.map(|row| row.driver_branch));
    let reported = branch.and_then(|branch| tables.drivers().get(branch)).and_then(|row| row.cuda_max);
    let cuda = library.package.map(|package| package.0).or(reported);
    let name = match (&library.package, &library.libcuda) {
        (Some(package), _) => format!("cuda-compat-{package}"),
        (None, Some(libcuda)) => format!("the compat library {libcuda}"),
        (None, None) => "the compat library".to_owned(),
    };
    let tabulated = || {
        let found = tables.forward().notes().iter().find(|note| Some(&note.libcuda) == libcuda.as_ref())?;
        found.drivers.clone().filter(|_| found.platform.is_none())
    };
    let note = library.note_drivers.clone().or_else(tabulated);
    Known { cuda, libcuda, branch, note, name }
}

fn package_ptx_limit(package: PackageVersion, tables: &Tables) -> Option<PtxIsa> {
    let branch = tables.toolkits().minor(package.0).last()?.driver_branch;
    tables.drivers().get(branch)?.ptx_max
}

/// Whether a library is newer than the driver; branches decide where only they are known.
fn newer(known: &Known, point: &DriverPoint) -> Truth {
    match (&known.libcuda, known.branch) {
        (Some(libcuda), _) => Truth::from(*libcuda > point.version),
        (None, Some(branch)) if branch != point.branch => Truth::from(branch > point.branch),
        _ => Truth::Unknown,
    }
}

/// Whether the library is for a base branch: the ELF note where known, else the newest edition; for a branch that the newest
/// edition has no column for, since it has ended, what NVIDIA said in the package's own time.
fn offered(known: &Known, point: &DriverPoint, tables: &Tables) -> Reason {
    let kind = ReasonKind::Forward;
    let branch = point.branch;
    let name = &known.name;
    if let Some(drivers) = &known.note {
        let listed = drivers.contains(&branch);
        let text = if listed {
            format!("the ELF note of {name} lists branch {branch}")
        } else {
            let list: Vec<String> = drivers.iter().map(ToString::to_string).collect();
            format!("the ELF note of {name} lists {}, not branch {branch}", list.join(", "))
        };
        return Reason::new(kind, Truth::from(listed), text);
    }
    let forward = tables.forward();
    let (Some(edition), Some(cuda)) = (forward.newest_edition(), known.cuda) else {
        return Reason::new(ReasonKind::NotInTables, Truth::Unknown, format!("nothing is known of {name}"));
    };
    let package = PackageVersion(cuda.minor_only());
    let row = format!("edition {}", edition.id);
    let source = &edition.provenance.source;
    if forward.newest_package().is_none_or(|newest| package > newest) {
        let text = format!("{name} is newer than the newest matrix that could be read ({})", edition.id);
        return Reason::new(ReasonKind::NotInTables, Truth::Unknown, text).row(row, source);
    }
    match edition.cell(package, branch) {
        Some(Cell::Compatible) => Reason::new(
            kind,
            Truth::Yes,
            format!("{name} is offered on branch {branch} (edition {})", edition.id),
        )
        .row(row, source),
        Some(Cell::Native) => {
            Reason::new(kind, Truth::No, format!("branch {branch} is the package's own, {name} adds nothing"))
                .row(row, source)
        }
        None if !edition.branches.contains(&branch)
            && let Some(image) = tables.images().compat_base(package.0, branch) =>
        {
            let text = format!(
                "{name} was made for branch {branch} too (NVIDIA's images of CUDA {} accept it); the branch has ended, and \
                 the newest matrix ({}) no longer lists it",
                image.version, edition.id
            );
            Reason::new(kind, Truth::Yes, text)
                .row(format!("require {}", image.version), &image.provenance.source)
        }
        Some(Cell::Unsupported) | None => {
            let text = format!("{name} is not offered on branch {branch} (edition {})", edition.id);
            Reason::new(kind, Truth::No, text).row(row, source)
        }
    }
}

/// Whether the container toolkit's hook would put the library before the host's: by the note's list and a newer version,
/// without a note by a greater first number. GPU models are not consulted.
fn hook_uses(known: &Known, point: &DriverPoint) -> Truth {
    match &known.note {
        Some(drivers) => Truth::from(drivers.contains(&point.branch)).and(newer(known, point)),
        None => match known.branch {
            Some(branch) => Truth::from(point.branch < branch),
            None => Truth::Unknown,
        },
    }
}

fn with_library(
    library: &CompatLibrary,
    point: &DriverPoint,
    question: &Question<'_>,
    footing: &Footing,
    tables: &Tables,
) -> Help {
    let known = known(library, tables);
    let needed = footing.truth != Truth::Yes;
    let newer = newer(&known, point);
    if library.forced && newer == Truth::No && known.libcuda.as_ref() != Some(&point.version) {
        let text = format!("{} is on the loader's path and older than driver {}", known.name, point.version);
        let reason = Reason::new(ReasonKind::CompatLibrary, Truth::No, text).error(803);
        return failing(with_rule(reason, "no-older-package", tables));
    }
    let uses = if library.forced { Truth::Yes } else { hook_uses(&known, point) };
    if !needed {
        return unneeded(library, &known, point, question, uses, footing, tables);
    }
    if newer == Truth::No {
        let text = format!("{} is not newer than driver {} and cannot help", known.name, point.version);
        return Help::Note(with_rule(
            Reason::new(ReasonKind::CompatLibrary, Truth::No, text),
            "no-older-package",
            tables,
        ));
    }
    let offered = offered(&known, point, tables);
    if offered.holds == Truth::No {
        let code = if uses == Truth::Yes { 803 } else { 35 };
        let mut reasons = vec![offered.error(code)];
        reasons.extend(question.cuda.and_then(|cuda| ended(cuda, point.branch, tables)));
        return Help::Changes { verdict: Verdict::Fails, truth: Truth::No, reasons, ptx_limit: None };
    }
    let gpu_truth = question.gpu.map_or(Truth::Unknown, eligible);
    if let Some(gpu) = question.gpu
        && gpu_truth == Truth::No
    {
        return failing(gpu_reason(gpu, tables));
    }
    let brings = match (question.cuda, known.cuda) {
        (None, _) => Truth::Yes,
        (Some(_), None) => Truth::Unknown,
        (Some(cuda), Some(brought)) if brought.minor_only() >= cuda.minor_only() => Truth::Yes,
        // Whether minor-version compatibility holds on top of a package is not documented.
        (Some(cuda), Some(brought)) if brought.major == cuda.major => Truth::Unknown,
        _ => Truth::No,
    };
    if brings == Truth::No {
        let text = format!(
            "{} brings CUDA {} only",
            known.name,
            known.cuda.map_or_else(String::new, |cuda| cuda.to_string())
        );
        return failing(Reason::new(ReasonKind::Forward, Truth::No, text).error(35));
    }
    let truth = offered.holds.and(gpu_truth).and(brings);
    let verdict = if offered.holds == Truth::Unknown || brings == Truth::Unknown {
        Verdict::Unknown
    } else {
        Verdict::NeedsForwardCompat
    };
    let mut reasons = vec![offered];
    match question.gpu {
        Some(gpu) if gpu_truth == Truth::Yes => {
            let text = format!("{gpu} is a data-centre GPU, which may use compat packages");
            reasons.push(Reason::new(ReasonKind::Forward, Truth::Yes, text));
        }
        Some(gpu) => {
            let text = format!("whether {gpu} may use compat packages is not known; data-centre GPUs may");
            reasons.push(Reason::new(ReasonKind::Forward, Truth::Unknown, text).error(804));
        }
        None => {
            let text = "compat packages are for data-centre GPUs only, and no GPU was given";
            reasons.push(Reason::new(ReasonKind::Forward, Truth::Unknown, text).error(804));
        }
    }
    let ptx_limit = known.branch.and_then(|branch| tables.drivers().get(branch)).and_then(|row| row.ptx_max);
    Help::Changes { verdict, truth, reasons, ptx_limit }
}

/// A library that is not needed: it may still be used, and then harm or bring a newer PTX compiler.
fn unneeded(
    library: &CompatLibrary,
    known: &Known,
    point: &DriverPoint,
    question: &Question<'_>,
    uses: Truth,
    footing: &Footing,
    tables: &Tables,
) -> Help {
    if uses != Truth::Yes {
        let text = format!("{} is not needed on driver {} and will not be used", known.name, point.version);
        return Help::Note(Reason::new(ReasonKind::CompatLibrary, Truth::Yes, text));
    }
    if let Some(gpu) = question.gpu
        && eligible(gpu) == Truth::No
    {
        let reason = gpu_reason(gpu, tables);
        if library.forced {
            return failing(reason);
        }
        // The driver alone would do; the hook does not look at GPU models and may still prefer the library.
        let text = format!(
            "{}; it is not needed here, but the container toolkit may put it before the host's library",
            reason.text
        );
        return Help::Note(Reason { text, holds: Truth::Unknown, error: None, ..reason });
    }
    let offered = offered(known, point, tables);
    if offered.holds == Truth::No {
        let note = offered.text.clone();
        if library.forced && newer(known, point) == Truth::Yes && library.note_drivers.is_some() {
            return failing(offered.error(803));
        }
        return Help::Note(Reason::new(ReasonKind::CompatLibrary, Truth::Unknown, note));
    }
    if offered.holds == Truth::Yes && question.gpu.is_some_and(|gpu| eligible(gpu) == Truth::Yes) {
        let ptx_limit =
            known.branch.and_then(|branch| tables.drivers().get(branch)).and_then(|row| row.ptx_max);
        let text = format!("{} is not needed but will be used, with its own PTX compiler", known.name);
        let reasons = vec![Reason::new(ReasonKind::CompatLibrary, Truth::Yes, text)];
        return Help::Changes { verdict: footing.verdict, truth: footing.truth, reasons, ptx_limit };
    }
    Help::Note(offered)
}

fn with_rule(reason: Reason, id: &str, tables: &Tables) -> Reason {
    match tables.forward().rule(id) {
        Some(rule) => reason.row(format!("rule {id}"), &rule.provenance.source),
        None => reason,
    }
}
