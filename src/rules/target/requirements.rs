//! The NVIDIA_REQUIRE_* of an image, as the container toolkit's hook would pass them on.

use crate::compat::require::{HookOptions, read_environment};
use crate::facts::Origin;
use crate::rules::Context;
use crate::rules::support::effective_set;

const PREFIX: &str = "NVIDIA_REQUIRE_";

/// Requirements and the place that shows them best.
pub(in crate::rules) struct Requirements {
    /// All must hold.
    pub(in crate::rules) expressions: Vec<String>,
    /// The ENV that sets the requirement, the config key, or the FROM it is inherited through.
    pub(in crate::rules) origin: Origin,
}

/// Reads the requirements of the shipped image; `None` when there are none or one of them cannot be known. A GPU is taken
/// as asked for (`--gpus`). `ignore_switch` leaves NVIDIA_DISABLE_REQUIRE out of account.
pub(in crate::rules) fn read(cx: &Context<'_>, ignore_switch: bool) -> Option<Requirements> {
    let env = cx.facts.final_env()?;
    let relevant = |name: &str| {
        name.starts_with(PREFIX)
            || ["CUDA_VERSION", "NVIDIA_DISABLE_REQUIRE", "NVIDIA_VISIBLE_DEVICES"].contains(&name)
    };
    let mut environment: Vec<(&str, &str)> = Vec::new();
    for (name, var) in env.vars.iter().filter(|(name, _)| relevant(name)) {
        if name == "NVIDIA_VISIBLE_DEVICES" || (ignore_switch && name == "NVIDIA_DISABLE_REQUIRE") {
            continue;
        }
        environment.push((name, var.value.as_deref()?));
    }
    environment.push(("NVIDIA_VISIBLE_DEVICES", "all"));
    let reading = read_environment(&environment, &HookOptions::default(), cx.tables);
    let expressions = reading.devices()?.requirements.clone();
    if expressions.is_empty() {
        return None;
    }
    let variable = env
        .vars
        .iter()
        .find(|(name, var)| {
            name.starts_with(PREFIX)
                && !var.from_base
                && var.value.as_deref().is_some_and(|value| !value.is_empty())
        })
        .or_else(|| env.vars.iter().find(|(name, _)| name.starts_with(PREFIX)))
        .or_else(|| env.vars.iter().find(|(name, _)| *name == "CUDA_VERSION"))?;
    let origin = match effective_set(cx.facts, variable.0) {
        Some(set) => set.origin.clone(),
        None if variable.1.from_base => cx.facts.final_base()?.origin.clone(),
        None => variable.1.origin.clone(),
    };
    // A CUDA_VERSION of the author's own makes a requirement only for images that ask for GPUs at all.
    let asked = variable.0 != "CUDA_VERSION" || !cx.facts.payload.is_empty();
    asked.then_some(Requirements { expressions, origin })
}
