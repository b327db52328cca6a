//! One layer: its descriptor, the entries that stream out of it, and what was wrong with it.

use std::io::Read;
use std::path::PathBuf;

use super::digest::Digest;

mod decompress;
mod limited;
mod path;
mod problem;
mod rootfs;
mod sparse;
mod tar;
mod verify;
mod walk;
mod window;

pub use path::LayerPath;
pub use problem::{LayerProblem, LayerProblemKind};
pub use walk::walk_layer;

/// A layer of an image, as its manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerDescriptor {
    /// Position in the image, 0 for the oldest.
    pub index: usize,
    /// Digest of the blob; `None` where the source has none (a root file system, an old save archive without ids).
    pub digest: Option<Digest>,
    /// Digest of the inflated tar stream; `None` when the config does not state it.
    pub diff_id: Option<Digest>,
    /// Size of the blob in bytes; `None` when not stated.
    pub size: Option<u64>,
    /// Media type as stated; empty when not. What the bytes are is decided by their magic.
    pub media_type: String,
    /// The instruction that made the layer, in the builder's spelling; `None` when the history does not tell.
    pub created_by: Option<String>,
    /// Whether the blob lives at other addresses (`urls`), which are never followed.
    pub foreign: bool,
}

impl LayerDescriptor {
    /// The digest to name the layer by: of the blob, else of the tar stream.
    #[must_use]
    pub fn id(&self) -> Option<&Digest> {
        self.digest.as_ref().or(self.diff_id.as_ref())
    }
}

/// Where the entries of a layer come from.
pub enum LayerContent {
    /// A tar stream, compressed or not, as stored (its digest is the descriptor's).
    Stream(Box<dyn Read + Send>),
    /// An unpacked root file system.
    Directory(PathBuf),
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file; its bytes are in [`Entry::reader`].
    File,
    /// Another name of a file of the same layer.
    Hardlink(LayerPath),
    /// A symbolic link with its target as written.
    Symlink(Vec<u8>),
    /// A folder.
    Directory,
    /// A device, FIFO or socket.
    Device,
    /// The path is deleted from the layers below (`.wh.NAME`); [`Entry::path`] is the deleted path.
    Whiteout,
    /// Everything that layers below put into this folder is deleted (`.wh..wh..opq`); [`Entry::path`] is the folder.
    OpaqueWhiteout,
}

/// One entry of a layer, in the order of its archive.
pub struct Entry<'a> {
    /// Where it is in the image.
    pub path: LayerPath,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of the file, holes included; 0 for what is no file.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// The bytes of a file, exactly `size` of them unless the layer is cut off, then an error; empty for anything else.
    /// What is left unread is skipped.
    pub reader: &'a mut dyn Read,
}

/// How the walk over a layer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerOutcome {
    /// What was wrong, in the order met.
    pub problems: Vec<LayerProblem>,
    /// Whether every entry was seen and all digests were right.
    pub complete: bool,
    /// Entries handed out.
    pub entries: u64,
    /// Bytes of the blob read.
    pub compressed_bytes: u64,
    /// Bytes of the tar stream.
    pub inflated_bytes: u64,
}

impl LayerOutcome {
    /// The outcome of a layer that could not be read at all.
    #[must_use]
    pub fn unread(problem: LayerProblem) -> Self {
        Self { problems: vec![problem], complete: false, entries: 0, compressed_bytes: 0, inflated_bytes: 0 }
    }
}
