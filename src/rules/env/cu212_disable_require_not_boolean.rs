//! CU212: NVIDIA_DISABLE_REQUIRE holds a word that Go does not read as a boolean.

use super::go_bool;
use crate::diagnostics::{RuleId, Safety};
use crate::rules::support::{cuda_payload, delete_assignment, effective_set, replace_value, variable_origin};
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "NVIDIA_DISABLE_REQUIRE";

pub(super) struct DisableRequireNotBoolean;

impl Rule for DisableRequireNotBoolean {
    fn id(&self) -> RuleId {
        RuleId::new("CU212")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU212-disable-require-not-boolean.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let Some(var) = cx.facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        let Some(value) = var.value.as_deref() else { return };
        if value.is_empty() || go_bool(value).is_some() {
            return;
        }
        let mut draft = out
            .finding(
                variable_origin(cx.facts, VARIABLE, &var.origin),
                format!("{VARIABLE}={value:?} is not read as true: the requirement check stays on, without a word"),
            )
            .help("the words that switch it off are 1, t, T, true, TRUE and True; better, use a base that the hosts accept");
        if let Some(set) = effective_set(cx.facts, VARIABLE) {
            // With CUDA in the image, switching the check off would only move the failure.
            let (title, edit) = if cuda_payload(cx.facts).is_some() {
                ("delete the assignment", delete_assignment(cx.facts, set))
            } else {
                ("use `1`", replace_value(cx.facts, set, "1"))
            };
            if let Some(edit) = edit {
                draft = draft.fix(Safety::Unsafe, title, &[edit]);
            }
        }
        draft.emit();
    }
}
