//! What rules about drivers and GPUs share: asking the engine for every pool of the target, and saying so.

use crate::compat::tables::PackageVersion;
use crate::compat::verdict::{RangeAnswer, ReasonKind, judge_over};
use crate::compat::{
    Answer, CompatLibrary, CudaVersion, DriverSet, Gpu, HostDriver, Pool, Question, RangeWord, Tables,
    Verdict, judge,
};
use crate::diagnostics::VerdictWord;
use crate::facts::{BaseKind, CudaUse, DriverLibraryKind, Facts, FileOperationKind, LoaderEntry};

use super::Context;

/// A CUDA version of the image, judged against the target.
pub(super) struct Judged<'a> {
    /// The version and what carries it.
    pub(super) used: &'a CudaUse,
    /// What fails, pool by pool and GPU by GPU.
    pub(super) failing: Vec<Failure<'a>>,
    /// Drivers that run it only by the image's own compat library.
    pub(super) forward: Vec<String>,
    /// What stayed open, in words.
    pub(super) open: Option<String>,
}

/// A pool (and GPU) on which a CUDA version does not run.
pub(super) struct Failure<'a> {
    /// The pool.
    pub(super) pool: &'a Pool,
    /// The GPU asked about.
    pub(super) gpu: Option<&'a Gpu>,
    /// Which drivers of the pool fail.
    pub(super) word: RangeWord,
    /// The deciding step of the proof.
    pub(super) why: String,
}

impl Judged<'_> {
    /// The verdict over everything that was asked.
    pub(super) fn verdict(&self) -> VerdictWord {
        if self.failing.iter().all(|failure| failure.word == RangeWord::None) {
            VerdictWord::None
        } else {
            VerdictWord::Some
        }
    }

    /// Names of the pools that fail.
    pub(super) fn pools(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.failing.iter().filter_map(|failure| failure.pool.name.clone()).collect();
        names.dedup();
        names
    }

    /// The failing drivers for a message: `driver 470 (RTX 3090)`.
    pub(super) fn drivers(&self) -> String {
        describe(self.failing.iter().map(|failure| (failure.pool, failure.gpu)))
    }
}

/// Names drivers and GPUs for a message, each once.
pub(super) fn describe<'a>(failing: impl Iterator<Item = (&'a Pool, Option<&'a Gpu>)>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (pool, gpu) in failing {
        let driver = match (&pool.drivers, &pool.l4t) {
            (Some(drivers), _) => format!("driver {drivers}"),
            (None, Some(release)) => format!("L4T {release}"),
            (None, None) => continue,
        };
        let part = match gpu {
            Some(gpu) => format!("{driver} with {}", gpu.name),
            None => driver,
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(", ")
}

/// Judges CUDA versions against every pool whose drivers are given. Only failures of the version against the driver are
/// kept: whether the GPU has code is asked by other rules.
pub(super) fn judge_versions<'a>(
    cx: &Context<'a>,
    uses: impl Iterator<Item = &'a CudaUse>,
) -> Vec<Judged<'a>> {
    let library = compat_library(cx.facts);
    let mut judged: Vec<Judged<'a>> = Vec::new();
    for used in uses {
        if judged.iter().any(|other| other.used.version == used.version) {
            continue;
        }
        let mut one = Judged { used, failing: Vec::new(), forward: Vec::new(), open: None };
        for pool in cx.target.pools() {
            for gpu in gpus(pool) {
                // Without a GPU a compat library proves nothing: most GPUs may not use it.
                let compat = library.as_ref().filter(|_| gpu.is_some());
                let ask =
                    |driver| Question { cuda: Some(used.version), compat, gpu, ..Question::new(driver) };
                if let Some(drivers) = &pool.drivers {
                    take(&mut one, pool, gpu, &over(&ask, drivers, cx.tables));
                } else if let Some(release) = &pool.l4t {
                    take(
                        &mut one,
                        pool,
                        gpu,
                        &Reply::from(&judge(&ask(HostDriver::L4t(release)), cx.tables)),
                    );
                }
            }
        }
        judged.push(one);
    }
    judged
}

/// The GPUs of a pool, or "whatever GPU".
pub(super) fn gpus(pool: &Pool) -> impl Iterator<Item = Option<&Gpu>> {
    let any = pool.gpus.is_empty().then_some(None);
    pool.gpus.iter().map(Some).chain(any)
}

struct Reply {
    satisfied: Option<bool>,
    word: RangeWord,
    kind: Option<ReasonKind>,
    text: String,
    forward: bool,
}

impl From<&Answer> for Reply {
    fn from(answer: &Answer) -> Self {
        let deciding = answer.deciding();
        Self {
            satisfied: answer.satisfied,
            word: match answer.satisfied {
                Some(true) => RangeWord::All,
                Some(false) => RangeWord::None,
                None => RangeWord::Unknown,
            },
            kind: deciding.map(|reason| reason.kind),
            text: deciding.map(|reason| reason.text.clone()).unwrap_or_default(),
            forward: answer.verdict == Verdict::NeedsForwardCompat,
        }
    }
}

