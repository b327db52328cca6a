//! What an image reference stands for: kind, CUDA, cuDNN, flavour, operating system, compilers. From the reference's
//! text and the tables alone; nothing is pulled.

use std::ops::Range;
use std::str::FromStr;

use super::base_os;
use crate::compat::tables::image::{RepoKind, TagForm};
use crate::compat::tables::wheel::split_local;
use crate::compat::{CudaVersion, CudnnVersion, Tables};
use crate::dockerfile::ImageName;
use crate::facts::stage::names_other_hardware;
use crate::facts::{Base, BaseKind, FileId, Flavour, Origin};
use crate::span::Span;

/// Repositories of images that carry CUDA and that the tables do not list, and whether all their images bring CUDA
/// libraries whatever the tag says; a `*` at the end stands for the rest.
const FRAMEWORKS: &[(&str, bool)] = &[
    ("nvidia/cudagl", true),
    ("nvcr.io/nvidia/cudagl", true),
    ("nvidia/cuda-dl-base", true),
    ("nvidia/caffe", true),
    ("nvidia/digits", true),
    ("nvcr.io/nvidia/caffe", true),
    ("nvcr.io/nvidia/digits", true),
    ("nvcr.io/nvidia/deepstream", true),
    ("nvcr.io/nvidia/isaac-sim", true),
    ("nvcr.io/nvidia/isaac-lab", true),
    ("nvcr.io/nvidia/rapidsai/*", true),
    ("nvcr.io/nvidia/merlin/*", true),
    ("rapidsai/base", true),
    ("rapidsai/notebooks", true),
    ("rapidsai/rapidsai*", true),
    ("ollama/ollama", true),
    ("lmsysorg/sglang", true),
    ("deepspeed/deepspeed", true),
    ("huggingface/transformers-pytorch-gpu", true),
    ("huggingface/transformers-all-latest-gpu", true),
    ("huggingface/trl-latest-gpu", true),
    ("ghcr.io/huggingface/text-embeddings-inference", true),
    ("winglian/axolotl", true),
    ("axolotlai/axolotl", true),
    ("nvcr.io/nvidia/*", false),
    ("rapidsai/*", false),
    ("runpod/pytorch", false),
    ("runpod/base", false),
    ("vastai/*", false),
    ("openmmlab/*", false),
];
/// Repositories under `nvcr.io/nvidia/` that carry tools, not CUDA programs.
const NOT_FRAMEWORKS: &[&str] = &[
    "nvcr.io/nvidia/k8s/*",
    "nvcr.io/nvidia/cloud-native/*",
    "nvcr.io/nvidia/distroless/*",
    "nvcr.io/nvidia/base/*",
    "nvcr.io/nvidia/driver",
    "nvcr.io/nvidia/gpu-operator",
];
/// Repositories of Jetson images.
const JETSONS: &[&str] =
    &["nvcr.io/nvidia/l4t-*", "nvcr.io/nvidia/deepstream-l4t", "dustynv/*", "nvidia/l4t-*"];
/// Language images without CUDA; whether the untagged variant brings a C compiler (those that stand on buildpack-deps).
const LANGUAGES: &[(&str, bool)] = &[
    ("python", true),
    ("node", true),
    ("golang", true),
    ("rust", true),
    ("gcc", true),
    ("buildpack-deps", true),
    ("ruby", true),
    ("perl", true),
    ("openjdk", false),
    ("eclipse-temurin", false),
    ("maven", false),
    ("gradle", false),
    ("julia", false),
    ("php", true),
    ("nginx", false),
    ("busybox", false),
    ("docker", false),
    ("bash", false),
    ("continuumio/miniconda3", false),
    ("continuumio/anaconda3", false),
    ("condaforge/miniforge3", false),
    ("condaforge/mambaforge", false),
    ("mambaorg/micromamba", false),
    ("ghcr.io/astral-sh/uv", false),
    ("ghcr.io/prefix-dev/pixi", false),
    ("gcr.io/distroless/*", false),
    ("mcr.microsoft.com/dotnet/*", false),
    ("mcr.microsoft.com/devcontainers/*", true),
];

/// Whether `repository` is `pattern`, or begins as a pattern that ends in `*`.
fn matches(repository: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => repository.starts_with(prefix),
        None => repository == pattern,
    }
}

