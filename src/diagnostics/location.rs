//! Where a finding points.

use std::sync::Arc;

use crate::span::{LineColumn, LineIndex, Span};

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePlace {
    /// File as the user names it.
    pub file: Arc<str>,
    /// Bytes in that file.
    pub span: Span,
    /// Line and column of the first byte.
    pub start: LineColumn,
    /// Line and column just past the last byte.
    pub end: LineColumn,
}

impl FilePlace {
    /// The place of some bytes of a text whose lines are known.
    #[must_use]
    pub fn new(file: &Arc<str>, source: &[u8], lines: &LineIndex, span: Span) -> Self {
        Self {
            file: Arc::clone(file),
            span,
            start: lines.line_column(source, span.start),
            end: lines.line_column(source, span.end),
        }
    }
}

/// Where a finding points: a text, a layer of an image, or a key of its config.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A place in a Dockerfile or a file of its context.
    File(FilePlace),
    /// A layer, or a file in it.
    Layer {
        /// Layer number, from 0 (the lowest).
        index: usize,
        /// Digest of the layer.
        digest: Arc<str>,
        /// Absolute path of the file in the image.
        path: Option<Arc<str>>,
        /// The history instruction that made the layer.
        created_by: Option<Arc<str>>,
        /// The same instruction in the Dockerfile the user gave.
        place: Option<FilePlace>,
    },
    /// A key of the image's config.
    Config {
        /// The key, such as `Env.NVIDIA_REQUIRE_CUDA`.
        key: Arc<str>,
        /// The instruction that set it, in the Dockerfile the user gave.
        place: Option<FilePlace>,
    },
}

impl Location {
    /// The place in a text, where there is one.
    #[must_use]
    pub fn place(&self) -> Option<&FilePlace> {
        match self {
            Self::File(place) => Some(place),
            Self::Layer { place, .. } | Self::Config { place, .. } => place.as_ref(),
        }
    }
}
