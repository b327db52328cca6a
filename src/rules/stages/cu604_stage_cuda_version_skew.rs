//! CU604: built with one CUDA, shipped with another.

use super::paths::{looks_native, source_base};
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{BaseKind, CopyFrom, may_be_code};
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
            let (Some(from), Some(to)) = (source_base(facts, copy), facts.base_of(copy.stage)) else {
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
            if !copy.sources.iter().any(|word| {
                word.text
                    .as_deref()
                    .is_some_and(|path| may_be_code(path) && (looks_native(path) || !path.contains('.')))
            }) {
                continue;
            }
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
