//! CU805: no code for a GPU of the target.

use super::device_code::{all, listed};
use crate::compat::cure::Cure;
use crate::compat::{DriverPoint, DriverSet, Gpu, HostDriver, Question, Tables, Verdict, judge};
use crate::diagnostics::{RuleId, VerdictWord};
use crate::rules::cures::{Failing, cures, in_words, offer};
use crate::rules::{Context, Rule, Sink};

pub(super) struct NoKernelImage;

impl Rule for NoKernelImage {
    fn id(&self) -> RuleId {
        RuleId::new("CU805")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU805-no-kernel-image.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let gpus = cx.target.gpus();
        if gpus.is_empty() {
            return;
        }
        for code in all(cx) {
            let missing: Vec<_> = gpus
                .iter()
                .filter(|gpu| {
                    newest_for(gpu, cx.tables).is_some_and(|newest| {
                        let question = Question {
                            code: Some(&code.code),
                            gpu: Some(gpu),
                            ..Question::new(HostDriver::Driver(&newest))
                        };
                        judge(&question, cx.tables).verdict == Verdict::NoKernelImage
                    })
                })
                .collect();
            let Some(newest) = missing.first().and_then(|gpu| newest_for(gpu, cx.tables)) else { continue };
            let any = DriverSet::single(newest.version, cx.tables.drivers());
            let names: Vec<String> =
                missing.iter().map(|gpu| format!("{} (compute capability {})", gpu.name, gpu.cc)).collect();
            let pools =
                cx.target.pools().iter().filter(|pool| {
                    pool.gpus.iter().any(|gpu| missing.iter().any(|missing| **missing == gpu))
                });
            let failing = Failing {
                cuda: code.toolkit,
                code: Some(&code.code),
                torch: code.torch,
                any_driver: Some(&any),
                ..Failing::default()
            };
            let mut cures = cures(cx, &failing);
            // Machine code that a wheel or a file has not is nothing that a build of this image adds, and no driver brings it.
            cures.retain(|cure| match cure {
                Cure::Architecture { .. } | Cure::PtxFor { .. } => code.built,
                Cure::WheelIndex { .. } => true,
                _ => false,
            });
            let draft = out
                .finding(
                    &code.origin,
                    format!("no code for {}: {} has {}", names.join(", "), code.what, listed(&code.code)),
                )
                .verdict(VerdictWord::None)
                .pools(pools.filter_map(|pool| pool.name.clone()))
                .help(in_words(&cures).unwrap_or_else(|| {
                    "the code must come from a build for this architecture, by a toolkit that knows it"
                        .to_owned()
                }));
            offer(draft, cx, &failing, &cures).emit();
        }
    }
}

/// The newest driver that drives a GPU: it compiles every PTX that any of its drivers does, so code that fails on it fails
/// on all.
fn newest_for(gpu: &Gpu, tables: &Tables) -> Option<DriverPoint> {
    let last = tables.gpus().sm(gpu.cc).and_then(|sm| sm.last_branch);
    let branch = match last {
        Some(last) => tables.drivers().get(last),
        None => tables.drivers().newest(),
    };
    let release = branch?.releases.last()?;
    Some(DriverPoint::new(release.version.clone(), tables.drivers()))
}
