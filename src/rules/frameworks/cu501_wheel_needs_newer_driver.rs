//! CU501: a wheel brings a CUDA that a driver of the target does not run.

use crate::compat::cure::Cure;
use crate::compat::least_driver;
use crate::diagnostics::RuleId;
use crate::facts::{CudaUseKind, PythonRequirement};
use crate::rules::cures::{Failing, cures, in_words, offer};
use crate::rules::judgement::{Judged, judge_versions};
use crate::rules::target::read_requirements;
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
            cx.facts.ships_cuda(used) && matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda)
        });
        let judged = judge_versions(cx, uses);
        let requirements = read_requirements(cx, false).map(|found| found.expressions).unwrap_or_default();
        for judged in judged.iter().filter(|judged| !judged.failing.is_empty()) {
            let version = judged.used.version;
            let family = if judged.used.major_only {
                format!("{}.x", version.major)
            } else {
                version.minor_only().to_string()
            };
            let floor = least_driver(version, cx.tables)
                .map_or_else(String::new, |floor| format!(", it needs {floor} or newer"));
            let failing = Failing { cuda: Some(version), torch: torch(cx, judged), ..Failing::default() };
            let cures = offers(cx, &failing, &requirements);
            let draft = out
                .finding(
                    &judged.used.origin,
                    format!(
                        "`{}` brings CUDA {family}, which does not run on {}{floor}",
                        judged.used.what,
                        judged.drivers()
                    ),
                )
                .verdict(judged.verdict())
                .pools(judged.pools())
                .help(match in_words(&cures) {
                    Some(cures) => format!("{cures}; the base image's CUDA does not matter here"),
                    None => {
                        "the base image's CUDA does not matter here, what the wheel brings does".to_owned()
                    }
                });
            offer(draft, cx, &failing, &cures).emit();
        }
    }
}

/// What would help. A requirement of the base that refuses the drivers anyway is CU802's, and no reason against a wheel.
fn offers(cx: &Context<'_>, failing: &Failing<'_>, requirements: &[String]) -> Vec<Cure> {
    let is_wheel = |cure: &Cure| matches!(cure, Cure::WheelIndex { .. });
    let mut found = cures(cx, &Failing { requirements, ..*failing });
    if !found.iter().any(is_wheel) {
        let wheel = cures(cx, failing).into_iter().filter(is_wheel);
        found.splice(0..0, wheel);
    }
    found
}

/// The torch requirement that brings the version.
fn torch<'a>(cx: &Context<'a>, judged: &Judged<'_>) -> Option<&'a PythonRequirement> {
    let mut found = cx.facts.python.iter().filter(|one| one.origin == judged.used.origin);
    found.find(|one| one.name == "torch" && judged.used.kind == CudaUseKind::Wheel)
}
