//! The recorded answers of the real programs (tests/data/require_cases.toml), word for word.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

use std::collections::BTreeMap;

use cudalint::compat::Tables;
use cudalint::compat::require::{
    CsvHost, CsvOutcome, GpuFacts, HookOptions, HostFacts, Verdict, evaluate, evaluate_csv, read_environment,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    text: BTreeMap<String, String>,
    dsl: Vec<Dsl>,
    env: Vec<Env>,
    csv: Vec<Csv>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dsl {
    id: String,
    expr: Option<String>,
    exprs: Option<Vec<String>>,
    expr_text: Option<String>,
    driver: Option<String>,
    cuda: Option<String>,
    brand: Option<String>,
    arch: Option<String>,
    result: String,
    message: Option<String>,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Env {
    id: String,
    env: Vec<String>,
    accept_envvar_unprivileged: Option<bool>,
    #[serde(default)]
    privileged: bool,
    #[serde(default)]
    accept_volume_mounts: bool,
    #[serde(default)]
    config_disable_require: bool,
    swarm_resource: Option<String>,
    #[serde(default)]
    mounts: Vec<String>,
    legacy: bool,
    gpu: Option<bool>,
    devices: Option<Vec<String>>,
    capabilities: Option<String>,
    requirements: Option<Vec<String>>,
    #[serde(default)]
    panic: bool,
    message: Option<String>,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Csv {
    id: String,
    reqs: Vec<String>,
    cuda: Option<String>,
    arch: Option<String>,
    result: String,
    message: Option<String>,
    why: String,
}

fn cases() -> Cases {
    toml::from_str(include_str!("data/require_cases.toml")).unwrap()
}

#[test]
fn requirement_language_agrees_with_libnvidia_container() {
    let cases = cases();
    assert_eq!(cases.dsl.len(), 77);
    for case in &cases.dsl {
        let expressions: Vec<String> = match (&case.expr, &case.exprs, &case.expr_text) {
            (Some(one), None, None) => vec![one.clone()],
            (None, Some(several), None) => several.clone(),
            (None, None, Some(name)) => vec![cases.text[name].clone()],
            _ => panic!("{}: one of expr, exprs, expr_text", case.id),
        };
        let gpus = match (&case.brand, &case.arch) {
            (None, None) => Vec::new(),
            (brand, arch) => vec![GpuFacts { brand: brand.clone(), arch: arch.clone() }],
        };
        let host = HostFacts { driver: case.driver.clone(), cuda: case.cuda.clone(), gpus };
        let outcome = evaluate(&expressions, &host, Tables::builtin());
        let word = match outcome.verdict {
            Verdict::Satisfied => "satisfied",
            Verdict::Unsatisfied => "unsatisfied",
            Verdict::Invalid => "invalid",
        };
        assert_eq!(
            (word, outcome.message),
            (case.result.as_str(), case.message.clone()),
            "{}: {}",
            case.id,
            case.why
        );
    }
}

#[test]
fn environment_reading_agrees_with_the_hook() {
    let cases = cases();
    assert_eq!(cases.env.len(), 37);
    for case in &cases.env {
        let pairs: Vec<(&str, &str)> = case.env.iter().map(|pair| pair.split_once('=').unwrap()).collect();
        let options = HookOptions {
            accept_envvar_unprivileged: case.accept_envvar_unprivileged.unwrap_or(true),
            privileged: case.privileged,
            accept_volume_mounts: case.accept_volume_mounts,
            mounts: case.mounts.clone(),
            config_disable_require: case.config_disable_require,
            swarm_resource: case.swarm_resource.clone(),
        };
        let reading = read_environment(&pairs, &options, Tables::builtin());
        let why = format!("{}: {}", case.id, case.why);
        assert_eq!(reading.legacy, case.legacy, "{why}");
        assert_eq!(reading.panic().is_some(), case.panic, "{why}");
        assert_eq!(reading.panic().map(str::to_owned), case.message, "{why}");
        assert_eq!(reading.gpu(), case.gpu, "{why}");
        assert_eq!(reading.devices().map(|d| d.devices.clone()), case.devices, "{why}");
        assert_eq!(reading.devices().map(|d| d.capabilities.clone()), case.capabilities, "{why}");
        assert_eq!(reading.devices().map(|d| d.requirements.clone()), case.requirements, "{why}");
    }
}

#[test]
fn tegra_dialect_agrees_with_the_toolkit() {
    let cases = cases();
    assert_eq!(cases.csv.len(), 17);
    for case in &cases.csv {
        let host = CsvHost { cuda: case.cuda.clone(), arch: case.arch.clone() };
        let (word, message) = match evaluate_csv(&case.reqs, &host) {
            CsvOutcome::Satisfied => ("satisfied", None),
            CsvOutcome::Refused(message) => ("refused", Some(message)),
        };
        assert_eq!(
            (word, message),
            (case.result.as_str(), case.message.clone()),
            "{}: {}",
            case.id,
            case.why
        );
    }
}
