//! CU801: the image ships a CUDA that a driver of the target does not run.

use super::read_requirements as read;
use crate::compat::least_driver;
use crate::diagnostics::{RuleId, Severity, VerdictWord};
use crate::facts::CudaUseKind;
use crate::rules::cures::{Failing, cures, in_words, offer};
use crate::rules::judgement::{Judged, judge_versions};
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
                    && cx.facts.ships_code(used.stage)
                    && !matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda)
            })
            .collect();
        // Of several places with the same version the one in the final image is named.
        uses.sort_by_key(|used| !cx.facts.in_final_lineage(used.stage));
        let judged = judge_versions(cx, uses.into_iter());
        let requirements = read(cx, false).map(|found| found.expressions).unwrap_or_default();
        // The newest version decides; an older one beside it fails for the same reason.
        // Of several with the same minor version the first is named.
        let failing_ones = judged.iter().rev().filter(|judged| !judged.failing.is_empty());
        if let Some(worst) = failing_ones.max_by_key(|judged| judged.used.version.minor_only()) {
            let version = worst.used.version;
            let floor = least_driver(version, cx.tables);
            let from = floor.map_or_else(String::new, |floor| {
                format!(", CUDA {} needs {floor} or newer", version.minor_only())
            });
            let failing = Failing { cuda: Some(version), ..failing(cx, &judged, &requirements) };
            let cures = cures(cx, &failing);
            let why = worst.failing.first().map(|failure| failure.why.clone()).unwrap_or_default();
            let draft = out
                .finding(
                    &worst.used.origin,
                    format!(
                        "the image ships CUDA {version} (`{}`); it does not run on {}{from}",
                        worst.used.what,
                        worst.drivers()
                    ),
                )
                .verdict(worst.verdict())
                .pools(worst.pools())
                .help(in_words(&cures).map_or_else(|| why.clone(), |cures| format!("{cures} ({why})")));
            offer(draft, cx, &failing, &cures).emit();
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

/// What could be changed: the base's tag, when everything that fails comes with the base.
fn failing<'a>(cx: &Context<'a>, judged: &[Judged<'a>], requirements: &'a [String]) -> Failing<'a> {
    let base = cx.facts.final_base().filter(|base| {
        let mut failing = judged.iter().filter(|judged| !judged.failing.is_empty());
        failing.all(|judged| judged.used.kind == CudaUseKind::Base && judged.used.origin == base.origin)
    });
    Failing { base, requirements, ..Failing::default() }
}
