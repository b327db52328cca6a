//! GPU extensions that a stage builds from source.

use std::collections::HashMap;

use super::Extraction;
use super::capability_uses::defines_true;
use super::context_files::absolute;
use super::steps::{self, Step, Workdirs};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::{BuildCommand, PythonAction, PythonInstall, RequirementSource};
use crate::facts::manifest::parse_requirement;
use crate::facts::{Facts, Origin, PythonIndex, PythonRequirement, SourceBuild, StageId};

/// A package that compiles CUDA code when it is built from source.
struct Extension {
    /// Distribution name.
    name: &'static str,
    /// Whether the default index has no wheel of it, so that a plain install builds it.
    always_built: bool,
    /// Whether it is a torch C++/CUDA extension.
    torch: bool,
    /// Whether it asks the present GPU for the architecture when no list is given.
    detects: bool,
}

const fn extension(name: &'static str, always_built: bool, torch: bool, detects: bool) -> Extension {
    Extension { name, always_built, torch, detects }
}

/// The packages that the rules know. flash-attn, vllm, xformers and others carry a fixed list of architectures.
const EXTENSIONS: &[Extension] = &[
    extension("flash-attn", true, true, false),
    extension("apex", false, true, true),
    extension("detectron2", false, true, true),
    extension("pytorch3d", false, true, true),
    extension("nvdiffrast", false, true, true),
    extension("tiny-cuda-nn", false, true, true),
    extension("tinycudann", false, true, true),
    extension("mamba-ssm", true, true, false),
    extension("causal-conv1d", true, true, false),
    extension("mmcv", false, true, true),
    extension("mmcv-full", false, true, true),
    extension("gsplat", false, true, true),
    extension("xformers", false, true, false),
    extension("vllm", false, true, false),
    extension("grouped-gemm", true, true, true),
    extension("diff-gaussian-rasterization", false, true, true),
    extension("simple-knn", false, true, true),
    extension("torchsparse", false, true, true),
    extension("minkowskiengine", true, true, true),
    extension("groundingdino", false, true, true),
    extension("transformer-engine", false, true, false),
    extension("sageattention", false, true, true),
    extension("curope", false, true, true),
];

/// Variables that make a package's build leave CUDA out.
const SKIP_VARIABLES: &[(&str, &str)] = &[
    ("flash-attn", "FLASH_ATTENTION_SKIP_CUDA_BUILD"),
    ("mamba-ssm", "MAMBA_SKIP_CUDA_BUILD"),
    ("causal-conv1d", "CAUSAL_CONV1D_SKIP_CUDA_BUILD"),
    ("vllm", "VLLM_USE_PRECOMPILED"),
];

/// Packages whose setup.py compiles CUDA code only where it finds a GPU, or FORCE_CUDA is set.
const FALLS_BACK: &[&str] = &["detectron2", "pytorch3d", "mmcv", "mmcv-full", "groundingdino", "torchsparse"];

/// CMake switches that turn CUDA on in projects that leave it off.
const CMAKE_SWITCHES: &[&str] = &[
    "GGML_CUDA",
    "LLAMA_CUBLAS",
    "LLAMA_CUDA",
    "WHISPER_CUBLAS",
    "SD_CUBLAS",
    "SD_CUDA",
    "WITH_CUDA",
    "USE_CUDA",
    "ENABLE_CUDA",
    "FAISS_ENABLE_GPU",
    "BUILD_CUDA",
    "CUDA_ENABLED",
    "ONNXRUNTIME_USE_CUDA",
    "COMPUTE_BACKEND_CUDA",
    "LLM_CUDA",
    "USE_CUBLAS",
    "CT2_USE_CUDA",
];

