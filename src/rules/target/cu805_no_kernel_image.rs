//! CU805: no code for a GPU of the target.

use super::device_code::{all, listed};
use crate::compat::cure::Cure;
use crate::compat::{DriverPoint, DriverSet, HostDriver, Question, Verdict, judge};
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
        // The newest driver compiles every PTX there is, so what fails on it has no code at all.
        let newest = cx.tables.drivers().newest().and_then(|branch| branch.releases.last());
        let Some(newest) =
            newest.map(|release| DriverPoint::new(release.version.clone(), cx.tables.drivers()))
        else {
            return;
        };
        let any = DriverSet::single(newest.version.clone(), cx.tables.drivers());
        for code in all(cx) {
            let missing: Vec<_> = gpus
                .iter()
                .filter(|gpu| {
                    let question = Question {
                        code: Some(&code.code),
                        gpu: Some(gpu),
                        ..Question::new(HostDriver::Driver(&newest))
                    };
                    judge(&question, cx.tables).verdict == Verdict::NoKernelImage
                })
                .collect();
            if missing.is_empty() {
                continue;
            }
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
