//! CU803: only forward compatibility would help, and the GPU may not use it.

use crate::compat::tables::{ForwardSupport, GpuClass};
use crate::compat::verdict::judge_over;
use crate::compat::{Gpu, HostDriver, Question};
use crate::diagnostics::{RuleId, VerdictWord};
use crate::facts::CudaUseKind;
use crate::rules::judgement::compat_library;
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
        let Some(library) = compat_library(facts) else { return };
        let newest = facts
            .cuda
            .iter()
            .filter(|used| {
                facts.is_shipped(used.stage) && !matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda)
            })
            .max_by_key(|used| used.version);
        let Some(used) = newest else { return };
        for (pool, drivers) in cx.target.with_drivers() {
            let Some(least) = drivers.least() else { continue };
            let refused = pool
                .gpus
                .iter()
                .filter(|gpu| matches!(gpu.forward_compat, ForwardSupport::No | ForwardSupport::Selected));
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
