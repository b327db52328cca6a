//! The environment of base images: from their real config where it was read, otherwise from the knowledge tables.

use std::rc::Rc;

use super::{BaseConfig, Extraction, base};
use crate::compat::Tables;
use crate::compat::tables::image::Arch;
use crate::dockerfile::stages::{Base as GraphBase, BaseEnv, ResolvedBase};
use crate::dockerfile::{Platform, StageGraph};
use crate::facts::{Base, BaseKind, Flavour};

/// PATH of images that set nothing else (BuildKit's default).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What the loader path of pytorch/pytorch is, of runtime and devel tags alike (the Dockerfile of
/// github.com/pytorch/pytorch, stage `official`, read at 01343dcd on 2026-11-25).
const DRIVER_DIRECTORIES: &str = "/usr/local/nvidia/lib:/usr/local/nvidia/lib64";

/// Which variables a base image may have besides those that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gaps {
    /// None: the list is complete.
    None,
    /// Package versions of nvidia/cuda (`NV_*`, `NCCL_VERSION`), whose values are not tabulated.
    CudaImage,
    /// Those of a language image (`PYTHON_VERSION`, `JAVA_HOME`), which have nothing to do with CUDA.
    Language,
    /// Any other.
    Any,
}

/// A base image's variables as far as they are known.
#[derive(Debug, Clone)]
pub(super) struct KnownEnv {
    /// Names and values.
    pub vars: Vec<(String, String)>,
    /// What may be missing.
    pub gaps: Gaps,
    /// Variables that are set, to a value that is not known.
    pub unknown: Vec<&'static str>,
}

/// The environment for the stage graph.
pub(super) fn for_stage(
    resolved: &ResolvedBase<'_>,
    tables: &Tables,
    arch: Option<Arch>,
    config: &BaseConfig<'_>,
) -> BaseEnv {
    let arch = match resolved.platform {
        Some(platform) => Arch::from_word(&platform.architecture),
        None => arch,
    };
    let base = base::of_reference(resolved.reference, Some(resolved.name), tables);
    match known(&base, tables, arch, resolved.platform, config) {
        Some(known) => BaseEnv::Known(known.vars),
        None => BaseEnv::Unknown,
    }
}

/// What is known of the environments under all stages; a stage FROM a stage has that one's.
pub(super) fn of_stages(
    graph: &StageGraph,
    tables: &Tables,
    build: &Platform,
    config: &BaseConfig<'_>,
) -> Vec<Option<Rc<KnownEnv>>> {
    let mut out: Vec<Option<Rc<KnownEnv>>> = Vec::with_capacity(graph.stages.len());
    for stage in &graph.stages {
        let known = match &stage.base {
            GraphBase::Stage(parent) => out.get(*parent).cloned().flatten(),
            GraphBase::Scratch => Some(Rc::new(KnownEnv {
                vars: vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())],
                gaps: Gaps::None,
                unknown: Vec::new(),
            })),
            GraphBase::Unknown { .. } => None,
            GraphBase::Image { reference, name, .. } => reference.as_str().and_then(|text| {
                let platform = match &stage.platform {
                    Some(platform) => platform.as_str().and_then(Platform::parse),
                    None => Some(build.clone()),
                };
                let arch = platform.as_ref().and_then(|platform| Arch::from_word(&platform.architecture));
                let base = base::of_reference(text, name.as_ref(), tables);
                known(&base, tables, arch, platform.as_ref(), config).map(Rc::new)
            }),
        };
        out.push(known);
    }
    out
}

