//! CU802: NVIDIA_REQUIRE_* refuses a driver of the target.

use super::requirements::{Requirements, read};
use crate::compat::require::evaluate_drivers;
use crate::compat::{Gpu, HostProfile, Pool, RangeWord};
use crate::diagnostics::{RuleId, Severity, VerdictWord};
use crate::rules::cures::{Failing, cures, in_words, offer};
use crate::rules::judgement::{describe, gpus};
use crate::rules::{Context, Rule, Sink};

pub(super) struct RequireCudaUnsatisfied;

impl Rule for RequireCudaUnsatisfied {
    fn id(&self) -> RuleId {
        RuleId::new("CU802")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU802-require-cuda-unsatisfied.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        // Jetson evaluates by other rules, on drivers that are no desktop branches.
        if cx.target.host() == HostProfile::Jetson {
            return;
        }
        let Some(Requirements { expressions, origin }) = read(cx, false) else { return };
        let mut refused: Vec<(&Pool, Option<&Gpu>)> = Vec::new();
        let mut all_refused = true;
        let mut message = None;
        for (pool, drivers) in cx.target.with_drivers() {
            for gpu in gpus(pool) {
                let over = evaluate_drivers(&expressions, drivers, gpu, cx.tables);
                match over.range.word {
                    RangeWord::None | RangeWord::Some => {
                        all_refused &= over.range.word == RangeWord::None;
                        refused.push((pool, gpu));
                        message = message.or(over.refused.and_then(|(_, over)| over.example.message));
                    }
                    RangeWord::All | RangeWord::Unknown => {}
                }
            }
        }
        let Some(message) = message else { return };
        let checked = cx.target.host().checks_requirements();
        let consequence = if checked {
            "the container will not start"
        } else {
            "a host that checks it would not start the container; this host profile does not check"
        };
        let mut pools: Vec<String> = refused.iter().filter_map(|(pool, _)| pool.name.clone()).collect();
        pools.dedup();
        // Only what comes with the base goes with its tag.
        let base = cx.facts.final_base().filter(|base| base.origin == origin && expressions.len() == 1);
        let failing = Failing {
            cuda: base.and_then(|base| base.cuda),
            base,
            requirements: &expressions,
            ..Failing::default()
        };
        let cures = if checked { cures(cx, &failing) } else { Vec::new() };
        let draft = out.finding(
            &origin,
            format!("NVIDIA_REQUIRE_CUDA refuses {}: `{}`; {consequence}", describe(refused.iter().copied()), short(&message)),
        )
        .severity(if checked { Severity::Error } else { Severity::Info })
        .verdict(if all_refused { VerdictWord::None } else { VerdictWord::Some })
        .pools(pools)
        .help(in_words(&cures).unwrap_or_else(|| {
            "where the program runs on these drivers, state what it really needs (`cuda>=X.0` of its major)".to_owned()
        }));
        offer(draft, cx, &failing, &cures).emit();
    }
}

/// The runtime's message without its advice.
fn short(message: &str) -> &str {
    message.split(", please update").next().unwrap_or(message)
}
