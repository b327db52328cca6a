//! CU9xx: size, security, reproducibility.

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[];
