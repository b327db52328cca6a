//! Image references (`registry/repository:tag@digest`) and the transports in front of them.

use std::fmt;
use std::path::PathBuf;

use super::digest::Digest;

/// The host name that stands for Docker Hub in references.
pub const DOCKER_HUB: &str = "docker.io";

/// Where a registry is: host and optional port (`docker.io`, `127.0.0.1:5000`, `[::1]:5000`), in lower case except where only
/// a capital tells that a name without a dot is a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct RegistryHost(String);

impl RegistryHost {
    /// Host and port as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without its port and without the brackets of an IPv6 literal.
    #[must_use]
    pub fn host(&self) -> &str {
        if let Some(rest) = self.0.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        self.0.split(':').next().unwrap_or(&self.0)
    }

    /// The host that answers the registry API: Docker Hub's is `registry-1.docker.io`, any other is itself.
    #[must_use]
    pub fn api_host(&self) -> &str {
        if self.0 == DOCKER_HUB { "registry-1.docker.io" } else { &self.0 }
    }

    /// Whether the host is this machine: `localhost`, 127.0.0.0/8 or `::1`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository path in a registry (`library/ubuntu`, `nvidia/cuda`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Repository(String);

impl Repository {
    /// The path as written in URLs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (OCI distribution specification).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Tag(String);

impl Tag {
    /// The tag as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image in a registry, with Docker's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry; `docker.io` when the text names none.
    pub registry: RegistryHost,
    /// The repository; `library/` is put in front of a bare Docker Hub name.
    pub repository: Repository,
    /// The tag, when written; `latest` is meant when neither tag nor digest is.
    pub tag: Option<Tag>,
    /// The digest, when written; it decides where a tag is written too.
    pub digest: Option<Digest>,
}

/// Why a text is no image reference, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no image reference: {reason} (at character {})", printable(.input), .offset + 1)]
pub struct ReferenceError {
    /// The whole text.
    pub input: String,
    /// Offset in characters of the place that is wrong, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub reason: ReferenceProblem,
}

fn printable(text: &str) -> String {
    let mut short: String = text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(200).is_some() {
        short.push('…');
    }
    short
}

/// What can be wrong with an image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceProblem {
    /// Nothing is there.
    #[error("it is empty; write for example `ubuntu:24.04` or `nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04`")]
    Empty,
    /// The host or port does not parse.
    #[error(
        "the registry must be a host name, an IPv4 address or a bracketed IPv6 address, with an optional port"
    )]
    Host,
    /// A repository holds an upper-case letter.
    #[error("repository names are lower case")]
    UpperCase,
    /// A repository component is empty or holds another character.
    #[error(
        "a repository name is made of `a-z`, `0-9`, and single separators `.`, `_`, `__`, `-` between them, in parts joined by `/`"
    )]
    Repository,
    /// The repository is too long.
    #[error("a repository name has at most 255 characters")]
    TooLong,
    /// The tag does not parse.
    #[error("a tag is 1 to 128 letters, digits, `_`, `.` and `-`, and starts with none of the last two")]
    Tag,
    /// The digest does not parse.
    #[error("a digest is `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits")]
    Digest,
    /// Sixty-four hexadecimal digits alone.
    #[error(
        "64 hexadecimal digits are an image id, which a registry does not know; write the name, or `docker-daemon:` in front"
    )]
    ImageId,
    /// A variable is left in the text.
    #[error("it holds a variable; give its value")]
    Variable,
    /// The transport needs a path or a name.
    #[error("the transport needs a path or a name behind its colon")]
    MissingValue,
}

