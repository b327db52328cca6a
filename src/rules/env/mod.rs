//! CU2xx: environment that the NVIDIA runtime reads.

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[];
