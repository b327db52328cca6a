//! Tags of nvidia/cuda: how they are put together, and whether one was ever published.
//!
//! Source: NVIDIA's image sources as the `images` table has them. Sources of old versions were trimmed over time, so an OS
//! or cuDNN flavour missing from such a row is no proof that the tag never existed.

use super::tables::{CudaImage, ImageTable};
use super::version::CudaVersion;

/// Parts of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudaTag<'t> {
    /// First part, as written.
    pub version_text: &'t str,
    /// First part.
    pub version: CudaVersion,
    /// `cudnn`, `cudnn8`, …
    pub cudnn: Option<&'t str>,
    /// `base`, `runtime`, `devel`; `None` in tags of 9.x and 10.x without one, which mean devel.
    pub flavour: Option<&'t str>,
    /// `ubuntu22.04`, …
    pub os: Option<&'t str>,
    /// A part that is none of these.
    pub stray: Option<&'t str>,
}

impl<'t> CudaTag<'t> {
    /// Takes a tag apart; `None` when it does not begin with a version.
    #[must_use]
    pub fn parse(tag: &'t str) -> Option<Self> {
        let mut parts = tag.split('-');
        let version_text = parts.next()?;
        let version = version_text.parse().ok()?;
        let mut read = Self { version_text, version, cudnn: None, flavour: None, os: None, stray: None };
        for part in parts {
            if read.cudnn.is_none() && part.starts_with("cudnn") {
                read.cudnn = Some(part);
            } else if read.flavour.is_none() && ["base", "runtime", "devel"].contains(&part) {
                read.flavour = Some(part);
            } else if read.os.is_none() && is_os(part) {
                read.os = Some(part);
            } else if read.stray.is_none() {
                read.stray = Some(part);
            }
        }
        Some(read)
    }
}

/// Whether a part has the form of an OS: letters, then digits and dots.
fn is_os(part: &str) -> bool {
    let rest = part.trim_start_matches(|c: char| c.is_ascii_lowercase());
    rest.len() < part.len() && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// What is wrong with a tag that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagFault {
    /// The patch number is missing (`12.4-…`).
    PatchMissing,
    /// No image of this CUDA version exists (`12.7.0`).
    Version,
    /// The flavour is missing.
    FlavourMissing,
    /// A part that is no flavour, cuDNN or OS.
    Word,
    /// The OS is missing (`11.7.1-base`).
    OsMissing,
    /// The OS was never offered for this version.
    Os,
    /// cuDNN is spelled otherwise in this version.
    CudnnSpelling,
    /// This version has no cuDNN images, or not in this flavour.
    Cudnn,
}

/// Whether a tag of nvidia/cuda exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagState {
    /// It was published and is not known to be gone.
    Published,
    /// Its version was published and is under end of life: such tags are deleted in time.
    Retired,
    /// It is newer than the table, or of a form that the table cannot judge.
    Unknown,
    /// It never existed.
    NeverExisted {
        /// Why.
        fault: TagFault,
        /// The nearest published tag.
        nearest: Option<String>,
    },
}

/// Judges a tag of nvidia/cuda.
#[must_use]
pub fn judge_tag(tag: &str, images: &ImageTable) -> TagState {
    let Some(read) = CudaTag::parse(tag) else { return TagState::Unknown };
    let rows = images.cuda_images();
    let newest = rows.last().map(|row| row.version);
    if newest.is_none_or(|newest| read.version.minor_only() > newest.minor_only()) {
        return TagState::Unknown;
    }
    let never = |fault| TagState::NeverExisted { fault, nearest: nearest(&read, rows) };
    let Some(row) = rows.iter().find(|row| row.version == read.version) else {
        let same_minor: Vec<&CudaImage> =
            rows.iter().filter(|row| row.version.minor_only() == read.version.minor_only()).collect();
        let newest_patch = same_minor.last().and_then(|row| row.version.patch);
        return match (read.version.patch, newest_patch) {
            (None, Some(_)) => never(TagFault::PatchMissing),
            // A patch above the newest known one may be newer than the table.
            (Some(patch), Some(newest)) if patch > newest => TagState::Unknown,
            // 9.x and 10.x are keyed by two numbers; builds such as 10.1.243 are not tags.
            _ if !same_minor.is_empty() && read.version.major < 11 => TagState::Unknown,
            _ => never(TagFault::Version),
        };
    };
    let trimmed = row.listed_eol;
    if row.version.major < 11 && (read.os.is_none() || read.flavour.is_none()) {
        return TagState::Retired;
    }
    if let Some(fault) = form_fault(&read, row, rows, trimmed) {
        return never(fault);
    }
    let retired = images.removed().iter().any(|gone| {
        gone.repo == "nvidia/cuda" && gone.status == "end of life" && gone.versions.iter().any(|version| version == read.version_text)
    });
    if retired { TagState::Retired } else { TagState::Published }
}

/// What is wrong with a tag of a known version.
fn form_fault(read: &CudaTag<'_>, row: &CudaImage, rows: &[CudaImage], trimmed: bool) -> Option<TagFault> {
    if read.stray.is_some() {
        return Some(TagFault::Word);
    }
    let Some(os) = read.os else { return Some(TagFault::OsMissing) };
    let Some(flavour) = read.flavour else { return Some(TagFault::FlavourMissing) };
    if !row.os.iter().any(|known| known == os) {
        let mut with_os = rows.iter().filter(|other| other.os.iter().any(|known| known == os)).map(|other| other.version);
        let first = with_os.next();
        let last = with_os.next_back().or(first);
        let outside = first.is_none_or(|first| row.version < first) || last.is_none_or(|last| row.version > last);
        if outside || !trimmed {
            return Some(TagFault::Os);
        }
    }
    let written = read.cudnn?;
    if row.cudnn.is_empty() {
        return (!trimmed).then_some(TagFault::Cudnn);
    }
    if flavour == "base" {
        return Some(TagFault::Cudnn);
    }
    (!cudnn_words(row).iter().any(|word| word == written)).then_some(TagFault::CudnnSpelling)
}