impl Reference {
    /// Reads a reference as Docker would, filling in `docker.io` and `library/`.
    ///
    /// # Errors
    /// With the place and the reason, when it does not follow the reference grammar of the distribution project.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        parse_at(text, text, 0)
    }

    /// The tag that is asked for: the written one, or `latest` when there is no digest either.
    #[must_use]
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag.as_str()),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// What the manifest is asked for by: the digest when there is one, else the tag.
    #[must_use]
    pub fn manifest_name(&self) -> String {
        match &self.digest {
            Some(digest) => digest.to_string(),
            None => self.effective_tag().unwrap_or("latest").to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = self.effective_tag() {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl std::str::FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

/// Parses `text`, which starts `base` characters into `input`.
fn parse_at(input: &str, text: &str, base: usize) -> Result<Reference, ReferenceError> {
    let fail =
        |offset: usize, reason| ReferenceError { input: input.to_owned(), offset: base + offset, reason };
    let chars = |part: &str| part.chars().count();
    if text.is_empty() {
        return Err(fail(0, ReferenceProblem::Empty));
    }
    if let Some((before, _)) = text.split_once('$') {
        return Err(fail(chars(before), ReferenceProblem::Variable));
    }
    let (name_tag, digest) = match text.split_once('@') {
        Some((name, digest)) => {
            let parsed =
                Digest::parse(digest).map_err(|_| fail(chars(name) + 1, ReferenceProblem::Digest))?;
            (name, Some(parsed))
        }
        None => (text, None),
    };
    if digest.is_none() && is_image_id(name_tag) {
        return Err(fail(0, ReferenceProblem::ImageId));
    }
    let (host, rest, rest_at) = match name_tag.split_once('/') {
        Some((first, rest)) if is_host(first) => {
            if let Err(offset) = check_host(first) {
                return Err(fail(offset, ReferenceProblem::Host));
            }
            // `8G/app` names a registry by its capital alone: in lower case it would read back as Docker Hub's `8g/app`.
            let lower = first.to_ascii_lowercase();
            (if is_host(&lower) { lower } else { first.to_owned() }, rest, chars(first) + 1)
        }
        _ => (DOCKER_HUB.to_owned(), name_tag, 0),
    };
    let host = if host == "index.docker.io" || host == "registry-1.docker.io" {
        DOCKER_HUB.to_owned()
    } else {
        host
    };
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => {
            let at = rest_at + chars(path) + 1;
            if let Err(offset) = check_tag(tag) {
                return Err(fail(at + offset, ReferenceProblem::Tag));
            }
            (path, Some(Tag(tag.to_owned())))
        }
        None => (rest, None),
    };
    if let Err((offset, reason)) = check_repository(path) {
        return Err(fail(rest_at + offset, reason));
    }
    let repository =
        if host == DOCKER_HUB && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
    if repository.len() > 255 {
        return Err(fail(rest_at, ReferenceProblem::TooLong));
    }
    Ok(Reference { registry: RegistryHost(host), repository: Repository(repository), tag, digest })
}

fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the first component names a registry and not a part of the repository (distribution's rule).
fn is_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':', '[']) || first.chars().any(|c| c.is_ascii_uppercase())
}

fn check_host(text: &str) -> Result<(), usize> {
    let (host, port) = if text.starts_with('[') {
        let Some((inside, after)) = text.trim_start_matches('[').split_once(']') else { return Err(0) };
        if inside.parse::<std::net::Ipv6Addr>().is_err() || text.starts_with("[[") {
            return Err(1);
        }
        let offset = inside.len() + 2;
        match after.strip_prefix(':') {
            Some(port) => return check_port(port).map_err(|()| offset + 1),
            None if after.is_empty() => return Ok(()),
            None => return Err(offset),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let mut at = 0;
    for label in host.split('.') {
        let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if label.is_empty() || !plain || label.starts_with('-') || label.ends_with('-') {
            return Err(at);
        }
        at += label.len() + 1;
    }
    match port {
        Some(port) => check_port(port).map_err(|()| at),
        None => Ok(()),
    }
}

fn check_port(port: &str) -> Result<(), ()> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if digits && port.parse::<u16>().is_ok_and(|port| port != 0) { Ok(()) } else { Err(()) }
}

fn check_tag(tag: &str) -> Result<(), usize> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, c) in tag.chars().enumerate() {
        if at >= 128 || !(word(c) || (at > 0 && matches!(c, '.' | '-'))) {
            return Err(at);
        }
    }
    if tag.is_empty() { Err(0) } else { Ok(()) }
}

