//! One package as it is named to a package manager.

use super::packages::PackageManager;
use crate::dockerfile::shell::word::Word;
use crate::span::Span;

/// A package as it is named to the manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageWord {
    /// Where it stands.
    pub span: Span,
    /// As written.
    pub raw: String,
    /// The value without quotes, expansions as written.
    pub text: String,
    /// The name without version, release and architecture. An RPM word such as `pkg-1.2-3.el9` is taken apart only
    /// where a dotted version makes it clear; `cuda-toolkit-12-4` is a name.
    pub name: String,
    /// The version asked for, globs included.
    pub version: Option<String>,
    /// The target release of `name/release`.
    pub release: Option<String>,
    /// The architecture of `name:arch` or `name.arch`.
    pub arch: Option<String>,
    /// It holds a `*`, `?` or `[`: the manager matches it against its packages.
    pub glob: bool,
    /// It is a file or an address, no name.
    pub file_or_url: bool,
    /// It holds an expansion whose value is not known here.
    pub unresolved: bool,
    /// A trailing `-` (remove) of apt or a leading `-`/`!`: the word says the opposite of the command.
    pub inverted: bool,
    /// A group or pattern: `@development`, `^task`.
    pub group: bool,
}

/// Reads one package word.
#[must_use]
pub fn package(manager: PackageManager, word: &Word) -> PackageWord {
    let text = word.text.as_str();
    let mut package = PackageWord {
        span: word.span,
        raw: word.raw.clone(),
        text: word.text.clone(),
        name: String::new(),
        version: None,
        release: None,
        arch: None,
        glob: text.contains(['*', '?', '[']),
        file_or_url: is_file_or_url(text),
        unresolved: !word.is_fully_literal(),
        inverted: false,
        group: false,
    };
    if package.file_or_url {
        file_name_parts(text, &mut package);
        return package;
    }
    let mut rest = text;
    if manager.is_debian() {
        if let Some(task) = rest.strip_suffix('^') {
            package.group = true;
            rest = task;
        }
        if let Some((name, version)) = rest.split_once('=') {
            package.version = Some(version.to_owned());
            rest = name;
        } else if let Some((name, release)) = rest.split_once('/') {
            package.release = Some(release.to_owned());
            rest = name;
        } else if let Some(name) = rest.strip_suffix('-') {
            package.inverted = true;
            rest = name;
        } else if let Some(name) = rest.strip_suffix('+').filter(|name| !name.ends_with('+')) {
            rest = name;
        }
        if let Some((name, arch)) = rest.split_once(':') {
            package.arch = Some(arch.to_owned());
            rest = name;
        }
        package.name = rest.to_owned();
        return package;
    }
    if let Some(name) = rest.strip_prefix(['!', '-']) {
        package.inverted = true;
        rest = name;
    }
    if let Some(name) = rest.strip_prefix('@') {
        package.group = true;
        rest = name;
    }
    if let Some(at) = rest.find(['=', '<', '>', '~']).filter(|at| *at > 0) {
        let (name, version) = rest.split_at_checked(at).unwrap_or((rest, ""));
        package.version = Some(version.trim_start_matches(['=', '<', '>', '~']).trim().to_owned());
        package.name = name.trim().to_owned();
        return package;
    }
    if manager == PackageManager::Apk {
        package.name = rest.split_once('@').map_or(rest, |(name, _)| name).to_owned();
        return package;
    }
    if manager.is_rpm() && !package.unresolved {
        rpm_parts(rest, &mut package);
        return package;
    }
    package.name = rest.to_owned();
    package
}

fn is_file_or_url(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or(text);
    text.contains("://")
        || text.starts_with(['/', '~'])
        || text.starts_with("./")
        || text.starts_with("../")
        || path.ends_with(".deb")
        || path.ends_with(".rpm")
        || path.ends_with(".apk")
        || path.contains(".pkg.tar")
}

/// Name, version and architecture of `cuda-keyring_1.1-1_all.deb` and `pkg-1.2-3.x86_64.rpm`.
fn file_name_parts(text: &str, package: &mut PackageWord) {
    let path = text.split(['?', '#']).next().unwrap_or(text);
    let file = path.rsplit('/').next().unwrap_or(path);
    if let Some(stem) = file.strip_suffix(".deb") {
        let mut parts = stem.splitn(3, '_');
        package.name = parts.next().unwrap_or_default().to_owned();
        package.version = parts.next().map(str::to_owned);
        package.arch = parts.next().map(str::to_owned);
    } else if let Some(stem) = file.strip_suffix(".rpm") {
        rpm_parts(stem, package);
    } else {
        package.name = file.to_owned();
    }
}

const RPM_ARCHITECTURES: &[&str] =
    &["x86_64", "aarch64", "noarch", "i686", "i386", "ppc64le", "s390x", "sbsa"];

fn rpm_parts(text: &str, package: &mut PackageWord) {
    let mut rest = text;
    if let Some((stem, arch)) = rest.rsplit_once('.')
        && RPM_ARCHITECTURES.contains(&arch)
    {
        package.arch = Some(arch.to_owned());
        rest = stem;
    }
    package.name = rest.to_owned();
    let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.');
    let Some((head, last)) = rest.rsplit_once('-') else { return };
    if let Some((name, version)) = head.rsplit_once('-')
        && is_version(version)
        && last.starts_with(|c: char| c.is_ascii_digit() || c == '*')
        && !name.is_empty()
    {
        package.name = name.to_owned();
        package.version = Some(format!("{version}-{last}"));
    } else if is_version(last) && last.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'*')) {
        package.name = head.to_owned();
        package.version = Some(last.to_owned());
    }
}
