//! Evidence for a CUDA runtime (libcudart) in a file, shared or linked in statically, and its version.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cudart_table::TABLE;
use super::facts::{ElfFacts, PartState};
use super::search::Found;

/// A CUDA release, major and minor, such as 12.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuntimeVersion {
    /// Major number.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
}

impl RuntimeVersion {
    /// Reads `major.minor`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// Digits only, unlike `str::parse`, which takes a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
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

impl PatchRelease {
    /// Reads `major.minor.build`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (release, build) = text.rsplit_once('.')?;
        Some(Self { release: RuntimeVersion::parse(release)?, build: number(build)? })
    }
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
    RuntimeVersion::parse(family).filter(|release| release.major < 11)
}

/// What follows `libcudart.so.` in a version definition, which no tool rewrites and nothing else defines.
fn defined_family(facts: &ElfFacts) -> Option<&str> {
    facts.version_definitions.iter().find_map(|definition| definition.name.strip_prefix("libcudart.so."))
}

/// The version in a library name such as `libcudart.so.12.4.127`, `libcudart-5a077122.so.12.0.107` or
/// `libcudart.5a077122.so.12`.
fn version_in_name(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("libcudart")?;
    let (hash, version) = rest.split_once(".so.")?;
    let hash = hash.trim_start_matches(['-', '.']);
    hash.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(version)
}

/// Collects the evidence in one file. `facts` is missing for archives; `name` is the last component of the path.
pub(super) fn evidence(facts: Option<&ElfFacts>, found: &Found, name: &str) -> Option<CudartEvidence> {
    let family = facts.and_then(defined_family).map(str::to_owned);
    // Without the dynamic section a shared runtime can only be told by its name.
    let hidden = facts.is_some_and(|facts| {
        facts.parts.dynamic == PartState::Unreadable || facts.parts.versions == PartState::Unreadable
    });
    let shared =
        family.is_some() || (hidden && !found.constants.is_empty() && version_in_name(name).is_some());
    let kind = if shared {
        CudartKind::Shared
    } else if found.runtime_text && !found.constants.is_empty() {
        CudartKind::Static
    } else {
        return None;
    };
    let mut evidence = CudartEvidence {
        kind,
        family,
        constant: found.constants.first().copied().filter(|_| found.constants.len() == 1),
        constant_conflict: found.constants.len() > 1,
        build: None,
        soname: None,
        file_name: None,
        symbols: None,
    };
    if let Some(facts) = facts
        && kind == CudartKind::Shared
    {
        let soname = facts.soname.as_deref().and_then(version_in_name);
        evidence.build = facts.build_id.as_deref().and_then(|build_id| TABLE.build(build_id));
        evidence.soname = soname.and_then(|version| {
            PatchRelease::parse(version).map(|patch| patch.release).or_else(|| full_release(version))
        });
        evidence.file_name = version_in_name(name).and_then(PatchRelease::parse);
        if facts.parts.symbols == PartState::Read {
            evidence.symbols = TABLE.range(facts.defined.iter().map(|symbol| symbol.name.as_str()));
        }
    }
    Some(evidence)
}

impl ElfFacts {
    /// The oldest measured CUDA release that exports every runtime function this file wants from elsewhere. A lower
    /// bound that rarely says more than the family; `None` when it wants none.
    #[must_use]
    pub fn runtime_floor(&self) -> Option<RuntimeVersion> {
        TABLE.floor(self.undefined.iter().map(|symbol| symbol.name.as_str()))
    }

    /// The runtime family that is really used: the version need `libcudart.so.N`, as spelled after `.so.`. NEEDED alone
    /// is no proof of use (167 of 401 measured files NEED a runtime and use no symbol of it).
    #[must_use]
    pub fn runtime_need(&self) -> Option<&str> {
        self.version_needs
            .iter()
            .flat_map(|need| &need.versions)
            .find_map(|version| version.strip_prefix("libcudart.so."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u16, minor: u16) -> RuntimeVersion {
        RuntimeVersion { major, minor }
    }

    fn patch(text: &str) -> PatchRelease {
        PatchRelease::parse(text).expect("a patch release")
    }

    fn nothing() -> CudartEvidence {
        CudartEvidence {
            kind: CudartKind::Shared,
            family: Some("12".to_owned()),
            constant: None,
            constant_conflict: false,
            build: None,
            soname: None,
            file_name: None,
            symbols: None,
        }
    }

    #[test]
    fn names() {
        for (name, expected) in [
            ("libcudart.so.12.4.127", Some("12.4.127")),
            ("libcudart-5a077122.so.12.0.107", Some("12.0.107")),
            ("libcudart.5a077122.so.12", Some("12")),
            ("libcudart.so.10.2", Some("10.2")),
            ("libcudart.so", None),
            ("libcudart_static.a", None),
            ("libcudartemu.so.3", None),
        ] {
            assert_eq!(version_in_name(name), expected, "{name}");
        }
        assert_eq!(PatchRelease::parse("12.+4.1"), None);
        assert_eq!(full_release("11.0"), None);
        assert_eq!(full_release("10.2"), Some(version(10, 2)));
    }

    #[test]
    fn order_of_trust_and_disagreement() {
        let mut evidence = nothing();
        assert_eq!(evidence.version(), None);
        evidence.file_name = Some(patch("12.4.127"));
        assert_eq!(evidence.version(), Some((version(12, 4), VersionSource::FileName)));
        evidence.constant = Some(version(12, 3));
        assert_eq!(evidence.version(), Some((version(12, 3), VersionSource::CodeConstant)));
        assert_eq!(evidence.patch(), None);
        assert_eq!(evidence.disagreements(), [(version(12, 4), VersionSource::FileName)]);
        evidence.build = Some(patch("12.4.99"));
        assert_eq!(evidence.patch(), Some((patch("12.4.99"), VersionSource::BuildId)));
        assert_eq!(evidence.disagreements(), [(version(12, 3), VersionSource::CodeConstant)]);
    }

    #[test]
    fn symbol_range_must_hold_the_version() {
        let mut evidence = nothing();
        evidence.constant = Some(version(12, 4));
        evidence.symbols = Some(SymbolRange { oldest: version(12, 0), newest: None });
        assert_eq!(evidence.disagreements(), []);
        evidence.symbols = Some(SymbolRange { oldest: version(12, 5), newest: Some(version(12, 6)) });
        assert_eq!(evidence.disagreements(), [(version(12, 5), VersionSource::Symbols)]);
        evidence.symbols = Some(SymbolRange { oldest: version(11, 7), newest: Some(version(11, 8)) });
        assert_eq!(evidence.disagreements(), [(version(11, 8), VersionSource::Symbols)]);
    }
}
