//! CU503: wheels bring CUDA that the base image already has.

use super::programs::copies_cuda_programs;
use super::{has_conda, has_package, is_cpu, shipped_python};
use crate::diagnostics::{RuleId, Safety};
use crate::facts::{Base, BaseKind, CudaUse, CudaUseKind, Facts, Flavour, Origin, PythonRequirement};
use crate::rules::{Context, Rule, Sink};

pub(super) struct DuplicateCudaRuntime;

impl Rule for DuplicateCudaRuntime {
    fn id(&self) -> RuleId {
        RuleId::new("CU503")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU503-duplicate-cuda-runtime.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base().filter(|base| base.kind == BaseKind::Cuda) else { return };
        let Some(flavour) = base.flavour.filter(|flavour| *flavour != Flavour::Base) else { return };
        let compiles = facts
            .compiles
            .iter()
            .chain(&facts.run_time_compiles)
            .any(|signal| facts.in_final_lineage(signal.stage));
        if (flavour == Flavour::Devel && (compiles || runs_compiler(facts))) || uses_system_libraries(facts) {
            return;
        }
        let wheel = shipped_python(facts).find(|requirement| bundles(requirement));
        let conda = facts.cuda.iter().find(|used| facts.ships_cuda(used) && is_conda_runtime(used));
        let (origin, name, brings) = match (wheel, conda) {
            (Some(wheel), _) => (&wheel.origin, wheel.name.as_str(), "its own CUDA, cuDNN and NCCL"),
            (None, Some(conda)) => (&conda.origin, conda.what.as_str(), "conda's own CUDA libraries"),
            (None, None) => return,
        };
        let image = base.reference.as_deref().unwrap_or(&base.written);
        let mut draft = out
            .finding(origin, format!("`{name}` brings {brings}; `{image}` ships them a second time"))
            .related(&base.origin, "ships CUDA libraries")
            .help("use the `base` flavour of the same tag: what is installed needs only the driver");
        if let Some(edit) = base_flavour(base) {
            draft = draft.fix(Safety::Unsafe, "use the `base` flavour", &[edit]);
        }
        draft.emit();
    }
}

/// Wheels with bundled CUDA libraries (wheels.toml: unconditional dependencies or the extra named).
fn bundles(requirement: &PythonRequirement) -> bool {
    if is_cpu(requirement) || requirement.no_deps || requirement.url.is_some() {
        return false;
    }
    let extra = |prefix: &str| {
        requirement.extras.iter().any(|extra| extra.starts_with(prefix) && !extra.ends_with("local"))
    };
    match requirement.name.as_str() {
        "torch" => true,
        "tensorflow" => extra("and-cuda"),
        "jax" => extra("cuda12") || extra("cuda13"),
        _ => false,
    }
}

/// Whether conda brings the CUDA libraries, not a compiler or a bound alone.
fn is_conda_runtime(used: &CudaUse) -> bool {
    used.kind == CudaUseKind::Conda
        && !matches!(used.what.as_str(), "cuda-nvcc" | "cuda-version" | "cuda-cudart")
}

/// Other users of the system's libraries; then the base image is right.
fn uses_system_libraries(facts: &Facts) -> bool {
    let consumers = [
        "onnxruntime-gpu",
        "tensorrt",
        "ctranslate2",
        "faster-whisper",
        "faiss-gpu",
        "faiss-gpu-cu12",
        "paddlepaddle-gpu",
        "llama-cpp-python",
        "pycuda",
        "dlib",
        "mxnet",
        "lightgbm",
        "nvidia-dali-cuda120",
        "whisperx",
        "pynvvideocodec",
        "deepspeed",
    ];
    let by_name = facts.python.iter().filter(|requirement| facts.ships_packages(requirement.stage)).any(
        |requirement| {
            let own_extras = matches!(requirement.name.as_str(), "torch" | "tensorflow" | "jax");
            consumers.contains(&requirement.name.as_str())
                || requirement.name.starts_with("cupy")
                || (requirement.name.ends_with("-gpu") && requirement.name != "tensorflow-gpu")
                // `rembg[gpu]`, `spacy[cuda12x]`: onnxruntime-gpu, CuPy and their like.
                || (!own_extras
                    && requirement.extras.iter().any(|extra| extra == "gpu" || extra.starts_with("cuda")))
                || (requirement.name == "tensorflow" && requirement.extras.is_empty() && !is_cpu(requirement))
                || (requirement.name == "jax"
                    && requirement.extras.iter().any(|extra| extra.ends_with("local")))
        },
    );
    let target = facts.target;
    by_name
        || copies_cuda_programs(facts)
        || has_package(
            facts,
            target,
            &["libnvinfer", "tensorrt", "python3-libnvinfer", "ffmpeg", "libopencv"],
        )
        || has_conda(facts, target, &["tensorrt", "onnxruntime-gpu"])
        || facts.source_builds.iter().any(|build| facts.is_shipped(build.stage) && !build.prebuilt)
        || facts.compiles.iter().any(|signal| signal.cuda && facts.is_shipped(signal.stage))
}

fn runs_compiler(facts: &Facts) -> bool {
    facts.python.iter().any(|requirement| {
        facts.in_final_lineage(requirement.stage)
            && ["deepspeed", "flashinfer-python", "tinygrad", "cudaq", "pycuda", "sglang", "ninja"]
                .contains(&requirement.name.as_str())
    })
}

fn base_flavour(base: &Base) -> Option<(Origin, String)> {
    let tag = base.tag.as_deref()?;
    let replaced: Vec<&str> = tag
        .split('-')
        .filter(|part| !part.starts_with("cudnn"))
        .map(|part| if part == "runtime" || part == "devel" { "base" } else { part })
        .collect();
    (base.args.is_empty()).then(|| Some((base.tag_origin.clone()?, replaced.join("-")))).flatten()
}
