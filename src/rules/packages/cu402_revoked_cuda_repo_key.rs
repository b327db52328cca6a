//! CU402: the CUDA repository key that NVIDIA replaced in April 2022.

use crate::diagnostics::RuleId;
use crate::facts::RepositoryUseKind;
use crate::rules::{Context, Rule, Sink};

pub(super) struct RevokedCudaRepoKey;

impl Rule for RevokedCudaRepoKey {
    fn id(&self) -> RuleId {
        RuleId::new("CU402")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU402-revoked-cuda-repo-key.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for repository in &cx.facts.repositories {
            if repository.kind == RepositoryUseKind::AptKeyDelete || !is_revoked(&repository.url) {
                continue;
            }
            out.finding(
                &repository.origin,
                "key 7fa2af80 was replaced in April 2022: `apt-get update` against the CUDA repository fails with it (`NO_PUBKEY A4B469963BF863CC`)",
            )
            .help("install the package cuda-keyring of the same distribution")
            .emit();
        }
    }
}

/// The old key by file name, short or long id (NVIDIA/cuda-repo-management#1).
pub(super) fn is_revoked(url: &str) -> bool {
    url.to_ascii_lowercase().contains("7fa2af80")
}
