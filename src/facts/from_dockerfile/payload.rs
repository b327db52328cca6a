//! What makes a stage a GPU stage.

use crate::facts::wheels::is_gpu_distribution;
use crate::facts::{
    BaseKind, CompileSignal, CondaPackage, Copy, CopyFrom, Facts, GpuPayload, PackageInstall, PayloadKind,
    may_be_code,
};

use super::cuda_uses::{in_toolkit, runfile_version};
use super::{Extraction, base};

/// System packages with CUDA libraries, by the beginning of their names.
const LIBRARY_PACKAGES: &[&str] = &[
    "cuda-command-line-tools",
    "cuda-cudart",
    "cuda-cupti",
    "cuda-libraries",
    "cuda-minimal-build",
    "cuda-nvcc",
    "cuda-nvrtc",
    "cuda-nvtx",
    "cuda-runtime",
    "cuda-toolkit",
    "libcublas",
    "libcudart",
    "libcudnn",
    "libcufft",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libcutensor",
    "libnccl",
    "libnpp",
    "libnvinfer",
    "libnvjitlink",
    "libnvonnxparsers",
    "libnvrtc",
    "nvidia-cuda-toolkit",
    "nvidia-cudnn",
    "tensorrt",
];
/// Conda packages that bring or use CUDA, by name.
const CONDA_PACKAGES: &[&str] = &[
    "cudatoolkit",
    "cudnn",
    "cupy",
    "cuml",
    "cudf",
    "faiss-gpu",
    "jaxlib-cuda",
    "nccl",
    "pytorch-cuda",
    "pytorch-gpu",
    "rapids",
    "tensorflow-gpu",
    "tensorrt",
    "vllm",
];
/// Stems of CUDA library files.
const LIBRARY_FILES: &[&str] = &[
    "libcudart",
    "libcublas",
    "libcudnn",
    "libcufft",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libcutensor",
    "libcupti",
    "libnccl",
    "libnpp",
    "libnvinfer",
    "libnvJitLink",
    "libnvonnxparser",
    "libnvrtc",
    "libnvToolsExt",
    "libnvjpeg",
];

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut found = Vec::new();
    for stage in &facts.stages {
        let Some(base) = &stage.base else { continue };
        let carries = match base.kind {
            BaseKind::Cuda | BaseKind::Jetson => true,
            BaseKind::Framework => base::ships_cuda(base, cx.tables),
            _ => base.cuda.is_some(),
        };
        if carries {
            found.push(GpuPayload {
                stage: stage.id,
                kind: PayloadKind::Base,
                what: base.reference.clone().unwrap_or_else(|| base.written.clone()),
                origin: base.origin.clone(),
            });
        }
    }
    found.extend(facts.packages.iter().filter(|package| is_cuda_package(package)).map(|package| {
        GpuPayload {
            stage: package.stage,
            kind: PayloadKind::SystemPackage,
            what: package.shown(),
            origin: package.origin.clone(),
        }
    }));
    let gpu = facts.python.iter().filter(|requirement| is_gpu_distribution(requirement, cx.tables));
    found.extend(gpu.map(|requirement| GpuPayload {
        stage: requirement.stage,
        kind: PayloadKind::Wheel,
        what: requirement.name.clone(),
        origin: requirement.origin.clone(),
    }));
    found.extend(facts.conda.iter().filter(|package| is_cuda_conda(package)).map(|package| GpuPayload {
        stage: package.stage,
        kind: PayloadKind::Conda,
        what: package.name.clone(),
        origin: package.origin.clone(),
    }));
    found.extend(facts.copies.iter().filter_map(|copy| copied(copy, facts)));
    for set in facts.env_sets.iter().filter(|set| set.effective) {
        let asks = match set.name.as_str() {
            "NVIDIA_VISIBLE_DEVICES" => {
                set.value.as_deref().is_none_or(|value| !matches!(value, "" | "void" | "none"))
            }
            "NVIDIA_DRIVER_CAPABILITIES" => set.value.as_deref().is_none_or(|value| !value.is_empty()),
            _ => false,
        };
        if asks {
            found.push(GpuPayload {
                stage: set.stage,
                kind: PayloadKind::Environment,
                what: set.name.clone(),
                origin: set.origin.clone(),
            });
        }
    }
    let installers = facts.installers.iter().filter(|installer| runfile_version(&installer.name).is_some());
    found.extend(installers.map(|installer| GpuPayload {
        stage: installer.stage,
        kind: PayloadKind::Installer,
        what: installer.name.clone(),
        origin: installer.origin.clone(),
    }));
    facts.payload.extend(found);
}

