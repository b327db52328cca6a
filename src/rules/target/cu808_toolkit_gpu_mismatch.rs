//! CU808: an architecture that the stage's toolkit cannot compile for.

use crate::compat::SmTarget;
use crate::compat::tables::Toolkit;
use crate::diagnostics::RuleId;
use crate::facts::{ArchList, Base, BaseKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct ToolkitGpuMismatch;

impl Rule for ToolkitGpuMismatch {
    fn id(&self) -> RuleId {
        RuleId::new("CU808")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU808-toolkit-gpu-mismatch.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for list in
            facts.arch_lists.iter().filter(|list| facts.stage(list.stage).is_some_and(|stage| stage.used))
        {
            let Some(base) = facts.base_of(list.stage).filter(|base| builds_with_own_toolkit(cx, list, base))
            else {
                continue;
            };
            let Some(toolkit) = base.cuda.and_then(|version| cx.tables.toolkits().closest(version)) else {
                continue;
            };
            for entry in &list.entries {
                let Some(target) = entry.target else { continue };
                // `a` and `f` need only their own toolkit; judging the base architecture is enough to be sure.
                let plain = SmTarget { suffix: crate::compat::SmSuffix::None, ..target };
                if toolkit.can_target(plain) || toolkit.can_target(target) {
                    continue;
                }
                out.finding(&entry.origin, message(toolkit, target))
                    .related(&base.origin, "the toolkit")
                    .help(if toolkit.is_too_old_for(target.cc) {
                        "use a devel image of a newer CUDA, or drop the architecture"
                    } else {
                        "drop the architecture, or use an older CUDA"
                    })
                    .emit();
            }
        }
    }
}

/// Whether the compiler that the list is for is the base image's: no other toolkit is installed beside it.
fn builds_with_own_toolkit(cx: &Context<'_>, list: &ArchList, base: &Base) -> bool {
    let other = cx.facts.packages.iter().any(|package| {
        cx.facts.inherits(list.stage, package.stage)
            && ["cuda-nvcc", "cuda-toolkit", "cuda-compiler", "cuda-minimal-build"]
                .iter()
                .any(|stem| package.name.starts_with(stem))
    });
    base.kind == BaseKind::Cuda && base.has_nvcc == Some(true) && !other
}

fn message(toolkit: &Toolkit, target: SmTarget) -> String {
    let why = if toolkit.is_too_old_for(target.cc) { "too new for it" } else { "removed from it" };
    format!("CUDA {} cannot compile for {} ({why})", toolkit.version.minor_only(), target.sm_name())
}
