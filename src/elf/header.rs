//! Fixed layouts of an ELF file: header, program headers, section headers, dynamic tags.

use super::facts::{Class, Endian, Machine, ObjectType};
use super::sparse::Sparse;

/// Program headers that are read; files in the wild have up to about 20.
const MAX_SEGMENTS: u64 = 4_096;
/// Section headers that are read; an object built with one section per function may have many thousand.
const MAX_SECTIONS: u64 = 1 << 18;
/// Dynamic tags that are read.
const MAX_TAGS: u64 = 1 << 16;

/// Bytes of a 64-bit ELF header; a 32-bit one is shorter.
pub(super) const HEADER_BYTES: u64 = 64;

/// Numbers in a byte slice, in the file's byte order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub class: Class,
    pub endian: Endian,
}

impl Numbers {
    pub fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self.endian {
            Endian::Little => u16::from_le_bytes(raw),
            Endian::Big => u16::from_be_bytes(raw),
        })
    }

    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self.endian {
            Endian::Little => u32::from_le_bytes(raw),
            Endian::Big => u32::from_be_bytes(raw),
        })
    }

    pub fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw: [u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(match self.endian {
            Endian::Little => u64::from_le_bytes(raw),
            Endian::Big => u64::from_be_bytes(raw),
        })
    }

    /// An address-sized number: 8 bytes at `at64` of the 64-bit layout, 4 at `at32` of the 32-bit one.
    pub fn word(self, bytes: &[u8], at64: usize, at32: usize) -> Option<u64> {
        match self.class {
            Class::Elf64 => self.u64(bytes, at64),
            Class::Elf32 => self.u32(bytes, at32).map(u64::from),
        }
    }

    /// A number that is 2 or 4 bytes wide in both layouts, at a place of its own in each.
    pub fn at(self, at64: usize, at32: usize) -> usize {
        match self.class {
            Class::Elf64 => at64,
            Class::Elf32 => at32,
        }
    }
}

/// The ELF header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub numbers: Numbers,
    pub object_type: ObjectType,
    pub machine: Machine,
    phoff: u64,
    phentsize: u64,
    phnum: u64,
    shoff: u64,
    shentsize: u64,
    shnum: u64,
    shstrndx: u64,
}

