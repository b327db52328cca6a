//! The list of all rules with their pages.

use std::sync::LazyLock;

use super::{Page, Rule};
use crate::diagnostics::RuleId;

/// A rule and its page.
pub struct Entry {
    /// The rule.
    pub rule: &'static dyn Rule,
    /// Its page.
    pub page: Page,
}

/// All rules in order of their ids.
pub struct Catalogue {
    entries: Vec<Entry>,
}

impl Catalogue {
    /// Rules in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The rule with this id or name, whatever the case.
    #[must_use]
    pub fn find(&self, id_or_name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| {
            entry.page.id.eq_ignore_ascii_case(id_or_name) || entry.page.name.eq_ignore_ascii_case(id_or_name)
        })
    }

    /// The entry of a rule.
    #[must_use]
    pub fn get(&self, id: RuleId) -> Option<&Entry> {
        self.find(id.as_str())
    }
}

/// The catalogue, read once. A page that cannot be read leaves its rule out; a test proves that none is.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let mut entries: Vec<Entry> = groups()
            .iter()
            .flat_map(|group| group.iter())
            .filter_map(|rule| Page::parse(rule.page()).ok().map(|page| Entry { rule: *rule, page }))
            .collect();
        entries.sort_by_key(|entry| entry.rule.id());
        Catalogue { entries }
    });
    &CATALOGUE
}

/// Rules of every group. One list a group, so that a rule is registered next to its file.
fn groups() -> [&'static [&'static dyn Rule]; 9] {
    [
        super::base::RULES,
        super::env::RULES,
        super::driver::RULES,
        super::packages::RULES,
        super::frameworks::RULES,
        super::stages::RULES,
        super::loader::RULES,
        super::target::RULES,
        super::hygiene::RULES,
    ]
}
