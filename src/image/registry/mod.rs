//! The registry API (OCI distribution specification, Docker Registry HTTP API V2): finding, logging in, reading.

use std::path::PathBuf;
use std::time::Duration;

mod address;
mod auth;
mod blob;
mod challenge;
mod client;
mod credentials;
mod error;
mod secret;
mod tags;

pub(super) use client::Client;

pub use challenge::{Challenge, ChallengeError, parse_challenges};
pub use credentials::CredentialSource;
pub use error::RegistryError;
pub use secret::Secret;

/// How registries are spoken to.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Where credentials come from.
    pub credentials: CredentialSource,
    /// Hosts (with port, as in references) that may be spoken to over plain HTTP; this machine always may.
    pub insecure: Vec<String>,
    /// PEM file with the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time without a byte before a connection counts as stalled; `None` takes
    /// [`Limits::read_timeout_seconds`](crate::limits::Limits::read_timeout_seconds).
    pub read_timeout: Option<Duration>,
    /// Attempts for one request that meets 429, 5xx or a broken connection.
    pub attempts: u32,
    /// Wait before the second attempt; doubled for each further one, with jitter.
    pub retry_wait: Duration,
    /// Longest wait between two attempts, whatever `Retry-After` says.
    pub longest_wait: Duration,
    /// Time a credential helper gets.
    pub helper_timeout: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            credentials: CredentialSource::default(),
            insecure: Vec::new(),
            ca_file: None,
            read_timeout: None,
            attempts: 4,
            retry_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(20),
            helper_timeout: Duration::from_secs(15),
        }
    }
}
