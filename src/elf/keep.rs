//! Decides, while a file passes by, which of its bytes will be needed once it has passed.
//!
//! Linkers put the tables that the dynamic section names at the start and the dynamic section itself late; patchelf
//! moves the string table into a new segment at the end (356 of 2,093 measured files have it behind the dynamic
//! section); the section table comes last. So this keeps the head of the file (but not code), the note and dynamic
//! segments with some bytes before the latter, the tables that the dynamic section names and that are still to come,
//! and the section table with the bytes before it. Everything else is forgotten; the head too, once the dynamic section
//! has told what in it is a table.

use super::header::{
    DynamicTags, HEADER_BYTES, Header, PT_DYNAMIC, PT_LOAD, PT_NOTE, SHT_DYNSYM, SHT_NOTE, SHT_STRTAB,
    Segment, file_offset,
};
use super::sparse::Sparse;

/// The name table ends at most this far before the section table in 96 % of the measured files.
const BEFORE_SECTIONS: u64 = 64 << 10;
/// Longest part of a table whose size is not stated.
const TABLE_BYTES: u64 = 8 << 20;
/// Notes longer than this are not notes.
const NOTE_BYTES: u64 = 1 << 20;
/// Ranges remembered; each comes from a program header, a dynamic tag or a section header.
const MAX_RANGES: usize = 1_024;

/// What to do when the read position passes an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Header,
    Segments,
    Dynamic { offset: u64, size: u64 },
    FirstSection,
    Sections,
}

/// Keeps the bytes of one ELF file that its facts are read from.
#[derive(Debug)]
pub(super) struct Keeper {
    data: Sparse,
    position: u64,
    /// Most bytes to keep.
    budget: u64,
    /// The head of the file is kept up to here.
    head: u64,
    /// Code: not kept even in the head.
    code: Vec<(u64, u64)>,
    wanted: Vec<(u64, u64)>,
    /// Bytes before the dynamic section, which may hold its tables.
    window: Option<(u64, u64)>,
    steps: Vec<(u64, Step)>,
    header: Option<Header>,
    segments: Vec<Segment>,
    over_budget: bool,
    peak: u64,
    /// The section name table, when it lay outside of what was kept but was recognised.
    names: Sparse,
}

impl Keeper {
    /// A keeper that holds at most `budget` bytes.
    pub fn new(budget: u64) -> Self {
        Self {
            data: Sparse::default(),
            position: 0,
            budget,
            head: (budget / 5).saturating_mul(4),
            code: Vec::new(),
            wanted: Vec::new(),
            window: None,
            steps: vec![(HEADER_BYTES, Step::Header)],
            header: None,
            segments: Vec::new(),
            over_budget: false,
            peak: 0,
            names: Sparse::default(),
        }
    }

    /// What was kept.
    pub fn data(&self) -> &Sparse {
        &self.data
    }

    /// The ELF header, once 64 bytes were seen (or the file ended).
    pub fn header(&self) -> Option<Header> {
        self.header.or_else(|| Header::parse(self.data.chunk(0)))
    }

    /// Bytes that would have been needed were left out because the budget was spent.
    pub fn over_budget(&self) -> bool {
        self.over_budget
    }

