//! CU8xx: against a target of drivers and GPUs.

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[];
