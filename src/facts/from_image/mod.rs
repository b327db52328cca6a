//! From a built image to facts: its config, and what a [`LayerCollector`] kept of each layer. Owns the payload of files
//! and the merge of layers into one set of facts; nothing of the image is executed.

mod collect;
mod elf_file;
mod files;
mod packages;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use collect::{CollectedLayer, LayerCollector, Payload};
pub use elf_file::{ElfFile, is_cuda_library, is_vendor_library};
pub use packages::{Database, Package};

use super::manifest::parse_requirement;
use super::wheels::{cuda_of_requirement, is_gpu_distribution};
use super::{
    Base, BaseKind, CudaUse, CudaUseKind, EnvVar, Environment, Facts, Flavour, GpuPayload, ImageFacts,
    InputKind, InstalledPackage, LayerFacts, Libc, LoaderEntry, LoaderFile, LoaderVia, Origin, Os,
    PackageInstall, PackageManager, PayloadKind, PythonDistribution, PythonRequirement, PythonTool, Stage,
    StageId,
};
use crate::compat::{CudaVersion, CudnnVersion, Tables};
use crate::image::merge::{self, MergedTree};
use crate::image::{ImageConfig, LayerPath, Platform};
use crate::limits::Limits;

const STAGE: StageId = StageId(0);

/// An image with what the walk over its layers gave.
pub struct ImageInput<'a> {
    /// The config.
    pub config: &'a ImageConfig,
    /// The layers, lowest first.
    pub layers: Vec<LayerFacts>,
    /// What was kept of each layer, in the same order.
    pub collected: Vec<CollectedLayer>,
    /// The platform that the image is for.
    pub platform: &'a Platform,
}

/// The merged file system, with what judging it needs.
pub(super) struct Merged<'a> {
    tree: MergedTree<Payload>,
    architecture: &'a str,
    limits: &'a Limits,
}

/// Reads all facts of an image. Never fails: what a broken layer hides is absent, and the facts are marked incomplete.
#[must_use]
pub fn from_image(input: ImageInput<'_>, tables: &Tables, limits: &Limits) -> Facts {
    let ImageInput { config, layers, collected, platform } = input;
    let mut facts = Facts::empty(InputKind::Image);
    let mut shown = ImageFacts {
        complete: layers.len() == collected.len() && layers.iter().all(|layer| layer.complete),
        layers,
        labels: config.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        ..ImageFacts::default()
    };
    let (trees, databases): (Vec<_>, Vec<_>) =
        collected.into_iter().map(|layer| (layer.tree, layer.packages)).unzip();
    let merged = Merged { tree: merge::merge(trees), architecture: platform.arch.as_str(), limits };
    let env = environment(config);
    installed_packages(&merged, &databases, &mut facts, &mut shown);
    loader(&merged, &env, &mut facts, &mut shown);
    let folders: Vec<String> = facts.loader.iter().map(|entry| entry.directory.clone()).collect();
    files::extract(&merged, &folders, &mut facts, &mut shown);
    python(&merged, tables, &mut facts, &mut shown);
    start::extract(config, limits, &mut facts);
    shown.libc = libc(&merged);
    of_environment(&env, &mut facts);
    let base = base(&merged, &env, &shown, tables);
    facts.stages.push(stage(base, env));
    facts.image = Some(shown);
    facts
}

fn environment(config: &ImageConfig) -> Environment {
    let mut env = Environment { base_known: true, ..Environment::default() };
    for (name, value) in &config.env {
        // A name without `=` is left unset by the runtime.
        let Some(value) = value else { continue };
        let var = EnvVar { value: Some(value.clone()), origin: Origin::config_env(name), from_base: false };
        env.vars.insert(name.clone(), var);
    }
    env
}