impl Header {
    /// Reads the header from the first bytes of a file (64, or 52 of a 32-bit one).
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let class = match (bytes.get(..4)?, bytes.get(4)?) {
            (b"\x7fELF", 1) => Class::Elf32,
            (b"\x7fELF", 2) => Class::Elf64,
            _ => return None,
        };
        let endian = match bytes.get(5)? {
            1 => Endian::Little,
            2 => Endian::Big,
            _ => return None,
        };
        let n = Numbers { class, endian };
        let half = |at64, at32| n.u16(bytes, n.at(at64, at32)).map(u64::from);
        Some(Self {
            numbers: n,
            object_type: match n.u16(bytes, 16)? {
                1 => ObjectType::Relocatable,
                2 => ObjectType::Executable,
                3 => ObjectType::Shared,
                other => ObjectType::Other(other),
            },
            machine: Machine::from_e_machine(n.u16(bytes, 18)?),
            phoff: n.word(bytes, 32, 28)?,
            shoff: n.word(bytes, 40, 32)?,
            phentsize: half(54, 42)?,
            phnum: half(56, 44)?,
            shentsize: half(58, 46)?,
            shnum: half(60, 48)?,
            shstrndx: half(62, 50)?,
        })
    }

    fn segment_bytes(&self) -> u64 {
        self.numbers.at(56, 32) as u64
    }

    fn section_bytes(&self) -> u64 {
        self.numbers.at(64, 40) as u64
    }

    /// Offset and size of the program header table as the header states it; `None` without one.
    pub fn segment_table(&self) -> Option<(u64, u64)> {
        (self.phoff != 0 && self.phnum != 0 && self.phentsize >= self.segment_bytes())
            .then(|| (self.phoff, self.phentsize.saturating_mul(self.phnum.min(MAX_SEGMENTS))))
    }

    /// Offset and size of the section header table; `None` without one. With more than 65,279 sections the number
    /// stands in the first section header (`first`), which must be read before.
    pub fn section_table(&self, first: Option<&SectionHeader>) -> Option<(u64, u64)> {
        if self.shoff == 0 || self.shentsize < self.section_bytes() {
            return None;
        }
        let count = if self.shnum != 0 { self.shnum } else { first.map_or(1, |section| section.size) };
        (count != 0).then(|| (self.shoff, self.shentsize.saturating_mul(count.min(MAX_SECTIONS))))
    }

    /// Whether the header promises program headers (`e_phnum` is not 0).
    pub fn promises_segments(&self) -> bool {
        self.phnum != 0
    }

    /// Whether the header promises sections.
    pub fn promises_sections(&self) -> bool {
        self.shoff != 0
    }

    /// The program headers, and whether all of them could be read.
    pub fn segments(&self, data: &Sparse) -> (Vec<Segment>, bool) {
        let Some((offset, _)) = self.segment_table() else { return (Vec::new(), !self.promises_segments()) };
        let n = self.numbers;
        let mut out = Vec::new();
        // 0xffff (PN_XNUM) would mean that the number stands in a section header: nobody ships such a file.
        for index in 0..self.phnum.min(MAX_SEGMENTS) {
            let at = offset.saturating_add(index.saturating_mul(self.phentsize));
            let Some(raw) = data.get(at, n.at(56, 32)) else { return (out, false) };
            let segment = (|| {
                Some(Segment {
                    kind: n.u32(&raw, 0)?,
                    executable: n.u32(&raw, n.at(4, 24))? & 1 != 0,
                    offset: n.word(&raw, 8, 4)?,
                    vaddr: n.word(&raw, 16, 8)?,
                    size: n.word(&raw, 32, 16)?,
                    align: n.word(&raw, 48, 28)?,
                })
            })();
            out.extend(segment);
        }
        (out, self.phnum <= MAX_SEGMENTS)
    }

    /// The section header at `index`.
    fn section(&self, data: &Sparse, index: u64) -> Option<SectionHeader> {
        let n = self.numbers;
        let at = self.shoff.checked_add(index.checked_mul(self.shentsize)?)?;
        let raw = data.get(at, n.at(64, 40))?;
        Some(SectionHeader {
            name: n.u32(&raw, 0)?,
            kind: n.u32(&raw, 4)?,
            offset: n.word(&raw, 24, 16)?,
            size: n.word(&raw, 32, 20)?,
            link: n.u32(&raw, n.at(40, 24))?,
            align: n.word(&raw, 48, 32)?,
            entry_size: n.word(&raw, 56, 36)?,
        })
    }

    /// The first section header, which holds numbers too large for the ELF header.
    pub fn first_section(&self, data: &Sparse) -> Option<SectionHeader> {
        self.section_table(None).and_then(|_| self.section(data, 0))
    }

    /// The section headers, and whether all of them could be read.
    pub fn sections(&self, data: &Sparse) -> (Vec<SectionHeader>, bool) {
        if !self.promises_sections() {
            return (Vec::new(), true);
        }
        let first = self.first_section(data);
        let Some((_, size)) = self.section_table(first.as_ref()) else { return (Vec::new(), false) };
        let count = size.checked_div(self.shentsize).unwrap_or(0);
        let mut out = Vec::new();
        for index in 0..count {
            let Some(section) = self.section(data, index) else { return (out, false) };
            out.push(section);
        }
        (out, count < MAX_SECTIONS)
    }

    /// The section that holds the section names.
    pub fn name_section<'a>(&self, sections: &'a [SectionHeader]) -> Option<&'a SectionHeader> {
        // SHN_XINDEX: the number is in the first section header.
        let index = if self.shstrndx == 0xffff { u64::from(sections.first()?.link) } else { self.shstrndx };
        sections.get(usize::try_from(index).ok()?).filter(|section| section.kind == SHT_STRTAB && index != 0)
    }
}

