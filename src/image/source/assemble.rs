//! From a first manifest or index to an image: nested indexes, the platform, the config, the layers.

use std::collections::VecDeque;

use super::Image;
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::error::ImageError;
use crate::image::layer::LayerDescriptor;
use crate::image::manifest::{Choice, Descriptor, Document, DocumentError, Manifest, choose};
use crate::image::platform::Platform;
use crate::limits::Limits;

/// Manifests and indexes looked at on the way to one image.
const MAX_DOCUMENTS: usize = 16;

/// A store of small documents by digest.
pub(super) trait Documents {
    /// Reads the whole document, at most `limit` bytes of it, unverified.
    fn document(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, ImageError>;
}

/// A document that is asked for.
pub(super) struct Wanted<'a> {
    /// `manifest` or `config`.
    pub(super) what: &'static str,
    /// Its digest.
    pub(super) digest: &'a Digest,
    /// Most bytes of it.
    pub(super) limit: u64,
    /// The field of [`Limits`] that says so.
    pub(super) limit_name: &'static str,
    /// The image, for messages.
    pub(super) image: &'a str,
}

impl Wanted<'_> {
    /// The error for a document that is too large.
    pub(super) fn too_large(&self) -> ImageError {
        ImageError::TooLarge {
            what: self.what,
            image: self.image.to_owned(),
            limit: self.limit,
            name: self.limit_name,
        }
    }

    /// Reads at most the limit from `reader`; `failed` words a failure of it.
    pub(super) fn read(
        &self,
        reader: impl std::io::Read,
        failed: impl FnOnce(std::io::Error) -> ImageError,
    ) -> Result<Vec<u8>, ImageError> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        match reader.take(self.limit.saturating_add(1)).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > self.limit => Err(self.too_large()),
            Ok(_) => Ok(bytes),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Where to begin.
pub(super) enum Start {
    /// One document with its digest.
    Document(Vec<u8>, Digest),
    /// The entries of a layout's own index.
    Entries(Vec<Descriptor>),
}

/// Finds the manifest for `platform` and puts the image together.
pub(super) fn find(
    documents: &dyn Documents,
    start: Start,
    name: &str,
    platform: &Platform,
    limits: &Limits,
) -> Result<Image, ImageError> {
    let mut todo: VecDeque<Descriptor> = VecDeque::new();
    let mut available: Vec<String> = Vec::new();
    match start {
        Start::Document(bytes, digest) => match parse(&bytes, name)? {
            // An image that is not in an index is taken as it is; its config says what it is for.
            Document::Manifest(manifest) => {
                let config = read_config(documents, &manifest, name, limits)?;
                return assemble(name, Some(digest), &manifest, config, platform, limits);
            }
            Document::Index(entries) => queue(&entries, platform, &mut todo, &mut available),
        },
        Start::Entries(entries) => {
            let only = entries.len() == 1;
            // One single entry is meant whatever it states, unless it is an index with its own choice.
            if only { todo.extend(entries) } else { queue(&entries, platform, &mut todo, &mut available) }
        }
    }
    for _ in 0..MAX_DOCUMENTS {
        let Some(entry) = todo.pop_front() else {
            available.sort();
            available.dedup();
            return Err(ImageError::NoPlatform {
                image: name.to_owned(),
                asked: platform.clone(),
                available,
            });
        };
        let wanted = Wanted {
            what: "manifest",
            digest: &entry.digest,
            limit: limits.manifest_bytes,
            limit_name: "manifest_bytes",
            image: name,
        };
        let bytes = verified(documents, &wanted)?;
        match parse(&bytes, name)? {
            Document::Index(entries) => queue(&entries, platform, &mut todo, &mut available),
            Document::Manifest(manifest) => {
                let config = read_config(documents, &manifest, name, limits)?;
                // The entry did not say what it is for: the config does, and a misfit is passed over if there is more.
                if entry.platform.is_none()
                    && !todo.is_empty()
                    && let Some(stated) = config.platform.as_ref().filter(|stated| !platform.accepts(stated))
                {
                    available.push(stated.to_string());
                    continue;
                }
                return assemble(name, Some(entry.digest), &manifest, config, platform, limits);
            }
        }
    }
    Err(ImageError::IndexTooDeep { image: name.to_owned(), limit: MAX_DOCUMENTS })
}

fn queue(
    entries: &[Descriptor],
    platform: &Platform,
    todo: &mut VecDeque<Descriptor>,
    available: &mut Vec<String>,
) {
    match choose(entries, platform) {
        Choice::Take(found) => todo.extend(found),
        Choice::Nothing(mut names) => available.append(&mut names),
    }
}

