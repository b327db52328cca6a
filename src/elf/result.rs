//! What a pass over one file gives.

use serde::{Deserialize, Serialize};

use super::{CudartEvidence, DeviceCode, DriverLibrary, ElfFacts};

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// ELF, host or device code.
    Elf,
    /// A `!<arch>` archive of object files.
    Archive,
    /// A bare fatbin.
    Fatbin,
    /// PTX text.
    Ptx,
    /// No byte at all.
    Empty,
    /// Anything else; only the first bytes were looked at.
    Other,
}

/// Why something about a file may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "problem")]
pub enum Problem {
    /// The stream ended before the declared length.
    #[error("the file ends after {read} of {declared} bytes")]
    Truncated {
        /// Bytes that came.
        read: u64,
        /// Bytes announced.
        declared: u64,
    },
    /// The stream failed.
    #[error("reading failed after {read} bytes: {message}")]
    ReadFailed {
        /// Bytes that came before.
        read: u64,
        /// What the stream said.
        message: String,
    },
    /// A limit was reached.
    #[error("the limit {limit} = {value} was reached; raise it with --limit {limit}=VALUE")]
    Limit {
        /// Name of the field in [`crate::limits::Limits`].
        limit: String,
        /// Its value.
        value: u64,
    },
    /// A part of an ELF file is there but cannot be read.
    #[error("cannot read the {part} of the ELF file; facts from there are missing")]
    Unreadable {
        /// Which part.
        part: super::Part,
    },
    /// The file is packed by UPX: nothing inside can be seen.
    #[error("the program is packed by UPX: nothing inside it can be seen; unpack it with `upx -d` first")]
    Packed,
    /// Fatbin containers broke off inside.
    #[error("{count} fatbin container(s) are damaged; device code after the damage is not seen")]
    BrokenFatbin {
        /// Number of containers.
        count: u64,
    },
    /// The archive's member headers are damaged.
    #[error("the archive is damaged at byte {offset}")]
    BrokenArchive {
        /// Where.
        offset: u64,
    },
}

/// Everything found in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannedFile {
    /// What the file is.
    pub kind: FileKind,
    /// Bytes read.
    pub size: u64,
    /// ELF facts (of ELF files only; not of the members of archives).
    pub elf: Option<ElfFacts>,
    /// The CUDA runtime in the file.
    pub cudart: Option<CudartEvidence>,
    /// The driver library that the file is.
    pub driver: Option<DriverLibrary>,
    /// Device code.
    pub device_code: DeviceCode,
    /// The file carries the SONAME of an NVIDIA library over the functions of a link-time stub.
    pub stub: bool,
    /// Names of CUDA libraries that occur as text and are not explained by NEEDED, SONAME or versions: candidates for
    /// `dlopen`. Sorted, each as it stands in the file (`libcuda.so.1`).
    pub dlopen: Vec<String>,
    /// Why something may be missing; empty when the file was read whole.
    pub problems: Vec<Problem>,
    /// Most bytes of the file that were held in memory at once.
    pub peak_kept_bytes: u64,
}

impl ScannedFile {
    /// Whether everything in the file was seen.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }
}
