//! What can go wrong with a whole image. What costs only one layer is a [`LayerProblem`](super::LayerProblem).

use std::io;
use std::path::PathBuf;

use super::digest::DigestError;
use super::platform::Platform;
use super::reference::ReferenceError;
use super::registry::RegistryError;

/// Why an image cannot be read at all. Each message says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The text is no image reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The registry did not give the image.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}; check that it exists and is readable", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file or folder is not what its transport says.
    #[error("{} is no {expected}: {reason}", .path.display())]
    NotA {
        /// The file or folder.
        path: PathBuf,
        /// What the transport promises.
        expected: &'static str,
        /// What is missing or wrong.
        reason: String,
    },
    /// A manifest, index or config does not parse.
    #[error("{what} of {image} is broken: {reason}; push or save the image again")]
    Broken {
        /// `manifest`, `index` or `config`.
        what: &'static str,
        /// The image.
        image: String,
        /// What is wrong.
        reason: String,
    },
    /// A digest in a manifest is malformed.
    #[error("{what} of {image} names a malformed digest: {source}; push or save the image again")]
    MalformedDigest {
        /// `manifest`, `index` or `config`.
        what: &'static str,
        /// The image.
        image: String,
        /// The digest.
        source: DigestError,
    },
    /// The bytes of a manifest or config are not the ones its digest promises.
    #[error(
        "{what} of {image} has the wrong digest: expected {expected}, got {actual}; it was changed or damaged on the way, so nothing in it was trusted; pull or push it again"
    )]
    WrongDigest {
        /// `manifest`, `index` or `config`.
        what: &'static str,
        /// The image.
        image: String,
        /// The promised digest.
        expected: String,
        /// The digest of the bytes that came.
        actual: String,
    },
    /// A manifest or config is larger than its limit.
    #[error(
        "{what} of {image} is larger than {limit} bytes; raise it with --limit {name}=BYTES if the image is trusted"
    )]
    TooLarge {
        /// `manifest`, `index` or `config`.
        what: &'static str,
        /// The image.
        image: String,
        /// The limit in bytes.
        limit: u64,
        /// The field of [`Limits`](crate::limits::Limits).
        name: &'static str,
    },
    /// More layers than the limit.
    #[error(
        "{image} has {count} layers, more than {limit}; raise it with --limit layers=NUMBER if the image is trusted"
    )]
    TooManyLayers {
        /// The image.
        image: String,
        /// Layers in the manifest.
        count: usize,
        /// The limit.
        limit: u64,
    },
    /// Indexes in indexes without end.
    #[error(
        "the index of {image} points to more than {limit} manifests in a row; name the manifest by its digest"
    )]
    IndexTooDeep {
        /// The image.
        image: String,
        /// How many are followed.
        limit: usize,
    },
    /// The image is not there for the platform.
    #[error("{image} has no image for {asked}; there is {}; choose one with --platform", list(.available))]
    NoPlatform {
        /// The image.
        image: String,
        /// The platform asked for.
        asked: Platform,
        /// The platforms there are.
        available: Vec<String>,
    },
    /// The image follows a format that is not read.
    #[error("{image} is in a format that is not read: {format}; {advice}")]
    Unsupported {
        /// The image.
        image: String,
        /// The media type or name of the format.
        format: String,
        /// What to do.
        advice: &'static str,
    },
    /// An archive or layout holds several images and none was named, or not the one that was.
    #[error("{} holds {}; name one of them behind a colon", .path.display(), list(.available))]
    WhichImage {
        /// The archive or folder.
        path: PathBuf,
        /// The names in it.
        available: Vec<String>,
    },
    /// A blob that a manifest names is not in the archive or folder.
    #[error("{} does not hold {digest}, which its manifest names; save the image again", .path.display())]
    MissingBlob {
        /// The archive or folder.
        path: PathBuf,
        /// The digest or file name.
        digest: String,
    },
    /// The Docker engine did not answer, or not with an image.
    #[error("the Docker engine at {} did not give {image}: {reason}", .socket.display())]
    Daemon {
        /// Its socket.
        socket: PathBuf,
        /// The image.
        image: String,
        /// What happened and what to do.
        reason: String,
    },
}

impl ImageError {
    /// Whether the network or a registry failed for now, so that the same question may be answered another time.
    #[must_use]
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Registry(error) if error.is_network())
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    if names.is_empty() {
        return "none at all".to_owned();
    }
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
