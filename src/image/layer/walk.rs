//! The walk over a layer: opening it, handing out entries, and the judgement at its end.

use std::sync::atomic::AtomicBool;

use super::decompress::Inflate;
use super::limited::TarStream;
use super::tar::{ArchiveEnd, walk_archive};
use super::verify::Blob;
use super::window::Window;
use super::{Entry, LayerContent, LayerDescriptor, LayerOutcome, LayerProblem, LayerProblemKind, rootfs};
use crate::limits::Limits;

/// Hands every entry of a layer to `visit` while its bytes stream past, and verifies size, digest and diffID.
///
/// Nothing is written to disk and no file is held in memory. A layer that breaks off keeps the entries so far;
/// the outcome then says which layer, what is wrong and what to do. `progress` is told the stored bytes as they pass;
/// setting `cancel` ends the walk at the next read.
pub fn walk_layer(
    content: LayerContent,
    layer: &LayerDescriptor,
    limits: &Limits,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(u64),
    visit: &mut dyn FnMut(Entry<'_>),
) -> LayerOutcome {
    let reader = match content {
        LayerContent::Directory(root) => return rootfs::walk_folder(&root, layer, limits, cancel, visit),
        LayerContent::Stream(reader) => reader,
    };
    if let Some(kind) = other_media_type(&layer.media_type) {
        return LayerOutcome::unread(LayerProblem::new(layer, kind));
    }
    let inflate = match Inflate::new(Blob::new(reader, layer, cancel, progress)) {
        Ok(inflate) => inflate,
        Err(refused) => {
            let (kind, mut blob) = *refused;
            // A wrong digest explains more than a wrong format.
            let kind = blob.finish().unwrap_or(kind);
            let mut outcome = LayerOutcome::unread(LayerProblem::new(layer, kind));
            outcome.compressed_bytes = blob.byte_count();
            return outcome;
        }
    };
    let mut window = Window::new(TarStream::new(inflate, layer, limits));
    let mut left_out = Vec::new();
    let end = walk_archive(&mut window, limits, &mut left_out, visit);
    let stream = window.inner();
    let problem = judge(stream, end.clone());
    let compressed_bytes = stream.inflate().blob().byte_count();
    let inflated_bytes = stream.byte_count();
    let problems: Vec<LayerProblem> =
        left_out.into_iter().chain(problem).map(|kind| LayerProblem::new(layer, kind)).collect();
    LayerOutcome {
        complete: problems.is_empty(),
        problems,
        entries: end.entries,
        compressed_bytes,
        inflated_bytes,
    }
}

/// The one problem that explains the end of the walk best: a limit, else the blob, else the stream, else the diffID.
fn judge(stream: &mut TarStream<'_>, end: ArchiveEnd) -> Option<LayerProblemKind> {
    if let Some(limit @ LayerProblemKind::Limit { .. }) = &end.problem {
        return Some(limit.clone());
    }
    if end.problem.is_none() {
        stream.drain();
    }
    if let Some(limit @ LayerProblemKind::Limit { .. }) = stream.stopped() {
        return Some(limit.clone());
    }
    // The tar reader stops at the end-of-archive blocks and the decoder at the last member: the blob's own digest
    // needs the bytes behind them as well.
    if let Some(problem) = stream.inflate().blob().finish() {
        return Some(problem);
    }
    if let Some(problem) = end.problem {
        return Some(stream.stopped().cloned().unwrap_or(problem));
    }
    // Bytes behind the last compressed member (zero padding) are an error to the decoder but nothing to the image,
    // if the stream before them is the promised one.
    match stream.diff_id_verdict() {
        Some(Ok(())) => None,
        Some(Err(wrong)) => Some(stream.stopped().cloned().unwrap_or(wrong)),
        None => stream.stopped().cloned(),
    }
}

fn other_media_type(media_type: &str) -> Option<LayerProblemKind> {
    let layer = media_type.is_empty()
        || media_type.contains("tar")
        || media_type.contains("rootfs")
        || media_type == "application/octet-stream";
    if layer && !media_type.contains("encrypted") {
        return None;
    }
    Some(LayerProblemKind::NotALayer(media_type.chars().filter(|c| !c.is_control()).take(120).collect()))
}
