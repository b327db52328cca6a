//! CU207: every driver library is mounted.

use super::capabilities::{VARIABLE, uses};
use crate::diagnostics::{RuleId, Safety};
use crate::facts::{BaseKind, Capability};
use crate::rules::support::{effective_set, replace_value, variable_origin};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverCapabilitiesAll;

impl Rule for DriverCapabilitiesAll {
    fn id(&self) -> RuleId {
        RuleId::new("CU207")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU207-driver-capabilities-all.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(var) = facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        if var.value.as_deref() != Some("all")
            || var.from_base
            || facts.final_base().is_some_and(|base| base.kind == BaseKind::Jetson)
        {
            return;
        }
        let needed = |capability| uses(facts, capability).next().is_some();
        let graphics = needed(Capability::Graphics) || needed(Capability::Display);
        let video = needed(Capability::Video);
        if graphics && video {
            return;
        }
        let mut words = vec!["compute", "utility"];
        if video {
            words.push("video");
        }
        if graphics {
            words.push("graphics");
        }
        let list = words.join(",");
        let mut draft = out
            .finding(
                variable_origin(facts, VARIABLE, &var.origin),
                format!("{VARIABLE}=all mounts every driver library, display included, which can fail on headless hosts"),
            )
            .help(format!("list what the image uses; what can be seen here is {list}"));
        if let Some(edit) = effective_set(facts, VARIABLE).and_then(|set| replace_value(facts, set, &list)) {
            draft = draft.fix(Safety::Unsafe, format!("use `{list}`"), &[edit]);
        }
        draft.emit();
    }
}
