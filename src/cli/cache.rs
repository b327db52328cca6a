//! `cudalint cache`: what registries said and is kept between runs.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::args::{CacheArgs, CacheCommand, CacheFolder, PlainFormat};
use super::output::{Stop, write_json};
use crate::engine::{Cache, CacheContent};
use crate::report::visible;

/// The folder that was given, or the user's own.
pub(super) fn folder(args: &CacheFolder) -> Option<PathBuf> {
    args.cache_dir.clone().or_else(Cache::default_folder)
}

#[derive(Serialize)]
struct Info<'a> {
    schema: &'static str,
    folder: &'a str,
    documents: u64,
    bytes: u64,
}

/// Shows or clears the cache.
pub(super) fn run(args: &CacheArgs, out: &mut dyn Write) -> Result<u8, Stop> {
    let (CacheCommand::Info { folder: given, .. } | CacheCommand::Clear { folder: given }) = &args.command;
    let path = folder(given).ok_or_else(|| {
        Stop::usage("there is no home folder to keep a cache in", Some("name a folder with --cache-dir DIR"))
    })?;
    let cache = Cache::new(Some(path.clone()));
    let name = path.to_string_lossy();
    match &args.command {
        CacheCommand::Info { format: PlainFormat::Json, .. } => {
            let CacheContent { documents, bytes } = cache.content();
            write_json(&Info { schema: "cudalint/1", folder: &name, documents, bytes }, out)?;
        }
        CacheCommand::Info { format: PlainFormat::Human, .. } => {
            writeln!(out, "{} holds {}.", visible(&name), amount(cache.content()))?;
        }
        CacheCommand::Clear { .. } => {
            let gone = cache
                .clear()
                .map_err(|error| Stop::usage(format!("{name} cannot be cleared: {error}"), None))?;
            writeln!(out, "Deleted {} from {}.", amount(gone), visible(&name))?;
        }
    }
    Ok(0)
}

fn amount(content: CacheContent) -> String {
    let CacheContent { documents, bytes } = content;
    format!("{documents} {} ({bytes} bytes)", if documents == 1 { "document" } else { "documents" })
}