fn stage(base: Base, env: Environment) -> Stage {
    let config = Origin::Config { key: "config".into() };
    Stage {
        id: STAGE,
        name: None,
        parent: None,
        lineage: vec![STAGE],
        from: config.clone(),
        from_instruction: config,
        base: Some(base.clone()),
        root: base,
        env,
        shipped: true,
        packages_shipped: true,
        ships_code: true,
        used: true,
        after_from: None,
        posix_shell: true,
        login_shell: false,
        architecture: None,
    }
}

/// Packages that the databases of the merged file system list, each with the layer since which it is there.
fn installed_packages(
    merged: &Merged<'_>,
    layers: &[Vec<(LayerPath, Vec<Package>, bool)>],
    facts: &mut Facts,
    shown: &mut ImageFacts,
) {
    for file in merged.tree.files() {
        let Payload::Packages(database) = file.payload else { continue };
        // The versions of this file, oldest layer first.
        let versions: Vec<(usize, &[Package])> = layers
            .iter()
            .enumerate()
            .take(file.layer.saturating_add(1))
            .filter_map(|(layer, found)| {
                let (_, packages, _) = found.iter().rev().find(|(path, ..)| path == file.path)?;
                Some((layer, packages.as_slice()))
            })
            .collect();
        let Some((last, current)) = versions.last() else { continue };
        let mut since: BTreeMap<(&str, &str), usize> = current
            .iter()
            .map(|package| ((package.name.as_str(), package.version.as_str()), *last))
            .collect();
        // Going down, a package keeps moving to the older layer as long as every version of the file lists it.
        let mut still: std::collections::HashSet<(&str, &str)> = since.keys().copied().collect();
        for (layer, packages) in versions.iter().rev().skip(1) {
            let listed: std::collections::HashSet<(&str, &str)> =
                packages.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
            still.retain(|key| listed.contains(key));
            for key in &still {
                since.insert(*key, *layer);
            }
        }
        let path: Arc<str> = file.path.to_string().into();
        for package in *current {
            let layer =
                since.get(&(package.name.as_str(), package.version.as_str())).copied().unwrap_or(*last);
            let origin = Origin::Layer { layer, path: Arc::clone(&path) };
            shown.packages.push(InstalledPackage {
                name: package.name.clone(),
                version: package.version.clone(),
                database: database.name().to_owned(),
                origin: origin.clone(),
            });
            let install = PackageInstall {
                stage: STAGE,
                manager: if *database == Database::Apk { PackageManager::Apk } else { PackageManager::Apt },
                name: package.name.clone(),
                open_ended: false,
                version: Some(package.version.clone()),
                pinned: true,
                flags: Vec::new(),
                removed: false,
                instruction: 0,
                origin: origin.clone(),
                command: origin.clone(),
            };
            if super::from_dockerfile::is_cuda_package(&install) {
                facts.payload.push(GpuPayload {
                    stage: STAGE,
                    kind: PayloadKind::SystemPackage,
                    what: install.name.clone(),
                    origin: origin.clone(),
                });
            }
            if let Some((version, major_only)) = super::from_dockerfile::cuda_of_package(&install) {
                facts.cuda.push(CudaUse {
                    stage: STAGE,
                    version,
                    major_only,
                    kind: CudaUseKind::Package,
                    what: install.name.clone(),
                    origin,
                });
            }
            facts.packages.push(install);
        }
    }
}

