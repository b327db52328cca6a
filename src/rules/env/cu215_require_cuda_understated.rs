//! CU215: NVIDIA_REQUIRE_CUDA lets drivers through that cannot run the CUDA in the image.

use crate::compat::require::{Alternative, Expression, Operator, Property, evaluate_over};
use crate::compat::{DriverPoint, Truth};
use crate::diagnostics::{RuleId, Safety};
use crate::rules::support::{effective_set, replace_value, variable_origin};
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "NVIDIA_REQUIRE_CUDA";

pub(super) struct RequireCudaUnderstated;

impl Rule for RequireCudaUnderstated {
    fn id(&self) -> RuleId {
        RuleId::new("CU215")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU215-require-cuda-understated.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(var) = facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        let Some(value) = var.value.as_deref().filter(|value| !value.is_empty() && !var.from_base) else {
            return;
        };
        let expression = Expression::parse(value);
        if expression.malformed().next().is_some() {
            return;
        }
        // Alternatives for a brand are for forward compatibility; the others must hold their own.
        let branded = |alternative: &Alternative| {
            alternative.terms.iter().any(|(_, term)| {
                term.as_ref()
                    .is_ok_and(|term| term.property == Property::Brand && term.operator == Operator::Equal)
            })
        };
        let general: Vec<&str> = expression
            .alternatives
            .iter()
            .filter(|alternative| !branded(alternative))
            .filter_map(|alternative| value.get(alternative.span.start..alternative.span.end))
            .collect();
        if general.is_empty() {
            return;
        }
        // All NVIDIA_REQUIRE_* must hold.
        let mut requirements = vec![general.join(" ")];
        for (_, var) in facts
            .final_env()
            .iter()
            .flat_map(|env| &env.vars)
            .filter(|(name, _)| name.starts_with("NVIDIA_REQUIRE_") && *name != VARIABLE)
        {
            let Some(other) = var.value.as_deref() else { return };
            if !other.is_empty() {
                requirements.push(other.to_owned());
            }
        }
        let Some(used) =
            facts.cuda.iter().filter(|used| facts.ships_cuda(used)).max_by_key(|used| used.version)
        else {
            return;
        };
        // In a built image the value that NVIDIA's own images of this version carry is not the author's.
        let images = cx.tables.images();
        let own = images.require_texts().iter().any(|row| {
            row.version.minor_only() == used.version.minor_only()
                && images.require_text(row).as_deref() == Some(value)
        });
        if own {
            return;
        }
        let Some(family) = cx.tables.toolkits().family(used.version.major) else { return };
        let floor = &family.minor_compat_min_driver;
        let accepted = cx
            .tables
            .drivers()
            .all()
            .iter()
            .filter(|branch| branch.branch < floor.branch())
            .flat_map(|branch| {
                branch.production().into_iter().map(|release| release.version.clone()).collect::<Vec<_>>()
            })
            .map(|version| DriverPoint::new(version, cx.tables.drivers()))
            .rfind(|point| evaluate_over(&requirements, point, None, cx.tables).truth == Truth::Yes);
        let Some(point) = accepted else { return };
        let major = used.version.major;
        let mut draft = out
            .finding(
                variable_origin(facts, VARIABLE, &var.origin),
                format!("{VARIABLE}=\"{value}\" lets driver {} through, which cannot run the CUDA {major} of `{}`", point.version, used.what),
            )
            .related(&used.origin, "the image's CUDA")
            .help(format!("ask for `cuda>={major}.0`, which is what minor-version compatibility needs"));
        if let Some(edit) = effective_set(facts, VARIABLE)
            .and_then(|set| replace_value(facts, set, &format!("cuda>={major}.0")))
        {
            draft = draft.fix(Safety::Unsafe, format!("ask for `cuda>={major}.0`"), &[edit]);
        }
        draft.emit();
    }
}
