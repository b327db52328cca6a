//! CU5xx: frameworks and wheels.

mod cu501_wheel_needs_newer_driver;
mod cu502_torch_toolchain_mismatch;
mod cu503_duplicate_cuda_runtime;
mod cu504_torch_without_cuda_index;
mod cu505_extension_build_without_nvcc;
mod cu506_extension_build_without_arch_list;
mod cu507_onnxruntime_cuda_mismatch;
mod cu508_framework_cudnn_mismatch;
mod cu509_conda_cpu_fallback;
mod cu510_triton_needs_compiler;
mod cu511_xla_missing_libdevice;
mod cu512_cpu_build_on_gpu_base;
mod programs;

use super::Rule;
use crate::facts::{Base, BaseKind, Facts, InputKind, PythonIndex, PythonRequirement, StageId, UnreadKind};

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu501_wheel_needs_newer_driver::WheelNeedsNewerDriver,
    &cu502_torch_toolchain_mismatch::TorchToolchainMismatch,
    &cu503_duplicate_cuda_runtime::DuplicateCudaRuntime,
    &cu504_torch_without_cuda_index::TorchWithoutCudaIndex,
    &cu505_extension_build_without_nvcc::ExtensionBuildWithoutNvcc,
    &cu506_extension_build_without_arch_list::ExtensionBuildWithoutArchList,
    &cu507_onnxruntime_cuda_mismatch::OnnxruntimeCudaMismatch,
    &cu508_framework_cudnn_mismatch::FrameworkCudnnMismatch,
    &cu509_conda_cpu_fallback::CondaCpuFallback,
    &cu510_triton_needs_compiler::TritonNeedsCompiler,
    &cu511_xla_missing_libdevice::XlaMissingLibdevice,
    &cu512_cpu_build_on_gpu_base::CpuBuildOnGpuBase,
];

/// Python distributions that a Dockerfile installs into the shipped image.
fn shipped_python(facts: &Facts) -> impl Iterator<Item = &PythonRequirement> {
    facts.python.iter().filter(|requirement| {
        facts.kind == InputKind::Dockerfile
            && !requirement.not_installed
            && !requirement.satisfied
            && facts.ships_packages(requirement.stage)
    })
}

/// Whether an image's tag tells its CUDA and cuDNN: nvidia/cuda, and pytorch/pytorch with both in the tag.
fn tag_tells_cuda(base: &Base) -> bool {
    base.kind == BaseKind::Cuda
        || (base.kind == BaseKind::Framework
            && base.repository.as_deref() == Some("pytorch/pytorch")
            && base.cuda.is_some()
            && base.cudnn.is_some())
}

/// Whether a distribution of one of these names is installed in the lineage of `stage`.
fn installs(facts: &Facts, stage: StageId, names: &[&str]) -> bool {
    facts.python.iter().any(|requirement| {
        facts.inherits(stage, requirement.stage) && names.contains(&requirement.name.as_str())
    })
}

/// Whether a requirement is a CPU build.
fn is_cpu(requirement: &PythonRequirement) -> bool {
    requirement.local_cpu || requirement.indexes.contains(&PythonIndex::Cpu)
}

/// Whether a system package in the lineage of `stage` has a name that begins with one of `stems`.
fn has_package(facts: &Facts, stage: StageId, stems: &[&str]) -> bool {
    facts.packages.iter().any(|package| {
        !package.removed
            && facts.inherits(stage, package.stage)
            && stems.iter().any(|stem| package.name.starts_with(stem))
    })
}

/// Whether conda installs one of `names` in the lineage of `stage`.
fn has_conda(facts: &Facts, stage: StageId, names: &[&str]) -> bool {
    facts
        .conda
        .iter()
        .any(|package| facts.inherits(stage, package.stage) && names.contains(&package.name.as_str()))
}

/// Whether the torch of a stage is a CPU build, as far as the file tells.
fn has_cpu_torch(facts: &Facts, stage: StageId) -> bool {
    let mut torch = facts
        .python
        .iter()
        .filter(|requirement| requirement.name == "torch" && facts.inherits(stage, requirement.stage));
    torch.next().is_some_and(is_cpu) && torch.all(is_cpu)
}

/// Whether a script that cannot be read, and that is named for CUDA or its compiler, runs in the lineage of `stage`.
fn may_install_cuda(facts: &Facts, stage: StageId) -> bool {
    facts.unread_steps.iter().any(|step| {
        let what = step.what.to_ascii_lowercase();
        facts.inherits(stage, step.stage)
            && match step.kind {
                UnreadKind::Script => {
                    ["cuda", "nvcc", "toolkit", "nvidia"].iter().any(|word| what.contains(word))
                }
                UnreadKind::Packages => true,
                UnreadKind::Project => false,
            }
    })
}

/// Whether nvcc is in a stage: in its base image, or installed in its lineage. `None` unknown.
fn has_nvcc(facts: &Facts, stage: StageId) -> Option<bool> {
    let installed = has_package(
        facts,
        stage,
        &[
            "cuda-nvcc",
            "cuda-toolkit",
            "cuda-compiler",
            "cuda-minimal-build",
            "cuda-command-line-tools",
            "nvidia-cuda-toolkit",
            "cuda-1",
            "cuda-9",
            "cuda-8",
        ],
    ) || facts
        .packages
        .iter()
        .any(|package| facts.inherits(stage, package.stage) && package.name == "cuda")
        || has_conda(
            facts,
            stage,
            &["cuda-nvcc", "cuda-toolkit", "cuda", "cudatoolkit-dev", "cuda-compiler"],
        )
        || installs(facts, stage, &["nvidia-cuda-nvcc-cu11", "nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvcc"])
        || facts.commands.iter().any(|command| {
            facts.inherits(stage, command.stage)
                && (command
                    .program
                    .as_deref()
                    .is_some_and(|program| program.starts_with("cuda_") && program.ends_with(".run"))
                    || command.args.iter().any(|word| {
                        word.text
                            .as_deref()
                            .is_some_and(|text| text.contains("cuda_") && text.ends_with(".run"))
                    }))
        })
        || facts.copies.iter().any(|copy| {
            facts.inherits(stage, copy.stage)
                && copy
                    .sources
                    .iter()
                    .any(|word| word.text.as_deref().is_some_and(|path| path.starts_with("/usr/local/cuda")))
        });
    if installed {
        return Some(true);
    }
    let in_base = facts.base_of(stage)?.has_nvcc;
    // What nobody can read may bring it.
    if in_base == Some(false) && may_install_cuda(facts, stage) { None } else { in_base }
}
