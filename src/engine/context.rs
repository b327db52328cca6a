//! The build context on disk: files by path below its root, as .dockerignore leaves them.

use std::path::{Component, Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::facts::from_dockerfile::{BuildContext, ContextFile};
use crate::limits::Limits;

/// A folder as build context. Nothing outside of it is ever read, links included.
#[derive(Debug)]
pub struct FolderContext {
    root: PathBuf,
    /// The root with links resolved; reads must stay below it.
    real_root: Option<PathBuf>,
    excluded: Gitignore,
    limit: u64,
}

impl FolderContext {
    /// A context rooted at `root`. `dockerfile` names the Dockerfile, whose own `<name>.dockerignore` goes before
    /// the context's `.dockerignore`.
    #[must_use]
    pub fn new(root: &Path, dockerfile: &Path, limits: &Limits) -> Self {
        let own = dockerfile.file_name().map(|name| {
            let mut name = name.to_os_string();
            name.push(".dockerignore");
            dockerfile.with_file_name(name)
        });
        let file = own.filter(|path| path.is_file()).unwrap_or_else(|| root.join(".dockerignore"));
        Self {
            root: root.to_owned(),
            real_root: root.canonicalize().ok(),
            excluded: read_ignore(root, &file),
            limit: limits.text_bytes,
        }
    }

    /// The path below the root that `path` means; `None` when it leaves the root.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let mut below = PathBuf::new();
        for component in Path::new(path).components() {
            match component {
                Component::Normal(part) => below.push(part),
                Component::ParentDir => {
                    if !below.pop() {
                        return None;
                    }
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Some(below)
    }
}

/// Patterns of a .dockerignore. Unlike .gitignore every pattern is anchored at the root; `!` takes back.
fn read_ignore(root: &Path, file: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(root);
    if let Ok(text) = std::fs::read_to_string(file) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (not, pattern) = line.strip_prefix('!').map_or(("", line), |rest| ("!", rest.trim()));
            let pattern = pattern.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
            if builder.add_line(None, &format!("{not}/{pattern}")).is_err() {
                log::warn!("{}: pattern `{line}` is not understood and left out", file.display());
            }
        }
    }
    builder.build().unwrap_or_else(|error| {
        log::warn!("{}: {error}", file.display());
        Gitignore::empty()
    })
}

impl BuildContext for FolderContext {
    fn read(&self, path: &str) -> ContextFile {
        let Some(below) = self.inside(path) else { return ContextFile::Missing };
        let full = self.root.join(&below);
        let real = full.canonicalize().ok();
        let contained = match (&real, &self.real_root) {
            (Some(real), Some(root)) => real.starts_with(root),
            _ => false,
        };
        let Some(metadata) = real
            .as_deref()
            .and_then(|real| real.metadata().ok())
            .filter(|metadata| contained && metadata.is_file())
        else {
            return ContextFile::Missing;
        };
        if self.excluded.matched_path_or_any_parents(&below, false).is_ignore() {
            return ContextFile::Excluded;
        }
        if metadata.len() > self.limit {
            return ContextFile::TooLarge;
        }
        let Ok(bytes) = std::fs::read(&full) else { return ContextFile::Missing };
        if memchr::memchr(0, bytes.get(..8_192).unwrap_or(&bytes)).is_some() {
            return ContextFile::NotText;
        }
        let name = full.to_string_lossy().replace('\\', "/");
        ContextFile::Found { name: name.strip_prefix("./").unwrap_or(&name).to_owned(), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(files: &[(&str, &str)]) -> (tempfile::TempDir, FolderContext) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let context =
            FolderContext::new(folder.path(), &folder.path().join("Dockerfile"), &Limits::default());
        (folder, context)
    }

    fn is_found(file: &ContextFile) -> bool {
        matches!(file, ContextFile::Found { .. })
    }

    #[test]
    fn files_below_the_root_are_read_and_no_others() {
        let (_folder, context) = context(&[("a/requirements.txt", "torch"), ("b.txt", "x")]);
        assert!(is_found(&context.read("a/requirements.txt")));
        assert!(is_found(&context.read("./a/../b.txt")));
        assert!(is_found(&context.read("/b.txt")));
        assert_eq!(context.read("../b.txt"), ContextFile::Missing);
        assert_eq!(context.read("a"), ContextFile::Missing);
    }

    #[test]
    fn dockerignore_patterns_are_anchored_and_taken_back() {
        let (_folder, context) = context(&[
            (".dockerignore", "*\n!requirements.txt\nsub/deep.txt\n"),
            ("requirements.txt", "torch"),
            ("other.txt", "x"),
        ]);
        assert!(is_found(&context.read("requirements.txt")));
        assert_eq!(context.read("other.txt"), ContextFile::Excluded);
    }

    #[test]
    fn large_and_binary_files_are_left() {
        let (folder, context) = context(&[("a.txt", "x\0y")]);
        assert_eq!(context.read("a.txt"), ContextFile::NotText);
        let small = Limits { text_bytes: 1, ..Limits::default() };
        let context = FolderContext::new(folder.path(), &folder.path().join("Dockerfile"), &small);
        assert_eq!(context.read("a.txt"), ContextFile::TooLarge);
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.txt"), "x").unwrap();
        let (folder, context) = context(&[("a.txt", "x")]);
        std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.path().join("link.txt"))
            .unwrap();
        assert_eq!(context.read("link.txt"), ContextFile::Missing);
    }
}
