//! Uses of NVIDIA's package repositories and keys: sources, keys, downloads, and how verification is switched off.

use super::copies::HeredocFile;
use super::executed::{Executed, Resolved};
use super::exports::lines;
use super::{Extraction, copies};
use crate::dockerfile::shell::tools::files::{FileWrite, writes};
use crate::dockerfile::shell::tools::{Download, PackageAction, PackageCommand, RepositoryCommand};
use crate::dockerfile::shell::{Action, Word as ShellWord};
use crate::facts::{CopyFrom, Facts, Origin, RepositoryUse, RepositoryUseKind as Kind, StageId};
use crate::span::Span;

/// Hosts that serve NVIDIA's packages.
const HOSTS: &[&str] =
    &["developer.download.nvidia.c", "nvidia.github.io", "developer.nvidia.com", "repo.download.nvidia.com"];
/// The ends of the keys of the CUDA repository, old and new (NVIDIA's notice on the key rotation of April 2022).
const KEYS: &[&str] = &["7fa2af80", "3bf863cc"];
/// Beginnings of names of packages that come from NVIDIA's repositories.
const PACKAGES: &[&str] = &[
    "cuda",
    "libcudnn",
    "libnccl",
    "libnvinfer",
    "libcublas",
    "tensorrt",
    "libnvidia-container",
    "nvidia-container",
    "datacenter-gpu-manager",
    "libcufft",
    "libnpp",
];
/// How many later commands of a pipeline are looked for.
const WALK: usize = 32;

/// Fills [`Facts::repositories`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut found = Vec::new();
    let mut copied_keys = Vec::new();
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        for resolved in &executed.commands {
            Reader { cx, facts, executed, resolved, found: &mut found, copied_keys: &mut copied_keys }.read();
        }
        for write in writes(&executed.script) {
            written_source(executed, &write, &mut found);
        }
    }
    for copy in facts.copies.iter().filter(|copy| copy.add) {
        for word in &copy.sources {
            let url = word.text.as_deref().unwrap_or(&word.raw);
            if is_nvidia(url) {
                let dynamic = word.raw.contains('$');
                found.push(RepositoryUse {
                    stage: copy.stage,
                    kind: kind_of_url(url),
                    url: url.to_owned(),
                    unverified: insecure_scheme(url),
                    dynamic,
                    instruction: copy.instruction,
                    origin: word.origin.clone(),
                    apt_key: None,
                    unverified_by: None,
                    command: copy.origin.clone(),
                });
            }
        }
    }
    for file in copies::heredocs(cx).into_iter().filter(|file| is_source_file(&file.path)) {
        copied_source(cx, &file, &mut found);
    }
    // A key file of the context is NVIDIA's where its name says so or no other key is taken, and a source of NVIDIA's follows.
    let alone = copied_keys.len() == 1;
    copied_keys.retain(|key| {
        let named = ["nvidia", "cuda"].iter().any(|name| key.url.to_ascii_lowercase().contains(name));
        let source = |other: &RepositoryUse| {
            other.kind == Kind::Source
                && other.instruction >= key.instruction
                && facts.inherits(other.stage, key.stage)
        };
        let other_key =
            |other: &RepositoryUse| matches!(other.kind, Kind::Key | Kind::Keyring | Kind::AptKey);
        (named || (alone && !found.iter().any(other_key)))
            && cx.spend(found.len())
            && found.iter().any(source)
    });
    found.append(&mut copied_keys);
    found.sort_by_key(|found| (found.stage, found.instruction, start_of(&found.origin)));
    found.dedup();
    facts.repositories = found;
}

fn start_of(origin: &Origin) -> usize {
    origin.as_file().map_or(0, |(_, span)| span.start)
}

fn is_nvidia(url: &str) -> bool {
    url.contains("://") && HOSTS.iter().any(|host| url.contains(host))
}

fn is_nvidia_key(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    KEYS.iter().any(|key| id.ends_with(key) || id.contains(&format!("{key}.pub")))
}

