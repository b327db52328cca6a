//! Lays ELF files out.

use super::Elf;

/// Lays an [`Elf`] out: virtual addresses equal file offsets.
pub(super) struct Writer<'e> {
    elf: &'e Elf,
    out: Vec<u8>,
    strings: Vec<u8>,
    /// Name, type, offset, size, link, alignment, entry size.
    table: Vec<(String, u32, usize, usize, u32, u64, u64)>,
    tags: Vec<(u64, u64)>,
}

impl<'e> Writer<'e> {
    pub fn new(elf: &'e Elf) -> Self {
        Self { elf, out: Vec::new(), strings: vec![0], table: Vec::new(), tags: Vec::new() }
    }

    fn u16(&self, out: &mut Vec<u8>, value: u16) {
        out.extend_from_slice(&if self.elf.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u32(&self, out: &mut Vec<u8>, value: u32) {
        out.extend_from_slice(&if self.elf.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn word(&self, out: &mut Vec<u8>, value: u64) {
        if self.elf.wide {
            out.extend_from_slice(&if self.elf.big { value.to_be_bytes() } else { value.to_le_bytes() });
        } else {
            self.u32(out, value as u32);
        }
    }

    fn string(&mut self, text: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    fn put(&mut self, name: &str, kind: u32, data: &[u8], link: u32, entry: u64) -> (usize, usize) {
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        let at = self.out.len();
        self.out.extend_from_slice(data);
        self.table.push((name.to_owned(), kind, at, data.len(), link, if kind == 7 { 4 } else { 8 }, entry));
        (at, data.len())
    }

    fn symbols(&mut self) -> Vec<u8> {
        let elf = self.elf;
        let entry = if elf.wide { 24 } else { 16 };
        let mut out = vec![0; entry];
        let defined = elf.functions.iter().map(|(name, size)| (name, *size, 0x12u8, 1u16));
        let undefined = elf.undefined.iter().map(|name| (name, 0, 0x10, 0));
        for (name, size, info, section) in defined.chain(undefined) {
            let name = self.string(name);
            self.u32(&mut out, name);
            if elf.wide {
                out.extend_from_slice(&[info, 0]);
                self.u16(&mut out, section);
                self.word(&mut out, 0);
                self.word(&mut out, size);
            } else {
                self.word(&mut out, 0);
                self.word(&mut out, size);
                out.extend_from_slice(&[info, 0]);
                self.u16(&mut out, section);
            }
        }
        out
    }

    /// Old-style hash table with one empty bucket: enough to state the number of symbols.
    fn hash(&self) -> Vec<u8> {
        let count = 1 + self.elf.functions.len() + self.elf.undefined.len();
        let mut out = Vec::new();
        self.u32(&mut out, 1);
        self.u32(&mut out, count as u32);
        for _ in 0..=count {
            self.u32(&mut out, 0);
        }
        out
    }

    fn definitions(&mut self) -> Vec<u8> {
        let names: Vec<(String, u16)> =
            self.elf.defines.iter().flat_map(|name| [(name.clone(), 1), (name.clone(), 0)]).collect();
        let mut out = Vec::new();
        for (index, (name, flags)) in names.iter().enumerate() {
            let name = self.string(name);
            for value in [1, *flags, index as u16 + 1, 1] {
                self.u16(&mut out, value);
            }
            let next = if index + 1 == names.len() { 0 } else { 28 };
            for value in [0, 20, next, name, 0] {
                self.u32(&mut out, value);
            }
        }
        out
    }

    fn version_needs(&mut self) -> Vec<u8> {
        let needs = self.elf.needs.clone();
        let mut out = Vec::new();
        for (index, (file, versions)) in needs.iter().enumerate() {
            let file = self.string(file);
            let size = 16 + 16 * versions.len() as u32;
            self.u16(&mut out, 1);
            self.u16(&mut out, versions.len() as u16);
            for value in [file, 16, if index + 1 == needs.len() { 0 } else { size }] {
                self.u32(&mut out, value);
            }
            for (index, version) in versions.iter().enumerate() {
                let name = self.string(version);
                self.u32(&mut out, 0);
                self.u16(&mut out, 0);
                self.u16(&mut out, 2);
                self.u32(&mut out, name);
                self.u32(&mut out, if index + 1 == versions.len() { 0 } else { 16 });
            }
        }
        out
    }

    fn note(&self, owner: &str, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for value in [owner.len() as u32 + 1, data.len() as u32, kind] {
            self.u32(&mut out, value);
        }
        out.extend_from_slice(owner.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    /// Symbol, hash, version and string tables.
    fn tables(&mut self, tables: &[(&str, u32, u64, u64, Vec<u8>)]) {
        for (name, kind, tag, entry, data) in tables {
            if !data.is_empty() {
                // The string table is section 1 wherever it lies.
                let (at, _) = self.put(name, *kind, data, 1, *entry);
                self.tags.push((*tag, at as u64));
            }
        }
    }

    fn dynamic_bytes(&self, tags: &[(u64, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, value) in tags.iter().chain(&[(0, 0)]) {
            self.word(&mut out, *tag);
            self.word(&mut out, *value);
        }
        out
    }

    pub fn write(mut self) -> Vec<u8> {
        let elf = self.elf;
        let (header, segment) = if elf.wide { (64, 56) } else { (52, 32) };
        let segments = if elf.object_type == 1 { 0 } else { 3 };
        self.out = vec![0; header + segment * segments];
        self.table.push((String::new(), 0, 0, 0, 0, 0, 0));

        let symbol_bytes = if elf.wide { 24 } else { 16 };
        let mut tables = Vec::new();
        if elf.dynamic {
            let symbols = self.symbols();
            let (definitions, needs) = (self.definitions(), self.version_needs());
            let mut strings_of = |list: &[(u64, Option<&String>)]| {
                for (tag, text) in list {
                    if let Some(text) = text {
                        let at = self.string(text);
                        self.tags.push((*tag, u64::from(at)));
                    }
                }
            };
            let needed: Vec<_> = elf.needed.iter().map(|name| (1, Some(name))).collect();
            strings_of(&needed);
            strings_of(&[(14, elf.soname.as_ref()), (15, elf.rpath.as_ref()), (29, elf.runpath.as_ref())]);
            if !definitions.is_empty() {
                self.tags.push((0x6fff_fffd, elf.defines.len() as u64 * 2));
            }
            if !needs.is_empty() {
                self.tags.push((0x6fff_ffff, elf.needs.len() as u64));
            }
            self.tags.push((10, self.strings.len() as u64));
            tables = vec![
                (".dynstr", 3, 5, 0, self.strings.clone()),
                (".dynsym", 11, 6, symbol_bytes, symbols),
                (".hash", 5, 4, 4, self.hash()),
                (".gnu.version_d", 0x6fff_fffd, 0x6fff_fffc, 0, definitions),
                (".gnu.version_r", 0x6fff_fffe, 0x6fff_fffe, 0, needs),
            ];
        }
        if !elf.tables_last {
            self.tables(&tables);
        }

        let notes_at = self.out.len().next_multiple_of(8);
        if let Some(build_id) = &elf.build_id {
            let note = self.note("GNU", 3, build_id);
            self.put(".note.gnu.build-id", 7, &note, 0, 0);
        }
        let notes_end = self.out.len().max(notes_at);
        for (section, owner, kind, data) in &elf.notes {
            let note = self.note(owner, *kind, data);
            self.put(section, 7, &note, 0, 0);
        }
        for (name, data) in &elf.sections {
            self.put(name, 1, data, 0, 0);
        }

        let mut dynamic = (0, 0);
        if elf.dynamic {
            // The size is known before the addresses are.
            let waiting =
                if elf.tables_last { tables.iter().filter(|(.., data)| !data.is_empty()).count() } else { 0 };
            let word = if elf.wide { 8 } else { 4 };
            let size = (self.tags.len() + waiting + 1) * 2 * word;
            dynamic = self.put(".dynamic", 6, &vec![0; size], 1, 2 * word as u64);
        }
        if elf.tables_last {
            self.tables(&tables);
        }
        let bytes = self.dynamic_bytes(&self.tags);
        self.out[dynamic.0..dynamic.0 + dynamic.1].copy_from_slice(&bytes[..dynamic.1]);
        for name in &elf.nobits {
            self.table.push((name.clone(), 8, self.out.len(), 4_096, 0, 8, 0));
        }

        let (shoff, shnum) = if elf.section_table { self.section_table() } else { (0, 0) };
        let mut head =
            vec![0x7f, b'E', b'L', b'F', if elf.wide { 2 } else { 1 }, if elf.big { 2 } else { 1 }, 1];
        head.resize(16, 0);
        self.u16(&mut head, elf.object_type);
        self.u16(&mut head, elf.machine);
        self.u32(&mut head, 1);
        self.word(&mut head, 0);
        self.word(&mut head, if segments > 0 { header as u64 } else { 0 });
        self.word(&mut head, shoff as u64);
        self.u32(&mut head, 0);
        let section = if elf.wide { 64 } else { 40 };
        for value in [header, segment, segments, section, shnum, shnum.saturating_sub(1)] {
            self.u16(&mut head, value as u16);
        }
        if segments > 0 {
            let whole = (1, 4, 0, self.out.len());
            let note = (4, 4, notes_at, notes_end - notes_at);
            for (kind, flags, at, size) in [whole, (2, 4, dynamic.0, dynamic.1), note] {
                self.u32(&mut head, kind);
                if elf.wide {
                    self.u32(&mut head, flags);
                }
                for value in [at, at, at, size, size] {
                    self.word(&mut head, value as u64);
                }
                if !elf.wide {
                    self.u32(&mut head, flags);
                }
                self.word(&mut head, 8);
            }
        }
        self.out[..head.len()].copy_from_slice(&head);
        self.out
    }

    /// Writes section names and section table; gives its offset and the number of sections.
    fn section_table(&mut self) -> (usize, usize) {
        let mut names = vec![0];
        // The names come last; the table refers to them by position.
        self.table.push((".shstrtab".to_owned(), 3, 0, 0, 0, 1, 0));
        let mut offsets = Vec::new();
        for (name, ..) in &self.table {
            offsets.push(if name.is_empty() { 0 } else { names.len() });
            if !name.is_empty() {
                names.extend_from_slice(name.as_bytes());
                names.push(0);
            }
        }
        let at = self.out.len();
        self.out.extend_from_slice(&names);
        if let Some(last) = self.table.last_mut() {
            (last.2, last.3) = (at, names.len());
        }
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        let table_at = self.out.len();
        let strings = self.table.iter().position(|section| section.0 == ".dynstr").unwrap_or(0) as u32;
        let mut bytes = Vec::new();
        for ((name, kind, at, size, link, align, entry), name_at) in
            self.table.clone().into_iter().zip(offsets)
        {
            let loaded = !name.is_empty() && name != ".shstrtab";
            self.u32(&mut bytes, name_at as u32);
            self.u32(&mut bytes, kind);
            self.word(&mut bytes, if loaded { 2 } else { 0 });
            for value in [if loaded { at } else { 0 }, at, size] {
                self.word(&mut bytes, value as u64);
            }
            self.u32(&mut bytes, if link == 1 { strings } else { link });
            self.u32(&mut bytes, 0);
            self.word(&mut bytes, align);
            self.word(&mut bytes, entry);
        }
        self.out.extend_from_slice(&bytes);
        (table_at, self.table.len())
    }
}
