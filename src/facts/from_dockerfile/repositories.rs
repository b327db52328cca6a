//! Uses of NVIDIA's package repositories and keys: sources, keys, downloads, and how verification is switched off.

use super::Extraction;
use super::executed::{Executed, Resolved};
use super::exports::lines;
use crate::dockerfile::shell::tools::files::{FileWrite, writes};
use crate::dockerfile::shell::tools::{Download, PackageAction, PackageCommand, RepositoryCommand};
use crate::dockerfile::shell::{Action, Word as ShellWord};
use crate::facts::{Facts, Origin, RepositoryUse, RepositoryUseKind as Kind, StageId};
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
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        for resolved in &executed.commands {
            Reader { cx, executed, resolved, found: &mut found }.read();
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
                    command: copy.origin.clone(),
                });
            }
        }
    }
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

/// What an address is for, by its last part.
fn kind_of_url(url: &str) -> Kind {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or(path);
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
    resolved: &'c Resolved,
    found: &'f mut Vec<RepositoryUse>,
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
        self.found.push(RepositoryUse {
            stage: self.executed.stage,
            kind,
            url,
            unverified,
            dynamic,
            instruction: self.executed.instruction,
            origin,
            command: self.executed.command_origin(&self.resolved.command),
        });
    }

    fn repository(&mut self, command: &RepositoryCommand) {
        match command {
            RepositoryCommand::AptKeyAdd { source: Some(file) } => {
                if is_nvidia(&file.text) || is_nvidia_key(&file.text) {
                    self.push(Kind::AptKey, file, Vec::new());
                } else if let Some(url) = self.downloaded_as(&file.text) {
                    let origin = self.executed.origin_of(file.span);
                    self.push_url(Kind::AptKey, url, false, origin, Vec::new());
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

    fn download(&mut self, download: &Download) {
        let piped_to = self.piped_to();
        for url in download.urls.iter().filter(|url| is_nvidia(&url.text)) {
            let kind = match piped_to {
                Some(kind) => kind,
                // apt-key is told of the file later.
                None if self.added_by_apt_key(download, url) => continue,
                None => kind_of_url(&url.text),
            };
            let mut unverified = insecure_scheme(&url.text);
            if download.insecure {
                let flags = download.flags.iter().map(|flag| flag.name.as_str());
                let mut flags =
                    flags.filter(|name| matches!(*name, "-k" | "--insecure" | "--no-check-certificate"));
                unverified.extend(flags.next().map(str::to_owned));
            }
            self.push(kind, url, unverified);
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

    /// What a later command of the pipeline does with the download.
    fn piped_to(&self) -> Option<Kind> {
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
        later.find_map(|other| match &other.action {
            Action::Repository(RepositoryCommand::AptKeyAdd { .. }) => Some(Kind::AptKey),
            Action::Repository(RepositoryCommand::Dearmor { .. }) => Some(Kind::Key),
            _ => None,
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
    let Some(start) = text.find("http://").or_else(|| text.find("https://")) else { return };
    let rest = text.get(start..).unwrap_or_default();
    let end = url_end(rest);
    let url = rest.get(..end).unwrap_or_default();
    // The key of a .repo file is not a source of its own.
    if !is_nvidia(url) || text.trim_start().starts_with("gpgkey") {
        return;
    }
    let mut unverified = insecure_scheme(url);
    let around = around.to_ascii_lowercase();
    for sign in ["trusted=yes", "allow-insecure=yes", "gpgcheck=0"] {
        // `repo_gpgcheck=0` leaves the packages' own signatures in force.
        let mut places = around.match_indices(sign);
        if places.any(|(at, _)| !around.get(..at).unwrap_or_default().ends_with("repo_")) {
            unverified.push(sign.to_owned());
        }
    }
    let range = line.start + start..line.start + start + end;
    found.push(RepositoryUse {
        stage: place.stage,
        kind: Kind::Source,
        url: url.to_owned(),
        unverified,
        dynamic: url.contains(['$', '`']) || word.raw_holds_variable(url),
        instruction: place.instruction,
        origin: executed.part_origin(word, range),
        command: place.command.clone(),
    });
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
mod tests {
    use super::super::testing::{at, facts};
    use crate::facts::{Facts, RepositoryUseKind as Kind};

    fn uses(facts: &Facts) -> Vec<(Kind, &str, bool)> {
        facts.repositories.iter().map(|r| (r.kind, r.url.as_str(), r.dynamic)).collect()
    }

    const REPO: &str = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64";

    #[test]
    fn keys_reach_apt_in_many_ways() {
        let facts = facts(&format!(
            "FROM ubuntu:22.04\nRUN curl -fsSL {REPO}/3bf863cc.pub | apt-key add -\nRUN apt-key adv --fetch-keys {REPO}/7fa2af80.pub\nRUN wget {REPO}/7fa2af80.pub && apt-key add 7fa2af80.pub\nRUN apt-key del 7fa2af80\nRUN apt-key adv --keyserver k --recv-keys F60F4B3D7FA2AF80\nRUN curl -fsSL https://nvidia.github.io/libnvidia-container/gpgkey | gpg --dearmor -o /k.gpg\nRUN curl -fsSL https://example.com/key | apt-key add -\n"
        ));
        let key = format!("{REPO}/3bf863cc.pub");
        let old = format!("{REPO}/7fa2af80.pub");
        assert_eq!(
            uses(&facts),
            [
                (Kind::AptKey, key.as_str(), false),
                (Kind::AptKey, old.as_str(), false),
                (Kind::AptKey, "7fa2af80.pub", false),
                (Kind::AptKeyDelete, "7fa2af80", false),
                (Kind::AptKey, "F60F4B3D7FA2AF80", false),
                (Kind::Key, "https://nvidia.github.io/libnvidia-container/gpgkey", false),
            ]
        );
        assert_eq!(at(&facts, &facts.repositories[0].origin), key);
    }

    #[test]
    fn sources_are_found_in_files_and_arguments() {
        let facts = facts(&format!(
            "FROM ubuntu:22.04\nRUN echo \"deb [trusted=yes] http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64 /\" > /etc/apt/sources.list.d/cuda.list\nARG D=ubuntu2204\nRUN echo \"deb https://nvidia.github.io/x/$D/$(uname -m) /\" | tee /etc/apt/sources.list.d/n.list\nRUN dnf config-manager --add-repo {REPO}/cuda-rhel9.repo\nADD {REPO}/cuda.repo /etc/yum.repos.d/\nRUN wget -q {REPO}/cuda-keyring_1.1-1_all.deb && dpkg -i cuda-keyring_1.1-1_all.deb\n"
        ));
        let rhel = format!("{REPO}/cuda-rhel9.repo");
        let added = format!("{REPO}/cuda.repo");
        let keyring = format!("{REPO}/cuda-keyring_1.1-1_all.deb");
        assert_eq!(
            uses(&facts),
            [
                (
                    Kind::Source,
                    "http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64",
                    false
                ),
                (Kind::Source, "https://nvidia.github.io/x/ubuntu2204/$(uname -m)", true),
                (Kind::Source, rhel.as_str(), false),
                (Kind::Source, added.as_str(), false),
                (Kind::Keyring, keyring.as_str(), false),
                (Kind::Keyring, "cuda-keyring_1.1-1_all.deb", false),
            ]
        );
        assert_eq!(facts.repositories[0].unverified, ["http", "trusted=yes"]);
        assert_eq!(
            at(&facts, &facts.repositories[0].origin),
            "http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64"
        );
    }

    #[test]
    fn switched_off_verification_is_told() {
        let facts = facts(&format!(
            "FROM ubuntu:22.04\nRUN wget --no-check-certificate {REPO}/x.deb\nRUN apt-get install -y --allow-unauthenticated cuda-toolkit-12-4\nRUN apt-get install -y --allow-unauthenticated curl\n"
        ));
        let found: Vec<_> =
            facts.repositories.iter().map(|r| (at(&facts, &r.origin), r.unverified.join(" "))).collect();
        let deb = format!("{REPO}/x.deb");
        assert_eq!(
            found,
            [
                (deb.as_str(), "--no-check-certificate".to_owned()),
                ("--allow-unauthenticated", "--allow-unauthenticated".to_owned()),
            ]
        );
    }
}
