//! Which file of the build context a path in a stage stands for: through COPY, ADD and bind mounts.

use std::sync::Arc;

use super::steps::{Step, Workdirs};
use super::{ContextFile, Extraction, glob};
use crate::facts::{Copy, CopyFrom, Facts, FileId, SourceFile, StageId};

/// A text of the build context.
#[derive(Debug, Clone)]
pub(super) struct ContextText {
    /// Path in the context.
    pub path: String,
    /// Number in [`Facts::sources`].
    pub file: FileId,
    /// The text.
    pub text: Arc<str>,
}

/// Most stages that a file is followed through (`COPY --from=a` of what `a` copied from `b`).
const MAX_STAGES: usize = 16;
/// Most COPY instructions of one stage that are looked through, the last ones first.
const MAX_COPIES: usize = 512;
/// Most places where one path is looked for.
const MAX_CANDIDATES: usize = 64;

/// Longest path in bytes, as Linux has it (PATH_MAX); a longer one leads nowhere.
const PATH_MAX: usize = 4_096;

/// An absolute path without `.`, `..` and doubled slashes; relative ones are taken from `directory`.
pub(super) fn absolute(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let base = if path.starts_with('/') { "" } else { directory };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = format!("/{}", parts.join("/"));
    if path.len() > PATH_MAX { "/".to_owned() } else { path }
}

/// A path of the context: relative, without `.` and leading slashes. `None` when it leaves the context.
pub(super) fn in_context(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Extraction<'_> {
    /// The context text that `path` names for a command; `None` when nothing of the context is known to lie there, or
    /// it cannot be read as text.
    pub(super) fn context_text(
        &self,
        facts: &mut Facts,
        dirs: &Workdirs,
        step: &Step<'_>,
        path: &str,
    ) -> Option<ContextText> {
        if path.contains(['$', '*']) || path.is_empty() || path == "-" {
            return None;
        }
        let wanted = absolute(step.directory, path);
        for candidate in self.candidates(facts, dirs, step.stage(), step.instruction(), &wanted) {
            if let ContextFile::Found { name, bytes } = self.context.read(&candidate) {
                return self.register(facts, candidate, &name, &bytes);
            }
        }
        None
    }

    /// Whether a path may lie in what the build context gave, read or not.
    pub(super) fn may_be_of_context(
        &self,
        facts: &Facts,
        dirs: &Workdirs,
        step: &Step<'_>,
        path: &str,
    ) -> bool {
        if path.contains(['$', '*']) || path.is_empty() || path == "-" {
            return false;
        }
        let wanted = absolute(step.directory, path);
        // A copied file (`requirements.txt`) holds no others.
        let in_folder = |candidate: &String| {
            let folders = candidate.rsplit_once('/').map_or("", |(folders, _)| folders);
            !folders.split('/').any(|part| part.get(1..).is_some_and(|rest| rest.contains('.')))
        };
        self.candidates(facts, dirs, step.stage(), step.instruction(), &wanted).iter().any(in_folder)
    }

    /// The context text at a path of the context itself.
    pub(super) fn context_text_at(&self, facts: &mut Facts, path: &str) -> Option<ContextText> {
        let path = in_context(path)?;
        match self.context.read(&path) {
            ContextFile::Found { name, bytes } => self.register(facts, path, &name, &bytes),
            _ => None,
        }
    }

    fn register(&self, facts: &mut Facts, path: String, name: &str, bytes: &[u8]) -> Option<ContextText> {
        let text = std::str::from_utf8(bytes).ok()?;
        let known = facts.sources.iter().position(|source| source.name.as_ref() == name);
        let file = FileId(known.unwrap_or_else(|| {
            facts.sources.push(SourceFile::new(name, bytes.to_vec()));
            facts.sources.len() - 1
        }));
        Some(ContextText { path, file, text: text.into() })
    }

    /// Paths of the context that may lie at `wanted`, best first.
    fn candidates(
        &self,
        facts: &Facts,
        dirs: &Workdirs,
        stage: StageId,
        instruction: usize,
        wanted: &str,
    ) -> Vec<String> {
        let mut found = self.mounted(dirs, stage, instruction, wanted);
        let mut places = vec![(stage, instruction, wanted.to_owned())];
        let mut at = 0;
        while let Some((stage, before, wanted)) = places.get(at).cloned() {
            at += 1;
            let Some(lineage) = facts.stage(stage).map(|stage| stage.lineage.clone()) else { continue };
            let copies = facts.copies.iter().rev().filter(|copy| {
                lineage.contains(&copy.stage) && (copy.stage != stage || copy.instruction < before)
            });
            for copy in copies.take(MAX_COPIES) {
                let directory = dirs.at(copy.stage, self.position(copy.stage.0, copy.instruction));
                for path in sources_of(copy, directory, &wanted) {
                    match &copy.from {
                        CopyFrom::Context => found.extend(in_context(&path)),
                        CopyFrom::Stage(from) if places.len() < MAX_STAGES => {
                            places.push((*from, usize::MAX, absolute("/", &path)));
                        }
                        _ => {}
                    }
                }
                if found.len() >= MAX_CANDIDATES {
                    return found;
                }
            }
        }
        found
    }

    /// Paths of the context that a bind mount of the RUN puts at `wanted`.
    fn mounted(&self, dirs: &Workdirs, stage: StageId, instruction: usize, wanted: &str) -> Vec<String> {
        let Some(run) = self.tree.instructions.get(instruction) else {
            return Vec::new();
        };
        let directory = dirs.at(stage, self.position(stage.0, instruction));
        let mut found = Vec::new();
        for flag in run.flags.iter().filter(|flag| flag.name.value == "mount") {
            let kind = flag.mount_value("type").map_or("bind", |value| value.value.as_str());
            if kind != "bind" || flag.mount_value("from").is_some() {
                continue;
            }
            let value = |keys: &[&str]| {
                keys.iter().find_map(|key| flag.mount_value(key)).map(|value| value.value.as_str())
            };
            let source = value(&["source", "src"]).unwrap_or(".");
            let Some(target) = value(&["target", "dst", "destination"]) else { continue };
            let target = absolute(directory, target);
            if target == wanted {
                found.extend(in_context(source));
            } else if let Some(rest) = below(&target, wanted) {
                found.extend(in_context(&format!("{source}/{rest}")));
            }
        }
        found
    }
}

