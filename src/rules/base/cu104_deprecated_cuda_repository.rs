//! CU104: a repository that NVIDIA no longer updates.

use super::bases;
use crate::diagnostics::{RuleId, Severity};
use crate::rules::{Context, Rule, Sink};

/// Repositories and what replaced them (NVIDIA's support policy for container images; nvidia-docker#1520).
const RETIRED: &[(&str, &str)] = &[
    ("nvidia/cudagl", "nvidia/cuda with NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics"),
    ("nvcr.io/nvidia/cudagl", "nvcr.io/nvidia/cuda with NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics"),
    ("nvidia/cuda-arm64", "nvidia/cuda, which is built for several architectures"),
    ("nvidia/cuda-ppc64le", "nvidia/cuda"),
    ("nvcr.io/nvidia/cuda-arm64", "nvcr.io/nvidia/cuda"),
    ("nvcr.io/nvidia/cuda-ppc64le", "nvcr.io/nvidia/cuda"),
    ("nvidia/caffe", "a maintained framework image"),
    ("nvidia/digits", "a maintained framework image"),
    ("nvcr.io/nvidia/caffe", "a maintained framework image"),
    ("nvcr.io/nvidia/digits", "a maintained framework image"),
];

pub(super) struct DeprecatedCudaRepository;

impl Rule for DeprecatedCudaRepository {
    fn id(&self) -> RuleId {
        RuleId::new("CU104")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU104-deprecated-cuda-repository.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for base in bases(cx.facts) {
            let Some(repository) = base.repository.as_deref() else { continue };
            if let Some((_, replacement)) = RETIRED.iter().find(|(name, _)| *name == repository) {
                out.finding(&base.origin, format!("`{repository}` is no longer updated"))
                    .help(format!("use {replacement}"))
                    .emit();
            } else if repository == "nvidia/opengl" {
                out.finding(&base.origin, "`nvidia/opengl` is still there but no longer rebuilt")
                    .severity(Severity::Info)
                    .help("use a plain distribution with libglvnd and NVIDIA_DRIVER_CAPABILITIES=graphics,utility")
                    .emit();
            }
        }
    }
}
