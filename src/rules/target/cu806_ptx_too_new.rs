//! CU806: the GPU would need PTX that the target driver cannot compile.

use super::device_code::all;
use crate::compat::verdict::judge_over;
use crate::compat::{Gpu, HostDriver, Pool, Question, RangeWord, Verdict};
use crate::diagnostics::{RuleId, VerdictWord};
use crate::rules::judgement::describe;
use crate::rules::{Context, Rule, Sink};

pub(super) struct PtxTooNew;

impl Rule for PtxTooNew {
    fn id(&self) -> RuleId {
        RuleId::new("CU806")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU806-ptx-too-new.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for code in all(cx) {
            let mut failing: Vec<(&Pool, Option<&Gpu>)> = Vec::new();
            let mut why = None;
            let mut all_fail = true;
            for (pool, drivers) in cx.target.with_drivers() {
                let Some(least) = drivers.least() else { continue };
                for gpu in &pool.gpus {
                    let question = Question {
                        cuda: code.toolkit,
                        code: Some(&code.code),
                        gpu: Some(gpu),
                        ..Question::new(HostDriver::Driver(least))
                    };
                    let answer = judge_over(&question, drivers, cx.tables);
                    let cell = answer.cells.iter().find(|cell| cell.answer.verdict == Verdict::PtxJitFails);
                    let Some(cell) = cell else { continue };
                    why = why.or_else(|| cell.answer.deciding().map(|reason| reason.text.clone()));
                    all_fail &= answer.range.word == RangeWord::None;
                    failing.push((pool, Some(gpu)));
                }
            }
            let Some(why) = why else { continue };
            out.finding(
                &code.origin,
                format!(
                    "{} has only PTX that {} cannot compile: {why}",
                    code.what,
                    describe(failing.iter().copied())
                ),
            )
            .verdict(if all_fail { VerdictWord::None } else { VerdictWord::Some })
            .pools(failing.iter().filter_map(|(pool, _)| pool.name.clone()))
            .help("add machine code for the GPU to the build, or build with an older toolkit")
            .emit();
        }
    }
}
