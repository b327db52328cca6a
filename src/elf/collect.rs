//! Counts the device code of one file and tells in which kind of section it lies.

use std::collections::BTreeMap;

use super::device::{
    CodeEntry, CodeKind, Compression, DeviceCode, PtxIsa, SectionClass, SmTarget, ToolkitRelease,
};
use super::fatbin::{Code, Cubin};
use super::keep::Keeper;
use super::parse::section_map;

/// Device code as it is found. Sections are known only at the end of the file.
#[derive(Debug)]
pub(super) struct Collector {
    limit: u64,
    entries: u64,
    limit_reached: bool,
    containers: u64,
    broken: u64,
    /// Distinct codes and their number here.
    codes: BTreeMap<(Code, bool), u32>,
    /// Offset of the container (or of the raw cubin), code, and how many in a row.
    placed: Vec<(u64, u32, u32)>,
    toolkits: BTreeMap<ToolkitRelease, u64>,
}

impl Collector {
    /// Takes at most `limit` entries.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            entries: 0,
            limit_reached: false,
            containers: 0,
            broken: 0,
            codes: BTreeMap::new(),
            placed: Vec::new(),
            toolkits: BTreeMap::new(),
        }
    }

    /// A container begins.
    pub fn container(&mut self) {
        self.containers = self.containers.saturating_add(1);
    }

    /// The container broke off.
    pub fn broken(&mut self) {
        self.broken = self.broken.saturating_add(1);
    }

    /// A code in the container at `offset`.
    pub fn add(&mut self, offset: u64, code: Code) {
        self.put(offset, code, false);
    }

    /// A cubin that stands at `offset` without a container.
    pub fn add_cubin(&mut self, offset: u64, cubin: Cubin) {
        let code = Code {
            kind: CodeKind::Sass,
            target: cubin.target,
            ptx_isa: None,
            compression: Compression::None,
            compile_only: false,
        };
        self.put(offset, code, true);
        self.toolkit(cubin.toolkit);
    }

    /// The file is PTX text.
    pub fn add_ptx_file(&mut self, isa: PtxIsa, target: SmTarget) {
        let code = Code {
            kind: CodeKind::Ptx,
            target,
            ptx_isa: Some(isa),
            compression: Compression::None,
            compile_only: false,
        };
        self.put(0, code, false);
    }

    /// A cubin names the release of its ptxas.
    pub fn toolkit(&mut self, release: Option<ToolkitRelease>) {
        if let Some(release) = release {
            let count = self.toolkits.entry(release).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn put(&mut self, offset: u64, code: Code, raw: bool) {
        if self.entries >= self.limit {
            self.limit_reached = true;
            return;
        }
        self.entries = self.entries.saturating_add(1);
        let next = u32::try_from(self.codes.len()).unwrap_or(u32::MAX);
        let id = *self.codes.entry((code, raw)).or_insert(next);
        match self.placed.last_mut() {
            Some((at, last, count)) if (*at, *last) == (offset, id) => *count = count.saturating_add(1),
            _ => self.placed.push((offset, id, 1)),
        }
    }

    /// Sorts everything into sections.
    pub fn finish(self, places: &Places) -> DeviceCode {
        let codes: BTreeMap<u32, (Code, bool)> =
            self.codes.into_iter().map(|(code, id)| (id, code)).collect();
        let mut counts: BTreeMap<(SectionClass, Code), u64> = BTreeMap::new();
        for (offset, id, count) in self.placed {
            let Some((code, raw)) = codes.get(&id) else { continue };
            let class = if *raw && offset > 0 { SectionClass::RawCubin } else { places.class(offset, *raw) };
            let sum = counts.entry((class, *code)).or_default();
            *sum = sum.saturating_add(u64::from(count));
        }
        DeviceCode {
            entries: counts
                .into_iter()
                .map(|((section, code), count)| CodeEntry {
                    section,
                    kind: code.kind,
                    target: code.target,
                    ptx_isa: code.ptx_isa,
                    compression: code.compression,
                    compile_only: code.compile_only,
                    count,
                })
                .collect(),
            containers: self.containers,
            broken_containers: self.broken,
            toolkits: self.toolkits.into_iter().collect(),
            limit_reached: self.limit_reached,
        }
    }
}

/// Which section a byte of the file belongs to.
#[derive(Debug)]
pub(super) enum Places {
    /// The file has no sections: it is device code itself.
    File,
    /// Sections of interest, and ranges where sections are unknown; everything else is some other section.
    Sections {
        /// Start, end and class, sorted.
        known: Vec<(u64, u64, SectionClass)>,
        /// Start and end, sorted.
        unknown: Vec<(u64, u64)>,
    },
}

/// The class of a section that the runtime or the device linker knows.
pub(super) fn section_class(name: &str) -> Option<SectionClass> {
    if name.contains("nv_relfatbin") {
        Some(SectionClass::RelFatbin)
    } else if name.contains("nv_fatbin") {
        Some(SectionClass::NvFatbin)
    } else {
        None
    }
}

impl Places {
    /// The sections of an ELF file.
    pub fn elf(keeper: &Keeper) -> Self {
        match section_map(keeper, |name| section_class(name).is_some()) {
            Some(map) => Self::archive(map, Vec::new()),
            None => Self::Sections { known: Vec::new(), unknown: vec![(0, u64::MAX)] },
        }
    }

    /// The sections of the members of an archive.
    pub fn archive(sections: Vec<(u64, u64, String)>, mut unknown: Vec<(u64, u64)>) -> Self {
        let mut known: Vec<_> = sections
            .into_iter()
            .filter_map(|(start, end, name)| Some((start, end, section_class(&name)?)))
            .collect();
        known.sort_unstable();
        unknown.sort_unstable();
        Self::Sections { known, unknown }
    }

    fn class(&self, offset: u64, whole_file: bool) -> SectionClass {
        let Self::Sections { known, unknown } = self else { return SectionClass::File };
        if whole_file {
            return SectionClass::File;
        }
        let before = known.partition_point(|(start, ..)| *start <= offset).checked_sub(1);
        if let Some((_, end, class)) = before.and_then(|index| known.get(index))
            && offset < *end
        {
            return *class;
        }
        let before = unknown.partition_point(|(start, _)| *start <= offset).checked_sub(1);
        match before.and_then(|index| unknown.get(index)) {
            Some((_, end)) if offset < *end => SectionClass::Unknown,
            _ => SectionClass::Other,
        }
    }
}
