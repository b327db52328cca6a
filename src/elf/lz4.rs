//! The first bytes of an LZ4 block, enough to read the header of a compressed cubin.

/// Decodes `block` until `want` bytes came out; fewer when the block is cut off or damaged.
pub(super) fn decode_head(block: &[u8], want: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(want);
    let mut input = block.iter().copied();
    let _ = decode(&mut input, &mut out, want);
    out.truncate(want);
    out
}

/// `None` when the input ends; what was decoded stays in `out`.
fn decode(input: &mut impl Iterator<Item = u8>, out: &mut Vec<u8>, want: usize) -> Option<()> {
    while out.len() < want {
        let token = input.next()?;
        for _ in 0..length(input, token >> 4)? {
            out.push(input.next()?);
            if out.len() >= want {
                return Some(());
            }
        }
        let offset = usize::from(u16::from_le_bytes([input.next()?, input.next()?]));
        let from = out.len().checked_sub(offset).filter(|_| offset > 0)?;
        for at in from..from.saturating_add(length(input, token & 0xf)?.saturating_add(4)) {
            out.push(*out.get(at)?);
            if out.len() >= want {
                return Some(());
            }
        }
    }
    Some(())
}

/// A length of four bits, continued in further bytes when all are set.
fn length(input: &mut impl Iterator<Item = u8>, nibble: u8) -> Option<usize> {
    let mut length = usize::from(nibble);
    if nibble == 0xf {
        loop {
            let more = input.next()?;
            length = length.saturating_add(usize::from(more));
            if more != 0xff {
                break;
            }
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::decode_head;

    #[test]
    fn literals_and_overlapping_matches() {
        // "abc", then a match of 4 + 5 bytes at distance 3, then the last literals.
        let block = [0x35, b'a', b'b', b'c', 3, 0, 0x20, b'x', b'y'];
        assert_eq!(decode_head(&block, 100), b"abcabcabcabcxy");
        assert_eq!(decode_head(&block, 5), b"abcab");
    }

    #[test]
    fn damage_ends_the_output() {
        assert_eq!(decode_head(&[], 4), b"");
        assert_eq!(decode_head(&[0x10, b'a', 2, 0], 4), b"a");
        assert_eq!(decode_head(&[0x1f, b'a', 1, 0, 0xff, 0xff], 4), b"a");
        assert_eq!(decode_head(&[0x1f, b'a', 0, 0, 0], 4), b"a");
    }
}
