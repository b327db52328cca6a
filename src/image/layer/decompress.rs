//! Stored bytes to the tar stream: gzip, zstd or plain, decided by magic, since media types lie and engines sniff too.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::LayerProblemKind;
use super::verify::Blob;

type Packed<'a> = Box<Chain<Cursor<Vec<u8>>, BufReader<Blob<'a>>>>;

/// Why a blob is not decoded, and the blob, whose digest may explain more.
pub(super) type Refused<'a> = Box<(LayerProblemKind, Blob<'a>)>;

const MAGIC: usize = 6;
const BUFFER: usize = 128 << 10;

/// A decoder over a blob.
pub(super) enum Inflate<'a> {
    Plain(Packed<'a>),
    /// Every member is read: eStargz and pigz write many.
    Gzip(Box<MultiGzDecoder<Packed<'a>>>),
    /// The decoder's own window limit (128 MiB) stays in force.
    Zstd(Box<ZstdDecoder<'static, Packed<'a>>>),
}

impl<'a> Inflate<'a> {
    /// Looks at the first bytes and chooses.
    pub(super) fn new(mut blob: Blob<'a>) -> Result<Self, Refused<'a>> {
        let mut magic = Vec::with_capacity(MAGIC);
        // A failure of the blob stays noted in it and comes up again at the next read.
        let _ = blob.by_ref().take(MAGIC as u64).read_to_end(&mut magic);
        let refused = |format| LayerProblemKind::Compression {
            format,
            reason: "this format is not used in container images and not read".to_owned(),
        };
        match magic.as_slice() {
            [b'B', b'Z', b'h', ..] => return Err(Box::new((refused("bzip2"), blob))),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(Box::new((refused("xz"), blob))),
            _ => {}
        }
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        let skippable = matches!(magic.as_slice(), [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        let zstd = skippable || magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let packed = Box::new(Cursor::new(magic).chain(BufReader::with_capacity(BUFFER, blob)));
        if gzip {
            return Ok(Self::Gzip(Box::new(MultiGzDecoder::new(packed))));
        }
        if !zstd {
            return Ok(Self::Plain(packed));
        }
        match ZstdDecoder::try_with_dictionary(packed, &[]) {
            Ok(decoder) => Ok(Self::Zstd(Box::new(decoder))),
            Err((packed, error)) => {
                let problem = LayerProblemKind::Compression { format: "zstd", reason: error.to_string() };
                Err(Box::new((problem, packed.into_inner().1.into_inner())))
            }
        }
    }

    /// The name of the format.
    pub(super) fn format(&self) -> &'static str {
        match self {
            Self::Plain(_) => "plain",
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
        }
    }

    /// The blob underneath. Bytes the decoder has buffered are counted and hashed already.
    pub(super) fn blob(&mut self) -> &mut Blob<'a> {
        let packed = match self {
            Self::Plain(packed) => packed,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        };
        packed.get_mut().1.get_mut()
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(packed) => packed.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}
