//! CU203: something needs NVML, but the capabilities leave out `utility`.

use super::capabilities::{add_word, granted, place, uses};
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, Capability};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverCapabilitiesMissingUtility;

impl Rule for DriverCapabilitiesMissingUtility {
    fn id(&self) -> RuleId {
        RuleId::new("CU203")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU203-driver-capabilities-missing-utility.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.final_base().is_some_and(|base| base.kind == BaseKind::Jetson) {
            return;
        }
        let Some(granted) = granted(facts) else { return };
        if !granted.own || granted.value.is_none() || granted.set.contains(&Capability::Utility) {
            return;
        }
        let Some(sign) = uses(facts, Capability::Utility).find(|sign| sign.strong) else { return };
        let draft = out
            .finding(
                place(facts, sign),
                format!("`{}` needs NVML, but {} leaves out `utility`", sign.what, granted.shown()),
            )
            .related(&sign.origin, "needs it")
            .help("nvidia-smi and libnvidia-ml.so.1 are mounted with the capability `utility`; add it");
        add_word(draft, facts, &granted, Capability::Utility).emit();
    }
}
