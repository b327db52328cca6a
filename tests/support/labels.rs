//! Labelled Dockerfiles: `fixtures/dockerfiles/LABELS.toml` says what each file must show, and what it must not.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cudalint::compat::{DriverSpec, GpuList, HostProfile, Pool, Tables, Target};
use cudalint::diagnostics::InputOutcome;
use cudalint::dockerfile::{BuildOptions, Platform};
use cudalint::engine::{Options, check_dockerfile};
use cudalint::facts::from_dockerfile::{BuildContext, ContextFile};

/// What `LABELS.toml` holds.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    pub schema: u32,
    pub gpu: BTreeMap<String, Gpu>,
    pub file: Vec<Labelled>,
}

/// A GPU that targets name.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    pub sm: String,
    pub class: String,
}

/// A labelled file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    pub name: String,
    pub clean: bool,
    pub target: TargetOf,
    #[serde(default)]
    pub may: Vec<String>,
    #[serde(default)]
    pub must_not_fire: Vec<String>,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub expect: Vec<Expect>,
}

/// What a file is checked against.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetOf {
    pub drivers: Vec<String>,
    pub gpus: Vec<String>,
    pub platform: String,
    pub host: String,
    pub build_args: BTreeMap<String, String>,
}

/// A finding that must be reported.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub rule: String,
    pub name: String,
    pub line: u32,
    pub lines: Vec<u32>,
    pub text: String,
    pub why: String,
}

/// The folder of the labelled files.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/dockerfiles")
}

/// The labels.
pub fn labels() -> Labels {
    toml::from_str(&std::fs::read_to_string(folder().join("LABELS.toml")).unwrap()).unwrap()
}

/// The bytes of a labelled file.
pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

struct NoContext;

impl BuildContext for NoContext {
    fn read(&self, _path: &str) -> ContextFile {
        ContextFile::Missing
    }
}

/// The options that a file's target stands for.
pub fn options(file: &Labelled) -> Options {
    let tables = Tables::builtin();
    let target = &file.target;
    let platform = Platform::parse(&target.platform).unwrap();
    let drivers = (!target.drivers.is_empty()).then(|| {
        let spec = DriverSpec::parse(&target.drivers.join(","), tables).unwrap();
        spec.drivers().cloned().unwrap()
    });
    let gpus = if target.gpus.is_empty() {
        Vec::default()
    } else {
        GpuList::parse(&target.gpus.join(","), tables).unwrap().0
    };
    let host = match target.host.as_str() {
        "docker" => HostProfile::Docker,
        "gke" => HostProfile::Gke,
        "jetson" => HostProfile::Jetson,
        other => panic!("{}: host `{other}`", file.name),
    };
    let pools = if drivers.is_none() && gpus.is_empty() {
        Vec::new()
    } else {
        vec![Pool { drivers, gpus, ..Pool::default() }]
    };
    let build_args = target.build_args.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Options {
        tables: Arc::new(tables.clone()),
        target: Target::new(pools, host, platform.architecture.clone()),
        build: BuildOptions { build_args, platform, ..BuildOptions::default() },
        ..super::options()
    }
}

/// Checks the text of a labelled file, which may have been edited since.
pub fn check(file: &Labelled, text: &[u8]) -> InputOutcome {
    check_dockerfile(&file.name, text, &NoContext, &options(file))
}
