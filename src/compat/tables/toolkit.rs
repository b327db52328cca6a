//! CUDA toolkits: which driver each is paired with, what its compiler targets, and the floors of minor-version compatibility.

use super::load::row;
use crate::compat::version::{ComputeCapability, CudaVersion, DriverBranch, DriverVersion, PtxIsa, SmTarget};
use crate::date::PartialDate;

row! {
    /// One toolkit release or update (CUDA Toolkit Release Notes; sm and PTX as its own ptxas or the PTX ISA history say).
    pub struct Toolkit in "toolkit", key |row| row.version.to_string(), as RawToolkit {
        /// The toolkit version; 9.x and 10.x updates are keyed by build (9.2.148).
        pub version: CudaVersion,
        /// Marketing name, e.g. "12.4 Update 1".
        pub label: String,
        /// Date of release, where a dated source was read.
        pub release: Option<PartialDate>,
        /// The driver branch that NVIDIA pairs with this minor version.
        pub driver_branch: DriverBranch,
        /// The driver version listed for this toolkit on Linux. Not the minimum to run it, save for 10.2 and older.
        pub toolkit_driver_linux: Option<DriverVersion>,
        /// Version of its libcudart; several updates share one.
        pub cudart: Option<String>,
        /// SONAME of its libcudart.
        pub soname: String,
        /// Least Linux driver for minor-version compatibility inside the major family; none before 11.
        pub minor_compat_min_driver: Option<DriverVersion>,
        /// First branch above the family's published range (backward compatibility still applies there).
        pub minor_compat_max_branch: Option<DriverBranch>,
        /// Newest PTX ISA that its compiler emits by default.
        pub ptx_isa: PtxIsa,
        /// SM numbers of the real architectures that its assembler accepts.
        pub sm: Vec<u16>,
        /// Architecture- and family-specific targets that it accepts.
        #[serde(default)]
        pub sm_specific: Vec<SmTarget>,
        /// Least of `sm`.
        pub sm_min: u16,
        /// Greatest of `sm`.
        pub sm_max: u16,
        /// Whether `sm` and `ptx_isa` were read from that release's own ptxas.
        pub sm_verified: bool,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

impl Toolkit {
    /// Whether its compiler can make code for `target`.
    #[must_use]
    pub fn can_target(&self, target: SmTarget) -> bool {
        let number = target.cc.sm_number();
        self.sm_specific.contains(&target)
            || (target.suffix == crate::compat::version::SmSuffix::None && self.sm.contains(&number))
    }

    /// Whether `cc` is newer than everything this toolkit targets.
    #[must_use]
    pub fn is_too_old_for(&self, cc: ComputeCapability) -> bool {
        !self.sm.contains(&cc.sm_number()) && cc.sm_number() > self.sm_max
    }
}

row! {
    /// One major family of minor-version compatibility (NVIDIA CUDA Compatibility guide).
    pub struct Family in "family", key |row| row.major.to_string(), as RawFamily {
        /// CUDA major version.
        pub major: u16,
        /// Least Linux driver that runs every release of the family.
        pub minor_compat_min_driver: DriverVersion,
        /// The published range, as NVIDIA writes it.
        pub minor_compat_published_range: String,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

/// All toolkits, in order of version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolkitTable {
    pub(super) toolkits: Vec<Toolkit>,
    pub(super) families: Vec<Family>,
}

impl ToolkitTable {
    /// All rows, oldest version first.
    #[must_use]
    pub fn all(&self) -> &[Toolkit] {
        &self.toolkits
    }

    /// All major families.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The family of a CUDA major version; `None` before 11 and after the newest known.
    #[must_use]
    pub fn family(&self, major: u16) -> Option<&Family> {
        self.families.iter().find(|family| family.major == major)
    }

    /// The toolkit of exactly this version. `12.4` finds `12.4.0`, the first release of the minor; a fourth-level build
    /// (`12.4.127`, libcudart's own number) is found by [`ToolkitTable::by_cudart`].
    #[must_use]
    pub fn get(&self, version: CudaVersion) -> Option<&Toolkit> {
        self.toolkits.iter().find(|row| row.version == version).or_else(|| match version.patch {
            None => self.minor(version).first(),
            Some(_) => None,
        })
    }

    /// All rows of the minor release that `version` belongs to, oldest first.
    #[must_use]
    pub fn minor(&self, version: CudaVersion) -> &[Toolkit] {
        let minor = version.minor_only();
        let start = self.toolkits.partition_point(|row| row.version.minor_only() < minor);
        let end = self.toolkits.partition_point(|row| row.version.minor_only() <= minor);
        self.toolkits.get(start..end).unwrap_or_default()
    }

    /// The row that tells most about `version`: its own, else the newest of its minor that is not above it, else the
    /// first of its minor (driver branch, PTX ISA and targets are the same for a whole minor).
    #[must_use]
    pub fn closest(&self, version: CudaVersion) -> Option<&Toolkit> {
        self.get(version).or_else(|| {
            let minor = self.minor(version);
            minor.iter().rev().find(|row| row.version <= version).or_else(|| minor.first())
        })
    }

    /// The toolkits that ship this libcudart version (`12.4.127`), oldest first.
    pub fn by_cudart<'t>(&'t self, cudart: &'t str) -> impl Iterator<Item = &'t Toolkit> {
        self.toolkits.iter().filter(move |row| row.cudart.as_deref() == Some(cudart))
    }

    /// The newest toolkit known.
    #[must_use]
    pub fn newest(&self) -> Option<&Toolkit> {
        self.toolkits.last()
    }

    /// Whether `version` belongs to a minor release newer than every one known.
    #[must_use]
    pub fn is_newer_than_known(&self, version: CudaVersion) -> bool {
        self.newest().is_none_or(|newest| version.minor_only() > newest.version.minor_only())
    }
}
