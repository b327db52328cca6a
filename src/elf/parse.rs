//! ELF facts from the bytes that were kept.

use super::facts::{
    Class, ElfFacts, ObjectType, PartState, Parts, Section, Symbol, SymbolKind, VersionDefinition,
    VersionNeed,
};
use super::header::{
    DynamicTags, Header, PT_DYNAMIC, SHT_DYNAMIC, SHT_DYNSYM, SHT_NOBITS, SHT_NOTE, SectionHeader, Segment,
    file_offset,
};
use super::keep::Keeper;
use super::notes;
use super::sparse::Sparse;

/// Longest path list that is read. Bazel writes long ones.
const PATH_BYTES: usize = 256 << 10;
/// Longest file or version name that is read.
const NAME_BYTES: usize = 1 << 10;
/// Longest section name that is read.
const SECTION_NAME_BYTES: usize = 128;
/// Longest symbol name that is kept; CUDA's own are far shorter.
const SYMBOL_BYTES: usize = 256;
/// NEEDED entries that are read.
const MAX_NEEDED: usize = 4_096;
/// Version entries that are read, definitions and needs each.
const MAX_VERSIONS: usize = 16_384;
/// CUDA symbols kept, defined and undefined each.
const MAX_SYMBOLS: usize = 16_384;
/// Symbols looked at; the largest measured table has about a million.
const MAX_TABLE: u64 = 1 << 23;
/// Sections of interest kept.
const MAX_SECTIONS: usize = 4_096;
/// UPX leaves its mark within the first 4 KiB.
const UPX_WINDOW: usize = 4_096;

/// Facts of the file that `keeper` saw pass; `None` when it does not begin with an ELF header.
pub(super) fn facts(keeper: &Keeper) -> Option<ElfFacts> {
    let header = keeper.header()?;
    let data = keeper.data();
    let (segments, segments_whole) = header.segments(data);
    let (sections, sections_whole) = header.sections(data);
    let mut facts = empty(&header);
    facts.parts.segments = state(header.promises_segments(), segments_whole);

    let names = SectionNames::new(&header, keeper.names(), &sections);
    let named = names.whole;
    facts.parts.sections = state(header.promises_sections(), sections_whole && named);
    facts.sections = sections
        .iter()
        .filter_map(|section| {
            let name = names.of(section)?;
            let of_interest = section.kind == SHT_NOTE
                || name.contains("nv_fatbin")
                || name.contains("nv_relfatbin")
                || name.contains("nvFatBin")
                || name.contains("__nv_")
                || name == ".cask_resource";
            let size = if section.kind == SHT_NOBITS { 0 } else { section.size };
            of_interest.then_some(Section { name, offset: section.offset, size })
        })
        .take(MAX_SECTIONS)
        .collect();

    // In a separate debug file the program headers still describe the original, but the content is gone.
    facts.debug_file = sections.iter().any(|section| {
        section.kind == SHT_NOBITS
            && names.of(section).is_some_and(|name| matches!(name.as_str(), ".text" | ".dynamic" | ".dynsym"))
    });
    if facts.debug_file {
        return Some(facts);
    }

    let dynamic = segments
        .iter()
        .find(|segment| segment.kind == PT_DYNAMIC)
        .map(|segment| (segment.offset, segment.size))
        .or_else(|| {
            sections.iter().find(|s| s.kind == SHT_DYNAMIC).map(|section| (section.offset, section.size))
        });
    if let Some((offset, size)) = dynamic {
        let tags = DynamicTags::parse(header.numbers, data, offset, size);
        read_dynamic(&mut facts, &header, data, &segments, &sections, &tags);
    } else if !segments_whole
        || (!sections_whole && segments.is_empty() && header.object_type != ObjectType::Relocatable)
    {
        facts.parts.dynamic = PartState::Unreadable;
    }
    notes::read(&mut facts, &header, data, &segments, &sections, &names);
    facts.packed = dynamic.is_none() && !header.promises_sections() && {
        let start = data.chunk(0);
        memchr::memmem::find(start.get(..UPX_WINDOW).unwrap_or(start), b"UPX!").is_some()
    };
    Some(facts)
}

pub(super) fn state(present: bool, whole: bool) -> PartState {
    match (present, whole) {
        (false, _) => PartState::Absent,
        (true, true) => PartState::Read,
        (true, false) => PartState::Unreadable,
    }
}

