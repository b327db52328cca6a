//! A buffer in front of a reader that can be looked into before it is consumed.

use std::io::{self, Read};

/// Bytes of `inner`, some of them already here.
pub(super) struct Window<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
}

impl<R: Read> Window<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0 }
    }

    /// What is here and not consumed.
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Reads until `wanted` bytes are here. Fewer are at the end of the stream only.
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
        }
        let missing = wanted.saturating_sub(self.buffer.len());
        self.inner.by_ref().take(missing as u64).read_to_end(&mut self.buffer)?;
        Ok(())
    }

    /// Drops `count` bytes from the front.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
    }

    /// The reader behind.
    pub(super) fn inner(&mut self) -> &mut R {
        &mut self.inner
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut here = self.data();
        if here.is_empty() {
            return self.inner.read(out);
        }
        let count = here.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// The content of one entry: exactly `left` more bytes, or an error where the stream ends before.
pub(super) struct Content<'w, R> {
    pub(super) window: &'w mut Window<R>,
    pub(super) left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let Some(out) = out.get_mut(..most).filter(|out| !out.is_empty()) else { return Ok(0) };
        let count = self.window.read(out)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the layer ends inside this file"));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
