//! NVIDIA_DRIVER_CAPABILITIES as the container runtime reads it, and the edit that adds a word.

use std::collections::BTreeSet;

use crate::diagnostics::Safety;
use crate::facts::{Capability, CapabilityUse, Facts, Origin};
use crate::rules::Draft;
use crate::rules::support::{effective_set, insert_after_from, replace_value};

/// The variable.
pub(super) const VARIABLE: &str = "NVIDIA_DRIVER_CAPABILITIES";

/// What the runtime grants an image.
#[derive(Debug)]
pub(super) struct Granted<'a> {
    /// The value, when one is set and not empty.
    pub(super) value: Option<&'a str>,
    /// The capabilities, `all` spelled out.
    pub(super) set: BTreeSet<Capability>,
    /// Whether the value is in the input itself (not inherited from a base image, not a default).
    pub(super) own: bool,
}

impl Granted<'_> {
    /// The value for a message: what is set, or that it is the default.
    pub(super) fn shown(&self) -> String {
        self.value.map_or_else(
            || format!("{VARIABLE} is unset, which means compute,utility"),
            |value| format!("{VARIABLE}={value}"),
        )
    }

    /// Whether the list holds a word that is no capability.
    pub(super) fn broken(&self) -> bool {
        let mut words = self.value.unwrap_or_default().split(',').map(str::trim);
        words.any(|word| !word.is_empty() && word != "all" && Capability::parse(word).is_none())
    }
}

const ALL: [Capability; 7] = [
    Capability::Compute,
    Capability::Compat32,
    Capability::Graphics,
    Capability::Utility,
    Capability::Video,
    Capability::Display,
    Capability::Ngx,
];

/// What the final image is granted; `None` when it cannot be known. Unset or empty means compute,utility; an image that
/// sets CUDA_VERSION without NVIDIA_REQUIRE_CUDA is "legacy", where unset means everything (toolkit, cuda_image.go).
pub(super) fn granted(facts: &Facts) -> Option<Granted<'_>> {
    let env = facts.final_env()?;
    let own = effective_set(facts, VARIABLE).is_some()
        || env.get(VARIABLE).is_some_and(|var| matches!(var.origin, Origin::Config { .. }));
    match env.get(VARIABLE) {
        Some(var) => {
            let value = var.value.as_deref()?;
            if value.is_empty() {
                return Some(Granted { value: None, set: default_set(), own });
            }
            let words: Vec<&str> = value.split(',').map(str::trim).collect();
            let set = if words.contains(&"all") {
                ALL.into()
            } else {
                words.iter().filter_map(|word| Capability::parse(word)).collect()
            };
            Some(Granted { value: Some(value), set, own })
        }
        None if env.base_known => {
            let set = |name| env.value(name).is_some_and(|value| !value.is_empty());
            let legacy = set("CUDA_VERSION") && !set("NVIDIA_REQUIRE_CUDA");
            Some(Granted { value: None, set: if legacy { ALL.into() } else { default_set() }, own })
        }
        None => None,
    }
}

fn default_set() -> BTreeSet<Capability> {
    [Capability::Compute, Capability::Utility].into()
}

/// Signs in shipped stages that `capability` is needed.
pub(super) fn uses(facts: &Facts, capability: Capability) -> impl Iterator<Item = &CapabilityUse> {
    facts
        .capability_uses
        .iter()
        .filter(move |sign| sign.capability == capability && facts.is_shipped(sign.stage))
}

/// Where "the capability is missing" is said: the ENV with the short value, else the sign that needs it (for one in a file
/// of the build context, the instruction that brings it), else (the sign stands in a stage whose files are copied) the
/// final FROM.
pub(super) fn place<'a>(facts: &'a Facts, sign: &'a CapabilityUse) -> &'a Origin {
    match (effective_set(facts, VARIABLE), facts.target_stage()) {
        (Some(set), _) => &set.origin,
        (None, Some(target)) if !facts.in_final_lineage(sign.stage) => &target.from,
        _ => sign.through.as_ref().unwrap_or(&sign.origin),
    }
}

/// Offers to add `word` to the value in force, or to set the variable after the last FROM.
pub(super) fn add_word<'s, 'a>(
    draft: Draft<'s, 'a>,
    facts: &Facts,
    granted: &Granted<'_>,
    word: Capability,
) -> Draft<'s, 'a> {
    let mut words: Vec<&str> = granted
        .value
        .unwrap_or("compute,utility")
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    words.push(word.as_str());
    let value = words.join(",");
    let edit = match effective_set(facts, VARIABLE) {
        Some(set) => replace_value(facts, set, &value),
        None => insert_after_from(facts, facts.target, &format!("ENV {VARIABLE}={value}")),
    };
    match edit {
        Some(edit) => draft.fix(Safety::Safe, format!("add `{}`", word.as_str()), &[edit]),
        None => draft,
    }
}
