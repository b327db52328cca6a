//! Pages of the findings that the engine itself makes, and the list of all rules as filters see them.

use std::sync::LazyLock;

use super::{Page, catalogue};
use crate::diagnostics::{RuleInfo, meta};

const PAGES: [&str; 4] = [
    include_str!("../../rules/CU001-unused-ignore.md"),
    include_str!("../../rules/CU002-expired-ignore.md"),
    include_str!("../../rules/CU003-invalid-ignore.md"),
    include_str!("../../rules/CU004-dockerfile-syntax.md"),
];

/// Pages of [`meta::ALL`], in the same order. A page that cannot be read is left out; a test proves that none is.
pub fn meta_pages() -> &'static [Page] {
    static LIST: LazyLock<Vec<Page>> =
        LazyLock::new(|| PAGES.iter().filter_map(|text| Page::parse(text).ok()).collect());
    &LIST
}

/// Pages of all rules, also those of [`meta_pages`], in order of their ids.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    meta_pages().iter().chain(catalogue().iter().map(|entry| &entry.page))
}

/// The page of a rule, by id or name, whatever the case.
#[must_use]
pub fn find_page(id_or_name: &str) -> Option<&'static Page> {
    pages()
        .find(|page| page.id.eq_ignore_ascii_case(id_or_name) || page.name.eq_ignore_ascii_case(id_or_name))
}

/// All rules, also those of [`meta::ALL`], in order of their ids: what selectors, ignores and configurations may name.
pub fn rule_infos() -> &'static [RuleInfo] {
    static LIST: LazyLock<Vec<RuleInfo>> = LazyLock::new(|| {
        let own = meta::ALL.into_iter();
        let rules = catalogue().iter().map(|entry| RuleInfo {
            id: entry.rule.id(),
            name: &entry.page.name,
            group: &entry.page.group,
            severity: entry.page.severity,
            opt_in: entry.page.opt_in,
            needs_target: !entry.page.target.is_empty(),
        });
        own.chain(rules).collect()
    });
    &LIST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_say_what_the_findings_say() {
        assert_eq!(meta_pages().len(), meta::ALL.len());
        for (page, info) in meta_pages().iter().zip(meta::ALL) {
            let stated =
                (page.id.as_str(), page.name.as_str(), page.group.as_str(), page.severity, page.opt_in);
            assert_eq!(stated, (info.id.as_str(), info.name, info.group, info.severity, info.opt_in));
        }
    }

    #[test]
    fn every_rule_is_listed_once_and_found() {
        let infos = rule_infos();
        assert!(infos.len() > meta::ALL.len());
        assert!(infos.windows(2).all(|pair| pair[0].id < pair[1].id));
        for info in infos {
            assert_eq!(find_page(info.id.as_str()).map(|page| page.name.as_str()), Some(info.name));
            assert_eq!(
                find_page(&info.name.to_uppercase()).map(|page| page.id.as_str()),
                Some(info.id.as_str())
            );
        }
        assert_eq!(find_page("CU000"), None);
    }
}