/// Whether a repository is a plain distribution, which sets PATH and nothing else.
pub(super) fn is_distribution(repository: &str) -> bool {
    base_os::is_distribution(repository)
}

/// Whether an image known as one of a framework certainly brings CUDA libraries; which version may be unknown.
pub(super) fn ships_cuda(base: &Base, tables: &Tables) -> bool {
    let Some(repository) = base.repository.as_deref() else { return base.cuda.is_some() };
    let tag = base.tag.as_deref().unwrap_or_default();
    // Client programs alone.
    let client = words(tag).any(|word| word == "sdk");
    base.cuda.is_some()
        || tag.contains("gpu")
        || !client
            && (tables.images().repo(repository).is_some()
                || FRAMEWORKS.iter().any(|(pattern, cuda)| *cuda && matches(repository, pattern)))
}

fn blank(kind: BaseKind) -> Base {
    Base {
        reference: None,
        written: String::new(),
        repository: None,
        tag: None,
        digest: false,
        args: Vec::new(),
        origin: Origin::file(FileId(0), Span::default()),
        tag_origin: None,
        kind,
        cuda: None,
        cudnn: None,
        cudnn_known: false,
        flavour: None,
        os: None,
        has_nvcc: None,
        has_c_compiler: None,
    }
}

/// `scratch`.
pub(super) fn scratch(written: String, origin: Origin) -> Base {
    Base {
        reference: Some("scratch".to_owned()),
        written,
        origin,
        cudnn_known: true,
        has_nvcc: Some(false),
        has_c_compiler: Some(false),
        ..blank(BaseKind::Scratch)
    }
}

/// A reference that cannot be known.
pub(super) fn unresolved(written: String, origin: Origin, args: Vec<String>) -> Base {
    Base { written, origin, args, ..blank(BaseKind::Unresolved) }
}

/// What a known reference stands for; the caller puts the places in.
pub(super) fn of_reference(reference: &str, name: Option<&ImageName>, tables: &Tables) -> Base {
    let Some(name) = name else {
        return Base {
            reference: Some(reference.to_owned()),
            written: reference.to_owned(),
            ..blank(BaseKind::Other)
        };
    };
    let repository = name.familiar();
    let tag = name.tag.as_deref();
    let kind = kind_of(&repository, tag, tables);
    let mut base = Base {
        reference: Some(reference.to_owned()),
        written: reference.to_owned(),
        tag: name.tag.clone(),
        digest: name.digest.is_some(),
        os: base_os::of_image(&repository, tag, tables),
        ..blank(kind)
    };
    match kind {
        BaseKind::Cuda => cuda(&mut base, tag.unwrap_or_default(), tables),
        BaseKind::Framework => framework(&mut base, &repository, tag.unwrap_or_default(), tables),
        BaseKind::Jetson => jetson(&mut base, tag.unwrap_or_default(), &repository),
        BaseKind::Plain => plain(&mut base, &repository, tag.unwrap_or_default()),
        _ => {}
    }
    base.repository = Some(repository);
    base
}

fn kind_of(repository: &str, tag: Option<&str>, tables: &Tables) -> BaseKind {
    if JETSONS.iter().any(|pattern| matches(repository, pattern)) {
        return BaseKind::Jetson;
    }
    // Variants for other hardware carry no CUDA.
    if tag.is_some_and(names_other_hardware) {
        return BaseKind::Other;
    }
    if let Some(row) = tables.images().repo(repository) {
        return match (row.kind, row.tag_form) {
            (RepoKind::CudaBase, _) => BaseKind::Cuda,
            (_, TagForm::Month) if tag.is_some_and(|tag| tag.ends_with("-igpu")) => BaseKind::Jetson,
            // Only tags with -gpu carry CUDA.
            (_, TagForm::Tensorflow) if !tag.is_some_and(|tag| tag.contains("gpu")) => BaseKind::Plain,
            // Tags of this repository name their back end; those that name none are CPU builds.
            (RepoKind::App, _) if !tag.is_some_and(|tag| tag.contains("cuda")) => BaseKind::Other,
            _ => BaseKind::Framework,
        };
    }
    if NOT_FRAMEWORKS.iter().any(|pattern| matches(repository, pattern)) {
        return BaseKind::Other;
    }
    if FRAMEWORKS.iter().any(|(pattern, _)| matches(repository, pattern)) {
        return BaseKind::Framework;
    }
    let plain = base_os::is_distribution(repository)
        || LANGUAGES.iter().any(|(pattern, _)| matches(repository, pattern));
    if plain { BaseKind::Plain } else { BaseKind::Other }
}

