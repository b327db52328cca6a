//! pixi.toml, and `[tool.pixi]` of pyproject.toml.

use toml::de::{DeTable, DeValue};

use crate::span::Span;

use super::toml_tree::{self, Value};
use super::{CondaSpec, Declared, ManifestError};

/// What a pixi manifest declares for its default environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PixiManifest {
    /// Channels in order.
    pub channels: Vec<String>,
    /// Conda packages.
    pub conda: Vec<CondaSpec>,
    /// Packages from PyPI.
    pub pypi: Vec<Declared>,
    /// `[system-requirements] cuda`: the CUDA version that the solver takes as present, as CONDA_OVERRIDE_CUDA does.
    pub cuda: Option<String>,
}

/// Reads a pixi.toml.
///
/// # Errors
/// When it is no TOML.
pub fn read_pixi(source: &str) -> Result<PixiManifest, ManifestError> {
    let root = toml_tree::parse(source)?;
    Ok(pixi_of_table(source, &root))
}

/// Reads the tables of a pixi manifest.
pub(super) fn pixi_of_table(source: &str, root: &DeTable<'_>) -> PixiManifest {
    let mut manifest = PixiManifest::default();
    for name in ["workspace", "project"] {
        if let Some(table) = toml_tree::table(root, &[name]) {
            let channels =
                toml_tree::array(table, "channels").iter().filter_map(|channel| match channel.get_ref() {
                    DeValue::String(text) => Some(text.as_ref().to_owned()),
                    DeValue::Table(table) => toml_tree::text(table, "channel").map(str::to_owned),
                    _ => None,
                });
            manifest.channels.extend(channels);
        }
    }
    let linux = ["linux-64", "linux"].map(|platform| toml_tree::table(root, &["target", platform]));
    for table in std::iter::once(Some(root)).chain(linux).flatten() {
        if let Some(dependencies) = toml_tree::table(table, &["dependencies"]) {
            let specs = dependencies.iter().map(|(name, value)| conda_spec(source, name.get_ref(), value));
            manifest.conda.extend(specs);
        }
        if let Some(dependencies) = toml_tree::table(table, &["pypi-dependencies"]) {
            let declared = dependencies.iter().map(|(name, value)| pypi(source, name.get_ref(), value));
            manifest.pypi.extend(declared);
        }
    }
    if let Some(requirements) = toml_tree::table(root, &["system-requirements"]) {
        manifest.cuda = toml_tree::text(requirements, "cuda").map(str::to_owned);
    }
    manifest
}

fn conda_spec(source: &str, name: &str, value: &Value<'_>) -> CondaSpec {
    let keep = |text: &str| (!text.is_empty() && text != "*").then(|| text.to_owned());
    let mut spec = CondaSpec {
        name: name.to_ascii_lowercase(),
        version: None,
        build: None,
        channel: None,
        explicit: false,
        span: toml_tree::inner(source, value.span()),
    };
    match value.get_ref() {
        DeValue::String(version) => spec.version = keep(version.trim().trim_start_matches("==")),
        DeValue::Table(table) => {
            spec.version =
                toml_tree::text(table, "version").and_then(|version| keep(version.trim_start_matches("==")));
            spec.build = toml_tree::text(table, "build").and_then(keep);
            spec.channel = toml_tree::text(table, "channel").map(str::to_owned);
        }
        _ => {}
    }
    spec
}

fn pypi(source: &str, name: &str, value: &Value<'_>) -> Declared {
    let span: Span = toml_tree::inner(source, value.span());
    let (extras, bounds, index) = match value.get_ref() {
        DeValue::String(version) => (String::new(), bounds(version), None),
        DeValue::Table(table) => {
            let extras: Vec<&str> = toml_tree::array(table, "extras")
                .iter()
                .filter_map(|extra| extra.get_ref().as_str())
                .collect();
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            let target = ["git", "url", "path"].iter().find_map(|key| {
                let target = toml_tree::text(table, key)?;
                Some(if *key == "git" { format!(" @ git+{target}") } else { format!(" @ {target}") })
            });
            let bounds =
                target.unwrap_or_else(|| bounds(toml_tree::text(table, "version").unwrap_or_default()));
            let index = toml_tree::get(table, "index").and_then(|index| {
                let url = index.get_ref().as_str()?.to_owned();
                Some(crate::span::Spanned::new(url, toml_tree::inner(source, index.span())))
            });
            (extras, bounds, index)
        }
        _ => (String::new(), String::new(), None),
    };
    Declared { text: format!("{name}{extras}{bounds}"), span, index }
}

fn bounds(version: &str) -> String {
    let version = version.trim();
    if version.is_empty() || version == "*" {
        String::new()
    } else if version.starts_with(|c: char| c.is_ascii_digit()) {
        format!("=={version}")
    } else {
        version.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::slice;
    use super::*;

    #[test]
    fn default_environment() {
        let text = r#"
[workspace]
channels = ["conda-forge", { channel = "nvidia", priority = 1 }]
platforms = ["linux-64"]
[dependencies]
pytorch-gpu = "*"
cuda-version = "12.4.*"
faiss = { version = "==1.8.0", build = "*cuda*" }
[target.linux-64.dependencies]
cuda-nvcc = ">=12"
[target.osx-arm64.dependencies]
metal = "*"
[pypi-dependencies]
vllm = "==0.6.3"
torch = { version = ">=2.5", index = "https://download.pytorch.org/whl/cu124" }
[system-requirements]
cuda = "12"
"#;
        let manifest = read_pixi(text).unwrap();
        assert_eq!(manifest.channels, ["conda-forge", "nvidia"]);
        let mut names: Vec<&str> = manifest.conda.iter().map(|spec| spec.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["cuda-nvcc", "cuda-version", "faiss", "pytorch-gpu"]);
        let faiss = manifest.conda.iter().find(|spec| spec.name == "faiss").unwrap();
        assert_eq!((faiss.version.as_deref(), faiss.build.as_deref()), (Some("1.8.0"), Some("*cuda*")));
        let version = manifest.conda.iter().find(|spec| spec.name == "cuda-version").unwrap();
        assert_eq!(slice(text, version.span), "12.4.*");
        assert_eq!(manifest.cuda.as_deref(), Some("12"));
        let mut pypi: Vec<&str> = manifest.pypi.iter().map(|declared| declared.text.as_str()).collect();
        pypi.sort_unstable();
        assert_eq!(pypi, ["torch>=2.5", "vllm==0.6.3"]);
    }
}
