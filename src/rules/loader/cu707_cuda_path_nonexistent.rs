//! CU707: a versioned CUDA folder that the stage does not have.

use crate::diagnostics::{RuleId, Safety};
use crate::facts::{Base, BaseKind, FileOperationKind, InputKind, StageId};
use crate::rules::support::written;
use crate::rules::{Context, Rule, Sink};

pub(super) struct CudaPathNonexistent;

impl Rule for CudaPathNonexistent {
    fn id(&self) -> RuleId {
        RuleId::new("CU707")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU707-cuda-path-nonexistent.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.kind != InputKind::Dockerfile {
            return;
        }
        let mut seen: Vec<(StageId, String)> = Vec::new();
        for mention in facts.cuda_paths.iter().filter(|mention| !mention.guarded) {
            let Some(stage) = mention.in_stage else { continue };
            let Some(base) = facts.base_of(stage).filter(|base| has_toolkit_folder(base)) else { continue };
            let Some(own) = base.cuda else { continue };
            let wanted = (mention.version.major, mention.version.minor);
            if wanted == (own.major, own.minor) || !facts.stage(mention.stage).is_some_and(|stage| stage.used)
            {
                continue;
            }
            let suffix = format!("-{}-{}", wanted.0, wanted.1);
            let installed = facts
                .packages
                .iter()
                .any(|package| facts.inherits(stage, package.stage) && package.name.ends_with(&suffix))
                || facts.cuda.iter().any(|used| {
                    facts.inherits(stage, used.stage)
                        && !used.major_only
                        && (used.version.major, used.version.minor) == wanted
                        && used.kind != crate::facts::CudaUseKind::Wheel
                });
            let made = facts.file_operations.iter().any(|operation| {
                facts.inherits(stage, operation.stage)
                    && operation.kind != FileOperationKind::Remove
                    && operation.destination.as_ref().and_then(|word| word.text.as_deref()).is_some_and(
                        |path| {
                            path.trim_end_matches('/') == format!("/usr/local/cuda-{}.{}", wanted.0, wanted.1)
                        },
                    )
            });
            let key = (mention.stage, mention.path.to_string());
            if installed || made || seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let mut draft = out
                .finding(
                    &mention.origin,
                    format!(
                        "{} does not exist in this stage: its CUDA is {}.{}",
                        mention.path, own.major, own.minor
                    ),
                )
                .help("use /usr/local/cuda, which every NVIDIA image has");
            if let Some(text) =
                written(facts, &mention.origin).and_then(|text| std::str::from_utf8(text).ok())
            {
                let versioned = format!("/usr/local/cuda-{}.{}", wanted.0, wanted.1);
                if text.contains(&versioned) {
                    draft = draft.fix(
                        Safety::Unsafe,
                        "use /usr/local/cuda",
                        &[(mention.origin.clone(), text.replace(&versioned, "/usr/local/cuda"))],
                    );
                }
            }
            draft.emit();
        }
    }
}

/// Whether an image has its toolkit in /usr/local/cuda-X.Y: NVIDIA's own, and those that stand on its devel images.
fn has_toolkit_folder(base: &Base) -> bool {
    base.kind == BaseKind::Cuda || (base.kind == BaseKind::Framework && base.has_nvcc == Some(true))
}
