//! CU205: EGL, Vulkan or OpenGL on the GPU without the capability `graphics`.

use super::capabilities::{add_word, granted, place, uses};
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, Capability};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverCapabilitiesMissingGraphics;

impl Rule for DriverCapabilitiesMissingGraphics {
    fn id(&self) -> RuleId {
        RuleId::new("CU205")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU205-driver-capabilities-missing-graphics.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.final_base().is_some_and(|base| base.kind == BaseKind::Jetson) {
            return;
        }
        let Some(granted) = granted(facts) else { return };
        if granted.set.contains(&Capability::Graphics) || granted.set.contains(&Capability::Display) {
            return;
        }
        // Vulkan's tools run on any vendor's driver: something else must say that this one is NVIDIA's.
        let neutral = |what: &str| what.starts_with("vulkan-");
        let gpu_image = facts.payload.iter().any(|payload| facts.is_shipped(payload.stage));
        let Some(sign) =
            uses(facts, Capability::Graphics).find(|sign| sign.strong && (gpu_image || !neutral(&sign.what)))
        else {
            return;
        };
        let draft = out
            .finding(place(facts, sign), format!("`{}` renders on the GPU, but `graphics` is missing ({})", sign.what, granted.shown()))
            .related(&sign.origin, "needs it")
            .help("the EGL, Vulkan and OpenGL driver libraries are mounted with the capability `graphics`; add it");
        add_word(draft, facts, &granted, Capability::Graphics).emit();
    }
}
