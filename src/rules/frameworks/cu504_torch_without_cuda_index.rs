//! CU504: torch without version and index.

use super::{is_cpu, shipped_python};
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, PythonIndex};
use crate::rules::{Context, Rule, Sink};

pub(super) struct TorchWithoutCudaIndex;

impl Rule for TorchWithoutCudaIndex {
    fn id(&self) -> RuleId {
        RuleId::new("CU504")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU504-torch-without-cuda-index.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let names = ["torch", "torchvision", "torchaudio"];
        let mut seen = Vec::new();
        for requirement in
            shipped_python(facts).filter(|requirement| names.contains(&requirement.name.as_str()))
        {
            let fixed = requirement.bounded
                || requirement.constrained
                || requirement.locked
                || requirement.no_deps
                || is_cpu(requirement)
                || requirement.url.is_some()
                || requirement.indexes.iter().any(|index| !matches!(index, PythonIndex::Default));
            let framework = facts
                .base_of(requirement.stage)
                .is_some_and(|base| matches!(base.kind, BaseKind::Framework | BaseKind::Jetson));
            // torchvision and torchaudio follow the torch of the same command or of an earlier one.
            let follows = requirement.name != "torch"
                && facts
                    .python
                    .iter()
                    .any(|other| other.name == "torch" && facts.inherits(requirement.stage, other.stage));
            if fixed || framework || follows || seen.contains(&requirement.instruction) {
                continue;
            }
            seen.push(requirement.instruction);
            let arm = if cx.target.architecture() == "arm64" {
                "; on arm64 older wheels of the default index are CPU builds"
            } else {
                ""
            };
            out.finding(
                &requirement.origin,
                format!("`{}` without version and index follows PyPI's default CUDA build, which moves with every release{arm}", requirement.name),
            )
            .help("pin the version, and name the CUDA of the wheel: --index-url https://download.pytorch.org/whl/cu126")
            .emit();
        }
    }
}