/// What is known of a base image's environment; `None` when nothing is. A config is asked for only where the platform is
/// known.
pub(super) fn known(
    base: &Base,
    tables: &Tables,
    arch: Option<Arch>,
    platform: Option<&Platform>,
    config: &BaseConfig<'_>,
) -> Option<KnownEnv> {
    if let Some(vars) = platform.and_then(|platform| config(base, platform)) {
        return Some(KnownEnv { vars, gaps: Gaps::None, unknown: Vec::new() });
    }
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match base.kind {
        BaseKind::Scratch => {
            Some(KnownEnv { vars: vec![pair("PATH", DEFAULT_PATH)], gaps: Gaps::None, unknown: Vec::new() })
        }
        BaseKind::Plain => {
            let distribution = base.repository.as_deref().is_some_and(base::is_distribution);
            // Distributions set PATH alone; language images put their own folders into it.
            let (vars, gaps, unknown) = if distribution {
                (vec![pair("PATH", DEFAULT_PATH)], Gaps::None, Vec::new())
            } else {
                (Vec::new(), Gaps::Language, vec!["PATH"])
            };
            Some(KnownEnv { vars, gaps, unknown })
        }
        BaseKind::Cuda => cuda(base, tables, arch),
        BaseKind::Framework if base.repository.as_deref() == Some("pytorch/pytorch") => Some(KnownEnv {
            vars: vec![
                pair("NVIDIA_VISIBLE_DEVICES", "all"),
                pair("NVIDIA_DRIVER_CAPABILITIES", "compute,utility"),
                pair("LD_LIBRARY_PATH", DRIVER_DIRECTORIES),
            ],
            gaps: Gaps::Any,
            unknown: vec!["PATH"],
        }),
        _ => None,
    }
}

fn cuda(base: &Base, tables: &Tables, arch: Option<Arch>) -> Option<KnownEnv> {
    let images = tables.images();
    let version = base.cuda?;
    let row = images.cuda_image(version)?;
    let words = images.env();
    let mut vars = vec![
        ("NVIDIA_VISIBLE_DEVICES".to_owned(), words.visible_devices.clone()),
        ("NVIDIA_DRIVER_CAPABILITIES".to_owned(), words.driver_capabilities.clone()),
        ("PATH".to_owned(), format!("{}:{DEFAULT_PATH}", words.path_prefix)),
    ];
    let mut unknown = Vec::new();
    let mut one = |name: &'static str, values: &[String]| match values {
        [value] => vars.push((name.to_owned(), value.clone())),
        _ => unknown.push(name),
    };
    one("CUDA_VERSION", &row.cuda_version_env);
    one("LD_LIBRARY_PATH", &row.ld_library_path);
    let require = arch.zip(base.os.as_ref()).and_then(|(arch, os)| images.require_for(version, arch, &os.id));
    one("NVIDIA_REQUIRE_CUDA", &require.into_iter().collect::<Vec<_>>());
    if base.flavour == Some(Flavour::Devel) {
        vars.push(("LIBRARY_PATH".to_owned(), words.library_path.clone()));
    }
    Some(KnownEnv { vars, gaps: Gaps::CudaImage, unknown })
}

/// Whether the base image under a stage may set a variable that the stage graph takes as unset.
pub(super) fn may_set(cx: &Extraction<'_>, stage: usize, name: &str) -> bool {
    let Some(known) = cx.base_env(stage) else { return true };
    if known.unknown.contains(&name) {
        return true;
    }
    match known.gaps {
        Gaps::None => false,
        Gaps::CudaImage => {
            name.starts_with("NV_") || matches!(name, "NCCL_VERSION" | "NVIDIA_PRODUCT_NAME" | "NVARCH")
        }
        Gaps::Language => {
            let about_gpus = ["NVIDIA_", "CUDA_", "LD_", "NV_", "NCCL_", "TORCH_"];
            !about_gpus.iter().any(|prefix| name.starts_with(prefix))
                && ([
                    "_VERSION", "_HOME", "_PATH", "_DIR", "_KEY", "_SHA256", "_URL", "_ROOT", "_PREFIX",
                    "_ENV",
                ]
                .iter()
                .any(|suffix| name.ends_with(suffix))
                    || matches!(name, "PATH" | "LANG" | "GOPATH" | "GOTOOLCHAIN" | "CONDA_DIR"))
                && name != "LIBRARY_PATH"
        }
        Gaps::Any => true,
    }
}
