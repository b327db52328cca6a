//! Layout of fatbin containers, their entries and the head of a cubin. All numbers are little endian.

use super::device::{CodeKind, Compression, PtxIsa, SmSuffix, SmTarget, ToolkitRelease};
use super::lz4;

/// First bytes of a container.
pub(super) const MAGIC: [u8; 4] = [0x50, 0xed, 0x55, 0xba];
/// Bytes of a container header.
pub(super) const CONTAINER_BYTES: usize = 16;
/// Fixed bytes of an entry header; strings and options follow.
pub(super) const ENTRY_BYTES: usize = 64;
/// Longest entry header; the longest measured one has 344 bytes.
pub(super) const MAX_ENTRY_HEADER: usize = 128 << 10;
/// Bytes of a payload that are looked at: the header of a cubin and, in new ones, the note that follows.
pub(super) const PEEK_BYTES: usize = 4_096;
/// Bytes of a cubin's ELF header.
const CUBIN_HEADER: usize = 64;

const FLAG_LZ4: u64 = 0x2000;
const FLAG_ZSTD: u64 = 0x8000;
const FLAG_ARCH_SPECIFIC: u64 = 0x10_0000;
const FLAG_FAMILY: u64 = 0x20_0000;

const KIND_CONCATENATED: u16 = 0x100;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Bytes of all entries of the container that begins with `bytes`; `None` when it is no container (the magic occurs
/// by chance in code and data: 265 times in 58 of the measured files).
pub(super) fn container(bytes: &[u8]) -> Option<u64> {
    let header = bytes.get(..4)? == MAGIC && u16_at(bytes, 4)? == 1 && u16_at(bytes, 6)? == 16;
    let size = u64_at(bytes, 8)?;
    (header && size >= ENTRY_BYTES as u64).then_some(size)
}

/// The fixed part of an entry header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    kind: u16,
    /// Bytes of the whole header.
    pub header_bytes: usize,
    /// Bytes of the payload, padding included.
    pub payload_bytes: u64,
    compressed_bytes: u32,
    options: u32,
    minor: u16,
    major: u16,
    sm: u16,
    flags: u64,
}

impl EntryHeader {
    /// Reads the first 64 bytes of an entry; `None` when they are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..ENTRY_BYTES)?;
        let header_bytes = usize::try_from(u32_at(bytes, 4)?).ok()?;
        let sane = u16_at(bytes, 2)? == 0x0101
            && (ENTRY_BYTES..=MAX_ENTRY_HEADER).contains(&header_bytes)
            && header_bytes.is_multiple_of(8);
        sane.then_some(())?;
        Some(Self {
            kind: u16_at(bytes, 0)?,
            header_bytes,
            payload_bytes: u64_at(bytes, 8)?,
            compressed_bytes: u32_at(bytes, 16)?,
            options: u32_at(bytes, 20)?,
            minor: u16_at(bytes, 24)?,
            major: u16_at(bytes, 26)?,
            sm: u16_at(bytes, 28)?,
            flags: u64_at(bytes, 40)?,
        })
    }

    /// Bytes from this entry to the next; `None` when the sum is beyond all reason.
    pub fn total_bytes(&self) -> Option<u64> {
        self.payload_bytes.checked_add(self.header_bytes as u64)
    }

    fn compression(&self) -> Compression {
        if self.flags & FLAG_LZ4 != 0 {
            Compression::Lz4
        } else if self.flags & FLAG_ZSTD != 0 {
            Compression::Zstd
        } else if self.compressed_bytes != 0 {
            Compression::Other
        } else {
            Compression::None
        }
    }

    fn code(&self, header: &[u8]) -> Code {
        let kind = match self.kind {
            1 => CodeKind::Ptx,
            2 => CodeKind::Sass,
            8 => CodeKind::Nvvm,
            0x80 => CodeKind::TileIr,
            other => CodeKind::Other(other),
        };
        let suffix = if self.flags & FLAG_ARCH_SPECIFIC != 0 {
            SmSuffix::ArchSpecific
        } else if self.flags & FLAG_FAMILY != 0 {
            SmSuffix::Family
        } else {
            SmSuffix::None
        };
        let ptx = kind == CodeKind::Ptx;
        Code {
            kind,
            target: SmTarget { number: self.sm, suffix },
            ptx_isa: ptx.then_some(PtxIsa { major: self.major, minor: self.minor }),
            compression: self.compression(),
            compile_only: ptx && self.option_text(header).is_some_and(is_compile_only),
        }
    }

    /// Text of the option block: the ptxas options of PTX.
    fn option_text<'a>(&self, header: &'a [u8]) -> Option<&'a [u8]> {
        let block = usize::try_from(self.options).ok().filter(|at| *at >= ENTRY_BYTES)?;
        let start = usize::try_from(u32_at(header, block)?).ok()?;
        let len = usize::try_from(u32_at(header, block.checked_add(4)?)?).ok()?;
        header.get(start..start.checked_add(len)?.min(header.len()))
    }
}

