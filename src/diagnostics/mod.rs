//! Findings: what was found, where, how bad, how to mend it; and what filters them before a report.
//!
//! Nothing here knows a rule, a terminal or an output format.

mod baseline;
mod catalogue;
mod edit;
mod finding;
mod fingerprint;
mod fix;
mod location;
mod outcome;
mod paths;
mod pipeline;
mod redact;
mod select;
mod severity;
mod suppress;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::date::{Date, DateError};
pub use baseline::{Baseline, BaselineEntry, BaselineError, Matcher};
pub use catalogue::{RuleInfo, meta};
pub use edit::{ApplyError, FixPlan, apply_edits, plan_fixes, unified_diff};
pub use finding::{Finding, RuleId, VerdictWord};
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use fix::{Edit, Fix, Safety};
pub use location::{FilePlace, Location};
pub use outcome::{
    FailOn, FleetNames, InputKind, InputOutcome, Outcome, Problem, Reported, Summary, Tool, Unanswered,
};
pub use paths::PathBase;
pub use pipeline::{CommentedFile, Filters};
pub use redact::{redact, redact_input, secrets};
pub use select::{PerPath, SelectError, SelectLayer, Selection, Selector, SeverityOverride};
pub use severity::{Severity, SeverityError};
pub use suppress::{Applied, Suppressions};
