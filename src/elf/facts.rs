//! What one ELF file says about itself: header, dynamic section, versions, symbols, notes.

use serde::{Deserialize, Serialize};

/// Width of addresses and of most header fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// 32-bit layouts (`ELFCLASS32`).
    Elf32,
    /// 64-bit layouts (`ELFCLASS64`).
    Elf64,
}

/// Byte order of every number in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// `e_machine`, as far as CUDA is published for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// 32-bit x86 (`EM_386`).
    I386,
    /// x86_64 (`EM_X86_64`).
    X86_64,
    /// 32-bit Arm (`EM_ARM`).
    Arm,
    /// 64-bit Arm (`EM_AARCH64`).
    Aarch64,
    /// 64-bit POWER (`EM_PPC64`).
    Ppc64,
    /// NVIDIA CUDA device code (`EM_CUDA`, 190).
    Cuda,
    /// Any other value.
    Other(u16),
}

impl Machine {
    /// The machine of an `e_machine` value.
    #[must_use]
    pub fn from_e_machine(value: u16) -> Self {
        match value {
            3 => Self::I386,
            21 => Self::Ppc64,
            40 => Self::Arm,
            62 => Self::X86_64,
            183 => Self::Aarch64,
            190 => Self::Cuda,
            other => Self::Other(other),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::I386 => f.write_str("i386"),
            Self::X86_64 => f.write_str("x86_64"),
            Self::Arm => f.write_str("arm"),
            Self::Aarch64 => f.write_str("aarch64"),
            Self::Ppc64 => f.write_str("ppc64"),
            Self::Cuda => f.write_str("cuda"),
            Self::Other(value) => write!(f, "machine {value}"),
        }
    }
}

/// `e_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectType {
    /// `ET_REL`: an object file.
    Relocatable,
    /// `ET_EXEC`: a program at a fixed address.
    Executable,
    /// `ET_DYN`: a shared library or a position-independent program.
    Shared,
    /// Any other value.
    Other(u16),
}

/// Whether one part of a file could be read. "No SONAME" means something only when the dynamic section was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// The file has no such part.
    #[default]
    Absent,
    /// Read whole.
    Read,
    /// Present, but damaged, cut off, or outside the bytes that are kept: what was read of it may be too little.
    Unreadable,
}

/// A part of an ELF file that is read on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// ELF header.
    Header,
    /// Program headers.
    Segments,
    /// Section headers and their names.
    Sections,
    /// Dynamic section and its string table: SONAME, NEEDED, RPATH, RUNPATH.
    Dynamic,
    /// Version definitions and needs.
    Versions,
    /// Dynamic symbol table.
    Symbols,
    /// Note segments and sections.
    Notes,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "ELF header",
            Self::Segments => "program headers",
            Self::Sections => "section table",
            Self::Dynamic => "dynamic section",
            Self::Versions => "version tables",
            Self::Symbols => "dynamic symbol table",
            Self::Notes => "notes",
        })
    }
}

/// The state of every part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Parts {
    /// Program headers.
    pub segments: PartState,
    /// Section headers and their names.
    pub sections: PartState,
    /// Dynamic section and its string table.
    pub dynamic: PartState,
    /// Version definitions and needs.
    pub versions: PartState,
    /// Dynamic symbol table.
    pub symbols: PartState,
    /// Note segments and sections.
    pub notes: PartState,
}

impl Parts {
    /// The parts that are present but could not be read whole.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Part> {
        [
            (Part::Segments, self.segments),
            (Part::Sections, self.sections),
            (Part::Dynamic, self.dynamic),
            (Part::Versions, self.versions),
            (Part::Symbols, self.symbols),
            (Part::Notes, self.notes),
        ]
        .into_iter()
        .filter_map(|(part, state)| (state == PartState::Unreadable).then_some(part))
        .collect()
    }
}

/// One entry of `DT_VERDEF`: a version this file defines.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionDefinition {
    /// Version name, such as `libcudart.so.12`.
    pub name: String,
    /// Whether it is the base entry, which names the file itself (`VER_FLG_BASE`).
    pub base: bool,
}

/// One entry of `DT_VERNEED`: versions this file needs from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionNeed {
    /// File the versions are wanted from, as NEEDED spells it.
    pub file: String,
    /// Version names, in file order.
    pub versions: Vec<String>,
}

/// Type of a dynamic symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SymbolKind {
    /// A function (`STT_FUNC`, `STT_GNU_IFUNC`).
    Function,
    /// A variable (`STT_OBJECT`).
    Object,
    /// Anything else, mostly undefined symbols without a type.
    Other,
}

/// A dynamic symbol whose name belongs to CUDA (`cuda*`, `__cuda*`, `cu*`, `nvml*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Symbol {
    /// Name as in the string table, without version.
    pub name: String,
    /// `st_size`: bytes of code or data.
    pub size: u64,
    /// Type of the symbol.
    pub kind: SymbolKind,
}

/// One ELF note.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Note {
    /// Section that held it, when section names could be read.
    pub section: Option<String>,
    /// Owner, such as `GNU` or `NVIDIA Corporation`.
    pub owner: String,
    /// Type number, meaning depends on the owner.
    pub kind: u32,
    /// Content.
    pub data: Vec<u8>,
}

/// A section of interest: one that may hold device code or a note.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Section {
    /// Name.
    pub name: String,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes in the file; 0 for sections without content (`SHT_NOBITS`).
    pub size: u64,
}

/// What one ELF file says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfFacts {
    /// 32 or 64 bit.
    pub class: Class,
    /// Byte order.
    pub endian: Endian,
    /// Machine the code is for.
    pub machine: Machine,
    /// Object file, program or library.
    pub object_type: ObjectType,
    /// Which parts could be read.
    pub parts: Parts,
    /// `DT_SONAME`.
    pub soname: Option<String>,
    /// `DT_NEEDED`, in file order.
    pub needed: Vec<String>,
    /// `DT_RPATH`, undivided.
    pub rpath: Option<String>,
    /// `DT_RUNPATH`, undivided.
    pub runpath: Option<String>,
    /// Version definitions.
    pub version_definitions: Vec<VersionDefinition>,
    /// Version needs.
    pub version_needs: Vec<VersionNeed>,
    /// GNU build-id in lower-case hex.
    pub build_id: Option<String>,
    /// Defined CUDA symbols, in table order.
    pub defined: Vec<Symbol>,
    /// Undefined CUDA symbols, in table order.
    pub undefined: Vec<Symbol>,
    /// Number of all dynamic symbols that this file defines.
    pub defined_count: u64,
    /// Number of functions that this file defines.
    pub function_count: u64,
    /// Largest `st_size` of a defined function.
    pub largest_function: u64,
    /// Notes, without the GNU property and build-id ones.
    pub notes: Vec<Note>,
    /// Sections that may hold device code, and note sections.
    pub sections: Vec<Section>,
    /// A separate debug file: its sections have no content, so nothing but the header was read.
    pub debug_file: bool,
    /// Packed by UPX: neither sections nor dynamic section are readable.
    pub packed: bool,
}
