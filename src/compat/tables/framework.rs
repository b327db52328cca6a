//! Which CUDA and cuDNN major a Python framework loads from the system.

use std::str::FromStr;

use pep440_rs::Version;

use super::load::row;

row! {
    /// What the versions `from..below` of a framework load.
    pub struct FrameworkNeeds in "framework", key |row| format!("{} {}", row.name, row.from), as RawFrameworkNeeds {
        /// Distribution, normalised name.
        pub name: String,
        /// First version of the row.
        pub from: String,
        /// First version that the row no longer covers; `None` no end known.
        pub below: Option<String>,
        /// CUDA major that its PyPI build links.
        pub cuda: Option<u16>,
        /// cuDNN major that it loads.
        pub cudnn: Option<u32>,
    }
}

/// All that is known about frameworks that use the system's libraries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrameworkTable {
    pub(super) rows: Vec<FrameworkNeeds>,
}

impl FrameworkTable {
    /// All rows.
    #[must_use]
    pub fn all(&self) -> &[FrameworkNeeds] {
        &self.rows
    }

    /// What a version of a framework loads; `None` when no row covers it.
    #[must_use]
    pub fn needs(&self, name: &str, version: &str) -> Option<&FrameworkNeeds> {
        let wanted = Version::from_str(version).ok()?;
        self.rows.iter().filter(|row| row.name == name).find(|row| {
            let from = Version::from_str(&row.from).is_ok_and(|from| from <= wanted);
            let below = row
                .below
                .as_deref()
                .is_none_or(|below| Version::from_str(below).is_ok_and(|below| wanted < below));
            from && below
        })
    }

    /// What the newest known versions of a framework load.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&FrameworkNeeds> {
        self.rows.iter().rfind(|row| row.name == name)
    }
}
