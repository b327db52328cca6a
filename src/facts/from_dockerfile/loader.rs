//! Directories that reach the dynamic loader: elements of LD_LIBRARY_PATH, ld.so.conf files, arguments of ldconfig; and
//! what takes them away again.

use super::executed::{Executed, Resolved};
use super::exports::lines;
use super::loader_env::{from_base, written_elements};
use super::packages::horizon;
use super::{Extraction, file_ops, glob, packages};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::files::{FileWrite, writes};
use crate::dockerfile::{Instruction, InstructionKind, Transfer};
use crate::facts::{CopyFrom, EnvSet, Facts, LoaderEntry, LoaderVia, Origin, StageId};
use crate::span::Span;

const VARIABLE: &str = "LD_LIBRARY_PATH";

/// Fills [`Facts::loader`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let timeline = Timeline::new(cx);
    let mut found = environment(cx, facts);
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        found.extend(conf_files(facts, executed, &timeline));
        found.extend(ldconfig_arguments(facts, executed, &timeline));
    }
    for stage in 0..cx.graph.stages.len() {
        for (index, instruction) in cx.instructions_of(stage) {
            if let InstructionKind::Copy(transfer) | InstructionKind::Add(transfer) = &instruction.kind {
                found.extend(copied_conf(cx, facts, (stage, index), instruction, transfer, &timeline));
            }
        }
    }
    for entry in &mut found {
        let directory = entry.directory.trim_end_matches('/');
        if entry.survives && timeline.removes_directory(&horizon(facts, entry.stage), directory) {
            entry.survives = false;
        }
    }
    facts.loader = found;
}

/// Elements of LD_LIBRARY_PATH: of the base images, then of every ENV that writes one out.
fn environment(cx: &Extraction<'_>, facts: &Facts) -> Vec<LoaderEntry> {
    let mut found = Vec::new();
    let sets: Vec<&EnvSet> = facts.env_sets.iter().filter(|set| set.name == VARIABLE).collect();
    for stage in facts.stages.iter().filter(|stage| stage.parent.is_none()) {
        for directory in from_base(cx, stage.id) {
            let later = horizon(facts, stage.id);
            found.push(LoaderEntry {
                stage: stage.id,
                directory,
                via: LoaderVia::Environment,
                survives: sets.iter().filter(|set| later.contains(&set.stage)).all(|set| set.references_self),
                from_base: true,
                cache_refreshed: false,
                instruction: cx.instruction_at(&stage.from),
                origin: stage.from.clone(),
            });
        }
    }
    for (set, kept) in with_survival(facts, &sets) {
        for (directory, origin) in written_elements(cx, set) {
            found.push(LoaderEntry {
                stage: set.stage,
                directory,
                via: LoaderVia::Environment,
                survives: kept,
                from_base: false,
                cache_refreshed: false,
                instruction: cx.instruction_at(&set.instruction),
                origin,
            });
        }
    }
    found
}

/// Sets of the variable with whether every later one, up to the end of what is shipped, takes the value before it over.
fn with_survival<'f>(facts: &Facts, sets: &[&'f EnvSet]) -> Vec<(&'f EnvSet, bool)> {
    let mut replaced = vec![false; facts.stages.len()];
    for set in sets.iter().filter(|set| !set.references_self) {
        if let Some(flag) = replaced.get_mut(set.stage.0) {
            *flag = true;
        }
    }
    let mut out = Vec::with_capacity(sets.len());
    // From the last to the first; stages follow one another, so one flag serves the stage at hand.
    let mut at_hand: Option<(StageId, bool)> = None;
    for set in sets.iter().rev() {
        let kept = match at_hand {
            Some((stage, kept)) if stage == set.stage => kept,
            _ => {
                let mut later = horizon(facts, set.stage).into_iter().skip(1);
                !later.any(|stage| replaced.get(stage.0) == Some(&true))
            }
        };
        out.push((*set, kept));
        at_hand = Some((set.stage, kept && set.references_self));
    }
    out.reverse();
    out
}