pub(in crate::facts) fn is_cuda_package(package: &PackageInstall) -> bool {
    if package.removed {
        return false;
    }
    let name = package.name.as_str();
    let metapackage =
        name == "cuda" || super::cuda_uses::dashed_version(name).is_some() && name.starts_with("cuda-");
    let development_only = ["cuda-compat", "cuda-nvml-dev", "cuda-drivers", "cuda-keyring", "cuda-repo"];
    (metapackage || LIBRARY_PACKAGES.iter().any(|stem| name.starts_with(stem)))
        && !development_only.iter().any(|stem| name.starts_with(stem))
}

fn is_cuda_conda(package: &CondaPackage) -> bool {
    let name = package.name.as_str();
    CONDA_PACKAGES.contains(&name)
        || name == "cuda"
        || name.starts_with("cuda-")
        || name.starts_with("libcublas")
        || package.build.as_deref().is_some_and(|build| build.contains("cuda") || build.contains("gpu"))
}

/// CUDA files that a COPY brings: libraries, a toolkit's folder, or what a stage certainly compiled for CUDA.
fn copied(copy: &Copy, facts: &Facts) -> Option<GpuPayload> {
    let cuda_build = match &copy.from {
        CopyFrom::Stage(stage) => {
            let lineage = &facts.stage(*stage)?.lineage;
            let compiled = |signal: &CompileSignal| signal.cuda && lineage.contains(&signal.stage);
            facts.compiles.iter().any(compiled)
        }
        _ => false,
    };
    copy.sources.iter().find_map(|word| {
        let path = word.text.as_deref()?;
        let file = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
        let library = file.contains(".so") || file.ends_with('*');
        let cuda_library = library && LIBRARY_FILES.iter().any(|stem| file.starts_with(stem));
        let toolkit = in_toolkit(path) && !path.contains("/stubs") && !path.contains("/compat");
        let compiled = cuda_build && may_be_code(path);
        (cuda_library || toolkit || compiled).then(|| GpuPayload {
            stage: copy.stage,
            kind: PayloadKind::Copied,
            what: path.to_owned(),
            origin: word.origin.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::facts::PayloadKind;
    use crate::facts::from_dockerfile::testing::facts;

    fn shown(text: &str) -> Vec<(usize, PayloadKind, String)> {
        facts(text).payload.iter().map(|one| (one.stage.0, one.kind, one.what.clone())).collect()
    }

    #[test]
    fn bases_and_what_is_copied_from_them() {
        let found = shown(
            "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04 AS cuda\nFROM ubuntu:22.04\nCOPY --from=cuda /usr/local/cuda/lib64/libcudart.so.12 /usr/local/lib/\nCOPY --from=cuda /etc/hosts /x\n",
        );
        assert_eq!(
            found,
            [
                (0, PayloadKind::Base, "nvidia/cuda:12.4.1-runtime-ubuntu22.04".to_owned()),
                (1, PayloadKind::Copied, "/usr/local/cuda/lib64/libcudart.so.12".to_owned()),
            ]
        );
    }

    #[test]
    fn plain_images_have_none() {
        assert!(shown("FROM python:3.12\nRUN pip install numpy && apt-get install -y gcc\nENV NVIDIA_VISIBLE_DEVICES=void\n").is_empty());
        assert!(shown("FROM tensorflow/tensorflow:2.15.0\n").is_empty());
    }

    #[test]
    fn framework_images_bring_cuda_whatever_their_tag_says() {
        for image in [
            "vllm/vllm-openai:v0.9.2",
            "nvcr.io/nvidia/pytorch:99.01-py3",
            "ghcr.io/huggingface/text-generation-inference:3.0.0",
            "ollama/ollama:0.5.7",
        ] {
            assert_eq!(shown(&format!("FROM {image}\n")), [(0, PayloadKind::Base, image.to_owned())]);
        }
        for image in [
            "ghcr.io/huggingface/text-generation-inference:3.0.0-rocm",
            "ollama/ollama:0.5.7-rocm",
            "ghcr.io/huggingface/text-embeddings-inference:cpu-1.5",
            "nvcr.io/nvidia/tritonserver:99.08-py3-sdk",
            "ghcr.io/ggml-org/llama.cpp:server",
        ] {
            assert!(shown(&format!("FROM {image}\n")).is_empty(), "{image}");
        }
    }

    #[test]
    fn wheels_conda_and_environment() {
        let found = shown(
            "FROM python:3.12\nRUN pip install torch==2.5.1\nRUN conda install pytorch-cuda=12.1\nENV NVIDIA_VISIBLE_DEVICES=all\nRUN sh cuda_12.4.1_550.54.15_linux.run --silent --toolkit\n",
        );
        let kinds: Vec<PayloadKind> = found.iter().map(|(_, kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            [PayloadKind::Wheel, PayloadKind::Conda, PayloadKind::Environment, PayloadKind::Installer]
        );
        assert!(
            shown(
                "FROM python:3.12\nRUN pip install torch --index-url https://download.pytorch.org/whl/cpu\n"
            )
            .is_empty()
        );
    }
}
