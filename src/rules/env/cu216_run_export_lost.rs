//! CU216: an export that ends with its RUN.

use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{Export, ExportKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct RunExportLost;

impl Rule for RunExportLost {
    fn id(&self) -> RuleId {
        RuleId::new("CU216")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU216-run-export-lost.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for export in
            facts.exports.iter().filter(|export| matters(&export.name) && facts.is_shipped(export.stage))
        {
            let login = facts.stage(export.stage).is_some_and(|stage| stage.login_shell);
            if login || export.used_later {
                continue;
            }
            let name = &export.name;
            match export.kind {
                ExportKind::Run => {
                    let mut draft = out
                        .finding(&export.origin, format!("`export {name}` ends with this RUN: later instructions and the container do not see it"))
                        .help(format!("use `ENV {name}=…`"));
                    if let Some(line) = as_env(export) {
                        draft = draft.fix(Safety::Safe, "use ENV", &[(export.run.clone(), line)]);
                    }
                    draft.emit();
                }
                ExportKind::Start => {}
                ExportKind::StartupFile => out
                    .finding(
                        &export.origin,
                        format!("`{name}` is written to a shell start-up file, which CMD and `docker run` do not read"),
                    )
                    .severity(Severity::Info)
                    .help(format!("use `ENV {name}=…`"))
                    .emit(),
            }
        }
    }
}

/// Variables that decide whether CUDA is found.
fn matters(name: &str) -> bool {
    ["PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "TORCH_CUDA_ARCH_LIST", "CPATH"].contains(&name)
        || name.starts_with("CUDA_")
        || name.starts_with("NVIDIA_")
}

/// The ENV instruction that says the same; only for an export that is the whole RUN.
fn as_env(export: &Export) -> Option<String> {
    if !export.alone || export.raw.contains(['`', '(', '\n']) {
        return None;
    }
    let quote = if export.raw.contains([' ', '\t']) { "\"" } else { "" };
    Some(format!("ENV {}={quote}{}{quote}", export.name, export.raw))
}
