//! Libraries that belong to the driver: which one, real or stub or compat, and the driver version inside.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::{ElfFacts, PartState};
use super::search::Found;
use super::sparse::Sparse;

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

/// Libraries that the container runtime mounts from the host, by the name before `.so` (NVIDIA container toolkit, and
/// the vdpau driver by its own name).
const DRIVER_LIBRARIES: [&str; 36] = [
    "libcuda",
    "libcudadebugger",
    "libnvcuvid",
    "libnvidia-allocator",
    "libnvidia-cbl",
    "libnvidia-cfg",
    "libnvidia-compiler",
    "libnvidia-eglcore",
    "libnvidia-encode",
    "libnvidia-fatbinaryloader",
    "libnvidia-fbc",
    "libnvidia-glcore",
    "libnvidia-glsi",
    "libnvidia-glvkspirv",
    "libnvidia-gpucomp",
    "libnvidia-ifr",
    "libnvidia-ml",
    "libnvidia-ngx",
    "libnvidia-nscq",
    "libnvidia-nvvm",
    "libnvidia-nvvm70",
    "libnvidia-opencl",
    "libnvidia-opticalflow",
    "libnvidia-pkcs11",
    "libnvidia-pkcs11-openssl3",
    "libnvidia-ptxjitcompiler",
    "libnvidia-rtcore",
    "libnvidia-tileiras",
    "libnvidia-tls",
    "libnvoptix",
    "libvdpau_nvidia",
    "libGLX_nvidia",
    "libEGL_nvidia",
    "libGLESv1_CM_nvidia",
    "libGLESv2_nvidia",
    "libnvidia-vulkan-producer",
];

/// Section of the forward compatibility note.
const FWD_COMPAT_SECTION: &str = ".note.cuda.fwd_compatibility";
/// Its owner.
const FWD_COMPAT_OWNER: &str = "NVIDIA Corporation";

/// The driver library that a library name belongs to, and what follows `.so.` in it.
fn named(name: &str) -> Option<(DriverSoname, &str)> {
    let (base, version) = name.split_once(".so.").or_else(|| Some((name.strip_suffix(".so")?, "")))?;
    DRIVER_LIBRARIES.contains(&base).then(|| {
        let soname = match base {
            "libcuda" => DriverSoname::LibCuda,
            "libnvidia-ml" => DriverSoname::LibNvidiaMl,
            other => DriverSoname::Other(other.to_owned()),
        };
        (soname, version)
    })
}

/// Whether a file name is that of a driver library, so that even an empty file of that name means something.
pub(super) fn is_driver_name(name: &str) -> bool {
    named(name).is_some()
}

/// What a file without a byte is, by its name.
pub(super) fn empty(name: &str) -> Option<DriverLibrary> {
    let (soname, version) = named(name)?;
    Some(DriverLibrary {
        soname,
        flavor: DriverFlavor::Empty,
        version: DriverVersion::parse(version).map(|version| (version, DriverVersionSource::FileName)),
        cuda_version: None,
        compat_note: None,
    })
}

/// The driver library that an ELF file is: by SONAME, or by file name when the dynamic section cannot be read.
pub(super) fn library(
    facts: &ElfFacts,
    found: &Found,
    data: &Sparse,
    name: &str,
    size: u64,
) -> Option<DriverLibrary> {
    let (soname, soname_version) = match facts.soname.as_deref() {
        Some(soname) => named(soname)?,
        None if facts.parts.dynamic == PartState::Unreadable => named(name)?,
        None => return None,
    };
    let compat_note = facts.notes.iter().find_map(|note| {
        let ours = note.owner == FWD_COMPAT_OWNER
            && note.section.as_deref().is_none_or(|name| name == FWD_COMPAT_SECTION);
        ours.then(|| fwd_compat(&note.data))
    });
    let stub = facts.has_stub_symbols(size) || (found.nvml_stub && soname == DriverSoname::LibNvidiaMl);
    let flavor = if compat_note.is_some() {
        DriverFlavor::Compat
    } else if stub {
        DriverFlavor::Stub
    } else if facts.parts.symbols == PartState::Read {
        DriverFlavor::Real
    } else {
        DriverFlavor::Unknown
    };
    let content = if stub { None } else { own_version(&soname, found, data) };
    let version = content
        .map(|version| (version, DriverVersionSource::Content))
        .or_else(|| {
            DriverVersion::parse(soname_version).map(|version| (version, DriverVersionSource::Soname))
        })
        .or_else(|| Some((DriverVersion::parse(named(name)?.1)?, DriverVersionSource::FileName)));
    let cuda_version = (soname == DriverSoname::LibCuda && found.constants.len() == 1)
        .then(|| found.constants.first().copied())
        .flatten();
    Some(DriverLibrary { soname, flavor, version, cuda_version, compat_note })
}

