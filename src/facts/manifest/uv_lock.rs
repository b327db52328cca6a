//! uv.lock: the packages that `uv sync` installs on Linux, found by walking the dependencies from the project.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use toml::de::DeTable;

use crate::span::{Span, Spanned};

use super::marker::{MarkerEnvironment, evaluate};
use super::requirement::normalize_name;
use super::toml_tree::{self, Value};
use super::{Declared, ManifestError};

/// Which parts of a project are installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UvSelection {
    /// Extras asked for (`--extra gpu`), normalised.
    pub extras: Vec<String>,
    /// `--all-extras`.
    pub all_extras: bool,
    /// Dependency groups asked for (`--group x`), normalised.
    pub groups: Vec<String>,
    /// Whether the group `dev` is installed, as it is by default.
    pub dev: bool,
    /// `--no-install-project` and its like do not matter for the dependencies; `--only-group` leaves the project's own out.
    pub only_groups: bool,
}

struct Package<'t, 'i> {
    table: &'t DeTable<'i>,
    name: String,
    version: Option<&'t str>,
    is_project: bool,
}

/// Reads the packages that the selection installs. The span is that of the pinned version.
///
/// # Errors
/// When the file is no TOML.
pub fn read_uv_lock(
    source: &str,
    selection: &UvSelection,
    environment: MarkerEnvironment<'_>,
) -> Result<Vec<Declared>, ManifestError> {
    let root = toml_tree::parse(source)?;
    let packages: Vec<Package<'_, '_>> = toml_tree::get(&root, "package")
        .map(toml_tree::tables)
        .unwrap_or_default()
        .into_iter()
        .filter_map(package)
        .collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, package) in packages.iter().enumerate() {
        by_name.entry(package.name.as_str()).or_default().push(at);
    }
    // (package, extra of it that is being installed)
    let mut queue: VecDeque<(usize, Option<String>)> = VecDeque::new();
    let mut seen: BTreeSet<(usize, Option<String>)> = BTreeSet::new();
    for (at, project) in packages.iter().enumerate().filter(|(_, package)| package.is_project) {
        let mut lists: Vec<&[Value<'_>]> = Vec::new();
        if !selection.only_groups {
            seen.insert((at, None));
            lists.push(toml_tree::array(project.table, "dependencies"));
            lists.extend(chosen(project.table, "optional-dependencies", |extra| {
                selection.all_extras || selection.extras.iter().any(|wanted| wanted == extra)
            }));
        }
        lists.extend(chosen(project.table, "dev-dependencies", |group| {
            (selection.dev && group == "dev") || selection.groups.iter().any(|wanted| wanted == group)
        }));
        for list in lists {
            enqueue(list, &packages, &by_name, environment, &mut queue);
        }
    }
    while let Some((at, extra)) = queue.pop_front() {
        if !seen.insert((at, extra.clone())) {
            continue;
        }
        let Some(package) = packages.get(at) else {
            continue;
        };
        match extra {
            None => enqueue(
                toml_tree::array(package.table, "dependencies"),
                &packages,
                &by_name,
                environment,
                &mut queue,
            ),
            Some(extra) => {
                for list in chosen(package.table, "optional-dependencies", |name| name == extra) {
                    enqueue(list, &packages, &by_name, environment, &mut queue);
                }
            }
        }
    }
    let installed: BTreeSet<usize> = seen.into_iter().map(|(at, _)| at).collect();
    Ok(installed
        .into_iter()
        .filter_map(|at| packages.get(at))
        .filter_map(|package| declared(source, package))
        .collect())
}

fn package<'t, 'i>(table: &'t DeTable<'i>) -> Option<Package<'t, 'i>> {
    let name = normalize_name(toml_tree::text(table, "name")?);
    let is_project = toml_tree::table(table, &["source"])
        .is_some_and(|from| ["editable", "virtual"].iter().any(|key| toml_tree::get(from, key).is_some()));
    Some(Package { table, name, version: toml_tree::text(table, "version"), is_project })
}

/// The lists of a table of lists whose key is chosen.
fn chosen<'t, 'i>(table: &'t DeTable<'i>, key: &str, choose: impl Fn(&str) -> bool) -> Vec<&'t [Value<'i>]> {
    let Some(lists) = toml_tree::table(table, &[key]) else {
        return Vec::new();
    };
    lists
        .iter()
        .filter(|(name, _)| choose(&normalize_name(name.get_ref())))
        .filter_map(|(_, list)| list.get_ref().as_array())
        .map(toml_tree::items)
        .collect()
}

