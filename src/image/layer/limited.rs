//! The tar stream of a layer: inflated, counted, hashed, and stopped at a limit.

use std::io::{self, Read};

use super::decompress::Inflate;
use super::{LayerDescriptor, LayerProblemKind};
use crate::image::digest::{Digest, Hasher};
use crate::limits::Limits;

/// Below this many bytes a high ratio is harmless (zeros compress a thousandfold).
const RATIO_FROM: u64 = 64 << 20;

/// A reader over the inflated bytes of a layer.
pub(super) struct TarStream<'a> {
    inflate: Inflate<'a>,
    hasher: Option<Hasher>,
    diff_id: Option<Digest>,
    bytes: u64,
    max_bytes: u64,
    max_ratio: u64,
    stop: Option<LayerProblemKind>,
}

impl<'a> TarStream<'a> {
    pub(super) fn new(inflate: Inflate<'a>, layer: &LayerDescriptor, limits: &Limits) -> Self {
        // Where blob and tar stream are the same bytes, one hash proves both.
        let same = layer.diff_id == layer.digest && matches!(inflate, Inflate::Plain(_));
        let diff_id = layer.diff_id.clone().filter(|_| !same);
        Self {
            inflate,
            hasher: diff_id.as_ref().map(|id| Hasher::new(id.algorithm())),
            diff_id,
            bytes: 0,
            max_bytes: limits.layer_bytes,
            max_ratio: limits.layer_ratio,
            stop: None,
        }
    }

    /// Bytes that came out so far.
    pub(super) fn byte_count(&self) -> u64 {
        self.bytes
    }

    /// The blob underneath.
    pub(super) fn inflate(&mut self) -> &mut Inflate<'a> {
        &mut self.inflate
    }

    /// Why it stopped, if it did and the blob itself is not the cause.
    pub(super) fn stopped(&self) -> Option<&LayerProblemKind> {
        self.stop.as_ref()
    }

    /// Reads what is left behind the archive, which counts for the diffID.
    pub(super) fn drain(&mut self) {
        let mut scratch = vec![0; 64 << 10];
        loop {
            match self.read(&mut scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Whether the whole stream is the promised one; `None` when nothing was promised.
    pub(super) fn diff_id_verdict(&mut self) -> Option<Result<(), LayerProblemKind>> {
        let actual = self.hasher.take()?.finish();
        let expected = self.diff_id.clone()?;
        if actual == expected {
            return Some(Ok(()));
        }
        Some(Err(LayerProblemKind::WrongDiffId { expected, actual }))
    }

    fn halt(&mut self, kind: LayerProblemKind) -> io::Error {
        let error = io::Error::other(kind.to_string());
        self.stop = Some(kind);
        error
    }
}

impl Read for TarStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(kind) = &self.stop {
            return Err(io::Error::other(kind.to_string()));
        }
        self.inflate.blob().check_cancelled()?;
        let count = match self.inflate.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                if self.inflate.blob().failed() {
                    return Err(error);
                }
                let format = self.inflate.format();
                return Err(self.halt(LayerProblemKind::Compression { format, reason: error.to_string() }));
            }
        };
        self.bytes = self.bytes.saturating_add(count as u64);
        if self.bytes > self.max_bytes {
            let limit = self.max_bytes;
            return Err(self.halt(LayerProblemKind::Limit {
                name: "layer_bytes",
                limit,
                unit: "inflated bytes",
            }));
        }
        if self.bytes > RATIO_FROM
            && self.bytes > self.inflate.blob().byte_count().saturating_mul(self.max_ratio)
        {
            let limit = self.max_ratio;
            return Err(self.halt(LayerProblemKind::Limit {
                name: "layer_ratio",
                limit,
                unit: "inflated bytes for each stored one",
            }));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}
