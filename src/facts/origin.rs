//! Where a fact was seen.

use std::sync::Arc;

use crate::span::{LineIndex, Span};

/// Number of a text in [`super::Facts::sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// A text that origins point into.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Name as the user would write it: the path given, or the path of a context file relative to the Dockerfile.
    pub name: Arc<str>,
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Line starts.
    pub lines: LineIndex,
}

impl SourceFile {
    /// Indexes a text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let lines = LineIndex::new(&bytes);
        Self { name: name.into(), bytes, lines }
    }
}

/// The place that shows a fact. Every fact has one; without a place there is no finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Bytes of the Dockerfile or of a file of its context.
    File {
        /// Which text.
        file: FileId,
        /// Which bytes.
        span: Span,
    },
    /// A file in a layer of an image.
    Layer {
        /// Layer number, from 0 (the lowest).
        layer: usize,
        /// Path in the image, absolute.
        path: Arc<str>,
    },
    /// A whole layer of an image.
    WholeLayer {
        /// Layer number, from 0 (the lowest).
        layer: usize,
    },
    /// A key of the image's config, such as `Env.NVIDIA_REQUIRE_CUDA`.
    Config {
        /// The key.
        key: Arc<str>,
    },
}

impl Origin {
    /// Bytes of a text.
    #[must_use]
    pub fn file(file: FileId, span: Span) -> Self {
        Self::File { file, span }
    }

    /// A variable of the image's environment.
    #[must_use]
    pub fn config_env(name: &str) -> Self {
        Self::Config { key: format!("Env.{name}").into() }
    }

    /// File and span, when the place is in a text.
    #[must_use]
    pub fn as_file(&self) -> Option<(FileId, Span)> {
        match self {
            Self::File { file, span } => Some((*file, *span)),
            _ => None,
        }
    }
}
