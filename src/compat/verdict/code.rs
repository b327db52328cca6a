//! Device code against a GPU: machine code by capability, PTX by target and by the compiler that has to read it.

use super::{DeviceCode, Ptx, Question, Reason, ReasonKind, Verdict};
use crate::compat::gpu::Gpu;
use crate::compat::range::Truth;
use crate::compat::tables::Tables;
use crate::compat::version::{ComputeCapability, PtxIsa, SmSuffix, SmTarget};

/// What device code says.
pub(super) struct CodeAnswer {
    pub(super) verdict: Verdict,
    pub(super) truth: Truth,
    pub(super) reasons: Vec<Reason>,
}

fn answer(verdict: Verdict, reason: Reason) -> Option<CodeAnswer> {
    Some(CodeAnswer { verdict, truth: reason.holds, reasons: vec![reason] })
}

/// Judges the device code of a question; `None` when there is none or nothing can be said without a GPU.
pub(super) fn judge(question: &Question<'_>, limit: Option<PtxIsa>, tables: &Tables) -> Option<CodeAnswer> {
    let code = question.code.filter(|code| !code.is_empty())?;
    let assumed = question.cuda.and_then(|cuda| tables.toolkits().closest(cuda)).map(|row| row.ptx_isa);
    let Some(gpu) = question.gpu else {
        return without_gpu(code, assumed, limit);
    };
    let fits: Vec<(Truth, SmTarget)> =
        code.sass.iter().map(|target| (sass_fits(*target, gpu.cc, tables), *target)).collect();
    if let Some((_, target)) = fits.iter().find(|(truth, _)| *truth == Truth::Yes) {
        let text = format!("machine code for {} runs on {gpu} ({})", target.sm_name(), gpu.cc);
        return answer(Verdict::Ok, Reason::new(ReasonKind::Sass, Truth::Yes, text));
    }
    let uncertain = fits.iter().find(|(truth, _)| *truth == Truth::Unknown).map(|(_, target)| *target);
    let usable: Vec<Ptx> =
        code.ptx.iter().copied().filter(|ptx| ptx_fits(ptx.target, gpu.cc, tables)).collect();
    if let Some(ptx) = usable.iter().find(|ptx| readable(ptx.isa.or(assumed), limit) == Truth::Yes) {
        let text = format!(
            "no machine code fits {gpu} ({}); the driver compiles PTX for {} when the program starts",
            gpu.cc,
            ptx.target.compute_name()
        );
        return answer(Verdict::Ok, Reason::new(ReasonKind::Ptx, Truth::Yes, text));
    }
    if let Some(target) = uncertain {
        let text =
            format!("whether machine code for {} runs on {gpu} ({}) is not known", target.sm_name(), gpu.cc);
        return answer(Verdict::Unknown, Reason::new(ReasonKind::Sass, Truth::Unknown, text));
    }
    match usable.iter().find(|ptx| readable(ptx.isa.or(assumed), limit) == Truth::Unknown) {
        Some(ptx) => {
            let text = format!(
                "{gpu} ({}) needs PTX for {} compiled by the driver; {}",
                gpu.cc,
                ptx.target.compute_name(),
                if limit.is_none() {
                    "how new a PTX this driver reads is not known"
                } else {
                    "the version of the PTX is not known"
                }
            );
            answer(Verdict::Unknown, Reason::new(ReasonKind::Ptx, Truth::Unknown, text))
        }
        None => match usable.first() {
            Some(ptx) => answer(Verdict::PtxJitFails, too_new(*ptx, &usable, assumed, limit, Some(gpu))),
            None => {
                let text = format!("no code for {gpu} ({}): there is {}", gpu.cc, describe(code));
                answer(Verdict::NoKernelImage, Reason::new(ReasonKind::Sass, Truth::No, text).error(209))
            }
        },
    }
}