/// Python distributions, as requirements that are met.
fn python(merged: &Merged<'_>, tables: &Tables, facts: &mut Facts, shown: &mut ImageFacts) {
    let amd64 = merged.architecture == "amd64";
    for file in merged.tree.files() {
        let Payload::Python { name, version } = file.payload else { continue };
        let origin = Origin::Layer { layer: file.layer, path: file.path.to_string().into() };
        shown.python.push(PythonDistribution {
            name: name.clone(),
            version: version.clone(),
            origin: origin.clone(),
        });
        let Some(parsed) = parse_requirement(&format!("{name}=={version}")) else { continue };
        let requirement = PythonRequirement {
            stage: STAGE,
            tool: PythonTool::Installed,
            name: parsed.name,
            extras: Vec::new(),
            specifiers: parsed.specifiers,
            exact: parsed.exact,
            bounded: true,
            local_cuda: parsed.local_cuda,
            local_cpu: parsed.local_cpu,
            indexes: Vec::new(),
            index_origin: None,
            url: None,
            wheel_file: false,
            no_deps: false,
            no_build_isolation: false,
            only_binary: false,
            not_installed: false,
            prerelease: false,
            constrained: false,
            satisfied: false,
            by_variable: false,
            locked: true,
            instruction: 0,
            origin: origin.clone(),
            command: origin.clone(),
        };
        if is_gpu_distribution(&requirement, tables) {
            facts.payload.push(GpuPayload {
                stage: STAGE,
                kind: PayloadKind::Wheel,
                what: requirement.name.clone(),
                origin: origin.clone(),
            });
        }
        if let Some(cuda) = cuda_of_requirement(&requirement, tables, amd64) {
            facts.cuda.push(CudaUse {
                stage: STAGE,
                version: cuda.version,
                major_only: cuda.major_only,
                kind: CudaUseKind::Wheel,
                what: format!("{name} {version}"),
                origin,
            });
        }
        facts.python.push(requirement);
    }
}

/// Directories of LD_LIBRARY_PATH and of the loader's configuration.
fn loader(merged: &Merged<'_>, env: &Environment, facts: &mut Facts, shown: &mut ImageFacts) {
    let entry = |directory: &str, via: LoaderVia, origin: Origin| LoaderEntry {
        stage: STAGE,
        directory: directory.to_owned(),
        via,
        survives: true,
        from_base: false,
        cache_refreshed: true,
        instruction: 0,
        origin,
    };
    if let Some(value) = env.value("LD_LIBRARY_PATH").filter(|value| !value.is_empty()) {
        let origin = Origin::config_env("LD_LIBRARY_PATH");
        let elements = value.split(':').map(|element| entry(element, LoaderVia::Environment, origin.clone()));
        facts.loader.extend(elements);
    }
    for file in merged.tree.files() {
        let path = file.path.to_string();
        let Payload::Text(text) = file.payload else { continue };
        if !path.starts_with("/etc/ld.so.conf") {
            continue;
        }
        let origin = Origin::Layer { layer: file.layer, path: path.into() };
        // One directory a line; `include` and `hwcap` lines are others (ldconfig(8)).
        let directories: Vec<String> = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or(line).trim())
            .filter(|line| line.starts_with('/'))
            .map(|line| line.split(['=', ' ', '\t']).next().unwrap_or(line).to_owned())
            .collect();
        facts
            .loader
            .extend(directories.iter().map(|folder| entry(folder, LoaderVia::ConfFile, origin.clone())));
        shown.loader_files.push(LoaderFile { origin, directories });
    }
}

/// What the environment says about CUDA.
fn of_environment(env: &Environment, facts: &mut Facts) {
    if let Some(version) = env.value("CUDA_VERSION").and_then(|value| value.parse::<CudaVersion>().ok()) {
        facts.cuda.push(CudaUse {
            stage: STAGE,
            version,
            major_only: false,
            kind: CudaUseKind::Config,
            what: "CUDA_VERSION".to_owned(),
            origin: Origin::config_env("CUDA_VERSION"),
        });
    }
    for name in ["NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"] {
        let asks = env.value(name).is_some_and(|value| !matches!(value, "" | "void" | "none"));
        if asks {
            facts.payload.push(GpuPayload {
                stage: STAGE,
                kind: PayloadKind::Environment,
                what: name.to_owned(),
                origin: Origin::config_env(name),
            });
        }
    }
}

fn libc(merged: &Merged<'_>) -> Option<Libc> {
    let mut names: Vec<String> = Vec::new();
    names.extend(merged.tree.files().map(|file| String::from_utf8_lossy(file.path.file_name()).into_owned()));
    names.extend(merged.tree.links().map(|link| String::from_utf8_lossy(link.path.file_name()).into_owned()));
    if names.iter().any(|name| name.starts_with("ld-linux")) {
        Some(Libc::Glibc)
    } else if names.iter().any(|name| name.starts_with("ld-musl-")) {
        Some(Libc::Musl)
    } else {
        None
    }
}

