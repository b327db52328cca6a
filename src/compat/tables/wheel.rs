//! Python wheels that carry or pull in a CUDA runtime.

use std::str::FromStr;

use pep440_rs::Version;
use serde::Deserialize;

use super::forward::Confidence;
use super::image::Arch;
use super::load::row;
use crate::compat::version::{ComputeCapability, CudaVersion, DriverVersion};

row! {
    /// One PyTorch release.
    pub struct Torch in "torch", key |row| row.version.clone(), as RawTorch {
        /// Release, e.g. "2.5.1".
        pub version: String,
        /// CUDA of the wheel on the default index, with the runtime's build number.
        pub pypi_cuda: Option<String>,
        /// The same as major.minor.
        pub pypi_minor: Option<CudaVersion>,
        /// Exact cuDNN pin.
        pub cudnn: Option<String>,
        /// Exact NCCL pin.
        pub nccl: Option<String>,
        /// Triton pin as written.
        pub triton: Option<String>,
        /// Local-version tags (`cu118`) that the PyTorch index offers; missing = not sourced.
        pub variants: Option<Vec<String>>,
        /// Matching torchvision.
        pub torchvision: Option<String>,
        /// Matching torchaudio.
        pub torchaudio: Option<String>,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

row! {
    /// GPU code in the Linux PyTorch wheels of a CUDA variant.
    pub struct TorchArch in "torch_arch", key |row| row.versions.join(",") + " " + &row.cuda.to_string(), as RawTorchArch {
        /// Minor releases of torch, e.g. "2.5".
        pub versions: Vec<String>,
        /// CUDA variant.
        pub cuda: CudaVersion,
        /// Real architectures on x86-64.
        pub x86_64: Vec<ComputeCapability>,
        /// Real architectures on Arm; missing = not sourced.
        pub aarch64: Option<Vec<ComputeCapability>>,
        /// Architectures shipped as PTX too; missing = not sourced.
        pub ptx: Option<Vec<ComputeCapability>>,
        /// How far it can be trusted.
        pub confidence: Confidence,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

impl TorchArch {
    /// The real architectures on a processor architecture, where sourced.
    #[must_use]
    pub fn sass(&self, arch: Arch) -> Option<&[ComputeCapability]> {
        match arch {
            Arch::Amd64 => Some(&self.x86_64),
            Arch::Arm64 => self.aarch64.as_deref(),
            Arch::Ppc64le => None,
        }
    }
}

/// How a package brings its CUDA dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Unconditional dependency.
    Plain,
    /// Only with an extra.
    Extra,
    /// By its name.
    Name,
    /// Built against it, libraries must come from elsewhere.
    External,
    /// No dependency declared.
    None,
}

row! {
    /// What one version of a package requires.
    pub struct Pinned in "pinned", key |row| row.name.clone() + " " + &row.version, as RawPinned {
        /// Package, normalised name.
        pub name: String,
        /// Its version.
        pub version: String,
        /// Exact runtime version, a range as written, or `cu12`/`cu13` when only the family is named.
        pub cuda: Option<String>,
        /// cuDNN pin or range.
        pub cudnn: Option<String>,
        /// NCCL pin or range.
        pub nccl: Option<String>,
        /// The torch that it follows.
        pub torch: Option<String>,
        /// How the dependency comes.
        pub via: Via,
        /// The extra, where one is needed.
        pub extra: Option<String>,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

impl Pinned {
    /// The CUDA major that `cuda` fixes, whatever way it is written.
    #[must_use]
    pub fn cuda_major(&self) -> Option<u16> {
        let text = self.cuda.as_deref()?;
        if text.contains(" or ") {
            return None;
        }
        if let Some(major) = text.strip_prefix("cu") {
            return major.parse().ok();
        }
        let lower = text.split(',').map(str::trim).find(|part| !part.starts_with('<'))?;
        let digits = lower.trim_start_matches(|c: char| !c.is_ascii_digit());
        let major: u16 = digits.split('.').next()?.parse().ok()?;
        let open_above = lower.starts_with('>') && !text.contains('<');
        // A bare lower bound does not fix the major, save where the package's own name does.
        (!open_above
            || self.name.contains(&format!("cuda{major}"))
            || self.name.ends_with(&format!("cu{major}")))
        .then_some(major)
    }
}

row! {
    /// Packages whose name fixes the CUDA family.
    pub struct WheelFamily in "wheel_family", key |row| row.name.join(" "), as RawWheelFamily {
        /// Name templates: `{digits}` is the digits of cuNNN, `{major}` the major alone, `*` any text.
        pub name: Vec<String>,
        /// What else is worth knowing.
        pub note: String,
    }
}

row! {
    /// Least driver by wheel tag as one installer tabulates it.
    pub struct DriverFloor in "driver_floor", key |row| row.tags.join(" "), as RawDriverFloor {
        /// Wheel tags.
        pub tags: Vec<String>,
        /// Least Linux driver.
        pub linux: DriverVersion,
    }
}

/// How packages of the CUDA runtime are named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    /// Suffix of CUDA 11 packages.
    pub cuda11_suffix: String,
    /// Suffix of CUDA 12 packages.
    pub cuda12_suffix: String,
    /// How CUDA 13 packages are named.
    pub cuda13: String,
    /// Packages that hold the runtime itself.
    pub runtime_packages: Vec<String>,
    /// A placeholder that must not be depended upon.
    pub stub: String,
    /// Whether wheels hold driver libraries.
    pub driver_in_wheel: String,
    /// Folders below site-packages.
    pub install_dirs: Vec<String>,
}

/// Package indexes that select a CUDA variant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Prefixes after which `cuNNN` follows.
    pub pytorch: Vec<String>,
    /// Other indexes of GPU wheels.
    pub other: Vec<String>,
    /// What else is worth knowing.
    pub note: String,
}

/// How conda names CUDA.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conda {
    /// The virtual package of the host's driver.
    pub virtual_package: String,
    /// What it means.
    pub meaning: String,
    /// Variable that overrides it.
    pub override_env: String,
    /// What else is worth knowing.
    pub note: String,
    /// Packages that pin the runtime.
    pub packages: Vec<String>,
    /// How the pytorch channel selects CUDA.
    pub pytorch_cuda: String,
}

/// What a package name says about CUDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedCuda {
    /// The major only.
    Major(u16),
    /// Major and minor.
    Version(CudaVersion),
}

/// All that is known about wheels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WheelTable {
    pub(super) torch: Vec<Torch>,
    pub(super) torch_arch: Vec<TorchArch>,
    pub(super) pinned: Vec<Pinned>,
    pub(super) families: Vec<WheelFamily>,
    pub(super) floors: Vec<DriverFloor>,
    pub(super) naming: Naming,
    pub(super) index: Index,
    pub(super) conda: Conda,
}

