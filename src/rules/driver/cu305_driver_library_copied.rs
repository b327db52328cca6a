//! CU305: a driver file is copied into the image.

use super::names::{driver_file, driver_glob};
use crate::diagnostics::{RuleId, Safety};
use crate::facts::{FileOperationKind, Word};
use crate::rules::support::delete_lines;
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverLibraryCopied;

impl Rule for DriverLibraryCopied {
    fn id(&self) -> RuleId {
        RuleId::new("CU305")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU305-driver-library-copied.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let help = "leave it out: the runtime mounts the host's own file (libcuda with the capability compute, libnvidia-ml and nvidia-smi with utility)";
        for copy in facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage) && !copy.heredoc) {
            let Some((word, name)) = brought(&copy.sources, Some(&copy.destination)) else { continue };
            let mut draft = out
                .finding(
                    &word.origin,
                    format!(
                        "{} brings `{name}` into the image; it comes from the host driver at run time",
                        if copy.add { "ADD" } else { "COPY" }
                    ),
                )
                .help(help);
            if copy.sources.len() == 1
                && let Some(edit) = delete_lines(facts, &copy.origin)
            {
                draft = draft.fix(Safety::Unsafe, "delete the instruction", &[edit]);
            }
            draft.emit();
        }
        for operation in
            facts.file_operations.iter().filter(|operation| facts.in_final_lineage(operation.stage))
        {
            if operation.kind == FileOperationKind::Remove || operation.undone {
                continue;
            }
            // A link or copy inside one folder (libcuda.so -> libcuda.so.1) brings nothing new.
            let Some((word, name)) = brought(&operation.sources, None) else { continue };
            let to_library_folder = operation
                .destination
                .as_ref()
                .and_then(|word| word.text.as_deref())
                .is_some_and(is_library_folder);
            if to_library_folder && operation.kind != FileOperationKind::Link {
                out.finding(
                    &word.origin,
                    format!(
                        "`{name}` is copied into a library folder; it comes from the host driver at run time"
                    ),
                )
                .help(help)
                .emit();
            }
        }
    }
}

/// The word that names a driver file: a source, or a destination that renames one. Compat and stub sources are not it.
fn brought<'a>(sources: &'a [Word], destination: Option<&'a Word>) -> Option<(&'a Word, &'a str)> {
    let from_elsewhere =
        |text: &str| text.split('/').any(|part| part == "stubs" || part.starts_with("compat"));
    if sources.iter().any(|word| word.text.as_deref().is_some_and(from_elsewhere)) {
        return None;
    }
    let known = |path| driver_file(path).or_else(|| driver_glob(path));
    sources.iter().chain(destination).find_map(|word| Some((word, known(word.text.as_deref()?)?)))
}

fn is_library_folder(path: &str) -> bool {
    [
        "/lib",
        "/usr/lib",
        "/usr/local/lib",
        "/usr/local/cuda",
        "/usr/local/nvidia",
        "/usr/bin",
        "/usr/local/bin",
    ]
    .iter()
    .any(|folder| path.starts_with(folder))
}
