//! Sparse files: the stored pieces with the zeros between them.

use std::io::{self, Read};

use tar_core::SparseEntry;

/// Why a sparse map cannot be used.
pub(super) type MapError = &'static str;

/// The pieces of a sparse file as `(offset, length)`, checked: in order, not overlapping, within the file, and
/// together as long as what is stored.
pub(super) fn checked_map(map: &[SparseEntry], stored: u64, real: u64) -> Result<Vec<(u64, u64)>, MapError> {
    let mut pieces = Vec::with_capacity(map.len());
    let mut end = 0_u64;
    let mut total = 0_u64;
    for piece in map {
        let piece_end = piece.offset.checked_add(piece.length).ok_or("its sparse map overflows")?;
        if piece.offset < end || piece_end > real {
            return Err("its sparse map is out of order or out of the file");
        }
        end = piece_end;
        total = total.checked_add(piece.length).ok_or("its sparse map overflows")?;
        pieces.push((piece.offset, piece.length));
    }
    if total != stored {
        return Err("its sparse map does not fit what is stored");
    }
    Ok(pieces)
}

/// A reader that puts the holes back. Zeros count against `budget`, so that a small layer cannot keep a reader busy for ever.
pub(super) struct SparseReader<'a, R> {
    pub(super) stored: R,
    pub(super) pieces: std::vec::IntoIter<(u64, u64)>,
    pub(super) piece: Option<(u64, u64)>,
    pub(super) position: u64,
    pub(super) real: u64,
    pub(super) budget: &'a mut u64,
}

impl<R: Read> Read for SparseReader<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_none_or(|(offset, length)| self.position >= offset.saturating_add(length)) {
            match self.pieces.next() {
                Some(piece) => self.piece = Some(piece),
                None => {
                    self.piece = None;
                    break;
                }
            }
        }
        let (data, until) = match self.piece {
            Some((offset, length)) if self.position >= offset => (true, offset.saturating_add(length)),
            Some((offset, _)) => (false, offset),
            None => (false, self.real),
        };
        let most = usize::try_from(until.saturating_sub(self.position)).unwrap_or(usize::MAX).min(out.len());
        let Some(out) = out.get_mut(..most).filter(|out| !out.is_empty()) else { return Ok(0) };
        let count = if data {
            self.stored.read(out)?
        } else {
            if *self.budget < out.len() as u64 {
                return Err(io::Error::other(
                    "the holes of the layer's sparse files exceed --limit layer_bytes",
                ));
            }
            *self.budget -= out.len() as u64;
            out.fill(0);
            out.len()
        };
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pieces: &[(u64, u64)]) -> Vec<SparseEntry> {
        pieces.iter().map(|(offset, length)| SparseEntry { offset: *offset, length: *length }).collect()
    }

    fn read(stored: &[u8], pieces: &[(u64, u64)], real: u64, mut budget: u64) -> io::Result<Vec<u8>> {
        let pieces = checked_map(&map(pieces), stored.len() as u64, real).unwrap();
        let mut out = Vec::new();
        SparseReader {
            stored,
            pieces: pieces.into_iter(),
            piece: None,
            position: 0,
            real,
            budget: &mut budget,
        }
        .read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn holes_come_back_as_zeros() {
        assert_eq!(read(b"abcd", &[(2, 2), (4, 0), (6, 2)], 9, 100).unwrap(), b"\0\0ab\0\0cd\0");
        assert_eq!(read(b"", &[], 3, 100).unwrap(), b"\0\0\0");
        assert!(read(b"", &[], 3, 2).is_err());
    }

    #[test]
    fn lying_maps_are_refused() {
        assert!(checked_map(&map(&[(4, 2), (0, 2)]), 4, 10).is_err());
        assert!(checked_map(&map(&[(0, 20)]), 20, 10).is_err());
        assert!(checked_map(&map(&[(u64::MAX, 2)]), 2, u64::MAX).is_err());
        assert!(checked_map(&map(&[(0, 2)]), 4, 10).is_err());
    }
}
