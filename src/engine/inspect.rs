//! `inspect`: facts of one input in the shape of its JSON output. Nothing is judged here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::check::Options;
use super::dockerfile;
use super::image::{Scanned, scan};
use super::input::Input;
use crate::compat::{CudaVersion, DriverVersion, PtxIsa, SmTarget, least_driver};
use crate::diagnostics::Problem;
use crate::facts::from_image::{ImageInput, LayerCollector, from_image};
use crate::facts::{CudaUseKind, DriverLibraryKind, Facts, LayerFacts, Origin};
use crate::image::{self, Entry, EntryKind, ImageConfig, LayerPath};

/// Facts of an input.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Version of this shape.
    pub schema: &'static str,
    /// The input as the user gave it.
    pub input: String,
    /// `dockerfile`, `image` or `file`.
    pub kind: &'static str,
    /// Whether all of it could be read.
    pub complete: bool,
    /// What could not be read.
    pub problems: Vec<String>,
    /// CUDA runtimes, shared or linked in.
    pub cuda_runtimes: Vec<Runtime>,
    /// Files of a host driver.
    pub driver_libraries: Vec<DriverLibrary>,
    /// Files with GPU code; for a Dockerfile, what its builds are told to make.
    pub device_code: Vec<Device>,
    /// NVIDIA_REQUIRE_CUDA; `null` when not set or not known.
    pub requirement: Option<String>,
    /// Environment that CUDA and its runtime read; `null` values are not known.
    pub env: BTreeMap<String, Option<String>>,
    /// System packages of CUDA and the driver.
    pub packages: Vec<Package>,
    /// Least driver for every CUDA version found, by minor-version compatibility; `null` when none is known.
    pub least_driver: Option<DriverVersion>,
    /// Python distributions that bring or use CUDA.
    pub python_cuda: Vec<PythonCuda>,
    /// CUDA versions in use and how each is known.
    pub cuda: Vec<Used>,
}

/// A CUDA runtime.
#[derive(Debug, Clone, Serialize)]
pub struct Runtime {
    /// Absolute path.
    pub path: String,
    /// Layer, from 0; `null` for a file.
    pub layer: Option<usize>,
    /// SONAME.
    pub soname: Option<String>,
    /// `12.4`.
    pub version: Option<CudaVersion>,
    /// The component's own version where a build-id or name gives it (`12.4.127`).
    pub build: Option<String>,
    /// What gave the version, strongest first.
    pub version_from: Vec<String>,
    /// `shared` or `static`.
    pub linkage: &'static str,
}

/// A file of a host driver.
#[derive(Debug, Clone, Serialize)]
pub struct DriverLibrary {
    /// Absolute path.
    pub path: String,
    /// Layer, from 0; `null` for a file.
    pub layer: Option<usize>,
    /// SONAME.
    pub soname: Option<String>,
    /// What it is.
    pub kind: DriverLibraryKind,
    /// Driver version inside.
    pub version: Option<DriverVersion>,
}

/// A file with GPU code.
#[derive(Debug, Clone, Serialize)]
pub struct Device {
    /// Absolute path, or the list of a build.
    pub path: String,
    /// Layer, from 0; `null` outside of images.
    pub layer: Option<usize>,
    /// SASS targets.
    pub sass: Vec<SmTarget>,
    /// PTX targets.
    pub ptx: Vec<Ptx>,
}

/// PTX.
#[derive(Debug, Clone, Serialize)]
pub struct Ptx {
    /// Target.
    pub target: SmTarget,
    /// Version of its instruction set; `null` where only a build list is known.
    pub isa: Option<PtxIsa>,
}

/// A system package.
#[derive(Debug, Clone, Serialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version, where known.
    pub version: Option<String>,
}

/// A Python distribution.
#[derive(Debug, Clone, Serialize)]
pub struct PythonCuda {
    /// Name.
    pub name: String,
    /// Version, where known.
    pub version: Option<String>,
    /// The CUDA it brings, where known.
    pub cuda: Option<CudaVersion>,
}

/// A CUDA version in use.
#[derive(Debug, Clone, Serialize)]
pub struct Used {
    /// Version.
    pub version: CudaVersion,
    /// Whether only the major is known.
    pub major_only: bool,
    /// What carries it.
    pub what: String,
}

