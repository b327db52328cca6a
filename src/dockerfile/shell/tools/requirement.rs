//! One Python requirement: `torch[extra]>=2,<3 ; marker`, an address, a path or a wheel file.

use crate::dockerfile::shell::word::Word;
use crate::span::Span;
use pep440_rs::{Version, VersionSpecifiers};
use std::str::FromStr;

/// A requirement as pip and uv read it (PEP 508, and the forms that pip adds).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Where it stands.
    pub span: Span,
    /// As written, without shell quotes.
    pub raw: String,
    /// The project name, normalised (PEP 503): lower case, runs of `-_.` as one `-`. `None` when it cannot be told.
    pub name: Option<String>,
    /// Extras, normalised the same way.
    pub extras: Vec<String>,
    /// The version part as written: `>=2,<3`; empty without one.
    pub specifier: String,
    /// That part read; `None` when it is empty or no valid PEP 440.
    pub specifiers: Option<VersionSpecifiers>,
    /// The version when one is pinned: `==2.1.0+cu118`, `===`, a wheel's file name.
    pub exact: Option<Version>,
    /// The environment marker after `;`.
    pub marker: Option<String>,
    /// Where the project comes from.
    pub source: RequirementSource,
    /// The parts of a wheel's file name.
    pub wheel: Option<WheelName>,
    /// It is installed as a link to its source: `-e`.
    pub editable: bool,
    /// It holds an expansion whose value is not known here.
    pub unresolved: bool,
}

/// Where a required project comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequirementSource {
    /// A package index.
    Index,
    /// A file behind an address.
    Url(String),
    /// A repository: `git+https://…`.
    Vcs(String),
    /// A local file or folder.
    Path(String),
}

/// The parts of `{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Project name, normalised.
    pub name: String,
    /// Version as written, `%2B` decoded.
    pub version: String,
    /// Python tag: `cp311`.
    pub python: String,
    /// ABI tag.
    pub abi: String,
    /// Platform tag.
    pub platform: String,
}

impl Requirement {
    /// Reads a requirement from a shell word.
    #[must_use]
    pub fn from_word(word: &Word) -> Self {
        Self { span: word.span, unresolved: !word.is_fully_literal(), ..Self::parse(&word.text) }
    }

    /// Reads a requirement from text: one line of a requirements file without comment and options, an entry of
    /// `project.dependencies`. The span is the text's own.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let mut requirement = Self {
            span: Span::new(0, text.len()),
            raw: text.to_owned(),
            name: None,
            extras: Vec::new(),
            specifier: String::new(),
            specifiers: None,
            exact: None,
            marker: None,
            source: RequirementSource::Index,
            wheel: None,
            editable: false,
            unresolved: text.contains('$'),
        };
        let (head, marker) = split_marker(text);
        requirement.marker = marker.map(|marker| marker.trim().to_owned());
        let head = head.trim();
        if is_location(head) {
            requirement.locate(head);
            return requirement;
        }
        let name_len =
            head.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')).count();
        let (name, rest) = head.split_at_checked(name_len).unwrap_or((head, ""));
        let name = name.trim_end_matches(['.', '_', '-']);
        if name.is_empty() || rest.starts_with('$') {
            return requirement;
        }
        requirement.name = Some(normalise(name));
        let mut rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('[') {
            let (extras, after) = inside.split_once(']').unwrap_or((inside, ""));
            requirement.extras = extras
                .split(',')
                .map(|extra| normalise(extra.trim()))
                .filter(|extra| !extra.is_empty())
                .collect();
            rest = after.trim_start();
        }
        if let Some(location) = rest.strip_prefix('@') {
            let location = location.trim();
            if location.starts_with(|c: char| c.is_ascii_digit()) {
                requirement.specify(&format!("=={location}"));
            } else if location.contains([':', '/']) {
                let name = requirement.name.take();
                requirement.locate(location);
                requirement.name = name.or(requirement.name);
            }
            return requirement;
        }
        requirement.specify(rest);
        requirement
    }

    fn specify(&mut self, specifier: &str) {
        let specifier = specifier.trim();
        let specifier =
            specifier.strip_prefix('(').and_then(|s| s.strip_suffix(')')).unwrap_or(specifier).trim();
        self.specifier = specifier.to_owned();
        if specifier.is_empty() || self.unresolved && specifier.contains('$') {
            return;
        }
        self.specifiers = VersionSpecifiers::from_str(specifier).ok();
        let pinned = specifier.strip_prefix("===").or_else(|| specifier.strip_prefix("=="));
        self.exact = pinned
            .filter(|version| !version.contains(['*', ',']))
            .and_then(|version| Version::from_str(version.trim()).ok());
    }

    fn locate(&mut self, location: &str) {
        let (path, fragment) = location.split_once('#').unwrap_or((location, ""));
        let egg = fragment.split('&').find_map(|part| part.strip_prefix("egg="));
        if let Some(egg) = egg {
            let (name, extras) = egg.split_once('[').unwrap_or((egg, ""));
            self.name = Some(normalise(name)).filter(|name| !name.is_empty());
            let extras = extras.trim_end_matches(']').split(',');
            self.extras =
                extras.map(|extra| normalise(extra.trim())).filter(|extra| !extra.is_empty()).collect();
        }
        let mut path = path;
        if let Some((before, extras)) = path.rsplit_once('[')
            && let Some(extras) = extras.strip_suffix(']')
            && !path.contains("://")
        {
            self.extras = extras
                .split(',')
                .map(|extra| normalise(extra.trim()))
                .filter(|extra| !extra.is_empty())
                .collect();
            path = before;
        }
        let vcs = ["git+", "hg+", "svn+", "bzr+"].iter().any(|prefix| path.starts_with(prefix));
        self.source = if vcs {
            if self.name.is_none() {
                self.name = repository_name(path);
            }
            RequirementSource::Vcs(path.to_owned())
        } else if path.contains("://") && !path.starts_with("file:") {
            RequirementSource::Url(path.to_owned())
        } else {
            RequirementSource::Path(path.to_owned())
        };
        let file = path.split('?').next().unwrap_or(path);
        let file = file.rsplit('/').next().unwrap_or(file);
        if let Some(wheel) = WheelName::parse(file) {
            self.exact = Version::from_str(&wheel.version).ok();
            self.name.get_or_insert_with(|| wheel.name.clone());
            self.wheel = Some(wheel);
        }
    }

    /// The local part of the pinned version: `cu118`.
    #[must_use]
    pub fn local(&self) -> Option<String> {
        let version = self.exact.as_ref()?.to_string();
        version.split_once('+').map(|(_, local)| local.to_owned())
    }

    /// Whether it names a wheel file, local or remote.
    #[must_use]
    pub fn is_wheel(&self) -> bool {
        self.wheel.is_some() || self.raw.split(['?', '#']).next().is_some_and(|path| path.ends_with(".whl"))
    }
}