fn check_repository(path: &str) -> Result<(), (usize, ReferenceProblem)> {
    let mut at = 0;
    for component in path.split('/') {
        check_component(component).map_err(|(offset, reason)| (at + offset, reason))?;
        at += component.chars().count() + 1;
    }
    Ok(())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn check_component(component: &str) -> Result<(), (usize, ReferenceProblem)> {
    let mut separator = String::new();
    let mut letters = 0_usize;
    for (at, c) in component.chars().enumerate() {
        match c {
            'a'..='z' | '0'..='9' => {
                separator.clear();
                letters += 1;
            }
            'A'..='Z' => return Err((at, ReferenceProblem::UpperCase)),
            '.' | '_' | '-' if letters > 0 => {
                separator.push(c);
                let dashes = separator.chars().all(|c| c == '-');
                if !(dashes || matches!(separator.as_str(), "." | "_" | "__")) {
                    return Err((at, ReferenceProblem::Repository));
                }
            }
            _ => return Err((at, ReferenceProblem::Repository)),
        }
    }
    if letters == 0 || !separator.is_empty() {
        return Err((component.chars().count().saturating_sub(1), ReferenceProblem::Repository));
    }
    Ok(())
}

/// Where an image comes from, as skopeo and podman spell it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageSource {
    /// `docker://REF`, or a bare reference: a registry.
    Registry(Reference),
    /// `docker-daemon:REF`: the Docker engine of this machine, by name or image id.
    DockerDaemon(DaemonImage),
    /// `oci:DIR[:TAG]`: an OCI image layout folder.
    OciLayout {
        /// The folder with `oci-layout` and `index.json`.
        directory: PathBuf,
        /// The `org.opencontainers.image.ref.name` to take; needed when there are several images.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: such a folder as a tar file.
    OciArchive {
        /// The tar file, plain.
        file: PathBuf,
        /// As for the folder.
        tag: Option<String>,
    },
    /// `docker-archive:FILE[:REF]`: what `docker save` or `podman save` wrote.
    DockerArchive {
        /// The tar file, plain.
        file: PathBuf,
        /// The name to take; needed when there are several images.
        reference: Option<String>,
    },
    /// `dir:ROOTFS`: an unpacked root file system.
    RootFs(PathBuf),
}

/// What the Docker engine is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DaemonImage {
    /// A name with tag or digest.
    Name(Reference),
    /// An image id (`sha256:` and 64 digits, or the digits alone).
    Id(Digest),
}

impl fmt::Display for DaemonImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(reference) => reference.fmt(f),
            Self::Id(digest) => digest.fmt(f),
        }
    }
}

impl ImageSource {
    /// Reads an image as the command line names it.
    ///
    /// # Errors
    /// When the reference in it does not parse, or a transport has nothing behind its colon.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (transport, rest) = text.split_once(':').unwrap_or(("", text));
        let base = transport.chars().count() + 1;
        let needed = |value: &str| {
            if value.is_empty() {
                return Err(ReferenceError {
                    input: text.to_owned(),
                    offset: base,
                    reason: ReferenceProblem::MissingValue,
                });
            }
            Ok(PathBuf::from(value))
        };
        let split = || match rest.split_once(':') {
            Some((path, tag)) if !tag.is_empty() => (path, Some(tag.to_owned())),
            Some((path, _)) => (path, None),
            None => (rest, None),
        };
        match transport {
            "docker" if rest.starts_with("//") => {
                Ok(Self::Registry(parse_at(text, rest.trim_start_matches("//"), base + 2)?))
            }
            "docker-daemon" => {
                if is_image_id(rest)
                    && let Ok(id) = Digest::parse(&format!("sha256:{rest}"))
                {
                    return Ok(Self::DockerDaemon(DaemonImage::Id(id)));
                }
                match Digest::parse(rest) {
                    Ok(id) => Ok(Self::DockerDaemon(DaemonImage::Id(id))),
                    Err(_) => Ok(Self::DockerDaemon(DaemonImage::Name(parse_at(text, rest, base)?))),
                }
            }
            "oci" if !rest.starts_with("//") => {
                let (path, tag) = split();
                Ok(Self::OciLayout { directory: needed(path)?, tag })
            }
            "oci-archive" => {
                let (path, tag) = split();
                Ok(Self::OciArchive { file: needed(path)?, tag })
            }
            "docker-archive" => {
                let (path, reference) = split();
                Ok(Self::DockerArchive { file: needed(path)?, reference })
            }
            "dir" => Ok(Self::RootFs(needed(rest)?)),
            _ => Ok(Self::Registry(Reference::parse(text)?)),
        }
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, tag) = match self {
            Self::Registry(reference) => return reference.fmt(f),
            Self::DockerDaemon(image) => return write!(f, "docker-daemon:{image}"),
            Self::OciLayout { directory, tag } => ("oci", directory, tag),
            Self::OciArchive { file, tag } => ("oci-archive", file, tag),
            Self::DockerArchive { file, reference } => ("docker-archive", file, reference),
            Self::RootFs(root) => ("dir", root, &None),
        };
        write!(f, "{transport}:{}", path.display())?;
        match tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
