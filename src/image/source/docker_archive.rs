//! What `docker save` and `podman save` write: `manifest.json`, a config, and layers, in the old layout (a folder
//! or a `.tar` for each layer) or the new one (blobs of an OCI layout).

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::assemble::{Wanted, check_digest, config, image};
use super::tarfile::TarFile;
use super::{Image, Source};
use crate::image::config::null_default;
use crate::image::digest::Digest;
use crate::image::error::ImageError;
use crate::image::layer::{LayerContent, LayerDescriptor, LayerPath, LayerProblem, LayerProblemKind};
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::limits::Limits;

const ARCHIVE: &str = "docker archive";

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct SavedImage {
    #[serde(deserialize_with = "null_default")]
    config: String,
    #[serde(deserialize_with = "null_default")]
    repo_tags: Vec<String>,
    #[serde(deserialize_with = "null_default")]
    layers: Vec<String>,
}

/// An archive that was opened, with the layer files of the chosen image in order.
struct Opened {
    tar: TarFile,
    layers: Vec<LayerPath>,
}

/// A save archive in a file.
pub(super) struct DockerArchiveSource {
    path: PathBuf,
    reference: Option<String>,
    limits: Limits,
    opened: SavedArchive,
}

impl DockerArchiveSource {
    /// The archive at `path`.
    pub(super) fn new(path: PathBuf, reference: Option<String>, limits: Limits) -> Self {
        Self { path, reference, limits, opened: SavedArchive::default() }
    }
}

impl Source for DockerArchiveSource {
    fn resolve(&self, platform: &Platform) -> Result<Image, ImageError> {
        let tar = TarFile::open(&self.path, ARCHIVE, &self.limits)?;
        let name = match &self.reference {
            Some(reference) => format!("docker-archive:{}:{reference}", self.path.display()),
            None => format!("docker-archive:{}", self.path.display()),
        };
        self.opened.resolve(tar, &name, self.reference.as_deref(), platform, &self.limits)
    }

    fn open_layer(&self, layer: &LayerDescriptor) -> Result<LayerContent, LayerProblem> {
        self.opened.open_layer(layer)
    }
}

/// The part that the Docker engine's stream and a file share.
#[derive(Default)]
pub(super) struct SavedArchive(Mutex<Option<Opened>>);

impl SavedArchive {
    pub(super) fn resolve(
        &self,
        tar: TarFile,
        name: &str,
        reference: Option<&str>,
        platform: &Platform,
        limits: &Limits,
    ) -> Result<Image, ImageError> {
        let path = tar.path().to_owned();
        let not = |reason: String| ImageError::NotA { path: path.clone(), expected: ARCHIVE, reason };
        let bytes =
            read_entry(&tar, "manifest.json", "manifest", name, limits.manifest_bytes, "manifest_bytes")?
                .ok_or_else(|| not("there is no manifest.json in it".to_owned()))?;
        let saved: Vec<SavedImage> = serde_json::from_slice(&bytes)
            .map_err(|error| not(format!("its manifest.json is broken: {error}")))?;
        let saved = pick(saved, reference, &path)?;
        let bytes = read_entry(&tar, &saved.config, "config", name, limits.config_bytes, "config_bytes")?
            .ok_or_else(|| ImageError::MissingBlob { path: path.clone(), digest: saved.config.clone() })?;
        if let Some(digest) = digest_of_name(&saved.config) {
            check_digest(&bytes, &digest, "config", name)?;
        }
        let config = config(&bytes, name)?;
        let mut layers = Vec::with_capacity(saved.layers.len());
        let mut files = Vec::with_capacity(saved.layers.len());
        for file in &saved.layers {
            let file = LayerPath::from(file.as_str());
            layers.push(LayerDescriptor {
                index: 0,
                digest: blob_digest(&file),
                diff_id: None,
                size: tar.open_entry(&file).map(|(_, size)| size),
                media_type: String::new(),
                created_by: None,
                foreign: false,
            });
            files.push(file);
        }
        let image = image(name, None, layers, config, platform, limits)?;
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *opened = Some(Opened { tar, layers: files });
        Ok(image)
    }

    pub(super) fn open_layer(&self, layer: &LayerDescriptor) -> Result<LayerContent, LayerProblem> {
        let fail = |reason: String| LayerProblem::new(layer, LayerProblemKind::Unreadable(reason));
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = opened.as_ref() else {
            return Err(fail("the image was not resolved before".to_owned()));
        };
        let section = opened.layers.get(layer.index).and_then(|file| opened.tar.open_entry(file));
        match section {
            Some((section, _)) => Ok(LayerContent::Stream(Box::new(section))),
            None => {
                let digest = opened.layers.get(layer.index).map(ToString::to_string).unwrap_or_default();
                Err(fail(ImageError::MissingBlob { path: opened.tar.path().to_owned(), digest }.to_string()))
            }
        }
    }
}

fn read_entry(
    tar: &TarFile,
    entry: &str,
    what: &'static str,
    image: &str,
    limit: u64,
    limit_name: &'static str,
) -> Result<Option<Vec<u8>>, ImageError> {
    let Some((section, _)) = tar.open_entry(&LayerPath::from(entry)) else { return Ok(None) };
    let nothing = Digest::sha256(b"");
    let wanted = Wanted { what, digest: &nothing, limit, limit_name, image };
    wanted.read(section, |source| ImageError::Io { path: tar.path().to_owned(), source }).map(Some)
}

fn pick(saved: Vec<SavedImage>, reference: Option<&str>, path: &Path) -> Result<SavedImage, ImageError> {
    let mut names: Vec<String> = saved.iter().flat_map(|image| image.repo_tags.clone()).collect();
    names.sort();
    names.dedup();
    let which = || ImageError::WhichImage { path: path.to_owned(), available: names.clone() };
    match reference {
        Some(reference) => {
            let wanted = Reference::parse(reference)?;
            let fits = |tag: &String| Reference::parse(tag).is_ok_and(|tag| tag == with_tag(&wanted));
            saved.into_iter().find(|image| image.repo_tags.iter().any(fits)).ok_or_else(which)
        }
        None => {
            let mut saved = saved.into_iter();
            match (saved.next(), saved.next()) {
                (Some(only), None) => Ok(only),
                _ => Err(which()),
            }
        }
    }
}

/// `name` as `name:latest`, as Docker writes it into the archive.
fn with_tag(reference: &Reference) -> Reference {
    match Reference::parse(&reference.to_string()) {
        Ok(full) => full,
        Err(_) => reference.clone(),
    }
}

/// The digest in a name like `blobs/sha256/<hex>` or `<hex>.json`, which is a promise to be checked.
fn digest_of_name(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next()?;
    Digest::parse(&format!("sha256:{}", last.strip_suffix(".json").unwrap_or(last))).ok()
}

/// The digest of a layer in the new layout. In the old one a file has no digest of its own; its diffID is checked.
fn blob_digest(file: &LayerPath) -> Option<Digest> {
    let hex = file.as_bytes().strip_prefix(b"blobs/sha256/")?;
    Digest::parse(&format!("sha256:{}", std::str::from_utf8(hex).ok()?)).ok()
}
