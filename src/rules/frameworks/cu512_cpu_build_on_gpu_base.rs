//! CU512: a CPU build on an image that carries CUDA.

use super::{is_cpu, shipped_python};
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, CudaUseKind, Facts, Flavour, PythonRequirement};
use crate::rules::{Context, Rule, Sink};

pub(super) struct CpuBuildOnGpuBase;

impl Rule for CpuBuildOnGpuBase {
    fn id(&self) -> RuleId {
        RuleId::new("CU512")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU512-cpu-build-on-gpu-base.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base().filter(|base| base.kind == BaseKind::Cuda) else { return };
        if base.flavour.is_none_or(|flavour| flavour == Flavour::Base) || !base.args.is_empty() {
            return;
        }
        let Some(requirement) = shipped_python(facts).find(|requirement| is_cpu_build(requirement)) else {
            return;
        };
        if uses_gpu(facts) {
            return;
        }
        out.finding(
            &requirement.origin,
            format!("the image pays for CUDA, but `{}` is a CPU build", requirement.name),
        )
        .related(&base.origin, "carries CUDA")
        .help("use a plain base image, or the GPU build")
        .emit();
    }
}

fn is_cpu_build(requirement: &PythonRequirement) -> bool {
    match requirement.name.as_str() {
        "torch" | "torchvision" | "torchaudio" => is_cpu(requirement),
        "tensorflow-cpu" | "faiss-cpu" => true,
        "onnxruntime" => requirement.extras.is_empty(),
        _ => false,
    }
}

/// Whether anything else in the image uses CUDA.
fn uses_gpu(facts: &Facts) -> bool {
    let gpu_packages = [
        "onnxruntime-gpu",
        "tensorflow",
        "jax",
        "faiss-gpu",
        "ctranslate2",
        "faster-whisper",
        "vllm",
        "sglang",
        "bitsandbytes",
        "tensorrt",
        "llama-cpp-python",
    ];
    shipped_python(facts).any(|requirement| {
        (requirement.name == "torch" && !is_cpu(requirement))
            || (gpu_packages.contains(&requirement.name.as_str()) && !is_cpu(requirement))
            || requirement.name.starts_with("cupy")
            || requirement.name.starts_with("nvidia-")
    }) || facts.cuda.iter().any(|used| facts.is_shipped(used.stage) && matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda | CudaUseKind::Copied))
        || facts.compiles.iter().any(|signal| facts.is_shipped(signal.stage))
        || !facts.capability_uses.is_empty()
        // Own programs copied from a stage or from the context may use CUDA: only images made of Python alone are judged.
        || facts.copies.iter().any(|copy| facts.in_final_lineage(copy.stage) && matches!(copy.from, crate::facts::CopyFrom::Stage(_) | crate::facts::CopyFrom::Image(_)))
}
