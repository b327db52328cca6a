//! Which CUDA and cuDNN major a Python framework loads from the system.

use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifiers};

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

    /// What all versions that the bounds allow load, in order; the newest known row stands for what comes after it.
    #[must_use]
    pub fn within(&self, name: &str, bounds: &VersionSpecifiers) -> Vec<&FrameworkNeeds> {
        let span = allowed(bounds);
        let rows = self.rows.iter().filter(|row| row.name == name);
        rows.filter(|row| {
            let starts_after = Version::from_str(&row.from).is_ok_and(|from| span.ends_before(&from));
            let ends_before = row
                .below
                .as_deref()
                .and_then(|below| Version::from_str(below).ok())
                .is_some_and(|below| span.low.as_ref().is_some_and(|low| below <= *low));
            !starts_after && !ends_before
        })
        .collect()
    }

    /// What the newest known versions of a framework load.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&FrameworkNeeds> {
        self.rows.iter().rfind(|row| row.name == name)
    }
}

/// The versions between two ends; `None` is open.
#[derive(Default)]
struct Interval {
    low: Option<Version>,
    high: Option<Version>,
    /// Whether `high` itself belongs to it.
    closed: bool,
}

impl Interval {
    fn ends_before(&self, version: &Version) -> bool {
        self.high.as_ref().is_some_and(|high| high < version || (high == version && !self.closed))
    }

    fn at_least(&mut self, version: Version) {
        self.low = self.low.take().max(Some(version));
    }

    fn at_most(&mut self, version: Version, closed: bool) {
        if self.high.as_ref().is_none_or(|high| version < *high) {
            self.high = Some(version);
            self.closed = closed;
        }
    }
}

/// The smallest interval that holds every version the bounds allow (PEP 440; exclusions are left aside).
fn allowed(bounds: &VersionSpecifiers) -> Interval {
    let mut span = Interval::default();
    for bound in bounds.iter() {
        let version = bound.version().clone();
        match bound.operator() {
            Operator::GreaterThanEqual | Operator::GreaterThan => span.at_least(version),
            Operator::LessThan => span.at_most(version, false),
            Operator::LessThanEqual => span.at_most(version, true),
            Operator::Equal | Operator::ExactEqual => {
                span.at_least(version.clone());
                span.at_most(version, true);
            }
            Operator::EqualStar => {
                span.at_most(after_prefix(version.release()), false);
                span.at_least(version);
            }
            Operator::TildeEqual => {
                let prefix = version.release().split_last().map_or(&[][..], |(_, prefix)| prefix);
                span.at_most(after_prefix(prefix), false);
                span.at_least(version);
            }
            Operator::NotEqual | Operator::NotEqualStar => {}
        }
    }
    span
}

/// The first version after all that begin with these numbers: 1.20 for 1.19.
fn after_prefix(release: &[u64]) -> Version {
    match release.split_last() {
        Some((last, prefix)) => Version::new(prefix.iter().copied().chain([last.saturating_add(1)])),
        None => Version::new([u64::MAX]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::Tables;

    #[test]
    fn bounds_as_an_interval() {
        let table = Tables::builtin().frameworks();
        let needs = |bounds: &str| -> Vec<u32> {
            let bounds = VersionSpecifiers::from_str(bounds).unwrap();
            table.within("onnxruntime-gpu", &bounds).iter().filter_map(|row| row.cudnn).collect()
        };
        assert_eq!(needs(">=1.19,<1.21"), [9]);
        assert_eq!(needs("==1.20.*"), [9]);
        assert_eq!(needs("~=1.17.0"), [8]);
        assert_eq!(needs("<1.18.1"), [8]);
        assert_eq!(needs("<=1.19.0"), [8, 9]);
        assert_eq!(needs(">=1.10"), [8, 9]);
        assert_eq!(needs("!=1.19.1"), [8, 9]);
    }
}
