//! Scanning an image: source, layers on threads, per-layer collections merged, facts, rules, and the Dockerfile's lines
//! for what a layer or the config shows.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::check::{Options, finish, judge};
use super::progress::Bars;
use super::source_lines::point_at_lines;
use crate::diagnostics::{InputKind, InputOutcome, Problem};
use crate::dockerfile::Platform;
use crate::facts::from_image::{CollectedLayer, ImageInput, LayerCollector, from_image};
use crate::facts::{Facts, LayerFacts};
use crate::image::{
    self, Image, ImageError, ImageSource, LayerOutcome, NoProgress, Progress, ScanOptions, Source,
    SourceOptions, for_each_layer,
};

/// How images are read.
#[derive(Debug, Clone, Default)]
pub struct ImageOptions {
    /// Platform to pull for.
    pub platform: Platform,
    /// Use no network.
    pub offline: bool,
    /// Read the config of base images from their registry.
    pub resolve_base: bool,
    /// Folder for what registries said, kept between runs; nothing is kept without it.
    pub cache: Option<PathBuf>,
    /// Registries (host, with port) that may be spoken to over plain HTTP; this machine always may.
    pub insecure: Vec<String>,
    /// Layers read at the same time; the number of processors, up to 8, without it.
    pub jobs: Option<usize>,
    /// Certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A Dockerfile whose lines made the image.
    pub dockerfile: Option<PathBuf>,
    /// Draw progress on standard error.
    pub progress: bool,
}

/// Facts of an image, and what could not be read of it.
pub(super) struct Scanned {
    /// The facts.
    pub(super) facts: Facts,
    /// What could not be read.
    pub(super) problems: Vec<Problem>,
    /// Whether everything was.
    pub(super) complete: bool,
}

/// Checks an image.
pub(super) fn check_image(given: &str, source: &ImageSource, options: &Options) -> InputOutcome {
    let mut outcome = InputOutcome::new(given, InputKind::Image);
    match scan(source, options) {
        Ok(scanned) => {
            outcome.complete = scanned.complete;
            outcome.problems = scanned.problems;
            let findings = point_at_lines(judge(&scanned.facts, options), &mut outcome, options);
            finish(outcome, findings, &[], options)
        }
        Err(problem) => {
            outcome.complete = false;
            outcome.problems.push(problem);
            outcome
        }
    }
}

/// Reads an image whole.
pub(super) fn scan(source: &ImageSource, options: &Options) -> Result<Scanned, Problem> {
    let images = &options.images;
    if images.offline && matches!(source, ImageSource::Registry(_)) {
        return Err(problem(
            "the image is in a registry, and --offline forbids the network".to_owned(),
            Some("save it to an archive or layout first: oci-archive:FILE, docker-archive:FILE, oci:DIR"),
        ));
    }
    let opened = image::open(source, &source_options(options)).map_err(|error| from_error(&error))?;
    let found = opened.resolve(&platform(&images.platform)).map_err(|error| from_error(&error))?;
    Ok(read_layers(&found, &*opened, options))
}

/// Settings of sources.
pub(super) fn source_options(options: &Options) -> SourceOptions {
    let mut settings = SourceOptions { limits: options.limits.clone(), ..SourceOptions::default() };
    settings.registry.ca_file.clone_from(&options.images.ca_file);
    settings.registry.insecure.clone_from(&options.images.insecure);
    settings
}

/// The platform in the words of the image room.
pub(super) fn platform(platform: &Platform) -> image::Platform {
    image::Platform {
        os: platform.os.clone(),
        arch: platform.architecture.clone(),
        variant: platform.variant.clone(),
    }
}

fn read_layers(found: &Image, source: &dyn Source, options: &Options) -> Scanned {
    let bars = options.images.progress.then(|| Bars::new(found));
    let progress: &dyn Progress = bars.as_ref().map_or(&NoProgress, |bars| bars);
    let processors = std::thread::available_parallelism().map_or(2, NonZeroUsize::get).min(8);
    let jobs = options.images.jobs.unwrap_or(processors);
    let scan = ScanOptions {
        limits: &options.limits,
        jobs: NonZeroUsize::new(jobs).unwrap_or(NonZeroUsize::MIN),
        cancel: &AtomicBool::new(false),
        progress,
    };
    let layers: Vec<(CollectedLayer, LayerOutcome)> = for_each_layer(found, source, &scan, |layer| {
        let mut collector = LayerCollector::new(&options.limits);
        let outcome = layer.walk(&mut |entry| collector.entry(entry));
        (collector.finish(), outcome)
    });
    drop(bars);
    let mut problems = Vec::new();
    let mut complete = true;
    let mut facts = Vec::new();
    let mut collected = Vec::new();
    for (descriptor, (layer, outcome)) in found.layers.iter().zip(layers) {
        complete &= outcome.complete;
        problems.extend(outcome.problems.iter().map(|wrong| problem(wrong.to_string(), None)));
        facts.push(LayerFacts {
            digest: descriptor.id().map_or_else(|| Arc::from(""), |digest| Arc::from(digest.to_string())),
            diff_id: descriptor.diff_id.as_ref().map(|digest| Arc::from(digest.to_string())),
            created_by: descriptor.created_by.as_deref().map(Arc::from),
            size: u64::try_from(descriptor.size.unwrap_or(0)).unwrap_or(0),
            complete: outcome.complete,
        });
        collected.push(layer);
    }
    let input = ImageInput { config: &found.config, layers: facts, collected, platform: &found.platform };
    Scanned { facts: from_image(input, &options.tables, &options.limits), problems, complete }
}

fn problem(message: String, help: Option<&str>) -> Problem {
    Problem { message, help: help.map(str::to_owned), location: None }
}

fn from_error(error: &ImageError) -> Problem {
    problem(error.to_string(), None)
}
