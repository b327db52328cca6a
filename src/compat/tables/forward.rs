//! Forward compatibility (`cuda-compat-X-Y` packages): the published matrices, ELF notes, error codes and rules.

use serde::Deserialize;

use super::load::row;
use crate::compat::version::{CudaVersion, DriverBranch, DriverVersion};

/// How far a figure can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// One indirect sighting.
    Low,
    /// Third party, translated copy or inference.
    Medium,
    /// Vendor page or original source code.
    High,
}

/// One cell of a compatibility matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
pub enum Cell {
    /// Compatible by forward compatibility.
    #[serde(rename = "C")]
    Compatible,
    /// Not applicable: the branch natively is that CUDA version's branch.
    #[serde(rename = "N")]
    Native,
    /// Not supported: the branch is newer than the package, or too old, or was not offered.
    #[serde(rename = "X")]
    Unsupported,
}

/// One row of a matrix: a package on each base branch of the edition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct EditionRow {
    /// The X-Y of `cuda-compat-X-Y`.
    pub package: PackageVersion,
    /// One cell per branch of the edition.
    pub cells: Vec<Cell>,
}

/// The CUDA version in a compat package's name, written `12-4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageVersion(pub CudaVersion);

/// A text that names no compat package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no compat package: write it like 12-4, 12.4 or cuda-compat-12-4")]
pub struct PackageVersionError(pub String);

impl std::str::FromStr for PackageVersion {
    type Err = PackageVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PackageVersionError(text.chars().take(60).collect());
        let bare = text.strip_prefix("cuda-compat-").unwrap_or(text);
        let bare = bare.strip_prefix("orin-").unwrap_or(bare);
        let version: CudaVersion = bare.replace('-', ".").parse().map_err(|_| wrong())?;
        if version.patch.is_some() { Err(wrong()) } else { Ok(Self(version)) }
    }
}

impl std::fmt::Display for PackageVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0.major, self.0.minor)
    }
}

impl serde::Serialize for PackageVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PackageVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

row! {
    /// One published edition of the forward compatibility matrix.
    pub struct Edition in "edition", key |row| row.id.clone(), as RawEdition {
        /// Name used in other tables.
        pub id: String,
        /// Month or range of months of the edition.
        pub date: String,
        /// Base driver branches, the columns.
        pub branches: Vec<DriverBranch>,
        /// How far it can be trusted.
        pub confidence: Confidence,
        /// Whether the whole matrix could be read.
        pub complete: bool,
        /// Its rows.
        #[serde(rename = "row")]
        pub rows: Vec<EditionRow>,
    }
}

impl Edition {
    /// What the edition says of a package on a base branch; `None` if it has no such row or column.
    #[must_use]
    pub fn cell(&self, package: PackageVersion, branch: DriverBranch) -> Option<Cell> {
        let column = self.branches.iter().position(|known| *known == branch)?;
        self.rows.iter().find(|row| row.package == package)?.cells.get(column).copied()
    }
}

row! {
    /// Base branches that NGC release notes name for containers of a CUDA version.
    pub struct NgcBase in "ngc_base", key |row| row.cuda.to_string(), as RawNgcBase {
        /// CUDA version of the containers.
        pub cuda: CudaVersion,
        /// Base branches named.
        pub branches: Vec<DriverBranch>,
        /// Least release of each.
        pub min_driver: Vec<DriverVersion>,
        /// Branches named as not supported.
        #[serde(default)]
        pub refused: Vec<DriverBranch>,
        /// How far it can be trusted.
        pub confidence: Confidence,
    }
}

row! {
    /// What the libcuda of a compat package declares in its ELF note `.note.cuda.fwd_compatibility`.
    pub struct CompatNote in "elf", key |row| row.libcuda.to_string(), as RawCompatNote {
        /// Version of the library.
        pub libcuda: DriverVersion,
        /// CUDA version it declares.
        pub cuda: CudaVersion,
        /// Base driver branches it declares.
        pub drivers: Option<Vec<DriverBranch>>,
        /// The note's "device" numbers, whose meaning is not published.
        pub devices: Option<Vec<u16>>,
        /// Platform, where it is not the desktop's.
        pub platform: Option<String>,
    }
}

