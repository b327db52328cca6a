//! Base images: what nvidia/cuda tags carry and require, NGC months, retired tags, distributions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::forward::Confidence;
use super::load::row;
use crate::compat::version::{CudaVersion, DriverBranch, DriverVersion};
use crate::date::PartialDate;

/// Processor architecture of an image, as Docker names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit Arm (NVIDIA's sbsa).
    Arm64,
    /// 64-bit little-endian POWER.
    Ppc64le,
}

impl Arch {
    /// Reads Docker's word (`amd64`, `arm64`, `ppc64le`) or the kernel's (`x86_64`, `aarch64`).
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "amd64" | "x86_64" => Some(Self::Amd64),
            "arm64" | "aarch64" => Some(Self::Arm64),
            "ppc64le" => Some(Self::Ppc64le),
            _ => None,
        }
    }
}

/// What kind of repository an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepoKind {
    /// NVIDIA's plain CUDA images.
    CudaBase,
    /// A framework on CUDA.
    Framework,
    /// A model server.
    Server,
    /// An application.
    App,
    /// NGC containers that are named by month.
    NgcMonth,
}

/// How the tags of a repository are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TagForm {
    /// `12.4.1-cudnn-devel-ubuntu22.04`.
    Cuda,
    /// `2.5.1-cuda12.4-cudnn9-runtime`.
    Pytorch,
    /// `2.15.0-gpu-jupyter`.
    Tensorflow,
    /// `25.06-py3`.
    Month,
    /// Tags that do not tell.
    None,
}

