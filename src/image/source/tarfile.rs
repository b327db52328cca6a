//! A tar file on disk as an index of its entries, read at any place without unpacking.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tar_core::EntryType;
use tar_core::parse::{ParseEvent, Parser};

use crate::image::error::ImageError;
use crate::image::layer::LayerPath;
use crate::limits::Limits;

const BLOCK: u64 = 512;
const MAX_HEADERS: usize = 3 << 20;
/// Links followed from one entry of the archive to another (old `docker save` shares layers that way).
const MAX_LINKS: usize = 8;

enum Slot {
    File { offset: u64, size: u64 },
    Link(LayerPath),
}

/// An indexed tar file.
pub(super) struct TarFile {
    file: Arc<File>,
    path: PathBuf,
    slots: BTreeMap<LayerPath, Slot>,
}

impl TarFile {
    /// Opens and indexes the file at `path`.
    pub(super) fn open(path: &Path, expected: &'static str, limits: &Limits) -> Result<Self, ImageError> {
        let io = |source| ImageError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            let reason = "it is no regular file".to_owned();
            return Err(ImageError::NotA { path: path.to_owned(), expected, reason });
        }
        Self::index(file, path, expected, limits)
    }

    /// Indexes an open file; `path` is for messages.
    pub(super) fn index(
        file: File,
        path: &Path,
        expected: &'static str,
        limits: &Limits,
    ) -> Result<Self, ImageError> {
        let not = |reason: String| ImageError::NotA { path: path.to_owned(), expected, reason };
        let io = |source| ImageError::Io { path: path.to_owned(), source };
        let mut parser = Parser::with_defaults();
        parser.set_ignore_pax_errors(false);
        let mut slots = BTreeMap::new();
        let mut buffer: Vec<u8> = Vec::new();
        let mut offset = 0_u64;
        let mut wanted = 1_024_usize;
        let mut seen = 0_u64;
        loop {
            read_at(&file, offset, wanted, &mut buffer).map_err(io)?;
            if offset == 0
                && (buffer.starts_with(&[0x1f, 0x8b]) || buffer.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]))
            {
                return Err(not(
                    "it is compressed as a whole; decompress it first (`gunzip`, `zstd -d`)".to_owned()
                ));
            }
            let event = parser.parse(&buffer);
            let (consumed, stored) = match event.map_err(|error| not(error.to_string()))? {
                ParseEvent::NeedData { min_bytes } => {
                    if buffer.len() < wanted {
                        // The end of the file.
                        if buffer.iter().all(|byte| *byte == 0) {
                            break;
                        }
                        return Err(not("it ends inside an entry".to_owned()));
                    }
                    wanted = min_bytes.max(wanted.saturating_mul(2));
                    if wanted > MAX_HEADERS {
                        return Err(not(format!("the headers of one entry exceed {MAX_HEADERS} bytes")));
                    }
                    continue;
                }
                ParseEvent::End { .. } => break,
                ParseEvent::GlobalExtensions { consumed, .. } => (consumed, 0),
                ParseEvent::SparseEntry { .. } => {
                    return Err(not("it holds sparse entries, which image archives never have".to_owned()));
                }
                ParseEvent::Entry { consumed, entry } => {
                    let content = offset.saturating_add(consumed as u64);
                    let name = LayerPath::clean(&entry.path);
                    let target = entry.link_target.as_deref().unwrap_or_default();
                    match entry.entry_type {
                        EntryType::Regular | EntryType::Continuous => {
                            slots.insert(name, Slot::File { offset: content, size: entry.size });
                            (consumed, entry.size)
                        }
                        EntryType::Symlink => {
                            let folder = name.parent().unwrap_or_default();
                            slots.insert(name, Slot::Link(folder.join(target)));
                            (consumed, 0)
                        }
                        EntryType::Link => {
                            slots.insert(name, Slot::Link(LayerPath::clean(target)));
                            (consumed, 0)
                        }
                        _ => (consumed, 0),
                    }
                }
            };
            seen += 1;
            if seen > limits.layer_entries {
                return Err(not(format!("it has more than {} entries", limits.layer_entries)));
            }
            let padded = stored
                .checked_next_multiple_of(BLOCK)
                .and_then(|padded| padded.checked_add(consumed as u64))
                .and_then(|step| offset.checked_add(step))
                .ok_or_else(|| not("an entry states an impossible size".to_owned()))?;
            offset = padded;
            wanted = 1_024;
        }
        Ok(Self { file: Arc::new(file), path: path.to_owned(), slots })
    }

    /// The file itself, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The content of an entry with its size, links inside the archive followed.
    pub(super) fn open_entry(&self, name: &LayerPath) -> Option<(Section, u64)> {
        let mut name = name;
        for _ in 0..MAX_LINKS {
            match self.slots.get(name)? {
                Slot::File { offset, size } => {
                    let section = Section { file: Arc::clone(&self.file), offset: *offset, left: *size };
                    return Some((section, *size));
                }
                Slot::Link(target) => name = target,
            }
        }
        None
    }
}

fn read_at(file: &File, offset: u64, wanted: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let mut section = PositionalReader { file, offset }.take(wanted as u64);
    section.read_to_end(buffer)?;
    Ok(())
}

struct PositionalReader<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for PositionalReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(out, self.offset)?;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

/// A range of a file; several can be read at once.
pub(super) struct Section {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let Some(out) = out.get_mut(..most).filter(|out| !out.is_empty()) else { return Ok(0) };
        let count = self.file.read_at(out, self.offset)?;
        self.offset = self.offset.saturating_add(count as u64);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
