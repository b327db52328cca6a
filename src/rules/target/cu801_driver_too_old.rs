//! CU801: the image ships a CUDA that a driver of the target does not run.

use crate::compat::least_driver;
use crate::diagnostics::{RuleId, Severity, VerdictWord};
use crate::facts::CudaUseKind;
use crate::rules::judgement::judge_versions;
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverTooOld;

impl Rule for DriverTooOld {
    fn id(&self) -> RuleId {
        RuleId::new("CU801")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU801-driver-too-old.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        // What wheels and conda packages bring is CU501's.
        let mut uses: Vec<_> = cx
            .facts
            .cuda
            .iter()
            .filter(|used| {
                cx.facts.is_shipped(used.stage)
                    && !matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda)
            })
            .collect();
        // Of several places with the same version the one in the final image is named.
        uses.sort_by_key(|used| !cx.facts.in_final_lineage(used.stage));
        let judged = judge_versions(cx, uses.into_iter());
        // The newest version decides; an older one beside it fails for the same reason.
        if let Some(worst) =
            judged.iter().filter(|judged| !judged.failing.is_empty()).max_by_key(|judged| judged.used.version)
        {
            let version = worst.used.version;
            let floor = least_driver(version, cx.tables);
            let from = floor.map_or_else(String::new, |floor| {
                format!(", CUDA {} needs {floor} or newer", version.minor_only())
            });
            out.finding(
                &worst.used.origin,
                format!(
                    "the image ships CUDA {version} (`{}`); it does not run on {}{from}",
                    worst.used.what,
                    worst.drivers()
                ),
            )
            .verdict(worst.verdict())
            .pools(worst.pools())
            .help(super::cures(cx, worst))
            .emit();
            return;
        }
        if let Some(forward) = judged.iter().find(|judged| !judged.forward.is_empty()) {
            out.finding(
                &forward.used.origin,
                format!(
                    "CUDA {} (`{}`) runs on {} only by the cuda-compat package in the image",
                    forward.used.version,
                    forward.used.what,
                    forward.forward.join(", ")
                ),
            )
            .severity(Severity::Info)
            .verdict(VerdictWord::All)
            .help("keep the compat package, and leave its use to the container toolkit")
            .emit();
            return;
        }
        if let Some(open) =
            judged.iter().find_map(|judged| judged.open.as_ref().map(|why| (judged.used, why)))
        {
            out.unknown(
                &open.0.origin,
                format!("whether CUDA {} runs on the target is not known: {}", open.0.version, open.1),
            );
        }
    }
}