fn parse(bytes: &[u8], name: &str) -> Result<Document, ImageError> {
    let image = || name.to_owned();
    Document::parse(bytes).map_err(|error| match error {
        DocumentError::Digest(source) => {
            ImageError::MalformedDigest { what: "manifest", image: image(), source }
        }
        DocumentError::Schema1 => ImageError::Unsupported {
            image: image(),
            format: "Docker schema 1 manifest".to_owned(),
            advice: "pull and push it again with a Docker engine of this decade, which converts it",
        },
        DocumentError::Json(error) => {
            ImageError::Broken { what: "manifest", image: image(), reason: error.to_string() }
        }
        error @ DocumentError::Unknown(_) => {
            ImageError::Broken { what: "manifest", image: image(), reason: error.to_string() }
        }
    })
}

/// Reads a document and checks it against its digest before anything looks into it.
pub(super) fn verified(documents: &dyn Documents, wanted: &Wanted<'_>) -> Result<Vec<u8>, ImageError> {
    let bytes = documents.document(wanted)?;
    check_digest(&bytes, wanted.digest, wanted.what, wanted.image)?;
    Ok(bytes)
}

/// Checks bytes against their digest.
pub(super) fn check_digest(
    bytes: &[u8],
    digest: &Digest,
    what: &'static str,
    image: &str,
) -> Result<(), ImageError> {
    if digest.matches(bytes) {
        return Ok(());
    }
    Err(ImageError::WrongDigest {
        what,
        image: image.to_owned(),
        expected: digest.to_string(),
        actual: Digest::sha256(bytes).to_string(),
    })
}

fn read_config(
    documents: &dyn Documents,
    manifest: &Manifest,
    name: &str,
    limits: &Limits,
) -> Result<ImageConfig, ImageError> {
    let media_type = &manifest.config.media_type;
    // Charts, modules and models use image manifests too, with configs of their own.
    if !media_type.is_empty() && !media_type.contains("image") {
        return Err(ImageError::Unsupported {
            image: name.to_owned(),
            format: format!("artifact with config `{}`", media_type.chars().take(120).collect::<String>()),
            advice: "it is no container image; name one",
        });
    }
    let wanted = Wanted {
        what: "config",
        digest: &manifest.config.digest,
        limit: limits.config_bytes,
        limit_name: "config_bytes",
        image: name,
    };
    config(&verified(documents, &wanted)?, name)
}

/// Parses a config.
pub(super) fn config(bytes: &[u8], name: &str) -> Result<ImageConfig, ImageError> {
    ImageConfig::parse(bytes).map_err(|error| ImageError::Broken {
        what: "config",
        image: name.to_owned(),
        reason: error.to_string(),
    })
}

fn assemble(
    name: &str,
    digest: Option<Digest>,
    manifest: &Manifest,
    config: ImageConfig,
    platform: &Platform,
    limits: &Limits,
) -> Result<Image, ImageError> {
    let layers = manifest
        .layers
        .iter()
        .map(|layer| LayerDescriptor {
            index: 0,
            digest: Some(layer.digest.clone()),
            diff_id: None,
            size: layer.size,
            media_type: layer.media_type.clone(),
            created_by: None,
            foreign: layer.foreign,
        })
        .collect();
    image(name, digest, layers, config, platform, limits)
}

/// Numbers the layers and gives each its diffID and instruction, where config and manifest agree on their number.
pub(super) fn image(
    name: &str,
    digest: Option<Digest>,
    mut layers: Vec<LayerDescriptor>,
    config: ImageConfig,
    platform: &Platform,
    limits: &Limits,
) -> Result<Image, ImageError> {
    let count = layers.len();
    if count as u64 > limits.layers {
        return Err(ImageError::TooManyLayers { image: name.to_owned(), count, limit: limits.layers });
    }
    let diff_ids = if config.diff_ids.len() == count { config.diff_ids.clone() } else { vec![None; count] };
    let steps = config.created_by(count);
    for (index, ((layer, diff_id), step)) in layers.iter_mut().zip(diff_ids).zip(steps).enumerate() {
        layer.index = index;
        layer.diff_id = diff_id;
        layer.created_by = step;
    }
    let platform = config.platform.clone().unwrap_or_else(|| platform.clone());
    Ok(Image { name: name.to_owned(), digest, platform, config, layers })
}