row! {
    /// A compat package and the driver build it carries.
    pub struct CompatPackage in "package", key |row| row.name.clone(), as RawCompatPackage {
        /// Package name.
        pub name: String,
        /// Version of its libcuda.
        pub libcuda: DriverVersion,
        /// The library's branch, where it was named.
        pub branch: Option<DriverBranch>,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

row! {
    /// An error code of the CUDA driver or runtime API.
    pub struct ErrorCode in "error", key |row| row.code.to_string(), as RawErrorCode {
        /// The number.
        pub code: u16,
        /// The enumerator.
        pub name: String,
        /// What it means.
        pub text: String,
    }
}

row! {
    /// A restriction or a behaviour that is no figure.
    pub struct CompatRule in "rule", key |row| row.id.clone(), as RawCompatRule {
        /// Name to refer to it.
        pub id: String,
        /// What it says.
        pub text: String,
    }
}

/// Where compat packages put their libraries and how they declare themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatLayout {
    /// Folder that a package installs into, with X.Y for the version.
    pub install_dir: String,
    /// The folder that the container toolkit's hook looks into.
    pub alias_dir: String,
    /// What package names begin with.
    pub package_prefix: Vec<String>,
    /// File name patterns of the libraries.
    pub libraries: Vec<String>,
    /// Since when each is part of the package, in the order of `libraries`; empty = always.
    pub library_since: Vec<String>,
    /// Name of the ELF note's section.
    pub elf_note_section: String,
    /// Owner of the ELF note.
    pub elf_note_owner: String,
    /// Content of the ELF note.
    pub elf_note_content: String,
    /// Keys into the table of sources.
    pub source: Vec<String>,
}

/// All that is known about forward compatibility.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForwardTable {
    pub(super) editions: Vec<Edition>,
    pub(super) ngc_bases: Vec<NgcBase>,
    pub(super) notes: Vec<CompatNote>,
    pub(super) packages: Vec<CompatPackage>,
    pub(super) errors: Vec<ErrorCode>,
    pub(super) rules: Vec<CompatRule>,
    pub(super) layout: CompatLayout,
}

impl ForwardTable {
    /// The published editions, newest first.
    #[must_use]
    pub fn editions(&self) -> &[Edition] {
        &self.editions
    }

    /// The newest edition, which decides verdicts about today.
    #[must_use]
    pub fn newest_edition(&self) -> Option<&Edition> {
        self.editions.first()
    }

    /// The newest compat package that has a row in the newest edition.
    #[must_use]
    pub fn newest_package(&self) -> Option<PackageVersion> {
        self.newest_edition()?.rows.iter().map(|row| row.package).max()
    }

    /// What NGC release notes said of containers of this CUDA version.
    #[must_use]
    pub fn ngc_base(&self, cuda: CudaVersion) -> Option<&NgcBase> {
        self.ngc_bases.iter().find(|row| row.cuda == cuda.minor_only())
    }

    /// ELF notes that were read.
    #[must_use]
    pub fn notes(&self) -> &[CompatNote] {
        &self.notes
    }

    /// The package of this version, where its library was seen.
    #[must_use]
    pub fn package(&self, version: PackageVersion) -> Option<&CompatPackage> {
        let name = format!("cuda-compat-{version}");
        self.packages.iter().find(|row| row.name == name)
    }

    /// All packages whose library was seen.
    #[must_use]
    pub fn packages(&self) -> &[CompatPackage] {
        &self.packages
    }

    /// An error code with its meaning.
    #[must_use]
    pub fn error(&self, code: u16) -> Option<&ErrorCode> {
        self.errors.iter().find(|row| row.code == code)
    }

    /// All error codes.
    #[must_use]
    pub fn errors(&self) -> &[ErrorCode] {
        &self.errors
    }

    /// A rule by its name.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&CompatRule> {
        self.rules.iter().find(|row| row.id == id)
    }

    /// All rules.
    #[must_use]
    pub fn rules(&self) -> &[CompatRule] {
        &self.rules
    }

    /// Where packages put their libraries.
    #[must_use]
    pub fn layout(&self) -> &CompatLayout {
        &self.layout
    }
}
