//! CU208: NVIDIA_VISIBLE_DEVICES names particular GPUs.

use crate::diagnostics::{RuleId, Safety};
use crate::facts::BaseKind;
use crate::rules::support::{delete_assignment, effective_set, replace_value, variable_origin};
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "NVIDIA_VISIBLE_DEVICES";

pub(super) struct VisibleDevicesHardcoded;

impl Rule for VisibleDevicesHardcoded {
    fn id(&self) -> RuleId {
        RuleId::new("CU208")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU208-visible-devices-hardcoded.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let Some(var) = cx.facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        let Some(value) = var.value.as_deref().filter(|_| !var.from_base) else { return };
        let mut words = value.split(',').map(str::trim).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() || !words.all(names_one_gpu) {
            return;
        }
        let mut draft = out
            .finding(
                variable_origin(cx.facts, VARIABLE, &var.origin),
                format!("{VARIABLE}={value} ties the image to the GPU numbering of one host"),
            )
            .help("use `all` in the image; choose GPUs when the container is started (`docker run --gpus`, the scheduler)");
        if let Some(set) = effective_set(cx.facts, VARIABLE) {
            // Where the base image says `all` already, the line is not needed.
            let inherited = set.previous_from_base
                && set.previous == Some(Some("all".to_owned()))
                && cx
                    .facts
                    .final_base()
                    .is_some_and(|base| base.kind == BaseKind::Cuda && base.args.is_empty());
            let (title, edit) = if inherited {
                ("delete the assignment: the base image sets `all`", delete_assignment(cx.facts, set))
            } else {
                ("use `all`", replace_value(cx.facts, set, "all"))
            };
            if let Some(edit) = edit {
                draft = draft.fix(Safety::Safe, title, &[edit]);
            }
        }
        draft.emit();
    }
}

/// An index (`0`, `0:1` for MIG) or the UUID of a GPU or MIG device.
fn names_one_gpu(word: &str) -> bool {
    word.starts_with("GPU-")
        || word.starts_with("MIG-")
        || word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}
