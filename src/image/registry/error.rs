//! Why a registry did not give something: what, where, and what to do.

use std::path::PathBuf;

use super::challenge::ChallengeError;

/// A failure of a registry, or of the way to it. No message ever holds a credential.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// No connection, or it broke off.
    #[error(
        "cannot reach {host}: {reason}; check the name, the network and the proxy settings, or save the image and scan the archive"
    )]
    Unreachable {
        /// Host and port.
        host: String,
        /// The reason.
        reason: String,
    },
    /// The certificate was not accepted.
    #[error(
        "{host} cannot be trusted: {reason}; name its certificate authority with --ca-file, or allow plain HTTP for it with --insecure-registry {host}"
    )]
    Tls {
        /// Host and port.
        host: String,
        /// The reason.
        reason: String,
    },
    /// The tag or digest is not there.
    #[error("{host} has no {name} in {repository}{}", nearest_text(.nearest))]
    NotFound {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// `tag x`, or the digest.
        name: String,
        /// Tags that are there and look alike.
        nearest: Vec<String>,
    },
    /// The repository is not there.
    #[error("{host} has no repository {repository}; check its spelling")]
    NoRepository {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
    },
    /// The credentials were refused.
    #[error(
        "{host} refused the credentials for {repository} (status {status}); log in again with `docker login {host}`"
    )]
    WrongCredentials {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// 401 or 403.
        status: u16,
    },
    /// There were no credentials, and they are needed.
    #[error(
        "{host} does not give {repository} to everyone (status {status}){note}; log in with `docker login {host}`, or check the spelling: private and missing repositories look alike"
    )]
    NeedsLogin {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// 401 or 403.
        status: u16,
        /// Why no credentials were found, when that is worth telling.
        note: String,
    },
    /// The authentication header does not parse or offers nothing known.
    #[error("{host} asks for authentication in a way that is not understood: {reason}; tell its operator")]
    Challenge {
        /// Host and port.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The token server is not one that credentials may go to.
    #[error("{host} names the token server {realm}, which is refused: {reason}; nothing was sent there")]
    Realm {
        /// Host and port.
        host: String,
        /// The address.
        realm: String,
        /// Why.
        reason: &'static str,
    },
    /// A redirect was not followed.
    #[error("{host} redirects to {target}, which is refused: {reason}")]
    Redirect {
        /// Host and port.
        host: String,
        /// The host of the target.
        target: String,
        /// Why.
        reason: &'static str,
    },
    /// It stayed busy.
    #[error(
        "{host} stayed too busy (status {status}) after {attempts} attempts; try again later or with fewer --jobs, or log in for a higher rate"
    )]
    Busy {
        /// Host and port.
        host: String,
        /// 429 or 503.
        status: u16,
        /// How often it was asked.
        attempts: u32,
    },
    /// Another answer than expected.
    #[error("{host} answered {status} to a request for {what}{detail}; try again, or tell its operator")]
    Status {
        /// Host and port.
        host: String,
        /// The status.
        status: u16,
        /// What was asked for.
        what: String,
        /// The registry's own message, with its separator.
        detail: String,
    },
    /// The token answer was no token.
    #[error(
        "the token server {realm} of {host} gave no usable token: {reason}; try again, or tell its operator"
    )]
    Token {
        /// Host and port.
        host: String,
        /// The token server.
        realm: String,
        /// What is wrong.
        reason: String,
    },
    /// The CA file cannot be used.
    #[error("--ca-file {}: {reason}; it must hold PEM certificates", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl RegistryError {
    /// Whether the network or the registry failed for now, so that the same question may be answered another time.
    #[must_use]
    pub fn is_network(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Tls { .. } | Self::Busy { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    pub(super) fn challenge(host: &str, error: ChallengeError) -> Self {
        Self::Challenge { host: host.to_owned(), reason: error.to_string() }
    }
}

fn nearest_text(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return "; check its spelling".to_owned();
    }
    format!("; near it there is {}", nearest.join(", "))
}
