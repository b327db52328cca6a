//! Facts of the merged file system: runtimes, driver libraries, device code, what files ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Merged;
use super::collect::Payload;
use super::elf_file::{ElfFile, is_cuda_library, is_vendor_library};
use crate::compat::{CudaVersion, DriverBranch, DriverVersion};
use crate::elf::{
    CudartKind, DriverFlavor, DriverSoname, DriverVersionSource, Machine, RuntimeVersion, VersionSource,
};
use crate::facts::{
    Capability, CapabilityUse, CudaUse, CudaUseKind, CudartFile, DeviceCodeFile, DriverLibraryFile,
    DriverLibraryKind, Facts, GpuPayload, ImageFacts, NeededLibrary, Origin, PayloadKind, StageId,
};
use crate::image::merge::Resolved;

const STAGE: StageId = StageId(0);

/// Adds what the files with CUDA facts show.
pub(super) fn extract(merged: &Merged<'_>, loader: &[String], facts: &mut Facts, image: &mut ImageFacts) {
    let on_path = loader_folders(merged, loader);
    let mut carried = false;
    for file in merged.tree.files() {
        let path: Arc<str> = file.path.to_string().into();
        let origin = Origin::Layer { layer: file.layer, path: Arc::clone(&path) };
        match file.payload {
            Payload::Elf(elf) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let reached = on_path.contains(folder);
                one_file(merged, elf, &path, &origin, reached, facts, image);
                if !carried && elf.driver.is_none() && !elf.stub && (elf.cudart.is_some() || has_code(elf)) {
                    carried = true;
                    let what = path.to_string();
                    facts.payload.push(GpuPayload { stage: STAGE, kind: PayloadKind::Elf, what, origin });
                }
            }
            Payload::Present if path.ends_with("/nvidia-smi") => {
                image.driver_libraries.push(DriverLibraryFile {
                    origin,
                    path,
                    soname: None,
                    kind: DriverLibraryKind::Real,
                    version: None,
                    version_from: None,
                    compat_cuda: None,
                    compat_branches: None,
                    dangling_link: false,
                });
            }
            Payload::KernelModule => image.kernel_modules = true,
            _ => {}
        }
    }
    dangling_links(merged, image);
}

fn has_code(elf: &ElfFile) -> bool {
    !elf.sass.is_empty() || !elf.ptx.is_empty()
}

fn one_file(
    merged: &Merged<'_>,
    elf: &ElfFile,
    path: &Arc<str>,
    origin: &Origin,
    reached: bool,
    facts: &mut Facts,
    image: &mut ImageFacts,
) {
    let name = path.rsplit('/').next().unwrap_or(path);
    let vendor = is_vendor_library(elf.soname.as_deref().unwrap_or(name)) || is_vendor_library(name);
    let foreign = elf.machine.is_some_and(|machine| merged.is_foreign(machine));
    if let Some(evidence) = &elf.cudart {
        let shared = evidence.kind == CudartKind::Shared;
        let version = evidence.version().map(|(version, _)| cuda(version));
        let others: Vec<String> = evidence
            .disagreements()
            .iter()
            .map(|(version, source)| format!("{} by {}", cuda(*version), sign(*source)))
            .collect();
        image.cudart.push(CudartFile {
            origin: origin.clone(),
            path: Arc::clone(path),
            soname: elf.soname.clone().filter(|_| shared),
            version,
            build: evidence.patch().map(|(patch, _)| patch.to_string()),
            version_from: evidence.version().map(|(_, source)| sign(source).to_owned()).into_iter().collect(),
            disagreement: (!others.is_empty()).then(|| others.join(", ")),
            is_static: !shared,
            on_loader_path: shared.then_some(reached),
            foreign_machine: foreign,
        });
        let family = evidence.family.as_deref().and_then(|family| family.split('.').next()?.parse().ok());
        let (version, major_only) = match (version, family) {
            (Some(version), _) => (Some(version), false),
            (None, Some(major)) => (Some(CudaVersion::new(major, 0)), true),
            (None, None) => (None, false),
        };
        // A runtime inside one of NVIDIA's libraries is often older than the toolkit that it ships with.
        if let Some(version) = version
            && (!vendor || shared)
            && !foreign
        {
            facts.cuda.push(CudaUse {
                stage: STAGE,
                version,
                major_only,
                kind: CudaUseKind::Elf,
                what: path.to_string(),
                origin: origin.clone(),
            });
        }
    }
    if let Some(driver) = driver_library(elf, path, origin) {
        image.driver_libraries.push(driver);
        return;
    }
    if has_code(elf) {
        image.device_code.push(DeviceCodeFile {
            origin: origin.clone(),
            path: Arc::clone(path),
            sass: elf.sass.clone(),
            ptx: elf.ptx.clone(),
            vendor_library: vendor,
            complete: elf.complete,
        });
    }
    let asked =
        elf.needed.iter().map(|soname| (soname, false)).chain(elf.dlopen.iter().map(|soname| (soname, true)));
    for (soname, dlopen) in asked {
        image.needed.push(NeededLibrary {
            origin: origin.clone(),
            path: Arc::clone(path),
            soname: soname.clone(),
            dlopen,
        });
        if let Some(capability) = capability_of(soname)
            && !vendor
        {
            facts.capability_uses.push(CapabilityUse {
                stage: STAGE,
                capability,
                what: soname.clone(),
                strong: !dlopen || !opens_when_present(name),
                origin: origin.clone(),
                through: None,
            });
        }
    }
}