fn over<'q>(ask: &dyn Fn(HostDriver<'q>) -> Question<'q>, drivers: &'q DriverSet, tables: &Tables) -> Reply {
    let Some(least) = drivers.least() else {
        return Reply {
            satisfied: None,
            word: RangeWord::Unknown,
            kind: None,
            text: String::new(),
            forward: false,
        };
    };
    let answer: RangeAnswer = judge_over(&ask(HostDriver::Driver(least)), drivers, tables);
    let deciding = answer.deciding().and_then(|cell| cell.answer.deciding());
    Reply {
        satisfied: answer.satisfied(),
        word: answer.range.word,
        kind: deciding.map(|reason| reason.kind),
        text: deciding.map(|reason| reason.text.clone()).unwrap_or_default(),
        forward: answer.cells.iter().any(|cell| cell.answer.verdict == Verdict::NeedsForwardCompat),
    }
}

fn take<'a>(one: &mut Judged<'a>, pool: &'a Pool, gpu: Option<&'a Gpu>, reply: &Reply) {
    match reply.satisfied {
        Some(true) if reply.forward => one.forward.push(describe([(pool, gpu)].into_iter())),
        Some(true) => {}
        Some(false) => {
            let about_version = matches!(
                reply.kind,
                Some(
                    ReasonKind::DriverTooOld
                        | ReasonKind::Forward
                        | ReasonKind::CompatLibrary
                        | ReasonKind::Jetson
                )
            );
            if about_version {
                one.failing.push(Failure { pool, gpu, word: reply.word, why: reply.text.clone() });
            }
        }
        None => one.open = Some(reply.text.clone()),
    }
}

/// The compat library of the image that the container toolkit would use: exactly one in the compat folder of a built
/// image, or the package that NVIDIA's base images bring, unless the Dockerfile removes it.
pub(super) fn compat_library(facts: &Facts) -> Option<CompatLibrary> {
    if let Some(image) = &facts.image {
        let mut found = image.driver_libraries.iter().filter(|file| {
            file.kind == DriverLibraryKind::Compat
                || (file.path.contains("/compat/") && file.kind == DriverLibraryKind::Real)
        });
        let (file, None) = (found.next()?, found.next()) else { return None };
        return Some(CompatLibrary {
            package: file.compat_cuda.map(PackageVersion),
            libcuda: file.version.clone(),
            note_drivers: file.compat_branches.clone(),
            forced: false,
        });
    }
    let base = facts.final_base().filter(|base| base.kind == BaseKind::Cuda)?;
    let version = base.cuda.filter(|version| version.major >= 10)?;
    (!removes_compat(facts)).then(|| CompatLibrary::package(PackageVersion(version.minor_only())))
}

/// Compat folders that the author put on the loader's path of the shipped image, for every host. On Jetson that is right.
pub(super) fn forced_compat(facts: &Facts) -> impl Iterator<Item = &LoaderEntry> {
    let jetson = facts.final_base().is_some_and(|base| base.kind == BaseKind::Jetson);
    facts.loader.iter().filter(move |entry| {
        let directory = entry.directory.trim_end_matches('/');
        !jetson
            && entry.survives
            && !entry.from_base
            && facts.in_final_lineage(entry.stage)
            && directory.contains("cuda")
            && directory.ends_with("/compat")
    })
}

/// The first target GPU among those that `concerns` picks for which a forced compat library is sure to fail, and why. No
/// GPU is given when the target names none and the driver alone decides.
pub(super) fn forced_compat_failure<'t>(
    cx: &Context<'t>,
    entry: &LoaderEntry,
    concerns: impl Fn(&Gpu) -> bool,
) -> Option<(Option<&'t Gpu>, String)> {
    let cuda = cx.facts.final_base().and_then(|base| base.cuda);
    let of_path: Option<CudaVersion> = entry
        .directory
        .split("cuda-")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .and_then(|version| version.parse().ok());
    let library = CompatLibrary {
        forced: true,
        ..compat_library(cx.facts).unwrap_or_else(|| CompatLibrary {
            package: of_path.or(cuda).map(|version| PackageVersion(version.minor_only())),
            ..CompatLibrary::default()
        })
    };
    for (pool, drivers) in cx.target.with_drivers() {
        let least = drivers.least()?;
        for gpu in gpus(pool).filter(|gpu| gpu.is_none_or(&concerns)) {
            let question =
                Question { cuda, compat: Some(&library), gpu, ..Question::new(HostDriver::Driver(least)) };
            let answer = judge_over(&question, drivers, cx.tables);
            let deciding = answer.deciding().and_then(|cell| cell.answer.deciding());
            if answer.satisfied() == Some(false)
                && let Some(reason) = deciding
                    .filter(|reason| matches!(reason.kind, ReasonKind::CompatLibrary | ReasonKind::Forward))
            {
                return Some((gpu, reason.text.clone()));
            }
        }
    }
    None
}

/// Whether the Dockerfile takes the compat package or folder away.
fn removes_compat(facts: &Facts) -> bool {
    let purged = facts.commands.iter().any(|command| {
        facts.in_final_lineage(command.stage)
            && command
                .args
                .iter()
                .any(|word| matches!(word.text.as_deref(), Some("purge" | "remove" | "autoremove" | "erase")))
            && command.args.iter().any(|word| word.raw.contains("cuda-compat"))
    });
    let deleted = facts.file_operations.iter().any(|operation| {
        operation.kind == FileOperationKind::Remove
            && facts.in_final_lineage(operation.stage)
            && operation.sources.iter().any(|word| word.raw.contains("/compat"))
    });
    purged || deleted
}
