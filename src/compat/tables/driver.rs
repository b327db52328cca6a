//! Driver branches and their releases.

use serde::Deserialize;

use super::load::row;
use crate::compat::version::{CudaVersion, DriverBranch, DriverVersion, PtxIsa};
use crate::date::PartialDate;

/// NVIDIA's words for the kinds of driver branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
pub enum BranchType {
    /// Long-term support.
    #[serde(rename = "LTSB")]
    LongTermSupport,
    /// Production.
    #[serde(rename = "PB")]
    Production,
    /// New feature.
    #[serde(rename = "NFB")]
    NewFeature,
    /// Developer preview.
    #[serde(rename = "developer")]
    Developer,
}

/// What a release of a branch was published as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseKind {
    /// Named a Tesla or data-centre release.
    Datacenter,
    /// Desktop release of the branch.
    Unix,
    /// First preview.
    Beta,
    /// Vulkan developer series; its numbers may lie below or between the others whatever its age.
    Developer,
    /// Named by a CUDA toolkit as its driver.
    Toolkit,
    /// Known only as a tag of the open kernel modules.
    Untyped,
    /// Named as the last of its branch in a document.
    Last,
    /// Named in a document.
    Mentioned,
}

impl ReleaseKind {
    /// Whether it may be a production release: neither a preview nor the developer series nor only a toolkit's own driver.
    #[must_use]
    pub fn may_be_production(self) -> bool {
        !matches!(self, Self::Beta | Self::Developer | Self::Toolkit)
    }
}

/// One release of a driver branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(try_from = "(DriverVersion, String, ReleaseKind)")]
pub struct Release {
    /// Its version.
    pub version: DriverVersion,
    /// Day it came out, where known.
    pub date: Option<PartialDate>,
    /// What it was published as.
    pub kind: ReleaseKind,
}

impl TryFrom<(DriverVersion, String, ReleaseKind)> for Release {
    type Error = crate::date::PartialDateError;

    fn try_from((version, date, kind): (DriverVersion, String, ReleaseKind)) -> Result<Self, Self::Error> {
        let date = if date.is_empty() { None } else { Some(date.parse()?) };
        Ok(Self { version, date, kind })
    }
}

