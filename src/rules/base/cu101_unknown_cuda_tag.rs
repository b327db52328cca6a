//! CU101: a tag of nvidia/cuda that does not exist.

use super::bases;
use crate::compat::cuda_tag::{TagFault, TagState, judge_tag};
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
        for base in bases(cx.facts).filter(|base| base.kind == BaseKind::Cuda && !base.digest) {
            let (Some(repository), Some(tag)) = (base.repository.as_deref(), base.tag.as_deref()) else { continue };
            // Other repositories of the family have lists of their own.
            if !["nvidia/cuda", "nvcr.io/nvidia/cuda"].contains(&repository) || tag == "latest" {
                continue;
            }
            match judge_tag(tag, cx.tables.images()) {
                TagState::Published | TagState::Unknown => {}
                TagState::Retired => out
                    .finding(
                        &base.origin,
                        format!("`{repository}:{tag}` is under end of life: NVIDIA deletes such tags, and it may be gone already"),
                    )
                    .severity(Severity::Warning)
                    .help("use a version that is still listed")
                    .emit(),
                TagState::NeverExisted { fault, nearest } => {
                    let mut draft = out.finding(&base.origin, format!("no image `{repository}:{tag}` was ever published: {}", why(fault)));
                    if let Some(nearest) = nearest {
                        draft = draft.help(format!("the nearest published tag is `{nearest}`"));
                        if let Some(origin) = base.tag_origin.clone().filter(|_| base.args.is_empty()) {
                            draft = draft.fix(Safety::Unsafe, format!("use `{nearest}`"), &[(origin, nearest)]);
                        }
                    }
                    draft.emit();
                }
            }
        }
    }
}

fn why(fault: TagFault) -> &'static str {
    match fault {
        TagFault::PatchMissing => "the patch number is missing",
        TagFault::Version => "there are no images of this CUDA version",
        TagFault::FlavourMissing => "the flavour (base, runtime, devel) is missing",
        TagFault::Word => "a part of it is no flavour, cuDNN or distribution",
        TagFault::OsMissing => "the distribution is missing",
        TagFault::Os => "this distribution was not offered for this version",
        TagFault::CudnnSpelling => "cuDNN is spelled otherwise in this version",
        TagFault::Cudnn => "this version has no cuDNN image of this flavour",
    }
}
