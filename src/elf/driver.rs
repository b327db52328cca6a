//! Libraries that belong to the driver: which one, real or stub or compat, and the driver version inside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which driver library a file is, by SONAME (or, for empty files, by name).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverSoname {
    /// `libcuda.so.1`, the CUDA driver API.
    LibCuda,
    /// `libnvidia-ml.so.1`, NVML.
    LibNvidiaMl,
    /// Another library that the container runtime mounts from the host, by the name before `.so`.
    Other(String),
}

/// What stands behind the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverFlavor {
    /// The library of an installed driver.
    Real,
    /// A link-time stub: the names without the code.
    Stub,
    /// The library of a cuda-compat package: it carries the forward compatibility note.
    Compat,
    /// A file without a byte, left by a container runtime as mount point.
    Empty,
    /// The symbols could not be read, so real and stub cannot be told apart.
    Unknown,
}

/// A driver version such as 535.261.03, kept as it is spelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DriverVersion(String);

impl DriverVersion {
    /// The version in `text` when it has the shape of a driver version: `NNN.N[N..][.N..]`, numbers only.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let numeric = parts
            .iter()
            .all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
        let branch: u32 = parts.first()?.parse().ok()?;
        (numeric && (2..=3).contains(&parts.len()) && (100..2000).contains(&branch))
            .then(|| Self(text.to_owned()))
    }

    /// As spelled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a driver version is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverVersionSource {
    /// Text inside the library that names its own version.
    Content,
    /// SONAME.
    Soname,
    /// File name: a hint.
    FileName,
}

/// The note `.note.cuda.fwd_compatibility` of a cuda-compat libcuda (owner `NVIDIA Corporation`, JSON text).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct FwdCompatNote {
    /// `Format`.
    pub format: Option<u64>,
    /// `CUDA Version`, as spelled.
    pub cuda_version: Option<String>,
    /// `Driver`: host driver branches it may run on; `None` when the note has no list (Tegra builds).
    pub drivers: Option<Vec<u32>>,
    /// `Device`: numbers whose meaning is not published; `None` when the note has no list.
    pub devices: Option<Vec<i64>>,
    /// The note is there, but its text is not the JSON expected: nothing in it is known.
    pub malformed: bool,
}

/// A library that belongs to the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverLibrary {
    /// Which library.
    pub soname: DriverSoname,
    /// Real, stub, compat or empty.
    pub flavor: DriverFlavor,
    /// Driver version inside, and how it is known.
    pub version: Option<(DriverVersion, DriverVersionSource)>,
    /// CUDA version of the driver, from libcuda's code constant (drivers from 460 on).
    pub cuda_version: Option<super::RuntimeVersion>,
    /// The forward compatibility note.
    pub compat_note: Option<FwdCompatNote>,
}
