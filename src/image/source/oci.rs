//! OCI image layouts: as a folder, or as a tar file whose `index.json` may come last.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::assemble::{Documents, Start, Wanted, find};
use super::tarfile::TarFile;
use super::{Image, Source};
use crate::image::digest::Digest;
use crate::image::error::ImageError;
use crate::image::layer::{LayerContent, LayerDescriptor, LayerPath, LayerProblem, LayerProblemKind};
use crate::image::manifest::{Descriptor, Document, DocumentError};
use crate::image::platform::Platform;
use crate::limits::Limits;

const LAYOUT: &str = "OCI image layout";

enum Store {
    Folder,
    Archive(OnceLock<TarFile>),
}

/// A file of a layout and its size.
type Opened = (Box<dyn Read + Send>, u64);

/// An OCI image layout.
pub(super) struct OciSource {
    path: PathBuf,
    tag: Option<String>,
    limits: Limits,
    store: Store,
}

impl OciSource {
    /// A layout that is a folder.
    pub(super) fn folder(path: PathBuf, tag: Option<String>, limits: Limits) -> Self {
        Self { path, tag, limits, store: Store::Folder }
    }

    /// A layout that is a tar file.
    pub(super) fn archive(path: PathBuf, tag: Option<String>, limits: Limits) -> Self {
        Self { path, tag, limits, store: Store::Archive(OnceLock::new()) }
    }

    fn name(&self) -> String {
        let transport = if matches!(self.store, Store::Folder) { "oci" } else { "oci-archive" };
        match &self.tag {
            Some(tag) => format!("{transport}:{}:{tag}", self.path.display()),
            None => format!("{transport}:{}", self.path.display()),
        }
    }

    /// Opens a file of the layout; `None` when it is not there.
    fn open(&self, name: &str) -> Result<Option<Opened>, ImageError> {
        match &self.store {
            Store::Folder => open_file(&self.path.join(name)),
            Store::Archive(index) => {
                let archive = match index.get() {
                    Some(archive) => archive,
                    None => {
                        let opened = TarFile::open(&self.path, "OCI archive", &self.limits)?;
                        index.get_or_init(|| opened)
                    }
                };
                Ok(archive
                    .open_entry(&LayerPath::from(name))
                    .map(|(section, size)| (Box::new(section) as Box<dyn Read + Send>, size)))
            }
        }
    }

    fn not_a(&self, reason: String) -> ImageError {
        ImageError::NotA { path: self.path.clone(), expected: LAYOUT, reason }
    }

    fn entries(&self) -> Result<Vec<Descriptor>, ImageError> {
        let name = self.name();
        let (reader, size) =
            self.open("index.json")?.ok_or_else(|| self.not_a("there is no index.json in it".to_owned()))?;
        let limit = self.limits.manifest_bytes;
        let too_large =
            || ImageError::TooLarge { what: "index", image: name.clone(), limit, name: "manifest_bytes" };
        if size > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        reader
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|source| ImageError::Io { path: self.path.clone(), source })?;
        match Document::parse(&bytes) {
            Ok(Document::Index(entries)) => Ok(entries),
            Ok(Document::Manifest(_)) => Err(self.not_a("its index.json is no index".to_owned())),
            Err(DocumentError::Digest(source)) => {
                Err(ImageError::MalformedDigest { what: "index", image: name, source })
            }
            Err(error) => Err(self.not_a(format!("its index.json is broken: {error}"))),
        }
    }

    /// The entries that the tag names, or all of them when there is one name at most.
    fn named(&self, entries: Vec<Descriptor>) -> Result<Vec<Descriptor>, ImageError> {
        let mut names: Vec<String> = entries.iter().filter_map(|entry| entry.name.clone()).collect();
        names.sort();
        names.dedup();
        let which = |available| ImageError::WhichImage { path: self.path.clone(), available };
        match &self.tag {
            Some(tag) => {
                let suffix = format!(":{tag}");
                let exact = entries.iter().any(|entry| entry.name.as_ref() == Some(tag));
                let fits = |name: &String| if exact { name == tag } else { name.ends_with(&suffix) };
                let found: Vec<Descriptor> =
                    entries.into_iter().filter(|entry| entry.name.as_ref().is_some_and(fits)).collect();
                if found.is_empty() { Err(which(names)) } else { Ok(found) }
            }
            None if names.len() > 1 => Err(which(names)),
            None if entries.is_empty() => Err(self.not_a("its index.json names no image".to_owned())),
            None => Ok(entries),
        }
    }
}

fn open_file(path: &Path) -> Result<Option<Opened>, ImageError> {
    let io = |source| ImageError::Io { path: path.to_owned(), source };
    match std::fs::metadata(path) {
        // Only regular files: a FIFO would block for ever.
        Ok(metadata) if metadata.is_file() => {
            let file = File::open(path).map_err(io)?;
            Ok(Some((Box::new(file), metadata.len())))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(error)),
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

impl Documents for OciSource {
    fn document(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, ImageError> {
        let Some((reader, _)) = self.open(&blob_name(wanted.digest))? else {
            return Err(ImageError::MissingBlob {
                path: self.path.clone(),
                digest: wanted.digest.to_string(),
            });
        };
        wanted.read(reader, |source| ImageError::Io { path: self.path.clone(), source })
    }
}

impl Source for OciSource {
    fn resolve(&self, platform: &Platform) -> Result<Image, ImageError> {
        if matches!(self.store, Store::Folder)
            && let Err(source) = std::fs::metadata(&self.path)
        {
            return Err(ImageError::Io { path: self.path.clone(), source });
        }
        let entries = self.named(self.entries()?)?;
        find(self, Start::Entries(entries), &self.name(), platform, &self.limits)
    }

    fn open_layer(&self, layer: &LayerDescriptor) -> Result<LayerContent, LayerProblem> {
        let fail = |kind| LayerProblem::new(layer, kind);
        let Some(digest) = &layer.digest else {
            return Err(fail(LayerProblemKind::Unreadable("it has no digest to find it by".to_owned())));
        };
        match self.open(&blob_name(digest)) {
            Ok(Some((reader, _))) => Ok(LayerContent::Stream(reader)),
            Ok(None) if layer.foreign => Err(fail(LayerProblemKind::Foreign)),
            Ok(None) => Err(fail(LayerProblemKind::Unreadable(
                ImageError::MissingBlob { path: self.path.clone(), digest: digest.to_string() }.to_string(),
            ))),
            Err(error) => Err(fail(LayerProblemKind::Unreadable(error.to_string()))),
        }
    }
}