impl WheelName {
    /// Reads a wheel's file name; `None` when it is none.
    #[must_use]
    pub fn parse(file: &str) -> Option<Self> {
        let stem = file.strip_suffix(".whl")?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, python, abi, platform) = match parts.as_slice() {
            [name, version, python, abi, platform] | [name, version, _, python, abi, platform] => {
                (*name, *version, *python, *abi, *platform)
            }
            _ => return None,
        };
        Some(Self {
            name: normalise(name),
            version: version.replace("%2B", "+").replace("%2b", "+"),
            python: python.to_owned(),
            abi: abi.to_owned(),
            platform: platform.to_owned(),
        })
    }
}

/// A project name as PEP 503 compares it: lower case, runs of `-`, `_` and `.` as one `-`.
#[must_use]
pub fn normalise(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut gap = false;
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            gap = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Splits the marker off. In an address a `;` counts only after a blank (PEP 508).
fn split_marker(text: &str) -> (&str, Option<&str>) {
    let at = if text.contains("://") { text.find(" ;").map(|at| at + 1) } else { text.find(';') };
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((head, marker)) => (head, marker.get(1..)),
        None => (text, None),
    }
}

fn is_location(text: &str) -> bool {
    // `name @ address`, `name[extra]@address`
    let name = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let after = name.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(name, |(_, rest)| rest);
    if name.len() < text.len() && after.trim_start().starts_with('@') {
        return false;
    }
    let scheme = text.find("://").is_some_and(|at| {
        text.get(..at).is_some_and(|scheme| {
            scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        })
    });
    let path = text.split(['#', '?']).next().unwrap_or(text);
    scheme
        || text.starts_with(['.', '/', '~'])
        || text.starts_with("file:")
        || (text.contains('/') && !text.contains('@'))
        || [".whl", ".tar.gz", ".zip", ".tar.bz2"].iter().any(|end| path.ends_with(end))
}

/// The last part of a repository's address, as a guess at the project's name.
fn repository_name(path: &str) -> Option<String> {
    let after_scheme = path.split_once("://").map_or(path, |(_, rest)| rest);
    // The revision follows the last `@` of the path, not the one of `git@host`.
    let (_, repository) = after_scheme.split_once('/')?;
    let repository = repository.split('@').next().unwrap_or(repository);
    let last = repository.trim_end_matches('/').rsplit('/').next()?;
    let name = normalise(last.strip_suffix(".git").unwrap_or(last));
    (!name.is_empty() && !name.contains('$')).then_some(name)
}