row! {
    /// One family of well-known repositories.
    pub struct Repo in "repo", key |row| row.repository.join(" "), as RawRepo {
        /// Normalised names (docker.io and library/ removed).
        pub repository: Vec<String>,
        /// Kind of repository.
        pub kind: RepoKind,
        /// How tags are read.
        pub tag_form: TagForm,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

row! {
    /// One version of the nvidia/cuda images.
    pub struct CudaImage in "cuda_image", key |row| row.version.to_string(), as RawCudaImage {
        /// First part of the tag.
        pub version: CudaVersion,
        /// OS parts that were built.
        pub os: Vec<String>,
        /// Whether its sources sit under end-of-life (tags may be gone from the registry).
        pub listed_eol: bool,
        /// Values of ENV CUDA_VERSION.
        pub cuda_version_env: Vec<String>,
        /// Architectures built.
        #[serde(default)]
        pub arch: Vec<Arch>,
        /// libcudart versions seen.
        #[serde(default)]
        pub cudart: Vec<String>,
        /// cuDNN versions seen; none = no cudnn flavour was built.
        #[serde(default)]
        pub cudnn: Vec<String>,
        /// NCCL versions seen.
        #[serde(default)]
        pub nccl: Vec<String>,
        /// cuBLAS versions seen.
        #[serde(default)]
        pub cublas: Vec<String>,
        /// Values of ENV LD_LIBRARY_PATH seen.
        #[serde(default)]
        pub ld_library_path: Vec<String>,
    }
}

row! {
    /// One distinct NVIDIA_REQUIRE_CUDA text of the nvidia/cuda images.
    pub struct RequireText in "require", key |row| row.sha256.clone() + " " + &row.version.to_string(), as RawRequireText {
        /// Version of the images.
        pub version: CudaVersion,
        /// OS parts that carry it on x86-64.
        #[serde(default)]
        pub amd64: Vec<String>,
        /// OS parts that carry it on Arm.
        #[serde(default)]
        pub arm64: Vec<String>,
        /// OS parts that carry it on POWER.
        #[serde(default)]
        pub ppc64le: Vec<String>,
        /// The first term.
        pub cuda: String,
        /// Driver windows with the name of a brand set each.
        #[serde(default)]
        pub windows: Vec<(u16, u16, String)>,
        /// Terms without a brand.
        #[serde(default)]
        pub any_brand: Vec<String>,
        /// How the text is put together.
        pub order: String,
        /// Bytes of the exact text.
        pub length: usize,
        /// SHA-256 of the exact text, hexadecimal.
        pub sha256: String,
    }
}

impl RequireText {
    /// Whether images of this OS and architecture carry it.
    #[must_use]
    pub fn applies(&self, arch: Arch, os: &str) -> bool {
        let list = match arch {
            Arch::Amd64 => &self.amd64,
            Arch::Arm64 => &self.arm64,
            Arch::Ppc64le => &self.ppc64le,
        };
        list.iter().any(|known| known == os)
    }
}

row! {
    /// What was seen of the requirement of newer images, not from the image sources.
    pub struct RequireSeen in "require_seen", key |row| row.version.to_string(), as RawRequireSeen {
        /// Version of the images.
        pub version: CudaVersion,
        /// The first term.
        pub cuda: String,
        /// Branches with a window.
        pub branches: Option<Vec<DriverBranch>>,
        /// Brands in the windows.
        pub brands: Option<Vec<String>>,
        /// How far it can be trusted.
        pub confidence: Confidence,
        /// How it was seen.
        pub note: String,
    }
}

row! {
    /// One month of an NGC product.
    pub struct NgcMonth in "ngc_month", key |row| row.product.clone() + " " + &row.month, as RawNgcMonth {
        /// Product: the repository's name, for Triton with the variant.
        pub product: String,
        /// Month, YY.MM.
        pub month: String,
        /// Toolkit version or build, as the notes write it.
        pub cuda: String,
        /// The driver named as that release's own.
        pub driver: Option<DriverVersion>,
        /// How far it can be trusted.
        pub confidence: Confidence,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

impl NgcMonth {
    /// The CUDA version without the build number that some notes append.
    #[must_use]
    pub fn cuda_version(&self) -> Option<CudaVersion> {
        let mut parts: Vec<&str> = self.cuda.split('.').collect();
        parts.truncate(3);
        parts.join(".").parse().ok()
    }
}

row! {
    /// Tags or repositories that no longer exist or are deprecated.
    pub struct Removed in "removed", key |row| row.id.clone(), as RawRemoved {
        /// Name to refer to it.
        pub id: String,
        /// Repository.
        pub repo: String,
        /// Exact tags.
        #[serde(default)]
        pub tags: Vec<String>,
        /// Versions whose tags are concerned.
        #[serde(default)]
        pub versions: Vec<String>,
        /// OS parts whose tags are concerned.
        #[serde(default)]
        pub systems: Vec<String>,
        /// What happened to them.
        pub status: String,
        /// What else is worth knowing.
        pub note: Option<String>,
    }
}

/// The C library of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Libc {
    /// GNU libc, which the driver's libraries need.
    #[default]
    Glibc,
    /// musl: the driver's libraries do not load.
    Musl,
}

row! {
    /// A distribution under images.
    pub struct BaseOs in "base_os", key |row| row.os.clone(), as RawBaseOs {
        /// Name and release as the tags of nvidia/cuda write them (ubuntu22.04, debian12).
        pub os: String,
        /// End of standard support.
        pub eol: Option<PartialDate>,
        /// End of extended support.
        pub lts: Option<PartialDate>,
        /// Version of its glibc, major.minor.
        pub glibc: Option<String>,
        /// Its C library.
        #[serde(default)]
        pub libc: Libc,
    }
}

impl BaseOs {
    /// The glibc version as numbers that compare.
    #[must_use]
    pub fn glibc_version(&self) -> Option<(u16, u16)> {
        let (major, minor) = self.glibc.as_deref()?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }
}

/// The flavours of nvidia/cuda tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagWords {
    /// The flavours.
    pub flavors: Vec<String>,
    /// What else is worth knowing.
    pub note: String,
}

/// The environment that nvidia/cuda images set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEnv {
    /// Variables of every flavour.
    pub always: Vec<String>,
    /// NVIDIA_VISIBLE_DEVICES.
    pub visible_devices: String,
    /// NVIDIA_DRIVER_CAPABILITIES.
    pub driver_capabilities: String,
    /// Variables of base images on x86-64 only.
    pub base_only_amd64: Vec<String>,
    /// Variables that runtime adds.
    pub runtime_adds: Vec<String>,
    /// Variables that cudnn flavours add.
    pub cudnn_adds: Vec<String>,
    /// Variables that devel adds.
    pub devel_adds: Vec<String>,
    /// LIBRARY_PATH of devel images.
    pub library_path: String,
    /// What goes before the PATH of the distribution.
    pub path_prefix: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Labels of 8.0.
    pub labels_8_0: Vec<String>,
    /// Variable that marks end-of-life images.
    pub eol_marker: String,
    /// Whether base images install the compat package.
    pub compat_package_in_base: bool,
    /// Since which CUDA version they do.
    pub compat_since: Option<CudaVersion>,
    /// What else is worth knowing.
    pub note: String,
}

/// What must be known before months are used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthNote {
    /// Why gaps must not be filled.
    pub text: String,
    /// Why release notes are no proof.
    pub stale: String,
}

/// All that is known about base images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageTable {
    pub(super) repos: Vec<Repo>,
    pub(super) cuda_images: Vec<CudaImage>,
    pub(super) brand_sets: BTreeMap<String, Vec<String>>,
    pub(super) require: Vec<RequireText>,
    pub(super) require_seen: Vec<RequireSeen>,
    pub(super) months: Vec<NgcMonth>,
    pub(super) removed: Vec<Removed>,
    pub(super) systems: Vec<BaseOs>,
    pub(super) tag_words: TagWords,
    pub(super) env: ImageEnv,
    pub(super) month_note: MonthNote,
}

