//! CU411: cuDNN, NCCL or TensorRT without a version.

use super::names::is_cuda_library_build;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{InputKind, PackageManager};
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
            let name = package.name.as_str();
            if !is_cuda_library_build(name) || (package.open_ended && !name.contains("cuda")) {
                continue;
            }
            // `libcudnn9-cuda-12` names the CUDA major: what moves is only the cuDNN release.
            let names_major = name.contains("-cuda-");
            out.finding(
                &package.origin,
                format!("`{name}` without a version: the newest build may be for another CUDA"),
            )
            .severity(if names_major { Severity::Info } else { Severity::Warning })
            .help(format!("pin it with the CUDA it is for: `{name}=…+cuda12.4`"))
            .emit();
        }
    }
}