/// The image as the base of its only stage.
fn base(merged: &Merged<'_>, env: &Environment, shown: &ImageFacts, tables: &Tables) -> Base {
    let program = |names: &[&str]| {
        let is = |path: &LayerPath| {
            let name = String::from_utf8_lossy(path.file_name());
            let in_bin = path.parent().is_some_and(|folder| folder.file_name() == b"bin");
            in_bin && names.iter().any(|wanted| name == *wanted || name.starts_with(&format!("{wanted}-")))
        };
        let found =
            merged.tree.files().any(|file| is(file.path)) || merged.tree.links().any(|link| is(link.path));
        // A layer that could not be read may hold it.
        if found { Some(true) } else { shown.complete.then_some(false) }
    };
    let has_nvcc = program(&["nvcc"]);
    let installed = |stem: &str| shown.packages.iter().any(|package| package.name.starts_with(stem));
    let flavour = if has_nvcc == Some(true) {
        Some(Flavour::Devel)
    } else if installed("cuda-libraries-") || installed("libcublas-") {
        Some(Flavour::Runtime)
    } else if installed("cuda-cudart-") {
        Some(Flavour::Base)
    } else {
        None
    };
    let cudnn = cudnn(env, shown);
    Base {
        reference: None,
        written: "the image".to_owned(),
        repository: None,
        tag: None,
        digest: false,
        args: Vec::new(),
        origin: Origin::Config { key: "config".into() },
        tag_origin: None,
        kind: BaseKind::Built,
        cuda: env.value("CUDA_VERSION").and_then(|value| value.parse().ok()),
        cudnn_known: shown.complete,
        cudnn,
        flavour,
        os: os(merged, tables),
        has_nvcc,
        has_c_compiler: program(&[
            "gcc",
            "cc",
            "clang",
            "tcc",
            "x86_64-linux-gnu-gcc",
            "aarch64-linux-gnu-gcc",
        ]),
    }
}

/// cuDNN as a system package or by the environment of NVIDIA's images; not what wheels bring.
fn cudnn(env: &Environment, shown: &ImageFacts) -> Option<CudnnVersion> {
    let version = |text: &str| {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    let package = shown.packages.iter().find(|package| {
        package
            .name
            .strip_prefix("libcudnn")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    package
        .and_then(|package| version(&package.version))
        .or_else(|| env.value("NV_CUDNN_VERSION").and_then(version))
}

/// The distribution by os-release.
fn os(merged: &Merged<'_>, tables: &Tables) -> Option<Os> {
    let text = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| {
        match merged.tree.resolve(&LayerPath::from(*path), merged.limits.symlink_depth) {
            merge::Resolved::File { payload: Payload::Text(text), .. } => Some(text.as_str()),
            _ => None,
        }
    })?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim().trim_matches(['"', '\'']))
    };
    let name = value("ID")?;
    let release = value("VERSION_ID").unwrap_or_default();
    let major = release.split('.').next().unwrap_or(release);
    let id = match name {
        "ubuntu" => format!("ubuntu{release}"),
        "debian" => format!("debian{major}"),
        "rhel" => format!("ubi{major}"),
        "rocky" => format!("rockylinux{major}"),
        "amzn" => format!("amzn{release}"),
        other => format!("{other}{major}"),
    };
    let row = tables.images().system(&id);
    let musl = name == "alpine" || row.is_some_and(|row| row.libc == crate::compat::tables::Libc::Musl);
    let glibc =
        row.and_then(|row| row.glibc_version()).map(|(major, minor)| (u32::from(major), u32::from(minor)));
    Some(Os { id, glibc, musl })
}

#[cfg(test)]
mod tests;
