//! CU213: NVIDIA_REQUIRE_CUDA is emptied while CUDA_VERSION stays.

use crate::compat::require::{HookOptions, read_environment};
use crate::diagnostics::{RuleId, Safety};
use crate::rules::support::{delete_assignment, effective_set, variable_origin};
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "NVIDIA_REQUIRE_CUDA";

pub(super) struct RequireCudaEmptied;

impl Rule for RequireCudaEmptied {
    fn id(&self) -> RuleId {
        RuleId::new("CU213")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU213-require-cuda-emptied.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(env) = facts.final_env() else { return };
        let Some(var) = env.get(VARIABLE).filter(|var| var.value.as_deref() == Some("")) else { return };
        let Some(version) = env.value("CUDA_VERSION").filter(|version| !version.is_empty()) else { return };
        let asked = [("NVIDIA_VISIBLE_DEVICES", "all"), ("CUDA_VERSION", version)];
        let reading = read_environment(&asked, &HookOptions::default(), cx.tables);
        let outcome = match reading.devices() {
            Some(devices) => format!(
                "CUDA_VERSION={version} brings it back as `{}`, without the driver branches that NVIDIA's own value lets through",
                devices.requirements.join("`, `")
            ),
            None => format!(
                "the hook reads CUDA_VERSION={version} instead, which is not a version, and refuses to start the container"
            ),
        };
        let mut draft = out
            .finding(
                variable_origin(facts, VARIABLE, &var.origin),
                format!("an empty {VARIABLE} does not switch the check off: {outcome}"),
            )
            .help("delete the assignment; the base image's own value accepts more hosts");
        if let Some(edit) = effective_set(facts, VARIABLE).and_then(|set| delete_assignment(facts, set)) {
            draft = draft.fix(Safety::Unsafe, "delete the assignment", &[edit]);
        }
        draft.emit();
    }
}
