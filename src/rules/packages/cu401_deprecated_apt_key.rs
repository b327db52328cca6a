//! CU401: apt-key with a key of NVIDIA's.

use super::cu402_revoked_cuda_repo_key::is_revoked;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{Facts, RepositoryUseKind, StageId};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DeprecatedAptKey;

impl Rule for DeprecatedAptKey {
    fn id(&self) -> RuleId {
        RuleId::new("CU401")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU401-deprecated-apt-key.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for repository in &facts.repositories {
            // The revoked key has a rule of its own, which says what is worse.
            if repository.kind != RepositoryUseKind::AptKey || is_revoked(&repository.url) {
                continue;
            }
            let gone = lacks_apt_key(facts, repository.stage);
            let message = if gone {
                "apt-key, used for a key of NVIDIA's, is not in this distribution any more"
            } else {
                "apt-key, used for a key of NVIDIA's, is deprecated and gone from new distributions"
            };
            out.finding(repository.apt_key.as_ref().unwrap_or(&repository.origin), message)
                .severity(if gone { Severity::Error } else { Severity::Warning })
                .help(
                    "install the package cuda-keyring, or store the key in a file and name it with signed-by",
                )
                .emit();
        }
    }
}

/// Debian 13 and Ubuntu 24.10 and later ship apt without apt-key.
fn lacks_apt_key(facts: &Facts, stage: StageId) -> bool {
    facts.base_of(stage).and_then(|base| base.os.as_ref()).is_some_and(|os| {
        ["debian13", "ubuntu24.10", "ubuntu25.04", "ubuntu25.10", "ubuntu26.04"].contains(&os.id.as_str())
    })
}
