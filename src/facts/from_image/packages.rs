//! Package databases of an image: dpkg's status files and apk's list.

use std::io::{BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};

/// A package that a database lists as installed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version as the database has it.
    pub version: String,
}

/// A package database, by the path of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Database {
    /// dpkg: `var/lib/dpkg/status`, and one file a package in `status.d` of distroless images.
    Dpkg,
    /// apk: `lib/apk/db/installed`.
    Apk,
    /// rpm: its contents are not read.
    Rpm,
}

impl Database {
    /// The database that a file of this path (without leading `/`) is.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let status_d = path.strip_prefix("var/lib/dpkg/status.d/");
        if path == "var/lib/dpkg/status" || status_d.is_some_and(|file| !file.ends_with(".md5sums")) {
            return Some(Self::Dpkg);
        }
        if matches!(path, "lib/apk/db/installed" | "usr/lib/apk/db/installed") {
            return Some(Self::Apk);
        }
        let rpm =
            ["var/lib/rpm/", "usr/lib/sysimage/rpm/"].iter().find_map(|folder| path.strip_prefix(folder));
        matches!(rpm, Some("Packages" | "Packages.db" | "rpmdb.sqlite")).then_some(Self::Rpm)
    }

    /// The word for it in facts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
        }
    }
}

/// Reads a database; whether it was read to its end.
pub(super) fn read(database: Database, reader: &mut dyn Read, limit: u64) -> (Vec<Package>, bool) {
    match database {
        Database::Dpkg => read_stanzas(reader, limit, "Package: ", "Version: ", Some("Status: ")),
        Database::Apk => read_stanzas(reader, limit, "P:", "V:", None),
        Database::Rpm => (Vec::new(), false),
    }
}

/// Reads stanzas of `Key: value` lines with blank lines between them.
fn read_stanzas(
    reader: &mut dyn Read,
    limit: u64,
    name_key: &str,
    version_key: &str,
    status_key: Option<&str>,
) -> (Vec<Package>, bool) {
    let mut reader = BufReader::new(reader.take(limit.saturating_add(1)));
    let mut packages = Vec::new();
    let mut current = Package { name: String::new(), version: String::new() };
    let mut installed = true;
    let mut read = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        let Ok(bytes) = reader.read_until(b'\n', &mut line) else { return (packages, false) };
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if bytes == 0 || text.is_empty() {
            if installed && !current.name.is_empty() {
                packages.push(current);
            }
            current = Package { name: String::new(), version: String::new() };
            installed = true;
            if bytes == 0 {
                return (packages, read <= limit);
            }
        }
        read = read.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if let Some(name) = text.strip_prefix(name_key) {
            name.clone_into(&mut current.name);
        } else if let Some(version) = text.strip_prefix(version_key) {
            version.clone_into(&mut current.version);
        } else if let Some(status) = status_key.and_then(|key| text.strip_prefix(key)) {
            // `install ok installed`; what is removed but not purged ends in `config-files`.
            installed = status.ends_with(" installed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(database: Database, text: &str) -> Vec<String> {
        let (packages, complete) = read(database, &mut text.as_bytes(), 1 << 20);
        assert!(complete);
        packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
    }

    #[test]
    fn dpkg_lists_what_is_installed() {
        let text = "Package: libcublas-12-4\nStatus: install ok installed\nVersion: 12.4.5.8-1\nDescription: x\n more\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: tail\nVersion: 2\n";
        assert_eq!(shown(Database::Dpkg, text), ["libcublas-12-4 12.4.5.8-1", "tail 2"]);
    }

    #[test]
    fn apk_and_limits() {
        assert_eq!(
            shown(Database::Apk, "C:Q1\nP:musl\nV:1.2.5-r0\n\nP:zlib\nV:1.3\n\n"),
            ["musl 1.2.5-r0", "zlib 1.3"]
        );
        let (packages, complete) = read(Database::Apk, &mut "P:a\nV:1\n\nP:b\nV:2\n".as_bytes(), 9);
        assert_eq!(packages.len(), 1);
        assert!(!complete);
    }

    #[test]
    fn database_paths() {
        assert_eq!(Database::of_path("var/lib/dpkg/status"), Some(Database::Dpkg));
        assert_eq!(Database::of_path("var/lib/dpkg/status.d/libc6"), Some(Database::Dpkg));
        assert_eq!(Database::of_path("var/lib/dpkg/status.d/libc6.md5sums"), None);
        assert_eq!(Database::of_path("lib/apk/db/installed"), Some(Database::Apk));
        assert_eq!(Database::of_path("var/lib/rpm/rpmdb.sqlite"), Some(Database::Rpm));
        assert_eq!(Database::of_path("x/var/lib/dpkg/status"), None);
    }
}
