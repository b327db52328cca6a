//! CU201: a GPU image on a plain base that never asks the runtime for a GPU.

use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{BaseKind, PayloadKind};
use crate::rules::support::insert_after_from;
use crate::rules::{Context, Rule, Sink};

pub(super) struct MissingNvidiaEnv;

impl Rule for MissingNvidiaEnv {
    fn id(&self) -> RuleId {
        RuleId::new("CU201")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU201-missing-nvidia-env.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let (Some(base), Some(env)) = (facts.final_base(), facts.final_env()) else { return };
        if !matches!(base.kind, BaseKind::Plain | BaseKind::Scratch | BaseKind::Built) {
            return;
        }
        // Capabilities ask for no device.
        let asks = ["NVIDIA_VISIBLE_DEVICES", "CUDA_VERSION"];
        if asks.iter().any(|name| !env.is_unset(name)) {
            return;
        }
        // What a package manager installs in a stage that is only copied from stays there.
        let shipped: Vec<_> = facts
            .payload
            .iter()
            .filter(|payload| match payload.kind {
                PayloadKind::SystemPackage | PayloadKind::Installer => facts.in_final_lineage(payload.stage),
                // ENV of a stage that is only copied from stays there as well.
                PayloadKind::Environment => false,
                _ => facts.is_shipped(payload.stage),
            })
            .collect();
        let system = shipped.iter().find(|payload| {
            matches!(
                payload.kind,
                PayloadKind::Copied | PayloadKind::SystemPackage | PayloadKind::Installer | PayloadKind::Elf
            )
        });
        let Some(payload) = system.or(shipped.first()) else { return };
        let severity = if system.is_some() { Severity::Warning } else { Severity::Info };
        let capabilities = !env.is_unset("NVIDIA_DRIVER_CAPABILITIES");
        let unset = if capabilities {
            "does not set NVIDIA_VISIBLE_DEVICES"
        } else {
            "sets neither NVIDIA_VISIBLE_DEVICES nor NVIDIA_DRIVER_CAPABILITIES"
        };
        let mut draft = out
            .finding(
                &payload.origin,
                format!(
                    "the image carries CUDA (`{}`) but {unset}: with `runtime: nvidia` and no device request it gets no GPU",
                    payload.what
                ),
            )
            .severity(severity)
            .help("set NVIDIA_VISIBLE_DEVICES=all and NVIDIA_DRIVER_CAPABILITIES=compute,utility, as NVIDIA's images do");
        let line = if capabilities {
            "ENV NVIDIA_VISIBLE_DEVICES=all"
        } else {
            "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        };
        if let Some(edit) = insert_after_from(facts, facts.target, line) {
            draft = draft.fix(Safety::Safe, "set the NVIDIA variables", &[edit]);
        }
        draft.emit();
    }
}
