//! CU803: only forward compatibility would help, and the GPU may not use it.

use crate::compat::tables::{ForwardSupport, GpuClass};
use crate::compat::verdict::judge_over;
use crate::compat::{Gpu, HostDriver, Question};
use crate::diagnostics::{RuleId, VerdictWord};
use crate::facts::CudaUseKind;
use crate::rules::judgement::{compat_library, forced_compat, forced_compat_failure};
use crate::rules::{Context, Rule, Sink};

pub(super) struct ForwardCompatUnsupportedGpu;

impl Rule for ForwardCompatUnsupportedGpu {
    fn id(&self) -> RuleId {
        RuleId::new("CU803")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU803-forward-compat-unsupported-gpu.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        forced(cx, out);
        let Some(library) = compat_library(facts) else { return };
        let newest = facts
            .cuda
            .iter()
            .filter(|used| {
                facts.is_shipped(used.stage)
                    && facts.ships_code(used.stage)
                    && !matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda)
            })
            .max_by_key(|used| used.version);
        let Some(used) = newest else { return };
        for (pool, drivers) in cx.target.with_drivers() {
            let Some(least) = drivers.least() else { continue };
            let refused = pool.gpus.iter().filter(|gpu| is_refused(gpu));
            for gpu in refused {
                let question = Question {
                    cuda: Some(used.version),
                    gpu: Some(gpu),
                    ..Question::new(HostDriver::Driver(least))
                };
                let alone = judge_over(&question, drivers, cx.tables).satisfied();
                // A data-centre GPU of the same architecture would run by the library: the GPU's class decides.
                let twin = Gpu::of_capability(gpu.cc, Some(GpuClass::Datacenter));
                let helped = Question { compat: Some(&library), gpu: Some(&twin), ..question };
                if alone != Some(false) || judge_over(&helped, drivers, cx.tables).satisfied() != Some(true) {
                    continue;
                }
                let selected = if gpu.forward_compat == ForwardSupport::Selected {
                    " (save for a few boards that NVIDIA names)"
                } else {
                    ""
                };
                out.finding(
                    &used.origin,
                    format!(
                        "CUDA {} on driver {drivers} needs forward compatibility, which {} may not use{selected}: error 804",
                        used.version.minor_only(),
                        gpu.name
                    ),
                )
                .verdict(VerdictWord::None)
                .pools(pool.name.clone())
                .help("use a CUDA version that the driver runs, or a newer driver")
                .emit();
            }
        }
    }
}

/// NVIDIA's forward compatibility is for data-centre GPUs and a few named boards.
fn is_refused(gpu: &Gpu) -> bool {
    matches!(gpu.forward_compat, ForwardSupport::No | ForwardSupport::Selected)
}

/// The image forces its compat library on every host (CU703): these GPUs then fail whatever the driver can do.
fn forced(cx: &Context<'_>, out: &mut Sink<'_>) {
    for entry in forced_compat(cx.facts) {
        let Some((Some(gpu), _)) = forced_compat_failure(cx, entry, is_refused) else { continue };
        out.finding(
            &entry.origin,
            format!(
                "{} on the loader's path forces forward compatibility, which {} may not use: error 804",
                entry.directory, gpu.name
            ),
        )
        .verdict(VerdictWord::None)
        .help("leave the compat folder off the path: the driver runs the program without it, or the CUDA version is too new for it")
        .emit();
    }
}