/// A place in the order in which stages run their commands: stage, instruction, command.
type Moment = (StageId, usize, usize);

/// What commands of all stages do to the loader's configuration, in order.
struct Timeline<'c> {
    cx: &'c Extraction<'c>,
    events: Vec<(Moment, Event<'c>)>,
}

enum Event<'c> {
    /// Files or folders are removed.
    Remove(&'c Resolved),
    /// Packages are removed.
    Packages(&'c Resolved),
    /// The cache is rebuilt; with directories or without.
    Ldconfig { plain: bool },
    /// A file is written anew.
    Overwrite(String),
}

impl<'c> Timeline<'c> {
    fn new(cx: &'c Extraction<'c>) -> Self {
        let mut events = Vec::new();
        for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
            for resolved in &executed.commands {
                let moment = (executed.stage, executed.instruction, resolved.index);
                match &resolved.action {
                    Action::Files(_) => events.push((moment, Event::Remove(resolved))),
                    Action::Packages(_) => events.push((moment, Event::Packages(resolved))),
                    Action::Ldconfig(call) if !call.no_cache && !call.print => {
                        events.push((moment, Event::Ldconfig { plain: call.directories.is_empty() }));
                    }
                    _ => {}
                }
            }
            for write in writes(&executed.script) {
                if !write.append {
                    let moment = (executed.stage, executed.instruction, write.command);
                    events.push((moment, Event::Overwrite(write.target.text.clone())));
                }
            }
        }
        events.sort_by_key(|(moment, _)| *moment);
        Self { cx, events }
    }

    /// Events behind a moment in the stages of `horizon`.
    fn after<'t>(&'t self, moment: Moment, horizon: &'t [StageId]) -> impl Iterator<Item = &'t Event<'c>> {
        let start = self.events.partition_point(|(when, _)| *when <= moment);
        let rest = self.events.get(start..).unwrap_or_default();
        let rest = if self.cx.spend(rest.len()) { rest } else { &[] };
        let rest = rest.iter();
        rest.filter(|((stage, ..), _)| horizon.contains(stage)).map(|(_, event)| event)
    }

    /// Whether a conf file written at a moment is gone or replaced later.
    fn file_goes(&self, moment: Moment, horizon: &[StageId], path: &str) -> bool {
        self.after(moment, horizon).any(|event| match event {
            Event::Remove(resolved) => file_ops::removes(resolved, path),
            Event::Overwrite(other) => other == path,
            Event::Packages(_) | Event::Ldconfig { .. } => false,
        })
    }

    fn refreshed(&self, moment: Moment, horizon: &[StageId]) -> bool {
        self.after(moment, horizon).any(|event| matches!(event, Event::Ldconfig { .. }))
    }

    fn rebuilt_without_arguments(&self, moment: Moment, horizon: &[StageId]) -> bool {
        self.after(moment, horizon).any(|event| matches!(event, Event::Ldconfig { plain: true }))
    }

    /// Whether a stubs or compat folder is removed somewhere, by path or with its package; what is not there is not found.
    fn removes_directory(&self, horizon: &[StageId], directory: &str) -> bool {
        let compat = directory.ends_with("/compat");
        if !compat && !directory.ends_with("/stubs") {
            return false;
        }
        // /usr/local/cuda is a link to the versioned folder.
        let twin = unversioned(directory);
        let events = if self.cx.spend(self.events.len()) { self.events.as_slice() } else { &[] };
        events.iter().filter(|((stage, ..), _)| horizon.contains(stage)).any(|(_, event)| match event {
            Event::Remove(resolved) => {
                file_ops::removes(resolved, directory)
                    || twin.as_deref().is_some_and(|twin| file_ops::removes(resolved, twin))
            }
            Event::Packages(resolved) => compat && removes_compat(resolved),
            Event::Overwrite(_) | Event::Ldconfig { .. } => false,
        })
    }
}

/// `/usr/local/cuda/compat` for `/usr/local/cuda-12.4/compat`.
fn unversioned(directory: &str) -> Option<String> {
    let (_, rest) = directory.strip_prefix("/usr/local/cuda-")?.split_once('/')?;
    Some(format!("/usr/local/cuda/{rest}"))
}

