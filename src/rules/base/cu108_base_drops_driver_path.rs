//! CU108: images 12.8.1 to 12.9.x do not search the folder where GKE mounts the driver.

use super::shown;
use crate::compat::HostProfile;
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{BaseKind, CommandRole, ExportKind, Facts};
use crate::rules::support::{insert_after_from, reads_startup_files};
use crate::rules::{Context, Rule, Sink};

const FOLDER: &str = "/usr/local/nvidia/lib64";
const LINE: &str = "ENV LD_LIBRARY_PATH=/usr/local/nvidia/lib64:${LD_LIBRARY_PATH}";

pub(super) struct BaseDropsDriverPath;

impl Rule for BaseDropsDriverPath {
    fn id(&self) -> RuleId {
        RuleId::new("CU108")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU108-base-drops-driver-path.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let (Some(base), Some(env)) = (facts.final_base(), facts.final_env()) else { return };
        let Some(var) = env.get("LD_LIBRARY_PATH") else { return };
        let Some(value) = var.value.as_deref() else { return };
        if value.split(':').any(|directory| directory.trim_end_matches('/') == FOLDER) {
            return;
        }
        // Only where the base itself dropped it; a value that the author replaced is CU701's.
        let dropped = match base.kind {
            BaseKind::Cuda => base.cuda.is_some_and(|version| {
                (version.major, version.minor) == (12, 9)
                    || ((version.major, version.minor) == (12, 8)
                        && version.patch.is_some_and(|patch| patch >= 1))
            }),
            BaseKind::Built => {
                value.split(':').any(|directory| directory.trim_end_matches('/') == "/usr/local/cuda/lib64")
            }
            _ => false,
        };
        if !dropped || set_at_start(facts) {
            return;
        }
        let gke = cx.target.host() == HostProfile::Gke;
        let origin = if base.kind == BaseKind::Built { &var.origin } else { &base.origin };
        let mut draft = out
            .finding(
                origin,
                format!("LD_LIBRARY_PATH of {} lacks {FOLDER}, where GKE mounts the driver", shown(base)),
            )
            .severity(if gke { Severity::Warning } else { Severity::Info })
            .help(format!("add {LINE}"));
        let root = facts.target_stage().and_then(|stage| stage.lineage.first().copied());
        if let Some(edit) = root.and_then(|root| insert_after_from(facts, root, LINE)) {
            draft = draft.fix(Safety::Safe, "search the folder", &[edit]);
        }
        draft.emit();
    }
}

/// Whether what starts in the container adds the folder, or may: by a variable, by a start-up file that its shell reads,
/// or by `ldconfig` (the images list the folder under /etc/ld.so.conf.d).
fn set_at_start(facts: &Facts) -> bool {
    let final_commands = || {
        facts.commands.iter().filter(|command| {
            facts.in_final_lineage(command.stage)
                && matches!(
                    command.role,
                    CommandRole::Cmd | CommandRole::Entrypoint | CommandRole::StartScript
                )
        })
    };
    let adds = |kind: ExportKind| {
        facts.exports.iter().any(|export| {
            facts.in_final_lineage(export.stage)
                && export.kind == kind
                && export.name == "LD_LIBRARY_PATH"
                && (export.raw.contains(FOLDER)
                    || (kind == ExportKind::Start
                        && export.value.as_deref().is_none_or(|value| value.contains(FOLDER))))
        })
    };
    // NVIDIA's images start a shell when the file names nothing to start.
    let interactive = || final_commands().next().is_none() || final_commands().any(reads_startup_files);
    adds(ExportKind::Start)
        || (adds(ExportKind::StartupFile) && interactive())
        || final_commands().any(|command| command.program.as_deref() == Some("ldconfig"))
}
