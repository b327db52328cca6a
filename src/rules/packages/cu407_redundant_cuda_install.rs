//! CU407: a CUDA package that the base image already holds.

use super::names::cuda_name;
use crate::diagnostics::{RuleId, Safety};
use crate::facts::{BaseKind, Flavour};
use crate::rules::support::delete_word;
use crate::rules::{Context, Rule, Sink};

pub(super) struct RedundantCudaInstall;

impl Rule for RedundantCudaInstall {
    fn id(&self) -> RuleId {
        RuleId::new("CU407")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU407-redundant-cuda-install.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for package in facts.packages.iter().filter(|package| !package.removed && !package.open_ended) {
            let Some(name) = cuda_name(&package.name) else { continue };
            let Some(base) = facts.base_of(package.stage).filter(|base| base.kind == BaseKind::Cuda) else {
                continue;
            };
            let (Some(version), Some(flavour)) = (&base.cuda, base.flavour) else { continue };
            if (name.major, name.minor) != (Some(version.major), Some(version.minor))
                || !holds(flavour, name.stem)
            {
                continue;
            }
            let image = base.reference.as_deref().unwrap_or(&base.written);
            let mut draft = out
                .finding(&package.origin, format!("`{}` is already in `{image}`", package.name))
                .help("delete it from the list");
            if let Some(edit) = delete_word(facts, &package.origin) {
                draft = draft.fix(Safety::Safe, "delete it from the list", &[edit]);
            }
            draft.emit();
        }
    }
}

/// Which packages NVIDIA's image sources install per flavour.
fn holds(flavour: Flavour, stem: &str) -> bool {
    let runtime = [
        "cuda-libraries",
        "cuda-cudart",
        "cuda-nvtx",
        "libcublas",
        "libcusparse",
        "libnpp",
        "cuda-nvrtc",
        "libcufft",
        "libcurand",
        "libcusolver",
    ];
    let devel = [
        "cuda-toolkit",
        "cuda-libraries-dev",
        "cuda-command-line-tools",
        "cuda-minimal-build",
        "cuda-nvcc",
        "cuda-compiler",
        "cuda-cudart-dev",
        "cuda-nvml-dev",
        "libcublas-dev",
        "libnpp-dev",
        "libcusparse-dev",
        "libcufft-dev",
        "libcurand-dev",
        "libcusolver-dev",
        "cuda-nvrtc-dev",
    ];
    match flavour {
        Flavour::Base => stem == "cuda-cudart",
        Flavour::Runtime => runtime.contains(&stem),
        Flavour::Devel => runtime.contains(&stem) || devel.contains(&stem),
    }
}
