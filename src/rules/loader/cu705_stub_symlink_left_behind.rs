//! CU705: a stub under the driver's name stays in a folder that the loader searches.

use crate::diagnostics::RuleId;
use crate::facts::{DriverLibraryKind, Facts, FileOperationKind, Word};
use crate::rules::{Context, Rule, Sink};

pub(super) struct StubSymlinkLeftBehind;

impl Rule for StubSymlinkLeftBehind {
    fn id(&self) -> RuleId {
        RuleId::new("CU705")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU705-stub-symlink-left-behind.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let help = "put the link into a folder of its own for the build and remove it in the same RUN, or link with -L/usr/local/cuda/lib64/stubs";
        for operation in
            facts.file_operations.iter().filter(|operation| facts.in_final_lineage(operation.stage))
        {
            if operation.kind == FileOperationKind::Remove || operation.undone {
                continue;
            }
            let Some(destination) = operation.destination.as_ref().and_then(|word| word.text.as_deref())
            else {
                continue;
            };
            if let Some(stub) = stub(&operation.sources)
                && searched(facts, destination)
            {
                out.finding(&operation.origin, format!("the stub `{stub}` is left as {destination}, where the loader finds it before the driver's library"))
                    .help(help)
                    .emit();
            }
        }
        for copy in facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage)) {
            let Some(destination) = copy.destination.text.as_deref() else { continue };
            if let Some(stub) = stub(&copy.sources)
                && searched(facts, destination)
            {
                out.finding(&copy.origin, format!("the stub `{stub}` is copied to {destination}, where the loader finds it before the driver's library"))
                    .help(help)
                    .emit();
            }
        }
        let Some(image) = &facts.image else { return };
        for file in image.driver_libraries.iter().filter(|file| file.kind == DriverLibraryKind::Stub) {
            if !file.path.contains("/stubs/") && searched(facts, &file.path) {
                out.finding(
                    &file.origin,
                    format!("{} is a link-time stub in a folder that the loader searches", file.path),
                )
                .help(help)
                .emit();
            }
        }
    }
}

/// The stub that a word names, when it is one of a driver library.
fn stub(words: &[Word]) -> Option<&str> {
    words.iter().filter_map(|word| word.text.as_deref()).find(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        path.contains("/stubs/") && (name.starts_with("libcuda.so") || name.starts_with("libnvidia-ml.so"))
    })
}

/// Whether the loader searches the folder of `path` in the shipped image.
fn searched(facts: &Facts, path: &str) -> bool {
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains(".so"));
    let folder = if is_file {
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    } else {
        path.trim_end_matches('/')
    };
    let default = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"].contains(&folder)
        || folder.ends_with("-linux-gnu") && (folder.starts_with("/lib/") || folder.starts_with("/usr/lib/"))
        || (folder.starts_with("/usr/local/cuda")
            && (folder.ends_with("/lib64") || folder.ends_with("/lib"))
            && !folder.contains("stubs"));
    default
        || facts.loader.iter().any(|entry| {
            entry.survives
                && facts.in_final_lineage(entry.stage)
                && entry.directory.trim_end_matches('/') == folder
        })
}
