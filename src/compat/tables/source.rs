//! Where figures come from.

use super::load::row;
use crate::date::PartialDate;

row! {
    /// One document, file or experiment that figures were taken from.
    pub struct Source in "source", key |row| row.key.clone(), as RawSource {
        /// What rows name.
        pub key: String,
        /// What it is.
        pub title: String,
        /// Where it can be read.
        #[serde(default)]
        pub url: Vec<String>,
        /// How far it can be trusted, in words.
        pub confidence: String,
        /// When it was read.
        pub read: PartialDate,
    }
}

/// All sources.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceTable {
    pub(super) sources: Vec<Source>,
}

impl SourceTable {
    /// A source by key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Source> {
        self.sources.iter().find(|row| row.key == key)
    }

    /// All sources.
    #[must_use]
    pub fn all(&self) -> &[Source] {
        &self.sources
    }
}
