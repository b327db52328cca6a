//! CU701: ENV LD_LIBRARY_PATH drops what the base image set.

use crate::diagnostics::{RuleId, Safety};
use crate::facts::EnvSet;
use crate::rules::support::replace_value;
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "LD_LIBRARY_PATH";

pub(super) struct LdLibraryPathClobbered;

impl Rule for LdLibraryPathClobbered {
    fn id(&self) -> RuleId {
        RuleId::new("CU701")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU701-ld-library-path-clobbered.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for set in
            facts.env_sets.iter().filter(|set| set.name == VARIABLE && facts.in_final_lineage(set.stage))
        {
            if set.references_self {
                continue;
            }
            let Some(Some(previous)) = &set.previous else { continue };
            let Some(value) = &set.value else { continue };
            let lost = lost(previous, value);
            if lost.is_empty() {
                continue;
            }
            let mut draft = out
                .finding(
                    &set.origin,
                    format!(
                        "{VARIABLE} is replaced: {} {} no longer searched",
                        lost.join(", "),
                        if lost.len() == 1 { "is" } else { "are" }
                    ),
                )
                .help(format!(
                    "append: {VARIABLE}={}:${{{VARIABLE}}}",
                    if value.is_empty() { "…" } else { value }
                ));
            if let Some(edit) = appended(facts, set) {
                draft = draft.fix(Safety::Safe, "keep the earlier value", &[edit]);
            }
            draft.emit();
        }
    }
}

/// Directories of `previous` that `value` does not list. Stubs are for linking: that they go is right.
fn lost(previous: &str, value: &str) -> Vec<String> {
    let clean = |directory: &str| directory.trim_end_matches('/').to_owned();
    let kept: Vec<String> = value.split(':').map(clean).collect();
    let mut lost: Vec<String> = previous
        .split(':')
        .filter(|directory| !directory.is_empty())
        .map(clean)
        .filter(|directory| !kept.contains(directory) && !directory.ends_with("/stubs"))
        .collect();
    lost.dedup();
    lost
}

fn appended(facts: &crate::facts::Facts, set: &EnvSet) -> Option<(crate::facts::Origin, String)> {
    let value = set.value.as_deref()?;
    let value =
        if value.is_empty() { format!("${{{VARIABLE}}}") } else { format!("{value}:${{{VARIABLE}}}") };
    replace_value(facts, set, &value)
}