/// Words of a tag, separated by dashes and underscores.
fn words(tag: &str) -> impl Iterator<Item = &str> {
    tag.split(['-', '_'])
}

fn flavour_of(tag: &str) -> Option<Flavour> {
    words(tag).find_map(|word| match word {
        "base" => Some(Flavour::Base),
        "runtime" => Some(Flavour::Runtime),
        "devel" => Some(Flavour::Devel),
        _ => None,
    })
}

/// `nvidia/cuda`: `12.4.1-cudnn-devel-ubuntu22.04`, `11.2.2-cudnn8-runtime-ubuntu18.04`; tags of 9.x and 10.x without a
/// flavour mean devel.
fn cuda(base: &mut Base, tag: &str, tables: &Tables) {
    let version = words(tag).next().and_then(|word| CudaVersion::from_str(word).ok());
    base.cuda = version;
    base.flavour = flavour_of(tag);
    let known = version.is_some_and(|version| tables.images().cuda_image(version).is_some());
    if base.flavour.is_none() && known && version.is_some_and(|version| version.major <= 10) {
        base.flavour = Some(Flavour::Devel);
    }
    if let Some(flavour) = base.flavour {
        base.has_nvcc = Some(flavour == Flavour::Devel);
        // The compiler package of devel depends on gcc.
        base.has_c_compiler = Some(flavour == Flavour::Devel);
    }
    let Some(word) = words(tag).find_map(|word| word.strip_prefix("cudnn")) else {
        base.cudnn_known = base.flavour.is_some();
        return;
    };
    let row = version.and_then(|version| tables.images().cuda_image(version));
    let listed: Vec<&str> = row.map(|row| row.cudnn.iter().map(String::as_str).collect()).unwrap_or_default();
    let (found, exact) = pick_cudnn(word, &listed);
    base.cudnn_known = found.is_some();
    base.cudnn = found;
    debug_assert!(!exact || base.cudnn.is_some(), "an exact version is a version");
}

/// The cuDNN that a tag's `cudnn` or `cudnnN` means: the table's version where it has exactly one of that major, the major
/// alone where it has several, nothing where neither tells.
fn pick_cudnn(major: &str, listed: &[&str]) -> (Option<CudnnVersion>, bool) {
    let major_of = |version: &str| version.split('.').next().map(str::to_owned);
    let fitting: Vec<&&str> = listed
        .iter()
        .filter(|version| major.is_empty() || major_of(version).as_deref() == Some(major))
        .collect();
    if let [version] = fitting.as_slice() {
        return (CudnnVersion::from_str(version).ok(), true);
    }
    let majors: std::collections::BTreeSet<_> =
        fitting.iter().filter_map(|version| major_of(version)).collect();
    let common = match (major, majors.iter().next(), majors.len()) {
        ("", Some(only), 1) => only.clone(),
        ("", ..) => return (None, false),
        (major, ..) => major.to_owned(),
    };
    (CudnnVersion::from_str(&common).ok(), false)
}

fn framework(base: &mut Base, repository: &str, tag: &str, tables: &Tables) {
    let form = tables.images().repo(repository).map_or(TagForm::None, |row| row.tag_form);
    base.cuda = cuda_in_tag(tag);
    match form {
        TagForm::Pytorch => {
            base.flavour = flavour_of(tag);
            let cudnn = words(tag).find_map(|word| word.strip_prefix("cudnn"));
            base.cudnn = cudnn.and_then(|major| CudnnVersion::from_str(major).ok());
            base.cudnn_known = base.cudnn.is_some();
            if let Some(flavour) = base.flavour {
                base.has_nvcc = Some(flavour == Flavour::Devel);
                base.has_c_compiler = Some(flavour == Flavour::Devel);
            }
        }
        TagForm::Month => month(base, repository, tag, tables),
        TagForm::Tensorflow => {
            let version = words(tag).next().unwrap_or_default();
            let row = tables.wheels().pinned("tensorflow", split_local(version).0);
            base.cuda = row
                .and_then(|row| CudaVersion::from_str(row.cuda.as_deref()?).ok())
                .map(CudaVersion::minor_only);
        }
        TagForm::Cuda | TagForm::None => {
            base.flavour = flavour_of(tag);
            if repository.ends_with("/cudagl") {
                let version = words(tag).next().and_then(|word| CudaVersion::from_str(word).ok());
                base.cuda = version;
                base.has_nvcc = base.flavour.map(|flavour| flavour == Flavour::Devel);
            } else if base.flavour == Some(Flavour::Devel) {
                base.has_nvcc = Some(true);
            }
        }
    }
}

