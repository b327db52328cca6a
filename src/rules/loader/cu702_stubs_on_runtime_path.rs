//! CU702: the stubs folder is on the loader's path at run time.

use super::{shipped_entries, via};
use crate::diagnostics::{RuleId, Safety};
use crate::facts::{Facts, LoaderEntry, LoaderVia, Origin};
use crate::rules::support::delete_path_element;
use crate::rules::{Context, Rule, Sink};

pub(super) struct StubsOnRuntimePath;

impl Rule for StubsOnRuntimePath {
    fn id(&self) -> RuleId {
        RuleId::new("CU702")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU702-stubs-on-runtime-path.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        for entry in shipped_entries(cx.facts)
            .filter(|entry| entry.directory.trim_end_matches('/').ends_with("/stubs"))
        {
            let mut draft = out
                .finding(
                    &entry.origin,
                    format!(
                        "{} is on the loader's path at run time ({}): the stub libcuda is loaded instead of the driver's, and every \
                         call fails (error 34, or \"insufficient driver\")",
                        entry.directory,
                        via(entry)
                    ),
                )
                .help("stubs are for linking: use LIBRARY_PATH or -L while building, and keep them off the run-time path");
            if let Some(edit) = removal(cx.facts, entry) {
                draft = draft.fix(Safety::Safe, "remove the element", &[edit]);
            }
            draft.emit();
        }
    }
}

fn removal(facts: &Facts, entry: &LoaderEntry) -> Option<(Origin, String)> {
    (entry.via == LoaderVia::Environment).then(|| delete_path_element(facts, &entry.origin)).flatten()
}