/// Queues the packages that a list of dependencies names, unless their marker rules Linux out.
fn enqueue(
    list: &[Value<'_>],
    packages: &[Package<'_, '_>],
    by_name: &BTreeMap<&str, Vec<usize>>,
    environment: MarkerEnvironment<'_>,
    queue: &mut VecDeque<(usize, Option<String>)>,
) {
    for dependency in list.iter().filter_map(|item| item.get_ref().as_table()) {
        let Some(name) = toml_tree::text(dependency, "name").map(normalize_name) else {
            continue;
        };
        if toml_tree::text(dependency, "marker")
            .is_some_and(|marker| evaluate(marker, environment) == Some(false))
        {
            continue;
        }
        let version = toml_tree::text(dependency, "version");
        for at in by_name.get(name.as_str()).into_iter().flatten() {
            if version.is_some() && packages.get(*at).is_none_or(|package| package.version != version) {
                continue;
            }
            queue.push_back((*at, None));
            for extra in
                toml_tree::array(dependency, "extra").iter().filter_map(|extra| extra.get_ref().as_str())
            {
                queue.push_back((*at, Some(normalize_name(extra))));
            }
        }
    }
}

/// The pin of a package; `None` for the project itself and for packages without version.
fn declared(source: &str, package: &Package<'_, '_>) -> Option<Declared> {
    if package.is_project {
        return None;
    }
    let version = toml_tree::get(package.table, "version")?;
    let span: Span = toml_tree::inner(source, version.span());
    let index = toml_tree::table(package.table, &["source"])
        .and_then(|from| toml_tree::get(from, "registry"))
        .and_then(|registry| {
            let url = registry.get_ref().as_str()?.to_owned();
            Some(Spanned::new(url, toml_tree::inner(source, registry.span())))
        });
    Some(Declared { text: format!("{}=={}", package.name, version.get_ref().as_str()?), span, index })
}

#[cfg(test)]
mod tests {
    use super::super::slice;
    use super::*;

    const LOCK: &str = r#"
version = 1
[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
  { name = "torch", version = "2.6.0", source = { registry = "https://pypi.org/simple" }, marker = "sys_platform == 'darwin'" },
  { name = "torch", version = "2.6.0+cu124", source = { registry = "https://download.pytorch.org/whl/cu124" }, marker = "sys_platform != 'darwin'" },
]
[package.optional-dependencies]
serve = [{ name = "vllm" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "torch"
version = "2.6.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "torch"
version = "2.6.0+cu124"
source = { registry = "https://download.pytorch.org/whl/cu124" }
dependencies = [{ name = "nvidia-cublas-cu12", marker = "platform_system == 'Linux'" }]
[[package]]
name = "nvidia-cublas-cu12"
version = "12.4.5.8"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "torch", version = "2.6.0+cu124" }]
[[package]]
name = "vllm"
version = "0.8.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "pytest"
version = "8"
source = { registry = "https://pypi.org/simple" }
"#;

    fn read(selection: &UvSelection) -> Vec<String> {
        read_uv_lock(LOCK, selection, MarkerEnvironment::default())
            .unwrap()
            .into_iter()
            .map(|declared| declared.text)
            .collect()
    }

    #[test]
    fn only_what_linux_installs() {
        assert_eq!(read(&UvSelection::default()), ["torch==2.6.0+cu124", "nvidia-cublas-cu12==12.4.5.8"]);
        let pins = read_uv_lock(LOCK, &UvSelection::default(), MarkerEnvironment::default()).unwrap();
        assert_eq!(slice(LOCK, pins[0].span), "2.6.0+cu124");
        assert_eq!(pins[0].index.as_ref().unwrap().value, "https://download.pytorch.org/whl/cu124");
    }

    #[test]
    fn extras_and_groups_are_chosen() {
        let selection = UvSelection { extras: vec!["serve".into()], dev: true, ..UvSelection::default() };
        let pins = read(&selection);
        assert!(
            pins.contains(&"vllm==0.8.0".to_owned()) && pins.contains(&"pytest==8".to_owned()),
            "{pins:?}"
        );
        let only = UvSelection { only_groups: true, groups: vec!["dev".into()], ..UvSelection::default() };
        assert_eq!(read(&only), ["pytest==8"]);
    }
}