/// `PT_LOAD`, `PT_DYNAMIC`, `PT_NOTE`.
pub(super) const PT_LOAD: u32 = 1;
pub(super) const PT_DYNAMIC: u32 = 2;
pub(super) const PT_NOTE: u32 = 4;

/// A program header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub kind: u32,
    pub executable: bool,
    pub offset: u64,
    pub vaddr: u64,
    /// Bytes in the file.
    pub size: u64,
    pub align: u64,
}

pub(super) const SHT_STRTAB: u32 = 3;
pub(super) const SHT_DYNAMIC: u32 = 6;
pub(super) const SHT_NOTE: u32 = 7;
pub(super) const SHT_NOBITS: u32 = 8;
pub(super) const SHT_DYNSYM: u32 = 11;

/// A section header.
#[derive(Debug, Clone, Copy)]
pub(super) struct SectionHeader {
    /// Offset in the name table.
    pub name: u32,
    pub kind: u32,
    pub offset: u64,
    pub size: u64,
    pub link: u32,
    pub align: u64,
    pub entry_size: u64,
}

/// Offset in the file of a virtual address.
pub(super) fn file_offset(segments: &[Segment], vaddr: u64) -> Option<u64> {
    segments.iter().filter(|segment| segment.kind == PT_LOAD).find_map(|segment| {
        let inside = vaddr.checked_sub(segment.vaddr)?;
        (inside < segment.size).then(|| segment.offset.checked_add(inside)).flatten()
    })
}

/// The tags of a dynamic section that are of use here. Table positions are virtual addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct DynamicTags {
    pub needed: Vec<u64>,
    pub soname: Option<u64>,
    pub rpath: Option<u64>,
    pub runpath: Option<u64>,
    pub strtab: Option<u64>,
    pub strsz: u64,
    pub symtab: Option<u64>,
    pub hash: Option<u64>,
    pub gnu_hash: Option<u64>,
    pub versym: Option<u64>,
    pub verdef: Option<u64>,
    pub verdef_count: u64,
    pub verneed: Option<u64>,
    pub verneed_count: u64,
    /// The section was read up to its DT_NULL (or whole).
    pub complete: bool,
}

impl DynamicTags {
    /// Reads the dynamic section of `size` bytes at `offset`.
    pub fn parse(n: Numbers, data: &Sparse, offset: u64, size: u64) -> Self {
        let entry = n.at(16, 8);
        let count = size.checked_div(entry as u64).unwrap_or(0).min(MAX_TAGS);
        let mut tags = Self::default();
        for index in 0..count {
            let at = offset.saturating_add(index.saturating_mul(entry as u64));
            let Some(raw) = data.get(at, entry) else { return tags };
            let (Some(tag), Some(value)) = (n.word(&raw, 0, 0), n.word(&raw, 8, 4)) else { return tags };
            match tag {
                0 => break,
                1 => tags.needed.push(value),
                4 => tags.hash = Some(value),
                5 => tags.strtab = Some(value),
                6 => tags.symtab = Some(value),
                10 => tags.strsz = value,
                14 => tags.soname = Some(value),
                15 => tags.rpath = Some(value),
                29 => tags.runpath = Some(value),
                0x6fff_fef5 => tags.gnu_hash = Some(value),
                0x6fff_fff0 => tags.versym = Some(value),
                0x6fff_fffc => tags.verdef = Some(value),
                0x6fff_fffd => tags.verdef_count = value,
                0x6fff_fffe => tags.verneed = Some(value),
                0x6fff_ffff => tags.verneed_count = value,
                _ => {}
            }
        }
        tags.complete = count > 0;
        tags
    }

    /// Virtual addresses of all tables.
    pub fn tables(&self) -> impl Iterator<Item = u64> {
        [self.strtab, self.symtab, self.hash, self.gnu_hash, self.versym, self.verdef, self.verneed]
            .into_iter()
            .flatten()
    }
}