/// How the images of a version spell cuDNN: `cudnn8` up to 12.2, `cudnn9` in 12.3, `cudnn` from 12.4 on.
fn cudnn_words(row: &CudaImage) -> Vec<String> {
    let plain_from = CudaVersion { major: 12, minor: 4, patch: Some(0) };
    let mut words: Vec<String> = Vec::new();
    if row.version >= plain_from {
        words.push("cudnn".to_owned());
    }
    if row.version < (CudaVersion { major: 12, minor: 4, patch: Some(1) }) {
        words.extend(row.cudnn.iter().filter_map(|version| version.split('.').next()).map(|major| format!("cudnn{major}")));
    }
    words.dedup();
    words
}

/// The nearest published tag: same minor, newest patch, same OS where it has it.
fn nearest(read: &CudaTag<'_>, rows: &[CudaImage]) -> Option<String> {
    let wanted_os = |row: &&CudaImage| read.os.is_none_or(|os| row.os.iter().any(|known| known == os));
    let same_minor = || rows.iter().filter(|row| row.version.minor_only() == read.version.minor_only());
    let below = || rows.iter().filter(|row| row.version.minor_only() < read.version.minor_only() && row.version.major == read.version.major);
    let row = same_minor()
        .rfind(|row| wanted_os(row) && !row.listed_eol)
        .or_else(|| same_minor().rfind(wanted_os))
        .or_else(|| same_minor().next_back())
        .or_else(|| below().rfind(wanted_os))
        .or_else(|| below().next_back())?;
    let os = match read.os {
        Some(os) if row.os.iter().any(|known| known == os) => os,
        // The newest Ubuntu that the version has.
        _ => row.os.iter().rfind(|os| os.starts_with("ubuntu")).or(row.os.last())?,
    };
    let flavour = read.flavour.unwrap_or("devel");
    let mut parts = vec![row.version.to_string()];
    if read.cudnn.is_some() && !row.cudnn.is_empty() && flavour != "base" {
        parts.extend(cudnn_words(row).into_iter().next_back());
    }
    parts.push(flavour.to_owned());
    parts.push(os.to_owned());
    Some(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::Tables;

    fn state(tag: &str) -> TagState {
        judge_tag(tag, Tables::builtin().images())
    }

    fn fault(tag: &str) -> (TagFault, String) {
        match state(tag) {
            TagState::NeverExisted { fault, nearest } => (fault, nearest.unwrap_or_default()),
            other => panic!("{tag}: {other:?}"),
        }
    }

    #[test]
    fn published_tags() {
        for tag in [
            "12.2.2-runtime-ubuntu22.04",
            "12.4.1-cudnn-devel-ubuntu22.04",
            "11.8.0-cudnn8-runtime-ubuntu22.04",
            "12.3.2-cudnn9-devel-rockylinux9",
            "12.5.1-base-ubuntu24.04",
            "13.0.2-base-ubuntu24.04",
            "12.4.0-base-ubuntu22.04",
        ] {
            assert_eq!(state(tag), TagState::Published, "{tag}");
        }
    }

    #[test]
    fn tags_that_never_existed_and_what_was_meant() {
        assert_eq!(fault("12.2-runtime-ubuntu22.04"), (TagFault::PatchMissing, "12.2.2-runtime-ubuntu22.04".into()));
        assert_eq!(fault("11.7.1-base"), (TagFault::OsMissing, "11.7.1-base-ubuntu22.04".into()));
        assert_eq!(fault("12.4.1-runtime-ubuntu24.04").0, TagFault::Os);
        assert_eq!(fault("12.7.0-base-ubuntu22.04"), (TagFault::Version, "12.6.3-base-ubuntu22.04".into()));
        assert_eq!(fault("12.4.1-cudnn9-runtime-ubuntu22.04"), (TagFault::CudnnSpelling, "12.4.1-cudnn-runtime-ubuntu22.04".into()));
        assert_eq!(fault("12.2.2-cudnn-runtime-ubuntu22.04"), (TagFault::CudnnSpelling, "12.2.2-cudnn8-runtime-ubuntu22.04".into()));
        assert_eq!(fault("12.4.1-runtim-ubuntu22.04").0, TagFault::Word);
        assert_eq!(fault("13.0.2-base-ubuntu20.04").0, TagFault::Os);
        assert_eq!(fault("12.4.1-devel-centos7").0, TagFault::Os);
    }

    #[test]
    fn every_suggestion_is_published() {
        let images = Tables::builtin().images();
        for tag in ["12.2-runtime-ubuntu22.04", "11.7.1-base", "12.7.0-base-ubuntu22.04", "12.4-cudnn9-devel-ubuntu24.04", "12.6-cudnn8-runtime-ubi9"] {
            let (_, nearest) = fault(tag);
            assert_eq!(judge_tag(&nearest, images), TagState::Published, "{tag} -> {nearest}");
        }
    }

    #[test]
    fn what_the_table_cannot_judge_stays_open() {
        for tag in ["99.1.0-runtime-ubuntu22.04", "13.9.0-base-ubuntu24.04", "latest", "11.2.3-base-ubuntu20.04"] {
            assert_eq!(state(tag), TagState::Unknown, "{tag}");
        }
        assert_eq!(state("11.2.2-runtime-ubuntu18.04"), TagState::Retired);
        assert_eq!(state("9.0-devel"), TagState::Retired);
    }
}
