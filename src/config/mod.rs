//! `cudalint.toml`: what it may say, where it is found, and errors that point into it.
//!
//! What a value means to the compatibility engine (drivers, GPUs) is decided elsewhere; such values keep their place, so
//! that [`ConfigFile::error_at`] can point at them.

mod discover;
mod error;
mod file;
mod schema;

pub use discover::{FILE_NAMES, discover};
pub use error::ConfigError;
pub use file::ConfigFile;
pub use schema::schema;

use std::collections::BTreeMap;

use crate::diagnostics::FailOn;
use crate::span::Spanned;

/// Configuration of cudalint. All keys are optional; what the command line says stands above it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(title = "cudalint.toml")]
pub struct Config {
    /// Which rules run, and when their findings make the program fail.
    pub lint: Lint,
    /// Severity per rule, by id or name: `CU301 = "warning"`, or `"off"`.
    #[schemars(schema_with = "schema::severities")]
    pub severity: Severities,
    /// Rules that leave some paths in peace.
    pub per_path: Vec<PerPathTable>,
    /// What images are meant for when the command line does not say.
    pub target: TargetTable,
    /// Named sets of drivers and GPUs, for `--fleet NAME`.
    pub fleet: BTreeMap<String, FleetTable>,
    /// How Dockerfiles are built.
    pub build: BuildTable,
    /// Baseline file, relative to this file.
    pub baseline: Option<Spanned<String>>,
    /// Files that extend or replace rows of the knowledge tables, relative to this file.
    pub data: Vec<Spanned<String>>,
}

/// `[lint]`: which rules run, and when their findings make the program fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Lint {
    /// Only these rules: ids, names, prefixes of ids (`CU3`), groups (`driver`) or `ALL`.
    pub select: Option<Vec<Spanned<String>>>,
    /// These rules as well.
    pub extend_select: Vec<Spanned<String>>,
    /// Not these rules.
    pub ignore: Vec<Spanned<String>>,
    /// Least severity that makes the program fail.
    pub fail_on: Option<FailOn>,
    /// Whether a question that could not be answered counts as a failure.
    pub strict: Option<bool>,
}

/// `[severity]`: rules and the words given for them, in order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Severities(
    /// Rule and severity, both as written.
    pub Vec<(Spanned<String>, Spanned<String>)>,
);

/// `[[per-path]]`: rules that leave some paths in peace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PerPathTable {
    /// Globs over file names relative to this file, or over paths in an image. A pattern without `/` matches a file name
    /// anywhere.
    pub paths: Vec<Spanned<String>>,
    /// Rules to ignore there, as in `[lint] ignore`.
    pub ignore: Vec<Spanned<String>>,
}

/// `[target]`: what images are meant for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TargetTable {
    /// Host drivers, as `--driver` takes them.
    pub driver: Option<Spanned<String>>,
    /// GPUs, as `--gpu` takes them.
    pub gpu: Option<Spanned<String>>,
    /// Who injects the driver.
    pub host: Option<HostName>,
    /// Platform to build and pull for (`linux/amd64`).
    pub platform: Option<Spanned<String>>,
    /// Fleet of this file that is meant when the command line names no target.
    pub fleet: Option<Spanned<String>>,
}

/// Who injects the driver into the container, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostName {
    /// The container runtime's hook (`docker run --gpus`).
    Docker,
    /// CDI: requirements are not checked.
    Cdi,
    /// GKE: the driver is mounted at /usr/local/nvidia.
    Gke,
    /// Jetson: csv mode.
    Jetson,
}

/// `[fleet.NAME]`: a named set of pools.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FleetTable {
    /// Pools of hosts that are alike.
    pub pool: Vec<Pool>,
}

/// `[[fleet.NAME.pool]]`: hosts that are alike.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pool {
    /// Name that reports use.
    pub name: Spanned<String>,
    /// Host drivers, as `--driver` takes them.
    pub driver: Spanned<String>,
    /// GPUs, each as `--gpu` takes it.
    #[serde(default)]
    pub gpus: Vec<Spanned<String>>,
}

/// `[build]`: how Dockerfiles are built.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BuildTable {
    /// Values of build arguments, as `--build-arg` gives them.
    pub args: BTreeMap<String, String>,
}

impl<'de> serde::Deserialize<'de> for Spanned<String> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Spanned::<String>::deserialize(deserializer)?;
        let span = value.span().into();
        Ok(Self::new(value.into_inner(), span))
    }
}

impl schemars::JsonSchema for Spanned<String> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "string".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

impl<'de> serde::Deserialize<'de> for Severities {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Severities;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table of rules and severities")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Severities, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Severities(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
