//! CU405: a CUDA package that follows the newest CUDA.

use super::names::cuda_name;
use crate::diagnostics::RuleId;
use crate::facts::PackageManager;
use crate::rules::{Context, Rule, Sink};

pub(super) struct UnversionedCudaToolkit;

impl Rule for UnversionedCudaToolkit {
    fn id(&self) -> RuleId {
        RuleId::new("CU405")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU405-unversioned-cuda-toolkit.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for package in &facts.packages {
            let from_repository =
                matches!(package.manager, PackageManager::Apt | PackageManager::Dnf | PackageManager::Zypper);
            if !from_repository
                || package.open_ended
                || package.pinned
                || package.removed
                || !facts.is_shipped(package.stage)
            {
                continue;
            }
            let Some(name) = cuda_name(&package.name) else { continue };
            if name.minor.is_some() {
                continue;
            }
            let example = match name.major {
                Some(major) => format!("{}-{major}-X", name.stem),
                None => format!("{}-X-Y", name.stem),
            };
            out.finding(
                &package.origin,
                format!("`{}` follows the newest CUDA: the next build may need a newer driver", package.name),
            )
            .help(format!("name the version: `{example}`"))
            .emit();
        }
    }
}
