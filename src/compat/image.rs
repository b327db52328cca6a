//! What a base image's name tells: nvidia/cuda tags (published, superseded, never existed, newer than the table), the
//! environment of known images, PyTorch and NGC tags.

use serde::Serialize;

use super::tables::{Arch, CudaImage, NgcMonth, Tables};
use super::version::CudaVersion;
use crate::nearest::nearest;

/// The cuDNN part of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum CudnnTag {
    /// `cudnn8`: the major number is named.
    Major(u16),
    /// `cudnn`: without a number, since 12.4.1.
    Plain,
}

impl std::fmt::Display for CudnnTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Major(major) => write!(f, "cudnn{major}"),
            Self::Plain => f.write_str("cudnn"),
        }
    }
}

/// The flavour of an nvidia/cuda image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// libcudart and the compat package.
    Base,
    /// All runtime libraries.
    Runtime,
    /// Compiler, headers and stubs too.
    Devel,
}

impl Flavor {
    /// The word in tags.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Runtime => "runtime",
            Self::Devel => "devel",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Base, Self::Runtime, Self::Devel].into_iter().find(|flavor| flavor.word() == word)
    }
}

/// The parts of an nvidia/cuda tag, as far as they could be told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CudaTag {
    /// The CUDA version.
    pub version: CudaVersion,
    /// The cuDNN part.
    pub cudnn: Option<CudnnTag>,
    /// The flavour; missing in some tags of 9.x and 10.x, where it means devel.
    pub flavor: Option<Flavor>,
    /// The OS part, e.g. `ubuntu22.04`.
    pub os: Option<String>,
    /// Words that are none of these.
    pub unknown_words: Vec<String>,
}

impl CudaTag {
    /// Takes a tag apart; `None` when it does not begin with a version.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let mut words = tag.split('-');
        let version: CudaVersion = words.next()?.parse().ok()?;
        let mut parsed = Self { version, cudnn: None, flavor: None, os: None, unknown_words: Vec::new() };
        for word in words {
            let digits = word.strip_prefix("cudnn");
            if let Some(flavor) = Flavor::from_word(word).filter(|_| parsed.flavor.is_none()) {
                parsed.flavor = Some(flavor);
            } else if let Some(digits) = digits.filter(|_| parsed.cudnn.is_none()) {
                match digits.parse() {
                    Ok(major) => parsed.cudnn = Some(CudnnTag::Major(major)),
                    Err(_) if digits.is_empty() => parsed.cudnn = Some(CudnnTag::Plain),
                    Err(_) => parsed.unknown_words.push(word.to_owned()),
                }
            } else if parsed.os.is_none() && is_system(word) {
                parsed.os = Some(word.to_owned());
            } else {
                parsed.unknown_words.push(word.to_owned());
            }
        }
        Some(parsed)
    }

    /// The tag in today's order: version, cuDNN, flavour, OS.
    #[must_use]
    pub fn spelled(&self) -> String {
        let mut words = vec![self.version.to_string()];
        words.extend(self.cudnn.map(|cudnn| cudnn.to_string()));
        words.extend(self.flavor.map(|flavor| flavor.word().to_owned()));
        words.extend(self.os.clone());
        words.join("-")
    }
}

/// `ubuntu22.04`, `ubi8`, `cm2`, `azl3`: letters, then a number.
fn is_system(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_lowercase());
    rest.len() < word.len()
        && !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// What is wrong with an nvidia/cuda tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum TagProblem {
    /// No version at the start (`latest`).
    NoVersion,
    /// No such CUDA version was released (12.7).
    NoSuchVersion,
    /// Two numbers where three are needed (`12.4-devel-ubuntu22.04`).
    PatchMissing,
    /// No flavour.
    FlavorMissing,
    /// No OS part.
    SystemMissing,
    /// This version was never built on this OS; the first version that was, where there is one.
    SystemNotOffered {
        /// The OS part.
        os: String,
        /// First version built on it.
        first: Option<CudaVersion>,
        /// Last version built on it.
        last: Option<CudaVersion>,
    },
    /// The cuDNN part is spelled wrongly; the right spelling of this version.
    CudnnSpelling(CudnnTag),
    /// This version has no cuDNN flavour, or not with `base`.
    CudnnNotOffered,
    /// The parts are not in the order of tags: version, cuDNN, flavour, OS.
    WordOrder,
    /// A word that is no part of a tag, and a near one.
    UnknownWord {
        /// The word.
        word: String,
        /// A near word.
        nearest: Option<&'static str>,
    },
}

