//! CU107: a GPU framework image without a fixed tag.

use super::{bases, shown};
use crate::diagnostics::RuleId;
use crate::rules::{Context, Rule, Sink};

pub(super) struct GpuImageLatest;

impl Rule for GpuImageLatest {
    fn id(&self) -> RuleId {
        RuleId::new("CU107")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU107-gpu-image-latest.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for base in bases(cx.facts).filter(|base| base.reference.is_some() && !base.digest) {
            let Some(repository) = base.repository.as_deref().filter(|name| is_gpu_repository(name)) else {
                continue;
            };
            let tag = base.tag.as_deref();
            let moving = match tag {
                None => true,
                Some(tag) => is_moving(tag),
            };
            // tensorflow/tensorflow is a CPU image without `-gpu`.
            let cpu = repository == "tensorflow/tensorflow" && !tag.is_some_and(|tag| tag.contains("gpu"));
            if !moving || cpu || base.for_other_hardware() {
                continue;
            }
            out.finding(
                &base.origin,
                format!(
                    "{} has no fixed tag: its CUDA major, and so the driver it needs, changes without notice",
                    shown(base)
                ),
            )
            .help("name a release tag, or a digest")
            .emit();
        }
    }
}

/// Repositories of images that carry CUDA.
fn is_gpu_repository(name: &str) -> bool {
    let exact = [
        "pytorch/pytorch",
        "tensorflow/tensorflow",
        "vllm/vllm-openai",
        "ollama/ollama",
        "ghcr.io/huggingface/text-generation-inference",
        "lmsysorg/sglang",
    ];
    exact.contains(&name)
        || name.starts_with("rapidsai/")
        || (name.starts_with("nvcr.io/nvidia/") && name != "nvcr.io/nvidia/cuda")
}

/// Tags that are moved from build to build.
fn is_moving(tag: &str) -> bool {
    ["latest", "nightly", "main", "master", "dev", "edge"].iter().any(|word| {
        tag == *word
            || tag
                .strip_prefix(word)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|rest| !is_build(rest))
    })
}

/// Whether a word names one build: a commit, or a day.
fn is_build(word: &str) -> bool {
    word.split(['-', '.', '_']).any(|part| {
        let commit = part.len() >= 7
            && part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
            && part.bytes().any(|byte| byte.is_ascii_digit());
        let sha = part.strip_prefix("sha").is_some_and(str::is_empty);
        commit || sha
    }) || (word.len() == 10
        && word.split('-').count() == 3
        && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}
