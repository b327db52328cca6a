//! All layers of an image at once: named threads, a bound on how many, results in layer order.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::layer::{Entry, LayerDescriptor, LayerOutcome, LayerProblem, LayerProblemKind, walk_layer};
use super::source::{Image, Source};
use crate::limits::Limits;

/// Told about the bytes of blobs as they pass, from several threads. It must be quick.
pub trait Progress: Sync {
    /// `bytes` more bytes of the blob of `layer` were read.
    fn advance(&self, layer: &LayerDescriptor, bytes: u64);
    /// The walk over `layer` ended.
    fn finished(&self, layer: &LayerDescriptor);
}

/// A [`Progress`] that tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn advance(&self, _layer: &LayerDescriptor, _bytes: u64) {}
    fn finished(&self, _layer: &LayerDescriptor) {}
}

/// Settings of a scan.
#[derive(Clone, Copy)]
pub struct ScanOptions<'a> {
    /// Bounds on each layer.
    pub limits: &'a Limits,
    /// Layers that are read at the same time.
    pub jobs: NonZeroUsize,
    /// Set to stop early: layers end as incomplete at their next read.
    pub cancel: &'a AtomicBool,
    /// Told about the bytes.
    pub progress: &'a dyn Progress,
}

/// A layer that is ready to be walked, given to the worker of [`for_each_layer`].
pub struct OpenLayer<'a> {
    descriptor: &'a LayerDescriptor,
    source: &'a dyn Source,
    options: ScanOptions<'a>,
}

impl OpenLayer<'_> {
    /// Which layer it is.
    #[must_use]
    pub fn descriptor(&self) -> &LayerDescriptor {
        self.descriptor
    }

    /// Opens the blob and hands every entry to `visit` in archive order. A layer that cannot be opened is an
    /// outcome, not a failure of the scan.
    pub fn walk(self, visit: &mut dyn FnMut(Entry<'_>)) -> LayerOutcome {
        let Self { descriptor, source, options } = self;
        let stopped = || LayerOutcome::unread(LayerProblem::new(descriptor, LayerProblemKind::Cancelled));
        let outcome = if options.cancel.load(Ordering::Relaxed) {
            stopped()
        } else {
            match source.open_layer(descriptor) {
                Ok(content) => walk_layer(
                    content,
                    descriptor,
                    options.limits,
                    options.cancel,
                    &mut |bytes| options.progress.advance(descriptor, bytes),
                    visit,
                ),
                Err(problem) => LayerOutcome::unread(problem),
            }
        };
        options.progress.finished(descriptor);
        outcome
    }
}

/// Runs `worker` over every layer of `image`, at most `options.jobs` at a time, and returns its results in layer
/// order, whatever order they finished in. The threads are the scan's own, never a shared pool's: they block on
/// sockets.
pub fn for_each_layer<T, F>(
    image: &Image,
    source: &dyn Source,
    options: &ScanOptions<'_>,
    worker: F,
) -> Vec<T>
where
    T: Send,
    F: Fn(OpenLayer<'_>) -> T + Sync,
{
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(image.layers.len()));
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(descriptor) = image.layers.get(at) else { return };
            let result = worker(OpenLayer { descriptor, source, options: *options });
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, result));
        }
    };
    let threads = options.jobs.get().min(image.layers.len());
    std::thread::scope(|scope| {
        let mut started = 0;
        for number in 1..threads {
            let builder = std::thread::Builder::new().name(format!("layer-{number}"));
            if builder.spawn_scoped(scope, run).is_ok() {
                started += 1;
            }
        }
        log::debug!("reading {} layers on {} threads", image.layers.len(), started + 1);
        // This thread works too, so that the scan goes on where no further thread can be had.
        run();
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