/// Whether an nvidia/cuda tag is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum TagStatus {
    /// It was published.
    Published {
        /// It is listed under end of life: it may be gone from the registry.
        eol: bool,
        /// A newer update of the same minor on the same OS.
        newer: Option<String>,
    },
    /// A version that was released but is not among the images any more (or a historic spelling of 9.x and 10.x, which
    /// the table does not have completely).
    NoLongerListed {
        /// The nearest published tag.
        suggestion: Option<String>,
    },
    /// It never existed.
    NeverPublished {
        /// What is wrong with it.
        problems: Vec<TagProblem>,
        /// The nearest published tag.
        suggestion: Option<String>,
    },
    /// Newer than the table: nothing can be said.
    NewerThanTable,
}

/// What an nvidia/cuda tag tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagFacts {
    /// Its parts; `None` when it does not begin with a version.
    pub tag: Option<CudaTag>,
    /// Whether it is published.
    pub status: TagStatus,
}

/// CUDA versions whose images were deleted before any list that the table is made from: public Dockerfiles name them
/// (`FROM nvidia/cuda:6.5-devel`, `7.0-cudnn4-devel`, `7.5-cudnn5-devel`), and Docker Hub lists none.
const FIRST_IMAGES: [(u16, u16); 3] = [(6, 5), (7, 0), (7, 5)];

const TAG_WORDS: [&str; 5] = ["base", "runtime", "devel", "cudnn", "cudnn8"];

/// What is known of an nvidia/cuda tag.
#[must_use]
pub fn cuda_tag(text: &str, tables: &Tables) -> TagFacts {
    let Some(tag) = CudaTag::parse(text) else {
        let problems = vec![TagProblem::NoVersion];
        return TagFacts { tag: None, status: TagStatus::NeverPublished { problems, suggestion: None } };
    };
    let status = match status(&tag, tables) {
        TagStatus::Published { .. } if !in_order(text) => TagStatus::NeverPublished {
            problems: vec![TagProblem::WordOrder],
            suggestion: suggest(&tag, tables),
        },
        TagStatus::NeverPublished { mut problems, suggestion } if !in_order(text) => {
            problems.push(TagProblem::WordOrder);
            TagStatus::NeverPublished { problems, suggestion }
        }
        status => status,
    };
    TagFacts { tag: Some(tag), status }
}

/// Whether the parts stand in the order that all tags have: version, cuDNN, flavour, OS.
fn in_order(text: &str) -> bool {
    let ranks = text.split('-').skip(1).filter_map(|word| {
        if word.starts_with("cudnn") {
            Some(0)
        } else if Flavor::from_word(word).is_some() {
            Some(1)
        } else {
            is_system(word).then_some(2)
        }
    });
    ranks.is_sorted()
}

