//! CU510: a package compiles kernels at run time, and the image has no C compiler.

use super::{has_conda, has_package, shipped_python};
use crate::diagnostics::RuleId;
use crate::facts::PythonRequirement;
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
        // torch depends on triton, so a lock file names it in every image with torch; that is no use of it.
        let by_torch = |requirement: &PythonRequirement| {
            requirement.name == "triton" && (requirement.locked || requirement.constrained)
        };
        let Some(requirement) = shipped_python(facts)
            .find(|requirement| PACKAGES.contains(&requirement.name.as_str()) && !by_torch(requirement))
        else {
            return;
        };
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
