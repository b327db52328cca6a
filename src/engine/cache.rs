//! What registries said, kept between runs: manifests, indexes and configs in files named by their digest. A file that is
//! missing, damaged or of another version is a miss, and a folder that cannot be written keeps nothing; never an error.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::image::{Digest, DocumentStore};

/// Folder of this layout of files; another layout gets another one, and this one is left alone.
const VERSION: &str = "v1";

/// A cache in a folder.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheContent {
    /// Documents in it.
    pub documents: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Cache {
    /// A cache in `folder`, which is made when something is kept; without one, nothing is kept.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The user's own folder for it: `$XDG_CACHE_HOME/cudalint`, `~/.cache/cudalint`, or what Windows has instead;
    /// `None` where there is no home.
    #[must_use]
    pub fn default_folder() -> Option<PathBuf> {
        Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("cudalint"))
    }

    /// Counts what is kept.
    #[must_use]
    pub fn content(&self) -> CacheContent {
        let mut content = CacheContent::default();
        for file in self.files() {
            content.documents = content.documents.saturating_add(1);
            content.bytes =
                content.bytes.saturating_add(file.metadata().map_or(0, |metadata| metadata.len()));
        }
        content
    }

    /// Deletes what is kept, and nothing else that may lie in the folder; tells how much it was.
    ///
    /// # Errors
    /// A file that cannot be deleted.
    pub fn clear(&self) -> io::Result<CacheContent> {
        let content = self.content();
        let Some(root) = self.root() else { return Ok(content) };
        match fs::remove_dir_all(root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(content),
        }
    }

    fn root(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(VERSION))
    }

    /// `v1/sha256/ab/abcd…`: no folder grows too large.
    fn place(&self, digest: &Digest) -> Option<PathBuf> {
        let hex = digest.hex();
        Some(self.root()?.join(digest.algorithm().name()).join(hex.get(..2)?).join(hex))
    }

    /// Files three folders down.
    fn files(&self) -> Vec<PathBuf> {
        let mut level: Vec<PathBuf> = self.root().into_iter().collect();
        for _ in 0..3 {
            level = level.iter().flat_map(|folder| entries(folder)).collect();
        }
        level.retain(|path| path.is_file());
        level
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map_or_else(|_| Vec::new(), |list| list.flatten().map(|entry| entry.path()).collect())
}

impl DocumentStore for Cache {
    fn get(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.place(digest)?).ok()?;
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        (u64::try_from(bytes.len()).ok()? <= limit && digest.matches(&bytes)).then_some(bytes)
    }

    fn put(&self, digest: &Digest, bytes: &[u8]) {
        let Some(place) = self.place(digest) else { return };
        if let Err(error) = write(&place, bytes) {
            log::info!("{} cannot be kept: {error}", place.display());
        }
    }
}

/// Written beside its place and renamed, so that another process sees all of it or nothing.
fn write(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = place.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(place)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_counts_and_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().to_owned()));
        let digest = Digest::sha256(b"one");
        assert_eq!(cache.get(&digest, 10), None);
        assert_eq!(cache.content(), CacheContent::default());
        cache.put(&digest, b"one");
        cache.put(&digest, b"one");
        cache.put(&Digest::sha256(b"three"), b"three");
        assert_eq!(cache.get(&digest, 3).as_deref(), Some(&b"one"[..]));
        assert_eq!(cache.get(&digest, 2), None, "over the limit");
        assert_eq!(cache.content(), CacheContent { documents: 2, bytes: 8 });
        std::fs::write(folder.path().join("mine"), "x").unwrap();
        assert_eq!(cache.clear().unwrap(), CacheContent { documents: 2, bytes: 8 });
        assert_eq!(cache.clear().unwrap(), CacheContent::default());
        assert!(folder.path().join("mine").exists());
    }

    #[test]
    fn damage_is_a_miss_and_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().to_owned()));
        let digest = Digest::sha256(b"one");
        cache.put(&digest, b"one");
        std::fs::write(cache.place(&digest).unwrap(), b"on").unwrap();
        assert_eq!(cache.get(&digest, 10), None);
        cache.put(&digest, b"one");
        assert!(cache.get(&digest, 10).is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_made_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let cache = Cache::new(Some(file));
        let digest = Digest::sha256(b"one");
        cache.put(&digest, b"one");
        assert_eq!(cache.get(&digest, 10), None);
        let off = Cache::new(None);
        off.put(&digest, b"one");
        assert_eq!((off.get(&digest, 10), off.clear().unwrap()), (None, CacheContent::default()));
    }
}
