//! Build stages and the images they start from.

use crate::compat::{CudaVersion, CudnnVersion};

use super::{Environment, Origin};

/// Number of a stage, from 0 in order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub usize);

/// One build stage; for a built image, the image.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its number.
    pub id: StageId,
    /// Name after AS, as written.
    pub name: Option<String>,
    /// The stage it is FROM, when that is a stage.
    pub parent: Option<StageId>,
    /// Stages from the root of the lineage to this one, this one last.
    pub lineage: Vec<StageId>,
    /// The image reference in this stage's own FROM; for a built image, its config.
    pub from: Origin,
    /// The whole FROM instruction.
    pub from_instruction: Origin,
    /// The image that this stage's own FROM names; `None` when it is FROM a stage.
    pub base: Option<Base>,
    /// The image at the root of the lineage.
    pub root: Base,
    /// Environment at the end of the stage.
    pub env: Environment,
    /// Whether its files reach the shipped image.
    pub shipped: bool,
    /// Whether what Python installers and conda wrote into it reaches the shipped image: it is in the final lineage, or
    /// a path that can hold that is copied from it.
    pub packages_shipped: bool,
    /// Whether compiled code of it can reach the shipped image: it is in the final lineage, or a stage on it is, from which
    /// more than text and data is copied, or installed through a bind mount.
    pub ships_code: bool,
    /// Whether it is built at all for the target.
    pub used: bool,
    /// Byte offset where a new instruction directly after FROM goes.
    pub after_from: Option<usize>,
    /// Whether RUN commands of the stage go through a POSIX shell.
    pub posix_shell: bool,
    /// Whether the shell is started as a login or interactive one (`SHELL ["/bin/bash", "-lc"]`).
    pub login_shell: bool,
    /// Architecture (`amd64`, `arm64`) that its own FROM fixes by a literal `--platform`.
    pub architecture: Option<String>,
}

/// What an image reference in FROM (or COPY --from) stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The reference after expansion, as docker would take it; `None` when it cannot be known.
    pub reference: Option<String>,
    /// The reference as written.
    pub written: String,
    /// Repository normalised: `docker.io/` and `library/` removed (`nvidia/cuda`, `python`, `nvcr.io/nvidia/pytorch`).
    pub repository: Option<String>,
    /// Tag after expansion; `None` when there is none or it is unknown.
    pub tag: Option<String>,
    /// Whether a digest pins it.
    pub digest: bool,
    /// Names of ARGs the reference came from.
    pub args: Vec<String>,
    /// Where the reference stands.
    pub origin: Origin,
    /// Where the tag stands, when it is written out in the reference.
    pub tag_origin: Option<Origin>,
    /// What is known of the image.
    pub kind: BaseKind,
    /// CUDA toolkit version in the image (12.4.1); `None` unknown or none.
    pub cuda: Option<CudaVersion>,
    /// cuDNN in the image: major at least; `None` none, or unknown when [`Self::cudnn_known`] is false.
    pub cudnn: Option<CudnnVersion>,
    /// Whether [`Self::cudnn`] says all there is to know.
    pub cudnn_known: bool,
    /// Flavour of a CUDA image, or of an image that follows the same habit.
    pub flavour: Option<Flavour>,
    /// Operating system, when the reference tells.
    pub os: Option<Os>,
    /// Whether nvcc is in the image; `None` unknown.
    pub has_nvcc: Option<bool>,
    /// Whether a C compiler is in the image; `None` unknown.
    pub has_c_compiler: Option<bool>,
}

impl Base {
    /// Whether the tag names a variant for other hardware than NVIDIA's (`cpu`, `latest-rocm`, `2.4-intel-xpu`).
    #[must_use]
    pub fn for_other_hardware(&self) -> bool {
        self.tag.as_deref().is_some_and(names_other_hardware)
    }
}

/// Whether a word of a tag names hardware that CUDA does not run on.
pub(super) fn names_other_hardware(tag: &str) -> bool {
    const WORDS: &[&str] = &["cpu", "xpu", "intel", "gaudi", "hpu", "neuron", "tpu", "npu", "hip", "vulkan"];
    tag.split(['-', '_']).any(|word| {
        let word = word.to_ascii_lowercase();
        // `rocm6.2`; `cpuonly`.
        WORDS.contains(&word.as_str()) || word.starts_with("rocm") || word.starts_with("cpuonly")
    })
}

/// Kinds of base image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseKind {
    /// `nvidia/cuda` on Docker Hub or nvcr.io.
    Cuda,
    /// An image known to carry CUDA: pytorch/pytorch, NGC frameworks, vLLM and their like.
    Framework,
    /// A Jetson image (`l4t-*`, `dustynv/*`).
    Jetson,
    /// A distribution or a language image without CUDA (ubuntu, debian, python, golang, …).
    Plain,
    /// `scratch`.
    Scratch,
    /// A built image whose own base is not looked for.
    Built,
    /// Not known to us.
    Other,
    /// The reference itself is unknown (an ARG without value).
    Unresolved,
}

/// Flavours of CUDA images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flavour {
    /// `base`: libcudart only.
    Base,
    /// `runtime`: CUDA math libraries and NCCL.
    Runtime,
    /// `devel`: compiler, headers, static libraries.
    Devel,
}

/// A distribution release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// Key of the base_os table: `ubuntu22.04`, `debian12`, `ubi8`, `alpine`, …
    pub id: String,
    /// glibc version as (major, minor); `None` unknown or not glibc.
    pub glibc: Option<(u32, u32)>,
    /// Whether its C library is musl.
    pub musl: bool,
}
