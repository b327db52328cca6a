//! CU101: a tag of nvidia/cuda that does not exist.

use super::pulled;
use crate::compat::image::{TagProblem, TagStatus, cuda_tag};
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::BaseKind;
use crate::rules::{Context, Rule, Sink};

pub(super) struct UnknownCudaTag;

impl Rule for UnknownCudaTag {
    fn id(&self) -> RuleId {
        RuleId::new("CU101")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU101-unknown-cuda-tag.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for base in pulled(cx.facts).filter(|base| base.kind == BaseKind::Cuda && !base.digest) {
            let (Some(repository), Some(tag)) = (base.repository.as_deref(), base.tag.as_deref()) else {
                continue;
            };
            // Other repositories of the family have lists of their own.
            if !["nvidia/cuda", "nvcr.io/nvidia/cuda"].contains(&repository) || tag == "latest" {
                continue;
            }
            match cuda_tag(tag, cx.tables).status {
                TagStatus::Published { .. } | TagStatus::NewerThanTable => {}
                TagStatus::NoLongerListed { suggestion } => {
                    let mut draft = out
                        .finding(
                            &base.origin,
                            format!("`{repository}:{tag}` is no longer listed: NVIDIA deletes such tags, and it may be gone already"),
                        )
                        .severity(Severity::Warning);
                    if let Some(suggestion) = suggestion {
                        draft = draft.help(format!("the nearest published tag is `{suggestion}`"));
                    }
                    draft.emit();
                }
                // `ARG CUDA_VER=notset`: a default that is there to be replaced.
                TagStatus::NeverPublished { problems, .. }
                    if problems == [TagProblem::NoVersion] && !base.args.is_empty() => {}
                TagStatus::NeverPublished { problems, suggestion } => {
                    let why: Vec<String> = problems.iter().map(why).collect();
                    let mut draft = out.finding(
                        &base.origin,
                        format!("no image `{repository}:{tag}` was ever published: {}", why.join("; ")),
                    );
                    if let Some(suggestion) = suggestion {
                        draft = draft.help(format!("the nearest published tag is `{suggestion}`"));
                        if let Some(origin) = base.tag_origin.clone().filter(|_| base.args.is_empty()) {
                            draft = draft.fix(
                                Safety::Unsafe,
                                format!("use `{suggestion}`"),
                                &[(origin, suggestion)],
                            );
                        }
                    }
                    draft.emit();
                }
            }
        }
    }
}

fn why(problem: &TagProblem) -> String {
    match problem {
        TagProblem::NoVersion => "it does not begin with a version".to_owned(),
        TagProblem::NoSuchVersion => "there are no images of this CUDA version".to_owned(),
        TagProblem::PatchMissing => "the patch number is missing".to_owned(),
        TagProblem::FlavorMissing => "the flavour (base, runtime, devel) is missing".to_owned(),
        TagProblem::SystemMissing => "the distribution is missing".to_owned(),
        TagProblem::SystemNotOffered { os, first, last } => match (first, last) {
            (Some(first), Some(last)) => format!("{os} was offered from {first} to {last} only"),
            _ => format!("{os} was not offered"),
        },
        TagProblem::CudnnSpelling(right) => format!("cuDNN is spelled `{right}` in this version"),
        TagProblem::CudnnNotOffered => "there is no cuDNN image of this version and flavour".to_owned(),
        TagProblem::WordOrder => "the order of its parts is version, cuDNN, flavour, distribution".to_owned(),
        TagProblem::UnknownWord { word, nearest } => match nearest {
            Some(nearest) => format!("`{word}` is no part of a tag (did you mean `{nearest}`?)"),
            None => format!("`{word}` is no part of a tag"),
        },
    }
}
