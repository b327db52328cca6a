//! CU809: no PTX for the newest entry of a list of architectures.

use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{ArchList, ArchListKind, BaseKind, Facts};
use crate::rules::{Context, Rule, Sink};

pub(super) struct ArchListWithoutPtx;

impl Rule for ArchListWithoutPtx {
    fn id(&self) -> RuleId {
        RuleId::new("CU809")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU809-arch-list-without-ptx.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let mut variants = Vec::new();
        for list in facts.arch_lists.iter().filter(|list| list.compiled && is_kept(facts, list)) {
            let jetson = facts.base_of(list.stage).is_some_and(|base| base.kind == BaseKind::Jetson);
            if jetson || !ends_without_ptx(list) {
                continue;
            }
            // The newest of the outputs that a stage makes for one architecture each speaks for all of them.
            if list.variant && variants.contains(&list.stage) {
                continue;
            }
            let same = |other: &&ArchList| {
                *other == list || (list.variant && other.variant && other.stage == list.stage)
            };
            let together = || facts.arch_lists.iter().filter(same);
            if list.variant {
                variants.push(list.stage);
                if !together().all(ends_without_ptx) {
                    continue;
                }
            }
            let entries = together().flat_map(|list| &list.entries);
            let newest = entries.filter_map(|entry| entry.target).map(|target| target.cc).max();
            let Some(newest) = newest else { continue };
            let later = cx
                .target
                .gpus()
                .into_iter()
                .find(|gpu| gpu.cc.major > newest.major && !gpu.is_tegra(cx.tables));
            let message = match later {
                Some(gpu) => format!(
                    "`{}` has no PTX: {} (compute capability {}) cannot run this build",
                    list.raw, gpu.name, gpu.cc
                ),
                None => format!(
                    "`{}` has no PTX for its newest entry: GPUs of a later major cannot run this build",
                    list.raw
                ),
            };
            let mut draft = out
                .finding(&list.origin, message)
                .severity(if later.is_some() { Severity::Warning } else { Severity::Info })
                .help(match list.kind {
                    ArchListKind::TorchCudaArchList => "add +PTX to the last entry",
                    ArchListKind::CmakeCudaArchitectures => "write the last entry without -real",
                    _ => "add -gencode arch=compute_XX,code=compute_XX for the newest entry",
                });
            if list.kind == ArchListKind::TorchCudaArchList
                && let Some(last) = list.entries.last()
            {
                draft = draft.fix(
                    Safety::Unsafe,
                    "add +PTX to the last entry",
                    &[(last.origin.clone(), format!("{}+PTX", last.word))],
                );
            }
            draft.emit();
        }
    }
}

/// Whether what a list's stage compiles is used, as far as is known: not one that only lends text or data.
fn is_kept(facts: &Facts, list: &ArchList) -> bool {
    facts.stage(list.stage).is_some_and(|stage| stage.ships_code || (stage.used && !stage.shipped))
}

/// Whether a list is known to its end, makes machine code only, and names every architecture by number.
fn ends_without_ptx(list: &ArchList) -> bool {
    let explicit = matches!(
        list.kind,
        ArchListKind::TorchCudaArchList | ArchListKind::CmakeCudaArchitectures | ArchListKind::Gencode
    );
    explicit
        && list.complete
        && !list.entries.is_empty()
        && list.entries.iter().all(|entry| entry.target.is_some() && !entry.ptx)
}