/// A package name as PEP 503 normalises it.
#[must_use]
pub fn normalize_package(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !out.ends_with('-') {
                out.push('-');
            }
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// The public part of a version (`2.5.1+cu124` is `2.5.1`) and its local part.
#[must_use]
pub fn split_local(version: &str) -> (&str, Option<&str>) {
    version.split_once('+').map_or((version, None), |(public, local)| (public, Some(local)))
}

/// The CUDA version of a local version tag: `cu118` is 11.8, `pt20cu118` too; `cpu` and `rocm6.0` have none.
#[must_use]
pub fn local_cuda(local: &str) -> Option<CudaVersion> {
    let rest = match local.strip_prefix("pt") {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => local,
    };
    CudaVersion::from_wheel_digits(rest.strip_prefix("cu")?)
}

impl WheelTable {
    /// All PyTorch releases.
    #[must_use]
    pub fn torch_releases(&self) -> &[Torch] {
        &self.torch
    }

    /// A PyTorch release; a local version is left out of account.
    #[must_use]
    pub fn torch(&self, version: &str) -> Option<&Torch> {
        let wanted = Version::from_str(split_local(version).0).ok()?;
        self.torch.iter().find(|row| Version::from_str(&row.version).is_ok_and(|known| known == wanted))
    }

    /// GPU code of the PyTorch wheels of a release (`2.5.1` or `2.5`) and a CUDA variant.
    #[must_use]
    pub fn torch_arch(&self, version: &str, cuda: CudaVersion) -> Option<&TorchArch> {
        let mut parts = split_local(version).0.split('.');
        let minor = format!("{}.{}", parts.next()?, parts.next()?);
        let cuda = cuda.minor_only();
        self.torch_arch.iter().find(|row| row.cuda == cuda && row.versions.contains(&minor))
    }

    /// All rows of GPU code in PyTorch wheels.
    #[must_use]
    pub fn torch_archs(&self) -> &[TorchArch] {
        &self.torch_arch
    }

    /// What a package version requires: its own row, else the row before it when the row after it says the same (versions
    /// between two equal ones are taken as equal, others are unknown).
    #[must_use]
    pub fn pinned(&self, name: &str, version: &str) -> Option<&Pinned> {
        let name = normalize_package(name);
        let wanted = Version::from_str(split_local(version).0).ok()?;
        let mut below: Option<(Version, &Pinned)> = None;
        let mut above: Option<(Version, &Pinned)> = None;
        for row in self.pinned.iter().filter(|row| row.name == name) {
            let Ok(known) = Version::from_str(&row.version) else { continue };
            if known == wanted {
                return Some(row);
            }
            if known < wanted && below.as_ref().is_none_or(|(best, _)| known > *best) {
                below = Some((known, row));
            } else if known > wanted && above.as_ref().is_none_or(|(best, _)| known < *best) {
                above = Some((known, row));
            }
        }
        let ((_, below), (_, above)) = (below?, above?);
        let same = below.cuda == above.cuda
            && below.torch == above.torch
            && below.via == above.via
            && below.cudnn == above.cudnn;
        same.then_some(below)
    }

    /// All rows of a package.
    pub fn pinned_versions<'t>(&'t self, name: &str) -> impl Iterator<Item = &'t Pinned> + use<'t> {
        let name = normalize_package(name);
        self.pinned.iter().filter(move |row| row.name == name)
    }

    /// What a package's name says about its CUDA version.
    #[must_use]
    pub fn named_cuda(&self, package: &str) -> Option<NamedCuda> {
        // Every template has a number in it, and most names that are asked for have none.
        if !package.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let package = normalize_package(package);
        self.families.iter().flat_map(|row| &row.name).find_map(|template| match_template(template, &package))
    }

    /// The templates of package names that fix the family.
    #[must_use]
    pub fn families(&self) -> &[WheelFamily] {
        &self.families
    }

    /// Least driver by wheel tag (`cu118`) as one installer tabulates it.
    #[must_use]
    pub fn driver_floor(&self, tag: &str) -> Option<&DriverFloor> {
        self.floors.iter().find(|row| row.tags.iter().any(|known| known == tag))
    }

    /// The CUDA variant that a PyTorch index address selects (`https://download.pytorch.org/whl/cu121`).
    #[must_use]
    pub fn index_cuda(&self, address: &str) -> Option<CudaVersion> {
        let address = address
            .strip_prefix("http://")
            .map_or_else(|| address.to_owned(), |rest| format!("https://{rest}"));
        let rest =
            self.index.pytorch.iter().filter_map(|prefix| address.strip_prefix(prefix.as_str())).find(
                |rest| {
                    rest.strip_prefix("cu")
                        .is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))
                },
            )?;
        let word = rest.split('/').next()?;
        local_cuda(word)
    }

    /// Names of runtime packages.
    #[must_use]
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Package indexes.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// How conda names CUDA.
    #[must_use]
    pub fn conda(&self) -> &Conda {
        &self.conda
    }
}

/// Matches a package name against a template and reads the CUDA version out of it.
fn match_template(template: &str, package: &str) -> Option<NamedCuda> {
    let (hole, is_digits) =
        if template.contains("{digits}") { ("{digits}", true) } else { ("{major}", false) };
    let (before, after) = template.split_once(hole)?;
    let rest = match before.split_once('*') {
        None => package.strip_prefix(before)?,
        Some((head, tail)) => {
            let inner = package.strip_prefix(head)?;
            let at = inner.rfind(tail)?;
            inner.get(at + tail.len()..)?
        }
    };
    let digits = rest.strip_suffix(after)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if is_digits {
        // `cupy-cuda11` and the like name a major only; three digits (or 80, 92) name a minor too.
        return CudaVersion::from_wheel_digits(digits)
            .filter(|version| version.major >= 8)
            .map(NamedCuda::Version);
    }
    let major: u16 = digits.parse().ok()?;
    (8..100).contains(&major).then_some(NamedCuda::Major(major))
}
