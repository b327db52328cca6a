//! CU509: conda-forge chooses a CPU build because docker build has no GPU.

use crate::diagnostics::{RuleId, Safety};
use crate::facts::{BaseKind, CondaPackage, Facts, Origin};
use crate::rules::{Context, Rule, Sink};
use crate::span::Span;

/// Packages with CPU and CUDA builds on conda-forge.
const PACKAGES: &[&str] = &[
    "pytorch",
    "pytorch-gpu",
    "tensorflow",
    "tensorflow-gpu",
    "jaxlib",
    "xgboost",
    "lightgbm",
    "faiss",
    "faiss-gpu",
    "openmm",
    "cupy",
];

pub(super) struct CondaCpuFallback;

impl Rule for CondaCpuFallback {
    fn id(&self) -> RuleId {
        RuleId::new("CU509")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU509-conda-cpu-fallback.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let mut seen = Vec::new();
        for package in facts.conda.iter().filter(|package| {
            facts.ships_packages(package.stage) && PACKAGES.contains(&package.name.as_str())
        }) {
            if package.override_cuda.is_some()
                || package.locked
                || decided(facts, package)
                || from_pytorch(package)
                || seen.contains(&package.instruction)
            {
                continue;
            }
            // Without any sign that a GPU is wanted, a CPU build may be what is meant.
            let gpu_wanted = package.name.ends_with("-gpu")
                || facts.final_base().is_some_and(|base| base.kind == BaseKind::Cuda)
                || facts.final_env().is_some_and(|env| {
                    env.get("NVIDIA_VISIBLE_DEVICES").is_some()
                        || env.get("NVIDIA_DRIVER_CAPABILITIES").is_some()
                })
                || package.name == "pytorch"
                    && package.channels.iter().any(|channel| channel == "conda-forge");
            if !gpu_wanted {
                continue;
            }
            seen.push(package.instruction);
            let failure =
                if package.name.ends_with("-gpu") { "cannot be solved" } else { "gets its CPU build" };
            let mut draft = out
                .finding(
                    &package.origin,
                    format!("`{}` {failure}: docker build has no GPU, so conda sees no CUDA driver (`__cuda`)", package.name),
                )
                .help("set CONDA_OVERRIDE_CUDA to the CUDA version meant, or ask for a CUDA build (`pytorch=2.5.*=cuda12*`)");
            let minor = facts
                .final_base()
                .and_then(|base| base.cuda)
                .map(|version| format!("{}.{}", version.major, version.minor));
            if let (Some(version), Some((file, span))) = (minor, package.command.as_file()) {
                let at = Origin::file(file, Span::new(span.start, span.start));
                draft = draft.fix(
                    Safety::Safe,
                    "set CONDA_OVERRIDE_CUDA",
                    &[(at, format!("CONDA_OVERRIDE_CUDA={version} "))],
                );
            }
            draft.emit();
        }
    }
}

/// Whether something in the same command decides for CUDA or CPU: a build string, `pytorch-cuda`, a `cuda-version` pin.
fn decided(facts: &Facts, package: &CondaPackage) -> bool {
    let build = package
        .build
        .as_deref()
        .is_some_and(|build| build.contains("cuda") || build.contains("cpu") || build.contains("gpu"));
    build
        || facts.conda.iter().any(|other| {
            other.instruction == package.instruction
                && ["pytorch-cuda", "cudatoolkit", "cpuonly", "pytorch-cpu", "pytorch-mutex"]
                    .contains(&other.name.as_str())
        })
}

/// Whether the package comes from the channel pytorch, whose builds do not ask for `__cuda`: it stands before conda-forge.
fn from_pytorch(package: &CondaPackage) -> bool {
    let ours = package.name.starts_with("pytorch") || package.name.starts_with("faiss");
    let at = |name: &str| {
        package
            .channels
            .iter()
            .position(|channel| channel.trim_end_matches('/').rsplit('/').next() == Some(name))
    };
    ours && at("pytorch").is_some_and(|own| at("conda-forge").is_none_or(|other| own < other))
}
