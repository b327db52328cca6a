//! ENV: assignments in order, and the environment that results.

use std::collections::BTreeMap;

use super::{Origin, StageId};

/// A variable of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// The value; `None` when it cannot be known.
    pub value: Option<String>,
    /// The ENV that set it, the config key, or the FROM it is inherited through.
    pub origin: Origin,
    /// Whether the base image set it (and no later ENV).
    pub from_base: bool,
}

/// The variables at one point of a build, or of an image.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Variables by name.
    pub vars: BTreeMap<String, EnvVar>,
    /// Whether the base image's own variables are known. If not, a name that is absent here may still be set.
    pub base_known: bool,
}

impl Environment {
    /// The variable, when it is set as far as is known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&EnvVar> {
        self.vars.get(name)
    }

    /// The known value of a variable that is set.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|var| var.value.as_deref())
    }

    /// Whether the variable is certainly not set.
    #[must_use]
    pub fn is_unset(&self, name: &str) -> bool {
        self.base_known && !self.vars.contains_key(name)
    }
}

/// One `NAME=value` of an ENV instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvSet {
    /// Stage it stands in.
    pub stage: StageId,
    /// Variable name.
    pub name: String,
    /// Value as written, quotes removed, references not expanded.
    pub raw: String,
    /// Value after expansion; `None` when it cannot be known.
    pub value: Option<String>,
    /// The value before this assignment: `None` not set, `Some(None)` set or maybe set but unknown.
    pub previous: Option<Option<String>>,
    /// Whether the value before came from the base image itself.
    pub previous_from_base: bool,
    /// Whether the new value refers to the variable itself (`$NAME`, `${NAME…}`).
    pub references_self: bool,
    /// Whether the reference is of the form `${NAME:+…}` or `${NAME+…}`.
    pub references_self_conditionally: bool,
    /// Names of build ARGs the value came from.
    pub args: Vec<String>,
    /// The whole `NAME=value`.
    pub origin: Origin,
    /// The value alone.
    pub value_origin: Origin,
    /// The whole ENV instruction.
    pub instruction: Origin,
    /// Whether this is still the value of the variable at the end of its stage.
    pub effective: bool,
}
