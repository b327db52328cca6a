//! CU410: two CUDA versions in one stage.

use super::names::{cuda_name, cuda_of_version, is_cuda_library_build};
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{BaseKind, InputKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct MixedCudaVersions;

impl Rule for MixedCudaVersions {
    fn id(&self) -> RuleId {
        RuleId::new("CU410")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU410-mixed-cuda-versions.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.kind != InputKind::Dockerfile {
            return;
        }
        for package in facts.packages.iter().filter(|package| !package.removed) {
            let Some(base) = facts.base_of(package.stage).filter(|base| base.kind == BaseKind::Cuda) else {
                continue;
            };
            let Some(own) = &base.cuda else { continue };
            let image = base.reference.as_deref().unwrap_or(&base.written);
            // cuDNN, NCCL and TensorRT are built per CUDA major: only that has to agree.
            if is_cuda_library_build(&package.name) {
                if let Some((major, _)) = cuda_of_version(package)
                    && major != own.major
                {
                    out.finding(
                        &package.origin,
                        format!(
                            "`{}` is built for CUDA {major}, the stage has CUDA {}.{} from `{image}`",
                            package.name, own.major, own.minor
                        ),
                    )
                    .help(format!("use the build for +cuda{}.*", own.major))
                    .emit();
                }
                continue;
            }
            let Some(name) = cuda_name(&package.name) else { continue };
            let (Some(major), Some(minor)) = (name.major, name.minor) else { continue };
            if (major, minor) == (own.major, own.minor) {
                continue;
            }
            out.finding(
                &package.origin,
                format!(
                    "`{}` brings CUDA {major}.{minor} beside CUDA {}.{} from `{image}`",
                    package.name, own.major, own.minor
                ),
            )
            .severity(if major == own.major { Severity::Warning } else { Severity::Error })
            .help(format!(
                "use `{}-{}-{}`, or a base image of CUDA {major}.{minor}",
                name.stem, own.major, own.minor
            ))
            .emit();
        }
    }
}