/// Reads the facts of an input.
///
/// # Errors
/// Nothing of it could be read.
pub fn inspect(input: &Input, options: &Options) -> Result<Inspection, Problem> {
    match input {
        Input::Image { given, source } => of_scanned(&scan(source, options)?, given, "image", options),
        Input::Dockerfile { path, name } => {
            if let Some(inspection) = elf_file(path, name, options)? {
                return Ok(inspection);
            }
            of_scanned(&dockerfile::facts(input, options)?, name, "dockerfile", options)
        }
        Input::Stdin | Input::Unreadable { .. } => {
            of_scanned(&dockerfile::facts(input, options)?, "<stdin>", "dockerfile", options)
        }
    }
}

/// Facts of an input, for commands that ask the compatibility engine about it.
///
/// # Errors
/// Nothing of it could be read.
pub fn facts(input: &Input, options: &Options) -> Result<Facts, Problem> {
    match input {
        Input::Image { source, .. } => Ok(scan(source, options)?.facts),
        Input::Dockerfile { .. } | Input::Stdin | Input::Unreadable { .. } => {
            Ok(dockerfile::facts(input, options)?.facts)
        }
    }
}

fn of_scanned(
    scanned: &Scanned,
    input: &str,
    kind: &'static str,
    options: &Options,
) -> Result<Inspection, Problem> {
    let problems = scanned.problems.iter().map(|problem| problem.message.clone()).collect();
    Ok(shown(&scanned.facts, input, kind, scanned.complete, problems, options))
}

/// A single ELF file; `None` when the file is none.
fn elf_file(path: &Path, name: &str, options: &Options) -> Result<Option<Inspection>, Problem> {
    let unreadable = |error: std::io::Error| Problem {
        message: format!("{name} cannot be read: {error}"),
        help: None,
        location: None,
    };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut head = [0; 8];
    let read = std::io::Read::read(&mut file, &mut head).map_err(unreadable)?;
    if head.get(..read).is_none_or(|head| !head.starts_with(b"\x7fELF")) {
        return Ok(None);
    }
    std::io::Seek::rewind(&mut file).map_err(unreadable)?;
    // A file alone is looked at as an image with one layer that holds nothing else.
    let base = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut collector = LayerCollector::new(&options.limits);
    collector.entry(Entry {
        path: LayerPath::clean(base.as_bytes()),
        kind: EntryKind::File,
        size: length,
        mode: 0o644,
        reader: &mut file,
    });
    let layer =
        LayerFacts { digest: Arc::from(""), diff_id: None, created_by: None, size: length, complete: true };
    let config = ImageConfig::default();
    let platform = image::Platform::default();
    let input = ImageInput {
        config: &config,
        layers: vec![layer],
        collected: vec![collector.finish()],
        platform: &platform,
    };
    let facts = from_image(input, &options.tables, &options.limits);
    Ok(Some(shown(&facts, name, "file", true, Vec::new(), options)))
}

fn layer_of(origin: &Origin) -> Option<usize> {
    match origin {
        Origin::Layer { layer, .. } | Origin::WholeLayer { layer } => Some(*layer),
        _ => None,
    }
}

/// Variables that CUDA, its container runtime and the loader read.
fn is_relevant(name: &str) -> bool {
    name.starts_with("NVIDIA_")
        || name.starts_with("CUDA_")
        || name.starts_with("NV_CUD")
        || ["LD_LIBRARY_PATH", "LIBRARY_PATH", "LD_PRELOAD"].contains(&name)
}