/// NGC images named by month: `24.05-py3`, `24.10-cuda12.6-devel-ubuntu22.04`.
fn month(base: &mut Base, repository: &str, tag: &str, tables: &Tables) {
    let product = repository.rsplit('/').next().unwrap_or_default();
    let mut parts = words(tag);
    let month = parts.next().unwrap_or_default();
    let variant = parts.next().unwrap_or_default();
    let row = if product == "tritonserver" && matches!(variant, "vllm" | "trtllm") {
        tables.images().month(&format!("tritonserver-{variant}"), month)
    } else {
        tables.images().month(product, month)
    };
    base.cuda = row.and_then(|row| row.cuda_version()).or(base.cuda);
    base.flavour = flavour_of(tag);
    // The training images bring the whole toolkit (NGC release notes); the others are not known to.
    if matches!(product, "pytorch" | "tensorflow" | "jax" | "mxnet" | "paddlepaddle" | "dgl" | "pyg" | "nemo")
    {
        base.has_nvcc = Some(true);
        base.has_c_compiler = Some(true);
    } else if base.flavour == Some(Flavour::Devel) {
        base.has_nvcc = Some(true);
    }
}

fn jetson(base: &mut Base, tag: &str, repository: &str) {
    base.flavour = flavour_of(tag);
    if repository.ends_with("l4t-cuda") {
        base.cuda = words(tag).next().and_then(|word| CudaVersion::from_str(word).ok());
    }
}

fn plain(base: &mut Base, repository: &str, tag: &str) {
    base.cudnn_known = true;
    base.has_nvcc = Some(false);
    let full = LANGUAGES.iter().find(|(pattern, _)| matches(repository, pattern)).map(|(_, full)| *full);
    base.has_c_compiler = match full {
        Some(full) => {
            let small = words(tag).any(|word| word == "slim" || word.starts_with("alpine"));
            // rust:slim brings gcc all the same, and so do all variants of gcc and golang.
            Some(full && (!small || matches!(repository, "rust" | "gcc" | "golang")))
        }
        None => Some(false),
    };
}

/// A CUDA version that a tag spells out: `cuda12.4`, `cuda-12.4.1`, `cu121`.
fn cuda_in_tag(tag: &str) -> Option<CudaVersion> {
    let mut words = words(tag).peekable();
    while let Some(word) = words.next() {
        if let Some(rest) = word.strip_prefix("cuda") {
            let number = if rest.is_empty() { words.peek().copied().unwrap_or_default() } else { rest };
            if let Ok(version) = CudaVersion::from_str(number) {
                return Some(version);
            }
        } else if let Some(version) = word.strip_prefix("cu").and_then(CudaVersion::from_wheel_digits)
            && version.major >= 8
        {
            return Some(version);
        }
    }
    None
}

