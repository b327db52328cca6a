//! One file, read once from front to back.

use std::io::{ErrorKind, Read};

use memchr::memmem::Finder;

use crate::limits::Limits;

use super::archive::{self, Members};
use super::collect::{Collector, Places};
use super::facts::{ElfFacts, Machine};
use super::fatbin::{self, CONTAINER_BYTES, ENTRY_BYTES, EntryHeader, PEEK_BYTES};
use super::keep::Keeper;
use super::result::{FileKind, Problem, ScannedFile};
use super::search::{self, Found, LOOK_AHEAD, LOOK_BEHIND, Searchers};
use super::{DeviceCode, cudart, driver, parse, ptx};

/// Bytes of the window that moves over the file.
const WINDOW: usize = 512 << 10;
/// Libraries that toolkits ship stubs of. Others of NVIDIA's (nvToolsExt) have nothing but short functions either.
const STUB_PREFIXES: [&str; 8] =
    ["libcu", "libnpp", "libnvidia-", "libnvjpeg", "libnvrtc", "libnvJitLink", "libnvfatbin", "libnvgraph"];
/// Smallest file that is read; none smaller holds any of the facts.
const MIN_BYTES: u64 = 512;

const _: () = assert!(WINDOW > 2 * (fatbin::MAX_ENTRY_HEADER + PEEK_BYTES + LOOK_AHEAD + LOOK_BEHIND));

/// Whether a file can hold anything of interest, from its first bytes (8 or more, where the file has them), its size
/// and the last component of its path. Loses nothing of what [`scan`] finds.
#[must_use]
pub fn prefilter(first: &[u8], size: u64, name: &str) -> bool {
    if size == 0 {
        return driver::is_driver_name(name);
    }
    let magic = [b"\x7fELF", archive::MAGIC, &fatbin::MAGIC[..]].iter().any(|magic| first.starts_with(magic));
    size >= MIN_BYTES && (magic || name.ends_with(".ptx"))
}

/// Reads one file; see [`Scanner::scan`].
#[must_use]
pub fn scan(reader: impl Read, declared_len: u64, name: &str, limits: &Limits) -> ScannedFile {
    Scanner::new(limits).scan(reader, declared_len, name)
}

/// Reads files, one after the other or in several threads.
#[derive(Debug)]
pub struct Scanner<'l> {
    limits: &'l Limits,
    searchers: Searchers,
    container: Finder<'static>,
    elf: Finder<'static>,
}

impl<'l> Scanner<'l> {
    /// A scanner that looks for the usual names of libraries opened at run time.
    #[must_use]
    pub fn new(limits: &'l Limits) -> Self {
        Self::with_names(limits, search::NAMES)
    }

    /// A scanner that looks for names beginning with any of `names` (each of 1 to 95 bytes), for [`ScannedFile::dlopen`].
    #[must_use]
    pub fn with_names<'a>(limits: &'l Limits, names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            limits,
            searchers: Searchers::new(names),
            container: Finder::new(&fatbin::MAGIC).into_owned(),
            elf: Finder::new(b"\x7fELF"),
        }
    }

    /// Reads one file from `reader`, front to back, to its end or to the limit.
    ///
    /// `declared_len` is the size that the file is said to have (a tar header's); it is compared with what comes, and
    /// nothing is allocated by it. `name` is the last component of the file's path; it gives hints and never decides
    /// against content. At most [`Limits::elf_kept_bytes`] and a window of half a MiB are held.
    ///
    /// Never fails: what could not be read is in [`ScannedFile::problems`].
    #[must_use]
    pub fn scan(&self, reader: impl Read, declared_len: u64, name: &str) -> ScannedFile {
        let mut pass = Pass::new(self, declared_len);
        pass.run(reader.take(self.limits.elf_file_bytes));
        pass.finish(name)
    }
}

/// What follows the structure of the file while it passes.
enum Structure {
    Elf(Box<Keeper>),
    Archive(Box<Members>),
    Flat,
}

