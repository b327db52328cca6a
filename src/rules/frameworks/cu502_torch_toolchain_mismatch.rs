//! CU502: a torch extension is compiled with nvcc of another CUDA major than torch.

use crate::compat::CudaVersion;
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, CudaUse, CudaUseKind, Facts, Origin, StageId};
use crate::rules::{Context, Rule, Sink};

pub(super) struct TorchToolchainMismatch;

impl Rule for TorchToolchainMismatch {
    fn id(&self) -> RuleId {
        RuleId::new("CU502")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU502-torch-toolchain-mismatch.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for build in facts.source_builds.iter().filter(|build| build.torch_extension && !build.prebuilt) {
            let Some((toolchain, toolkit)) = toolchain(facts, build.stage) else { continue };
            let is_torch = |used: &&CudaUse| {
                used.kind == CudaUseKind::Wheel
                    && (used.what == "torch" || used.what.starts_with("torch "))
                    && facts.inherits(build.stage, used.stage)
            };
            let mut wheels = facts.cuda.iter().filter(is_torch);
            let Some(torch) = wheels.next() else { continue };
            // Several torch wheels are in environments of their own, or replace one another.
            if torch.version.major == toolchain.major
                || wheels.any(|other| other.version.major != torch.version.major)
            {
                continue;
            }
            out.finding(
                &build.origin,
                format!(
                    "`{}` is built with nvcc {}.{}, but torch was built for CUDA {}: torch refuses another major",
                    build.package, toolchain.major, toolchain.minor, torch.version
                ),
            )
            .related(&torch.origin, "the torch wheel")
            .related(toolkit, "the toolkit")
            .help(format!("use a devel image of CUDA {}.x, or a torch wheel for CUDA {}", torch.version.major, toolchain.major))
            .emit();
        }
    }
}

/// The CUDA version of the one nvcc in a stage, and what brings it. `None` when there are several of other majors, or
/// when it cannot be known.
fn toolchain(facts: &Facts, stage: StageId) -> Option<(CudaVersion, &Origin)> {
    let base = facts.base_of(stage)?;
    let of_base = match base.kind {
        BaseKind::Cuda if base.has_nvcc == Some(true) => Some((base.cuda?, &base.origin)),
        BaseKind::Cuda | BaseKind::Plain => None,
        _ => return None,
    };
    let brings_nvcc = |used: &&CudaUse| {
        facts.inherits(stage, used.stage)
            && match used.kind {
                CudaUseKind::Package => {
                    used.what == "cuda"
                        || ["cuda-toolkit", "cuda-nvcc", "cuda-compiler", "cuda-minimal-build"]
                            .iter()
                            .any(|stem| used.what.starts_with(stem))
                        || used
                            .what
                            .strip_prefix("cuda-")
                            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
                }
                CudaUseKind::Conda => {
                    ["cuda", "cuda-toolkit", "cuda-nvcc", "cuda-compiler", "cudatoolkit-dev"]
                        .contains(&used.what.as_str())
                }
                CudaUseKind::Installer => true,
                _ => false,
            }
    };
    let installed = facts.cuda.iter().filter(brings_nvcc).map(|used| (used.version, &used.origin));
    let mut all = of_base.into_iter().chain(installed);
    let first = all.next()?;
    let conda_without_version = facts.conda.iter().any(|package| {
        facts.inherits(stage, package.stage)
            && ["cuda-toolkit", "cuda-nvcc", "cuda-compiler", "cudatoolkit-dev"]
                .contains(&package.name.as_str())
            && !facts.cuda.iter().any(|used| used.kind == CudaUseKind::Conda && used.origin == package.origin)
    });
    let elsewhere = ["CUDA_HOME", "CUDA_PATH"].iter().any(|name| {
        facts.exports.iter().any(|export| export.name == *name && facts.inherits(stage, export.stage))
            || facts
                .stage(stage)
                .is_some_and(|stage| stage.env.value(name).is_some_and(|path| !is_toolkit(path, first.0)))
    });
    (!conda_without_version && !elsewhere && all.all(|(version, _)| version.major == first.0.major))
        .then_some(first)
}

/// Whether a path is the folder of a toolkit of this version: `/usr/local/cuda`, `/usr/local/cuda-11.8`.
fn is_toolkit(path: &str, version: CudaVersion) -> bool {
    let path = path.trim_end_matches('/');
    path.strip_prefix("/usr/local/cuda").is_some_and(|rest| {
        rest.is_empty()
            || rest == format!("-{}", version.major)
            || rest == format!("-{}.{}", version.major, version.minor)
    })
}
