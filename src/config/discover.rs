//! Where the configuration is found.

use std::path::{Path, PathBuf};

/// Names of the configuration file, the preferred first.
pub const FILE_NAMES: [&str; 2] = ["cudalint.toml", ".cudalint.toml"];

/// The configuration that holds for `start`: in that folder or the nearest above it, up to the root of the repository
/// (the folder that has `.git`), which is searched too.
#[must_use]
pub fn discover(start: &Path) -> Option<PathBuf> {
    for folder in start.ancestors() {
        let found = FILE_NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        if found.is_some() {
            return found;
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_up_to_the_repository_root_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (outer, repo) = (dir.path(), dir.path().join("repo"));
        let deep = repo.join("images/gpu");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(repo.join(".git")).unwrap();
        std::fs::write(outer.join("cudalint.toml"), "").unwrap();
        assert_eq!(discover(&deep), None);
        std::fs::write(repo.join(".cudalint.toml"), "").unwrap();
        assert_eq!(discover(&deep), Some(repo.join(".cudalint.toml")));
        std::fs::write(repo.join("cudalint.toml"), "").unwrap();
        assert_eq!(discover(&deep), Some(repo.join("cudalint.toml")));
        std::fs::create_dir(repo.join("images/cudalint.toml")).unwrap();
        assert_eq!(discover(&deep), Some(repo.join("cudalint.toml")));
        std::fs::write(deep.join(".cudalint.toml"), "").unwrap();
        assert_eq!(discover(&deep), Some(deep.join(".cudalint.toml")));
        assert_eq!(discover(outer), Some(outer.join("cudalint.toml")));
    }
}
