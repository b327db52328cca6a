//! One repository of one registry: requests with login, retries and redirects followed by hand.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Response, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::RegistryOptions;
use super::address::{Origin, join};
use super::blob::BlobReader;
use super::credentials::{Found, look_up};
use super::error::RegistryError;
use super::secret::Secret;
use crate::image::digest::Digest;
use crate::image::manifest::ACCEPTED;
use crate::image::reference::Reference;
use crate::limits::Limits;

const MAX_REDIRECTS: usize = 5;
/// Bytes of an error answer that are looked into for the registry's own message.
const MAX_ERROR_BYTES: u64 = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A client for one repository. It is shared by the threads that read its layers.
pub(crate) struct Client {
    agent: Agent,
    options: RegistryOptions,
    limits: Limits,
    reference: Reference,
    origin: Origin,
    credentials: OnceLock<Found>,
    /// The `Authorization` header that worked last, for the registry's own origin only.
    authorization: Mutex<Option<Secret>>,
}

impl Client {
    /// A client for the repository of `reference`.
    pub(crate) fn new(
        reference: Reference,
        options: RegistryOptions,
        limits: Limits,
    ) -> Result<Arc<Self>, RegistryError> {
        let local = reference.registry.is_loopback();
        let insecure = options.insecure.iter().any(|host| host == reference.registry.as_str());
        // With a CA file somebody has set up TLS on purpose, on this machine too.
        let plain = insecure || (local && options.ca_file.is_none());
        let roots = match &options.ca_file {
            None => RootCerts::PlatformVerifier,
            Some(path) => {
                let fail = |reason: String| RegistryError::CaFile { path: path.clone(), reason };
                let pem = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
                let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
                    .filter_map(|item| match item {
                        Ok(PemItem::Certificate(certificate)) => Some(certificate),
                        _ => None,
                    })
                    .collect();
                if certificates.is_empty() {
                    return Err(fail("it holds no certificate".to_owned()));
                }
                RootCerts::Specific(Arc::new(certificates))
            }
        };
        let patience =
            options.read_timeout.unwrap_or_else(|| Duration::from_secs(limits.read_timeout_seconds.max(1)));
        let mut config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("cudalint/", env!("CARGO_PKG_VERSION")))
            // Transparent decompression would change the bytes under the digest.
            .accept_encoding("identity")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            // Between two reads, not for the whole body: layers take as long as they take.
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        if local {
            // No proxy reaches this machine.
            config = config.proxy(None);
        }
        let origin = Origin { https: !plain, authority: reference.registry.api_host().to_owned() };
        Ok(Arc::new(Self {
            agent: config.build().new_agent(),
            options,
            limits,
            reference,
            origin,
            credentials: OnceLock::new(),
            authorization: Mutex::new(None),
        }))
    }

    pub(super) fn agent(&self) -> &Agent {
        &self.agent
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Host and port that are spoken to.
    pub(super) fn host(&self) -> &str {
        &self.origin.authority
    }

    /// Host and port as people write them.
    pub(super) fn reference_host(&self) -> &str {
        self.reference.registry.as_str()
    }

    pub(super) fn repository(&self) -> &str {
        self.reference.repository.as_str()
    }

    pub(super) fn credentials(&self) -> &Found {
        self.credentials
            .get_or_init(|| look_up(&self.options.credentials, &self.reference, self.options.helper_timeout))
    }

    fn address(&self, path: &str) -> String {
        let scheme = if self.origin.https { "https" } else { "http" };
        format!("{scheme}://{}/v2/{}/{path}", self.origin.authority, self.repository())
    }

    /// Reads a manifest by tag or digest: its bytes, at most `limit` and one more, and the digest the registry states.
    pub(crate) fn manifest(
        &self,
        name: &str,
        limit: u64,
    ) -> Result<(Vec<u8>, Option<String>), RegistryError> {
        let answer = self.get(&format!("manifests/{name}"), Some(ACCEPTED), None)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(self.refusal(answer, "the manifest", Some(name)));
        }
        let stated = stated_digest(&answer);
        let bytes = self.small_body(answer, limit)?;
        Ok((bytes, stated))
    }

    /// The digest that the registry states for a manifest, asked by HEAD; `None` when it states none, or knows no HEAD.
    pub(crate) fn manifest_digest(&self, name: &str) -> Result<Option<Digest>, RegistryError> {
        let ask = Ask { method: Method::HEAD, accept: Some(ACCEPTED), from: None };
        let answer = self.ask(&format!("manifests/{name}"), &ask)?;
        match answer.status().as_u16() {
            200 => Ok(stated_digest(&answer).and_then(|stated| Digest::parse(&stated).ok())),
            405 | 501 => Ok(None),
            _ => Err(self.refusal(answer, "the manifest", Some(name))),
        }
    }

    /// Reads a small blob, at most `limit` bytes and one more.
    pub(crate) fn small_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let answer = self.get(&format!("blobs/{digest}"), None, None)?;
        if answer.status().as_u16() != 200 {
            return Err(self.refusal(answer, "the config", None));
        }
        self.small_body(answer, limit)
    }

    /// Opens a blob as a stream that resumes where a connection broke off.
    pub(crate) fn blob(
        self: &Arc<Self>,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<BlobReader, RegistryError> {
        BlobReader::open(Arc::clone(self), digest, size)
    }

    /// Asks for a blob from byte `from` on; 404 is `Ok(None)`.
    pub(super) fn blob_answer(
        &self,
        digest: &Digest,
        from: Option<u64>,
    ) -> Result<Option<Response<Body>>, RegistryError> {
        let answer = self.get(&format!("blobs/{digest}"), None, from)?;
        match answer.status().as_u16() {
            200 | 206 => Ok(Some(answer)),
            404 => Ok(None),
            _ => Err(self.refusal(answer, "a layer", None)),
        }
    }

    fn small_body(&self, answer: Response<Body>, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        answer.into_body().into_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(
            |error| RegistryError::Unreachable { host: self.host().to_owned(), reason: error.to_string() },
        )?;
        Ok(bytes)
    }

    /// A GET below this repository, from byte `from` on where that is given.
    pub(super) fn get(
        &self,
        path: &str,
        accept: Option<&str>,
        from: Option<u64>,
    ) -> Result<Response<Body>, RegistryError> {
        self.ask(path, &Ask { method: Method::GET, accept, from })
    }

    /// A request below this repository, with retries and, at a 401, one login.
    fn ask(&self, path: &str, ask: &Ask<'_>) -> Result<Response<Body>, RegistryError> {
        let address = self.address(path);
        let mut attempt = 1;
        let mut logged_in = false;
        loop {
            let used = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let last = attempt >= self.options.attempts;
            let wait = match self.send(&address, ask, used.as_ref()) {
                // Whoever a redirect led to has no say in how to log in here.
                Ok((answer, false)) if matches!(answer.status().as_u16(), 401 | 403) => return Ok(answer),
                Ok((answer, _)) => match answer.status().as_u16() {
                    401 if logged_in => return Err(self.denied(401)),
                    401 => {
                        self.log_in(answer.headers(), used.as_ref())?;
                        logged_in = true;
                        continue;
                    }
                    403 => return Err(self.denied(403)),
                    status @ (429 | 503) if last => {
                        return Err(RegistryError::Busy {
                            host: self.host().to_owned(),
                            status,
                            attempts: attempt,
                        });
                    }
                    429 | 500..=599 if !last => self.wait(attempt, retry_after(answer.headers())),
                    _ => return Ok(answer),
                },
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error)) if last => return Err(error),
                Err(Failure::Passing(_)) => self.wait(attempt, None),
            };
            std::thread::sleep(wait);
            attempt += 1;
        }
    }

    /// Gets a new `Authorization`, unless another thread has done so since `used` was tried.
    fn log_in(&self, headers: &HeaderMap, used: Option<&Secret>) -> Result<(), RegistryError> {
        let mut current = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref() == used {
            *current = Some(self.authenticate(headers, 401)?);
        }
        Ok(())
    }

    /// Sends one request and follows its redirects. The `Authorization` goes to the registry's own origin only, and
    /// once a redirect has left it, never again. Says beside the answer whether it is the registry's own.
    fn send(
        &self,
        address: &str,
        ask: &Ask<'_>,
        authorization: Option<&Secret>,
    ) -> Result<(Response<Body>, bool), Failure> {
        let mut uri: Uri = address.parse().map_err(|_| {
            Failure::Final(RegistryError::Unreachable {
                host: self.host().to_owned(),
                reason: "its address cannot be used".to_owned(),
            })
        })?;
        let mut authorization = authorization;
        let mut home = true;
        for _ in 0..=MAX_REDIRECTS {
            let host = uri.authority().map(ToString::to_string).unwrap_or_default();
            let mut request =
                if ask.method == Method::HEAD { self.agent.head(&uri) } else { self.agent.get(&uri) };
            if let Some(accept) = ask.accept {
                request = request.header(header::ACCEPT, accept);
            }
            if let Some(from) = ask.from {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization.reveal());
            }
            let answer = request.call().map_err(|error| failure(&host, &error))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((answer, home));
            }
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let (target, origin) = self.redirect_target(&uri, location).map_err(Failure::Final)?;
            if origin != self.origin {
                authorization = None;
                home = false;
            }
            uri = target;
        }
        Err(Failure::Final(RegistryError::Redirect {
            host: self.host().to_owned(),
            target: uri.authority().map(ToString::to_string).unwrap_or_default(),
            reason: "it redirects again and again",
        }))
    }

    fn redirect_target(&self, from: &Uri, location: Option<&str>) -> Result<(Uri, Origin), RegistryError> {
        let refuse = |target: &str, reason| RegistryError::Redirect {
            host: self.host().to_owned(),
            target: target.to_owned(),
            reason,
        };
        let target = location
            .and_then(|location| join(from, location))
            .ok_or_else(|| refuse("nowhere", "its target is no address"))?;
        let origin = Origin::of(&target)
            .ok_or_else(|| refuse("elsewhere", "its target is no http or https address"))?;
        if from.scheme_str() == Some("https") && !origin.https {
            return Err(refuse(&origin.authority, "it leads from HTTPS to plain HTTP"));
        }
        if origin.is_internal() && !self.origin.is_loopback() && origin.host() != self.origin.host() {
            return Err(refuse(
                &origin.authority,
                "a registry elsewhere must not point at this machine or a link-local address",
            ));
        }
        Ok((target, origin))
    }

    /// Half of the growing wait, and a random part of the other half; what the server asks for, if it is bearable.
    pub(super) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let grown = self
            .options
            .retry_wait
            .saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let random = RandomState::new().hash_one(attempt) % 1_000;
        let jittered = grown / 2 + (grown / 2_000).saturating_mul(u32::try_from(random).unwrap_or(0));
        asked.map_or(jittered, |asked| asked.max(jittered)).min(self.options.longest_wait)
    }

    /// The error for an answer that is no success.
    fn refusal(&self, answer: Response<Body>, what: &str, manifest: Option<&str>) -> RegistryError {
        #[derive(serde::Deserialize, Default)]
        #[serde(default)]
        struct Errors {
            errors: Vec<OneError>,
        }
        #[derive(serde::Deserialize, Default)]
        #[serde(default)]
        struct OneError {
            code: String,
            message: String,
        }
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        // Whatever came before a failure is all there is to tell.
        let _ = answer.into_body().into_reader().take(MAX_ERROR_BYTES).read_to_end(&mut body);
        let first = serde_json::from_slice::<Errors>(&body)
            .unwrap_or_default()
            .errors
            .into_iter()
            .next()
            .unwrap_or_default();
        let (host, repository) = (self.reference_host().to_owned(), self.repository().to_owned());
        if status == 404
            && let Some(name) = manifest
        {
            if first.code == "NAME_UNKNOWN" {
                return RegistryError::NoRepository { host, repository };
            }
            let tag = Digest::parse(name).is_err();
            let nearest = if tag { self.nearest_tags(name) } else { Some(Vec::new()) };
            let Some(nearest) = nearest else { return RegistryError::NoRepository { host, repository } };
            let name = if tag { format!("tag {name}") } else { name.to_owned() };
            return RegistryError::NotFound { host, repository, name, nearest };
        }
        let message: String = first.message.chars().filter(|c| !c.is_control()).take(200).collect();
        let detail = match (status, message.is_empty()) {
            // What TLS servers say to plain HTTP.
            (400, _) if !self.origin.https => {
                " over plain HTTP; if it speaks HTTPS, name its certificate authority with --ca-file"
                    .to_owned()
            }
            (_, true) => String::new(),
            (_, false) => format!(" ({message})"),
        };
        RegistryError::Status { host, status, what: format!("{what} of {repository}"), detail }
    }
}