/// Whether cuda-compat is removed: by name, by a pattern, or by a name with a version.
fn removes_compat(resolved: &Resolved) -> bool {
    if packages::removes(resolved, "cuda-compat") {
        return true;
    }
    let Action::Packages(call) = &resolved.action else { return false };
    use crate::dockerfile::shell::tools::PackageAction;
    matches!(call.action, PackageAction::Remove | PackageAction::Purge | PackageAction::Autoremove)
        && call.packages.iter().any(|word| {
            word.text.starts_with("cuda-compat")
                || (word.glob && glob::matches(&word.name, "cuda-compat-12-4"))
        })
}

/// The compat folder of a CUDA whose version is not known.
const COMPAT_OF_SOME_CUDA: &str = "/usr/local/cuda-*/compat";

/// Where a text holds `/usr/local/cuda-$(…)/compat` and nothing else: whatever the version, it is a compat folder.
fn unknown_compat(text: &str) -> Option<Span> {
    let start = text.len() - text.trim_start().len();
    let path = text.trim();
    let version = path.strip_prefix("/usr/local/cuda-")?;
    let whole = version.starts_with(['$', '`']) && version.trim_end_matches('/').ends_with("/compat");
    (whole && path.matches("/compat").count() == 1).then(|| Span::new(start, start + path.len()))
}

fn is_conf_file(path: &str) -> bool {
    path == "/etc/ld.so.conf" || path.starts_with("/etc/ld.so.conf.d/")
}

fn conf_files(facts: &Facts, executed: &Executed, timeline: &Timeline<'_>) -> Vec<LoaderEntry> {
    let mut found = Vec::new();
    let later = horizon(facts, executed.stage);
    let written: Vec<FileWrite> = writes(&executed.script);
    for write in written.iter().filter(|write| is_conf_file(&write.target.text)) {
        let moment = (executed.stage, executed.instruction, write.command);
        let survives = !timeline.file_goes(moment, &later, &write.target.text);
        let cache_refreshed = timeline.refreshed(moment, &later);
        for word in &write.text {
            for (range, directory) in directories(&word.text, lines(word, write.escapes)) {
                found.push(LoaderEntry {
                    stage: executed.stage,
                    directory,
                    via: LoaderVia::ConfFile,
                    survives,
                    from_base: false,
                    cache_refreshed,
                    instruction: executed.instruction,
                    origin: executed.part_origin(word, range.start..range.end),
                });
            }
        }
    }
    found
}

/// The absolute folders that lines of a conf file name, with their places; unknown parts leave a folder out.
fn directories(text: &str, lines: Vec<Span>) -> Vec<(Span, String)> {
    let mut out = Vec::new();
    for line in lines {
        let content = text.get(line.start..line.end).unwrap_or_default();
        let content = content.split('#').next().unwrap_or_default();
        if let Some(found) = unknown_compat(content) {
            out.push((
                Span::new(line.start + found.start, line.start + found.end),
                COMPAT_OF_SOME_CUDA.to_owned(),
            ));
            continue;
        }
        let mut at = line.start;
        for part in content.split_inclusive([' ', '\t', ':', ',', ';']) {
            let word = part.trim_end_matches([' ', '\t', ':', ',', ';']);
            if word.starts_with('/') && !word.contains(['$', '`', '*']) {
                out.push((Span::new(at, at + word.len()), word.to_owned()));
            }
            at += part.len();
        }
    }
    out
}

