//! CU406: the distribution's own nvidia-cuda-toolkit.

use crate::diagnostics::{RuleId, Severity};
use crate::facts::{BaseKind, PackageManager};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DistroCudaToolkit;

impl Rule for DistroCudaToolkit {
    fn id(&self) -> RuleId {
        RuleId::new("CU406")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU406-distro-cuda-toolkit.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for package in &facts.packages {
            if package.name != "nvidia-cuda-toolkit"
                || package.manager != PackageManager::Apt
                || package.removed
            {
                continue;
            }
            let on_cuda = facts.base_of(package.stage).is_some_and(|base| base.kind == BaseKind::Cuda);
            let shipped = facts.in_final_lineage(package.stage);
            let message = if on_cuda {
                "`nvidia-cuda-toolkit` is the distribution's older CUDA: a second toolkit beside the one of the base image"
            } else {
                "`nvidia-cuda-toolkit` is the distribution's older CUDA, and its dependencies bring driver libraries into the image"
            };
            out.finding(&package.origin, message)
                .severity(if on_cuda || shipped { Severity::Warning } else { Severity::Info })
                .help("start from nvidia/cuda:…-devel, or install cuda-toolkit-X-Y from NVIDIA's repository")
                .emit();
        }
    }
}