row! {
    /// One driver branch of desktop and data-centre Linux (Jetson's drivers are numbered apart).
    pub struct Branch in "branch", key |row| row.branch.to_string(), as RawBranch {
        /// The branch number.
        pub branch: DriverBranch,
        /// CUDA version that it reports and natively supports.
        pub cuda_max: Option<CudaVersion>,
        /// Newest PTX ISA that its built-in compiler accepts.
        pub ptx_max: Option<PtxIsa>,
        /// Least SM number of the GPUs it drives.
        pub sm_min: u16,
        /// Greatest SM number its compiler knows; the numbers are no order of time, see `sm_new`.
        pub sm_max: u16,
        /// SM numbers above 90 that it knows.
        #[serde(default)]
        pub sm_new: Vec<u16>,
        /// Kind of branch.
        #[serde(rename = "type")]
        pub kind: Option<BranchType>,
        /// End of life.
        pub eol: Option<PartialDate>,
        /// The driver version that the first toolkit of `cuda_max` lists.
        pub toolkit_min: Option<DriverVersion>,
        /// Least version among `releases` that is not of the developer series.
        pub first: Option<DriverVersion>,
        /// Greatest version among `releases`.
        pub last: Option<DriverVersion>,
        /// The releases seen, by version; no proof that there are no others.
        #[serde(default)]
        pub releases: Vec<Release>,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

impl Branch {
    /// Whether the branch's compiler knows this SM number and so drives GPUs of it.
    #[must_use]
    pub fn knows_sm(&self, number: u16) -> bool {
        if number > 90 {
            self.sm_new.contains(&number)
        } else {
            (self.sm_min..=self.sm_max).contains(&number)
        }
    }

    /// The first production release: the first data-centre release where one is named, else the first that is neither a
    /// preview nor of the developer series, each by date (what has no date counts only where nothing has one); else, in
    /// branches known by their toolkits only, the least version.
    #[must_use]
    pub fn first_production(&self) -> Option<&Release> {
        let first_of = |wanted: &dyn Fn(&Release) -> bool| {
            let dated = self.releases.iter().filter(|release| wanted(release) && release.date.is_some());
            let by_age = dated.min_by(|a, b| (a.date, &a.version).cmp(&(b.date, &b.version)));
            by_age.or_else(|| {
                self.releases.iter().filter(|release| wanted(release)).min_by_key(|release| &release.version)
            })
        };
        first_of(&|release| release.kind == ReleaseKind::Datacenter)
            .or_else(|| first_of(&|release| release.kind.may_be_production()))
            .or_else(|| {
                let toolkits = self.releases.iter().filter(|release| release.kind == ReleaseKind::Toolkit);
                toolkits.min_by_key(|release| &release.version)
            })
            .or_else(|| self.releases.iter().min_by_key(|release| &release.version))
    }

    /// Every release from the first production release on, by version: what a bare branch number means. Releases of the
    /// preview, developer and toolkit-only kinds are not among them unless the branch has no others.
    #[must_use]
    pub fn production(&self) -> Vec<&Release> {
        let Some(first) = self.first_production() else { return Vec::new() };
        let any_kind = !first.kind.may_be_production();
        let since = |release: &Release| match (release.date, first.date) {
            (Some(date), Some(start)) if !any_kind => date >= start,
            _ => release.version >= first.version,
        };
        let mut releases: Vec<&Release> = self
            .releases
            .iter()
            .filter(|release| (any_kind || release.kind.may_be_production()) && since(release))
            .collect();
        releases.sort_by(|a, b| a.version.cmp(&b.version));
        releases
    }

    /// The release of this version, if it is listed.
    #[must_use]
    pub fn release(&self, version: &DriverVersion) -> Option<&Release> {
        self.releases.iter().find(|release| release.version == *version)
    }
}

/// All driver branches, in order of number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DriverTable {
    pub(super) branches: Vec<Branch>,
}

impl DriverTable {
    /// All branches, least number first.
    #[must_use]
    pub fn all(&self) -> &[Branch] {
        &self.branches
    }

    /// The branch of this number.
    #[must_use]
    pub fn get(&self, branch: DriverBranch) -> Option<&Branch> {
        self.branches
            .binary_search_by_key(&branch, |row| row.branch)
            .ok()
            .and_then(|at| self.branches.get(at))
    }

    /// The branch that a driver version belongs to.
    #[must_use]
    pub fn of(&self, version: &DriverVersion) -> Option<&Branch> {
        self.get(version.branch())
    }

    /// The branch with the greatest number.
    #[must_use]
    pub fn newest(&self) -> Option<&Branch> {
        self.branches.last()
    }

    /// The branch with the least number.
    #[must_use]
    pub fn oldest(&self) -> Option<&Branch> {
        self.branches.first()
    }

    /// The known branch whose number is nearest; of two equally near the newer.
    #[must_use]
    pub fn nearest(&self, branch: DriverBranch) -> Option<&Branch> {
        self.branches.iter().rev().min_by_key(|row| row.branch.0.abs_diff(branch.0))
    }

    /// Whether the branch is newer than every one known.
    #[must_use]
    pub fn is_newer_than_known(&self, branch: DriverBranch) -> bool {
        self.newest().is_none_or(|newest| branch > newest.branch)
    }

    /// The branches that report exactly this CUDA minor version.
    pub fn reporting(&self, cuda: CudaVersion) -> impl Iterator<Item = &Branch> {
        let minor = cuda.minor_only();
        self.branches.iter().filter(move |row| row.cuda_max == Some(minor))
    }
}
