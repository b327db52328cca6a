//! CU206: a word in NVIDIA_DRIVER_CAPABILITIES that the runtime does not know.

use super::capabilities::VARIABLE;
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::Capability;
use crate::rules::support::{effective_set, replace_value};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverCapabilitiesInvalid;

impl Rule for DriverCapabilitiesInvalid {
    fn id(&self) -> RuleId {
        RuleId::new("CU206")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU206-driver-capabilities-invalid.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(var) = facts.final_env().and_then(|env| env.get(VARIABLE)) else { return };
        let Some(value) = var.value.as_deref().filter(|_| !var.from_base) else { return };
        let set = effective_set(facts, VARIABLE);
        let origin = set.map_or(&var.origin, |set| &set.origin);
        let words: Vec<&str> = value.split(',').collect();
        let unknown = words
            .iter()
            .map(|word| word.trim())
            .find(|word| !word.is_empty() && *word != "all" && Capability::parse(word).is_none());
        let has_all = words.iter().any(|word| word.trim() == "all");
        if let Some(word) = unknown.filter(|_| !has_all) {
            let mut draft = out
                .finding(
                    origin,
                    format!(
                        "`{word}` is not a driver capability: the container does not start \
                         (`unsupported capabilities found in '{value}'`)"
                    ),
                )
                .help("the words are compute, utility, video, graphics, display, compat32, ngx and all, separated by commas, in lower case");
            if let Some(edit) = set.and_then(|set| replace_value(facts, set, &repaired(&words))) {
                draft = draft.fix(Safety::Unsafe, "keep the known words", &[edit]);
            }
            draft.emit();
        } else if words.len() > 1 && words.iter().any(|word| word.trim() != *word) {
            let trimmed: Vec<&str> = words.iter().map(|word| word.trim()).collect();
            let mut draft = out
                .finding(
                    origin,
                    format!("{VARIABLE}=\"{value}\" has blanks in the list: the hook trims them, CDI modes lose those words"),
                )
                .severity(Severity::Warning)
                .help("write the list without blanks");
            if let Some(edit) = set.and_then(|set| replace_value(facts, set, &trimmed.join(","))) {
                draft = draft.fix(Safety::Safe, "remove the blanks", &[edit]);
            }
            draft.emit();
        }
    }
}

/// The known words of a broken list, with compute and utility, which every CUDA image wants.
fn repaired(words: &[&str]) -> String {
    let mut kept = vec!["compute", "utility"];
    for word in words.iter().map(|word| word.trim()) {
        if Capability::parse(word).is_some() && !kept.contains(&word) {
            kept.push(word);
        }
    }
    kept.join(",")
}
