//! CU302: a CUDA metapackage that depends on the driver.

use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{PackageInstall, PackageManager};
use crate::rules::support::written;
use crate::rules::{Context, Rule, Sink};

pub(super) struct CudaMetapackageInstallsDriver;

impl Rule for CudaMetapackageInstallsDriver {
    fn id(&self) -> RuleId {
        RuleId::new("CU302")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU302-cuda-metapackage-installs-driver.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let wsl = facts.repositories.iter().any(|repository| repository.url.contains("wsl-ubuntu"));
        if wsl {
            return;
        }
        for package in &facts.packages {
            if package.removed
                || !matches!(
                    package.manager,
                    PackageManager::Apt | PackageManager::Dnf | PackageManager::Zypper
                )
            {
                continue;
            }
            let final_stage = facts.in_final_lineage(package.stage);
            let ends_in_version = package.open_ended
                && written(facts, &package.origin)
                    .and_then(|word| std::str::from_utf8(word).ok())
                    .is_some_and(ends_in_version);
            let Some(replacement) = replacement(package, final_stage, ends_in_version) else { continue };
            let name = if package.open_ended { format!("{}*", package.name) } else { package.name.clone() };
            let message = if final_stage {
                format!("`{name}` depends on `cuda-drivers`: it installs the host driver into the image")
            } else {
                format!("`{name}` depends on `cuda-drivers`: this stage installs the driver for nothing")
            };
            let mut draft = out
                .finding(&package.origin, message)
                .severity(if final_stage { Severity::Error } else { Severity::Info })
                .help(format!("install `{replacement}`; --no-install-recommends does not help, the driver is a dependency"));
            if !package.open_ended && !replacement.contains('X') && package.version.is_none() {
                let safety = if final_stage { Safety::Unsafe } else { Safety::Safe };
                draft = draft.fix(
                    safety,
                    format!("use `{replacement}`"),
                    &[(package.origin.clone(), replacement.clone())],
                );
            }
            draft.emit();
        }
    }
}

/// The driver-free twin of a metapackage; `None` when the package is none of those that depend on `cuda-drivers`
/// (CUDA installation guide for Linux, meta packages).
fn replacement(package: &PackageInstall, final_stage: bool, ends_in_version: bool) -> Option<String> {
    let name = package.name.as_str();
    if let Some(version) = name.strip_prefix("cuda-runtime-") {
        return starts_with_version(version, package.open_ended).then(|| format!("cuda-libraries-{version}"));
    }
    if let Some(version) = name.strip_prefix("cuda-demo-suite-") {
        return starts_with_version(version, package.open_ended).then(|| format!("cuda-toolkit-{version}"));
    }
    let twin = if final_stage { "cuda-libraries" } else { "cuda-toolkit" };
    if name == "cuda" && !package.open_ended {
        return Some(format!("{twin}-X-Y"));
    }
    let version = name.strip_prefix("cuda-")?;
    if version.is_empty() {
        // `cuda-${CUDA_VERSION}` is the metapackage; `cuda-${COMPONENT}-12-4` may be anything.
        return ends_in_version.then(|| format!("{twin}-X-Y"));
    }
    if !starts_with_version(version, package.open_ended) {
        return None;
    }
    // `cuda-12` follows the newest 12.x; there is no cuda-libraries-12, only a toolkit of that name.
    Some(if version.contains('-') { format!("{twin}-{version}") } else { format!("{twin}-{version}-X") })
}

/// Whether all that follows `cuda-` is one variable that says it holds a version (`cuda-${CUDA_VERSION//./-}`).
fn ends_in_version(word: &str) -> bool {
    let word = word.trim_matches(['"', '\'']);
    let Some(rest) = word.strip_prefix("cuda-$") else { return false };
    let variable = match rest.strip_prefix('{') {
        Some(braced) => braced.strip_suffix('}').filter(|inner| !inner.contains('}')),
        None => Some(rest),
    };
    let Some(variable) = variable else { return false };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = variable.find(|c: char| !is_name(c)).unwrap_or(variable.len());
    let whole = end == variable.len() || rest.starts_with('{');
    whole && variable.get(..end).is_some_and(|name| name.to_ascii_uppercase().contains("VERSION"))
}

/// Whether the rest of a name is a version as NVIDIA's packages spell it: `12-4`, or `12` alone.
fn starts_with_version(rest: &str, open_ended: bool) -> bool {
    let mut parts = rest.split('-');
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(major), None, None) => numeric(major) || (open_ended && major.is_empty()),
        (Some(major), Some(minor), None) => {
            numeric(major) && (numeric(minor) || (open_ended && minor.is_empty()))
        }
        _ => false,
    }
}