fn empty(header: &Header) -> ElfFacts {
    ElfFacts {
        class: header.numbers.class,
        endian: header.numbers.endian,
        machine: header.machine,
        object_type: header.object_type,
        parts: Parts::default(),
        soname: None,
        needed: Vec::new(),
        rpath: None,
        runpath: None,
        version_definitions: Vec::new(),
        version_needs: Vec::new(),
        build_id: None,
        defined: Vec::new(),
        undefined: Vec::new(),
        defined_count: 0,
        function_count: 0,
        largest_function: 0,
        notes: Vec::new(),
        sections: Vec::new(),
        debug_file: false,
        packed: false,
    }
}

/// The section name table.
pub(super) struct SectionNames<'a> {
    data: &'a Sparse,
    offset: Option<u64>,
    size: u64,
    whole: bool,
}

impl<'a> SectionNames<'a> {
    fn new(header: &Header, data: &'a Sparse, sections: &[SectionHeader]) -> Self {
        let table = header.name_section(sections);
        let (offset, size) = table.map_or((None, 0), |section| (Some(section.offset), section.size));
        let whole = offset
            .zip(usize::try_from(size).ok())
            .is_some_and(|(offset, size)| data.get(offset, size).is_some());
        Self { data, offset, size, whole }
    }

    pub fn of(&self, section: &SectionHeader) -> Option<String> {
        let name = u64::from(section.name);
        (name < self.size)
            .then(|| self.data.text(self.offset?.checked_add(name)?, SECTION_NAME_BYTES))
            .flatten()
    }
}

/// Where an ELF file's sections lie, to tell which section a piece of device code is in: start, end, name, in file
/// order. `None` when the section table or its names could not be read.
pub(super) fn section_map(
    keeper: &Keeper,
    interesting: impl Fn(&str) -> bool,
) -> Option<Vec<(u64, u64, String)>> {
    let header = keeper.header()?;
    let (sections, whole) = header.sections(keeper.data());
    let names = SectionNames::new(&header, keeper.names(), &sections);
    if sections.is_empty() || !whole || !names.whole {
        return None;
    }
    let mut map: Vec<_> = sections
        .iter()
        .filter(|section| section.kind != SHT_NOBITS && section.size > 0)
        .filter_map(|section| {
            let name = names.of(section).filter(|name| interesting(name))?;
            Some((section.offset, section.offset.saturating_add(section.size), name))
        })
        .collect();
    map.sort_unstable();
    Some(map)
}

/// The string table of the dynamic section.
struct Strings<'a> {
    data: &'a Sparse,
    offset: Option<u64>,
    size: u64,
}

impl Strings<'_> {
    fn get(&self, at: u64, max: usize) -> Option<String> {
        (at < self.size).then(|| self.data.text(self.offset?.checked_add(at)?, max)).flatten()
    }

    /// Kept bytes of the string at `at`, not necessarily up to its end.
    fn start(&self, at: u64) -> &[u8] {
        let Some(offset) = self.offset.filter(|_| at < self.size).and_then(|offset| offset.checked_add(at))
        else {
            return &[];
        };
        self.data.chunk(offset)
    }
}

