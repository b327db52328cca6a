//! Evidence for a CUDA runtime (libcudart) in a file, shared or linked in statically, and its version.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A CUDA release, major and minor, such as 12.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuntimeVersion {
    /// Major number.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
}

impl fmt::Display for RuntimeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A patch release of the runtime library, such as 12.4.127.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PatchRelease {
    /// CUDA release.
    pub release: RuntimeVersion,
    /// Build number, the third part.
    pub build: u32,
}

impl fmt::Display for PatchRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.release, self.build)
    }
}

/// How the runtime is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CudartKind {
    /// The file is libcudart.
    Shared,
    /// libcudart_static is linked into the file (or the file is that archive).
    Static,
}

/// Releases whose exported symbol set fits a file. Both ends are measured releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SymbolRange {
    /// Oldest release that fits.
    pub oldest: RuntimeVersion,
    /// Newest release that fits; `None` when the newest measured one fits, for newer ones may too.
    pub newest: Option<RuntimeVersion>,
}

/// Every sign of a CUDA runtime in one file, each on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CudartEvidence {
    /// Shared or static.
    pub kind: CudartKind,
    /// Family from the version definition `libcudart.so.N`, as spelled after `.so.` (`12`, `11.0`, `10.2`).
    pub family: Option<String>,
    /// From the constant that `cudaRuntimeGetVersion` returns. Exact.
    pub constant: Option<RuntimeVersion>,
    /// The constant occurs with several values, so none of them is taken.
    pub constant_conflict: bool,
    /// From the build-id and the table of known builds. Exact.
    pub build: Option<PatchRelease>,
    /// From the SONAME, where it names the full release (9.x, 10.x and hashed copies). A hint.
    pub soname: Option<RuntimeVersion>,
    /// From the file name, such as `libcudart.so.12.4.127`. A hint.
    pub file_name: Option<PatchRelease>,
    /// From the exported symbols. Bounds.
    pub symbols: Option<SymbolRange>,
}

/// Which sign a version was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionSource {
    /// GNU build-id found in the table of builds.
    BuildId,
    /// Constant in the code.
    CodeConstant,
    /// Version definition (full release in 9.x and 10.x).
    VersionDefinition,
    /// SONAME.
    Soname,
    /// File name.
    FileName,
    /// Exported symbols that only one release has.
    Symbols,
}

impl CudartEvidence {
    /// The CUDA release, from the strongest sign that names one: build-id, code constant, version definition, SONAME,
    /// file name, symbol set.
    #[must_use]
    pub fn version(&self) -> Option<(RuntimeVersion, VersionSource)> {
        self.signs().into_iter().next()
    }

    /// The patch release: from the build-id, or from the file name when no stronger sign contradicts it.
    #[must_use]
    pub fn patch(&self) -> Option<(PatchRelease, VersionSource)> {
        if let Some(build) = self.build {
            return Some((build, VersionSource::BuildId));
        }
        let named = self.file_name?;
        let (release, _) = self.version()?;
        (release == named.release).then_some((named, VersionSource::FileName))
    }

    /// Signs that name another release than [`Self::version`], and a symbol set that does not fit it.
    #[must_use]
    pub fn disagreements(&self) -> Vec<(RuntimeVersion, VersionSource)> {
        let signs = self.signs();
        let Some((taken, _)) = signs.first().copied() else { return Vec::new() };
        let mut out: Vec<_> = signs.into_iter().filter(|(release, _)| *release != taken).collect();
        if let Some(range) = self.symbols
            && range.newest != Some(range.oldest)
        {
            if taken < range.oldest {
                out.push((range.oldest, VersionSource::Symbols));
            } else if let Some(newest) = range.newest.filter(|newest| taken > *newest) {
                out.push((newest, VersionSource::Symbols));
            }
        }
        out
    }

    /// Every sign that names one release, strongest first.
    fn signs(&self) -> Vec<(RuntimeVersion, VersionSource)> {
        let family = self.family.as_deref().and_then(full_release);
        let single = self.symbols.and_then(|range| range.newest.filter(|newest| *newest == range.oldest));
        [
            (self.build.map(|build| build.release), VersionSource::BuildId),
            (self.constant, VersionSource::CodeConstant),
            (family, VersionSource::VersionDefinition),
            (self.soname, VersionSource::Soname),
            (self.file_name.map(|named| named.release), VersionSource::FileName),
            (single, VersionSource::Symbols),
        ]
        .into_iter()
        .filter_map(|(release, source)| Some((release?, source)))
        .collect()
    }
}

/// The release that a family names. Only 9.x and 10.x put the full release there; `11.0` stands for all of 11.x.
fn full_release(family: &str) -> Option<RuntimeVersion> {
    let (major, minor) = family.split_once('.')?;
    let major: u16 = major.parse().ok()?;
    let minor: u16 = minor.parse().ok()?;
    (major < 11).then_some(RuntimeVersion { major, minor })
}
