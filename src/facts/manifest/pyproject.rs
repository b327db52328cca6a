//! pyproject.toml: dependencies of the project, of uv, poetry and pixi, and the indexes they are tied to.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::span::Spanned;

use super::pixi::{PixiManifest, pixi_of_table};
use super::requirement::normalize_name;
use super::toml_tree::{self, Value};
use super::{Declared, IndexRole, ManifestError};

/// What a pyproject.toml declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PyProject {
    /// Name of the project, normalised.
    pub name: Option<String>,
    /// `[project] dependencies`, or poetry's main dependencies where there is no such table.
    pub dependencies: Vec<Declared>,
    /// Optional dependencies by extra.
    pub extras: BTreeMap<String, Vec<Declared>>,
    /// Dependency groups (PEP 735, and poetry's) by name.
    pub groups: BTreeMap<String, Vec<Declared>>,
    /// Indexes that apply to every dependency.
    pub indexes: Vec<(IndexRole, Spanned<String>)>,
    /// `[tool.uv.pip] torch-backend`.
    pub torch_backend: Option<Spanned<String>>,
    /// `[tool.pixi]`.
    pub pixi: Option<PixiManifest>,
}

/// Named index URLs with their places.
type Indexes = BTreeMap<String, Spanned<String>>;

/// Reads a pyproject.toml.
///
/// # Errors
/// When it is no TOML.
pub fn read_pyproject(source: &str) -> Result<PyProject, ManifestError> {
    let root = toml_tree::parse(source)?;
    let mut project = PyProject::default();
    let mut named = Indexes::new();
    let uv = toml_tree::table(&root, &["tool", "uv"]);
    if let Some(uv) = uv {
        read_uv_indexes(source, uv, &mut project, &mut named);
    }
    let poetry = toml_tree::table(&root, &["tool", "poetry"]);
    if let Some(sources) = poetry.and_then(|poetry| toml_tree::get(poetry, "source")) {
        read_poetry_sources(source, sources, &mut project, &mut named);
    }
    let tied = uv.map(|uv| uv_sources(uv, &named)).unwrap_or_default();
    if let Some(table) = toml_tree::table(&root, &["project"]) {
        project.name = toml_tree::text(table, "name").map(normalize_name);
        project.dependencies = requirement_list(source, toml_tree::array(table, "dependencies"), &tied);
        if let Some(optional) = toml_tree::table(table, &["optional-dependencies"]) {
            for (extra, list) in optional.iter() {
                let list = list.get_ref().as_array().map_or(&[][..], toml_tree::items);
                project.extras.insert(normalize_name(extra.get_ref()), requirement_list(source, list, &tied));
            }
        }
    }
    if let Some(groups) = toml_tree::table(&root, &["dependency-groups"]) {
        for (group, list) in groups.iter() {
            let list = list.get_ref().as_array().map_or(&[][..], toml_tree::items);
            project.groups.insert(normalize_name(group.get_ref()), requirement_list(source, list, &tied));
        }
    }
    if let Some(poetry) = poetry {
        read_poetry(source, poetry, &named, &mut project);
    }
    project.pixi = toml_tree::table(&root, &["tool", "pixi"]).map(|table| pixi_of_table(source, table));
    Ok(project)
}

fn spanned_text(source: &str, value: &Value<'_>) -> Option<Spanned<String>> {
    let text = value.get_ref().as_str()?;
    Some(Spanned::new(text.to_owned(), toml_tree::inner(source, value.span())))
}

/// `[[tool.uv.index]]`, and the older `index-url`, `extra-index-url`, `find-links`.
fn read_uv_indexes(source: &str, uv: &DeTable<'_>, project: &mut PyProject, named: &mut Indexes) {
    for index in toml_tree::get(uv, "index").map(toml_tree::tables).unwrap_or_default() {
        let Some(url) = toml_tree::get(index, "url").and_then(|url| spanned_text(source, url)) else {
            continue;
        };
        let flag = |key| toml_tree::get(index, key).and_then(|value| value.get_ref().as_bool()) == Some(true);
        if !flag("explicit") {
            let role = if flag("default") { IndexRole::Primary } else { IndexRole::Extra };
            project.indexes.push((role, url.clone()));
        }
        if let Some(name) = toml_tree::text(index, "name") {
            named.insert(name.to_owned(), url);
        }
    }
    let tables = [Some(uv), toml_tree::table(uv, &["pip"])];
    for table in tables.into_iter().flatten() {
        if let Some(url) = toml_tree::get(table, "index-url").and_then(|url| spanned_text(source, url)) {
            project.indexes.push((IndexRole::Primary, url));
        }
        for (key, role) in [("extra-index-url", IndexRole::Extra), ("find-links", IndexRole::FindLinks)] {
            let urls = toml_tree::array(table, key).iter().filter_map(|url| spanned_text(source, url));
            project.indexes.extend(urls.map(|url| (role, url)));
        }
        if let Some(backend) = toml_tree::get(table, "torch-backend") {
            project.torch_backend = spanned_text(source, backend);
        }
    }
}