fn shown(
    facts: &Facts,
    input: &str,
    kind: &'static str,
    complete: bool,
    problems: Vec<String>,
    options: &Options,
) -> Inspection {
    let image = facts.image.as_ref();
    let in_file = kind == "file";
    let layer = |origin: &Origin| if in_file { None } else { layer_of(origin) };
    let mut cuda: Vec<Used> = facts
        .cuda
        .iter()
        .filter(|used| facts.ships_cuda(used))
        .map(|used| Used { version: used.version, major_only: used.major_only, what: used.what.clone() })
        .collect();
    cuda.sort_by(|a, b| b.version.cmp(&a.version).then_with(|| a.what.cmp(&b.what)));
    let env = facts.final_env();
    let value =
        |name: &str| env.and_then(|env| env.value(name)).filter(|value| !value.is_empty()).map(str::to_owned);
    let mut packages: Vec<Package> = facts
        .packages
        .iter()
        .filter(|package| {
            !package.removed && facts.is_shipped(package.stage) && is_gpu_package(&package.name)
        })
        .map(|package| Package { name: package.name.clone(), version: package.version.clone() })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages.dedup_by(|a, b| a.name == b.name);
    Inspection {
        schema: "cudalint/1",
        input: input.to_owned(),
        kind,
        complete,
        problems,
        cuda_runtimes: image
            .into_iter()
            .flat_map(|image| &image.cudart)
            .map(|file| Runtime {
                path: file.path.to_string(),
                layer: layer(&file.origin),
                soname: file.soname.clone(),
                version: file.version,
                build: file.build.clone(),
                version_from: file.version_from.clone(),
                linkage: if file.is_static { "static" } else { "shared" },
            })
            .collect(),
        driver_libraries: image
            .into_iter()
            .flat_map(|image| &image.driver_libraries)
            .filter(|file| !file.dangling_link)
            .map(|file| DriverLibrary {
                path: file.path.to_string(),
                layer: layer(&file.origin),
                soname: file.soname.clone(),
                kind: file.kind,
                version: file.version.clone(),
            })
            .collect(),
        device_code: device_code(facts, &layer),
        requirement: value("NVIDIA_REQUIRE_CUDA"),
        env: env
            .into_iter()
            .flat_map(|env| &env.vars)
            .filter(|(name, _)| is_relevant(name))
            .map(|(name, var)| (name.clone(), var.value.clone()))
            .collect(),
        packages,
        least_driver: facts
            .cuda
            .iter()
            .filter(|used| facts.ships_cuda(used))
            .filter_map(|used| least_driver(used.version, &options.tables))
            .max(),
        python_cuda: python(facts),
        cuda,
    }
}

fn device_code(facts: &Facts, layer: &dyn Fn(&Origin) -> Option<usize>) -> Vec<Device> {
    if let Some(image) = &facts.image {
        return image
            .device_code
            .iter()
            .map(|file| Device {
                path: file.path.to_string(),
                layer: layer(&file.origin),
                sass: file.sass.clone(),
                ptx: file.ptx.iter().map(|(target, isa)| Ptx { target: *target, isa: Some(*isa) }).collect(),
            })
            .collect();
    }
    facts
        .arch_lists
        .iter()
        .filter(|list| facts.is_shipped(list.stage))
        .map(|list| {
            let targets = |wanted: fn(&crate::facts::ArchEntry) -> bool| {
                list.entries.iter().filter(move |entry| wanted(entry)).filter_map(|entry| entry.target)
            };
            Device {
                path: format!("{} {}", list.carrier, list.raw),
                layer: None,
                sass: targets(|entry| entry.sass).collect(),
                ptx: targets(|entry| entry.ptx).map(|target| Ptx { target, isa: None }).collect(),
            }
        })
        .collect()
}

fn is_gpu_package(name: &str) -> bool {
    ["cuda", "libcuda", "libcu", "libnv", "libnccl", "nvidia", "libnvidia", "tensorrt", "libnpp"]
        .iter()
        .any(|stem| name.starts_with(stem))
        && !name.starts_with("libcurl")
        && !name.starts_with("libcups")
}

fn python(facts: &Facts) -> Vec<PythonCuda> {
    let wheel = |origin: &Origin| {
        facts
            .cuda
            .iter()
            .find(|used| used.kind == CudaUseKind::Wheel && used.origin == *origin)
            .map(|used| used.version)
    };
    let mut found: Vec<PythonCuda> = facts
        .python
        .iter()
        .filter(|requirement| facts.ships_packages(requirement.stage))
        .filter(|requirement| {
            wheel(&requirement.origin).is_some()
                || facts.payload.iter().any(|payload| payload.origin == requirement.origin)
                || requirement.name.starts_with("nvidia-")
        })
        .map(|requirement| PythonCuda {
            name: requirement.name.clone(),
            version: requirement.exact.clone(),
            cuda: wheel(&requirement.origin),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name && a.version == b.version);
    found
}
