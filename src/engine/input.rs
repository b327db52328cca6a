//! What each INPUT of the command line is: a Dockerfile, a folder of them, standard input, or an image.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::dockerfile::file_name::is_dockerfile_name;
use crate::image::{ImageSource, ReferenceError};

/// One thing to check.
#[derive(Debug, Clone)]
pub enum Input {
    /// A Dockerfile on disk, with the name to show.
    Dockerfile {
        /// Where it is.
        path: PathBuf,
        /// As the user would write it, with `/`.
        name: String,
    },
    /// A Dockerfile on standard input.
    Stdin,
    /// A file or folder below a given one that cannot be looked at.
    Unreadable {
        /// As the user would write it, with `/`.
        name: String,
        /// The system's words.
        error: String,
    },
    /// An image.
    Image {
        /// As the user wrote it.
        given: String,
        /// Where to find it.
        source: ImageSource,
    },
}

/// An INPUT that names nothing that can be checked.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Neither a path nor a reference.
    #[error(
        "`{given}` is neither a file or folder (there is none of that name) nor an image reference: {reference}"
    )]
    Neither {
        /// As the user wrote it.
        given: String,
        /// Why it is no reference.
        reference: ReferenceError,
    },
    /// A transport with a bad rest.
    #[error("`{given}`: {reference}")]
    Reference {
        /// As the user wrote it.
        given: String,
        /// What is wrong.
        reference: ReferenceError,
    },
    /// A file that cannot be a Dockerfile.
    #[error("`{given}` is no Dockerfile: {what}")]
    NotADockerfile {
        /// As the user wrote it.
        given: String,
        /// What it is instead, and what to write.
        what: String,
    },
    /// A file or folder that cannot be read.
    #[error("`{given}` cannot be read: {error}")]
    Unreadable {
        /// As the user wrote it.
        given: String,
        /// The system's words.
        error: String,
    },
}

/// Transports of image references; with one of them, a path of the same name is not looked for.
const TRANSPORTS: &[&str] = &["docker:", "docker-daemon:", "oci:", "oci-archive:", "docker-archive:", "dir:"];

/// Resolves the inputs in order. Folders are walked for Dockerfiles, honouring .gitignore and .ignore files; the files found
/// are sorted by path. `force_exclude` also leaves out named files that .gitignore excludes.
///
/// # Errors
/// The first input that names nothing.
pub fn resolve(inputs: &[String], force_exclude: bool) -> Result<Vec<Input>, InputError> {
    let mut found = Vec::new();
    for given in inputs {
        if given == "-" {
            found.push(Input::Stdin);
        } else if TRANSPORTS.iter().any(|transport| given.starts_with(transport)) {
            let source = ImageSource::parse(given)
                .map_err(|reference| InputError::Reference { given: given.clone(), reference })?;
            found.push(Input::Image { given: given.clone(), source });
        } else {
            resolve_bare(given, force_exclude, &mut found)?;
        }
    }
    Ok(found)
}

/// An input without transport: a path when one exists, else a reference.
fn resolve_bare(given: &str, force_exclude: bool, found: &mut Vec<Input>) -> Result<(), InputError> {
    let path = Path::new(given);
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => walk(path, given, found),
        Ok(_) => {
            if !force_exclude || !is_ignored(path) {
                found.push(Input::Dockerfile { path: path.to_owned(), name: shown(path) });
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match ImageSource::parse(given) {
            Ok(source) => {
                found.push(Input::Image { given: given.to_owned(), source });
                Ok(())
            }
            Err(reference) => Err(InputError::Neither { given: given.to_owned(), reference }),
        },
        Err(error) => Err(InputError::Unreadable { given: given.to_owned(), error: error.to_string() }),
    }
}

/// The Dockerfiles below a folder.
fn walk(folder: &Path, given: &str, found: &mut Vec<Input>) -> Result<(), InputError> {
    let mut paths = Vec::new();
    let mut unreadable = Vec::new();
    // Hidden folders such as .devcontainer hold Dockerfiles too; .git does not.
    let walker = WalkBuilder::new(folder)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walker {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == Some(0) => {
                return Err(InputError::Unreadable { given: given.to_owned(), error: error.to_string() });
            }
            Err(error) => {
                unreadable.push(not_looked_at(given, &error));
                continue;
            }
        };
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_str().is_some_and(is_dockerfile_name) {
            paths.push(entry.into_path());
        }
    }
    paths.sort();
    found.extend(paths.into_iter().map(|path| Input::Dockerfile { name: shown(&path), path }));
    unreadable.sort();
    found.extend(unreadable.into_iter().map(|(name, error)| Input::Unreadable { name, error }));
    Ok(())
}

/// What the walk could not look at, and why.
fn not_looked_at(given: &str, error: &ignore::Error) -> (String, String) {
    match error {
        ignore::Error::WithDepth { err, .. } => not_looked_at(given, err),
        ignore::Error::WithPath { path, err } => (shown(path), err.to_string()),
        other => (shown(Path::new(given)), other.to_string()),
    }
}

/// Whether .gitignore or .ignore files from the file's folder up exclude it.
fn is_ignored(path: &Path) -> bool {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let listed = WalkBuilder::new(folder)
        .hidden(false)
        .require_git(false)
        .max_depth(Some(1))
        .build()
        .flatten()
        .any(|entry| entry.path().file_name() == path.file_name());
    !listed
}

/// A path with `/` and without a leading `./`.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}

/// Says what a file is that was given as a Dockerfile and cannot be one; `None` when it may be.
pub(super) fn misread(name: &str, bytes: &[u8]) -> Option<String> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"\x7fELF") {
        return Some(format!("it is an ELF file; use `cudalint inspect {name}`"));
    }
    let tar = bytes.get(257..262) == Some(b"ustar");
    if tar || begins(&[0x1f, 0x8b]) || begins(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Some(format!("it is an archive; write docker-archive:{name} or oci-archive:{name}"));
    }
    let head = bytes.get(..8_192).unwrap_or(bytes);
    if memchr::memchr(0, head).is_some() {
        return Some("it is no text".to_owned());
    }
    None
}
