//! The image config: environment, command, labels and the history of instructions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::digest::Digest;
use super::platform::Platform;

/// The part of an image config that says how a container starts and which instruction made which layer
/// (OCI image specification, config.md; Docker's fields beside it).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// Operating system and architecture as the config states them.
    pub platform: Option<Platform>,
    /// Environment in order, split at the first `=`; a name without `=` has no value.
    pub env: Vec<(String, Option<String>)>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `ENTRYPOINT` words; `None` when not set.
    pub entrypoint: Option<Vec<String>>,
    /// `CMD` words; `None` when not set.
    pub cmd: Option<Vec<String>>,
    /// `HEALTHCHECK` words with their first word `CMD`, `CMD-SHELL` or `NONE`; `None` when not set.
    pub healthcheck: Option<Vec<String>>,
    /// `USER`; empty when not set.
    pub user: String,
    /// `WORKDIR`; empty when not set.
    pub working_dir: String,
    /// `SHELL`; `None` when not set.
    pub shell: Option<Vec<String>>,
    /// Exposed ports, as keys like `8080/tcp`.
    pub exposed_ports: Vec<String>,
    /// Every build step, layers and empty ones alike, oldest first.
    pub history: Vec<HistoryEntry>,
    /// Digests of the uncompressed layers, oldest first. A malformed one is `None`.
    pub diff_ids: Vec<Option<Digest>>,
}

/// One build step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct HistoryEntry {
    /// The instruction, in the builder's own spelling (`RUN /bin/sh -c apt-get … # buildkit`).
    #[serde(deserialize_with = "null_default")]
    pub created_by: String,
    /// The builder's comment (`buildkit.dockerfile.v0`).
    #[serde(deserialize_with = "null_default")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(deserialize_with = "null_default")]
    pub empty_layer: bool,
}

pub(super) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Parses a JSON object. Serde would take an array for a struct as well, which no engine does.
pub(super) fn parse_object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, serde_json::Error> {
    match bytes.trim_ascii_start().first() {
        Some(b'{') | None => serde_json::from_slice(bytes),
        Some(_) => Err(serde::de::Error::custom("it is no JSON object")),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawConfig {
    #[serde(deserialize_with = "null_default")]
    os: String,
    #[serde(deserialize_with = "null_default")]
    architecture: String,
    variant: Option<String>,
    #[serde(deserialize_with = "null_default")]
    config: RawRuntime,
    #[serde(deserialize_with = "null_default")]
    history: Vec<HistoryEntry>,
    #[serde(deserialize_with = "null_default")]
    rootfs: RawRootFs,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct RawRuntime {
    env: Option<Vec<String>>,
    labels: Option<BTreeMap<String, Option<String>>>,
    entrypoint: Option<Words>,
    cmd: Option<Words>,
    healthcheck: Option<RawHealthcheck>,
    user: Option<String>,
    working_dir: Option<String>,
    shell: Option<Words>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct RawHealthcheck {
    test: Option<Words>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawRootFs {
    diff_ids: Option<Vec<String>>,
}

/// Words, or one word without its brackets, as old builders wrote.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Many(Vec<String>),
    One(String),
}

impl Words {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::Many(words) => words,
            Self::One(word) => vec![word],
        }
    }
}

impl ImageConfig {
    /// Reads a config; fields that are missing or `null` are as good as not set.
    ///
    /// # Errors
    /// When the bytes are no JSON object, or a field has another type than the specification gives it.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let raw: RawConfig = parse_object(bytes)?;
        let runtime = raw.config;
        let platform = (!raw.os.is_empty() && !raw.architecture.is_empty()).then(|| Platform {
            os: raw.os,
            arch: raw.architecture,
            variant: raw.variant.filter(|variant| !variant.is_empty()),
        });
        let pair = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text, None),
        };
        Ok(Self {
            platform,
            env: runtime.env.unwrap_or_default().into_iter().map(pair).collect(),
            labels: runtime
                .labels
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, value.unwrap_or_default()))
                .collect(),
            entrypoint: runtime.entrypoint.map(Words::into_vec),
            cmd: runtime.cmd.map(Words::into_vec),
            healthcheck: runtime.healthcheck.and_then(|check| check.test).map(Words::into_vec),
            user: runtime.user.unwrap_or_default(),
            working_dir: runtime.working_dir.unwrap_or_default(),
            shell: runtime.shell.map(Words::into_vec),
            exposed_ports: runtime.exposed_ports.unwrap_or_default().into_keys().collect(),
            history: raw.history,
            diff_ids: raw
                .rootfs
                .diff_ids
                .unwrap_or_default()
                .iter()
                .map(|id| Digest::parse(id).ok())
                .collect(),
        })
    }

    /// The value of an environment variable; the last entry counts, as in the container runtime.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref())
    }

    /// The instruction that made each of `layers` layers.
    ///
    /// The history steps that are not `empty_layer` belong to the layers in order. Where the counts differ, nothing
    /// is known for certain, so no layer gets one: a wrong instruction is worse than none.
    #[must_use]
    pub fn created_by(&self, layers: usize) -> Vec<Option<String>> {
        let steps: Vec<&HistoryEntry> = self.history.iter().filter(|step| !step.empty_layer).collect();
        if steps.len() != layers {
            return vec![None; layers];
        }
        steps
            .iter()
            .map(|step| {
                let text = if step.created_by.is_empty() { &step.comment } else { &step.created_by };
                (!text.is_empty()).then(|| text.clone())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_config_is_read() {
        let config = ImageConfig::parse(
            br#"{"os":"linux","architecture":"arm64","variant":"v8","config":{"Env":["PATH=/bin","A=b=c","BARE","A=2"],
            "Labels":{"k":"v","n":null},"Entrypoint":["/e"],"Cmd":"run","User":"1000","WorkingDir":"/w",
            "Healthcheck":{"Test":["CMD-SHELL","nvidia-smi"]},"ExposedPorts":{"80/tcp":{}}},
            "history":[{"created_by":"ADD rootfs"},{"created_by":"ENV A=1","empty_layer":true},{"created_by":"RUN x"}],
            "rootfs":{"type":"layers","diff_ids":["sha256:zz"]}}"#,
        )
        .unwrap();
        assert_eq!(config.platform.as_ref().unwrap().to_string(), "linux/arm64/v8");
        assert_eq!(config.env_value("A"), Some("2"));
        assert_eq!(config.env.get(2), Some(&("BARE".to_owned(), None)));
        assert_eq!(config.cmd, Some(vec!["run".to_owned()]));
        assert_eq!(config.healthcheck.as_ref().unwrap()[1], "nvidia-smi");
        assert_eq!(config.diff_ids, [None]);
        assert_eq!(config.created_by(2), [Some("ADD rootfs".to_owned()), Some("RUN x".to_owned())]);
    }

    #[test]
    fn history_that_does_not_fit_names_no_layer() {
        let config = ImageConfig::parse(br#"{"history":[{"created_by":"ADD rootfs"}]}"#).unwrap();
        assert_eq!(config.created_by(2), [None, None]);
        assert_eq!(ImageConfig::parse(b"{}").unwrap().created_by(1), [None]);
    }

    #[test]
    fn nulls_are_as_good_as_nothing() {
        let text = br#"{"os":null,"config":null,"history":null,"rootfs":{"diff_ids":null}}"#;
        assert_eq!(ImageConfig::parse(text).unwrap(), ImageConfig::default());
        assert!(ImageConfig::parse(b"[]").is_err());
        assert!(ImageConfig::parse(b"{\"config\":{\"Env\":7}}").is_err());
    }
}
