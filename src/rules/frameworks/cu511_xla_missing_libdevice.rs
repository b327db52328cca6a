//! CU511: XLA needs libdevice and ptxas, which runtime images do not have.

use super::{has_conda, has_nvcc, has_package, installs, is_cpu, shipped_python};
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, PythonRequirement};
use crate::rules::{Context, Rule, Sink};

pub(super) struct XlaMissingLibdevice;

impl Rule for XlaMissingLibdevice {
    fn id(&self) -> RuleId {
        RuleId::new("CU511")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU511-xla-missing-libdevice.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base().filter(|base| base.kind == BaseKind::Cuda) else { return };
        let told = facts.final_env().is_some_and(|env| env.get("XLA_FLAGS").is_some());
        let present = has_nvcc(facts, facts.target) != Some(false)
            || has_package(facts, facts.target, &["cuda-nvcc", "cuda-nvvm"])
            || has_conda(facts, facts.target, &["cuda-nvcc", "cuda-nvvm"])
            || installs(
                facts,
                facts.target,
                &["nvidia-cuda-nvcc-cu11", "nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvcc"],
            );
        if told || present {
            return;
        }
        let Some(requirement) = shipped_python(facts).find(|requirement| needs_libdevice(requirement)) else {
            return;
        };
        out.finding(
            &requirement.origin,
            format!(
                "`{}` compiles with XLA, which needs libdevice.10.bc and ptxas; `{}` has neither",
                requirement.name,
                base.reference.as_deref().unwrap_or(&base.written)
            ),
        )
        .related(&base.origin, "no libdevice in it")
        .help("install cuda-nvcc-X-Y or the wheel nvidia-cuda-nvcc-cu12, use wheels that bring CUDA, or the devel flavour")
        .emit();
    }
}

/// TensorFlow and JAX that use the system's CUDA: without the extras that bring it.
fn needs_libdevice(requirement: &PythonRequirement) -> bool {
    match requirement.name.as_str() {
        "tensorflow" => requirement.extras.is_empty() && !is_cpu(requirement),
        "jax" => requirement.extras.iter().any(|extra| extra.ends_with("local")),
        _ => false,
    }
}
