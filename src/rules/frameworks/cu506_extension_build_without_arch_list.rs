//! CU506: an extension asks the GPU for the architecture, and docker build has none.

use super::{has_cpu_torch, has_nvcc};
use crate::diagnostics::RuleId;
use crate::rules::{Context, Rule, Sink};

pub(super) struct ExtensionBuildWithoutArchList;

impl Rule for ExtensionBuildWithoutArchList {
    fn id(&self) -> RuleId {
        RuleId::new("CU506")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU506-extension-build-without-arch-list.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for build in &facts.source_builds {
            if build.prebuilt
                || !build.detects_arch
                || build.arch_list_visible
                || has_nvcc(facts, build.stage) == Some(false)
                || (build.falls_back && has_cpu_torch(facts, build.stage))
            {
                continue;
            }
            if !facts.stage(build.stage).is_some_and(|stage| stage.used) {
                continue;
            }
            out.finding(
                &build.origin,
                format!(
                    "`{}` asks the GPU which architecture to build for; docker build has none",
                    build.package
                ),
            )
            .help("set TORCH_CUDA_ARCH_LIST before it, such as \"8.0;8.6;8.9;9.0+PTX\"")
            .emit();
        }
    }
}