/// One pass over one file.
struct Pass<'s> {
    scanner: &'s Scanner<'s>,
    declared: u64,
    kind: FileKind,
    structure: Structure,
    window: Vec<u8>,
    /// Offset in the file of the first byte of the window.
    base: u64,
    /// Index in the window of the first byte that was not searched.
    at: usize,
    /// Bytes still to pass over: the payload of an entry.
    skip: u64,
    /// The container being read: where it began, and its bytes still to come.
    container: Option<(u64, u64)>,
    /// Bytes that came.
    read: u64,
    found: Found,
    code: Collector,
    problems: Vec<Problem>,
}

impl<'s> Pass<'s> {
    fn new(scanner: &'s Scanner<'s>, declared: u64) -> Self {
        Self {
            scanner,
            declared,
            kind: FileKind::Empty,
            structure: Structure::Flat,
            window: Vec::with_capacity(
                WINDOW.min(usize::try_from(declared).unwrap_or(WINDOW)).saturating_add(1),
            ),
            base: 0,
            at: 0,
            skip: 0,
            container: None,
            read: 0,
            found: Found::default(),
            code: Collector::new(scanner.limits.fatbin_entries),
            problems: Vec::new(),
        }
    }

    fn run(&mut self, mut reader: impl Read) {
        let mut ended = false;
        while !ended {
            let before = self.window.len();
            ended = self.fill(&mut reader);
            if self.read > 0 && self.kind == FileKind::Empty {
                self.recognise();
            }
            let fresh = self.window.get(before..).unwrap_or_default();
            match &mut self.structure {
                Structure::Elf(keeper) => keeper.feed(fresh),
                Structure::Archive(members) => members.feed(fresh),
                Structure::Flat => {}
            }
            if matches!(self.kind, FileKind::Other | FileKind::Ptx) {
                // The rest is not read: nothing more would be found.
                if ended {
                    self.check_length();
                }
                return;
            }
            self.search(ended);
            self.slide();
        }
        self.check_length();
    }

    /// Reports a file that is shorter than announced, or longer than the limit.
    fn check_length(&mut self) {
        let limit = self.scanner.limits.elf_file_bytes;
        if self.read >= limit && self.declared > limit {
            self.problems.push(Problem::Limit { limit: "elf_file_bytes".to_owned(), value: limit });
        } else if self.read < self.declared && self.problems.is_empty() {
            self.problems.push(Problem::Truncated { read: self.read, declared: self.declared });
        }
    }

    /// Fills the window; true when the file has ended. What is found does not depend on how the bytes arrive.
    fn fill(&mut self, reader: &mut impl Read) -> bool {
        let room = WINDOW.saturating_sub(self.window.len()) as u64;
        let before = self.window.len();
        // Retries interruptions itself, and keeps what came before an error.
        let result = reader.by_ref().take(room).read_to_end(&mut self.window);
        let came = self.window.len().saturating_sub(before) as u64;
        self.read = self.read.saturating_add(came);
        match result {
            Ok(_) => came < room,
            Err(error) => {
                let message = match error.kind() {
                    ErrorKind::UnexpectedEof => "the stream ended early".to_owned(),
                    _ => error.to_string(),
                };
                self.problems.push(Problem::ReadFailed { read: self.read, message });
                true
            }
        }
    }

    fn recognise(&mut self) {
        let first = self.window.as_slice();
        let budget = self.scanner.limits.elf_kept_bytes;
        self.kind = if first.starts_with(b"\x7fELF") {
            self.structure = Structure::Elf(Box::new(Keeper::new(budget)));
            FileKind::Elf
        } else if first.starts_with(archive::MAGIC) {
            self.structure = Structure::Archive(Box::new(Members::new(budget)));
            FileKind::Archive
        } else if first.starts_with(&fatbin::MAGIC) {
            FileKind::Fatbin
        } else if let Some((isa, target)) = ptx::header(first) {
            self.code.add_ptx_file(isa, target);
            FileKind::Ptx
        } else {
            FileKind::Other
        };
    }

    /// Forgets what was searched, save for the bytes that a match may look back at.
    fn slide(&mut self) {
        let drop = self.at.saturating_sub(LOOK_BEHIND).min(self.window.len());
        self.window.drain(..drop);
        self.base = self.base.saturating_add(drop as u64);
        self.at = self.at.saturating_sub(drop);
    }

    fn offset(&self, at: usize) -> u64 {
        self.base.saturating_add(at as u64)
    }

