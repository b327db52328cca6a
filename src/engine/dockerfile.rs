//! A Dockerfile of the command line: its text, its build context, the configs of its bases, its facts.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::base_configs::{Asked, BaseConfigs};
use super::check::Options;
use super::context::FolderContext;
use super::image::Scanned;
use super::input::{Input, misread};
use crate::diagnostics::Problem;
use crate::facts::from_dockerfile::{BuildContext, DockerfileInput, Extracted, NoContext, from_dockerfile};

/// A text with the folder around it.
pub(super) struct Text {
    /// Name to show.
    pub(super) name: String,
    /// The bytes.
    pub(super) bytes: Vec<u8>,
    /// Its build context.
    pub(super) context: Box<dyn BuildContext>,
}

/// Reads a Dockerfile or standard input.
///
/// # Errors
/// It cannot be read, or is no text.
pub(super) fn read(input: &Input, options: &Options) -> Result<Text, Problem> {
    let limit = options.limits.text_bytes;
    let (name, bytes, path) = match input {
        Input::Dockerfile { path, name } => {
            let bytes = std::fs::File::open(path).map_err(|error| error.to_string());
            (name.as_str(), bytes.and_then(|file| read_bounded(file, limit)), Some(path.as_path()))
        }
        Input::Stdin => ("standard input", read_bounded(std::io::stdin().lock(), limit), None),
        Input::Image { given, .. } => (given.as_str(), Err("it is an image".to_owned()), None),
        Input::Unreadable { name, error } => (name.as_str(), Err(error.clone()), None),
    };
    let bytes = bytes.map_err(|why| problem(format!("{name} cannot be read: {why}")))?;
    if let Some(what) = misread(name, &bytes) {
        return Err(problem(format!("{name} is no Dockerfile: {what}")));
    }
    let root = options.context.clone().or_else(|| path.map(folder_of));
    let context: Box<dyn BuildContext> = match root {
        Some(root) => {
            let dockerfile = path.unwrap_or(Path::new("Dockerfile"));
            Box::new(FolderContext::new(&root, dockerfile, &options.limits))
        }
        None => Box::new(NoContext),
    };
    let name = if path.is_some() { name } else { "<stdin>" };
    Ok(Text { name: name.to_owned(), bytes, context })
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Reads a text to its end, or says why not.
pub(super) fn read_bounded(reader: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read =
        reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > limit {
        return Err(format!("it is longer than {limit} bytes (--limit text_bytes=N raises it)"));
    }
    Ok(bytes)
}

fn problem(message: String) -> Problem {
    Problem { message, help: None, location: None }
}

/// Facts of a Dockerfile, what could not be read of its base images, and whether everything was.
pub(super) fn extract(
    name: &str,
    bytes: &[u8],
    context: &dyn BuildContext,
    options: &Options,
    configs: &BaseConfigs<'_>,
) -> (Extracted, Vec<Problem>, bool) {
    let asked = Asked::new(configs);
    let input = DockerfileInput {
        name,
        source: bytes,
        options: options.build.clone(),
        context,
        base_config: &|base, platform| asked.environment(base, platform),
    };
    let extracted = from_dockerfile(input, &options.tables, &options.limits);
    let (problems, incomplete) = asked.into_problems(&extracted.facts);
    (extracted, problems, !incomplete)
}

/// Why a file has nothing to judge.
pub(super) fn no_stage(name: &str, extracted: &Extracted, options: &Options) -> Problem {
    problem(match &options.build.target {
        Some(target) if !extracted.facts.stages.is_empty() => format!("{name} has no stage `{target}`"),
        _ => format!("{name} is no Dockerfile: it has no FROM"),
    })
}

/// Facts of a Dockerfile, for commands that do not judge.
///
/// # Errors
/// Nothing of it could be read.
pub(super) fn facts(input: &Input, options: &Options) -> Result<Scanned, Problem> {
    let text = read(input, options)?;
    let configs = BaseConfigs::new(options);
    let (extracted, problems, complete) = extract(&text.name, &text.bytes, &*text.context, options, &configs);
    if extracted.has_target {
        Ok(Scanned { facts: extracted.facts, problems, complete })
    } else {
        Err(no_stage(&text.name, &extracted, options))
    }
}
