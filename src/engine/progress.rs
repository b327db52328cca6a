//! Progress bars on standard error while layers are read.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::image::{Image, LayerDescriptor, Progress};

/// One bar a layer; gone when the scan ends.
pub(super) struct Bars {
    all: MultiProgress,
    layers: Vec<ProgressBar>,
}

impl Bars {
    /// Bars for the layers of an image.
    pub(super) fn new(image: &Image) -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes:>10}/{total_bytes}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let layers = image
            .layers
            .iter()
            .map(|layer| {
                let bar = all
                    .add(ProgressBar::new(layer.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)));
                bar.set_style(style.clone());
                bar.set_prefix(format!("layer {:>3}", layer.index));
                bar
            })
            .collect();
        Self { all, layers }
    }
}

impl Progress for Bars {
    fn advance(&self, layer: &LayerDescriptor, bytes: u64) {
        if let Some(bar) = self.layers.get(layer.index) {
            bar.inc(bytes);
        }
    }

    fn finished(&self, layer: &LayerDescriptor) {
        if let Some(bar) = self.layers.get(layer.index) {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // A terminal that went away is no reason to fail.
        let _ = self.all.clear();
    }
}