/// Variables that tell an extension's build the architectures.
const ARCH_VARIABLES: &[&str] = &[
    "TORCH_CUDA_ARCH_LIST",
    "TCNN_CUDA_ARCHITECTURES",
    "CMAKE_CUDA_ARCHITECTURES",
    "CUDAARCHS",
    "CUDA_ARCH_LIST",
];

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let dirs = Workdirs::new(cx);
    // Requirements by the command that asks for them.
    let mut asked: HashMap<Origin, Vec<PythonRequirement>> = HashMap::new();
    for requirement in facts.python.iter().filter(|requirement| may_build(requirement)) {
        asked.entry(requirement.command.clone()).or_default().push(requirement.clone());
    }
    let mut builds = Vec::new();
    let mut clones = Clones::default();
    steps::walk(cx, &dirs, |step| {
        if !step.at_build() {
            return;
        }
        clones.note(step);
        match step.action {
            Action::Python(install) => {
                let requirements = asked.remove(&step.origin()).unwrap_or_default();
                builds.extend(
                    requirements.iter().filter_map(|requirement| build_of_requirement(cx, step, requirement)),
                );
                builds.extend(folder_builds(cx, step, install, &clones));
            }
            Action::Build(build) if build.program == "cmake" => builds.extend(cmake_build(cx, step, build)),
            Action::Build(build) if build.program == "setup.py" => {
                builds.extend(setup_build(cx, facts, &dirs, step, build, &clones));
            }
            _ => {}
        }
    });
    facts.source_builds.extend(builds);
}

fn may_build(requirement: &PythonRequirement) -> bool {
    matches!(requirement.name.as_str(), "llama-cpp-python" | "deepspeed")
        || EXTENSIONS.iter().any(|extension| extension.name == requirement.name)
}

fn build_of_requirement(
    cx: &Extraction<'_>,
    step: &Step<'_>,
    requirement: &PythonRequirement,
) -> Option<SourceBuild> {
    let name = requirement.name.as_str();
    if name == "llama-cpp-python" {
        return llama_cpp_python(cx, step, requirement);
    }
    if name == "deepspeed" {
        let asked = ["DS_BUILD_OPS", "DS_BUILD_FUSED_ADAM", "DS_BUILD_TRANSFORMER"]
            .iter()
            .any(|variable| step.own_variable(cx, variable).value() == Some("1"));
        return asked.then(|| source_build(cx, step, requirement, &extension("deepspeed", true, true, true)));
    }
    let known = EXTENSIONS.iter().find(|extension| extension.name == name)?;
    let from_source = requirement.url.is_some() && !requirement.wheel_file;
    // `mmcv` without the project's own index builds from its source archive.
    let no_wheel = known.always_built || (name.starts_with("mmcv") && requirement.indexes.is_empty());
    (from_source || no_wheel).then(|| source_build(cx, step, requirement, known))
}

fn source_build(
    cx: &Extraction<'_>,
    step: &Step<'_>,
    requirement: &PythonRequirement,
    extension: &Extension,
) -> SourceBuild {
    let skipped = skipped(cx, step, extension.name);
    // An index or page of links beside the default one may serve built wheels.
    let served = requirement.indexes.iter().any(|index| !matches!(index, PythonIndex::Default));
    SourceBuild {
        stage: requirement.stage,
        package: extension.name.to_owned(),
        torch_extension: extension.torch,
        detects_arch: extension.detects,
        arch_list_visible: arch_list_visible(cx, step),
        prebuilt: requirement.wheel_file
            || requirement.only_binary
            || skipped
            || (served && requirement.url.is_none()),
        falls_back: falls_back(cx, step, extension.name),
        instruction: requirement.instruction,
        origin: requirement.origin.clone(),
    }
}

/// Whether a variable makes the build of a package leave CUDA out.
fn skipped(cx: &Extraction<'_>, step: &Step<'_>, package: &str) -> bool {
    SKIP_VARIABLES.iter().any(|(name, variable)| {
        *name == package
            && step
                .own_variable(cx, variable)
                .value()
                .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    })
}