/// `[[tool.poetry.source]]`: an explicit source serves only the packages that name it.
fn read_poetry_sources(source: &str, sources: &Value<'_>, project: &mut PyProject, named: &mut Indexes) {
    for table in toml_tree::tables(sources) {
        let Some(url) = toml_tree::get(table, "url").and_then(|url| spanned_text(source, url)) else {
            continue;
        };
        match toml_tree::text(table, "priority") {
            Some("explicit") => {}
            Some("primary" | "default") => project.indexes.push((IndexRole::Primary, url.clone())),
            _ => project.indexes.push((IndexRole::Extra, url.clone())),
        }
        if let Some(name) = toml_tree::text(table, "name") {
            named.insert(name.to_owned(), url);
        }
    }
}

/// What `[tool.uv.sources]` ties a package to.
#[derive(Debug, Clone, Default)]
struct Tie {
    /// Its index, where it is the only one.
    index: Option<Spanned<String>>,
    /// A Git repository, path or URL in place of any index.
    url: Option<String>,
    /// Several sources chosen by marker or extra: which one applies is not known.
    ambiguous: bool,
}

fn uv_sources(uv: &DeTable<'_>, named: &Indexes) -> BTreeMap<String, Tie> {
    let mut ties = BTreeMap::new();
    for (name, value) in toml_tree::table(uv, &["sources"]).into_iter().flat_map(|sources| sources.iter()) {
        let linux = super::MarkerEnvironment::default();
        let entries: Vec<&DeTable<'_>> = toml_tree::tables(value)
            .into_iter()
            .filter(|entry| {
                toml_tree::text(entry, "marker")
                    .is_none_or(|marker| super::evaluate(marker, linux) != Some(false))
            })
            .collect();
        let tie = match entries.as_slice() {
            [] => continue,
            [entry] => Tie {
                index: toml_tree::text(entry, "index").and_then(|index| named.get(index)).cloned(),
                url: ["git", "url", "path"].iter().find_map(|key| {
                    let target = toml_tree::text(entry, key)?;
                    Some(if *key == "git" { format!("git+{target}") } else { target.to_owned() })
                }),
                ambiguous: toml_tree::get(entry, "extra").is_some()
                    || toml_tree::get(entry, "group").is_some(),
            },
            _ => Tie { ambiguous: true, ..Tie::default() },
        };
        ties.insert(normalize_name(name.get_ref()), tie);
    }
    ties
}

