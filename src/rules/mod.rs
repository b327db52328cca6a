//! Judgement and wording: one small file per rule, its page in `rules/`.
//!
//! A rule reads facts, the knowledge tables and the target, and says what is wrong. It does no I/O, parses nothing and
//! knows no output format. Severity overrides, ignores and baselines come later, between rules and report.

mod base;
mod catalogue;
mod cures;
mod driver;
mod env;
mod errors;
mod frameworks;
mod hygiene;
mod judgement;
mod loader;
mod meta;
mod packages;
mod page;
mod sink;
mod stages;
mod support;
mod target;

pub use catalogue::{Catalogue, catalogue};
pub use errors::{RuntimeError, match_error, runtime_errors};
pub use meta::{find_page, meta_pages, pages, rule_infos};
pub use page::{Page, PageError};
pub use sink::{Draft, Sink};

use crate::compat::{Tables, Target};
use crate::diagnostics::RuleId;
use crate::facts::Facts;

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Statements about the input.
    pub facts: &'a Facts,
    /// Knowledge tables.
    pub tables: &'a Tables,
    /// Drivers, GPUs and host that the image is meant for; may be empty.
    pub target: &'a Target,
}

/// A rule. Its name, severity and manual come from its page.
pub trait Rule: Sync {
    /// Identifier, as in the page's front matter.
    fn id(&self) -> RuleId;

    /// The page, embedded: `include_str!("../../../rules/CU301-driver-package-in-image.md")`.
    fn page(&self) -> &'static str;

    /// Looks at the facts and reports into `out`.
    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>);
}
