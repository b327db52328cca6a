//! Image reference to manifest, config and ordered layers, and each layer to a stream of entries with bounded readers. Knows no ELF, CUDA or rules.
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//! use std::sync::atomic::AtomicBool;
//! use cudalint::image::{self, ImageSource, NoProgress, Platform, ScanOptions, SourceOptions};
//!
//! # fn main() -> Result<(), image::ImageError> {
//! let options = SourceOptions::default();
//! let source = image::open(&ImageSource::parse("ubuntu:24.04")?, &options)?;
//! let image = source.resolve(&Platform::default())?;
//! let scan = ScanOptions {
//!     limits: &options.limits,
//!     jobs: NonZeroUsize::MIN,
//!     cancel: &AtomicBool::new(false),
//!     progress: &NoProgress,
//! };
//! let outcomes = image::for_each_layer(&image, &*source, &scan, |layer| {
//!     let mut files = 0;
//!     let outcome = layer.walk(&mut |_entry| files += 1);
//!     (files, outcome)
//! });
//! # drop(outcomes);
//! # Ok(())
//! # }
//! ```

mod config;
mod digest;
mod error;
mod layer;
mod manifest;
pub mod merge;
mod platform;
mod reference;
mod registry;
mod scan;
mod source;

pub use config::{HistoryEntry, ImageConfig};
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use error::ImageError;
pub use layer::{
    Entry, EntryKind, LayerContent, LayerDescriptor, LayerOutcome, LayerPath, LayerProblem, LayerProblemKind,
    walk_layer,
};
pub use platform::{Platform, PlatformError};
pub use reference::{
    DOCKER_HUB, DaemonImage, ImageSource, Reference, ReferenceError, ReferenceProblem, RegistryHost,
    Repository, Tag,
};
pub use registry::{
    Challenge, ChallengeError, CredentialSource, RegistryError, RegistryOptions, Secret, parse_challenges,
};
pub use scan::{NoProgress, OpenLayer, Progress, ScanOptions, for_each_layer};
pub use source::{DocumentStore, Image, Source, SourceOptions, open, read_config};