/// A list of PEP 508 requirements.
fn requirement_list(source: &str, list: &[Value<'_>], ties: &BTreeMap<String, Tie>) -> Vec<Declared> {
    let mut out = Vec::new();
    for item in list {
        let Some(Spanned { value: text, span }) = spanned_text(source, item) else {
            continue;
        };
        let name = super::parse_requirement(&text).map(|requirement| requirement.name);
        let tie = name.as_ref().and_then(|name| ties.get(name));
        let declared = match (tie, name) {
            (Some(Tie { url: Some(url), .. }), Some(name)) => {
                Declared { text: format!("{name} @ {url}"), span, index: None }
            }
            (Some(Tie { ambiguous: true, .. }), _) => {
                Declared { text, span, index: Some(Spanned::new("$".to_owned(), span)) }
            }
            (Some(tie), _) => Declared { text, span, index: tie.index.clone() },
            (None, _) => Declared { text, span, index: None },
        };
        out.push(declared);
    }
    out
}

/// `[tool.poetry]`: main dependencies, extras are ignored (their packages are optional), groups.
fn read_poetry(source: &str, poetry: &DeTable<'_>, named: &Indexes, project: &mut PyProject) {
    if project.name.is_none() {
        project.name = toml_tree::text(poetry, "name").map(normalize_name);
    }
    if let Some(table) = toml_tree::table(poetry, &["dependencies"]) {
        let main = poetry_dependencies(source, table, named);
        if project.dependencies.is_empty() {
            project.dependencies = main;
        } else {
            // Beside [project], poetry's table only says where the same packages come from.
            for declared in &mut project.dependencies {
                let name = super::parse_requirement(&declared.text).map(|requirement| requirement.name);
                let same = main.iter().find(|other| {
                    super::parse_requirement(&other.text).map(|requirement| requirement.name) == name
                });
                if let Some(other) = same
                    && declared.index.is_none()
                {
                    declared.index.clone_from(&other.index);
                }
            }
        }
    }
    if let Some(table) = toml_tree::table(poetry, &["dev-dependencies"]) {
        project.groups.insert("dev".to_owned(), poetry_dependencies(source, table, named));
    }
    for (group, value) in toml_tree::table(poetry, &["group"]).into_iter().flat_map(|groups| groups.iter()) {
        let Some(table) =
            value.get_ref().as_table().and_then(|table| toml_tree::table(table, &["dependencies"]))
        else {
            continue;
        };
        project
            .groups
            .entry(normalize_name(group.get_ref()))
            .or_default()
            .extend(poetry_dependencies(source, table, named));
    }
}

fn poetry_dependencies(source: &str, table: &DeTable<'_>, named: &Indexes) -> Vec<Declared> {
    let mut out = Vec::new();
    for (name, value) in table.iter() {
        let name = name.get_ref().as_ref();
        if name == "python" {
            continue;
        }
        let span = toml_tree::inner(source, value.span());
        match value.get_ref() {
            DeValue::String(constraint) => {
                out.push(Declared {
                    text: format!("{name}{}", poetry_bounds(constraint)),
                    span,
                    index: None,
                });
            }
            DeValue::Table(entry) => out.extend(poetry_entry(source, name, entry, span, named)),
            DeValue::Array(entries) => {
                for entry in entries
                    .iter()
                    .filter_map(|entry| entry.get_ref().as_table().map(|table| (table, entry.span())))
                {
                    out.extend(poetry_entry(source, name, entry.0, entry.1.into(), named));
                }
            }
            _ => {}
        }
    }
    out
}

fn poetry_entry(
    source: &str,
    name: &str,
    entry: &DeTable<'_>,
    span: crate::span::Span,
    named: &Indexes,
) -> Option<Declared> {
    if toml_tree::get(entry, "optional").and_then(|value| value.get_ref().as_bool()) == Some(true) {
        return None;
    }
    let extras: Vec<&str> =
        toml_tree::array(entry, "extras").iter().filter_map(|extra| extra.get_ref().as_str()).collect();
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    let version = toml_tree::get(entry, "version");
    let span = version.map_or(span, |version| toml_tree::inner(source, version.span()));
    let target = ["git", "url", "path"].iter().find_map(|key| {
        let target = toml_tree::text(entry, key)?;
        Some(if *key == "git" { format!(" @ git+{target}") } else { format!(" @ {target}") })
    });
    let bounds =
        target.unwrap_or_else(|| poetry_bounds(toml_tree::text(entry, "version").unwrap_or_default()));
    let mut markers = toml_tree::text(entry, "markers").map(str::to_owned).into_iter().collect::<Vec<_>>();
    if let Some(platform) = toml_tree::text(entry, "platform") {
        markers.push(format!("sys_platform == '{platform}'"));
    }
    let marker = if markers.is_empty() { String::new() } else { format!(" ; ({})", markers.join(") and (")) };
    Some(Declared {
        text: format!("{name}{extras}{bounds}{marker}"),
        span,
        index: toml_tree::text(entry, "source").and_then(|index| named.get(index)).cloned(),
    })
}

/// Poetry's constraint as PEP 440 bounds: `^2.1` is `>=2.1,<3`, `~2.1` is `>=2.1,<2.2`, a bare version is a pin.
/// A union (`||`) has no such form and stays an unknown bound.
pub(in crate::facts) fn poetry_bounds(constraint: &str) -> String {
    let constraint = constraint.trim();
    if constraint.is_empty() || constraint == "*" {
        return String::new();
    }
    if constraint.contains('|') {
        return "==$".to_owned();
    }
    let parts: Vec<String> = constraint.split(',').map(|part| poetry_bound(part.trim())).collect();
    parts.join(",")
}

fn poetry_bound(bound: &str) -> String {
    let upper = |version: &str, keep: usize| -> Option<String> {
        let mut numbers: Vec<u64> = version.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        numbers.truncate(keep);
        let last = numbers.last_mut()?;
        *last = last.checked_add(1)?;
        Some(numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join("."))
    };
    if let Some(version) = bound.strip_prefix('^') {
        let first_set = version.split('.').position(|part| part != "0");
        return match upper(version, first_set.unwrap_or(0) + 1) {
            Some(upper) => format!(">={version},<{upper}"),
            None => "==$".to_owned(),
        };
    }
    if let Some(version) = bound.strip_prefix('~').filter(|version| !version.starts_with('=')) {
        return match upper(version, 2) {
            Some(upper) => format!(">={version},<{upper}"),
            None => "==$".to_owned(),
        };
    }
    if bound.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("=={bound}");
    }
    if let Some(version) = bound.strip_prefix('=').filter(|version| !version.starts_with('=')) {
        return format!("=={version}");
    }
    bound.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::slice;
    use super::*;

    fn texts(list: &[Declared]) -> Vec<&str> {
        list.iter().map(|declared| declared.text.as_str()).collect()
    }

    const UV: &str = r#"
[project]
name = "My.App"
dependencies = ["torch==2.6.0", "numpy"]
[project.optional-dependencies]
gpu = ["onnxruntime-gpu>=1.20"]
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
[tool.uv.sources]
torch = [
  { index = "pytorch-cu124", marker = "sys_platform == 'linux'" },
  { index = "cpu", marker = "sys_platform == 'darwin'" },
]
numpy = { git = "https://x.example/numpy" }
[[tool.uv.index]]
name = "pytorch-cu124"
url = "https://download.pytorch.org/whl/cu124"
explicit = true
[[tool.uv.index]]
name = "cpu"
url = "https://download.pytorch.org/whl/cpu"
explicit = true
[[tool.uv.index]]
url = "https://mirror.example/simple"
default = true
"#;

    #[test]
    fn project_tables_and_uv_sources() {
        let project = read_pyproject(UV).unwrap();
        assert_eq!(project.name.as_deref(), Some("my-app"));
        assert_eq!(texts(&project.dependencies), ["torch==2.6.0", "numpy @ git+https://x.example/numpy"]);
        let torch = &project.dependencies[0];
        assert_eq!(slice(UV, torch.span), "torch==2.6.0");
        let index = torch.index.as_ref().unwrap();
        assert_eq!(index.value, "https://download.pytorch.org/whl/cu124");
        assert_eq!(slice(UV, index.span), index.value);
        assert_eq!(texts(&project.extras["gpu"]), ["onnxruntime-gpu>=1.20"]);
        assert_eq!(texts(&project.groups["dev"]), ["pytest"]);
        assert_eq!(project.indexes.len(), 1);
        assert_eq!(project.indexes[0].0, IndexRole::Primary);
    }

    #[test]
    fn sources_chosen_by_extra_are_unknown() {
        let text = "[project]\nname='x'\ndependencies=['torch']\n[tool.uv.sources]\ntorch=[{index='a',extra='cpu'},{index='b',extra='cu'}]\n[[tool.uv.index]]\nname='a'\nurl='https://a.example/whl/cpu'\nexplicit=true\n";
        let project = read_pyproject(text).unwrap();
        assert_eq!(project.dependencies[0].index.as_ref().unwrap().value, "$");
    }

    #[test]
    fn poetry_dependencies_become_pep_508() {
        let text = r#"
[tool.poetry]
name = "app"
[tool.poetry.dependencies]
python = "^3.10"
torch = { version = "2.1.0", source = "pytorch", extras = ["opt"], markers = "sys_platform == 'linux'" }
vllm = "^0.6.3"
jax = "~0.4"
scipy = "*"
optional = { version = "1", optional = true }
detectron2 = { git = "https://github.com/facebookresearch/detectron2.git" }
[tool.poetry.group.dev.dependencies]
pytest = ">=7"
[[tool.poetry.source]]
name = "pytorch"
url = "https://download.pytorch.org/whl/cu118"
priority = "explicit"
"#;
        let project = read_pyproject(text).unwrap();
        let mut texts = texts(&project.dependencies);
        texts.sort_unstable();
        assert_eq!(
            texts,
            [
                "detectron2 @ git+https://github.com/facebookresearch/detectron2.git",
                "jax>=0.4,<0.5",
                "scipy",
                "torch[opt]==2.1.0 ; (sys_platform == 'linux')",
                "vllm>=0.6.3,<0.7",
            ]
        );
        let torch = project.dependencies.iter().find(|declared| declared.text.starts_with("torch")).unwrap();
        assert_eq!(torch.index.as_ref().unwrap().value, "https://download.pytorch.org/whl/cu118");
        assert_eq!(slice(text, torch.span), "2.1.0");
        assert_eq!(project.groups["dev"][0].text, "pytest>=7");
        assert!(project.indexes.is_empty());
    }

    #[test]
    fn broken_toml_says_where() {
        let error = read_pyproject("[project\nname = 1").unwrap_err();
        assert!(!error.message.is_empty());
        assert!(error.span.end <= 18);
    }

    #[test]
    fn unexpected_types_are_ignored() {
        let project = read_pyproject("project = 3\ntool = []\ndependency-groups = 1.5\n").unwrap();
        assert_eq!(project, PyProject::default());
    }
}
