//! CU204: NVENC or NVDEC is used without the capability `video`.

use super::capabilities::{add_word, granted, place, uses};
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, Capability};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverCapabilitiesMissingVideo;

impl Rule for DriverCapabilitiesMissingVideo {
    fn id(&self) -> RuleId {
        RuleId::new("CU204")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU204-driver-capabilities-missing-video.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.final_base().is_some_and(|base| base.kind == BaseKind::Jetson) {
            return;
        }
        let Some(granted) = granted(facts) else { return };
        if granted.set.contains(&Capability::Video) {
            return;
        }
        let Some(sign) = uses(facts, Capability::Video).find(|sign| sign.strong) else { return };
        let draft = out
            .finding(place(facts, sign), format!("`{}` uses NVENC or NVDEC, but `video` is missing ({})", sign.what, granted.shown()))
            .related(&sign.origin, "needs it")
            .help("libnvcuvid.so.1 and libnvidia-encode.so.1 are mounted with the capability `video`; add it and keep compute and utility");
        add_word(draft, facts, &granted, Capability::Video).emit();
    }
}
