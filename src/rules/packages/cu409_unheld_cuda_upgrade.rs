//! CU409: an upgrade of the whole system that may replace the base image's CUDA.

use crate::diagnostics::RuleId;
use crate::facts::BaseKind;
use crate::rules::{Context, Rule, Sink};

pub(super) struct UnheldCudaUpgrade;

impl Rule for UnheldCudaUpgrade {
    fn id(&self) -> RuleId {
        RuleId::new("CU409")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU409-unheld-cuda-upgrade.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for upgrade in facts
            .upgrades
            .iter()
            .filter(|upgrade| !upgrade.cuda_protected && facts.in_final_lineage(upgrade.stage))
        {
            let Some(base) = facts.base_of(upgrade.stage).filter(|base| base.kind == BaseKind::Cuda) else {
                continue;
            };
            out.finding(
                &upgrade.origin,
                format!("the upgrade may replace CUDA libraries and cuda-compat of `{}`", base.reference.as_deref().unwrap_or(&base.written)),
            )
            .help("remove /etc/apt/sources.list.d/cuda* before it, or hold the packages (apt-mark hold 'cuda-*')")
            .emit();
        }
    }
}
