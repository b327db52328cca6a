//! Logging in: Basic, the Bearer token flow (Docker's token authentication specification), OAuth2 refresh tokens.

use std::io::Read;

use serde::Deserialize;
use ureq::http::{HeaderMap, Uri, header};

use super::address::{Origin, encode};
use super::challenge::{Challenge, parse_challenges};
use super::client::{Client, reason};
use super::credentials::{Credential, Found};
use super::error::RegistryError;
use super::secret::{Secret, base64};

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    /// Answers a 401: the value of the `Authorization` header to try, or the error that says who may log in how.
    pub(super) fn authenticate(&self, headers: &HeaderMap, status: u16) -> Result<Secret, RegistryError> {
        let mut offered: Vec<Challenge> = Vec::new();
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            let text = value.to_str().map_err(|_| RegistryError::Challenge {
                host: self.host().to_owned(),
                reason: "the header holds bytes that are no text".to_owned(),
            })?;
            offered.extend(
                parse_challenges(text).map_err(|error| RegistryError::challenge(self.host(), error))?,
            );
        }
        let scheme = |name: &str| offered.iter().find(|challenge| challenge.scheme == name);
        let found = self.credentials();
        if let Some(bearer) = scheme("bearer") {
            return self.bearer(bearer, found);
        }
        if scheme("basic").is_some() {
            return match &found.credential {
                Some(Credential::Password { user, password }) => Ok(basic(user, password)),
                _ => Err(self.denied(status)),
            };
        }
        let names: Vec<&str> = offered.iter().map(|challenge| challenge.scheme.as_str()).collect();
        let reason = if names.is_empty() {
            "it names no scheme".to_owned()
        } else {
            format!("it offers only {}", names.join(", "))
        };
        Err(RegistryError::Challenge { host: self.host().to_owned(), reason })
    }

    /// Gets a token for pulling this one repository.
    fn bearer(&self, challenge: &Challenge, found: &Found) -> Result<Secret, RegistryError> {
        let realm = challenge.parameter("realm").unwrap_or_default();
        let (uri, origin) = self.checked_realm(realm)?;
        let scope = challenge
            .parameter("scope")
            .map_or_else(|| format!("repository:{}:pull", self.repository()), str::to_owned);
        let service = challenge.parameter("service");
        let answer = match &found.credential {
            Some(Credential::Identity(token)) => {
                let mut form = vec![
                    ("grant_type", "refresh_token"),
                    ("client_id", "cudalint"),
                    ("scope", &scope),
                    ("refresh_token", token.reveal()),
                ];
                form.extend(service.map(|service| ("service", service)));
                self.agent().post(&uri).send_form(form)
            }
            credential => {
                let mut address = uri.to_string();
                address.push(if uri.query().is_some() { '&' } else { '?' });
                if let Some(service) = service {
                    address.push_str(&format!("service={}&", encode(service)));
                }
                address.push_str(&format!("scope={}", encode(&scope)));
                let mut request = self.agent().get(&address);
                if let Some(Credential::Password { user, password }) = credential {
                    request = request.header(header::AUTHORIZATION, basic(user, password).reveal());
                }
                request.call()
            }
        };
        let bad = |reason: String| RegistryError::Token {
            host: self.host().to_owned(),
            realm: origin.authority.clone(),
            reason,
        };
        let answer = answer.map_err(|error| RegistryError::Unreachable {
            host: format!("{}, the token server of {}", origin.authority, self.host()),
            reason: reason(&error),
        })?;
        let status = answer.status().as_u16();
        match status {
            200 => {}
            400 | 401 | 403 => return Err(self.denied(status)),
            300..=399 => {
                return Err(bad("it redirects, which is refused with credentials at stake".to_owned()));
            }
            _ => return Err(bad(format!("it answered {status}"))),
        }
        let mut body = Vec::new();
        let limit = self.limits().token_bytes;
        answer
            .into_body()
            .into_reader()
            .take(limit.saturating_add(1))
            .read_to_end(&mut body)
            .map_err(|error| bad(error.to_string()))?;
        if body.len() as u64 > limit {
            return Err(bad(format!("its answer exceeds {limit} bytes (--limit token_bytes)")));
        }
        // The reason of a JSON error would quote the answer, which may hold the token.
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| bad("its answer is no JSON object".to_owned()))?;
        let token = answer.token.into_iter().chain(answer.access_token).find(|token| !token.is_empty());
        let token = token.ok_or_else(|| bad("its answer holds no token".to_owned()))?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("its token holds characters that no token has".to_owned()));
        }
        Ok(Secret::new(format!("Bearer {token}")))
    }

    /// Credentials go to a token server only over TLS, or where registry and token server are both this machine or
    /// the same plain-HTTP host. A registry elsewhere cannot point at this machine or at link-local addresses.
    fn checked_realm(&self, realm: &str) -> Result<(Uri, Origin), RegistryError> {
        let shown: String = realm.chars().filter(|c| !c.is_control()).take(200).collect();
        let refuse =
            |reason| RegistryError::Realm { host: self.host().to_owned(), realm: shown.clone(), reason };
        let uri: Uri = realm.parse().map_err(|_| refuse("it is no address"))?;
        let origin = Origin::of(&uri).ok_or_else(|| refuse("it is no plain http or https address"))?;
        let registry = self.origin();
        if origin.is_internal() && !registry.is_loopback() && origin.host() != registry.host() {
            return Err(refuse(
                "a registry elsewhere must not point at this machine or a link-local address",
            ));
        }
        let both_here = registry.is_loopback() && origin.is_loopback();
        let same_plain_host = !registry.https && registry.host() == origin.host();
        if !origin.https && !both_here && !same_plain_host {
            return Err(refuse("credentials and tokens go over HTTPS only"));
        }
        Ok((uri, origin))
    }

    /// The error for a refused request, worded by whether there were credentials.
    pub(super) fn denied(&self, status: u16) -> RegistryError {
        let (host, repository) = (self.reference_host().to_owned(), self.repository().to_owned());
        let found = self.credentials();
        if found.credential.is_some() {
            RegistryError::WrongCredentials { host, repository, status }
        } else {
            RegistryError::NeedsLogin { host, repository, status, note: found.note.clone() }
        }
    }
}

fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", base64(format!("{user}:{}", password.reveal()).as_bytes())))
}
