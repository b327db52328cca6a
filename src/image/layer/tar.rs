//! The tar archive inside a layer: headers to entries, whiteouts recognised, malformed things said aloud.
//!
//! Where readers of tar disagree, this one sides with Go's `archive/tar`, which the container engines use: links,
//! folders and devices have no content whatever size they state, and the PAX size counts before the header's.

use std::io::{self, Read};

use tar_core::parse::{ParseError, ParseEvent, ParsedEntry, Parser};
use tar_core::{EntryType, PaxExtensions, SparseEntry};

use super::window::{Content, Window};
use super::{Entry, EntryKind, LayerPath, LayerProblemKind, sparse};
use crate::limits::Limits;

const BLOCK: usize = 512;
/// Most bytes of headers in front of one entry: tar-core's metadata limit (1 MiB) and room for padding and sparse maps.
const MAX_HEADERS: usize = 3 << 20;
/// Entries that are left out are named up to this many times; after that the layer is called broken.
const MAX_LEFT_OUT: usize = 100;

/// How the archive ended.
#[derive(Debug, Clone)]
pub(super) struct ArchiveEnd {
    /// Entries seen.
    pub(super) entries: u64,
    /// What stopped it, unless it ended well.
    pub(super) problem: Option<LayerProblemKind>,
}

/// What is kept of a header once the buffer behind it moves on.
struct Header {
    name: LayerPath,
    raw_name: Vec<u8>,
    entry_type: EntryType,
    folder_by_slash: bool,
    link: Option<Vec<u8>>,
    mode: u32,
    stored: u64,
    sparse: Option<(Vec<SparseEntry>, u64)>,
}

enum Step {
    Need(usize),
    Header(Box<Header>),
    /// A PAX global header, which Go leaves to its caller and engines ignore.
    Global,
    End,
}

/// Hands every entry to `visit`; what is left out is added to `left_out`.
pub(super) fn walk_archive<R: Read>(
    window: &mut Window<R>,
    limits: &Limits,
    left_out: &mut Vec<LayerProblemKind>,
    visit: &mut dyn FnMut(Entry<'_>),
) -> ArchiveEnd {
    let mut walk = Walk {
        window,
        limits,
        left_out,
        entries: 0,
        budget: limits.layer_bytes,
        parser: Parser::new(tar_core::parse::Limits {
            max_path_len: Some(u32::try_from(limits.path_bytes).unwrap_or(u32::MAX)),
            ..tar_core::parse::Limits::default()
        }),
    };
    walk.parser.set_allow_empty_path(true);
    let problem = walk.run(visit).err();
    ArchiveEnd { entries: walk.entries, problem }
}

struct Walk<'w, R> {
    window: &'w mut Window<R>,
    limits: &'w Limits,
    left_out: &'w mut Vec<LayerProblemKind>,
    entries: u64,
    budget: u64,
    parser: Parser,
}

