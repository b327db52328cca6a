//! CU704: LD_LIBRARY_PATH ends up with an empty element.

use crate::diagnostics::{RuleId, Safety};
use crate::rules::support::written;
use crate::rules::{Context, Rule, Sink};

const VARIABLE: &str = "LD_LIBRARY_PATH";

pub(super) struct EmptyLdPathElement;

impl Rule for EmptyLdPathElement {
    fn id(&self) -> RuleId {
        RuleId::new("CU704")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU704-empty-ld-path-element.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for set in
            facts.env_sets.iter().filter(|set| set.name == VARIABLE && facts.in_final_lineage(set.stage))
        {
            let nothing_before = set.previous.is_none() || set.previous == Some(Some(String::new()));
            if !set.references_self || set.references_self_conditionally || !nothing_before {
                continue;
            }
            let Some(value) = set.value.as_deref() else { continue };
            if !value.starts_with(':') && !value.ends_with(':') && !value.contains("::") {
                continue;
            }
            let mut draft = out
                .finding(&set.origin, format!("nothing sets {VARIABLE} before, so it gets an empty element, which means the working directory"))
                .help(format!("use ${{{VARIABLE}:+:${VARIABLE}}}"));
            let text = written(facts, &set.value_origin).and_then(|text| std::str::from_utf8(text).ok());
            if let Some(safe) = text.and_then(conditional) {
                draft =
                    draft.fix(Safety::Safe, "append only what is set", &[(set.value_origin.clone(), safe)]);
            }
            draft.emit();
        }
    }
}

/// The same value with the reference made conditional; `None` when the reference is not at the end or the start.
fn conditional(text: &str) -> Option<String> {
    for reference in ["${LD_LIBRARY_PATH}", "$LD_LIBRARY_PATH"] {
        let behind = format!(":{reference}");
        if text.matches(reference).count() == 1 {
            if text.contains(&behind) {
                return Some(text.replacen(&behind, "${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}", 1));
            }
            let before = format!("{reference}:");
            if text.contains(&before) {
                return Some(text.replacen(&before, "${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}", 1));
            }
        }
    }
    None
}
