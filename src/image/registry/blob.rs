//! A blob as a stream that survives broken connections.

use std::io::{self, Read};
use std::sync::Arc;

use ureq::http::{Response, header};
use ureq::{Body, BodyReader};

use super::client::Client;
use super::error::RegistryError;
use crate::image::digest::Digest;

/// Broken connections that one blob survives.
const MAX_RESUMES: u32 = 3;

/// The bytes of a blob. Where the connection breaks off, a Range request goes on from there; whoever hashes the
/// stream sees one stream.
pub(crate) struct BlobReader {
    client: Arc<Client>,
    digest: Digest,
    size: Option<u64>,
    offset: u64,
    body: Option<BodyReader<'static>>,
    resumes: u32,
}

impl BlobReader {
    /// Asks for the blob.
    pub(super) fn open(
        client: Arc<Client>,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Self, RegistryError> {
        let Some(answer) = client.blob_answer(digest, None)? else {
            return Err(RegistryError::NotFound {
                host: client.reference_host().to_owned(),
                repository: client.repository().to_owned(),
                name: format!("blob {digest}"),
                nearest: Vec::new(),
            });
        };
        let body = Some(answer.into_body().into_reader());
        Ok(Self { client, digest: digest.clone(), size, offset: 0, body, resumes: 0 })
    }

    /// Connects again, positioned at `offset`.
    fn resume(&mut self, broke: &str) -> io::Result<()> {
        if self.resumes >= MAX_RESUMES {
            return Err(self.given_up(broke));
        }
        self.resumes += 1;
        self.body = None;
        std::thread::sleep(self.client.wait(self.resumes, None));
        let answer = self
            .client
            .blob_answer(&self.digest, Some(self.offset))
            .map_err(io::Error::other)?
            .ok_or_else(|| self.given_up("the blob is gone"))?;
        let partial = answer.status().as_u16() == 206;
        if partial && range_start(&answer) != Some(self.offset) {
            return Err(self.given_up("the registry resumed at another place"));
        }
        let mut body = answer.into_body().into_reader();
        if !partial {
            // Range is not supported there: the whole blob comes, and its first part is known already.
            let skipped = io::copy(&mut body.by_ref().take(self.offset), &mut io::sink())
                .map_err(|error| self.given_up(&error.to_string()))?;
            if skipped != self.offset {
                return Err(self.given_up("the blob became shorter"));
            }
        }
        self.body = Some(body);
        Ok(())
    }

    fn given_up(&self, reason: &str) -> io::Error {
        let of = self.size.map_or_else(String::new, |size| format!(" of {size}"));
        io::Error::other(format!(
            "the transfer from {} broke off after {}{of} bytes and {} resumes: {reason}; check the network and try again",
            self.client.reference_host(),
            self.offset,
            self.resumes,
        ))
    }
}

fn range_start(answer: &Response<Body>) -> Option<u64> {
    let value = answer.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(body) = &mut self.body else { return Err(self.given_up("it was given up before")) };
            let broke = match body.read(buffer) {
                // An end before the promised size is a broken connection that looks clean.
                Ok(0) if self.size.is_some_and(|size| self.offset < size) => {
                    "the connection ended early".to_owned()
                }
                Ok(count) => {
                    self.offset = self.offset.saturating_add(count as u64);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => error.to_string(),
            };
            self.resume(&broke)?;
        }
    }
}
