//! CU604: built with one CUDA, shipped with another.

use super::paths::{compiles, is_data, is_python_environment, is_wheels, looks_native, maker};
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{BaseKind, CopyFrom, Facts, StageId};
use crate::rules::{Context, Rule, Sink};

pub(super) struct StageCudaVersionSkew;

impl Rule for StageCudaVersionSkew {
    fn id(&self) -> RuleId {
        RuleId::new("CU604")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU604-stage-cuda-version-skew.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let mut seen = Vec::new();
        for copy in facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage)) {
            let CopyFrom::Stage(stage) = copy.from else { continue };
            let code = copy
                .sources
                .iter()
                .filter_map(|word| word.text.as_deref())
                .find(|path| is_code(facts, stage, path));
            let Some(path) = code else { continue };
            let stage = maker(facts, stage, path);
            let (Some(from), Some(to)) = (facts.base_of(stage), facts.base_of(copy.stage)) else {
                continue;
            };
            if from.kind != BaseKind::Cuda || to.kind != BaseKind::Cuda || seen.contains(&stage) {
                continue;
            }
            let (Some(built), Some(shipped)) = (from.cuda, to.cuda) else { continue };
            let (severity, why) = if built.major != shipped.major {
                (Severity::Error, "the libraries have other SONAMEs, so they are not found")
            } else if built.minor > shipped.minor {
                (Severity::Warning, "the code may need symbols and PTX that the older libraries lack")
            } else {
                continue;
            };
            seen.push(stage);
            out.finding(
                &to.origin,
                format!(
                    "built with CUDA {}.{}, shipped with CUDA {}.{}: {why}",
                    built.major, built.minor, shipped.major, shipped.minor
                ),
            )
            .severity(severity)
            .related(&from.origin, "built here")
            .related(&copy.origin, "copied here")
            .help("give both stages the same version, best by one ARG before the first FROM")
            .emit();
        }
    }
}

/// Whether a path may hold code that was built with the toolkit of a stage. Wheels bring what they need; an environment
/// of them holds code of the stage only where the stage compiled some.
fn is_code(facts: &Facts, stage: StageId, path: &str) -> bool {
    !is_data(path)
        && !is_wheels(path)
        && (looks_native(path) || !path.contains('.'))
        && (!is_python_environment(path) || compiles(facts, maker(facts, stage, path)))
}
