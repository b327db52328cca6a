//! CU501: a wheel brings a CUDA that a driver of the target does not run.

use crate::compat::least_driver;
use crate::diagnostics::RuleId;
use crate::facts::CudaUseKind;
use crate::rules::judgement::judge_versions;
use crate::rules::{Context, Rule, Sink};

pub(super) struct WheelNeedsNewerDriver;

impl Rule for WheelNeedsNewerDriver {
    fn id(&self) -> RuleId {
        RuleId::new("CU501")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU501-wheel-needs-newer-driver.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let uses = cx.facts.cuda.iter().filter(|used| {
            cx.facts.is_shipped(used.stage) && matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda)
        });
        let judged = judge_versions(cx, uses);
        for judged in judged.iter().filter(|judged| !judged.failing.is_empty()) {
            let version = judged.used.version;
            let family = if judged.used.major_only {
                format!("{}.x", version.major)
            } else {
                version.minor_only().to_string()
            };
            let floor = least_driver(version, cx.tables)
                .map_or_else(String::new, |floor| format!(", it needs {floor} or newer"));
            out.finding(
                &judged.used.origin,
                format!("`{}` brings CUDA {family}, which does not run on {}{floor}", judged.used.what, judged.drivers()),
            )
            .verdict(judged.verdict())
            .pools(judged.pools())
            .help("use the wheel of an older CUDA major (another --index-url), or a newer driver; the base image's CUDA does not matter here")
            .emit();
        }
    }
}