fn status(tag: &CudaTag, tables: &Tables) -> TagStatus {
    let images = tables.images();
    let version = tag.version;
    let Some(newest) = images.newest_cuda_image() else { return TagStatus::NewerThanTable };
    if version.minor_only() > newest.version.minor_only() {
        return TagStatus::NewerThanTable;
    }
    let row = images.cuda_image(version);
    if version.major <= 10 {
        // Tags of these versions came in more forms than the table has.
        let known = row.is_some_and(|row| is_complete(tag, row) && problems(tag, row, tables).is_empty());
        return if known {
            TagStatus::Published { eol: row.is_some_and(|row| row.listed_eol), newer: None }
        } else if FIRST_IMAGES.contains(&(version.major, version.minor))
            || images.cuda_images().iter().any(|row| row.version.minor_only() == version.minor_only())
        {
            TagStatus::NoLongerListed { suggestion: suggest(tag, tables) }
        } else {
            never(vec![TagProblem::NoSuchVersion], tag, tables)
        };
    }
    // Up to 11.1 a tag without a patch number named the newest update, and up to 11.2 one without a distribution named
    // Ubuntu 18.04; they were deleted.
    let short = version.patch.is_none() && version.minor <= 1 || tag.os.is_none() && version.minor <= 2;
    if version.major == 11 && short && tag.unknown_words.is_empty() && tag.flavor.is_some() {
        return TagStatus::NoLongerListed { suggestion: suggest(tag, tables) };
    }
    let Some(row) = row else {
        let newest_patch = images
            .cuda_images()
            .iter()
            .filter(|row| row.version.minor_only() == version.minor_only())
            .map(|row| row.version)
            .max();
        return match (version.patch, newest_patch) {
            (None, Some(_)) => never(vec![TagProblem::PatchMissing], tag, tables),
            (Some(_), Some(newest)) if version > newest && tables.toolkits().get(version).is_some() => {
                TagStatus::NewerThanTable
            }
            (Some(_), Some(newest))
                if version > newest && newest.minor_only() == tables_newest_minor(tables) =>
            {
                TagStatus::NewerThanTable
            }
            (Some(_), _) if tables.toolkits().get(version).is_some() => {
                TagStatus::NoLongerListed { suggestion: suggest(tag, tables) }
            }
            _ => never(vec![TagProblem::NoSuchVersion], tag, tables),
        };
    };
    let found = problems(tag, row, tables);
    if found.is_empty() {
        return TagStatus::Published { eol: row.listed_eol, newer: newer_update(tag, tables) };
    }
    let new_system = matches!(found.as_slice(), [TagProblem::SystemNotOffered { first: None, os, .. }] if images.system(os).is_some());
    if new_system && version.minor_only() == newest.version.minor_only() {
        // A distribution that no listed image has yet, on the newest version: it may have been added since.
        return TagStatus::NewerThanTable;
    }
    // Sources of versions under end of life were trimmed: an OS between the first and the last version that had it may
    // well have been offered.
    let maybe_trimmed = |problem: &TagProblem| {
        let within = |first: &CudaVersion, last: &CudaVersion| *first <= version && version <= *last;
        row.listed_eol
            && matches!(problem, TagProblem::SystemNotOffered { first: Some(first), last: Some(last), .. } if within(first, last))
    };
    if found.iter().all(maybe_trimmed) {
        return TagStatus::NoLongerListed { suggestion: suggest(tag, tables) };
    }
    never(found, tag, tables)
}

/// The newest update of the same minor with the same parts, where there is one.
fn newer_update(tag: &CudaTag, tables: &Tables) -> Option<String> {
    let same_minor =
        |row: &&CudaImage| row.version.minor_only() == tag.version.minor_only() && row.version > tag.version;
    let rows = tables.images().cuda_images().iter().rev().filter(same_minor);
    rows.map(|row| (CudaTag { version: row.version, ..tag.clone() }, row))
        .find(|(newer, row)| problems(newer, row, tables).is_empty())
        .map(|(newer, _)| newer.spelled())
}

fn tables_newest_minor(tables: &Tables) -> CudaVersion {
    tables.images().newest_cuda_image().map_or(CudaVersion::new(0, 0), |row| row.version.minor_only())
}

fn is_complete(tag: &CudaTag, row: &CudaImage) -> bool {
    tag.flavor.is_some() && tag.os.as_ref().is_some_and(|os| row.os.contains(os))
}

fn never(problems: Vec<TagProblem>, tag: &CudaTag, tables: &Tables) -> TagStatus {
    TagStatus::NeverPublished { problems, suggestion: suggest(tag, tables) }
}

fn problems(tag: &CudaTag, row: &CudaImage, tables: &Tables) -> Vec<TagProblem> {
    let mut problems = Vec::new();
    for word in &tag.unknown_words {
        problems.push(TagProblem::UnknownWord { word: word.clone(), nearest: nearest(word, TAG_WORDS) });
    }
    if tag.flavor.is_none() {
        problems.push(TagProblem::FlavorMissing);
    }
    match &tag.os {
        None => problems.push(TagProblem::SystemMissing),
        Some(os) if !row.os.contains(os) => {
            let with = || {
                tables.images().cuda_images().iter().filter(|row| row.os.contains(os)).map(|row| row.version)
            };
            problems.push(TagProblem::SystemNotOffered {
                os: os.clone(),
                first: with().min(),
                last: with().max(),
            });
        }
        Some(_) => {}
    }
    if let Some(cudnn) = tag.cudnn {
        match cudnn_spellings(row).as_slice() {
            // No cuDNN was recorded for the newest version because none was released with the image sources yet.
            [] if Some(row.version) == tables.images().newest_cuda_image().map(|row| row.version) => {}
            [] => problems.push(TagProblem::CudnnNotOffered),
            spellings if !spellings.contains(&cudnn) => {
                problems.extend(spellings.last().map(|right| TagProblem::CudnnSpelling(*right)));
            }
            _ if tag.flavor == Some(Flavor::Base) => problems.push(TagProblem::CudnnNotOffered),
            _ => {}
        }
    }
    problems
}

