//! CU510: a package compiles kernels at run time, and the image has no C compiler.

use super::{has_conda, has_package, shipped_python};
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{Facts, PackageManager, PythonRequirement, UnreadKind};
use crate::rules::{Context, Rule, Sink};

/// Packages that drive Triton or a C compiler when they run.
const PACKAGES: &[&str] = &["vllm", "sglang", "unsloth", "triton", "flashinfer-python", "lmdeploy"];

pub(super) struct TritonNeedsCompiler;

impl Rule for TritonNeedsCompiler {
    fn id(&self) -> RuleId {
        RuleId::new("CU510")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU510-triton-needs-compiler.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base() else { return };
        if base.has_c_compiler != Some(false) {
            return;
        }
        let compilers = [
            "gcc",
            "g++",
            "build-essential",
            "clang",
            "tcc",
            "gcc-c++",
            "build-base",
            "base-devel",
            "c-compiler",
            // Fortran's compiler and these packages depend on gcc.
            "gfortran",
            "r-base-dev",
            "@development",
            "@c-development",
            // nvcc needs a host compiler; which of its packages bring one is not known.
            "cuda-nvcc",
            "cuda-toolkit",
            "cuda-compiler",
            "cuda-minimal-build",
            "nvidia-cuda-toolkit",
        ];
        if has_package(facts, facts.target, &compilers)
            || has_conda(
                facts,
                facts.target,
                &[
                    "gcc_linux-64",
                    "gxx_linux-64",
                    "gcc",
                    "gxx",
                    "compilers",
                    "c-compiler",
                    "cxx-compiler",
                    "clang",
                ],
            )
        {
            return;
        }
        if unread(facts) {
            return;
        }
        // torch depends on triton, so a lock file names it in every image with torch; that is no use of it.
        let by_torch = |requirement: &PythonRequirement| {
            requirement.name == "triton" && (requirement.locked || requirement.constrained)
        };
        let Some(requirement) = shipped_python(facts)
            .find(|requirement| PACKAGES.contains(&requirement.name.as_str()) && !by_torch(requirement))
        else {
            return;
        };
        if recommended(facts) {
            out.finding(
                &requirement.origin,
                format!(
                    "`{}` compiles kernels at run time; the C compiler it needs comes only as a package that apt recommends",
                    requirement.name
                ),
            )
            .severity(Severity::Info)
            .help("name gcc and libc6-dev, so that --no-install-recommends does not take them away one day")
            .emit();
            return;
        }
        out.finding(
            &requirement.origin,
            format!(
                "`{}` compiles kernels at run time and needs a C compiler; `{}` has none (`Failed to find C compiler`)",
                requirement.name,
                base.reference.as_deref().unwrap_or(&base.written)
            ),
        )
        .related(&base.origin, "no compiler in it")
        .help("install gcc and libc6-dev in the final stage")
        .emit();
    }
}

/// Whether apt takes a compiler along as recommended: python3-pip of Debian and Ubuntu recommends build-essential.
fn recommended(facts: &Facts) -> bool {
    let recommends = ["python3-pip", "cmake", "libtool"];
    facts.packages.iter().any(|package| {
        let without = package.flags.iter().any(|flag| {
            let flag = flag.to_ascii_lowercase();
            flag == "--no-install-recommends" || flag.contains("install-recommends=")
        });
        package.manager == PackageManager::Apt
            && facts.in_final_lineage(package.stage)
            && recommends.contains(&package.name.as_str())
            && !package.removed
            && !without
    })
}

/// Whether a list of packages or a script for installing cannot be read.
fn unread(facts: &Facts) -> bool {
    facts.unread_steps.iter().any(|step| {
        facts.in_final_lineage(step.stage)
            && match step.kind {
                UnreadKind::Packages => true,
                UnreadKind::Script => ["install", "setup", "deps", "packages", "bootstrap"]
                    .iter()
                    .any(|word| step.what.contains(word)),
                UnreadKind::Project => false,
            }
    })
}
