//! CU411: cuDNN, NCCL or TensorRT without a version.

use super::names::is_cuda_library_build;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{Base, BaseKind, InputKind, PackageManager};
use crate::rules::{Context, Rule, Sink};

pub(super) struct UnpinnedCudnnNccl;

impl Rule for UnpinnedCudnnNccl {
    fn id(&self) -> RuleId {
        RuleId::new("CU411")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU411-unpinned-cudnn-nccl.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.kind != InputKind::Dockerfile {
            return;
        }
        for package in &facts.packages {
            let from_repository = matches!(package.manager, PackageManager::Apt | PackageManager::Dnf);
            if !from_repository || package.pinned || package.removed || !facts.is_shipped(package.stage) {
                continue;
            }
            // On Jetson the L4T release fixes the versions, and a base without a name may be one.
            let open = |base: &Base| matches!(base.kind, BaseKind::Jetson | BaseKind::Unresolved);
            if facts.base_of(package.stage).is_some_and(open) {
                continue;
            }
            let name = package.name.as_str();
            if !is_cuda_library_build(name) || (package.open_ended && !name.contains("cuda")) {
                continue;
            }
            // `libcudnn9-cuda-12` names the CUDA major: what moves is only the cuDNN release.
            let names_major = name.contains("-cuda-");
            out.finding(
                &package.origin,
                format!("`{}` without a version: the newest build may be for another CUDA", package.shown()),
            )
            .severity(if names_major { Severity::Info } else { Severity::Warning })
            .help(format!("pin it with the CUDA it is for: `{name}=…+cuda12.4`"))
            .emit();
        }
    }
}
