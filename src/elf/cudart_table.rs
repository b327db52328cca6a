//! What is known of published runtime builds: exported symbols per release, build-ids. Facts about the runtime,
//! measured; see the comments in the tables.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::cudart::{PatchRelease, RuntimeVersion, SymbolRange};

const SYMBOLS: &str = include_str!("../../rules/data/cudart_symbols.toml");
const BUILDS: &str = include_str!("../../rules/data/cudart_builds.toml");

/// The tables; empty when they are damaged, which the tests of this module rule out for the ones built in.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::parse(SYMBOLS, BUILDS).unwrap_or_else(|error| {
        log::error!("the tables of CUDA runtime builds cannot be read: {error}");
        Table::default()
    })
});

#[derive(Deserialize)]
struct SymbolFile {
    measured: Measured,
    symbols: BTreeMap<String, SymbolRow>,
}

#[derive(Deserialize)]
struct Measured {
    releases: Vec<String>,
}

#[derive(Deserialize)]
struct SymbolRow {
    first: String,
    last: Option<String>,
}

#[derive(Deserialize)]
struct BuildFile {
    build: Vec<BuildRow>,
}

#[derive(Deserialize)]
struct BuildRow {
    build_id: String,
    release: String,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("`{0}` is no CUDA release")]
    Release(String),
}

/// First and last measured release that exports a symbol; without last, the newest one does.
#[derive(Debug, Clone, Copy)]
struct Lifetime {
    first: RuntimeVersion,
    last: Option<RuntimeVersion>,
}

impl Lifetime {
    fn holds(self, release: RuntimeVersion) -> bool {
        self.first <= release && self.last.is_none_or(|last| release <= last)
    }
}

/// Known runtime builds.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Measured releases, oldest first, and how many symbols each exports.
    releases: Vec<(RuntimeVersion, usize)>,
    symbols: BTreeMap<String, Lifetime>,
    builds: BTreeMap<String, PatchRelease>,
}

impl Table {
    fn parse(symbols: &str, builds: &str) -> Result<Self, TableError> {
        let release =
            |text: &str| RuntimeVersion::parse(text).ok_or_else(|| TableError::Release(text.to_owned()));
        let file: SymbolFile = toml::from_str(symbols)?;
        let mut table = Self::default();
        for (name, row) in file.symbols {
            let last = row.last.as_deref().map(release).transpose()?;
            table.symbols.insert(name, Lifetime { first: release(&row.first)?, last });
        }
        for text in &file.measured.releases {
            let release = release(text)?;
            table
                .releases
                .push((release, table.symbols.values().filter(|symbol| symbol.holds(release)).count()));
        }
        let file: BuildFile = toml::from_str(builds)?;
        for row in file.build {
            let build =
                PatchRelease::parse(&row.release).ok_or_else(|| TableError::Release(row.release.clone()))?;
            table.builds.insert(row.build_id, build);
        }
        Ok(table)
    }

    /// The patch release with this build-id.
    pub fn build(&self, build_id: &str) -> Option<PatchRelease> {
        self.builds.get(build_id).copied()
    }

    /// Releases whose exported symbols fit the ones that a libcudart defines: those that export exactly these, else
    /// those that export at least these.
    pub fn range<'a>(&self, defined: impl Iterator<Item = &'a str>) -> Option<SymbolRange> {
        let known: BTreeMap<&str, Lifetime> =
            defined.filter_map(|name| Some((name, *self.symbols.get(name)?))).collect();
        if known.is_empty() {
            return None;
        }
        let fits = |exact: bool| {
            self.releases
                .iter()
                .filter(|(_, exported)| !exact || *exported == known.len())
                .map(|(release, _)| *release)
                .filter(|release| known.values().all(|symbol| symbol.holds(*release)))
                .collect::<Vec<_>>()
        };
        let exact = fits(true);
        let fits = if exact.is_empty() { fits(false) } else { exact };
        let (oldest, newest) = (*fits.first()?, *fits.last()?);
        let newest_measured = self.releases.last().map(|(release, _)| *release);
        Some(SymbolRange { oldest, newest: (Some(newest) != newest_measured).then_some(newest) })
    }

    /// The oldest measured release that exports all of these; `None` when none of them is a symbol of the runtime.
    pub fn floor<'a>(&self, undefined: impl Iterator<Item = &'a str>) -> Option<RuntimeVersion> {
        undefined.filter_map(|name| self.symbols.get(name)).map(|symbol| symbol.first).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Raw {
        measured: toml::Table,
        symbol_count: BTreeMap<String, usize>,
    }

    fn version(major: u16, minor: u16) -> RuntimeVersion {
        RuntimeVersion { major, minor }
    }

    fn exported(release: RuntimeVersion) -> Vec<String> {
        TABLE
            .symbols
            .iter()
            .filter(|(_, symbol)| symbol.holds(release))
            .map(|(name, _)| name.clone())
            .collect()
    }

    #[test]
    fn tables_are_whole_and_sourced() {
        let table = Table::parse(SYMBOLS, BUILDS).expect("the built-in tables");
        assert_eq!((table.releases.len(), table.builds.len()), (21, 41));
        assert!(table.releases.is_sorted());
        let raw: Raw = toml::from_str(SYMBOLS).expect("toml");
        assert!(raw.measured.contains_key("source") && raw.measured.contains_key("as_of"));
        for (release, count) in raw.symbol_count {
            let release = RuntimeVersion::parse(&release).expect("a release");
            assert_eq!(exported(release).len(), count, "{release}");
        }
        let raw: toml::Table = toml::from_str(BUILDS).expect("toml");
        for row in raw["build"].as_array().expect("rows") {
            for key in ["build_id", "release", "machine", "source", "as_of"] {
                assert!(row[key].as_str().is_some_and(|text| !text.is_empty()), "{row}: {key}");
            }
        }
    }

    #[test]
    fn a_symbol_set_gives_its_release() {
        for (release, range) in [
            (version(12, 4), (version(12, 4), Some(version(12, 4)))),
            (version(12, 6), (version(12, 5), Some(version(12, 6)))),
            (version(9, 0), (version(9, 0), Some(version(9, 0)))),
            (version(13, 5), (version(13, 4), None)),
        ] {
            let names = exported(release);
            let found = TABLE.range(names.iter().map(String::as_str)).expect("a range");
            assert_eq!((found.oldest, found.newest), range, "{release}");
        }
    }

    #[test]
    fn a_few_symbols_give_bounds() {
        let found = TABLE.range(["__cudaGetKernel", "unknown"].into_iter()).expect("a range");
        assert_eq!((found.oldest, found.newest), (version(12, 0), None));
        assert_eq!(TABLE.range(["unknown"].into_iter()), None);
        assert_eq!(
            TABLE.floor(["cudaMalloc", "cudaDeviceRegisterAsyncNotification"].into_iter()),
            Some(version(12, 4))
        );
    }

    #[test]
    fn build_ids() {
        let build = TABLE.build("85e010b7ac7b489d670f700f82c0cbb42f2ee8ea").expect("known");
        assert_eq!(build.to_string(), "12.4.127");
        assert_eq!(TABLE.build(""), None);
    }
}
