//! CU808: an architecture that the stage's toolkit cannot compile for.

use crate::compat::SmTarget;
use crate::compat::tables::Toolkit;
use crate::diagnostics::RuleId;
use crate::facts::{Compiler, Origin};
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
            let Compiler::Known(version, brought) = facts.compiler(list.stage) else { continue };
            let Some(toolkit) = cx.tables.toolkits().closest(version) else { continue };
            let mut seen: Vec<&Origin> = Vec::new();
            for entry in &list.entries {
                let Some(target) = entry.target else { continue };
                // A name can stand for several architectures.
                if can_target(toolkit, target) || seen.contains(&&entry.origin) {
                    continue;
                }
                seen.push(&entry.origin);
                let lack = Lack::of(cx, toolkit, target);
                out.finding(&entry.origin, message(toolkit, target, lack))
                    .related(brought, "the toolkit")
                    .help(match lack {
                        Lack::TooNew => "use a devel image of a newer CUDA, or drop the architecture",
                        Lack::Removed => "drop the architecture, or use an older CUDA",
                        Lack::Unknown => "drop the architecture",
                    })
                    .emit();
            }
        }
    }
}

/// Why a toolkit does not compile for a target.
#[derive(Clone, Copy)]
enum Lack {
    /// Later toolkits do.
    TooNew,
    /// Earlier ones did.
    Removed,
    /// None does.
    Unknown,
}

impl Lack {
    fn of(cx: &Context<'_>, toolkit: &Toolkit, target: SmTarget) -> Self {
        let mut able = cx.tables.toolkits().all().iter().filter(|other| other.can_target(target));
        match able.next() {
            None => Self::Unknown,
            Some(first) if first.version > toolkit.version => Self::TooNew,
            Some(_) => Self::Removed,
        }
    }
}

/// Whether a toolkit compiles for a target; where its `a` and `f` targets are not known, by the architecture alone.
fn can_target(toolkit: &Toolkit, target: SmTarget) -> bool {
    let plain = SmTarget { suffix: crate::compat::SmSuffix::None, ..target };
    toolkit.can_target(target) || (!toolkit.sm_verified && toolkit.can_target(plain))
}

fn message(toolkit: &Toolkit, target: SmTarget, lack: Lack) -> String {
    let why = match lack {
        Lack::TooNew => "too new for it",
        Lack::Removed => "removed from it",
        Lack::Unknown => "no toolkit does",
    };
    format!("CUDA {} cannot compile for {} ({why})", toolkit.version.minor_only(), target.sm_name())
}
