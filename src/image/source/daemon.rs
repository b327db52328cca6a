//! The Docker engine of this machine, over its Unix socket.
//!
//! The engine streams a save archive whose `manifest.json` comes last, so which bytes are which layer is known only
//! at the end. The stream goes to an unnamed temporary file, bounded, that the system deletes with the process.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::docker_archive::SavedArchive;
use super::tarfile::TarFile;
use super::{Image, Source};
use crate::image::error::ImageError;
use crate::image::layer::{LayerContent, LayerDescriptor, LayerProblem};
use crate::image::platform::Platform;
use crate::image::reference::DaemonImage;
use crate::limits::Limits;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const MAX_HEADER_BYTES: u64 = 64 << 10;
const MAX_MESSAGE_BYTES: u64 = 4 << 10;
/// The engine prepares a large image for a while before the first byte: it gets this many times a registry's patience.
const PATIENCE: u64 = 10;

/// An image in the Docker engine.
pub(super) struct DaemonSource {
    image: DaemonImage,
    socket: PathBuf,
    limits: Limits,
    opened: SavedArchive,
}

impl DaemonSource {
    /// `image` in the engine behind `socket`, or behind `DOCKER_HOST`, or at the usual place.
    pub(super) fn new(image: DaemonImage, socket: Option<PathBuf>, limits: Limits) -> Self {
        let from_environment = || {
            let host = std::env::var("DOCKER_HOST").ok()?;
            host.strip_prefix("unix://").map(PathBuf::from)
        };
        let socket = socket.or_else(from_environment).unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET));
        Self { image, socket, limits, opened: SavedArchive::default() }
    }

    fn error(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Daemon {
            socket: self.socket.clone(),
            image: self.image.to_string(),
            reason: reason.into(),
        }
    }

    fn save(&self) -> Result<File, ImageError> {
        let connect = |error: io::Error| {
            self.error(format!("{error}; check that the engine runs and that you may use its socket"))
        };
        let broke = |error: io::Error| self.error(format!("the transfer broke off: {error}; try again"));
        let mut stream = UnixStream::connect(&self.socket).map_err(connect)?;
        let patience = Duration::from_secs(self.limits.read_timeout_seconds.max(1).saturating_mul(PATIENCE));
        stream.set_read_timeout(Some(patience)).map_err(broke)?;
        stream.set_write_timeout(Some(patience)).map_err(broke)?;
        // Without a version in the path the engine takes its own, so none is too old or too new. In HTTP/1.0 the body
        // is the plain archive until the connection closes.
        let request = format!("GET /images/{}/get HTTP/1.0\r\nHost: docker\r\n\r\n", self.image);
        stream.write_all(request.as_bytes()).map_err(broke)?;
        let mut answer = BufReader::new(stream);
        let (status, length) = read_head(&mut answer).map_err(broke)?;
        if status != 200 {
            let mut body = Vec::new();
            answer.take(MAX_MESSAGE_BYTES).read_to_end(&mut body).map_err(broke)?;
            return Err(self.error(message(status, &body)));
        }
        let mut file = tempfile::tempfile().map_err(|error| {
            self.error(format!(
                "no temporary file could be made for it: {error}; set TMPDIR to a folder with room"
            ))
        })?;
        let limit = self.limits.spool_bytes;
        let copied = io::copy(&mut answer.take(limit.saturating_add(1)), &mut file).map_err(broke)?;
        if copied > limit {
            return Err(self.error(format!(
                "it is larger than {limit} bytes; raise it with --limit spool_bytes=BYTES if the image is trusted"
            )));
        }
        if length.is_some_and(|length| length != copied) {
            return Err(self.error("the transfer ended early; try again"));
        }
        Ok(file)
    }
}

/// Status and length of the answer; the headers are consumed.
fn read_head(answer: &mut impl BufRead) -> io::Result<(u16, Option<u64>)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP");
    let mut head = answer.take(MAX_HEADER_BYTES);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    if !words.next().is_some_and(|word| word.starts_with("HTTP/1.")) {
        return Err(bad());
    }
    let status = words.next().and_then(|word| word.parse().ok()).ok_or_else(bad)?;
    let mut length = None;
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Err(bad());
        }
        let Some((name, value)) = line.split_once(':') else {
            return if line.trim().is_empty() { Ok((status, length)) } else { Err(bad()) };
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
}

fn message(status: u16, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    let text = match serde_json::from_slice::<Message>(body) {
        Ok(Message { message }) => message.chars().filter(|c| !c.is_control()).take(300).collect(),
        Err(_) => format!("it answered {status}"),
    };
    match status {
        404 => format!(
            "{text}; pull or build it first, or leave `docker-daemon:` out to read it from its registry"
        ),
        _ => format!("{text}; check the engine"),
    }
}

impl Source for DaemonSource {
    fn resolve(&self, platform: &Platform) -> Result<Image, ImageError> {
        let file = self.save()?;
        let tar = TarFile::index(file, &self.socket, "docker archive", &self.limits)?;
        let name = format!("docker-daemon:{}", self.image);
        self.opened.resolve(tar, &name, None, platform, &self.limits)
    }

    fn open_layer(&self, layer: &LayerDescriptor) -> Result<LayerContent, LayerProblem> {
        self.opened.open_layer(layer)
    }
}
