//! What would help: changes in order of least disturbance, each judged by the engine before it is offered.

use std::fmt;

use serde::Serialize;

use super::drivers::{DriverPoint, DriverSet};
use super::gpu::Gpu;
use super::image::{CudaTag, Flavor};
use super::range::{RangeWord, Truth};
use super::require::{evaluate_drivers, evaluate_over};
use super::tables::{Arch, PackageVersion, Tables};
use super::verdict::{CompatLibrary, DeviceCode, HostDriver, Ptx, Question, judge, judge_over};
use super::version::{ComputeCapability, CudaVersion, DriverVersion, SmTarget};

/// What fails, and what there is to change.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'s> {
    /// The drivers that it must run on.
    pub drivers: &'s DriverSet,
    /// The GPUs that it must run on; none = unknown, then only the driver is judged.
    pub gpus: &'s [Gpu],
    /// CUDA version of the runtime.
    pub cuda: Option<CudaVersion>,
    /// Device code that the user builds (and could build otherwise).
    pub code: Option<&'s DeviceCode>,
    /// The nvidia/cuda tag that the image is built on.
    pub base: Option<&'s CudaTag>,
    /// Architecture of the image.
    pub arch: Arch,
    /// A PyTorch wheel: its release.
    pub torch: Option<&'s str>,
    /// Requirements (values of NVIDIA_REQUIRE_*) that the host checks and that stay when the base stays.
    pub requirements: &'s [String],
    /// Whether the host checks requirements at all (not in CDI modes).
    pub requirements_checked: bool,
}

/// One change that makes the situation hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// Build on another published nvidia/cuda tag (same flavour and OS).
    BaseTag {
        /// The tag.
        tag: String,
        /// Its CUDA version.
        cuda: CudaVersion,
    },
    /// Install the wheel of another CUDA variant.
    WheelIndex {
        /// The variant, as in `https://download.pytorch.org/whl/cu118`.
        variant: String,
        /// Its CUDA version.
        cuda: CudaVersion,
    },
    /// Add a compat package.
    CompatPackage {
        /// The X-Y of `cuda-compat-X-Y`.
        package: PackageVersion,
    },
    /// Update the driver.
    Driver {
        /// The least release that does.
        least: DriverVersion,
        /// Whether all newer production releases that are known do as well.
        or_newer: bool,
    },
    /// Compile for further architectures.
    Architecture {
        /// What to add.
        add: Vec<SmTarget>,
    },
    /// Add PTX.
    PtxFor {
        /// What to add it for.
        target: SmTarget,
    },
}

/// As an imperative: `build on nvidia/cuda:11.8.0-runtime-ubuntu22.04`.
impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BaseTag { tag, .. } => write!(f, "build on nvidia/cuda:{tag}"),
            Self::WheelIndex { variant, .. } => write!(f, "install the {variant} wheels"),
            Self::CompatPackage { package } => {
                write!(f, "add the package cuda-compat-{package} to the image")
            }
            Self::Driver { least, or_newer: true } => write!(f, "update the driver to {least} or newer"),
            Self::Driver { least, or_newer: false } => write!(f, "update the driver to {least}"),
            Self::Architecture { add } => {
                let list: Vec<String> = add.iter().map(|target| target.sm_name()).collect();
                write!(f, "compile for {} as well", list.join(", "))
            }
            Self::PtxFor { target } => write!(f, "add PTX for {}", target.compute_name()),
        }
    }
}

/// All cures that hold, least disturbing first; one of each kind at most. None when nothing is wrong.
#[must_use]
pub fn cures(situation: &Situation<'_>, tables: &Tables) -> Vec<Cure> {
    cures_for_all(std::slice::from_ref(situation), tables)
}

/// All cures that hold in every one of several situations of the same image (the pools of a fleet), least disturbing
/// first. What the image is, is taken from the first. None when nothing is wrong in any.
#[must_use]
pub fn cures_for_all(situations: &[Situation<'_>], tables: &Tables) -> Vec<Cure> {
    let mut cures = Vec::new();
    let Some(situation) = situations.first() else { return cures };
    let checked = Checked { situations, situation, tables };
    if checked.runs(situation.cuda, situation.code, None) && checked.admitted(situation.requirements) {
        return cures;
    }
    cures.extend(checked.base_tag());
    cures.extend(checked.wheel_index());
    cures.extend(checked.compat_package());
    cures.extend(checked.driver());
    cures.extend(checked.architecture());
    cures
}

/// The GPUs of a situation, or "whatever GPU".
fn gpus<'s>(situation: &Situation<'s>) -> Vec<Option<&'s Gpu>> {
    if situation.gpus.is_empty() { vec![None] } else { situation.gpus.iter().map(Some).collect() }
}

struct Checked<'s> {
    situations: &'s [Situation<'s>],
    /// The first, for what is the same in all.
    situation: &'s Situation<'s>,
    tables: &'s Tables,
}

impl<'s> Checked<'s> {
    /// Whether something is true for all drivers with each GPU, in every situation.
    fn everywhere(&self, holds: impl Fn(&Situation<'s>, Option<&'s Gpu>) -> bool) -> bool {
        self.situations.iter().all(|situation| gpus(situation).into_iter().all(|gpu| holds(situation, gpu)))
    }

