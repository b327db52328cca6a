//! CU905: a GPU framework without a version.

use crate::diagnostics::RuleId;
use crate::facts::{InputKind, PythonRequirement};
use crate::rules::{Context, Rule, Sink};

pub(super) struct UnpinnedGpuFramework;

impl Rule for UnpinnedGpuFramework {
    fn id(&self) -> RuleId {
        RuleId::new("CU905")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU905-unpinned-gpu-framework.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.kind != InputKind::Dockerfile {
            return;
        }
        for requirement in facts.python.iter().filter(|requirement| facts.ships_packages(requirement.stage)) {
            if requirement.bounded
                || requirement.satisfied
                || requirement.constrained
                || requirement.locked
                || requirement.url.is_some()
                || !moves(requirement)
            {
                continue;
            }
            let nightly = if requirement.prerelease { " (and a pre-release moves every day)" } else { "" };
            out.finding(
                &requirement.origin,
                format!("`{}` without a version: its next release may need a newer CUDA, cuDNN or driver{nightly}", requirement.name),
            )
            .help(format!("pin it: `{}==…`", requirement.name))
            .emit();
        }
    }
}

/// Frameworks whose releases move between CUDA and cuDNN versions.
fn moves(requirement: &PythonRequirement) -> bool {
    let name = requirement.name.as_str();
    let extra = |prefix: &str| requirement.extras.iter().any(|extra| extra.starts_with(prefix));
    match name {
        "tensorflow" => extra("and-cuda"),
        "jax" => extra("cuda"),
        "onnxruntime-gpu" | "vllm" | "sglang" | "ctranslate2" | "faster-whisper" | "tensorrt"
        | "bitsandbytes" => true,
        _ => name.starts_with("cupy-cuda"),
    }
}
