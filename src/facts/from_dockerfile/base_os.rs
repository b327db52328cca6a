//! The distribution behind an image reference, as far as the reference tells.

use crate::compat::Tables;
use crate::compat::tables::image::Libc;
use crate::facts::Os;

/// Repositories of plain distributions with the family name that the table of distributions uses.
const DISTRIBUTIONS: &[(&str, &str)] = &[
    ("ubuntu", "ubuntu"),
    ("debian", "debian"),
    ("alpine", "alpine"),
    ("centos", "centos"),
    ("rockylinux", "rockylinux"),
    ("rockylinux/rockylinux", "rockylinux"),
    ("almalinux", "almalinux"),
    ("oraclelinux", "oraclelinux"),
    ("fedora", "fedora"),
    ("amazonlinux", "amzn"),
    ("public.ecr.aws/amazonlinux/amazonlinux", "amzn"),
    ("public.ecr.aws/ubuntu/ubuntu", "ubuntu"),
    ("public.ecr.aws/docker/library/ubuntu", "ubuntu"),
    ("public.ecr.aws/docker/library/debian", "debian"),
    ("mirror.gcr.io/library/ubuntu", "ubuntu"),
    ("mirror.gcr.io/library/debian", "debian"),
    ("opensuse/leap", "opensuse"),
    ("archlinux", "archlinux"),
    ("redhat/ubi8", "ubi8"),
    ("redhat/ubi8-minimal", "ubi8"),
    ("redhat/ubi9", "ubi9"),
    ("redhat/ubi9-minimal", "ubi9"),
    ("registry.access.redhat.com/ubi8", "ubi8"),
    ("registry.access.redhat.com/ubi8/ubi", "ubi8"),
    ("registry.access.redhat.com/ubi8/ubi-minimal", "ubi8"),
    ("registry.access.redhat.com/ubi9", "ubi9"),
    ("registry.access.redhat.com/ubi9/ubi", "ubi9"),
    ("registry.access.redhat.com/ubi9/ubi-minimal", "ubi9"),
];

/// Code names of releases in tags.
const CODE_NAMES: &[(&str, &str)] = &[
    ("trusty", "ubuntu14.04"),
    ("xenial", "ubuntu16.04"),
    ("bionic", "ubuntu18.04"),
    ("focal", "ubuntu20.04"),
    ("jammy", "ubuntu22.04"),
    ("noble", "ubuntu24.04"),
    ("stretch", "debian9"),
    ("buster", "debian10"),
    ("bullseye", "debian11"),
    ("bookworm", "debian12"),
    ("trixie", "debian13"),
];

/// Families whose releases are known by their number's first part in tags of other images (`ubuntu22.04`, `ubi8`).
const FAMILIES: &[&str] = &[
    "ubuntu",
    "debian",
    "centos",
    "ubi",
    "rockylinux",
    "almalinux",
    "oraclelinux",
    "amzn",
    "opensuse",
    "azl",
    "cm",
    "fedora",
    "alpine",
];

/// Whether a repository is a plain distribution.
pub(super) fn is_distribution(repository: &str) -> bool {
    DISTRIBUTIONS.iter().any(|(name, _)| *name == repository)
}

/// The distribution of an image.
pub(super) fn of_image(repository: &str, tag: Option<&str>, tables: &Tables) -> Option<Os> {
    let tag = tag.unwrap_or_default();
    if let Some((_, family)) = DISTRIBUTIONS.iter().find(|(name, _)| *name == repository) {
        return of_distribution(family, tag, tables);
    }
    if let Some(rest) = repository.strip_prefix("gcr.io/distroless/") {
        let word = rest.rsplit('-').next().unwrap_or_default();
        return word.starts_with("debian").then(|| os(word, tables));
    }
    let mut words: Vec<&str> = tag.split(['-', '_']).collect();
    words.reverse();
    for word in words {
        if let Some(found) = of_word(word, tables) {
            return Some(found);
        }
    }
    None
}

fn of_distribution(family: &str, tag: &str, tables: &Tables) -> Option<Os> {
    match family {
        "alpine" => return Some(os("alpine", tables)),
        "ubi8" | "ubi9" => return Some(os(family, tables)),
        _ => {}
    }
    for word in tag.split('-') {
        if let Some((_, id)) = CODE_NAMES.iter().find(|(name, _)| *name == word) {
            return Some(os(id, tables));
        }
    }
    let number: String = tag.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let number = number.trim_end_matches('.');
    let major = number.split('.').next().filter(|major| !major.is_empty())?;
    let id = match family {
        // Ubuntu's releases have two numbers; 22 alone is no tag of it.
        "ubuntu" => {
            let mut parts = number.split('.');
            format!("ubuntu{}.{}", parts.next()?, parts.next()?)
        }
        _ => format!("{family}{major}"),
    };
    Some(os(&id, tables))
}

/// A word of a tag such as `ubuntu22.04`, `bookworm`, `alpine3.19`, `ubi8`.
fn of_word(word: &str, tables: &Tables) -> Option<Os> {
    if let Some((_, id)) = CODE_NAMES.iter().find(|(name, _)| *name == word) {
        return Some(os(id, tables));
    }
    let family = FAMILIES.iter().find(|family| word.starts_with(*family))?;
    if *family == "alpine" {
        return Some(os("alpine", tables));
    }
    let number = word.strip_prefix(family)?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| os(word, tables))
}

/// A distribution by its key, with what the table has of it.
fn os(id: &str, tables: &Tables) -> Os {
    // Rebuilds of RHEL have its glibc.
    let alike = id.strip_prefix("almalinux").or_else(|| id.strip_prefix("oraclelinux"));
    let alike = alike.map(|release| format!("rockylinux{release}"));
    let row = tables.images().system(id).or_else(|| tables.images().system(alike.as_deref()?));
    Os {
        id: id.to_owned(),
        glibc: row.and_then(|row| row.glibc_version()).map(|(major, minor)| (major.into(), minor.into())),
        musl: row.is_some_and(|row| row.libc == Libc::Musl),
    }
}
