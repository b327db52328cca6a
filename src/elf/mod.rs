//! ELF bytes to typed views (dynamic section, versions, notes, fatbin entries); all reads bounded. Opens no files, knows no policy.
//!
//! [`scan()`] reads one file once, front to back, from any [`std::io::Read`] such as a tar entry. What lies where
//! in the files that people ship, and how far each signal can be trusted, was measured on 2,123 public CUDA files; the
//! numbers in the comments of this module come from that measurement.
//!
//! Facts only: whether a version, a stub or an architecture is good or bad is decided elsewhere.

mod archive;
mod collect;
mod cudart;
mod cudart_table;
mod device;
mod driver;
mod facts;
mod fatbin;
mod header;
mod keep;
mod lz4;
mod notes;
mod parse;
mod ptx;
mod result;
mod scan;
mod search;
mod sparse;

pub use cudart::{CudartEvidence, CudartKind, PatchRelease, RuntimeVersion, SymbolRange, VersionSource};
pub use device::{
    CodeEntry, CodeKind, Compression, DeviceCode, PtxIsa, SectionClass, SmSuffix, SmTarget, ToolkitRelease,
};
pub use driver::{
    DriverFlavor, DriverLibrary, DriverSoname, DriverVersion, DriverVersionSource, FwdCompatNote,
};
pub use facts::{
    Class, ElfFacts, Endian, Machine, Note, ObjectType, Part, PartState, Parts, Section, Symbol, SymbolKind,
    VersionDefinition, VersionNeed,
};
pub use result::{FileKind, Problem, ScannedFile};
pub use scan::{Scanner, prefilter, scan};
