//! CU403: NVIDIA packages fetched without verification.

use crate::diagnostics::{RuleId, Safety};
use crate::rules::support::written;
use crate::rules::{Context, Rule, Sink};

pub(super) struct InsecureCudaRepo;

impl Rule for InsecureCudaRepo {
    fn id(&self) -> RuleId {
        RuleId::new("CU403")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU403-insecure-cuda-repo.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for repository in cx.facts.repositories.iter().filter(|repository| !repository.unverified.is_empty())
        {
            let how: Vec<String> = repository.unverified.iter().map(|how| format!("`{how}`")).collect();
            // Where an option is all that is wrong, it is the offending word.
            let only_option = repository.unverified.iter().all(|how| how.starts_with('-'));
            let place =
                repository.unverified_by.as_ref().filter(|_| only_option).unwrap_or(&repository.origin);
            let mut draft = out
                .finding(
                    place,
                    format!("NVIDIA packages are fetched without verification ({})", how.join(", ")),
                )
                .help("use https and the signed repository: install the package cuda-keyring");
            if let Some(text) =
                written(cx.facts, &repository.origin).and_then(|text| std::str::from_utf8(text).ok())
                && text.contains("http://")
                && repository.unverified.iter().all(|how| how == "http")
            {
                let secure = text.replace("http://", "https://");
                draft = draft.fix(Safety::Safe, "use https", &[(repository.origin.clone(), secure)]);
            }
            draft.emit();
        }
    }
}
