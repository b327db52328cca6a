//! CU307: a build step that needs a GPU.

use crate::diagnostics::{RuleId, Severity};
use crate::rules::{Context, Rule, Sink};

pub(super) struct GpuQueryAtBuild;

impl Rule for GpuQueryAtBuild {
    fn id(&self) -> RuleId {
        RuleId::new("CU307")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU307-gpu-query-at-build.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for query in &facts.gpu_queries {
            if query.gpu_device || !facts.stage(query.stage).is_some_and(|stage| stage.used) {
                continue;
            }
            let (severity, message) = if query.failure_ignored {
                (
                    Severity::Info,
                    format!("`{}` finds no GPU while building; its failure is ignored", query.what),
                )
            } else {
                (
                    Severity::Error,
                    format!(
                        "`{}` needs a GPU, but docker build has none: it fails, or bakes \"no GPU\" into the image",
                        query.what
                    ),
                )
            };
            out.finding(&query.origin, message)
                .severity(severity)
                .help("ask at run time: in HEALTHCHECK, in the entrypoint, or in a test that runs the container with --gpus")
                .emit();
        }
    }
}
