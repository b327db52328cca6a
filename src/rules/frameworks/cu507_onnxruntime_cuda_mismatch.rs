//! CU507: onnxruntime-gpu is built for another CUDA major than the image has.

use super::{shipped_python, tag_tells_cuda};
use crate::diagnostics::RuleId;
use crate::facts::PythonIndex;
use crate::rules::{Context, Rule, Sink};

pub(super) struct OnnxruntimeCudaMismatch;

impl Rule for OnnxruntimeCudaMismatch {
    fn id(&self) -> RuleId {
        RuleId::new("CU507")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU507-onnxruntime-cuda-mismatch.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for requirement in shipped_python(facts).filter(|requirement| requirement.name == "onnxruntime-gpu") {
            let other_feed = requirement
                .indexes
                .iter()
                .any(|index| !matches!(index, PythonIndex::Default | PythonIndex::Cuda { .. }));
            if other_feed || !requirement.extras.is_empty() || requirement.url.is_some() || requirement.locked
            {
                continue;
            }
            let frameworks = cx.tables.frameworks();
            let needs = match (&requirement.exact, &requirement.specifiers) {
                (Some(version), _) => frameworks.needs("onnxruntime-gpu", version),
                // pip takes the newest version that the bounds allow.
                (None, Some(bounds)) => frameworks.within("onnxruntime-gpu", bounds).pop(),
                (None, None) if requirement.bounded => None,
                (None, None) => frameworks.newest("onnxruntime-gpu"),
            };
            let Some(built) = needs.and_then(|needs| needs.cuda) else { continue };
            // In a stage whose files are copied on, the libraries meant are those of the final image.
            let Some(base) = facts.final_base().filter(|base| tag_tells_cuda(base)) else { continue };
            let Some(own) = base.cuda else { continue };
            let suffix = format!("-cu{built}");
            let wheels = facts
                .python
                .iter()
                .any(|other| other.name.starts_with("nvidia-c") && other.name.ends_with(&suffix));
            if own.major == built || wheels {
                continue;
            }
            let version = match (&requirement.exact, &requirement.specifiers) {
                (Some(version), _) => version.clone(),
                (None, Some(bounds)) => bounds.to_string(),
                (None, None) => "without a version".to_owned(),
            };
            out.finding(
                &requirement.origin,
                format!(
                    "onnxruntime-gpu {version} is built for CUDA {built}; this image has CUDA {}.{}",
                    own.major, own.minor
                ),
            )
            .related(&base.origin, "the image's CUDA")
            .help(format!("use a CUDA {built} base image, or a version built for CUDA {}", own.major))
            .emit();
        }
    }
}
