//! CU703: the forward-compatibility folder is on the loader's path of every host.

use super::via;
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::LoaderVia;
use crate::rules::judgement::{forced_compat, forced_compat_failure};
use crate::rules::support::delete_path_element;
use crate::rules::{Context, Rule, Sink};

pub(super) struct CompatOnRuntimePath;

impl Rule for CompatOnRuntimePath {
    fn id(&self) -> RuleId {
        RuleId::new("CU703")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU703-compat-on-runtime-path.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for entry in forced_compat(facts) {
            let failure = forced_compat_failure(cx, entry, |_| true).map(|(_, why)| why);
            let (severity, consequence) = match &failure {
                Some(why) => (Severity::Error, why.clone()),
                None => (
                    Severity::Warning,
                    "error 804 on GeForce and most workstation GPUs, 803 where the host driver is newer than the library".to_owned(),
                ),
            };
            let mut draft = out
                .finding(
                    &entry.origin,
                    format!("{} is on the loader's path of every host ({}): {consequence}", entry.directory, via(entry)),
                )
                .severity(severity)
                .help("leave the path alone: the container toolkit (1.17.5 and later) uses the compat library where it helps");
            if entry.via == LoaderVia::Environment
                && let Some(edit) = delete_path_element(facts, &entry.origin)
            {
                draft = draft.fix(Safety::Safe, "remove the element", &[edit]);
            }
            draft.emit();
        }
    }
}
