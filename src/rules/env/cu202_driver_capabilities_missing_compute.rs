//! CU202: capabilities are set without `compute`, in an image that runs CUDA.

use super::capabilities::{VARIABLE, add_word, granted};
use crate::diagnostics::RuleId;
use crate::facts::{Capability, Origin};
use crate::rules::support::{cuda_payload, effective_set, variable_origin};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverCapabilitiesMissingCompute;

impl Rule for DriverCapabilitiesMissingCompute {
    fn id(&self) -> RuleId {
        RuleId::new("CU202")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU202-driver-capabilities-missing-compute.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(granted) = granted(facts) else { return };
        let Some(value) = granted.value.filter(|_| granted.own) else { return };
        // A list with an unknown word stops the container anyway: CU206 says so, and its fix names compute.
        if granted.set.contains(&Capability::Compute) || granted.broken() {
            return;
        }
        let Some(payload) = cuda_payload(facts) else { return };
        let origin: &Origin = variable_origin(facts, VARIABLE, &payload.origin);
        let conditional = effective_set(facts, VARIABLE).is_some_and(|set| set.references_self_conditionally);
        let help = if conditional {
            "the base image sets no capabilities, so the appended word stands alone and replaces the default; name \
             compute,utility as well"
        } else {
            "setting the variable replaces the default `compute,utility`, it does not add to it; name `compute` as well"
        };
        let draft = out
            .finding(
                origin,
                format!(
                    "{VARIABLE}={value} leaves out `compute`: libcuda.so.1 is not mounted, and `{}` needs it",
                    payload.what
                ),
            )
            .related(&payload.origin, "needs CUDA")
            .help(help);
        add_word(draft, facts, &granted, Capability::Compute).emit();
    }
}