/// The spellings of the cuDNN part that a version has: numbered by the majors it was built with up to 12.3, then plain.
fn cudnn_spellings(row: &CudaImage) -> Vec<CudnnTag> {
    if row.cudnn.is_empty() {
        return Vec::new();
    }
    if row.version.minor_only() >= CudaVersion::new(12, 4) {
        return vec![CudnnTag::Plain];
    }
    let mut majors: Vec<u16> =
        row.cudnn.iter().filter_map(|version| version.split('.').next()?.parse().ok()).collect();
    majors.sort_unstable();
    majors.dedup();
    majors.into_iter().map(CudnnTag::Major).collect()
}

/// The spelling of a cuDNN part on another version: the same where it has it, else its newest; `None` without cuDNN.
pub(super) fn cudnn_of(row: &CudaImage, wanted: CudnnTag) -> Option<CudnnTag> {
    let spellings = cudnn_spellings(row);
    if spellings.contains(&wanted) { Some(wanted) } else { spellings.last().copied() }
}

/// The nearest published tag: the same minor's newest update, else the nearest minor of the same major, on the same OS
/// where it is offered, else on the OS of the same family that is nearest; the flavour is kept.
fn suggest(tag: &CudaTag, tables: &Tables) -> Option<String> {
    let images = tables.images().cuda_images();
    let minor = tag.version.minor_only();
    let offers = |row: &&CudaImage| match &tag.os {
        Some(os) => row.os.contains(os),
        None => true,
    };
    let same_minor = || images.iter().rev().filter(|row| row.version.minor_only() == minor);
    let same_major = || {
        let distance =
            |row: &&CudaImage| (row.version.minor.abs_diff(minor.minor), std::cmp::Reverse(row.version));
        let mut rows: Vec<_> = images.iter().filter(|row| row.version.major == minor.major).collect();
        rows.sort_by_key(distance);
        rows.into_iter()
    };
    let with_cudnn = |row: &&CudaImage| tag.cudnn.is_none() || !row.cudnn.is_empty();
    let row = same_minor()
        .find(|row| offers(row) && with_cudnn(row))
        .or_else(|| same_major().find(|row| offers(row) && with_cudnn(row)))
        .or_else(|| same_minor().find(|row| with_cudnn(row)))
        .or_else(|| same_major().find(|row| with_cudnn(row)))?;
    let os = match &tag.os {
        Some(os) if row.os.contains(os) => os.clone(),
        Some(os) => near_system(os, &row.os)?,
        None => row.os.iter().rev().find(|os| os.starts_with("ubuntu")).or_else(|| row.os.last())?.clone(),
    };
    let cudnn = match tag.cudnn {
        None => None,
        Some(cudnn) => cudnn_of(row, cudnn),
    };
    let mut flavor = tag.flavor.unwrap_or(Flavor::Devel);
    if tag.flavor.is_none()
        && let Some(word) = tag.unknown_words.iter().find_map(|word| nearest(word, TAG_WORDS))
    {
        flavor = Flavor::from_word(word).unwrap_or(flavor);
    }
    if cudnn.is_some() && flavor == Flavor::Base {
        flavor = Flavor::Runtime;
    }
    let suggested = CudaTag {
        version: row.version,
        cudnn,
        flavor: Some(flavor),
        os: Some(os),
        unknown_words: Vec::new(),
    };
    Some(suggested.spelled())
}

/// The OS of the same family (letters) with the nearest number; of another family the newest Ubuntu.
fn near_system(os: &str, offered: &[String]) -> Option<String> {
    let split = |os: &str| {
        let family = os.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned();
        let number = os
            .trim_start_matches(|c: char| c.is_ascii_lowercase())
            .replace('.', "")
            .parse::<u32>()
            .unwrap_or(0);
        (family, number)
    };
    let (family, number) = split(os);
    let same = offered.iter().filter(|candidate| split(candidate).0 == family);
    same.min_by_key(|candidate| split(candidate).1.abs_diff(number))
        .or_else(|| offered.iter().rev().find(|candidate| candidate.starts_with("ubuntu")))
        .or_else(|| offered.last())
        .cloned()
}

