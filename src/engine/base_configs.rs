//! Environments of base images from their real configs (`--resolve-base`). Each image is asked for once a run, whatever
//! number of Dockerfiles stands on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cache::Cache;
use super::check::Options;
use super::image::{platform as image_platform, source_options};
use crate::diagnostics::{FilePlace, Location, Problem};
use crate::dockerfile::Platform;
use crate::facts::{Base, BaseKind, Facts};
use crate::image::{Reference, read_config};

/// Names and values.
type Variables = Vec<(String, String)>;

/// Why a config was not read.
#[derive(Debug, Clone)]
struct Failure {
    reason: String,
    /// Whether another time may go better.
    network: bool,
}

type Answer = Arc<OnceLock<Result<Variables, Failure>>>;

/// Configs read in this run.
pub(super) struct BaseConfigs<'a> {
    options: &'a Options,
    cache: Cache,
    /// By reference and platform.
    answers: Mutex<BTreeMap<(String, String), Answer>>,
}

impl<'a> BaseConfigs<'a> {
    /// Nothing is asked before a base image is met.
    pub(super) fn new(options: &'a Options) -> Self {
        Self { options, cache: Cache::new(options.images.cache.clone()), answers: Mutex::default() }
    }

    /// The answer for a base image; `None` where none is looked for.
    fn ask(&self, base: &Base, platform: &Platform) -> Option<Result<Variables, Failure>> {
        let images = &self.options.images;
        if !images.resolve_base || images.offline || base.kind == BaseKind::Scratch {
            return None;
        }
        let reference = base.reference.as_deref()?;
        let key = (reference.to_owned(), platform.to_string());
        let answer =
            Arc::clone(self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        Some(answer.get_or_init(|| self.read(reference, platform)).clone())
    }

    fn read(&self, reference: &str, platform: &Platform) -> Result<Variables, Failure> {
        let reference = Reference::parse(reference)
            .map_err(|error| Failure { reason: error.reason.to_string(), network: false })?;
        let config =
            read_config(&reference, &image_platform(platform), &source_options(self.options), &self.cache)
                .map_err(|error| Failure { reason: error.to_string(), network: error.is_network() })?;
        Ok(config.env.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// The questions of one Dockerfile.
pub(super) struct Asked<'a> {
    configs: &'a BaseConfigs<'a>,
    failed: RefCell<BTreeMap<String, (Failure, BaseKind)>>,
}

impl<'a> Asked<'a> {
    /// None asked yet.
    pub(super) fn new(configs: &'a BaseConfigs<'a>) -> Self {
        Self { configs, failed: RefCell::default() }
    }

    /// The environment of a base image, when its config can be read.
    pub(super) fn environment(&self, base: &Base, platform: &Platform) -> Option<Variables> {
        match self.configs.ask(base, platform)? {
            Ok(variables) => Some(variables),
            Err(failure) => {
                let reference = base.reference.clone().unwrap_or_default();
                self.failed.borrow_mut().insert(reference, (failure, base.kind));
                None
            }
        }
    }

    /// What could not be read, at its FROM, and whether that makes the outcome incomplete.
    pub(super) fn into_problems(self, facts: &Facts) -> (Vec<Problem>, bool) {
        let failed = self.failed.into_inner();
        let incomplete = failed.values().any(|(failure, _)| failure.network);
        let problems = failed.into_iter().map(|(reference, (failure, kind))| {
            let instead = match kind {
                BaseKind::Other | BaseKind::Built | BaseKind::Unresolved => "what it sets stays unknown",
                _ => "the table answers instead",
            };
            Problem {
                message: format!("base image {reference} could not be read: {}; {instead}", failure.reason),
                help: None,
                location: place(facts, &reference),
            }
        });
        (problems.collect(), incomplete)
    }
}

/// The first FROM that names the image.
fn place(facts: &Facts, reference: &str) -> Option<Location> {
    let bases = facts.stages.iter().filter_map(|stage| stage.base.as_ref());
    let base = bases.into_iter().find(|base| base.reference.as_deref() == Some(reference))?;
    let (file, span) = base.origin.as_file()?;
    let source = facts.sources.get(file.0)?;
    Some(Location::File(FilePlace::new(&source.name, &source.bytes, &source.lines, span)))
}
