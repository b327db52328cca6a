//! What can be wrong with one layer. The entries before it stand; the outcome says "incomplete".

use std::fmt;

use super::LayerDescriptor;
use crate::image::digest::Digest;

/// A problem and the layer it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerProblem {
    /// Position of the layer, 0 for the oldest.
    pub layer: usize,
    /// The layer's digest, when it has one.
    pub digest: Option<Digest>,
    /// What is wrong.
    pub kind: LayerProblemKind,
}

impl LayerProblem {
    /// A problem of `layer`.
    #[must_use]
    pub fn new(layer: &LayerDescriptor, kind: LayerProblemKind) -> Self {
        Self { layer: layer.index, digest: layer.id().cloned(), kind }
    }
}

impl fmt::Display for LayerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {}", self.layer)?;
        if let Some(digest) = &self.digest {
            write!(f, " ({})", digest.short())?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for LayerProblem {}

/// What is wrong with a layer, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayerProblemKind {
    /// The blob could not be opened or its transfer broke off for good.
    #[error("it could not be read: {0}")]
    Unreadable(String),
    /// Fewer bytes came than the manifest promises.
    #[error("it is truncated: {got} of {expected} bytes came; pull or save the image again")]
    Truncated {
        /// Bytes promised.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// More bytes came than the manifest promises.
    #[error("it is longer than the {expected} bytes its manifest states; pull or save the image again")]
    TooLong {
        /// Bytes promised.
        expected: u64,
    },
    /// The blob is not the promised one.
    #[error(
        "its bytes have the wrong digest: expected {expected}, got {actual}; the blob was changed or damaged, pull or push it again"
    )]
    WrongDigest {
        /// Digest promised by the manifest.
        expected: Digest,
        /// Digest of the bytes.
        actual: Digest,
    },
    /// The inflated stream is not the promised one.
    #[error(
        "its files have the wrong diffID: the config promises {expected}, they have {actual}; build or push the image again"
    )]
    WrongDiffId {
        /// Digest promised by the config.
        expected: Digest,
        /// Digest of the inflated stream.
        actual: Digest,
    },
    /// The compressed stream does not inflate.
    #[error(
        "it does not decompress ({format}): {reason}; what was behind that place is unknown, pull or push it again"
    )]
    Compression {
        /// `gzip`, `zstd`, or the name of a format that is not read.
        format: &'static str,
        /// The decoder's reason.
        reason: String,
    },
    /// The tar stream is malformed.
    #[error(
        "its tar archive is broken after {entries} entries: {reason}; what was behind that place is unknown, build the image again"
    )]
    Archive {
        /// Good entries before it.
        entries: u64,
        /// What is wrong.
        reason: String,
    },
    /// The tar stream ends inside an entry.
    #[error(
        "its tar archive ends inside an entry, after {entries} whole ones; pull or build the image again"
    )]
    ArchiveCut {
        /// Good entries before it.
        entries: u64,
    },
    /// A limit was hit.
    #[error(
        "it exceeds the limit of {limit} {unit}; raise it with --limit {name}=NUMBER if the image is trusted"
    )]
    Limit {
        /// The field of [`Limits`](crate::limits::Limits).
        name: &'static str,
        /// Its value.
        limit: u64,
        /// What it counts.
        unit: &'static str,
    },
    /// One entry was left out; the rest was read.
    #[error("entry {entry} was left out: {reason}")]
    Entry {
        /// Its path as far as it can be printed.
        entry: String,
        /// Why.
        reason: String,
    },
    /// The blob lives elsewhere.
    #[error(
        "it is stored outside the registry (`urls`), where it is never fetched from; push the image with its foreign layers included"
    )]
    Foreign,
    /// The layer is not a file system layer.
    #[error("it is no file system layer but `{0}`")]
    NotALayer(String),
    /// The scan was stopped.
    #[error("the scan was stopped before its end")]
    Cancelled,
}