    /// Takes pieces of the file that may be the section name table: offsets, ascending, and bytes. Only a piece that
    /// holds the table as the section table places it is used.
    pub fn add_name_tables<'a>(&mut self, candidates: impl IntoIterator<Item = &'a (u64, Vec<u8>)>) {
        let Some(header) = self.header() else { return };
        let (sections, _) = header.sections(&self.data);
        let Some(table) = header.name_section(&sections) else { return };
        let len = usize::try_from(table.size).unwrap_or(usize::MAX);
        if self.data.get(table.offset, len).is_some() {
            return;
        }
        for (start, bytes) in candidates {
            let inside = table.offset.checked_sub(*start).and_then(|at| usize::try_from(at).ok());
            let found = inside.and_then(|at| bytes.get(at..at.checked_add(len)?));
            if let Some(found) = found {
                self.names.push(table.offset, found);
                return;
            }
        }
    }

    /// What the section names are read from.
    pub fn names(&self) -> &Sparse {
        if self.names.kept() > 0 { &self.names } else { &self.data }
    }

    /// Most bytes kept at once.
    pub fn peak(&self) -> u64 {
        self.peak.max(self.data.kept())
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let stop = self.steps.iter().map(|(at, _)| *at).filter(|at| *at > self.position).min();
            let until_stop = stop.map_or(u64::MAX, |at| at.saturating_sub(self.position));
            let now = bytes.len().min(usize::try_from(until_stop).unwrap_or(usize::MAX));
            let (head, rest) = bytes.split_at(now);
            self.store(head);
            bytes = rest;
            self.take_due_steps();
        }
    }

    fn take_due_steps(&mut self) {
        while let Some(index) = self.steps.iter().position(|(at, _)| *at <= self.position) {
            let (_, step) = self.steps.swap_remove(index);
            self.take(step);
        }
    }

    /// Keeps what is wanted of `bytes` and moves on.
    fn store(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = self.position;
            let inside = |ranges: &[(u64, u64)]| ranges.iter().any(|(start, end)| *start <= at && at < *end);
            let wanted = inside(&self.wanted);
            let window = self.window.as_slice();
            let keep = wanted || inside(window) || (at < self.head && !inside(&self.code));
            let ranges = self.code.iter().chain(&self.wanted).chain(window);
            let edge = std::iter::once(self.head)
                .chain(ranges.flat_map(|(start, end)| [*start, *end]))
                .filter(|edge| *edge > at)
                .min()
                .unwrap_or(u64::MAX);
            let len = bytes.len().min(usize::try_from(edge.saturating_sub(at)).unwrap_or(usize::MAX));
            let (now, later) = bytes.split_at(len);
            if keep {
                let room = self.budget.saturating_sub(self.data.kept());
                let fits = now.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(now);
                let stored = self.data.push(at, fits);
                self.over_budget |= wanted && (fits.len() < now.len() || !stored);
            }
            self.position = at.saturating_add(now.len() as u64);
            bytes = later;
        }
    }

    fn want(&mut self, start: u64, len: u64) {
        if self.wanted.len() < MAX_RANGES {
            self.wanted.push((start, start.saturating_add(len)));
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Header => {
                self.header = Header::parse(self.data.chunk(0));
                let Some(header) = self.header else {
                    // Not ELF (the symbol index of an archive, for one): nothing in it will be read.
                    self.head = 0;
                    self.data = Sparse::default();
                    return;
                };
                if let Some((offset, size)) = header.segment_table() {
                    self.want(offset, size);
                    self.steps.push((offset.saturating_add(size), Step::Segments));
                }
                if let Some((offset, size)) = header.section_table(None) {
                    let before = offset.saturating_sub(BEFORE_SECTIONS.min(self.budget / 20));
                    self.want(before, size.saturating_add(offset.saturating_sub(before)));
                    let one = header.numbers.at(64, 40) as u64;
                    self.steps.push((offset.saturating_add(one), Step::FirstSection));
                }
            }
            Step::Segments => self.take_segments(),
            Step::Dynamic { offset, size } => self.take_dynamic(offset, size),
            Step::FirstSection => {
                let Some(header) = self.header else { return };
                let first = header.first_section(&self.data);
                if let Some((offset, size)) = header.section_table(first.as_ref()) {
                    self.want(offset, size);
                    self.steps.push((offset.saturating_add(size), Step::Sections));
                }
            }
            Step::Sections => self.take_sections(),
        }
    }

    fn take_segments(&mut self) {
        let Some(header) = self.header else { return };
        self.segments = header.segments(&self.data).0;
        let segments = std::mem::take(&mut self.segments);
        let mut dynamic = false;
        for segment in &segments {
            let end = segment.offset.saturating_add(segment.size);
            match segment.kind {
                // The first segment of older linkers is executable and holds the tables too.
                PT_LOAD if segment.executable && segment.offset > 0 && self.code.len() < MAX_RANGES => {
                    let start = segment
                        .offset
                        .max(header.segment_table().map_or(0, |(at, size)| at.saturating_add(size)));
                    self.code.push((start, end));
                }
                PT_NOTE => self.want(segment.offset, segment.size.min(NOTE_BYTES)),
                // The loader uses one; a file with more is broken.
                PT_DYNAMIC if !dynamic => {
                    dynamic = true;
                    let load = segments
                        .iter()
                        .find(|load| {
                            load.kind == PT_LOAD
                                && load.offset <= segment.offset
                                && segment.offset < load.offset.saturating_add(load.size)
                        })
                        .map_or(segment.offset, |load| load.offset);
                    let before = load.max(segment.offset.saturating_sub(self.budget / 20 * 3));
                    self.window = Some((before, segment.offset));
                    self.want(segment.offset, segment.size);
                    self.steps.push((end, Step::Dynamic { offset: segment.offset, size: segment.size }));
                }
                _ => {}
            }
        }
        self.segments = segments;
    }

    fn take_dynamic(&mut self, offset: u64, size: u64) {
        let Some(header) = self.header else { return };
        let tags = DynamicTags::parse(header.numbers, &self.data, offset, size);
        let place = |vaddr: Option<u64>| vaddr.and_then(|vaddr| file_offset(&self.segments, vaddr));
        let mut tables: Vec<u64> =
            tags.tables().filter_map(|vaddr| file_offset(&self.segments, vaddr)).collect();
        tables.sort_unstable();
        let strings = place(tags.strtab);
        for (index, start) in tables.iter().enumerate() {
            // Only the string table states its size; the others end where the next begins. What has passed costs
            // nothing more; of what is to come, so much must do.
            let most = self.position.saturating_sub(*start).max(TABLE_BYTES);
            let next =
                tables.get(index.saturating_add(1)).map_or(TABLE_BYTES, |next| next.saturating_sub(*start));
            let len = if Some(*start) == strings { tags.strsz } else { next.min(most) };
            self.want(*start, len);
            // A string table that reaches beyond the head has passed unkept (TensorFlow's has 83 MB).
            let last = start.saturating_add(len).saturating_sub(1);
            self.over_budget |= last < self.position && self.data.chunk(last).is_empty();
        }
        // Files of ordinary size stay whole.
        if self.data.kept() > self.budget / 2 {
            self.peak = self.data.kept();
            self.head = 0;
            self.data = self.data.only(self.wanted.iter().copied().chain([(0, HEADER_BYTES)]).collect());
        }
    }

    fn take_sections(&mut self) {
        let Some(header) = self.header else { return };
        let (sections, _) = header.sections(&self.data);
        let names = header.name_section(&sections).map(|section| (section.offset, section.size));
        let mut ranges: Vec<(u64, u64)> = names.into_iter().collect();
        for section in &sections {
            let table = match section.kind {
                SHT_DYNSYM => true,
                SHT_NOTE => section.size <= NOTE_BYTES,
                _ => false,
            };
            if table {
                ranges.push((section.offset, section.size));
            }
            if section.kind == SHT_DYNSYM
                && let Some(strings) = usize::try_from(section.link).ok().and_then(|link| sections.get(link))
                && strings.kind == SHT_STRTAB
            {
                ranges.push((strings.offset, strings.size));
            }
        }
        for (start, len) in ranges {
            self.want(start, len);
        }
    }
}