/// The version that the content of a library names as its own.
fn own_version(soname: &DriverSoname, found: &Found, data: &Sparse) -> Option<DriverVersion> {
    match soname {
        // libcuda lists up to 13 other versions; only the one in the name of its profiles is its own.
        DriverSoname::LibCuda => single(found.profiles.iter().filter_map(|text| DriverVersion::parse(text))),
        DriverSoname::Other(name) if name == "libnvidia-opencl" => {
            single(found.profiles.iter().filter_map(|text| DriverVersion::parse(text)))
        }
        // NVML has it behind the CUDA major version: `12.535.261.03`.
        DriverSoname::LibNvidiaMl => single(texts(data).filter_map(|text| {
            let (major, version) = text.split_once('.')?;
            let major: u16 = major.parse().ok()?;
            (5..100).contains(&major).then(|| DriverVersion::parse(version)).flatten()
        })),
        DriverSoname::Other(name)
            if matches!(name.as_str(), "libnvcuvid" | "libnvidia-allocator" | "libnvidia-cfg") =>
        {
            single(texts(data).flat_map(|text| text.split(' ')).filter_map(DriverVersion::parse))
        }
        DriverSoname::Other(_) => None,
    }
}

/// The only value; `None` when there is none, or more than one.
fn single(mut versions: impl Iterator<Item = DriverVersion>) -> Option<DriverVersion> {
    let first = versions.next()?;
    versions.all(|version| version == first).then_some(first)
}

/// Texts between two NULs that could hold a version.
fn texts(data: &Sparse) -> impl Iterator<Item = &str> {
    data.pieces()
        .flat_map(|piece| piece.split(|byte| *byte == 0))
        .filter(|text| (6..=256).contains(&text.len()) && text.contains(&b'.'))
        .filter_map(|text| std::str::from_utf8(text).ok())
}

/// Reads the JSON text of the note. Its keys are `Format`, `CUDA Version`, `Driver` and `Device`.
fn fwd_compat(data: &[u8]) -> FwdCompatNote {
    let malformed = FwdCompatNote { malformed: true, ..FwdCompatNote::default() };
    let (Some(start), Some(end)) = (memchr::memchr(b'{', data), memchr::memrchr(b'}', data)) else {
        return malformed;
    };
    let text = data.get(start..=end).unwrap_or_default();
    let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(text) else { return malformed };
    // The container toolkit's own reader does not mind the case of keys.
    let value =
        |key: &str| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    let numbers = |key: &str| {
        let list = value(key)?.as_array()?;
        Some(list.iter().filter_map(serde_json::Value::as_i64).collect::<Vec<_>>())
    };
    FwdCompatNote {
        format: value("Format").and_then(serde_json::Value::as_u64),
        cuda_version: value("CUDA Version").and_then(|value| value.as_str()).map(str::to_owned),
        drivers: numbers("Driver")
            .map(|list| list.into_iter().filter_map(|number| u32::try_from(number).ok()).collect()),
        devices: numbers("Device"),
        malformed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for text in ["535.261.03", "340.108", "1000.10.01"] {
            assert_eq!(DriverVersion::parse(text).map(|version| version.to_string()).as_deref(), Some(text));
        }
        for text in
            ["", "535", "12.4", "12.535.261.03", "535.261.03-rc", "535..03", "0x535.1", "5350000.1", "535.+1"]
        {
            assert_eq!(DriverVersion::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(named("libcuda.so.1"), Some((DriverSoname::LibCuda, "1")));
        assert_eq!(named("libnvidia-ml.so.535.261.03"), Some((DriverSoname::LibNvidiaMl, "535.261.03")));
        assert_eq!(named("libcuda.so"), Some((DriverSoname::LibCuda, "")));
        assert_eq!(named("libcudart.so.12"), None);
        assert_eq!(named("libcuda"), None);
        let empty = empty("libnvidia-ml.so.535.261.03").expect("a driver library");
        assert_eq!(empty.flavor, DriverFlavor::Empty);
        assert_eq!(empty.version.expect("named").1, DriverVersionSource::FileName);
    }

    #[test]
    fn note() {
        let text = b"\0\0{\"Format\": 1, \"CUDA Version\": \"13.1\", \"Driver\": [535, 580], \"Device\": [1, 2]}\0\0";
        let note = fwd_compat(text);
        assert_eq!(note.format, Some(1));
        assert_eq!(note.cuda_version.as_deref(), Some("13.1"));
        assert_eq!(note.drivers, Some(vec![535, 580]));
        assert_eq!(note.devices, Some(vec![1, 2]));
        assert!(!note.malformed);
        assert_eq!(fwd_compat(b"{\"cuda version\": \"13.1\"}").drivers, None);
        for text in [&b""[..], b"{", b"}{", b"[1]", b"{\"Format\": }"] {
            assert!(fwd_compat(text).malformed, "{text:?}");
        }
    }
}
