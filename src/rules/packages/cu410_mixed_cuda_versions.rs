//! CU410: two CUDA versions in one stage.

use super::names::{cuda_name, is_cuda_library_build, major_of_build, soname_of};
use crate::compat::CudaVersion;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{BaseKind, CudaUseKind, Facts, FileOperationKind, InputKind, StageId};
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
            let Some((own, image)) = stated_cuda(facts, package.stage) else { continue };
            // cuDNN, NCCL and TensorRT are built per CUDA major: only that has to agree.
            if is_cuda_library_build(&package.name) {
                if let Some(major) = major_of_build(package)
                    && major != own.major
                {
                    let help = match package.name.split_once("-cuda-") {
                        Some((library, _)) => format!("use `{library}-cuda-{}`", own.major),
                        None => format!("use the build for +cuda{}.*", own.major),
                    };
                    out.finding(
                        &package.origin,
                        format!(
                            "`{}` is built for CUDA {major}, the stage has CUDA {}.{} from `{image}`",
                            package.name, own.major, own.minor
                        ),
                    )
                    .help(help)
                    .emit();
                }
                continue;
            }
            let Some(name) = cuda_name(&package.name) else { continue };
            let Some(major) = name.major else { continue };
            if major == own.major && name.minor.is_none_or(|minor| minor == own.minor) {
                continue;
            }
            let brought = match name.minor {
                Some(minor) => format!("{major}.{minor}"),
                None => major.to_string(),
            };
            out.finding(
                &package.origin,
                format!(
                    "`{}` brings CUDA {brought} beside CUDA {}.{} from `{image}`",
                    package.name, own.major, own.minor
                ),
            )
            .severity(if major == own.major { Severity::Warning } else { Severity::Error })
            .help(format!(
                "use `{}-{}-{}`, or a base image of CUDA {brought}",
                name.stem, own.major, own.minor
            ))
            .emit();
        }
        for found in facts.cuda.iter().filter(|found| found.kind == CudaUseKind::Installer) {
            let Some((own, image)) = stated_cuda(facts, found.stage) else { continue };
            let CudaVersion { major, minor, .. } = found.version;
            if (major, minor) == (own.major, own.minor) {
                continue;
            }
            out.finding(
                &found.origin,
                format!(
                    "`{}` brings CUDA {major}.{minor} beside CUDA {}.{} from `{image}`",
                    found.what, own.major, own.minor
                ),
            )
            .severity(if major == own.major { Severity::Warning } else { Severity::Error })
            .help(format!("use the toolkit of the image, or a base image of CUDA {major}.{minor}"))
            .emit();
        }
        misnamed_links(facts, out);
    }
}

/// The CUDA version that the base of a stage states, with the image's name: nvidia/cuda, PyTorch's tags, NGC months.
fn stated_cuda(facts: &Facts, stage: StageId) -> Option<(CudaVersion, &str)> {
    let base = facts.base_of(stage)?;
    let states = match base.kind {
        BaseKind::Cuda => true,
        BaseKind::Framework => {
            base.repository.as_deref().is_some_and(|repository| repository.starts_with("nvcr.io/nvidia/"))
                || base.tag.as_deref().is_some_and(|tag| tag.contains("cuda"))
        }
        _ => false,
    };
    let image = base.reference.as_deref().unwrap_or(&base.written);
    base.cuda.filter(|_| states).map(|cuda| (cuda, image))
}

/// Links that give a library the SONAME of another major.
fn misnamed_links(facts: &Facts, out: &mut Sink<'_>) {
    let links = facts
        .file_operations
        .iter()
        .filter(|operation| operation.kind == FileOperationKind::Link && !operation.undone);
    for link in links {
        let ([source], Some(word)) = (link.sources.as_slice(), &link.destination) else { continue };
        let (Some(from), Some(to)) = (source.text.as_deref(), word.text.as_deref()) else { continue };
        let (Some(is), Some(named)) = (soname_of(from), soname_of(to)) else { continue };
        if is.stem != named.stem || is.major == named.major {
            continue;
        }
        out.finding(
            &word.origin,
            format!(
                "`{}.so.{}` is given the name of major {}: programs built for that one load another ABI",
                is.stem, is.major, named.major
            ),
        )
        .help(
            "install the library of the release that the program was built for, or the program for this one",
        )
        .emit();
    }
}