/// Whether the build of a package leaves CUDA out by itself, as docker build shows it no GPU.
fn falls_back(cx: &Extraction<'_>, step: &Step<'_>, package: &str) -> bool {
    FALLS_BACK.contains(&package)
        && !["FORCE_CUDA", "MMCV_WITH_CUDA"].iter().any(|name| step.own_variable(cx, name).is_set())
}

fn arch_list_visible(cx: &Extraction<'_>, step: &Step<'_>) -> bool {
    ARCH_VARIABLES.iter().any(|name| step.variable(cx, name).is_set())
        || ["NVCC_APPEND_FLAGS", "NVCC_PREPEND_FLAGS"].iter().any(|name| {
            let flags = step.own_variable(cx, name);
            flags.is_set()
                && flags.value().is_none_or(|value| value.contains("-gencode") || value.contains("-arch"))
        })
}

/// llama-cpp-python compiles llama.cpp; CMAKE_ARGS decides about CUDA.
fn llama_cpp_python(
    cx: &Extraction<'_>,
    step: &Step<'_>,
    requirement: &PythonRequirement,
) -> Option<SourceBuild> {
    let flags = step.own_variable(cx, "CMAKE_ARGS");
    let value = flags.value().filter(|value| cuda_switch(value).is_some())?;
    let served = requirement.indexes.iter().any(|index| matches!(index, PythonIndex::Cuda { .. }));
    Some(SourceBuild {
        stage: requirement.stage,
        package: "llama-cpp-python".to_owned(),
        torch_extension: false,
        detects_arch: false,
        arch_list_visible: value.contains("CMAKE_CUDA_ARCHITECTURES") || arch_list_visible(cx, step),
        prebuilt: requirement.wheel_file || requirement.only_binary || served,
        falls_back: false,
        instruction: requirement.instruction,
        origin: requirement.origin.clone(),
    })
}

/// The switch that turns CUDA on in options of CMake.
pub(super) fn cuda_switch(text: &str) -> Option<&'static str> {
    CMAKE_SWITCHES.iter().copied().find(|switch| defines_true(text, switch))
}

/// `cmake -DGGML_CUDA=ON`: configuring fails without nvcc.
fn cmake_build(cx: &Extraction<'_>, step: &Step<'_>, build: &BuildCommand) -> Option<SourceBuild> {
    let on = |value: &str| matches!(value.to_ascii_uppercase().as_str(), "ON" | "1" | "TRUE" | "YES" | "Y");
    let definition = build.definitions.iter().find(|definition| {
        CMAKE_SWITCHES.contains(&definition.name.as_str()) && definition.value.literal().is_some_and(on)
    })?;
    let listed = build.definitions.iter().any(|definition| {
        matches!(definition.name.as_str(), "CMAKE_CUDA_ARCHITECTURES" | "CUDA_ARCH_BIN" | "CUDA_ARCH_PTX")
    });
    Some(SourceBuild {
        stage: step.stage(),
        package: "cmake".to_owned(),
        torch_extension: false,
        detects_arch: false,
        arch_list_visible: listed || arch_list_visible(cx, step),
        prebuilt: false,
        falls_back: false,
        instruction: step.instruction(),
        origin: step.executed.origin_of(definition.span),
    })
}

/// Clones that are remembered in a stage.
const CLONES: usize = 64;

/// Repositories that the stage cloned before, by the folder they lie in.
#[derive(Default)]
struct Clones {
    stage: Option<StageId>,
    folders: HashMap<String, &'static Extension>,
}