fn read_dynamic(
    facts: &mut ElfFacts,
    header: &Header,
    data: &Sparse,
    segments: &[Segment],
    sections: &[SectionHeader],
    tags: &DynamicTags,
) {
    let place = |vaddr: Option<u64>| vaddr.and_then(|vaddr| file_offset(segments, vaddr));
    let strings = Strings { data, offset: place(tags.strtab), size: tags.strsz };
    let mut whole = tags.complete;
    let mut text = |at: Option<u64>, max: usize| {
        let at = at?;
        let found = strings.get(at, max);
        whole &= found.is_some();
        found
    };
    facts.soname = text(tags.soname, NAME_BYTES);
    facts.rpath = text(tags.rpath, PATH_BYTES);
    facts.runpath = text(tags.runpath, PATH_BYTES);
    facts.needed = tags.needed.iter().take(MAX_NEEDED).filter_map(|at| text(Some(*at), NAME_BYTES)).collect();
    whole &= tags.needed.len() <= MAX_NEEDED;
    facts.parts.dynamic = state(true, whole);

    let versions = tags.verdef.is_some() || tags.verneed.is_some();
    let definitions = tags.verdef.map_or(Some(true), |_| {
        let (found, whole) = definitions(header, data, place(tags.verdef)?, tags.verdef_count, &strings);
        facts.version_definitions = found;
        Some(whole)
    });
    let needs = tags.verneed.map_or(Some(true), |_| {
        let (found, whole) = needs(header, data, place(tags.verneed)?, tags.verneed_count, &strings);
        facts.version_needs = found;
        Some(whole)
    });
    // A damaged dynamic section hides whether there are versions.
    facts.parts.versions =
        state(versions || !tags.complete, tags.complete && definitions == Some(true) && needs == Some(true));

    let whole = place(tags.symtab).map_or(Some(false), |table| {
        let count = symbol_count(header, data, segments, sections, tags)?;
        Some(read_symbols(facts, header, data, table, count, &strings))
    });
    facts.parts.symbols = state(tags.symtab.is_some() || !tags.complete, whole == Some(true));
}

/// Follows a chain of at most `count` records from `at` on; `record` reads one and tells how far the next one is, 0 for the
/// last. Whether the chain was read whole.
fn chain(mut at: u64, count: u64, mut record: impl FnMut(u64) -> Option<u32>) -> bool {
    let mut left = count.min(MAX_VERSIONS as u64);
    while left > 0 {
        left = left.saturating_sub(1);
        let Some(next) = record(at) else { return false };
        if next == 0 {
            return left == 0;
        }
        at = at.saturating_add(u64::from(next));
    }
    count <= MAX_VERSIONS as u64
}

fn definitions(
    header: &Header,
    data: &Sparse,
    at: u64,
    count: u64,
    strings: &Strings<'_>,
) -> (Vec<VersionDefinition>, bool) {
    let n = header.numbers;
    let mut out = Vec::new();
    let whole = chain(at, count, |at| {
        let raw = data.get(at, 20)?;
        let aux = data.get(at.checked_add(u64::from(n.u32(&raw, 12)?))?, 8)?;
        let name = strings.get(u64::from(n.u32(&aux, 0)?), NAME_BYTES)?;
        out.push(VersionDefinition { name, base: n.u16(&raw, 2)? & 1 != 0 });
        n.u32(&raw, 16)
    });
    (out, whole)
}

fn needs(
    header: &Header,
    data: &Sparse,
    at: u64,
    count: u64,
    strings: &Strings<'_>,
) -> (Vec<VersionNeed>, bool) {
    let n = header.numbers;
    let mut out = Vec::new();
    let mut total = 0usize;
    let whole = chain(at, count, |at| {
        let raw = data.get(at, 16)?;
        let file = strings.get(u64::from(n.u32(&raw, 4)?), NAME_BYTES)?;
        let mut versions = Vec::new();
        let mut aux_at = at.checked_add(u64::from(n.u32(&raw, 8)?))?;
        for _ in 0..n.u16(&raw, 2)? {
            total = total.saturating_add(1);
            if total > MAX_VERSIONS {
                return None;
            }
            let aux = data.get(aux_at, 16)?;
            versions.push(strings.get(u64::from(n.u32(&aux, 8)?), NAME_BYTES)?);
            let step = n.u32(&aux, 12)?;
            if step == 0 {
                break;
            }
            aux_at = aux_at.checked_add(u64::from(step))?;
        }
        out.push(VersionNeed { file, versions });
        n.u32(&raw, 12)
    });
    (out, whole)
}

/// Number of dynamic symbols: from a hash table, else from the section of type `SHT_DYNSYM`.
fn symbol_count(
    header: &Header,
    data: &Sparse,
    segments: &[Segment],
    sections: &[SectionHeader],
    tags: &DynamicTags,
) -> Option<u64> {
    let n = header.numbers;
    let place = |vaddr: Option<u64>| vaddr.and_then(|vaddr| file_offset(segments, vaddr));
    let by_hash = || n.u32(&data.get(place(tags.hash)?, 8)?, 4).map(u64::from);
    let by_section = || {
        let section = sections.iter().find(|section| section.kind == SHT_DYNSYM)?;
        section.size.checked_div(section.entry_size)
    };
    by_hash().or_else(|| gnu_hash_count(header, data, place(tags.gnu_hash)?)).or_else(by_section)
}

