//! CU505: a CUDA extension is compiled where there is no nvcc.

use super::{has_cpu_torch, has_nvcc};
use crate::diagnostics::{RuleId, Severity};
use crate::rules::{Context, Rule, Sink};

pub(super) struct ExtensionBuildWithoutNvcc;

impl Rule for ExtensionBuildWithoutNvcc {
    fn id(&self) -> RuleId {
        RuleId::new("CU505")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU505-extension-build-without-nvcc.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for build in facts.source_builds.iter().filter(|build| !build.prebuilt) {
            if !facts.stage(build.stage).is_some_and(|stage| stage.used)
                || has_nvcc(facts, build.stage) != Some(false)
            {
                continue;
            }
            let Some(base) = facts.base_of(build.stage) else { continue };
            if build.falls_back && has_cpu_torch(facts, build.stage) {
                continue;
            }
            let image = base.reference.as_deref().unwrap_or(&base.written);
            let (severity, message) = if build.falls_back {
                let left_out = "so its CUDA code is left out without an error";
                (
                    Severity::Warning,
                    format!("`{}` is compiled here, but `{image}` has no nvcc, {left_out}", build.package),
                )
            } else {
                (Severity::Error, format!("`{}` is compiled here, but `{image}` has no nvcc", build.package))
            };
            out.finding(&build.origin, message)
            .severity(severity)
            .related(&base.origin, "no nvcc in it")
            .help("build the wheel in a stage on the devel flavour and copy it, or install a prebuilt wheel")
            .emit();
        }
    }
}