fn ldconfig_arguments(facts: &Facts, executed: &Executed, timeline: &Timeline<'_>) -> Vec<LoaderEntry> {
    let mut found = Vec::new();
    let later = horizon(facts, executed.stage);
    for resolved in &executed.commands {
        let Action::Ldconfig(call) = &resolved.action else { continue };
        // A cache or root of its own is not the image's cache.
        if call.no_cache || call.print || call.cache.is_some() || call.root.is_some() {
            continue;
        }
        let moment = (executed.stage, executed.instruction, resolved.index);
        for word in &call.directories {
            let directory = match word.literal() {
                Some(text) => text.to_owned(),
                None if unknown_compat(word.raw.trim_matches(['"', '\''])).is_some() => {
                    COMPAT_OF_SOME_CUDA.to_owned()
                }
                None => continue,
            };
            found.push(LoaderEntry {
                stage: executed.stage,
                directory,
                via: LoaderVia::LdconfigArgument,
                survives: !timeline.rebuilt_without_arguments(moment, &later),
                from_base: false,
                cache_refreshed: true,
                instruction: executed.instruction,
                origin: executed.origin_of(word.span),
            });
        }
    }
    found
}

/// A conf file from a heredoc of COPY, or from the build context.
fn copied_conf(
    cx: &Extraction<'_>,
    facts: &mut Facts,
    (stage, index): (usize, usize),
    instruction: &Instruction,
    transfer: &Transfer,
    timeline: &Timeline<'_>,
) -> Vec<LoaderEntry> {
    let scope = cx.graph.scope(stage, cx.position(stage, index));
    let Some(destination) =
        scope.expand(&transfer.dest.value).ok().and_then(|value| value.as_str().map(str::to_owned))
    else {
        return Vec::new();
    };
    if !destination.starts_with("/etc/ld.so.conf") {
        return Vec::new();
    }
    let id = StageId(stage);
    let later = horizon(facts, id);
    let moment = (id, index, 0);
    let mut found = Vec::new();
    let mut push = |path: &str, directory: String, origin: Origin| {
        found.push(LoaderEntry {
            stage: id,
            directory,
            via: LoaderVia::ConfFile,
            survives: !timeline.file_goes(moment, &later, path),
            from_base: false,
            cache_refreshed: timeline.refreshed(moment, &later),
            instruction: index,
            origin,
        });
    };
    let target = |name: &str| {
        let folder = destination.trim_end_matches('/');
        if destination.ends_with('/') || folder.ends_with(".d") {
            format!("{folder}/{name}")
        } else {
            destination.clone()
        }
    };
    for heredoc in transfer.heredocs.iter().filter_map(|at| instruction.heredocs.get(*at)) {
        let text = &heredoc.body.text;
        for (range, directory) in directories(&text.text, plain_lines(&text.text)) {
            let origin = cx.origin(text.source_span(range.start..range.end));
            push(&target(&heredoc.delimiter), directory, origin);
        }
    }
    let at = facts.copies.partition_point(|copy| (copy.stage, copy.instruction) < (id, index));
    let copied = facts.copies.get(at).filter(|copy| copy.stage == id && copy.instruction == index);
    let sources: Vec<String> = match copied {
        Some(copy) if copy.from == CopyFrom::Context => {
            copy.sources.iter().filter_map(|word| word.text.clone()).collect()
        }
        _ => Vec::new(),
    };
    for source in sources {
        let Some((file, bytes)) = cx.context_file(facts, &source) else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let name = source.rsplit('/').next().unwrap_or(&source).to_owned();
        for (range, directory) in directories(&text, plain_lines(&text)) {
            push(&target(&name), directory, Origin::file(file, range));
        }
    }
    found
}

