//! CU703: the forward-compatibility folder is on the loader's path of every host.

use super::{shipped_entries, via};
use crate::compat::tables::PackageVersion;
use crate::compat::verdict::{ReasonKind, judge_over};
use crate::compat::{CompatLibrary, HostDriver, Question};
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{BaseKind, LoaderEntry, LoaderVia};
use crate::rules::judgement::{compat_library, gpus};
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
        if facts.final_base().is_some_and(|base| base.kind == BaseKind::Jetson) {
            return;
        }
        for entry in shipped_entries(facts).filter(|entry| is_compat(&entry.directory)) {
            let failure = failure(cx, entry);
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

fn is_compat(directory: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    directory.contains("cuda") && directory.ends_with("/compat")
}

/// Why the forced library fails for the target, where that is sure.
fn failure(cx: &Context<'_>, entry: &LoaderEntry) -> Option<String> {
    let cuda = cx.facts.final_base().and_then(|base| base.cuda);
    let of_path = entry
        .directory
        .split("cuda-")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .and_then(|version| version.parse().ok());
    let library = CompatLibrary {
        forced: true,
        ..compat_library(cx.facts).unwrap_or_else(|| CompatLibrary {
            package: of_path
                .or(cuda)
                .map(|version: crate::compat::CudaVersion| PackageVersion(version.minor_only())),
            ..CompatLibrary::default()
        })
    };
    for (pool, drivers) in cx.target.with_drivers() {
        let least = drivers.least()?;
        for gpu in gpus(pool) {
            let question =
                Question { cuda, compat: Some(&library), gpu, ..Question::new(HostDriver::Driver(least)) };
            let answer = judge_over(&question, drivers, cx.tables);
            let deciding = answer.deciding().and_then(|cell| cell.answer.deciding());
            if answer.satisfied() == Some(false)
                && let Some(reason) = deciding
                    .filter(|reason| matches!(reason.kind, ReasonKind::CompatLibrary | ReasonKind::Forward))
            {
                return Some(reason.text.clone());
            }
        }
    }
    None
}