/// The GNU hash table does not state the number: it is one past the end of the last chain.
fn gnu_hash_count(header: &Header, data: &Sparse, at: u64) -> Option<u64> {
    let n = header.numbers;
    let raw = data.get(at, 16)?;
    let bucket_count = u64::from(n.u32(&raw, 0)?);
    let first = u64::from(n.u32(&raw, 4)?);
    let bloom = u64::from(n.u32(&raw, 8)?);
    let buckets_at = at.checked_add(16)?.checked_add(bloom.checked_mul(n.at(8, 4) as u64)?)?;
    let buckets = data.get(buckets_at, usize::try_from(bucket_count.checked_mul(4)?).ok()?)?;
    let last = buckets.chunks_exact(4).filter_map(|raw| n.u32(raw, 0)).max().map_or(0, u64::from);
    if last < first {
        return Some(first);
    }
    let chains = buckets_at.checked_add(bucket_count.checked_mul(4)?)?;
    let mut index = last;
    while index < MAX_TABLE {
        let raw = data.get(chains.checked_add(index.saturating_sub(first).checked_mul(4)?)?, 4)?;
        if n.u32(&raw, 0)? & 1 != 0 {
            return index.checked_add(1);
        }
        index = index.checked_add(1)?;
    }
    None
}

/// Reads the symbol table; true when all of it could be read.
fn read_symbols(
    facts: &mut ElfFacts,
    header: &Header,
    data: &Sparse,
    table: u64,
    count: u64,
    strings: &Strings<'_>,
) -> bool {
    let n = header.numbers;
    let entry = n.at(24, 16);
    // Entry 0 is reserved.
    for index in 1..count.min(MAX_TABLE) {
        let at = table.saturating_add(index.saturating_mul(entry as u64));
        let Some(raw) = data.get(at, entry) else { return false };
        let fields = (|| {
            let name = u64::from(n.u32(&raw, 0)?);
            let info = *raw.get(n.at(4, 12))?;
            Some((name, info, n.u16(&raw, n.at(6, 14))?, n.word(&raw, 16, 8)?))
        })();
        let Some((name_at, info, section, size)) = fields else { return false };
        let kind = match info & 0xf {
            2 | 10 => SymbolKind::Function,
            1 => SymbolKind::Object,
            _ => SymbolKind::Other,
        };
        let defined = section != 0;
        if defined {
            facts.defined_count = facts.defined_count.saturating_add(1);
            if kind == SymbolKind::Function {
                facts.function_count = facts.function_count.saturating_add(1);
                facts.largest_function = facts.largest_function.max(size);
            }
        }
        let start = strings.start(name_at);
        if start.is_empty() {
            return false;
        }
        if !is_cuda_name(start) {
            continue;
        }
        let list = if defined { &mut facts.defined } else { &mut facts.undefined };
        if list.len() < MAX_SYMBOLS
            && let Some(name) = strings.get(name_at, SYMBOL_BYTES)
        {
            list.push(Symbol { name, size, kind });
        }
    }
    count <= MAX_TABLE
}

/// Names of NVIDIA's C interfaces: `cuda*`, `__cuda*`, `cu*` and `nvml*`.
fn is_cuda_name(name: &[u8]) -> bool {
    name.starts_with(b"cu") || name.starts_with(b"__cuda") || name.starts_with(b"nvml")
}

impl ElfFacts {
    /// Whether the symbols are those of a link-time stub: the real SONAME and names over functions of a few bytes.
    ///
    /// Ten or more defined functions, none above 64 bytes, file of at most 1 MiB: 71 of 71 stubs of CUDA 11.2, 11.8
    /// and 12.4, no false hit among the measured libraries (the smallest largest function of a real driver library is
    /// 230 bytes). Only meaningful for files that carry the SONAME of an NVIDIA library.
    #[must_use]
    pub fn has_stub_symbols(&self, file_size: u64) -> bool {
        self.parts.symbols == PartState::Read
            && self.function_count >= 10
            && self.largest_function <= 64
            && file_size <= 1 << 20
    }

    /// Bytes of an address: 8 or 4.
    #[must_use]
    pub fn address_bytes(&self) -> u8 {
        match self.class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        }
    }
}
