//! An image in a registry.

use std::sync::Arc;

use super::assemble::{Documents, Start, Wanted, check_digest, find, verified};
use super::config_only::{DocumentStore, Remembered};
use super::{Image, Source};
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::error::ImageError;
use crate::image::layer::{LayerContent, LayerDescriptor, LayerProblem, LayerProblemKind};
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::image::registry::{Client, RegistryError, RegistryOptions};
use crate::limits::Limits;

/// One image of one repository.
pub(super) struct RegistrySource {
    reference: Reference,
    client: Arc<Client>,
    limits: Limits,
}

impl RegistrySource {
    /// The image `reference`; nothing is connected to yet.
    pub(super) fn new(
        reference: Reference,
        options: RegistryOptions,
        limits: Limits,
    ) -> Result<Self, ImageError> {
        let client = Client::new(reference.clone(), options, limits.clone())?;
        Ok(Self { reference, client, limits })
    }

    /// The config for `platform`, with what `store` remembers: the digest is asked by HEAD, unless the reference has it,
    /// and only what the store does not have is read.
    pub(super) fn config(
        &self,
        platform: &Platform,
        store: &dyn DocumentStore,
    ) -> Result<ImageConfig, ImageError> {
        let name = self.reference.to_string();
        let documents = Remembered { documents: self, store };
        let digest = match &self.reference.digest {
            Some(digest) => Some(digest.clone()),
            None => self.client.manifest_digest(&self.reference.manifest_name())?,
        };
        let start = match digest {
            Some(digest) => {
                let wanted = Wanted {
                    what: "manifest",
                    digest: &digest,
                    limit: self.limits.manifest_bytes,
                    limit_name: "manifest_bytes",
                    image: &name,
                };
                Start::Document(verified(&documents, &wanted)?, digest)
            }
            None => self.start(&name)?,
        };
        Ok(find(&documents, start, &name, platform, &self.limits)?.config)
    }

    /// Reads the manifest or index that the reference stands for.
    fn start(&self, name: &str) -> Result<Start, ImageError> {
        let limit = self.limits.manifest_bytes;
        let (bytes, stated) = self.client.manifest(&self.reference.manifest_name(), limit)?;
        if bytes.len() as u64 > limit {
            return Err(ImageError::TooLarge {
                what: "manifest",
                image: name.to_owned(),
                limit,
                name: "manifest_bytes",
            });
        }
        // By digest, the digest decides; by tag, the registry's own statement must at least be true.
        let promised = self.reference.digest.clone().or_else(|| Digest::parse(&stated?).ok());
        if let Some(promised) = &promised {
            check_digest(&bytes, promised, "manifest", name)?;
        }
        let digest = promised.unwrap_or_else(|| Digest::sha256(&bytes));
        Ok(Start::Document(bytes, digest))
    }
}

impl Documents for RegistrySource {
    fn document(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, ImageError> {
        let bytes = if wanted.what == "manifest" {
            self.client.manifest(&wanted.digest.to_string(), wanted.limit)?.0
        } else {
            self.client.small_blob(wanted.digest, wanted.limit)?
        };
        if bytes.len() as u64 > wanted.limit { Err(wanted.too_large()) } else { Ok(bytes) }
    }
}

impl Source for RegistrySource {
    fn resolve(&self, platform: &Platform) -> Result<Image, ImageError> {
        let name = self.reference.to_string();
        let start = self.start(&name)?;
        find(self, start, &name, platform, &self.limits)
    }

    fn open_layer(&self, layer: &LayerDescriptor) -> Result<LayerContent, LayerProblem> {
        let fail = |kind| LayerProblem::new(layer, kind);
        let Some(digest) = &layer.digest else {
            return Err(fail(LayerProblemKind::Unreadable("it has no digest to find it by".to_owned())));
        };
        match self.client.blob(digest, layer.size) {
            Ok(reader) => Ok(LayerContent::Stream(Box::new(reader))),
            // Its other addresses (`urls`) are an attacker's choice and never asked.
            Err(RegistryError::NotFound { .. }) if layer.foreign => Err(fail(LayerProblemKind::Foreign)),
            Err(error) => Err(fail(LayerProblemKind::Unreadable(error.to_string()))),
        }
    }
}
