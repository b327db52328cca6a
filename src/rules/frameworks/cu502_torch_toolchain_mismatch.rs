//! CU502: a torch extension is compiled with nvcc of another CUDA major than torch.

use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, CudaUse, CudaUseKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct TorchToolchainMismatch;

impl Rule for TorchToolchainMismatch {
    fn id(&self) -> RuleId {
        RuleId::new("CU502")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU502-torch-toolchain-mismatch.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for build in facts.source_builds.iter().filter(|build| build.torch_extension && !build.prebuilt) {
            let Some(base) = facts.base_of(build.stage).filter(|base| base.kind == BaseKind::Cuda) else {
                continue;
            };
            let (Some(toolchain), Some(true)) = (base.cuda, base.has_nvcc) else { continue };
            let is_torch = |used: &&CudaUse| {
                used.kind == CudaUseKind::Wheel
                    && (used.what == "torch" || used.what.starts_with("torch "))
                    && facts.inherits(build.stage, used.stage)
            };
            let Some(torch) = facts.cuda.iter().find(is_torch) else { continue };
            if torch.version.major == toolchain.major {
                continue;
            }
            out.finding(
                &build.origin,
                format!(
                    "`{}` is built with nvcc {}.{}, but torch was built for CUDA {}: torch refuses another major",
                    build.package, toolchain.major, toolchain.minor, torch.version
                ),
            )
            .related(&torch.origin, "the torch wheel")
            .related(&base.origin, "the toolkit")
            .help(format!("use a devel image of CUDA {}.x, or a torch wheel for CUDA {}", torch.version.major, toolchain.major))
            .emit();
        }
    }
}
