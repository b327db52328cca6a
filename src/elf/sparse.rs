//! Bytes of a file of which only parts are kept. Reading what was not kept gives `None`, never zeros.

use std::borrow::Cow;

/// Longest piece; a new one is begun when it is full, so growing never copies more than this.
const PIECE: usize = 1 << 20;

/// Kept bytes, added in file order.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pieces: Vec<Piece>,
    kept: u64,
}

#[derive(Debug)]
struct Piece {
    start: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }
}

impl Sparse {
    /// Number of bytes kept.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Keeps `bytes`, which stand at `offset`; offsets never go back. False when memory could not be had.
    pub fn push(&mut self, mut offset: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let fits = self.pieces.last().filter(|piece| piece.end() == offset && piece.bytes.len() < PIECE);
            if fits.is_none() {
                self.pieces.push(Piece { start: offset, bytes: Vec::new() });
            }
            let Some(piece) = self.pieces.last_mut() else { return false };
            let (now, later) = bytes.split_at(bytes.len().min(PIECE.saturating_sub(piece.bytes.len())));
            if piece.bytes.try_reserve(now.len()).is_err() {
                return false;
            }
            piece.bytes.extend_from_slice(now);
            self.kept = self.kept.saturating_add(now.len() as u64);
            offset = offset.saturating_add(now.len() as u64);
            bytes = later;
        }
        true
    }

    /// The piece that holds `offset`, and its index.
    fn find(&self, offset: u64) -> Option<usize> {
        let index = self.pieces.partition_point(|piece| piece.start <= offset).checked_sub(1)?;
        self.pieces.get(index).filter(|piece| offset < piece.end()).map(|_| index)
    }

    /// Kept bytes from `offset` to the end of their piece; empty when `offset` was not kept.
    pub fn chunk(&self, offset: u64) -> &[u8] {
        let Some(piece) = self.find(offset).and_then(|index| self.pieces.get(index)) else { return &[] };
        let skip = usize::try_from(offset.saturating_sub(piece.start)).unwrap_or(usize::MAX);
        piece.bytes.get(skip..).unwrap_or_default()
    }

    /// Exactly `len` bytes at `offset`, or `None` when any of them was not kept.
    pub fn get(&self, offset: u64, len: usize) -> Option<Cow<'_, [u8]>> {
        if let Some(bytes) = self.chunk(offset).get(..len) {
            return Some(Cow::Borrowed(bytes));
        }
        // The request spans pieces. What is there is bounded by what is kept, so check before allocating.
        if u64::try_from(len).ok()? > self.kept {
            return None;
        }
        let mut out = Vec::new();
        out.try_reserve_exact(len).ok()?;
        while out.len() < len {
            let chunk = self.chunk(offset.checked_add(out.len() as u64)?);
            if chunk.is_empty() {
                return None;
            }
            let missing = len.saturating_sub(out.len());
            out.extend_from_slice(chunk.get(..missing).unwrap_or(chunk));
        }
        Some(Cow::Owned(out))
    }

    /// The text at `offset` up to its NUL, when that comes within `max` bytes.
    pub fn text(&self, offset: u64, max: usize) -> Option<String> {
        let mut out: Vec<u8> = Vec::new();
        loop {
            let chunk = self.chunk(offset.checked_add(out.len() as u64)?);
            let room = max.saturating_add(1).saturating_sub(out.len());
            let chunk = chunk.get(..room).unwrap_or(chunk);
            if chunk.is_empty() {
                return None;
            }
            if let Some(end) = memchr::memchr(0, chunk) {
                out.extend_from_slice(chunk.get(..end).unwrap_or_default());
                return Some(String::from_utf8_lossy(&out).into_owned());
            }
            out.extend_from_slice(chunk);
        }
    }

    /// A copy that keeps only what lies in one of `ranges` (start and end).
    pub fn only(&self, mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.sort_unstable();
        let mut out = Self::default();
        for piece in &self.pieces {
            let mut at = piece.start;
            for (start, end) in &ranges {
                let from = at.max(*start);
                let to = piece.end().min(*end);
                if from < to {
                    let cut = |offset: u64| {
                        usize::try_from(offset.saturating_sub(piece.start)).unwrap_or(usize::MAX)
                    };
                    out.push(from, piece.bytes.get(cut(from)..cut(to)).unwrap_or_default());
                    at = to;
                }
            }
        }
        out
    }

    /// Every kept run of bytes, in file order; neighbouring pieces are not joined.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| piece.bytes.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_some_ranges() {
        let mut sparse = Sparse::default();
        assert!(sparse.push(10, b"0123456789"));
        assert!(sparse.push(30, b"abcdef"));
        let some = sparse.only(vec![(31, 33), (0, 12), (11, 14), (18, 32), (100, 200)]);
        assert_eq!(some.kept(), 4 + 2 + 3);
        assert_eq!(some.get(10, 4).as_deref(), Some(&b"0123"[..]));
        assert_eq!(some.get(18, 2).as_deref(), Some(&b"89"[..]));
        assert_eq!(some.get(30, 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(some.get(14, 1), None);
    }

    #[test]
    fn reads_across_pieces_and_refuses_holes() {
        let mut sparse = Sparse::default();
        let data: Vec<u8> = (0..PIECE + 10).map(|i| (i % 251) as u8).collect();
        assert!(sparse.push(0, &data));
        assert!(sparse.push(PIECE as u64 + 100, b"tail\0"));
        assert_eq!(sparse.kept(), PIECE as u64 + 15);
        let across = sparse.get(PIECE as u64 - 4, 10).expect("kept");
        assert_eq!(&*across, &data[PIECE - 4..PIECE + 6]);
        assert_eq!(sparse.get(PIECE as u64, 11), None);
        assert_eq!(sparse.get(u64::MAX, 2), None);
        assert_eq!(sparse.get(0, usize::MAX), None);
        assert_eq!(sparse.text(PIECE as u64 + 100, 8).as_deref(), Some("tail"));
        assert_eq!(sparse.text(PIECE as u64 + 100, 3), None);
        assert_eq!(sparse.text(PIECE as u64, 100), None);
    }
}