impl Clones {
    fn note(&mut self, step: &Step<'_>) {
        if self.stage != Some(step.stage()) {
            self.stage = Some(step.stage());
            self.folders.clear();
        }
        let Action::GitClone(clone) = step.action else { return };
        let Some(url) = clone.url.literal() else { return };
        let Some(source) = parse_requirement(&format!("git+{url}")) else { return };
        let Some(known) = EXTENSIONS.iter().find(|extension| extension.name == source.name) else { return };
        let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or(url);
        let folder = match &clone.directory {
            Some(word) => word.literal().map(str::to_owned),
            None => Some(last.trim_end_matches(".git").to_owned()),
        };
        if let Some(folder) = folder.filter(|_| self.folders.len() < CLONES) {
            self.folders.insert(absolute(step.directory, &folder), known);
        }
    }

    fn at(&self, directory: &str) -> Option<&'static Extension> {
        self.folders
            .iter()
            .find(|(folder, _)| directory == *folder || directory.starts_with(&format!("{folder}/")))
            .map(|(_, extension)| *extension)
    }
}

/// `pip install ./detectron2`, `pip install -e .` in the clone of a known extension.
fn folder_builds(
    cx: &Extraction<'_>,
    step: &Step<'_>,
    install: &PythonInstall,
    clones: &Clones,
) -> Vec<SourceBuild> {
    if !matches!(install.action, PythonAction::Install | PythonAction::Wheel) {
        return Vec::new();
    }
    let folders = install.requirements.iter().filter_map(|requirement| {
        let path = match &requirement.source {
            RequirementSource::Path(path) => path.trim_start_matches("file://"),
            // pip takes the value of `-e` for a folder, whatever it looks like.
            RequirementSource::Index if requirement.editable => requirement.raw.split('[').next()?,
            _ => return None,
        };
        Some((requirement, clones.at(&absolute(step.directory, path))?))
    });
    folders
        .map(|(requirement, known)| SourceBuild {
            stage: step.stage(),
            package: known.name.to_owned(),
            torch_extension: known.torch,
            detects_arch: known.detects,
            arch_list_visible: arch_list_visible(cx, step),
            prebuilt: skipped(cx, step, known.name),
            falls_back: falls_back(cx, step, known.name),
            instruction: step.instruction(),
            origin: step.executed.origin_of(requirement.span),
        })
        .collect()
}

/// `python setup.py install` in the clone of a known extension, or of a context file with a CUDAExtension.
fn setup_build(
    cx: &Extraction<'_>,
    facts: &mut Facts,
    dirs: &Workdirs,
    step: &Step<'_>,
    build: &BuildCommand,
    clones: &Clones,
) -> Option<SourceBuild> {
    let verb = build.args.iter().any(|word| {
        matches!(word.literal(), Some("install" | "develop" | "build_ext" | "bdist_wheel" | "build"))
    });
    if !verb {
        return None;
    }
    let program = step.command().program()?;
    let script = program.args.iter().find(|word| word.text.ends_with("setup.py"))?;
    let (package, torch, detects) = match clones.at(step.directory) {
        Some(extension) => (extension.name.to_owned(), extension.torch, extension.detects),
        None => {
            let text = cx.context_text(facts, dirs, step, script.literal()?)?;
            if !text.text.contains("CUDAExtension") {
                return None;
            }
            (script.text.clone(), true, true)
        }
    };
    Some(SourceBuild {
        stage: step.stage(),
        torch_extension: torch,
        detects_arch: detects,
        arch_list_visible: arch_list_visible(cx, step),
        prebuilt: skipped(cx, step, &package),
        falls_back: falls_back(cx, step, &package),
        package,
        instruction: step.instruction(),
        origin: step.executed.origin_of(script.span),
    })
}

#[cfg(test)]
mod tests {
    use crate::facts::from_dockerfile::testing::{at, facts, facts_in};
    use crate::facts::{Facts, SourceBuild};

    /// Package, then `a` architectures visible, `p` prebuilt, `d` detects.
    fn shown(facts: &Facts) -> Vec<String> {
        let show = |build: &SourceBuild| {
            let flag = |on: bool, letter: &'static str| if on { letter } else { "" };
            let flags = [
                flag(build.arch_list_visible, "a"),
                flag(build.prebuilt, "p"),
                flag(build.detects_arch, "d"),
            ];
            format!("{} {}", build.package, flags.concat())
        };
        facts.source_builds.iter().map(show).collect()
    }