impl<R: Read> Walk<'_, R> {
    fn run(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), LayerProblemKind> {
        let mut globals = 0_u64;
        loop {
            match self.step()? {
                Step::Need(bytes) => {
                    if !self.fill(bytes)? {
                        return Ok(());
                    }
                }
                Step::End => return Ok(()),
                Step::Global => globals += 1,
                Step::Header(header) => self.entry(*header, visit)?,
            }
            if self.entries.saturating_add(globals) > self.limits.layer_entries {
                let limit = self.limits.layer_entries;
                return Err(LayerProblemKind::Limit { name: "layer_entries", limit, unit: "entries" });
            }
        }
    }

    /// One step of the parser, with everything borrowed from the buffer copied out and the header consumed.
    fn step(&mut self) -> Result<Step, LayerProblemKind> {
        let entries = self.entries;
        let path_limit = self.limits.path_bytes;
        let mut event = self.parser.parse(self.window.data());
        let lenient = matches!(&event, Err(ParseError::InvalidPaxValue { key: "mtime" | "uid" | "gid", .. }));
        if lenient {
            // Times before 1970 and odd owners do not matter here; a bad size or path would.
            self.parser.set_ignore_pax_errors(true);
            event = self.parser.parse(self.window.data());
            self.parser.set_ignore_pax_errors(false);
        }
        let (consumed, step) = match event.map_err(|error| archive_problem(&error, entries, path_limit))? {
            ParseEvent::NeedData { min_bytes } => return Ok(Step::Need(min_bytes)),
            ParseEvent::End { .. } => return Ok(Step::End),
            ParseEvent::GlobalExtensions { consumed, .. } => (consumed, Step::Global),
            ParseEvent::Entry { consumed, entry } => {
                check_lenient(&entry, lenient, entries)?;
                (consumed, Step::Header(Box::new(Header::new(&entry, None))))
            }
            ParseEvent::SparseEntry { consumed, entry, sparse_map, real_size } => {
                check_lenient(&entry, lenient, entries)?;
                (consumed, Step::Header(Box::new(Header::new(&entry, Some((sparse_map, real_size))))))
            }
        };
        self.window.consume(consumed);
        Ok(step)
    }

    /// Reads more; `false` at a clean end of the stream.
    fn fill(&mut self, min_bytes: usize) -> Result<bool, LayerProblemKind> {
        let here = self.window.data().len();
        // The parser may ask for what is here already (a sparse map without a line end): grow, but not for ever.
        let wanted = if min_bytes > here { min_bytes } else { here.saturating_mul(2).max(BLOCK) };
        if wanted > MAX_HEADERS {
            let reason = format!("the headers of one entry exceed {MAX_HEADERS} bytes");
            return Err(LayerProblemKind::Archive { entries: self.entries, reason });
        }
        let entries = self.entries;
        self.window.fill(wanted).map_err(|error| read_problem(&error, entries))?;
        let now = self.window.data();
        if now.len() > here {
            return Ok(true);
        }
        // The end of the stream: clean between entries, with or without its two blocks of zeros.
        if now.iter().all(|byte| *byte == 0) {
            Ok(false)
        } else {
            Err(LayerProblemKind::ArchiveCut { entries })
        }
    }

    fn entry(&mut self, header: Header, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), LayerProblemKind> {
        self.entries += 1;
        let has_content = header.has_content();
        let stored = if has_content { header.stored } else { 0 };
        let mut content = Content { window: &mut *self.window, left: stored };
        match header.judge() {
            Judgement::Skip => {}
            Judgement::LeaveOut(reason) => {
                leave_out(self.left_out, self.entries, &header.name, reason)?;
            }
            Judgement::Visit(path, kind) => {
                let (path, mode) = (path.unwrap_or(header.name), header.mode);
                match header.sparse {
                    None => {
                        let size = if kind == EntryKind::File { stored } else { 0 };
                        visit(Entry { path, kind, size, mode, reader: &mut content });
                    }
                    Some((map, real)) => match sparse::checked_map(&map, stored, real) {
                        Ok(pieces) => {
                            let mut reader = sparse::SparseReader {
                                stored: &mut content,
                                pieces: pieces.into_iter(),
                                piece: None,
                                position: 0,
                                real,
                                budget: &mut self.budget,
                            };
                            visit(Entry { path, kind, size: real, mode, reader: &mut reader });
                        }
                        Err(reason) => leave_out(self.left_out, self.entries, &path, reason)?,
                    },
                }
            }
        }
        let left = content.left;
        self.skip(left, stored)
    }

    /// Skips what the visitor left of an entry, and the padding behind it.
    fn skip(&mut self, left: u64, stored: u64) -> Result<(), LayerProblemKind> {
        let block = BLOCK as u64;
        let padding = (block - stored % block) % block;
        let mut rest = left.saturating_add(padding);
        let entries = self.entries.saturating_sub(1);
        let mut scratch = [0_u8; 32 << 10];
        while rest > 0 {
            let most = usize::try_from(rest).unwrap_or(usize::MAX).min(scratch.len());
            let count = match self.window.read(scratch.get_mut(..most).unwrap_or_default()) {
                // Some writers leave the padding of the last entry out.
                Ok(0) if rest <= padding => return Ok(()),
                Ok(0) => return Err(LayerProblemKind::ArchiveCut { entries }),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_problem(&error, entries)),
            };
            rest = rest.saturating_sub(count as u64);
        }
        Ok(())
    }
}

fn leave_out(
    left_out: &mut Vec<LayerProblemKind>,
    entries: u64,
    path: &LayerPath,
    reason: &str,
) -> Result<(), LayerProblemKind> {
    if left_out.len() >= MAX_LEFT_OUT {
        return Err(LayerProblemKind::Archive {
            entries,
            reason: format!("more than {MAX_LEFT_OUT} entries are malformed"),
        });
    }
    let entry = path.to_string().chars().take(300).collect();
    left_out.push(LayerProblemKind::Entry { entry, reason: reason.to_owned() });
    Ok(())
}

