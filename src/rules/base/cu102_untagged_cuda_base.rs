//! CU102: `nvidia/cuda` without a version.

use super::pulled;
use crate::diagnostics::RuleId;
use crate::facts::BaseKind;
use crate::rules::{Context, Rule, Sink};

pub(super) struct UntaggedCudaBase;

impl Rule for UntaggedCudaBase {
    fn id(&self) -> RuleId {
        RuleId::new("CU102")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU102-untagged-cuda-base.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for base in pulled(cx.facts)
            .filter(|base| base.kind == BaseKind::Cuda && base.reference.is_some() && !base.digest)
        {
            if base.tag.as_deref().is_some_and(|tag| tag != "latest") {
                continue;
            }
            out.finding(
                &base.origin,
                "nvidia/cuda has no tag `latest`: the pull fails (`manifest for nvidia/cuda:latest not found`)",
            )
            .help("name version, flavour and distribution, such as nvidia/cuda:12.6.3-base-ubuntu22.04")
            .emit();
        }
    }
}
