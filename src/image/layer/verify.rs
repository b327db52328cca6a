//! The blob as stored: counted, hashed, and stopped where it breaks its promise.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{LayerDescriptor, LayerProblemKind};
use crate::image::digest::{Digest, Hasher};

/// A reader over the stored bytes of a layer.
pub(super) struct Blob<'a> {
    inner: Box<dyn Read + Send>,
    hasher: Option<Hasher>,
    expected: Option<Digest>,
    size: Option<u64>,
    read: u64,
    ended: bool,
    failure: Option<LayerProblemKind>,
    cancel: &'a AtomicBool,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Blob<'a> {
    pub(super) fn new(
        inner: Box<dyn Read + Send>,
        layer: &LayerDescriptor,
        cancel: &'a AtomicBool,
        progress: &'a mut dyn FnMut(u64),
    ) -> Self {
        let hasher = layer.digest.as_ref().map(|digest| Hasher::new(digest.algorithm()));
        Self {
            inner,
            hasher,
            expected: layer.digest.clone(),
            size: layer.size,
            read: 0,
            ended: false,
            failure: None,
            cancel,
            progress,
        }
    }

    /// Bytes read so far.
    pub(super) fn byte_count(&self) -> u64 {
        self.read
    }

    /// Whether the blob itself failed, and not what was made of its bytes.
    pub(super) fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Reads what is left and judges the whole blob.
    pub(super) fn finish(&mut self) -> Option<LayerProblemKind> {
        let mut scratch = vec![0; 64 << 10];
        while !self.ended && self.failure.is_none() {
            match self.read(&mut scratch) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {}
            }
        }
        if let Some(failure) = self.failure.clone() {
            return Some(failure);
        }
        if let Some(size) = self.size
            && self.read < size
        {
            return Some(LayerProblemKind::Truncated { expected: size, got: self.read });
        }
        let actual = self.hasher.take()?.finish();
        let expected = self.expected.clone()?;
        (actual != expected).then_some(LayerProblemKind::WrongDigest { expected, actual })
    }

    /// Fails when the scan was stopped; a decoder can give bytes for long without asking for any.
    pub(super) fn check_cancelled(&mut self) -> io::Result<()> {
        if self.failure.is_none() && self.cancel.load(Ordering::Relaxed) {
            return Err(self.fail(LayerProblemKind::Cancelled));
        }
        Ok(())
    }

    fn fail(&mut self, kind: LayerProblemKind) -> io::Error {
        let error = io::Error::other(kind.to_string());
        self.failure = Some(kind);
        error
    }
}

impl Read for Blob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(io::Error::other(failure.to_string()));
        }
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        self.check_cancelled()?;
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fail(LayerProblemKind::Unreadable(error.to_string()))),
        };
        if count == 0 {
            self.ended = true;
            return Ok(0);
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        self.read = self.read.saturating_add(count as u64);
        if let Some(size) = self.size
            && self.read > size
        {
            return Err(self.fail(LayerProblemKind::TooLong { expected: size }));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        (self.progress)(count as u64);
        Ok(count)
    }
}