impl ImageTable {
    /// The row of a repository, by its normalised name.
    #[must_use]
    pub fn repo(&self, name: &str) -> Option<&Repo> {
        self.repos.iter().find(|row| row.repository.iter().any(|known| known == name))
    }

    /// All well-known repositories.
    #[must_use]
    pub fn repos(&self) -> &[Repo] {
        &self.repos
    }

    /// All versions of nvidia/cuda, oldest first.
    #[must_use]
    pub fn cuda_images(&self) -> &[CudaImage] {
        &self.cuda_images
    }

    /// The nvidia/cuda images of exactly this version.
    #[must_use]
    pub fn cuda_image(&self, version: CudaVersion) -> Option<&CudaImage> {
        self.cuda_images.iter().find(|row| row.version == version)
    }

    /// The newest nvidia/cuda version in the table.
    #[must_use]
    pub fn newest_cuda_image(&self) -> Option<&CudaImage> {
        self.cuda_images.last()
    }

    /// All requirement texts.
    #[must_use]
    pub fn require_texts(&self) -> &[RequireText] {
        &self.require
    }

    /// What was seen of newer requirement texts.
    #[must_use]
    pub fn require_seen(&self) -> &[RequireSeen] {
        &self.require_seen
    }

    /// NGC months.
    #[must_use]
    pub fn months(&self) -> &[NgcMonth] {
        &self.months
    }

    /// One month of an NGC product. A Triton image goes by its variant: `tritonserver-vllm`, `tritonserver-trtllm`.
    #[must_use]
    pub fn month(&self, product: &str, month: &str) -> Option<&NgcMonth> {
        self.months.iter().find(|row| row.product == product && row.month == month)
    }

    /// What must be known before months are used.
    #[must_use]
    pub fn month_note(&self) -> &MonthNote {
        &self.month_note
    }

    /// Removed and deprecated tags and repositories.
    #[must_use]
    pub fn removed(&self) -> &[Removed] {
        &self.removed
    }

    /// Distributions.
    #[must_use]
    pub fn systems(&self) -> &[BaseOs] {
        &self.systems
    }

    /// A distribution by name and release (`ubuntu22.04`, `debian12`). A release of a family that has one row for all
    /// (alpine) finds that.
    #[must_use]
    pub fn system(&self, os: &str) -> Option<&BaseOs> {
        let family = os.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        self.systems
            .iter()
            .find(|row| row.os == os)
            .or_else(|| self.systems.iter().find(|row| row.os == family))
    }

    /// The flavour words of nvidia/cuda tags.
    #[must_use]
    pub fn tag_words(&self) -> &TagWords {
        &self.tag_words
    }

    /// What nvidia/cuda images set in their environment.
    #[must_use]
    pub fn env(&self) -> &ImageEnv {
        &self.env
    }

    /// The exact text of a requirement row; `None` when it names a brand set that does not exist.
    #[must_use]
    pub fn require_text(&self, row: &RequireText) -> Option<String> {
        let (form, space) = match row.order.strip_suffix("+space") {
            Some(form) => (form, true),
            None => (row.order.as_str(), false),
        };
        let mut branded = Vec::new();
        for (low, high, set) in &row.windows {
            for brand in self.brand_sets.get(set)? {
                branded.push(format!("brand={brand},driver>={low},driver<{high}"));
            }
        }
        let plain = row.any_brand.clone();
        let mut terms = vec![row.cuda.clone()];
        if form == "plain-then-brands" {
            terms.extend(plain);
            terms.extend(branded);
        } else {
            terms.extend(branded);
            terms.extend(plain);
        }
        let mut text = terms.join(" ");
        if space {
            text.push(' ');
        }
        Some(text)
    }

    /// The requirement by which images of a CUDA minor accept data-centre GPUs on a driver branch that does not run that
    /// CUDA by itself. NVIDIA lists there the branches that the image's compat package was made for.
    #[must_use]
    pub fn compat_base(&self, cuda: CudaVersion, branch: DriverBranch) -> Option<&RequireText> {
        let data_centre = |set: &String| {
            self.brand_sets.get(set).is_some_and(|brands| brands.iter().any(|brand| brand == "tesla"))
        };
        self.require.iter().find(|row| {
            row.version.minor_only() == cuda.minor_only()
                && row
                    .windows
                    .iter()
                    .any(|(low, high, set)| (*low..*high).contains(&branch.0) && data_centre(set))
        })
    }

    /// The exact NVIDIA_REQUIRE_CUDA of the nvidia/cuda images of a version, architecture and OS part.
    #[must_use]
    pub fn require_for(&self, version: CudaVersion, arch: Arch, os: &str) -> Option<String> {
        let row = self.require.iter().find(|row| row.version == version && row.applies(arch, os))?;
        self.require_text(row)
    }
}