fn is_compile_only(options: &[u8]) -> bool {
    memchr::memmem::find(options, b"--compile-only").is_some()
}

/// What one entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Code {
    pub kind: CodeKind,
    pub target: SmTarget,
    pub ptx_isa: Option<PtxIsa>,
    pub compression: Compression,
    pub compile_only: bool,
}

/// What the entry holds whose whole header is `header`: one code, or several in a concatenated entry.
pub(super) fn codes(entry: &EntryHeader, header: &[u8]) -> Vec<Code> {
    if entry.kind != KIND_CONCATENATED {
        return vec![entry.code(header)];
    }
    concatenated(entry, header)
}

/// The codes of a concatenated entry (fatbinary 13.5 `--concat`): the option offset points to a count, a size, and one
/// header per code, each 64 bytes, identifier and option block. The payload is compressed as a whole.
fn concatenated(entry: &EntryHeader, header: &[u8]) -> Vec<Code> {
    let mut out = Vec::new();
    let Ok(list) = usize::try_from(entry.options) else { return out };
    let Some(count) = u32_at(header, list) else { return out };
    let mut at = list.saturating_add(8);
    for _ in 0..count {
        let Some(raw) = header.get(at..).filter(|raw| raw.len() >= ENTRY_BYTES) else { return out };
        let Some((code, size)) = concatenated_member(raw, entry.compression()) else { return out };
        out.push(code);
        at = at.saturating_add(size);
    }
    out
}

/// One code of a concatenated entry and the bytes its header takes.
fn concatenated_member(raw: &[u8], compression: Compression) -> Option<(Code, usize)> {
    if u16_at(raw, 2)? != 0x0101 {
        return None;
    }
    let member = EntryHeader {
        kind: u16_at(raw, 0)?,
        header_bytes: ENTRY_BYTES,
        payload_bytes: 0,
        compressed_bytes: 0,
        options: 0,
        minor: u16_at(raw, 24)?,
        major: u16_at(raw, 26)?,
        sm: u16_at(raw, 28)?,
        flags: u64_at(raw, 40)?,
    };
    // Both texts are padded to 8 and carry at least one NUL.
    let padded = |len: usize| len.checked_add(1)?.checked_next_multiple_of(8);
    let identifier = padded(usize::try_from(u32_at(raw, 36)?).ok()?)?;
    let block = ENTRY_BYTES.checked_add(identifier)?;
    let text_bytes = usize::try_from(u32_at(raw, block.checked_add(4)?)?).ok()?;
    let text_at = block.checked_add(8)?;
    let text = raw.get(text_at..text_at.checked_add(text_bytes)?)?;
    let mut code = member.code(raw);
    code.compression = compression;
    code.compile_only = code.kind == CodeKind::Ptx && is_compile_only(text);
    Some((code, text_at.checked_add(padded(text_bytes)?)?))
}

/// What the ELF header of a cubin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cubin {
    pub target: SmTarget,
    pub toolkit: Option<ToolkitRelease>,
}

/// The release of the ptxas that wrote the cubin at the start of `payload`. Not readable in Zstandard payloads.
pub(super) fn payload_cubin(entry: &EntryHeader, payload: &[u8]) -> Option<Cubin> {
    if entry.kind != 2 {
        return None;
    }
    match entry.compression() {
        Compression::None => cubin(payload),
        Compression::Lz4 => cubin(&lz4::decode_head(payload, CUBIN_HEADER)),
        Compression::Zstd | Compression::Other => None,
    }
}

/// Reads a cubin from its first bytes: ELF, 64 bit, little endian, machine 190.
///
/// Old layout (ABI 0x33, version 7): `e_version` is the release times ten, `e_flags` has the SM in bits 0-7 and `a` in
/// bit 11. New layout (0x41, 8; sm_100 and up since 12.8, everything since 13.0): SM in bits 8-23, release in the note
/// `.note.nv.cuinfo`.
pub(super) fn cubin(bytes: &[u8]) -> Option<Cubin> {
    let header = bytes.get(..4)? == b"\x7fELF" && bytes.get(4..6)? == [2, 1] && u16_at(bytes, 18)? == 190;
    header.then_some(())?;
    let flags = u32_at(bytes, 48)?;
    let old = bytes.get(7..9)? == [0x33, 7];
    let new = bytes.get(7..9)? == [0x41, 8];
    let (number, suffix, release) = if old {
        // Architecture-specific targets exist from sm_90 on; older cubins use the bit for something else.
        let specific = flags & 0x800 != 0 && flags & 0xff >= 90;
        let suffix = if specific { SmSuffix::ArchSpecific } else { SmSuffix::None };
        (flags & 0xff, suffix, u32_at(bytes, 20))
    } else if new {
        ((flags >> 8) & 0xffff, SmSuffix::None, noted_release(bytes))
    } else {
        return None;
    };
    let release = release.filter(|release| (50..1_000).contains(release));
    let toolkit = release.and_then(|release| {
        Some(ToolkitRelease {
            major: u16::try_from(release / 10).ok()?,
            minor: u16::try_from(release % 10).ok()?,
        })
    });
    Some(Cubin { target: SmTarget { number: u16::try_from(number).ok()?, suffix }, toolkit })
}

