//! CU210: CUDA_VISIBLE_DEVICES is fixed in the image.

use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::BaseKind;
use crate::rules::support::{cuda_payload, delete_assignment, effective_set, variable_origin};
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "CUDA_VISIBLE_DEVICES";

pub(super) struct CudaVisibleDevicesBaked;

impl Rule for CudaVisibleDevicesBaked {
    fn id(&self) -> RuleId {
        RuleId::new("CU210")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU210-cuda-visible-devices-baked.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(var) = facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        let Some(value) = var.value.as_deref().filter(|_| !var.from_base) else { return };
        let first = value.split(',').next().unwrap_or_default().trim();
        let hides_all = first.is_empty() || first == "-1";
        if hides_all && cuda_payload(facts).is_none() {
            return;
        }
        // An image of a plain distribution that brings nothing for GPUs is a CPU image.
        let plain =
            facts.final_base().is_some_and(|base| matches!(base.kind, BaseKind::Plain | BaseKind::Scratch));
        if plain && !facts.payload.iter().any(|payload| facts.is_shipped(payload.stage)) {
            return;
        }
        let (severity, message) = if hides_all {
            (Severity::Warning, format!("{VARIABLE}={value} hides every GPU: this image never uses one"))
        } else if readable(first) {
            (Severity::Warning, format!("{VARIABLE}={value} in the image hides the other GPUs on every host"))
        } else {
            (
                Severity::Error,
                format!(
                    "CUDA cannot read {VARIABLE}={value}: it stops at `{first}`, and the program sees no GPU"
                ),
            )
        };
        let mut draft = out
            .finding(variable_origin(facts, VARIABLE, &var.origin), message)
            .severity(severity)
            .help("leave it to `docker run --gpus` or to the scheduler: a container already sees only its own GPUs");
        if let Some(edit) = effective_set(facts, VARIABLE).and_then(|set| delete_assignment(facts, set)) {
            draft = draft.fix(Safety::Unsafe, "delete the assignment", &[edit]);
        }
        draft.emit();
    }
}

/// What CUDA takes as a device: an index, or the UUID of a GPU or MIG device (CUDA programming guide).
fn readable(word: &str) -> bool {
    word.starts_with("GPU-") || word.starts_with("MIG-") || word.bytes().all(|byte| byte.is_ascii_digit())
}