/// PTX alone must be compiled on any GPU.
fn without_gpu(code: &DeviceCode, assumed: Option<PtxIsa>, limit: Option<PtxIsa>) -> Option<CodeAnswer> {
    if !code.sass.is_empty() {
        return None;
    }
    let all_too_new = code.ptx.iter().all(|ptx| readable(ptx.isa.or(assumed), limit) == Truth::No);
    let ptx = code.ptx.first().filter(|_| all_too_new)?;
    answer(Verdict::PtxJitFails, too_new(*ptx, &code.ptx, assumed, limit, None))
}

fn too_new(
    ptx: Ptx,
    all: &[Ptx],
    assumed: Option<PtxIsa>,
    limit: Option<PtxIsa>,
    gpu: Option<&Gpu>,
) -> Reason {
    let oldest = all.iter().filter_map(|ptx| ptx.isa.or(assumed)).min();
    let word = |isa: Option<PtxIsa>| isa.map_or_else(|| "unknown".to_owned(), |isa| isa.to_string());
    let who = gpu.map_or_else(|| "every GPU".to_owned(), |gpu| format!("{gpu} ({})", gpu.cc));
    let text = format!(
        "{who} needs PTX for {} compiled by the driver, which reads PTX up to {} and this is {}",
        ptx.target.compute_name(),
        word(limit),
        word(oldest)
    );
    Reason::new(ReasonKind::Ptx, Truth::No, text).error(222)
}

fn readable(isa: Option<PtxIsa>, limit: Option<PtxIsa>) -> Truth {
    match (isa, limit) {
        (Some(isa), Some(limit)) => Truth::from(isa <= limit),
        _ => Truth::Unknown,
    }
}

fn describe(code: &DeviceCode) -> String {
    let sass: Vec<String> = code.sass.iter().map(|target| target.sm_name()).collect();
    let ptx: Vec<String> = code.ptx.iter().map(|ptx| ptx.target.compute_name()).collect();
    match (sass.is_empty(), ptx.is_empty()) {
        (false, true) => format!("{} and no PTX", sass.join(", ")),
        (true, _) => format!("only PTX for {}", ptx.join(", ")),
        (false, false) => format!("{} and PTX for {}", sass.join(", "), ptx.join(", ")),
    }
}

/// Whether machine code for `target` runs on a GPU: same major and lower or equal minor, never between Tegra and desktop
/// parts; `a` on that capability alone; `f` on its family.
pub(crate) fn sass_fits(target: SmTarget, gpu: ComputeCapability, tables: &Tables) -> Truth {
    let table = tables.gpus();
    let renamed = table.canonical(target.cc) != target.cc;
    if renamed {
        // sm_101 became sm_110; whether its cubins load on drivers of the new name was not tested.
        return if table.canonical(target.cc) == gpu { Truth::Unknown } else { Truth::No };
    }
    match target.suffix {
        SmSuffix::ArchSpecific => Truth::from(target.cc == gpu),
        SmSuffix::Family => match table.family(target) {
            Some(family) => Truth::from(family.runs_on.contains(&gpu)),
            None if target.cc == gpu => Truth::Yes,
            None if target.cc.major == gpu.major && target.cc.minor < gpu.minor => Truth::Unknown,
            None => Truth::No,
        },
        SmSuffix::None => {
            if target.cc == gpu {
                return Truth::Yes;
            }
            if target.cc.major != gpu.major || target.cc.minor > gpu.minor {
                return Truth::No;
            }
            match (table.sm(target.cc), table.sm(gpu)) {
                (Some(code), Some(chip)) => Truth::from(!code.tegra && !chip.tegra),
                _ => Truth::Unknown,
            }
        }
    }
}

/// Whether PTX for `target` can be compiled for a GPU: equal or higher capability; `a` for that capability alone; `f` for
/// its family.
pub(crate) fn ptx_fits(target: SmTarget, gpu: ComputeCapability, tables: &Tables) -> bool {
    let table = tables.gpus();
    let cc = table.canonical(target.cc);
    match target.suffix {
        SmSuffix::None => cc <= gpu,
        SmSuffix::ArchSpecific => cc == gpu,
        SmSuffix::Family => match table.family(target) {
            Some(family) => family.runs_on.contains(&gpu),
            None => cc.major == gpu.major && cc <= gpu,
        },
    }
}
