//! Scans for tests: every entry of every layer as one line.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use cudalint::image::{
    self, Entry, EntryKind, Image, ImageSource, LayerOutcome, NoProgress, Platform, ScanOptions, Source,
    SourceOptions,
};
use cudalint::limits::Limits;

/// Opens what the command line would name so.
pub fn source(text: &str) -> Box<dyn Source> {
    image::open(&ImageSource::parse(text).unwrap(), &SourceOptions::default()).unwrap()
}

/// Finds the linux/amd64 image and lists its layers.
pub fn scan(source: &dyn Source, jobs: usize) -> (Image, Vec<LayerOutcome>, String) {
    scan_with(source, jobs, &Limits::default())
}

/// The same with other limits.
pub fn scan_with(source: &dyn Source, jobs: usize, limits: &Limits) -> (Image, Vec<LayerOutcome>, String) {
    let image = source.resolve(&Platform::default()).unwrap();
    let options = ScanOptions {
        limits,
        jobs: NonZeroUsize::new(jobs).unwrap(),
        cancel: &AtomicBool::new(false),
        progress: &NoProgress,
    };
    let results = image::for_each_layer(&image, source, &options, |layer| {
        let index = layer.descriptor().index;
        let mut lines = String::new();
        let outcome = layer.walk(&mut |entry| describe(index, entry, &mut lines));
        (outcome, lines)
    });
    let mut outcomes = Vec::new();
    let mut lines = String::new();
    for (outcome, text) in results {
        outcomes.push(outcome);
        lines.push_str(&text);
    }
    (image, outcomes, lines)
}

/// One line for one entry; long contents are given by length.
pub fn describe(layer: usize, entry: Entry<'_>, lines: &mut String) {
    let path = &entry.path;
    match &entry.kind {
        EntryKind::File => {
            let mut content = Vec::new();
            let end = entry.reader.read_to_end(&mut content);
            let shown = match String::from_utf8(content) {
                Ok(text) if text.len() <= 40 && !text.contains('\0') => text,
                Ok(text) => format!("({} bytes)", text.len()),
                Err(error) => format!("({} bytes)", error.as_bytes().len()),
            };
            let cut = if end.is_err() { " CUT" } else { "" };
            writeln!(lines, "{layer} file {path} {shown}{cut}").unwrap();
        }
        EntryKind::Hardlink(target) => writeln!(lines, "{layer} hardlink {path} -> {target}").unwrap(),
        EntryKind::Symlink(target) => {
            writeln!(lines, "{layer} symlink {path} -> {}", String::from_utf8_lossy(target)).unwrap();
        }
        EntryKind::Directory => writeln!(lines, "{layer} dir {path}").unwrap(),
        EntryKind::Device => writeln!(lines, "{layer} device {path}").unwrap(),
        EntryKind::Whiteout => writeln!(lines, "{layer} whiteout {path}").unwrap(),
        EntryKind::OpaqueWhiteout => writeln!(lines, "{layer} opaque {path}").unwrap(),
    }
}

/// The lines of `text` whose layer is wanted.
pub fn listing(text: &str, wanted: impl Fn(usize) -> bool) -> String {
    text.lines()
        .filter(|line| wanted(line.split(' ').next().unwrap().parse().unwrap()))
        .map(|line| format!("{line}\n"))
        .collect()
}
