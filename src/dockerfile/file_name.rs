//! Which file names are Dockerfiles.

/// Endings that make a file another kind: templates, scripts, documents, leftovers of editors and merges.
const OTHER_KINDS: [&str; 50] = [
    "j2",
    "jinja",
    "jinja2",
    "tmpl",
    "tpl",
    "template",
    "in",
    "erb",
    "mustache",
    "hbs",
    "m4",
    "dockerignore",
    "containerignore",
    "py",
    "pyc",
    "ipynb",
    "sh",
    "bash",
    "ps1",
    "bat",
    "rb",
    "go",
    "rs",
    "js",
    "ts",
    "java",
    "php",
    "lua",
    "vim",
    "nix",
    "md",
    "rst",
    "txt",
    "adoc",
    "html",
    "json",
    "yml",
    "yaml",
    "toml",
    "xml",
    "lock",
    "log",
    "bak",
    "orig",
    "rej",
    "swp",
    "tmp",
    "patch",
    "diff",
    "sig",
];

/// The names of Dockerfiles as a regular expression in Python's syntax, searched for in a path with `/`: for
/// `files:` of pre-commit. [`is_dockerfile_name`] says the same of a name; a test holds them together.
pub const DOCKERFILE_PATTERN: &str = r"(?i)(^|/)([^/]+\.)?(docker|container)file((?![^/]*\.(j2|jinja|jinja2|tmpl|tpl|template|in|erb|mustache|hbs|m4|dockerignore|containerignore|py|pyc|ipynb|sh|bash|ps1|bat|rb|go|rs|js|ts|java|php|lua|vim|nix|md|rst|txt|adoc|html|json|yml|yaml|toml|xml|lock|log|bak|orig|rej|swp|tmp|patch|diff|sig)$)[._-][^/]+)?$";

/// Whether a file of this name (without folders) is taken for a Dockerfile: `Dockerfile` or `Containerfile` in any
/// letter case, alone, behind `something.`, or before `.something`, `-something` or `_something`, unless the ending
/// says that it is a template, script or document.
#[must_use]
pub fn is_dockerfile_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_rest = |rest: &str| {
        let other = rest.rsplit_once('.').is_some_and(|(_, ending)| OTHER_KINDS.contains(&ending));
        rest.is_empty() || (rest.starts_with(['.', '_', '-']) && rest.len() > 1 && !other)
    };
    ["dockerfile", "containerfile"].iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            let before = lower.get(..at).unwrap_or_default();
            let begins = before.is_empty() || (before.len() > 1 && before.ends_with('.'));
            begins && is_rest(lower.get(at + word.len()..).unwrap_or_default())
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern() -> fancy_regex::Regex {
        fancy_regex::Regex::new(DOCKERFILE_PATTERN).unwrap()
    }

    #[test]
    fn the_names_that_people_use() {
        let pattern = pattern();
        for name in [
            "Dockerfile",
            "dockerfile",
            "DockerFile",
            "Containerfile",
            "Dockerfile.gpu",
            "gpu.Dockerfile",
            "x.Containerfile",
            "Dockerfile-gpu",
            "Dockerfile_cuda",
            "gpu.dockerfile",
            "rust-gpu.dockerfile",
            "Dockerfile.cuda-12.4",
            "Dockerfile.ubuntu22.04",
            "Dockerfile-py",
            "Dockerfile.gpu.dev",
        ] {
            assert!(is_dockerfile_name(name), "{name}");
            assert!(pattern.is_match(&format!("a/b/{name}")).unwrap(), "{name}");
        }
        for name in [
            "Dockerfile.j2",
            "Dockerfile.py",
            ".dockerignore",
            "Dockerfile.dockerignore",
            "gpu.Dockerfile.dockerignore",
            "Dockerfile.gpu.tmpl",
            "Dockerfile.in",
            "Dockerfile~",
            "Dockerfile.",
            "dockerfiles",
            "mydockerfile",
            "Dockerfile_spec.rb",
            "docker-compose.yml",
            ".dockerfile",
            "README.md",
        ] {
            assert!(!is_dockerfile_name(name), "{name}");
            assert!(!pattern.is_match(name).unwrap(), "{name}");
        }
    }

    #[test]
    fn the_pattern_holds_the_same_endings() {
        assert!(DOCKERFILE_PATTERN.contains(&format!("({})$", OTHER_KINDS.join("|"))));
    }

    proptest! {
        #[test]
        fn function_and_pattern_agree(
            parts in proptest::collection::vec(
                prop_oneof!["[a-z0-9]{0,3}", Just("Dockerfile".to_owned()), Just("containerfile".to_owned()),
                    Just(".".to_owned()), Just("-".to_owned()), Just("_".to_owned()), Just("py".to_owned()),
                    Just("j2".to_owned())],
                0..7,
            )
        ) {
            let name = parts.concat();
            prop_assert_eq!(is_dockerfile_name(&name), pattern().is_match(&name).unwrap(), "{}", name);
        }
    }
}