fn plain_lines(text: &str) -> Vec<Span> {
    let mut at = 0;
    let mut out = Vec::new();
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        out.push(Span::new(at, at + body.len()));
        at += line.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};
    use crate::facts::{Facts, LoaderVia};

    fn entries(facts: &Facts) -> Vec<(&str, LoaderVia, bool)> {
        facts
            .loader
            .iter()
            .filter(|e| !e.from_base)
            .map(|e| (e.directory.as_str(), e.via, e.survives))
            .collect()
    }

    #[test]
    fn elements_stand_where_they_are_written() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nENV LD_LIBRARY_PATH=\"/a:/usr/local/cuda/lib64/stubs:${LD_LIBRARY_PATH}\"\nENV LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/b\n",
        );
        let stubs = "/usr/local/cuda/lib64/stubs";
        assert_eq!(
            entries(&facts),
            [
                ("/a", LoaderVia::Environment, true),
                (stubs, LoaderVia::Environment, true),
                ("/b", LoaderVia::Environment, true)
            ]
        );
        let places: Vec<_> =
            facts.loader.iter().filter(|e| !e.from_base).map(|e| at(&facts, &e.origin)).collect();
        assert_eq!(places, ["/a", stubs, "/b"]);
        let base: Vec<_> =
            facts.loader.iter().filter(|e| e.from_base).map(|e| e.directory.as_str()).collect();
        assert_eq!(base, ["/usr/local/nvidia/lib", "/usr/local/nvidia/lib64"]);
    }

    #[test]
    fn a_replaced_value_does_not_survive() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-base-ubuntu22.04 AS a\nENV LD_LIBRARY_PATH=/a:$LD_LIBRARY_PATH\nFROM a\nENV LD_LIBRARY_PATH=/b\n",
        );
        assert_eq!(
            entries(&facts),
            [("/a", LoaderVia::Environment, false), ("/b", LoaderVia::Environment, true)]
        );
        assert!(facts.loader.iter().filter(|e| e.from_base).all(|e| !e.survives));
    }

    #[test]
    fn values_through_arguments_are_known() {
        let facts = facts("FROM debian:12\nARG D=/opt/x:/opt/y\nENV LD_LIBRARY_PATH=$D:/z$UNKNOWN\n");
        assert_eq!(
            entries(&facts),
            [
                ("/opt/x", LoaderVia::Environment, true),
                ("/opt/y", LoaderVia::Environment, true),
                ("/z", LoaderVia::Environment, true)
            ]
        );
        assert_eq!(at(&facts, &facts.loader[0].origin), "$D");
    }

    #[test]
    fn conf_files_last_until_they_are_removed() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN echo /usr/local/cuda/lib64/stubs > /etc/ld.so.conf.d/stubs.conf && ldconfig && make && rm /etc/ld.so.conf.d/stubs.conf && ldconfig\nRUN printf '/opt/a\\n/opt/b\\n' | tee /etc/ld.so.conf.d/x.conf\nRUN cat >/etc/ld.so.conf.d/y.conf <<EOF && ldconfig\n/opt/c\n# /opt/d\nEOF\nCOPY <<y.conf /etc/ld.so.conf.d/\n/opt/e\ny.conf\n",
        );
        let found: Vec<_> = facts
            .loader
            .iter()
            .filter(|e| !e.from_base)
            .map(|e| (e.directory.as_str(), e.survives, e.cache_refreshed, at(&facts, &e.origin)))
            .collect();
        let stubs = "/usr/local/cuda/lib64/stubs";
        assert_eq!(
            found,
            [
                (stubs, false, true, stubs),
                ("/opt/a", true, true, "/opt/a"),
                ("/opt/b", true, true, "/opt/b"),
                ("/opt/c", true, true, "/opt/c"),
                ("/opt/e", true, false, "/opt/e"),
            ]
        );
    }

    #[test]
    fn arguments_of_ldconfig_last_until_the_next_plain_call() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN ldconfig /usr/local/cuda/lib64/stubs && make && ldconfig\nRUN ldconfig /usr/local/cuda-12.4/compat/\nRUN ldconfig -p | grep cuda\n",
        );
        assert_eq!(
            entries(&facts),
            [
                ("/usr/local/cuda/lib64/stubs", LoaderVia::LdconfigArgument, false),
                ("/usr/local/cuda-12.4/compat/", LoaderVia::LdconfigArgument, true),
            ]
        );
    }

    #[test]
    fn a_purged_compat_package_leaves_no_folder() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nENV LD_LIBRARY_PATH=/usr/local/cuda/compat:$LD_LIBRARY_PATH\nRUN apt-get purge -y 'cuda-compat-*'\n",
        );
        assert_eq!(entries(&facts), [("/usr/local/cuda/compat", LoaderVia::Environment, false)]);
    }
}