enum Judgement {
    Visit(Option<LayerPath>, EntryKind),
    /// Bookkeeping of old storage drivers.
    Skip,
    LeaveOut(&'static str),
}

impl Header {
    fn new(entry: &ParsedEntry<'_>, sparse: Option<(Vec<SparseEntry>, u64)>) -> Self {
        let old_type = entry.header.as_bytes().get(156) == Some(&0);
        Self {
            name: LayerPath::clean(&entry.path),
            raw_name: entry.path.to_vec(),
            entry_type: entry.entry_type,
            folder_by_slash: old_type && entry.path.ends_with(b"/"),
            link: entry.link_target.as_ref().map(|link| link.to_vec()),
            mode: entry.mode,
            stored: entry.size,
            sparse,
        }
    }

    fn has_content(&self) -> bool {
        use EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
        !matches!(self.entry_type, Link | Symlink | Char | Block | Directory | Fifo)
    }

    /// What the entry means in a layer (OCI image specification, layer.md, "Whiteouts").
    fn judge(&self) -> Judgement {
        if self.raw_name.contains(&0) {
            return Judgement::LeaveOut("its name holds a NUL byte");
        }
        let base = self.name.file_name();
        if base == b".wh..wh..opq" {
            return Judgement::Visit(self.name.parent(), EntryKind::OpaqueWhiteout);
        }
        if self.name.components().any(|component| component.starts_with(b".wh..wh.")) {
            return Judgement::Skip;
        }
        if let Some(deleted) = base.strip_prefix(b".wh.") {
            if matches!(deleted, b"" | b"." | b"..") {
                return Judgement::LeaveOut("it is a whiteout without a name");
            }
            let folder = self.name.parent().unwrap_or_default();
            return Judgement::Visit(Some(folder.join(deleted)), EntryKind::Whiteout);
        }
        let link = self.link.as_deref().unwrap_or_default();
        let kind = match self.entry_type {
            EntryType::Regular if self.folder_by_slash => EntryKind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GnuSparse => EntryKind::File,
            EntryType::Link if link.is_empty() => return Judgement::LeaveOut("it is a hard link to nothing"),
            EntryType::Symlink if link.is_empty() => {
                return Judgement::LeaveOut("it is a symbolic link to nothing");
            }
            EntryType::Link => EntryKind::Hardlink(LayerPath::clean(link)),
            EntryType::Symlink => EntryKind::Symlink(link.to_vec()),
            EntryType::Char | EntryType::Block | EntryType::Fifo => EntryKind::Device,
            EntryType::Directory => EntryKind::Directory,
            _ => return Judgement::LeaveOut("its type is unknown"),
        };
        if self.name.is_root() && kind != EntryKind::Directory {
            return Judgement::LeaveOut("it would replace the root folder");
        }
        Judgement::Visit(None, kind)
    }
}

/// After a lenient second reading: the size must still be a number.
fn check_lenient(entry: &ParsedEntry<'_>, lenient: bool, entries: u64) -> Result<(), LayerProblemKind> {
    let Some(pax) = entry.pax.filter(|_| lenient) else { return Ok(()) };
    for record in PaxExtensions::new(pax).flatten() {
        let number = record.value().ok().and_then(|value| value.parse::<u64>().ok());
        if record.key_bytes() == b"size" && number.is_none() {
            return Err(LayerProblemKind::Archive { entries, reason: "a PAX size is no number".to_owned() });
        }
    }
    Ok(())
}

fn archive_problem(error: &ParseError, entries: u64, path_limit: u64) -> LayerProblemKind {
    match error {
        ParseError::PathTooLong { .. } => {
            LayerProblemKind::Limit { name: "path_bytes", limit: path_limit, unit: "bytes in one path" }
        }
        error => LayerProblemKind::Archive { entries, reason: error.to_string().chars().take(200).collect() },
    }
}

/// A read that failed: the stream underneath knows the true reason and names it instead.
fn read_problem(error: &io::Error, entries: u64) -> LayerProblemKind {
    LayerProblemKind::Archive { entries, reason: error.to_string() }
}