fn cuda(version: RuntimeVersion) -> CudaVersion {
    CudaVersion::new(version.major, version.minor)
}

fn sign(source: VersionSource) -> &'static str {
    match source {
        VersionSource::BuildId => "build-id",
        VersionSource::CodeConstant => "code constant",
        VersionSource::VersionDefinition => "version definition",
        VersionSource::Soname => "SONAME",
        VersionSource::FileName => "file name",
        VersionSource::Symbols => "symbols",
    }
}

/// The driver library that a file is. One whose symbols could not be read, so that it may be a stub, is left out unless
/// its version shows that it is real.
fn driver_library(elf: &ElfFile, path: &Arc<str>, origin: &Origin) -> Option<DriverLibraryFile> {
    let driver = elf.driver.as_ref()?;
    let compat_folder = path.split('/').any(|part| part.starts_with("compat"));
    let kind = match driver.flavor {
        DriverFlavor::Compat => DriverLibraryKind::Compat,
        DriverFlavor::Stub => DriverLibraryKind::Stub,
        DriverFlavor::Empty => DriverLibraryKind::Empty,
        DriverFlavor::Real if compat_folder => DriverLibraryKind::Compat,
        // Some stubs look like any library; a driver library itself has a version.
        DriverFlavor::Real | DriverFlavor::Unknown
            if path.contains("/stubs/") && driver.version.is_none() =>
        {
            DriverLibraryKind::Stub
        }
        DriverFlavor::Real => DriverLibraryKind::Real,
        DriverFlavor::Unknown if compat_folder => DriverLibraryKind::Compat,
        DriverFlavor::Unknown => {
            driver.version.as_ref()?;
            DriverLibraryKind::Real
        }
    };
    let soname = elf.soname.clone().or_else(|| match &driver.soname {
        DriverSoname::LibCuda => Some("libcuda.so.1".to_owned()),
        DriverSoname::LibNvidiaMl => Some("libnvidia-ml.so.1".to_owned()),
        DriverSoname::Other(_) => None,
    });
    let version: Option<(DriverVersion, &str)> = driver.version.as_ref().and_then(|(version, source)| {
        let from = match source {
            DriverVersionSource::Content => "content",
            DriverVersionSource::Soname => "SONAME",
            DriverVersionSource::FileName => "file name",
        };
        Some((version.as_str().parse().ok()?, from))
    });
    let note = driver.compat_note.as_ref();
    Some(DriverLibraryFile {
        origin: origin.clone(),
        path: Arc::clone(path),
        soname,
        kind,
        version_from: version.as_ref().map(|(_, from)| (*from).to_owned()),
        version: version.map(|(version, _)| version),
        compat_cuda: note
            .and_then(|note| note.cuda_version.as_deref()?.parse().ok())
            .or_else(|| driver.cuda_version.filter(|_| kind == DriverLibraryKind::Compat).map(cuda)),
        compat_branches: note.and_then(|note| note.drivers.as_ref()).map(|drivers| {
            drivers.iter().filter_map(|branch| u16::try_from(*branch).ok()).map(DriverBranch).collect()
        }),
        dangling_link: false,
    })
}

