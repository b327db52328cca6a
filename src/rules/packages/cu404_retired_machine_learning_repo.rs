//! CU404: the frozen machine-learning repository.

use crate::diagnostics::RuleId;
use crate::rules::{Context, Rule, Sink};

pub(super) struct RetiredMachineLearningRepo;

impl Rule for RetiredMachineLearningRepo {
    fn id(&self) -> RuleId {
        RuleId::new("CU404")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU404-retired-machine-learning-repo.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for repository in cx
            .facts
            .repositories
            .iter()
            .filter(|repository| repository.url.contains("/compute/machine-learning/repos/"))
        {
            out.finding(
                &repository.origin,
                "NVIDIA's machine-learning repository is frozen (nothing for Ubuntu after 20.04)",
            )
            .help("cuDNN, NCCL and TensorRT now come from the CUDA repository: install cuda-keyring and drop this source")
            .emit();
        }
    }
}
