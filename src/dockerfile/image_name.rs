//! The parts of an image name in FROM and `--from`.

use std::ops::Range;

/// An image name split as docker splits it (the grammar of the distribution project's `reference` package).
/// Ranges are bytes of the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageName {
    /// Registry host with its port; `docker.io` where none is written.
    pub registry: String,
    /// Repository without registry; `library/` is added to one-word names of docker.io.
    pub repository: String,
    /// The tag without `:`.
    pub tag: Option<String>,
    /// The digest without `@`, `algorithm:hex`.
    pub digest: Option<String>,
    /// Registry and repository as written.
    pub name_range: Range<usize>,
    /// The tag as written.
    pub tag_range: Option<Range<usize>>,
}

impl ImageName {
    /// Splits an image name; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if let Some(digest) = digest {
            let (algorithm, hex) = digest.split_once(':')?;
            let plain = !algorithm.is_empty()
                && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-".contains(&b));
            if !plain || hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
        }
        // A colon behind the last slash begins the tag; one before it belongs to a port.
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest.rfind(':') {
            Some(at) if at >= slash => (rest.get(..at)?, Some(rest.get(at + 1..)?)),
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            let first = tag.bytes().next()?;
            let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            if tag.len() > 128 || !word(first) || !tag.bytes().all(|b| word(b) || b == b'.' || b == b'-') {
                return None;
            }
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path),
            _ => ("docker.io", name),
        };
        let docker_hub = matches!(registry, "docker.io" | "index.docker.io");
        if repository.is_empty() || repository.len() > 255 || !repository.split('/').all(is_path_component) {
            return None;
        }
        let repository = if docker_hub && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        Some(Self {
            registry: if docker_hub { "docker.io".to_owned() } else { registry.to_owned() },
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            name_range: 0..name.len(),
            tag_range: tag.map(|tag| name.len() + 1..name.len() + 1 + tag.len()),
        })
    }

    /// Repository, with the registry in front where that is not docker.io and without `library/`.
    #[must_use]
    pub fn familiar(&self) -> String {
        if self.registry == "docker.io" {
            self.repository.strip_prefix("library/").unwrap_or(&self.repository).to_owned()
        } else {
            format!("{}/{}", self.registry, self.repository)
        }
    }
}

/// A first component is a host when it has a dot, a port or an upper-case letter, or is `localhost`.
fn is_host(text: &str) -> bool {
    let looks =
        text.contains(['.', ':']) || text == "localhost" || text.bytes().any(|b| b.is_ascii_uppercase());
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => ("x", rest.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host_ok = !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    looks && host_ok && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, separated by `.`, `_`, `__` or dashes.
fn is_path_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().is_some_and(plain) || !bytes.last().is_some_and(plain) {
        return false;
    }
    bytes.split(plain).all(|separator| {
        matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String, Option<String>, bool)> {
        let name = ImageName::parse(text)?;
        if let Some(range) = name.tag_range.clone() {
            assert_eq!(text.get(range), name.tag.as_deref());
        }
        Some((name.registry, name.repository, name.tag, name.digest.is_some()))
    }

    #[test]
    fn names_split_as_docker_splits_them() {
        let hex = "a".repeat(64);
        for (text, registry, repository, tag, digest) in [
            ("ubuntu".to_owned(), "docker.io", "library/ubuntu", None, false),
            ("nvidia/cuda:12.4.1-base".to_owned(), "docker.io", "nvidia/cuda", Some("12.4.1-base"), false),
            ("nvcr.io/nvidia/cuda:12.4.1".to_owned(), "nvcr.io", "nvidia/cuda", Some("12.4.1"), false),
            ("localhost:5000/a/b".to_owned(), "localhost:5000", "a/b", None, false),
            ("localhost/a".to_owned(), "localhost", "a", None, false),
            ("index.docker.io/a:1".to_owned(), "docker.io", "library/a", Some("1"), false),
            (format!("a/b:1@sha256:{hex}"), "docker.io", "a/b", Some("1"), true),
            (format!("a/b@sha256:{hex}"), "docker.io", "a/b", None, true),
            ("[::1]:5000/a:x".to_owned(), "[::1]:5000", "a", Some("x"), false),
            ("a__b/c-d.e".to_owned(), "docker.io", "a__b/c-d.e", None, false),
        ] {
            let want = Some((registry.to_owned(), repository.to_owned(), tag.map(str::to_owned), digest));
            assert_eq!(parts(&text), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            ":",
            "a:",
            "A",
            "nvidia/CUDA",
            "a/b:-x",
            "a//b",
            "a@sha256:12",
            "a b",
            "a/",
            "$X",
            "a:1:2",
            "a___b",
        ] {
            assert_eq!(ImageName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn familiar_names_are_what_people_write() {
        for text in ["ubuntu", "nvidia/cuda", "nvcr.io/nvidia/pytorch"] {
            assert_eq!(ImageName::parse(text).map(|name| name.familiar()).as_deref(), Some(text));
        }
    }
}
