//! GPUs: compute capabilities, product names, Jetson releases, brand words.

use std::fmt;

use serde::Deserialize;

use super::forward::Confidence;
use super::load::row;
use crate::compat::version::{ComputeCapability, CudaVersion, DriverBranch, SmTarget};

/// Product class of a GPU; decides forward compatibility and what brand words a requirement may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuClass {
    /// Data centre (formerly Tesla).
    Datacenter,
    /// Workstation (RTX, formerly Quadro).
    Workstation,
    /// Consumer (GeForce, TITAN).
    Consumer,
    /// Tegra (Jetson).
    Tegra,
}

impl GpuClass {
    /// The word that names it on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Datacenter => "datacenter",
            Self::Workstation => "workstation",
            Self::Consumer => "consumer",
            Self::Tegra => "tegra",
        }
    }

    /// Reads a class word: the four above, and `geforce`, `jetson`, `tesla`, `data-center`, `quadro`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "datacenter" | "data-center" | "datacentre" | "data-centre" | "tesla" => Some(Self::Datacenter),
            "workstation" | "quadro" => Some(Self::Workstation),
            "consumer" | "geforce" => Some(Self::Consumer),
            "tegra" | "jetson" => Some(Self::Tegra),
            _ => None,
        }
    }

    /// All class words that are documented, for suggestions.
    pub const WORDS: [&'static str; 6] =
        ["datacenter", "workstation", "consumer", "geforce", "tegra", "jetson"];
}

impl fmt::Display for GpuClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Whether a GPU may use cuda-compat packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardSupport {
    /// Data centre boards.
    Yes,
    /// Some RTX workstation boards; NVIDIA publishes no list as data.
    Selected,
    /// Consumer boards: error 804.
    No,
    /// Jetson Orin has packages of its own.
    OwnPackage,
    /// Not sourced.
    Unknown,
}

row! {
    /// One compute capability.
    pub struct Sm in "sm", key |row| row.cc.to_string(), as RawSm {
        /// The capability.
        pub cc: ComputeCapability,
        /// Capability times ten.
        pub sm: u16,
        /// Architecture name.
        pub arch: String,
        /// First toolkit whose compiler targets it; missing = before 9.0.
        pub first_toolkit: Option<CudaVersion>,
        /// Last toolkit minor that targets it; missing = still targeted.
        pub last_toolkit: Option<CudaVersion>,
        /// First desktop branch that drives it, derived from the driver paired with `first_toolkit`; missing = Tegra only.
        pub min_branch: Option<DriverBranch>,
        /// Last branch that drives it; missing = still driven by the newest.
        pub last_branch: Option<DriverBranch>,
        /// Whether it is a Tegra part, whose code and drivers are apart from the desktop's.
        pub tegra: bool,
        /// Other capabilities whose plain cubins also run here.
        #[serde(default)]
        pub binary_for: Vec<ComputeCapability>,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

row! {
    /// An SM number that compilers know and that is no row of its own.
    pub struct SmOther in "sm_other", key |row| row.sm.to_string(), as RawSmOther {
        /// The number.
        pub sm: u16,
        /// The number it was renamed to.
        pub same_as: Option<u16>,
        /// What is known of it.
        pub note: String,
    }
}

row! {
    /// A family target (`f`) and the capabilities it runs on, as measured with the newest compiler.
    pub struct FamilyTarget in "family_target", key |row| row.target.to_string(), as RawFamilyTarget {
        /// The target.
        pub target: SmTarget,
        /// Where its code runs.
        pub runs_on: Vec<ComputeCapability>,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

row! {
    /// One product.
    pub struct GpuModel in "gpu", key |row| row.name.clone(), as RawGpuModel {
        /// Product name.
        pub name: String,
        /// Other spellings, lower case.
        pub aliases: Vec<String>,
        /// Its compute capability.
        pub cc: ComputeCapability,
        /// Its class.
        #[serde(rename = "kind")]
        pub class: GpuClass,
        /// Whether it may use compat packages.
        pub forward_compat: ForwardSupport,
        /// How far the row can be trusted.
        pub confidence: Confidence,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

row! {
    /// One Jetson Linux release range; its driver is no desktop branch.
    pub struct L4tRelease in "l4t", key |row| row.l4t.clone(), as RawL4tRelease {
        /// JetPack major.
        pub jetpack: String,
        /// Releases, e.g. "R36.4" or "R34, R35".
        pub l4t: String,
        /// CUDA version of its driver.
        pub cuda: CudaVersion,
        /// Compute capabilities of the boards it runs on.
        pub cc: Vec<ComputeCapability>,
    }
}

/// Brand words that the container library can report for a GPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brands {
    /// Words of NVML.
    pub nvml: Vec<String>,
    /// Words that images list although no board reports them.
    pub never_reported: Vec<String>,
    /// What else is worth knowing.
    pub note: String,
}

/// All that is known about GPUs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GpuTable {
    pub(super) sms: Vec<Sm>,
    pub(super) others: Vec<SmOther>,
    pub(super) families: Vec<FamilyTarget>,
    pub(super) models: Vec<GpuModel>,
    pub(super) l4t: Vec<L4tRelease>,
    pub(super) brands: Brands,
}

impl GpuTable {
    /// All compute capabilities, least first.
    #[must_use]
    pub fn sms(&self) -> &[Sm] {
        &self.sms
    }

    /// One compute capability.
    #[must_use]
    pub fn sm(&self, cc: ComputeCapability) -> Option<&Sm> {
        self.sms.iter().find(|row| row.cc == cc)
    }

    /// SM numbers without a row of their own.
    #[must_use]
    pub fn others(&self) -> &[SmOther] {
        &self.others
    }

    /// The capability that `cc` was renamed to (10.1 of CUDA 12.8 and 12.9 is 11.0), else `cc` itself.
    #[must_use]
    pub fn canonical(&self, cc: ComputeCapability) -> ComputeCapability {
        let number = cc.sm_number();
        let renamed = self.others.iter().find(|row| row.sm == number).and_then(|row| row.same_as);
        renamed.and_then(ComputeCapability::from_sm_number).unwrap_or(cc)
    }

    /// Where code of a family target runs; `None` for a family that is not in the table.
    #[must_use]
    pub fn family(&self, target: SmTarget) -> Option<&FamilyTarget> {
        self.families.iter().find(|row| row.target == target)
    }

    /// All family targets.
    #[must_use]
    pub fn families(&self) -> &[FamilyTarget] {
        &self.families
    }

    /// All products.
    #[must_use]
    pub fn models(&self) -> &[GpuModel] {
        &self.models
    }

    /// The Jetson Linux releases.
    #[must_use]
    pub fn l4t_releases(&self) -> &[L4tRelease] {
        &self.l4t
    }

    /// Brand words.
    #[must_use]
    pub fn brands(&self) -> &Brands {
        &self.brands
    }
}