/// What follows `folder/` in `path`.
fn below<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/')
}

/// Source paths of a COPY that may land at `wanted`: the file itself, or a file of a copied folder.
fn sources_of(copy: &Copy, directory: &str, wanted: &str) -> Vec<String> {
    let Some(destination) = copy.destination.text.as_deref() else {
        return Vec::new();
    };
    let into_folder =
        destination.ends_with('/') || copy.sources.len() > 1 || matches!(destination, "." | "./");
    let target = absolute(directory, destination);
    let mut found = Vec::new();
    for source in copy.sources.iter().filter_map(|word| word.text.as_deref()) {
        if source.contains("://") {
            continue;
        }
        let source = source.trim_end_matches('/');
        let (folder, base) = source.rsplit_once('/').unwrap_or(("", source));
        if let Some(rest) = below(&target, wanted) {
            if !rest.contains('/') && glob::matches(base, rest) {
                found.push(if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") });
            }
            // A folder's content goes into the destination, not the folder itself.
            if !base.contains(['*', '?', '[']) {
                found.push(format!("{source}/{rest}"));
            }
        } else if !into_folder && target == wanted {
            found.push(source.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute() {
        assert_eq!(absolute("/app", "requirements.txt"), "/app/requirements.txt");
        assert_eq!(absolute("/app", "../x/./y//z"), "/x/y/z");
        assert_eq!(absolute("/app", "/tmp/r.txt"), "/tmp/r.txt");
        assert_eq!(in_context("./docker/../req.txt").as_deref(), Some("req.txt"));
        assert_eq!(in_context("../secret"), None);
    }
}
