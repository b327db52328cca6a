//! Credentials from where `docker login` and `podman login` keep them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use super::secret::Secret;
use crate::image::reference::{DOCKER_HUB, Reference};

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CredentialSource {
    /// Docker's `config.json` and podman's `auth.json` at their usual places, with the helpers they name.
    #[default]
    Stores,
    /// These configuration files, in this order.
    Files(Vec<PathBuf>),
    /// This account, for this registry only.
    Account {
        /// Host and port, as in a reference.
        host: String,
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// None.
    Anonymous,
}

/// Credentials for one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential {
    Password {
        user: String,
        password: Secret,
    },
    /// An OAuth2 refresh token.
    Identity(Secret),
}

/// What a look-up found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) credential: Option<Credential>,
    /// Why nothing was found, when that is worth telling; never holds a helper's output.
    pub(super) note: String,
}

const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// Looks credentials up for `reference`; helpers get `patience` in all.
pub(super) fn look_up(source: &CredentialSource, reference: &Reference, patience: Duration) -> Found {
    let files = match source {
        CredentialSource::Anonymous => return Found::default(),
        CredentialSource::Account { host, user, password } => {
            if host != reference.registry.as_str() {
                return Found::default();
            }
            let credential = Credential::Password { user: user.clone(), password: password.clone() };
            return Found { credential: Some(credential), note: String::new() };
        }
        CredentialSource::Files(files) => files.clone(),
        CredentialSource::Stores => usual_files(),
    };
    let keys = keys(reference);
    let (sender, receiver) = mpsc::channel();
    // A helper may hang (an agent that waits for a password): its thread is left behind then.
    let thread = std::thread::Builder::new().name("credentials".to_owned()).spawn(move || {
        let _ = sender.send(search(&files, &keys));
    });
    match thread.map(|_| receiver.recv_timeout(patience)) {
        Ok(Ok(found)) => found,
        _ => Found {
            credential: None,
            note: format!("; the credential helper did not answer within {} s", patience.as_secs()),
        },
    }
}

fn search(files: &[PathBuf], keys: &[String]) -> Found {
    let mut found = Found::default();
    for file in files {
        for key in keys {
            match from_file(file, key) {
                Some(Ok(credential)) => {
                    let credential = match credential {
                        DockerCredential::IdentityToken(token) => Credential::Identity(Secret::new(token)),
                        DockerCredential::UsernamePassword(user, password) => {
                            Credential::Password { user, password: Secret::new(password) }
                        }
                    };
                    return Found { credential: Some(credential), note: String::new() };
                }
                Some(Err(reason)) if found.note.is_empty() => {
                    found.note = format!("; {} gave none: {reason}", file.display());
                }
                _ => {}
            }
        }
    }
    found
}

fn from_file(file: &Path, key: &str) -> Option<Result<DockerCredential, String>> {
    if !std::fs::metadata(file).is_ok_and(|metadata| metadata.is_file()) {
        return None;
    }
    let reader = BufReader::new(File::open(file).ok()?.take(MAX_CONFIG_BYTES));
    use CredentialRetrievalError as E;
    match get_credential_from_reader(reader, key) {
        // An empty account is docker's way to write "logged out".
        Ok(DockerCredential::UsernamePassword(user, password)) if user.is_empty() && password.is_empty() => {
            None
        }
        Ok(credential) => Some(Ok(credential)),
        Err(E::NoCredentialConfigured | E::ConfigNotFound) => None,
        Err(E::HelperFailure { helper, stdout, stderr }) => {
            if format!("{stdout}{stderr}").contains("credentials not found") {
                return None;
            }
            Some(Err(format!("the credential helper `{helper}` failed")))
        }
        Err(E::HelperCommunicationError) => Some(Err("its credential helper cannot be run".to_owned())),
        Err(E::MalformedHelperResponse) => {
            Some(Err("its credential helper gave a malformed answer".to_owned()))
        }
        Err(E::CredentialDecodingError | E::CredentialMismatchError) => {
            Some(Err("its entry is malformed".to_owned()))
        }
        Err(E::ConfigReadError) => Some(Err("the file is malformed".to_owned())),
    }
}

fn usual_files() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME");
    let docker = variable("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
    let podman = [
        variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        variable("XDG_CONFIG_HOME")
            .or_else(|| home.map(|home| home.join(".config")))
            .map(|folder| folder.join("containers/auth.json")),
    ];
    let explicit = variable("REGISTRY_AUTH_FILE");
    explicit
        .into_iter()
        .chain(docker.map(|folder| folder.join("config.json")))
        .chain(podman.into_iter().flatten())
        .collect()
}

/// The keys under which tools have filed this registry: podman per path, then the host, then docker's addresses.
fn keys(reference: &Reference) -> Vec<String> {
    let host = reference.registry.as_str();
    let mut keys = Vec::new();
    if host == DOCKER_HUB {
        keys.push("https://index.docker.io/v1/".to_owned());
    }
    let mut path = format!("{host}/{}", reference.repository);
    while let Some((shorter, _)) = path.rsplit_once('/') {
        let shorter = shorter.to_owned();
        keys.push(std::mem::replace(&mut path, shorter));
    }
    keys.push(host.to_owned());
    keys.push(format!("https://{host}"));
    if host == DOCKER_HUB {
        keys.push("index.docker.io".to_owned());
    } else {
        keys.push(format!("https://{host}/v1/"));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, image: &str) -> Found {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, config).unwrap();
        let source = CredentialSource::Files(vec![folder.path().join("none.json"), file]);
        look_up(&source, &Reference::parse(image).unwrap(), Duration::from_secs(10))
    }

    fn account(config: &str, image: &str) -> Option<String> {
        match found(config, image).credential? {
            Credential::Password { user, password } => Some(format!("{user}:{}", password.reveal())),
            Credential::Identity(token) => Some(format!("token {}", token.reveal())),
        }
    }

    #[test]
    fn every_spelling_of_the_key_is_found() {
        let auth = |key: &str| format!(r#"{{"auths":{{"{key}":{{"auth":"dTpwOnc="}}}}}}"#);
        let wanted = Some("u:p:w".to_owned());
        assert_eq!(account(&auth("ghcr.io"), "ghcr.io/a/b"), wanted);
        assert_eq!(account(&auth("https://ghcr.io"), "ghcr.io/a/b"), wanted);
        assert_eq!(account(&auth("ghcr.io/a"), "ghcr.io/a/b"), wanted);
        assert_eq!(account(&auth("https://index.docker.io/v1/"), "ubuntu"), wanted);
        assert_eq!(account(&auth("ghcr.io/other"), "ghcr.io/a/b"), None);
        assert_eq!(account(&auth("ghcr.io"), "ghcr.io.evil.example/a"), None);
    }

    #[test]
    fn identity_tokens_are_kept_apart() {
        let config = r#"{"auths":{"x.example":{"auth":"PHRva2VuPjo=","identitytoken":"refresh"}}}"#;
        assert_eq!(account(config, "x.example/a"), Some("token refresh".to_owned()));
    }

    #[test]
    fn a_broken_store_is_a_note_and_not_a_failure() {
        assert!(found("{", "ghcr.io/a").note.contains("malformed"));
        let missing = r#"{"credHelpers":{"ghcr.io":"cudalint-no-such-helper"}}"#;
        assert!(found(missing, "ghcr.io/a").note.contains("cannot be run"));
    }
}