    fn machine(&self) -> Option<Machine> {
        match &self.structure {
            Structure::Elf(keeper) => keeper.header().map(|header| header.machine),
            Structure::Archive(_) | Structure::Flat => None,
        }
    }

    /// Searches as much of the window as can be judged without the bytes to come.
    fn search(&mut self, ended: bool) {
        loop {
            let before = (self.at, self.skip, self.container);
            if self.skip > 0 {
                let now = (self.window.len().saturating_sub(self.at) as u64).min(self.skip);
                self.skip = self.skip.saturating_sub(now);
                self.at = self.at.saturating_add(usize::try_from(now).unwrap_or(0));
            } else if let Some((start, left)) = self.container {
                self.entry(start, left, ended);
            } else {
                self.free(ended);
            }
            if before == (self.at, self.skip, self.container) {
                break;
            }
        }
        if ended && (self.skip > 0 || self.container.is_some()) {
            self.code.broken();
        }
    }

    /// Searches outside of containers, up to the next one.
    fn free(&mut self, ended: bool) {
        let len = self.window.len();
        let end = if ended { len } else { len.saturating_sub(LOOK_AHEAD) };
        if self.at >= end {
            return;
        }
        let start = self.at;
        let container = self.next_container(start, end);
        let stop = container.map_or(end, |(at, _)| at);
        self.raw_cubins(start, stop);
        let machine = self.machine();
        self.found.search(&self.scanner.searchers, machine, (self.base, &self.window), start, stop);
        self.at = stop;
        if let Some((at, size)) = container {
            self.container = Some((self.offset(at), size));
            self.at = at.saturating_add(CONTAINER_BYTES);
            self.code.container();
        }
    }

    /// The first container that begins in `start..end` of the window, and the bytes of its entries. It counts when its
    /// first entry is one, for the magic alone occurs by chance.
    fn next_container(&self, start: usize, end: usize) -> Option<(usize, u64)> {
        let area =
            self.window.get(start..end.saturating_add(fatbin::MAGIC.len() - 1).min(self.window.len()))?;
        self.scanner.container.find_iter(area).find_map(|hit| {
            let at = start.saturating_add(hit);
            let bytes = self.window.get(at..)?;
            let size = fatbin::container(bytes)?;
            let first = EntryHeader::parse(bytes.get(CONTAINER_BYTES..)?)?;
            (first.total_bytes()? <= size).then_some((at, size))
        })
    }

    /// Cubins that stand in the file as they are.
    fn raw_cubins(&mut self, start: usize, end: usize) {
        let area = self.window.get(start..end.saturating_add(3).min(self.window.len())).unwrap_or_default();
        for hit in self.scanner.elf.find_iter(area) {
            let at = start.saturating_add(hit);
            let bytes = self.window.get(at..).unwrap_or_default();
            // The note with the release lies beyond what can be looked ahead; the header is enough here.
            if let Some(cubin) = fatbin::cubin(bytes.get(..ENTRY_BYTES).unwrap_or(bytes)) {
                self.code.add_cubin(self.base.saturating_add(at as u64), cubin);
            }
        }
    }

    /// Reads the next entry of the container, of which `left` bytes are to come.
    fn entry(&mut self, start: u64, left: u64, ended: bool) {
        if left < ENTRY_BYTES as u64 {
            self.container = None;
            self.skip = left;
            return;
        }
        let bytes = self.window.get(self.at..).unwrap_or_default();
        if bytes.len() < ENTRY_BYTES {
            if ended {
                self.code.broken();
                self.container = None;
            }
            return;
        }
        let entry = EntryHeader::parse(bytes)
            .and_then(|entry| Some((entry, entry.total_bytes().filter(|total| *total <= left)?)));
        let Some((entry, total)) = entry else {
            // Not an entry: what follows is searched like the rest of the file.
            self.code.broken();
            self.container = None;
            return;
        };
        let peek = usize::try_from(entry.payload_bytes).unwrap_or(PEEK_BYTES).min(PEEK_BYTES);
        if bytes.len() < entry.header_bytes.saturating_add(peek) && !ended {
            return;
        }
        let Some(header) = bytes.get(..entry.header_bytes) else {
            self.code.broken();
            self.container = None;
            return;
        };
        let payload = bytes.get(entry.header_bytes..).unwrap_or_default();
        let payload = payload.get(..peek).unwrap_or(payload);
        let cubin = fatbin::payload_cubin(&entry, payload);
        for code in fatbin::codes(&entry, header) {
            self.code.add(start, code);
        }
        self.code.toolkit(cubin.and_then(|cubin| cubin.toolkit));
        self.at = self.at.saturating_add(entry.header_bytes);
        self.skip = entry.payload_bytes;
        self.container = Some((start, left.saturating_sub(total)));
    }

