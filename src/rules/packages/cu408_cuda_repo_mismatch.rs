//! CU408: a CUDA repository of another distribution or architecture.

use crate::diagnostics::{RuleId, Severity};
use crate::facts::{Facts, RepositoryUseKind, StageId};
use crate::rules::{Context, Rule, Sink};

pub(super) struct CudaRepoMismatch;

impl Rule for CudaRepoMismatch {
    fn id(&self) -> RuleId {
        RuleId::new("CU408")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU408-cuda-repo-mismatch.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let mut seen = Vec::new();
        for repository in &facts.repositories {
            if repository.dynamic || repository.kind == RepositoryUseKind::AptKeyDelete {
                continue;
            }
            let Some((distribution, architecture)) = parts(&repository.url) else { continue };
            let Some(base) = facts.base_of(repository.stage) else { continue };
            // One finding an instruction: key, keyring and source of one repository are one mistake.
            if seen.contains(&(repository.instruction, distribution, architecture)) {
                continue;
            }
            if let Some(os) = &base.os
                && let Some(own) = repository_name(&os.id)
                && own != distribution
                // For Ubuntu of any version, by its name.
                && !(distribution == "wsl-ubuntu" && own.starts_with("ubuntu"))
            {
                seen.push((repository.instruction, distribution, architecture));
                let cousins = distribution.starts_with("ubuntu") && own.starts_with("debian");
                out.finding(
                    &repository.origin,
                    format!("the CUDA repository is for {distribution}, this stage is {}", os.id),
                )
                .severity(if cousins { Severity::Info } else { Severity::Warning })
                .help(format!("use the repository `{own}`"))
                .emit();
                continue;
            }
            // Without `--platform` the build machine decides, and that may well be an Arm server.
            let platform = match own_platform(facts, repository.stage) {
                Some(platform) => platform,
                None if cx.target.architecture() == "arm64" || cx.target.platform_given() => {
                    cx.target.architecture()
                }
                None => continue,
            };
            // A stage of another architecture that this target does not need is not built.
            if !facts.stage(repository.stage).is_some_and(|stage| stage.used) {
                continue;
            }
            if let Some(wanted) = wrong_architecture(architecture, platform) {
                seen.push((repository.instruction, distribution, architecture));
                out.finding(
                    &repository.origin,
                    format!("the CUDA repository is for {architecture}, this build is for {platform}"),
                )
                .help(format!("use `{wanted}`, or choose by TARGETARCH"))
                .emit();
            }
        }
    }
}

/// The architecture that a stage, or the one it stands on, is fixed to by `FROM --platform`.
fn own_platform(facts: &Facts, stage: StageId) -> Option<&str> {
    let lineage = &facts.stage(stage)?.lineage;
    lineage.iter().find_map(|stage| facts.stage(*stage)?.architecture.as_deref())
}

/// Distribution and architecture folders of a CUDA repository URL.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("/compute/cuda/repos/")?;
    let mut parts = rest.split('/');
    Some((parts.next()?, parts.next().filter(|part| !part.is_empty())?))
}

/// The folder for a distribution, where NVIDIA has one of this name (CUDA installation guide for Linux).
fn repository_name(os: &str) -> Option<String> {
    let known = os.strip_prefix("ubuntu").map(|version| format!("ubuntu{}", version.replace('.', "")));
    known.or_else(|| os.strip_prefix("debian").map(|version| format!("debian{version}"))).or_else(|| {
        os.strip_prefix("ubi")
            .or_else(|| os.strip_prefix("rockylinux"))
            .map(|version| format!("rhel{version}"))
    })
}

/// The folder to use instead, when the one in the URL is of another architecture.
fn wrong_architecture(folder: &str, platform: &str) -> Option<&'static str> {
    match (folder, platform) {
        ("sbsa" | "aarch64" | "arm64", "amd64") => Some("x86_64"),
        ("x86_64", "arm64") => Some("sbsa"),
        _ => None,
    }
}