    #[test]
    fn extensions_by_name_and_repository() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install flash-attn --no-build-isolation\nRUN pip install --no-build-isolation git+https://github.com/facebookresearch/pytorch3d && pip install gsplat torch\nENV TORCH_CUDA_ARCH_LIST=8.0\nRUN pip install 'detectron2 @ git+https://github.com/facebookresearch/detectron2'\n",
        );
        assert_eq!(shown(&facts), ["flash-attn ", "pytorch3d d", "detectron2 ad"]);
        assert_eq!(
            at(&facts, &facts.source_builds[1].origin),
            "git+https://github.com/facebookresearch/pytorch3d"
        );
    }

    #[test]
    fn prebuilt_ones_are_marked() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN pip install https://github.com/x/flash_attn-2.6.3+cu123-cp310-cp310-linux_x86_64.whl\nRUN FLASH_ATTENTION_SKIP_CUDA_BUILD=TRUE pip install flash-attn\nRUN pip install --only-binary :all: flash-attn\nRUN pip install flash-attn -f https://x.example/wheels\n",
        );
        assert!(facts.source_builds.iter().all(|build| build.prebuilt), "{:?}", shown(&facts));
        assert_eq!(facts.source_builds.len(), 4);
    }

    #[test]
    fn builds_that_leave_cuda_out_by_themselves() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN pip install git+https://github.com/facebookresearch/detectron2\nRUN FORCE_CUDA=1 pip install git+https://github.com/facebookresearch/detectron2\nRUN pip install git+https://github.com/NVIDIA/apex\nRUN VLLM_USE_PRECOMPILED=1 pip install git+https://github.com/vllm-project/vllm.git\n",
        );
        let flags: Vec<_> = facts.source_builds.iter().map(|b| (b.falls_back, b.prebuilt)).collect();
        assert_eq!(flags, [(true, false), (false, false), (false, false), (false, true)]);
    }

    #[test]
    fn cmake_and_llama_cpp() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN cmake -B b -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=86\nRUN cmake -B b -D GGML_CUDA=off\nRUN CMAKE_ARGS='-DGGML_CUDA=on' pip install llama-cpp-python\nRUN pip install llama-cpp-python\n",
        );
        assert_eq!(shown(&facts), ["cmake a", "llama-cpp-python "]);
        assert_eq!(at(&facts, &facts.source_builds[0].origin), "-DGGML_CUDA=ON");
    }

    #[test]
    fn folders_of_clones() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN git clone https://github.com/facebookresearch/detectron2 && pip install -e detectron2\nRUN git clone https://github.com/NVIDIA/apex /opt/apex\nWORKDIR /opt/apex\nRUN pip install -v --no-build-isolation ./\nWORKDIR /w\nRUN pip install ./other\n",
        );
        assert_eq!(shown(&facts), ["detectron2 d", "apex d"]);
        assert_eq!(at(&facts, &facts.source_builds[0].origin), "detectron2");
    }

    #[test]
    fn setup_py_of_a_clone_or_of_the_context() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN git clone https://github.com/NVIDIA/apex && cd apex && python setup.py install --cuda_ext\n",
        );
        assert_eq!(shown(&facts), ["apex d"]);
        let files = [
            ("ops/setup.py", "from torch.utils.cpp_extension import CUDAExtension\n"),
            ("other/setup.py", "setup()\n"),
        ];
        let facts = facts_in(
            "FROM ubuntu:22.04\nWORKDIR /w\nCOPY . .\nRUN cd ops && python setup.py install\nRUN cd other && python setup.py install\n",
            &files,
        );
        assert_eq!(shown(&facts), ["setup.py d"]);
    }
}
