//! Only the config of an image in a registry, with a store that remembers the small documents on the way to it.

use super::SourceOptions;
use super::assemble::{Documents, Wanted};
use super::registry::RegistrySource;
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::error::ImageError;
use crate::image::platform::Platform;
use crate::image::reference::Reference;

/// Manifests, indexes and configs by digest, kept from one run to the next. What it gives is checked against the digest
/// before it is used, so it need not be trusted.
pub trait DocumentStore: Send + Sync {
    /// The document, if it is there and has at most `limit` bytes.
    fn get(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>>;

    /// Keeps a document; a store that cannot keeps nothing.
    fn put(&self, digest: &Digest, bytes: &[u8]);
}

/// Reads the config of `reference` for `platform` without its layers. A reference by tag costs a HEAD request when the
/// store has the rest, one by digest nothing.
///
/// # Errors
/// When the image is not there, may not be read, or its manifest or config is broken or too large.
pub fn read_config(
    reference: &Reference,
    platform: &Platform,
    options: &SourceOptions,
    store: &dyn DocumentStore,
) -> Result<ImageConfig, ImageError> {
    RegistrySource::new(reference.clone(), options.registry.clone(), options.limits.clone())?
        .config(platform, store)
}

/// Documents from a store where it has them, else from where they come from.
pub(super) struct Remembered<'a> {
    /// Where they come from.
    pub(super) documents: &'a dyn Documents,
    /// What is remembered.
    pub(super) store: &'a dyn DocumentStore,
}

impl Documents for Remembered<'_> {
    fn document(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, ImageError> {
        let kept = self.store.get(wanted.digest, wanted.limit);
        if let Some(bytes) = kept.filter(|bytes| wanted.digest.matches(bytes)) {
            return Ok(bytes);
        }
        let bytes = self.documents.document(wanted)?;
        if wanted.digest.matches(&bytes) {
            self.store.put(wanted.digest, &bytes);
        }
        Ok(bytes)
    }
}
