//! poetry.lock: the packages that `poetry install` installs on Linux.

use crate::span::Spanned;

use super::marker::{MarkerEnvironment, evaluate};
use super::requirement::normalize_name;
use super::{Declared, ManifestError, toml_tree};

/// Reads the packages of a lock file that are not optional. With `only_main`, those of other groups are left out
/// where the file tells groups apart. The span is that of the pinned version.
///
/// # Errors
/// When the file is no TOML.
pub fn read_poetry_lock(
    source: &str,
    only_main: bool,
    environment: MarkerEnvironment<'_>,
) -> Result<Vec<Declared>, ManifestError> {
    let root = toml_tree::parse(source)?;
    let mut out = Vec::new();
    for package in toml_tree::get(&root, "package").map(toml_tree::tables).unwrap_or_default() {
        let (Some(name), Some(version)) =
            (toml_tree::text(package, "name"), toml_tree::get(package, "version"))
        else {
            continue;
        };
        if toml_tree::get(package, "optional").and_then(|value| value.get_ref().as_bool()) == Some(true) {
            continue;
        }
        let groups = toml_tree::array(package, "groups");
        let is_main = match toml_tree::text(package, "category") {
            Some(category) => category == "main",
            None => groups.is_empty() || groups.iter().any(|group| group.get_ref().as_str() == Some("main")),
        };
        if only_main && !is_main {
            continue;
        }
        if toml_tree::text(package, "markers")
            .is_some_and(|marker| evaluate(marker, environment) == Some(false))
        {
            continue;
        }
        let Some(pin) = version.get_ref().as_str() else {
            continue;
        };
        let index = toml_tree::table(package, &["source"])
            .filter(|from| toml_tree::text(from, "type") == Some("legacy"))
            .and_then(|from| toml_tree::get(from, "url"))
            .and_then(|url| {
                let text = url.get_ref().as_str()?.to_owned();
                Some(Spanned::new(text, toml_tree::inner(source, url.span())))
            });
        out.push(Declared {
            text: format!("{}=={pin}", normalize_name(name)),
            span: toml_tree::inner(source, version.span()),
            index,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::slice;
    use super::*;

    const LOCK: &str = r#"
[[package]]
name = "torch"
version = "2.1.2+cu118"
optional = false
groups = ["main"]
[package.source]
type = "legacy"
url = "https://download.pytorch.org/whl/cu118"
reference = "pytorch"
[[package]]
name = "pytest"
version = "8.0"
optional = false
groups = ["dev"]
[[package]]
name = "pywin32"
version = "306"
optional = false
groups = ["main"]
markers = "sys_platform == 'win32'"
[[package]]
name = "extra-thing"
version = "1"
optional = true
groups = ["main"]
"#;

    fn read(only_main: bool) -> Vec<Declared> {
        read_poetry_lock(LOCK, only_main, MarkerEnvironment::default()).unwrap()
    }

    #[test]
    fn pins_with_their_source() {
        let all = read(false);
        let texts: Vec<&str> = all.iter().map(|declared| declared.text.as_str()).collect();
        assert_eq!(texts, ["torch==2.1.2+cu118", "pytest==8.0"]);
        assert_eq!(slice(LOCK, all[0].span), "2.1.2+cu118");
        assert_eq!(all[0].index.as_ref().unwrap().value, "https://download.pytorch.org/whl/cu118");
        assert_eq!(read(true).len(), 1);
    }
}
