//! The build context as extractors see it: files by path, read by somebody else.

/// A file of the build context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextFile {
    /// It is there.
    Found {
        /// Name as the user would write it, for messages.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// There is no such file.
    Missing,
    /// `.dockerignore` keeps it out of the context.
    Excluded,
    /// It is larger than [`crate::limits::Limits::text_bytes`].
    TooLarge,
    /// It is no text.
    NotText,
}

/// Files of the build context.
pub trait BuildContext {
    /// The file at `path`, which is relative to the context's root and has `/` as separator.
    fn read(&self, path: &str) -> ContextFile;
}

/// No build context, as for a Dockerfile from standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoContext;

impl BuildContext for NoContext {
    fn read(&self, _path: &str) -> ContextFile {
        ContextFile::Missing
    }
}