/// Where the tag stands in the reference as written; `None` where a variable takes part in it.
pub(super) fn tag_range(written: &str, tag: Option<&str>) -> Option<Range<usize>> {
    let tag = tag?;
    let name = written.split('@').next().unwrap_or(written);
    let start = name.len().checked_sub(tag.len())?;
    let before = name.get(..start)?;
    (name.get(start..)? == tag && before.ends_with(':') && !before.ends_with("::"))
        .then_some(start..name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Base {
        of_reference(text, ImageName::parse(text).as_ref(), Tables::builtin())
    }

    fn version(text: &str) -> Option<CudaVersion> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn cuda_tags_tell_version_flavour_cudnn_and_system() {
        let found = base("nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04");
        assert_eq!(
            (found.kind, found.cuda, found.flavour),
            (BaseKind::Cuda, version("12.4.1"), Some(Flavour::Devel))
        );
        assert_eq!(found.cudnn.as_ref().map(CudnnVersion::as_str), Some("9.1.0.70"));
        assert_eq!(
            found.os.as_ref().map(|os| (os.id.as_str(), os.glibc)),
            Some(("ubuntu22.04", Some((2, 35))))
        );
        assert_eq!((found.has_nvcc, found.has_c_compiler), (Some(true), Some(true)));

        let found = base("docker.io/nvidia/cuda:12.2.2-cudnn8-runtime-ubuntu22.04");
        assert_eq!(found.repository.as_deref(), Some("nvidia/cuda"));
        assert_eq!(found.cudnn.map(|version| version.major()), Some(8));
        assert_eq!(found.has_nvcc, Some(false));

        let found = base("nvcr.io/nvidia/cuda:11.8.0-base-ubuntu20.04");
        assert_eq!(
            (found.kind, found.flavour, found.cudnn_known),
            (BaseKind::Cuda, Some(Flavour::Base), true)
        );
        assert_eq!(found.cudnn, None);
    }

    #[test]
    fn several_cudnn_of_one_major_leave_the_major() {
        let found = base("nvidia/cuda:11.8.0-cudnn8-devel-ubuntu22.04");
        assert_eq!(found.cudnn.as_ref().map(CudnnVersion::as_str), Some("8"));
        assert!(found.cudnn_known);
    }

    #[test]
    fn mirrors_are_not_nvidia_cuda() {
        assert_eq!(base("registry.example.com/nvidia/cuda:12.4.1-base-ubuntu22.04").kind, BaseKind::Other);
        assert_eq!(base("mycorp/cuda:12.4.1-base-ubuntu22.04").kind, BaseKind::Other);
    }

    #[test]
    fn frameworks_tell_their_cuda() {
        let found = base("pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime");
        assert_eq!(
            (found.kind, found.cuda, found.flavour),
            (BaseKind::Framework, version("12.4"), Some(Flavour::Runtime))
        );
        assert_eq!(found.cudnn.map(|version| version.major()), Some(9));
        assert_eq!(found.has_nvcc, Some(false));
        let found = base("vllm/vllm-openai:v0.9.2");
        assert_eq!((found.kind, found.cuda), (BaseKind::Framework, None));
        let found = base("rapidsai/base:25.06-cuda12.8-py3.12");
        assert_eq!((found.kind, found.cuda), (BaseKind::Framework, version("12.8")));
        let found = base("tensorflow/tensorflow:2.15.0");
        assert_eq!((found.kind, found.has_nvcc), (BaseKind::Plain, Some(false)));
        assert_eq!(base("tensorflow/tensorflow:2.15.0-gpu").kind, BaseKind::Framework);
        let found = base("nvcr.io/nvidia/tritonserver:24.05-vllm-python-py3");
        assert_eq!(found.cuda, version("12.4.1"));
        assert_eq!(base("nvcr.io/nvidia/k8s/dcgm-exporter:3.3.5").kind, BaseKind::Other);
        assert_eq!(base("nvcr.io/nvidia/l4t-base:r32.6.1").kind, BaseKind::Jetson);
    }

    #[test]
    fn plain_images_tell_compiler_and_c_library() {
        let found = base("python:3.12-slim-bookworm");
        assert_eq!((found.kind, found.has_c_compiler), (BaseKind::Plain, Some(false)));
        assert_eq!(found.os.map(|os| os.id).as_deref(), Some("debian12"));
        assert_eq!(base("python:3.12").has_c_compiler, Some(true));
        assert_eq!(base("python:3.12-alpine").os.map(|os| os.musl), Some(true));
        assert_eq!(base("ubuntu:22.04").os.map(|os| os.id).as_deref(), Some("ubuntu22.04"));
        assert_eq!(base("ubuntu").os, None);
        assert_eq!(base("ghcr.io/me/app:1").kind, BaseKind::Other);
    }

    #[test]
    fn tags_are_found_where_they_are_written_out() {
        assert_eq!(tag_range("nvidia/cuda:12.4.1-base", Some("12.4.1-base")), Some(12..23));
        assert_eq!(tag_range("${REPO}/cuda:12.4.1-base", Some("12.4.1-base")), Some(13..24));
        assert_eq!(tag_range("nvidia/cuda:${V}-base", Some("12.4.1-base")), None);
        assert_eq!(tag_range("ubuntu", None), None);
    }
}
