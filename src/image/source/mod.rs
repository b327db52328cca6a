//! The places an image can come from, behind one trait.

use std::path::PathBuf;

use super::config::ImageConfig;
use super::digest::Digest;
use super::error::ImageError;
use super::layer::{LayerContent, LayerDescriptor, LayerProblem};
use super::platform::Platform;
use super::reference::ImageSource;
use super::registry::RegistryOptions;
use crate::limits::Limits;

mod assemble;
mod config_only;
mod daemon;
mod docker_archive;
mod oci;
mod registry;
mod rootfs;
mod tarfile;

pub use config_only::{DocumentStore, read_config};

/// An image that was found: its config and its layers, oldest first.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name in full, for people.
    pub name: String,
    /// Digest of the manifest of this platform; `None` where the source has no manifest.
    pub digest: Option<Digest>,
    /// The platform it is for: the config's, else the one asked for.
    pub platform: Platform,
    /// Its config.
    pub config: ImageConfig,
    /// Its layers, oldest first.
    pub layers: Vec<LayerDescriptor>,
}

/// A place that holds an image. Layers may be opened from several threads at once.
pub trait Source: Send + Sync {
    /// Finds the image for `platform` and reads its manifest and config, each verified against its digest.
    ///
    /// # Errors
    /// When the image is not there, may not be read, or its manifest or config is broken or too large.
    fn resolve(&self, platform: &Platform) -> Result<Image, ImageError>;

    /// Opens the blob of a layer that [`resolve`](Self::resolve) returned. Nothing is verified yet:
    /// [`walk_layer`](super::walk_layer) does that while the bytes pass.
    ///
    /// # Errors
    /// The reason why this layer cannot be read; other layers may still be.
    fn open_layer(&self, layer: &LayerDescriptor) -> Result<LayerContent, LayerProblem>;
}

/// Settings for opening sources.
#[derive(Debug, Clone, Default)]
pub struct SourceOptions {
    /// How registries are spoken to.
    pub registry: RegistryOptions,
    /// Bounds.
    pub limits: Limits,
    /// Socket of the Docker engine; `None` takes `DOCKER_HOST` when it is a `unix://` address, else `/var/run/docker.sock`.
    pub docker_socket: Option<PathBuf>,
}

/// Makes the source for `image`. Nothing is read or connected to yet.
///
/// # Errors
/// When the settings are unusable (an unreadable CA file).
pub fn open(image: &ImageSource, options: &SourceOptions) -> Result<Box<dyn Source>, ImageError> {
    let limits = options.limits.clone();
    Ok(match image {
        ImageSource::Registry(reference) => {
            Box::new(registry::RegistrySource::new(reference.clone(), options.registry.clone(), limits)?)
        }
        ImageSource::DockerDaemon(name) => {
            Box::new(daemon::DaemonSource::new(name.clone(), options.docker_socket.clone(), limits))
        }
        ImageSource::OciLayout { directory, tag } => {
            Box::new(oci::OciSource::folder(directory.clone(), tag.clone(), limits))
        }
        ImageSource::OciArchive { file, tag } => {
            Box::new(oci::OciSource::archive(file.clone(), tag.clone(), limits))
        }
        ImageSource::DockerArchive { file, reference } => {
            Box::new(docker_archive::DockerArchiveSource::new(file.clone(), reference.clone(), limits))
        }
        ImageSource::RootFs(root) => Box::new(rootfs::RootFsSource::new(root.clone())),
    })
}