/// What is asked of an address.
struct Ask<'a> {
    /// GET or HEAD.
    method: Method,
    /// Media types that are understood.
    accept: Option<&'a str>,
    /// First byte that is wanted.
    from: Option<u64>,
}

/// The digest of the manifest in an answer, as the registry states it.
fn stated_digest(answer: &Response<Body>) -> Option<String> {
    answer.headers().get("docker-content-digest")?.to_str().ok().map(str::to_owned)
}

/// A failure that the next attempt may not meet, or one that it will.
enum Failure {
    Passing(RegistryError),
    Final(RegistryError),
}

fn failure(host: &str, error: &ureq::Error) -> Failure {
    let host = host.to_owned();
    if let Some(reason) = tls_reason(error) {
        return Failure::Final(RegistryError::Tls { host, reason });
    }
    let error_for = |reason| RegistryError::Unreachable { host, reason };
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_) => Failure::Passing(error_for(reason(error))),
        other => Failure::Final(error_for(reason(other))),
    }
}

fn tls_reason(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::Rustls(error) => Some(plain_reason(&error.to_string())),
        ureq::Error::Tls(reason) => Some((*reason).to_owned()),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            Some(plain_reason(&error.to_string()))
        }
        _ => None,
    }
}

/// A frequent mistake in words: `openssl req -x509` makes a certificate authority, which the TLS library does not
/// accept as a server's own certificate, whoever trusts it.
fn plain_reason(text: &str) -> String {
    if text.contains("CaUsedAsEndEntity") {
        return "its certificate is a certificate authority itself; give the server a certificate that is issued by \
                that authority (`basicConstraints=CA:FALSE`)"
            .to_owned();
    }
    text.to_owned()
}

/// A transport error in words.
pub(super) fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the name does not resolve".to_owned(),
        ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
