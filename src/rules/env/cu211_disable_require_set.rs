//! CU211: NVIDIA_DISABLE_REQUIRE switches off the driver check.

use super::go_bool;
use crate::compat::RangeWord;
use crate::compat::require::evaluate_drivers;
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::rules::judgement::gpus;
use crate::rules::support::{cuda_payload, delete_assignment, effective_set, variable_origin};
use crate::rules::target::read_requirements;
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "NVIDIA_DISABLE_REQUIRE";

pub(super) struct DisableRequireSet;

impl Rule for DisableRequireSet {
    fn id(&self) -> RuleId {
        RuleId::new("CU211")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU211-disable-require-set.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(var) = facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        if var.value.as_deref().and_then(go_bool) != Some(true) || cuda_payload(facts).is_none() {
            return;
        }
        let (severity, message) = match would_pass(cx) {
            Some(true) => (
                Severity::Info,
                format!("{VARIABLE} switches off a driver check that every driver of the target passes"),
            ),
            Some(false) => (
                Severity::Warning,
                format!(
                    "{VARIABLE} hides that the requirement refuses drivers of the target: the start-time message becomes a crash inside CUDA"
                ),
            ),
            None => (
                Severity::Warning,
                format!(
                    "{VARIABLE} switches off the driver check: a start-time message becomes a crash inside CUDA"
                ),
            ),
        };
        let mut draft = out
            .finding(variable_origin(facts, VARIABLE, &var.origin), message)
            .severity(severity)
            .help("delete it and use a tag that the hosts accept");
        if let Some(edit) = effective_set(facts, VARIABLE).and_then(|set| delete_assignment(facts, set)) {
            draft = draft.fix(Safety::Unsafe, "delete the assignment", &[edit]);
        }
        draft.emit();
    }
}

/// Whether the check would pass on every driver and GPU of the target; `None` without a target or where it is open.
fn would_pass(cx: &Context<'_>) -> Option<bool> {
    let requirements = read_requirements(cx, true)?;
    let mut asked = false;
    for (pool, drivers) in cx.target.with_drivers() {
        for gpu in gpus(pool) {
            asked = true;
            match evaluate_drivers(&requirements.expressions, drivers, gpu, cx.tables).range.word {
                RangeWord::All => {}
                RangeWord::Some | RangeWord::None => return Some(false),
                RangeWord::Unknown => return None,
            }
        }
    }
    asked.then_some(true)
}