    fn finish(mut self, name: &str) -> ScannedFile {
        let mut file = ScannedFile {
            kind: self.kind,
            size: self.read,
            elf: None,
            cudart: None,
            driver: None,
            device_code: DeviceCode::default(),
            stub: false,
            dlopen: Vec::new(),
            problems: Vec::new(),
            peak_kept_bytes: 0,
        };
        let places = match self.structure {
            Structure::Flat => {
                if self.kind == FileKind::Empty {
                    file.driver = driver::empty(name);
                }
                Places::File
            }
            Structure::Archive(mut members) => {
                members.finish();
                if let Some(offset) = members.broken {
                    self.problems.push(Problem::BrokenArchive { offset });
                }
                file.cudart = cudart::evidence(None, &self.found, name);
                file.peak_kept_bytes = members.peak;
                Places::archive(members.sections, members.unknown)
            }
            Structure::Elf(mut keeper) => {
                keeper.add_name_tables(&self.found.name_tables);
                file.peak_kept_bytes = keeper.peak();
                if let Some(facts) = parse::facts(&keeper) {
                    judge(&mut file, &facts, &self.found, &keeper, name, self.read);
                    problems(&facts, &keeper, self.scanner.limits, &mut self.problems);
                    file.elf = Some(facts);
                } else {
                    self.problems.push(Problem::Unreadable { part: super::Part::Header });
                }
                Places::elf(&keeper)
            }
        };
        let explained = file.elf.as_ref().map(explained_names).unwrap_or_default();
        file.dlopen =
            self.found.names.into_iter().filter(|name| !explained.contains(&name.as_str())).collect();
        file.device_code = self.code.finish(&places);
        if file.device_code.limit_reached {
            let value = self.scanner.limits.fatbin_entries;
            self.problems.push(Problem::Limit { limit: "fatbin_entries".to_owned(), value });
        }
        if file.device_code.broken_containers > 0 {
            self.problems.push(Problem::BrokenFatbin { count: file.device_code.broken_containers });
        }
        file.problems = self.problems;
        file
    }
}

/// Decides what the file is: a driver library, a stub, a CUDA runtime or a file with one inside.
fn judge(file: &mut ScannedFile, facts: &ElfFacts, found: &Found, keeper: &Keeper, name: &str, size: u64) {
    file.driver = driver::library(facts, found, keeper.data(), name, size);
    let nvidia = |soname: &str| STUB_PREFIXES.iter().any(|prefix| soname.starts_with(prefix));
    file.stub = facts.soname.as_deref().is_some_and(nvidia) && facts.has_stub_symbols(size);
    // libcuda has the same constant with its own meaning, so the SONAME decides first.
    if file.driver.is_none() {
        file.cudart = cudart::evidence(Some(facts), found, name);
    }
}

fn problems(facts: &ElfFacts, keeper: &Keeper, limits: &Limits, problems: &mut Vec<Problem>) {
    if facts.packed {
        problems.push(Problem::Packed);
    }
    let unreadable = facts.parts.unreadable();
    if !unreadable.is_empty() && keeper.over_budget() {
        problems.push(Problem::Limit { limit: "elf_kept_bytes".to_owned(), value: limits.elf_kept_bytes });
    }
    problems.extend(unreadable.into_iter().map(|part| Problem::Unreadable { part }));
}

/// Names that stand in the file because it is linked with them, or is them.
fn explained_names(facts: &ElfFacts) -> Vec<&str> {
    let versions = facts.version_needs.iter().flat_map(|need| &need.versions);
    let files = facts.version_needs.iter().map(|need| &need.file);
    let definitions = facts.version_definitions.iter().map(|definition| &definition.name);
    facts
        .needed
        .iter()
        .chain(&facts.soname)
        .chain(versions)
        .chain(files)
        .chain(definitions)
        .map(String::as_str)
        .collect()
}