/// Toolkit release times ten from the note of owner `NVIDIA Corp`, type 1000: u16 version, u16 virtual SM, u32 release.
fn noted_release(bytes: &[u8]) -> Option<u32> {
    let owner = b"\xe8\x03\0\0NVIDIA Corp\0";
    let at = memchr::memmem::find(bytes, owner)?;
    u32_at(bytes, at.checked_add(owner.len())?.checked_add(4)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u16, sm: u32, flags: u64, options: &str) -> Vec<u8> {
        let block = 64u32;
        let text_at = block + 8;
        let size = (text_at as usize + options.len() + 1).next_multiple_of(8);
        let mut out = vec![0u8; size];
        out[0..2].copy_from_slice(&kind.to_le_bytes());
        out[2..4].copy_from_slice(&0x0101u16.to_le_bytes());
        out[4..8].copy_from_slice(&(size as u32).to_le_bytes());
        out[20..24].copy_from_slice(&block.to_le_bytes());
        out[24..26].copy_from_slice(&4u16.to_le_bytes());
        out[26..28].copy_from_slice(&8u16.to_le_bytes());
        out[28..32].copy_from_slice(&sm.to_le_bytes());
        out[40..48].copy_from_slice(&flags.to_le_bytes());
        out[64..68].copy_from_slice(&text_at.to_le_bytes());
        out[68..72].copy_from_slice(&(options.len() as u32).to_le_bytes());
        out[72..72 + options.len()].copy_from_slice(options.as_bytes());
        out
    }

    #[test]
    fn ptx_with_options() {
        let raw = entry(1, 90, FLAG_ARCH_SPECIFIC | FLAG_ZSTD, "-O3 --compile-only");
        let header = EntryHeader::parse(&raw).expect("an entry");
        let code = codes(&header, &raw)[0];
        assert_eq!(code.kind, CodeKind::Ptx);
        assert_eq!(code.target.to_string(), "90a");
        assert_eq!(code.ptx_isa, Some(PtxIsa { major: 8, minor: 4 }));
        assert_eq!(code.compression, Compression::Zstd);
        assert!(code.compile_only);
    }

    #[test]
    fn sass_never_carries_an_isa() {
        let raw = entry(2, 103, FLAG_FAMILY | FLAG_LZ4, "--compile-only");
        let code = codes(&EntryHeader::parse(&raw).expect("an entry"), &raw)[0];
        assert_eq!((code.kind, code.ptx_isa, code.compile_only), (CodeKind::Sass, None, false));
        assert_eq!(code.target.to_string(), "103f");
        assert_eq!(code.compression, Compression::Lz4);
    }

    #[test]
    fn refuses_what_is_no_entry() {
        let good = entry(2, 90, 0, "");
        for (at, value) in [(2, 2u8), (4, 1), (4, 63), (7, 1)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(EntryHeader::parse(&bad), None, "byte {at} = {value}");
        }
        assert_eq!(EntryHeader::parse(&good[..63]), None);
        assert_eq!(container(&[0x50, 0xed, 0x55, 0xba, 1, 0, 15, 0, 64, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(container(&[0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0, 64, 0, 0, 0, 0, 0, 0, 0]), Some(64));
    }

    #[test]
    fn cubin_layouts() {
        let mut raw = vec![0u8; 64];
        raw[..9].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0x33, 7]);
        raw[18] = 190;
        raw[20] = 124;
        raw[48..52].copy_from_slice(&0x005a_085au32.to_le_bytes());
        let old = cubin(&raw).expect("a cubin");
        assert_eq!(old.target.to_string(), "90a");
        assert_eq!(old.toolkit, Some(ToolkitRelease { major: 12, minor: 4 }));

        raw[7..9].copy_from_slice(&[0x41, 8]);
        raw[20] = 1;
        raw[48..52].copy_from_slice(&(120u32 << 8).to_le_bytes());
        assert_eq!(cubin(&raw).expect("a cubin").toolkit, None);
        raw.extend_from_slice(b"\x0c\0\0\0\x08\0\0\0\xe8\x03\0\0NVIDIA Corp\0\x02\0\x78\0\x87\0\0\0");
        let new = cubin(&raw).expect("a cubin");
        assert_eq!(new.target.to_string(), "120");
        assert_eq!(new.toolkit, Some(ToolkitRelease { major: 13, minor: 5 }));
    }
}