/// Links named like a driver library whose target is not in the image: left by a build with the driver mounted.
fn dangling_links(merged: &Merged<'_>, image: &mut ImageFacts) {
    for link in merged.tree.links() {
        let name = String::from_utf8_lossy(link.path.file_name()).into_owned();
        let driver = ["libcuda.so.", "libnvidia-", "libnvcuvid.so.", "libnvoptix.so."];
        if !driver.iter().any(|stem| name.starts_with(stem))
            || !is_cuda_library(&name)
            || !name.contains(".so.")
        {
            continue;
        }
        let Resolved::Elsewhere(target) = merged.tree.resolve(link.path, merged.limits.symlink_depth) else {
            continue;
        };
        let path: Arc<str> = link.path.to_string().into();
        let target = target.to_string();
        // A link into the stubs or the compat folder is judged with what it points at.
        if [path.as_ref(), target.as_str()]
            .iter()
            .any(|path| path.contains("/stubs") || path.contains("/compat"))
        {
            continue;
        }
        let version: Option<DriverVersion> = target
            .split(".so.")
            .nth(1)
            .filter(|version| version.contains('.'))
            .and_then(|version| version.parse().ok());
        image.driver_libraries.push(DriverLibraryFile {
            origin: Origin::Layer { layer: link.layer, path: Arc::clone(&path) },
            path,
            soname: Some(name),
            kind: DriverLibraryKind::Real,
            version_from: version.as_ref().map(|_| "file name".to_owned()),
            version,
            compat_cuda: None,
            compat_branches: None,
            dangling_link: true,
        });
    }
}

/// The capability that mounts a driver library (NVIDIA Container Toolkit, driver capabilities).
fn capability_of(soname: &str) -> Option<Capability> {
    let stem = soname.split(".so").next().unwrap_or(soname);
    Some(match stem {
        "libcuda" | "libnvidia-ptxjitcompiler" | "libnvidia-nvvm" => Capability::Compute,
        "libnvidia-ml" => Capability::Utility,
        "libnvcuvid" | "libnvidia-encode" | "libnvidia-opticalflow" => Capability::Video,
        "libGLX_nvidia" | "libEGL_nvidia" | "libnvoptix" => Capability::Graphics,
        _ => return None,
    })
}

/// Libraries of general use that open driver libraries only where they are present: the name in them proves no need.
fn opens_when_present(name: &str) -> bool {
    [
        "libavcodec",
        "libavutil",
        "libopencv_",
        "libgst",
        "libmpv",
        "libnccl",
        "libtorch",
        "libc10",
        "libmpi",
        "libucs",
        "libhwloc",
        "libOpenCL",
    ]
    .iter()
    .any(|stem| name.starts_with(stem))
}

/// Folders in which the loader finds libraries by itself, their real places included.
fn loader_folders(merged: &Merged<'_>, loader: &[String]) -> BTreeSet<String> {
    let default = [
        "/lib",
        "/usr/lib",
        "/lib64",
        "/usr/lib64",
        "/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
    ];
    let mut out = BTreeSet::new();
    for folder in default.into_iter().map(str::to_owned).chain(loader.iter().cloned()) {
        let clean = crate::image::LayerPath::clean(folder.as_bytes());
        if let Resolved::Elsewhere(real) = merged.tree.resolve(&clean, merged.limits.symlink_depth) {
            out.insert(real.to_string());
        }
        out.insert(clean.to_string());
    }
    out
}

impl Merged<'_> {
    /// Whether host code of this machine does not run on the image's platform.
    fn is_foreign(&self, machine: Machine) -> bool {
        let own: &[Machine] = match self.architecture {
            "amd64" => &[Machine::X86_64, Machine::I386],
            "arm64" => &[Machine::Aarch64, Machine::Arm],
            "ppc64le" => &[Machine::Ppc64],
            _ => return false,
        };
        !own.contains(&machine) && machine != Machine::Cuda
    }
}
