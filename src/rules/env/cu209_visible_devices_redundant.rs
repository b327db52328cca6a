//! CU209: the base already sets NVIDIA_VISIBLE_DEVICES to the same value.

use crate::diagnostics::{RuleId, Safety};
use crate::facts::BaseKind;
use crate::rules::support::delete_assignment;
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "NVIDIA_VISIBLE_DEVICES";

pub(super) struct VisibleDevicesRedundant;

impl Rule for VisibleDevicesRedundant {
    fn id(&self) -> RuleId {
        RuleId::new("CU209")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU209-visible-devices-redundant.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base() else { return };
        if base.kind != BaseKind::Cuda || !base.args.is_empty() {
            return;
        }
        for set in
            facts.env_sets.iter().filter(|set| set.name == VARIABLE && facts.in_final_lineage(set.stage))
        {
            let same = set.value.is_some() && set.previous.as_ref() == Some(&set.value);
            if !same || !set.previous_from_base {
                continue;
            }
            let mut draft = out
                .finding(
                    &set.origin,
                    format!(
                        "the base image already sets {VARIABLE}={}",
                        set.value.as_deref().unwrap_or_default()
                    ),
                )
                .help("delete the assignment");
            if let Some(edit) = delete_assignment(facts, set) {
                draft = draft.fix(Safety::Safe, "delete the assignment", &[edit]);
            }
            draft.emit();
        }
    }
}
