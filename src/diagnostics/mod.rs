//! Findings: what was found, where, how bad, how to mend it; and what filters them before a report.
//!
//! Nothing here knows a rule, a terminal or an output format.

mod finding;
mod fix;
mod location;
mod severity;

pub use finding::{Finding, RuleId, VerdictWord};
pub use fix::{Edit, Fix, Safety};
pub use location::{FilePlace, Location};
pub use severity::{Severity, SeverityError};
