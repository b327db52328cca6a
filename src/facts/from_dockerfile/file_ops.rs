//! ln, cp, mv, install and rm on libraries and CUDA paths.

use super::context_files::absolute;
use super::executed::{Executed, Resolved};
use super::packages::horizon;
use super::steps::{self, Step, Workdirs};
use super::{Extraction, glob};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::FileVerb;
use crate::facts::{Facts, FileOperation, FileOperationKind, Word};

/// What makes a path one that rules look at.
const OF_INTEREST: &[&str] = &[
    "cuda", "nvidia", ".so", "stubs", "cudnn", "tensorrt", "nccl", "ld.so", "libnv", "lib64", "/lib/",
    "cublas",
];

/// Fills [`Facts::file_operations`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let dirs = Workdirs::new(cx);
    let mut found = Vec::new();
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        let mut at = 0;
        steps::walk_texts(cx, &dirs, std::slice::from_ref(executed), &mut |step| {
            found.extend(operation(cx, step, at));
            at += 1;
        });
    }
    for operation in &mut found {
        operation.undone |= is_stub(operation) && removed_later(cx, facts, operation);
    }
    facts.file_operations = found;
}

fn is_stub(operation: &FileOperation) -> bool {
    operation.kind != FileOperationKind::Remove
        && operation
            .sources
            .iter()
            .any(|word| word.text.as_deref().is_some_and(|path| path.contains("/stubs/")))
}

/// Whether a later RUN of what is shipped removes what an operation makes.
fn removed_later(cx: &Extraction<'_>, facts: &Facts, operation: &FileOperation) -> bool {
    let Some(path) = operation.destination.as_ref().and_then(|word| word.text.as_deref()) else {
        return false;
    };
    let made = made_paths(path, &operation.sources);
    let later = horizon(facts, operation.stage);
    let behind = |executed: &&Executed| {
        executed.at_build()
            && later.contains(&executed.stage)
            && (executed.stage != operation.stage || executed.instruction > operation.instruction)
    };
    cx.executed.iter().filter(behind).any(|executed| {
        cx.spend(executed.commands.len())
            && executed.commands.iter().any(|command| made.iter().any(|made| removes(command, made)))
    })
}

fn operation(cx: &Extraction<'_>, step: &Step<'_>, at: usize) -> Option<FileOperation> {
    let Action::Files(read) = step.action else { return None };
    let executed = step.executed;
    let kind = match read.verb {
        FileVerb::Link => FileOperationKind::Link,
        FileVerb::Copy | FileVerb::Install => FileOperationKind::Copy,
        FileVerb::Move => FileOperationKind::Move,
        FileVerb::Remove => FileOperationKind::Remove,
        FileVerb::Touch | FileVerb::MakeDirectory => return None,
    };
    let mut words = read.sources.iter().chain(&read.destination);
    if !words.any(|word| OF_INTEREST.iter().any(|part| word.text.contains(part))) {
        return None;
    }
    let sources: Vec<Word> = read.sources.iter().map(|word| executed.word(word)).collect();
    let mut destination = read.destination.as_ref().map(|word| executed.word(word));
    let mut made = Vec::new();
    if let Some(path) = destination.as_mut().and_then(|word| word.text.as_mut()) {
        made = made_paths(path, &sources);
        if !path.starts_with('/') {
            *path = absolute(step.directory, path);
            made.extend(made_paths(path, &sources));
        }
    }
    let undone = made.iter().any(|made| cx.any_later(executed, at, |later| removes(later, made)));
    Some(FileOperation {
        stage: executed.stage,
        kind,
        sources,
        destination,
        undone,
        instruction: executed.instruction,
        origin: step.origin(),
    })
}

/// Paths that the operation may have made: the destination, or the sources' names in it.
fn made_paths(destination: &str, sources: &[Word]) -> Vec<String> {
    let folder = destination.trim_end_matches('/');
    let inside = sources.iter().filter_map(|source| {
        let name = source.text.as_deref()?.rsplit('/').next()?;
        Some(format!("{folder}/{name}"))
    });
    std::iter::once(folder.to_owned()).chain(inside).collect()
}

/// Whether a command removes `path`, or a folder that it is in.
pub(super) fn removes(resolved: &Resolved, path: &str) -> bool {
    let Action::Files(read) = &resolved.action else { return false };
    matches!(read.verb, FileVerb::Remove | FileVerb::Move)
        && read.sources.iter().filter(|word| word.is_fully_literal()).any(|word| {
            let pattern = word.text.trim_end_matches('/');
            let moved = read.verb == FileVerb::Move;
            (!pattern.is_empty() && glob::matches(pattern, path))
                || ((read.recursive || moved) && ancestors(path).any(|folder| glob::matches(pattern, folder)))
        })
}

/// Folders that a path is in, innermost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(folder, _)| folder), |folder| {
        folder.rsplit_once('/').map(|(folder, _)| folder)
    })
    .filter(|folder| !folder.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};
    use crate::facts::FileOperationKind;

    #[test]
    fn links_that_are_removed_again_are_undone() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN ln -s /usr/local/cuda/lib64/stubs/libcuda.so /usr/local/cuda/lib64/stubs/libcuda.so.1 && make && rm /usr/local/cuda/lib64/stubs/libcuda.so.1\nRUN cp -a /x/libfoo.so.1 /usr/lib/ && rm -rf /usr/lib/libfoo*\nRUN ln -sf /usr/local/cuda/lib64/stubs/libcuda.so \\\n  /usr/lib/libcuda.so.1\n",
        );
        let found: Vec<_> = facts.file_operations.iter().map(|op| (op.kind, op.undone)).collect();
        assert_eq!(
            found,
            [
                (FileOperationKind::Link, true),
                (FileOperationKind::Remove, false),
                (FileOperationKind::Copy, true),
                (FileOperationKind::Remove, false),
                (FileOperationKind::Link, false),
            ]
        );
        let last = facts.file_operations.last().unwrap();
        assert_eq!(
            last.destination.as_ref().map(|word| at(&facts, &word.origin)),
            Some("/usr/lib/libcuda.so.1")
        );
    }

    #[test]
    fn folders_and_later_removals_count() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN cd /usr/lib && ln -s /usr/local/cuda/lib64/stubs/libcuda.so libcuda.so.1\nRUN make\nRUN rm -f /usr/lib/libcuda.so.1\nRUN ln -s /usr/local/cuda/lib64/stubs/libcuda.so /usr/lib/libcuda.so.1\n",
        );
        let found: Vec<_> = facts
            .file_operations
            .iter()
            .filter(|operation| operation.kind == FileOperationKind::Link)
            .map(|operation| {
                (operation.destination.as_ref().and_then(|word| word.text.as_deref()), operation.undone)
            })
            .collect();
        assert_eq!(found, [(Some("/usr/lib/libcuda.so.1"), true), (Some("/usr/lib/libcuda.so.1"), false)]);
    }

    #[test]
    fn other_files_are_nobodys_business() {
        assert_eq!(
            facts("FROM debian:12\nRUN cp /a /b && rm -rf /var/cache && mv x y\n").file_operations,
            []
        );
    }
}