/// The last part of a path or address.
fn last_part(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

/// What an address is for, by its last part.
fn kind_of_url(url: &str) -> Kind {
    let name = last_part(url);
    if name.starts_with("cuda-keyring") {
        Kind::Keyring
    } else if name.ends_with(".repo") || name.ends_with(".list") || name.ends_with(".sources") {
        Kind::Source
    } else if [".pub", ".gpg", ".asc", ".key"].iter().any(|end| name.ends_with(end))
        || name.starts_with("gpgkey")
    {
        Kind::Key
    } else {
        Kind::Download
    }
}

fn insecure_scheme(url: &str) -> Vec<String> {
    if url.starts_with("http://") { vec!["http".to_owned()] } else { Vec::new() }
}

/// Reads one command.
struct Reader<'c, 'f> {
    cx: &'c Extraction<'c>,
    executed: &'c Executed,
    facts: &'c Facts,
    resolved: &'c Resolved,
    found: &'f mut Vec<RepositoryUse>,
    /// Uses of apt-key with a file that COPY brings: whose key it is has to be seen elsewhere.
    copied_keys: &'f mut Vec<RepositoryUse>,
}

impl Reader<'_, '_> {
    fn read(&mut self) {
        let resolved = self.resolved;
        match &resolved.action {
            Action::Repository(command) => self.repository(command),
            Action::Download(download) => self.download(download),
            Action::Packages(call) => self.packages(call),
            _ => {}
        }
    }

    fn push(&mut self, kind: Kind, word: &ShellWord, unverified: Vec<String>) {
        let url = if word.is_fully_literal() { word.text.clone() } else { word.raw.replace(['"', '\''], "") };
        self.push_url(
            kind,
            url,
            word.raw.contains(['$', '`']),
            self.executed.origin_of(word.span),
            unverified,
        );
    }

    fn push_url(&mut self, kind: Kind, url: String, dynamic: bool, origin: Origin, unverified: Vec<String>) {
        let found = self.use_of(kind, url, dynamic, origin, unverified);
        self.found.push(found);
    }

    /// The place of the program's name.
    fn program_origin(&self) -> Option<Origin> {
        self.resolved.command.program().map(|program| self.executed.origin_of(program.word.span))
    }

    fn use_of(
        &self,
        kind: Kind,
        url: String,
        dynamic: bool,
        origin: Origin,
        unverified: Vec<String>,
    ) -> RepositoryUse {
        let here = matches!(self.resolved.action, Action::Repository(_)) && kind == Kind::AptKey;
        RepositoryUse {
            stage: self.executed.stage,
            kind,
            url,
            unverified,
            dynamic,
            instruction: self.executed.instruction,
            origin,
            apt_key: if here { self.program_origin() } else { None },
            unverified_by: None,
            command: self.executed.command_origin(&self.resolved.command),
        }
    }

    fn repository(&mut self, command: &RepositoryCommand) {
        match command {
            RepositoryCommand::AptKeyAdd { source: Some(file) } => {
                if is_nvidia(&file.text) || is_nvidia_key(&file.text) {
                    self.push(Kind::AptKey, file, Vec::new());
                } else if let Some(url) = self.downloaded_as(&file.text) {
                    let origin = self.executed.origin_of(file.span);
                    self.push_url(Kind::AptKey, url, false, origin, Vec::new());
                } else if self.fetched_before(&file.text) {
                    // The address was told of where it was fetched.
                    self.push(Kind::AptKey, file, Vec::new());
                } else if self.copied_before(&file.text) {
                    let origin = self.executed.origin_of(file.span);
                    let found = self.use_of(Kind::AptKey, file.text.clone(), false, origin, Vec::new());
                    self.copied_keys.push(found);
                }
            }
            // From standard input: the download in front of the pipe tells it.
            RepositoryCommand::AptKeyAdd { source: None } => {}
            RepositoryCommand::FetchKeys { program, urls, keys, .. } => {
                let kind = if program == "apt-key" { Kind::AptKey } else { Kind::Key };
                for url in urls.iter().filter(|url| is_nvidia(&url.text)) {
                    self.push(kind, url, insecure_scheme(&url.text));
                }
                for key in keys.iter().filter(|key| is_nvidia_key(&key.text)) {
                    self.push(kind, key, Vec::new());
                }
            }
            RepositoryCommand::AptKeyDelete { keys } => {
                for key in keys.iter().filter(|key| is_nvidia_key(&key.text)) {
                    self.push(Kind::AptKeyDelete, key, Vec::new());
                }
            }
            RepositoryCommand::Dearmor { input: Some(file), .. } if is_nvidia_key(&file.text) => {
                self.push(Kind::Key, file, Vec::new());
            }
            RepositoryCommand::Dearmor { .. } => {}
            RepositoryCommand::AddAptRepository { source, remove: false } => self.source_line(source),
            RepositoryCommand::AddAptRepository { .. } => {}
            RepositoryCommand::AddRepository { source, .. } => self.source_line(source),
            RepositoryCommand::RpmImport { sources } => {
                for source in sources.iter().filter(|source| is_nvidia(&source.text)) {
                    self.push(Kind::Key, source, insecure_scheme(&source.text));
                }
            }
        }
    }

    /// A source given as a word: an address, or `deb [options] address suite`.
    fn source_line(&mut self, word: &ShellWord) {
        let (executed, line) = (self.executed, Span::new(0, word.text.len()));
        let command = executed.command_origin(&self.resolved.command);
        let place = Place { stage: executed.stage, instruction: executed.instruction, command };
        source_in_line(executed, word, line, &word.text, &place, self.found);
    }

    /// The address that an earlier command of the same text fetched into a file of this name.
    fn downloaded_as(&self, file: &str) -> Option<String> {
        let name = file.rsplit('/').next()?;
        if !self.cx.spend(self.executed.commands.len()) {
            return None;
        }
        self.executed.commands.iter().find_map(|other| {
            let Action::Download(download) = &other.action else { return None };
            let url = download.urls.iter().find(|url| is_nvidia(&url.text))?;
            let same = file_of(download, url) == Some(name);
            same.then(|| url.text.clone())
        })
    }

    /// Whether an earlier RUN or ADD of the lineage fetched a file of this name from NVIDIA.
    fn fetched_before(&self, file: &str) -> bool {
        let Some(name) = file.rsplit('/').next().filter(|name| !name.is_empty()) else { return false };
        let (stage, instruction) = (self.executed.stage, self.executed.instruction);
        let earlier = |other: StageId, at: usize| at < instruction && self.facts.inherits(stage, other);
        let added = self.facts.copies.iter().filter(|copy| copy.add && earlier(copy.stage, copy.instruction));
        let mut added = added.filter_map(|copy| match copy.sources.as_slice() {
            [source] => {
                let url = source.text.as_deref().filter(|url| is_nvidia(url))?;
                let to = copy.destination.text.as_deref()?.rsplit('/').next()?;
                Some(if to.is_empty() { last_part(url) } else { to })
            }
            _ => None,
        });
        if added.any(|added| added == name) {
            return true;
        }
        let texts = || {
            let all = self.cx.executed.iter().filter(|executed| executed.at_build());
            all.filter(|executed| earlier(executed.stage, executed.instruction))
        };
        let commands = texts().map(|executed| executed.commands.len()).sum();
        self.cx.spend(commands)
            && texts().flat_map(|executed| &executed.commands).any(|other| {
                let Action::Download(download) = &other.action else { return false };
                let mut urls = download.urls.iter().filter(|url| is_nvidia(&url.text));
                urls.any(|url| file_of(download, url) == Some(name))
            })
    }

    /// Whether an earlier COPY of the lineage brings a file of this name from the context.
    fn copied_before(&self, file: &str) -> bool {
        let name = last_part(file);
        self.facts.copies.iter().any(|copy| {
            copy.from == CopyFrom::Context
                && copy.instruction < self.executed.instruction
                && self.facts.inherits(self.executed.stage, copy.stage)
                && copy.sources.iter().chain([&copy.destination]).any(|word| last_part(&word.raw) == name)
        })
    }

    fn download(&mut self, download: &Download) {
        let piped_to = self.piped_to();
        for url in download.urls.iter().filter(|url| is_nvidia(&url.text)) {
            let kind = match &piped_to {
                Some((kind, _)) => *kind,
                // apt-key is told of the file later.
                None if self.added_by_apt_key(download, url) => continue,
                None => kind_of_url(&url.text),
            };
            let mut unverified = insecure_scheme(&url.text);
            let mut off = None;
            if download.insecure {
                let mut flags = download.flags.iter().filter(|flag| {
                    matches!(flag.name.as_str(), "-k" | "--insecure" | "--no-check-certificate")
                });
                off = flags.next();
                unverified.extend(off.map(|flag| flag.name.clone()));
            }
            self.push(kind, url, unverified);
            if let Some(found) = self.found.last_mut() {
                found.unverified_by = off.map(|flag| self.executed.origin_of(flag.span));
                found.apt_key = piped_to
                    .as_ref()
                    .filter(|(kind, _)| *kind == Kind::AptKey)
                    .and_then(|(_, at)| at.clone());
            }
        }
    }

    fn added_by_apt_key(&self, download: &Download, url: &ShellWord) -> bool {
        self.cx.spend(self.executed.commands.len())
            && self.executed.commands.iter().any(|other| match &other.action {
                Action::Repository(RepositoryCommand::AptKeyAdd { source: Some(file) }) => {
                    file_of(download, url) == file.text.rsplit('/').next()
                }
                _ => false,
            })
    }

    /// What a later command of the pipeline does with the download, and where its program stands.
    fn piped_to(&self) -> Option<(Kind, Option<Origin>)> {
        let command = &self.resolved.command;
        if !command.separator_after.is_pipe() {
            return None;
        }
        let commands = &self.executed.commands;
        let first = commands.partition_point(|other| other.index <= self.resolved.index);
        let mut later = commands.iter().skip(first).take(WALK).filter(|other| {
            other.command.pipeline == command.pipeline
                && other.command.pipeline_index > command.pipeline_index
        });
        later.find_map(|other| {
            let kind = match &other.action {
                Action::Repository(RepositoryCommand::AptKeyAdd { .. }) => Kind::AptKey,
                Action::Repository(RepositoryCommand::Dearmor { .. }) => Kind::Key,
                _ => return None,
            };
            let program = other.command.program();
            Some((kind, program.map(|program| self.executed.origin_of(program.word.span))))
        })
    }

    fn packages(&mut self, call: &PackageCommand) {
        if call.action != PackageAction::Install {
            return;
        }
        let off = call.unauthenticated().then(|| {
            let mut flags = call.flags.iter();
            flags.find(|flag| {
                PackageCommand { flags: vec![(*flag).clone()], ..call.clone() }.unauthenticated()
            })
        });
        let off = off.flatten();
        for package in &call.packages {
            let url = package.text.as_str();
            let dynamic = package.raw.contains(['$', '`']);
            let origin = self.executed.origin_of(package.span);
            let name = url.rsplit('/').next().unwrap_or(url);
            if is_nvidia(url) {
                let mut unverified = insecure_scheme(url);
                unverified.extend(off.map(|flag| flag.name.clone()));
                self.push_url(kind_of_url(url), url.to_owned(), dynamic, origin, unverified);
            } else if package.file_or_url && name.starts_with("cuda-keyring") {
                self.push_url(Kind::Keyring, name.to_owned(), dynamic, origin, Vec::new());
            }
        }
        let from_nvidia = call
            .packages
            .iter()
            .find(|word| !word.file_or_url && PACKAGES.iter().any(|stem| word.name.starts_with(stem)));
        if let (Some(flag), Some(package)) = (off, from_nvidia) {
            let origin = self.executed.origin_of(flag.span);
            self.push_url(Kind::Download, package.name.clone(), false, origin, vec![flag.name.clone()]);
        }
    }
}

/// The name of the file that a download writes.
fn file_of<'d>(download: &'d Download, url: &'d ShellWord) -> Option<&'d str> {
    let path = match &download.output {
        Some(output) => output.text.as_str(),
        None => url.text.split(['?', '#']).next()?,
    };
    path.rsplit('/').next()
}

/// Where a source line stands.
struct Place {
    stage: StageId,
    instruction: usize,
    command: Origin,
}

/// Whether a file is read by a package manager as a list of sources.
fn is_source_file(path: &str) -> bool {
    path.starts_with("/etc/apt/sources.list")
        || path.starts_with("/etc/yum.repos.d/")
        || path.starts_with("/etc/zypp/repos.d/")
}

fn written_source(executed: &Executed, write: &FileWrite, found: &mut Vec<RepositoryUse>) {
    if !is_source_file(&write.target.text) {
        return;
    }
    let all: Vec<&str> = write.text.iter().map(|word| word.text.as_str()).collect();
    let all = all.join(" ");
    let place = Place {
        stage: executed.stage,
        instruction: executed.instruction,
        command: executed.origin_of(write.span),
    };
    for word in &write.text {
        for line in lines(word, write.escapes) {
            source_in_line(executed, word, line, &all, &place, found);
        }
    }
}

/// An address of NVIDIA's in one line of a source file; `around` is the text that options may stand in.
fn source_in_line(
    executed: &Executed,
    word: &ShellWord,
    line: Span,
    around: &str,
    place: &Place,
    found: &mut Vec<RepositoryUse>,
) {
    let text = word.text.get(line.start..line.end).unwrap_or_default();
    let Some((url, at)) = source_url(text) else { return };
    found.push(RepositoryUse {
        stage: place.stage,
        kind: Kind::Source,
        url: url.to_owned(),
        unverified: source_unverified(url, around),
        dynamic: url.contains(['$', '`']) || word.raw_holds_variable(url),
        instruction: place.instruction,
        origin: executed.part_origin(word, line.start + at..line.start + at + url.len()),
        apt_key: None,
        unverified_by: None,
        command: place.command.clone(),
    });
}

/// The address of NVIDIA's in a line of a source file, and its offset.
fn source_url(text: &str) -> Option<(&str, usize)> {
    let start = text.find("http://").or_else(|| text.find("https://"))?;
    let rest = text.get(start..)?;
    let url = rest.get(..url_end(rest))?;
    // The key of a .repo file is not a source of its own.
    (is_nvidia(url) && !text.trim_start().starts_with("gpgkey")).then_some((url, start))
}

/// How the verification of a source is switched off; `around` is the text that options may stand in.
fn source_unverified(url: &str, around: &str) -> Vec<String> {
    let mut unverified = insecure_scheme(url);
    let around = around.to_ascii_lowercase();
    for sign in ["trusted=yes", "allow-insecure=yes", "gpgcheck=0"] {
        // `repo_gpgcheck=0` leaves the packages' own signatures in force.
        let mut places = around.match_indices(sign);
        if places.any(|(at, _)| !around.get(..at).unwrap_or_default().ends_with("repo_")) {
            unverified.push(sign.to_owned());
        }
    }
    unverified
}

/// Sources in a file that COPY writes from a heredoc.
fn copied_source(cx: &Extraction<'_>, file: &HeredocFile<'_>, found: &mut Vec<RepositoryUse>) {
    let all = file.text.text.as_str();
    let mut start = 0;
    for line in all.split_inclusive('\n') {
        let begin = start;
        start += line.len();
        if line.trim_start().starts_with('#') {
            continue;
        }
        let Some((url, at)) = source_url(line) else { continue };
        // One line of a .list is a whole source; .repo and .sources files give options on lines of their own.
        let around = if file.path.ends_with(".list") { line } else { all };
        let origin = cx.origin(file.text.source_span(begin + at..begin + at + url.len()));
        found.push(RepositoryUse {
            stage: file.stage,
            kind: Kind::Source,
            url: url.to_owned(),
            unverified: source_unverified(url, around),
            dynamic: url.contains('$'),
            instruction: file.instruction,
            origin,
            apt_key: None,
            unverified_by: None,
            command: file.origin.clone(),
        });
    }
}

/// The end of an address: at a blank or quote that is not inside `$(…)` or `${…}`.
fn url_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, ch) in text.char_indices() {
        match ch {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            ' ' | '\t' | '\n' | '"' | '\'' | ']' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

trait Written {
    fn raw_holds_variable(&self, part: &str) -> bool;
}

impl Written for ShellWord {
    /// Whether a part of the value is not written out: a variable was filled in.
    fn raw_holds_variable(&self, part: &str) -> bool {
        self.raw.contains(['$', '`']) && !self.raw.contains(part)
    }
}

#[cfg(test)]
#[path = "repositories_tests.rs"]
mod tests;
