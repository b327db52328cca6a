//! An unpacked root file system, taken as an image of one layer without a config.

use std::path::PathBuf;

use super::{Image, Source};
use crate::image::config::ImageConfig;
use crate::image::error::ImageError;
use crate::image::layer::{LayerContent, LayerDescriptor, LayerProblem};
use crate::image::platform::Platform;

/// A folder that holds a root file system.
pub(super) struct RootFsSource {
    root: PathBuf,
}

impl RootFsSource {
    /// The folder `root`.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Source for RootFsSource {
    fn resolve(&self, platform: &Platform) -> Result<Image, ImageError> {
        let metadata = std::fs::metadata(&self.root)
            .map_err(|source| ImageError::Io { path: self.root.clone(), source })?;
        if !metadata.is_dir() {
            return Err(ImageError::NotA {
                path: self.root.clone(),
                expected: "root file system",
                reason: "it is no folder".to_owned(),
            });
        }
        let layer = LayerDescriptor {
            index: 0,
            digest: None,
            diff_id: None,
            size: None,
            media_type: String::new(),
            created_by: None,
            foreign: false,
        };
        Ok(Image {
            name: format!("dir:{}", self.root.display()),
            digest: None,
            platform: platform.clone(),
            config: ImageConfig::default(),
            layers: vec![layer],
        })
    }

    fn open_layer(&self, _layer: &LayerDescriptor) -> Result<LayerContent, LayerProblem> {
        Ok(LayerContent::Directory(self.root.clone()))
    }
}