    /// The GPUs of all situations; empty when one of them does not tell its own.
    fn all_gpus(&self) -> Vec<&'s Gpu> {
        if self.situations.iter().any(|situation| situation.gpus.is_empty()) {
            return Vec::new();
        }
        self.situations.iter().flat_map(|situation| situation.gpus).collect()
    }

    /// Whether CUDA version and code run on all drivers and GPUs.
    fn runs(
        &self,
        cuda: Option<CudaVersion>,
        code: Option<&DeviceCode>,
        compat: Option<&CompatLibrary>,
    ) -> bool {
        self.everywhere(|situation, gpu| {
            let question = Question { cuda, code, compat, gpu, ..Question::new(HostDriver::L4t("")) };
            judge_over(&question, situation.drivers, self.tables).range.word == RangeWord::All
        })
    }

    /// Whether requirements let all drivers and GPUs pass.
    fn admitted(&self, requirements: &[String]) -> bool {
        self.everywhere(|situation, gpu| {
            !situation.requirements_checked
                || evaluate_drivers(requirements, situation.drivers, gpu, self.tables).range.word
                    == RangeWord::All
        })
    }

    /// Whether the libraries of a toolkit have machine code for every GPU.
    fn toolkit_knows_the_gpus(&self, cuda: CudaVersion) -> bool {
        self.tables.toolkits().closest(cuda).is_none_or(|toolkit| {
            let fits = |gpu: &Gpu| {
                let known = toolkit.sm.iter().filter_map(|number| ComputeCapability::from_sm_number(*number));
                known.into_iter().any(|sm| sm.major == gpu.cc.major && sm.minor <= gpu.cc.minor)
            };
            self.situations.iter().flat_map(|situation| situation.gpus).all(fits)
        })
    }

    fn base_tag(&self) -> Option<Cure> {
        let base = self.situation.base?;
        let os = base.os.as_deref()?;
        let images = self.tables.images();
        let mut rows: Vec<_> = images
            .cuda_images()
            .iter()
            .filter(|row| row.version != base.version && row.os.iter().any(|known| known == os))
            .filter(|row| base.cudnn.is_none() || !row.cudnn.is_empty())
            .collect();
        // Supported versions first, then the same major, then the nearest.
        rows.sort_by_key(|row| {
            let major = row.version.major.abs_diff(base.version.major);
            let minor = match row.version.major.cmp(&base.version.major) {
                std::cmp::Ordering::Equal => row.version.minor.abs_diff(base.version.minor),
                std::cmp::Ordering::Less => u16::MAX - row.version.minor,
                std::cmp::Ordering::Greater => row.version.minor,
            };
            (row.listed_eol, major, minor, std::cmp::Reverse(row.version))
        });
        rows.into_iter().find_map(|row| {
            let cudnn = base.cudnn.and_then(|cudnn| super::image::cudnn_of(row, cudnn));
            let flavor = base.flavor.or(Some(Flavor::Devel));
            let tag = CudaTag {
                version: row.version,
                cudnn,
                flavor,
                os: base.os.clone(),
                unknown_words: Vec::new(),
            };
            if base.cudnn.is_some() && cudnn.is_none() {
                return None;
            }
            let requirement = images.require_for(row.version, self.situation.arch, os)?;
            let holds = self.runs(Some(row.version), self.situation.code, None)
                && self.admitted(&[requirement])
                && self.toolkit_knows_the_gpus(row.version);
            holds.then(|| Cure::BaseTag { tag: tag.spelled(), cuda: row.version })
        })
    }

    fn wheel_index(&self) -> Option<Cure> {
        let release = self.situation.torch?;
        let wheels = self.tables.wheels();
        let variants = wheels.torch(release)?.variants.as_ref()?;
        let mut candidates: Vec<(CudaVersion, &String)> = variants
            .iter()
            .filter_map(|variant| Some((super::tables::wheel::local_cuda(variant)?, variant)))
            .filter(|(cuda, _)| Some(cuda.minor_only()) != self.situation.cuda.map(CudaVersion::minor_only))
            .collect();
        // The newest that holds takes the least away.
        candidates.sort_by_key(|(cuda, _)| std::cmp::Reverse(*cuda));
        candidates.into_iter().find_map(|(cuda, variant)| {
            let code = wheels.torch_arch(release, cuda).and_then(|row| {
                let sass = row.sass(self.situation.arch)?.iter().map(|cc| SmTarget::plain(*cc)).collect();
                let ptx = row
                    .ptx
                    .as_ref()?
                    .iter()
                    .map(|cc| Ptx { target: SmTarget::plain(*cc), isa: None })
                    .collect();
                Some(DeviceCode { sass, ptx })
            });
            // Without a list of its code nothing can be promised for given GPUs.
            if code.is_none() && self.situations.iter().any(|situation| !situation.gpus.is_empty()) {
                return None;
            }
            let holds =
                self.runs(Some(cuda), code.as_ref(), None) && self.admitted(self.situation.requirements);
            holds.then(|| Cure::WheelIndex { variant: variant.clone(), cuda })
        })
    }

    fn compat_package(&self) -> Option<Cure> {
        let cuda = self.situation.cuda?;
        if self.all_gpus().is_empty() || !self.admitted(self.situation.requirements) {
            return None;
        }
        if self.runs(Some(cuda), self.situation.code, None) {
            return None;
        }
        let edition = self.tables.forward().newest_edition()?;
        // What was made for a branch that has ended is no advice for today.
        let listed = |situation: &Situation<'s>, point: &DriverPoint| {
            edition.branches.contains(&point.branch) || self.passes(situation, point)
        };
        if !self.situations.iter().all(|one| one.drivers.points().iter().all(|point| listed(one, point))) {
            return None;
        }
        let mut packages: Vec<PackageVersion> = edition.rows.iter().map(|row| row.package).collect();
        packages.sort();
        packages.into_iter().filter(|package| package.0 >= cuda.minor_only()).find_map(|package| {
            let library = CompatLibrary::package(package);
            let holds = self.runs(Some(cuda), self.situation.code, Some(&library));
            holds.then_some(Cure::CompatPackage { package })
        })
    }

    /// Whether one situation holds with a driver in place of its own.
    fn passes(&self, situation: &Situation<'s>, point: &DriverPoint) -> bool {
        gpus(situation).into_iter().all(|gpu| {
            let question = Question {
                cuda: situation.cuda,
                code: situation.code,
                gpu,
                ..Question::new(HostDriver::Driver(point))
            };
            let admitted = !situation.requirements_checked
                || evaluate_over(situation.requirements, point, gpu, self.tables).truth == Truth::Yes;
            admitted && judge(&question, self.tables).truth() == Truth::Yes
        })
    }

    /// The least release, newer than what fails, that every situation holds with that does not hold as it is.
    fn driver(&self) -> Option<Cure> {
        let failing: Vec<&Situation<'s>> = self
            .situations
            .iter()
            .filter(|one| {
                let alone =
                    Checked { situations: std::slice::from_ref(*one), situation: one, tables: self.tables };
                !(alone.runs(one.cuda, one.code, None) && alone.admitted(one.requirements))
            })
            .collect();
        let least =
            failing.iter().filter_map(|one| one.drivers.least()).max_by_key(|point| &point.version)?;
        let drivers = self.tables.drivers();
        let points: Vec<DriverPoint> = drivers
            .all()
            .iter()
            .filter(|row| row.branch >= least.branch)
            .flat_map(|row| row.production())
            .map(|release| DriverPoint::new(release.version.clone(), drivers))
            .filter(|point| point.version > least.version)
            .collect();
        let passes = |point: &DriverPoint| failing.iter().all(|one| self.passes(one, point));
        let found = points.iter().find(|point| passes(point))?;
        let or_newer = points.iter().filter(|point| point.version > found.version).all(passes);
        Some(Cure::Driver { least: found.version.clone(), or_newer })
    }

    fn architecture(&self) -> Option<Cure> {
        let code = self.situation.code.filter(|code| !code.is_empty())?;
        let cuda = self.situation.cuda?;
        let toolkit = self.tables.toolkits().closest(cuda)?;
        let gpus = self.all_gpus();
        if gpus.is_empty() || !self.admitted(self.situation.requirements) {
            return None;
        }
        if self.runs(Some(cuda), Some(code), None) {
            return None;
        }
        let mut add: Vec<SmTarget> = gpus
            .iter()
            .map(|gpu| SmTarget::plain(gpu.cc))
            .filter(|target| toolkit.can_target(*target) && !code.sass.contains(target))
            .collect();
        add.sort();
        add.dedup();
        // Only what is needed: an architecture whose GPU already has code is left out.
        let needed: Vec<SmTarget> = add
            .iter()
            .copied()
            .filter(|target| {
                !self.everywhere(|situation, gpu| {
                    let question = Question {
                        cuda: Some(cuda),
                        code: Some(code),
                        gpu,
                        ..Question::new(HostDriver::L4t(""))
                    };
                    gpu.is_none_or(|gpu| SmTarget::plain(gpu.cc) != *target)
                        || judge_over(&question, situation.drivers, self.tables).range.word == RangeWord::All
                })
            })
            .collect();
        let mut extended = code.clone();
        extended.sass.extend(&needed);
        if !needed.is_empty() && self.runs(Some(cuda), Some(&extended), None) {
            return Some(Cure::Architecture { add: needed });
        }
        // PTX for the newest architecture that the toolkit has at or below all GPUs.
        let lowest = gpus.iter().map(|gpu| gpu.cc).min()?;
        let target = toolkit
            .sm
            .iter()
            .filter_map(|number| ComputeCapability::from_sm_number(*number))
            .filter(|cc| *cc <= lowest && self.tables.gpus().sm(*cc).is_some_and(|row| !row.tegra))
            .max()
            .map(SmTarget::plain)?;
        let mut extended = code.clone();
        extended.ptx.push(Ptx { target, isa: Some(toolkit.ptx_isa) });
        self.runs(Some(cuda), Some(&extended), None).then_some(Cure::PtxFor { target })
    }
}