/// The environment of a published nvidia/cuda image, as far as the tables have it exactly: the requirement, CUDA_VERSION,
/// the search paths, visible devices and capabilities. `None` when the image (or its requirement) is not in the tables.
#[must_use]
pub fn cuda_environment(tag: &CudaTag, arch: Arch, tables: &Tables) -> Option<Vec<(String, String)>> {
    let images = tables.images();
    let row = images.cuda_image(tag.version)?;
    let os = tag.os.as_deref()?;
    let env = images.env();
    let requirement = images.require_for(tag.version, arch, os)?;
    let machine = match arch {
        Arch::Amd64 => "x86_64",
        Arch::Arm64 => "sbsa",
        Arch::Ppc64le => "ppc64le",
    };
    const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut pairs = vec![
        ("PATH".to_owned(), format!("{}:{SYSTEM_PATH}", env.path_prefix)),
        ("NVARCH".to_owned(), machine.to_owned()),
        ("NVIDIA_REQUIRE_CUDA".to_owned(), requirement),
    ];
    // 9.x and 10.x carry the build number in some images and the minor in others; both mean the same requirement.
    pairs.extend(row.cuda_version_env.last().map(|version| ("CUDA_VERSION".to_owned(), version.clone())));
    if let [path] = row.ld_library_path.as_slice() {
        pairs.push(("LD_LIBRARY_PATH".to_owned(), path.clone()));
    }
    pairs.push(("NVIDIA_VISIBLE_DEVICES".to_owned(), env.visible_devices.clone()));
    pairs.push(("NVIDIA_DRIVER_CAPABILITIES".to_owned(), env.driver_capabilities.clone()));
    if tag.flavor.unwrap_or(Flavor::Devel) == Flavor::Devel {
        pairs.push(("LIBRARY_PATH".to_owned(), env.library_path.clone()));
    }
    Some(pairs)
}

/// Whether an nvidia/cuda image brings the package `cuda-compat-X-Y`: from 10.0 on, on arm64 Ubuntu only after 12.5.0.
#[must_use]
pub fn has_compat_package(tag: &CudaTag, arch: Arch, tables: &Tables) -> bool {
    let env = tables.images().env();
    let since = env.compat_since.is_none_or(|since| tag.version.minor_only() >= since);
    let ubuntu = tag.os.as_deref().is_some_and(|os| os.starts_with("ubuntu"));
    let by_variable = ubuntu && tag.version <= CudaVersion { major: 12, minor: 5, patch: Some(0) };
    env.compat_package_in_base && since && (arch == Arch::Amd64 || !by_variable)
}

/// The parts of a pytorch/pytorch tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PytorchTag {
    /// PyTorch release.
    pub version: String,
    /// CUDA minor version.
    pub cuda: CudaVersion,
    /// cuDNN major version.
    pub cudnn: u16,
    /// runtime or devel.
    pub flavor: Flavor,
}

/// Reads `2.5.1-cuda12.4-cudnn9-runtime`.
#[must_use]
pub fn pytorch_tag(tag: &str) -> Option<PytorchTag> {
    let mut words = tag.split('-');
    let version = words.next()?;
    let numbers = version.split('.').count();
    let plain =
        version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let cuda = words.next()?.strip_prefix("cuda")?.parse().ok()?;
    let cudnn = words.next()?.strip_prefix("cudnn")?.parse().ok()?;
    let flavor = Flavor::from_word(words.next()?).filter(|flavor| *flavor != Flavor::Base)?;
    (words.next().is_none() && plain && (2..=3).contains(&numbers)).then(|| PytorchTag {
        version: version.to_owned(),
        cuda,
        cudnn,
        flavor,
    })
}

/// The month row of an NGC image by repository name (`nvcr.io/nvidia/pytorch`) and tag (`25.06-py3`).
#[must_use]
pub fn ngc_image<'t>(repository: &str, tag: &str, tables: &'t Tables) -> Option<&'t NgcMonth> {
    let product = repository.strip_prefix("nvcr.io/nvidia/")?;
    let (month, variant) = tag.split_once('-').map_or((tag, ""), |(month, variant)| (month, variant));
    let images = tables.images();
    if product == "tritonserver" {
        let column = if variant.starts_with("trtllm") { "tritonserver-trtllm" } else { "tritonserver-vllm" };
        return images.month(column, month).or_else(|| images.month(product, month));
    }
    images.month(product, month)
}
