//! Whether a path can hold compiled code, by its name alone.

/// Endings of text, of data and of keys.
const DATA: &[&str] = &[
    "asc",
    "c",
    "cer",
    "cfg",
    "conf",
    "cpp",
    "crt",
    "css",
    "csv",
    "cu",
    "cuh",
    "env",
    "gif",
    "gpg",
    "h",
    "hpp",
    "html",
    "ico",
    "ini",
    "ipynb",
    "jpg",
    "js",
    "json",
    "key",
    "list",
    "lock",
    "log",
    "md",
    "npy",
    "onnx",
    "patch",
    "pem",
    "png",
    "proto",
    "pt",
    "pth",
    "pub",
    "py",
    "pyi",
    "repo",
    "rst",
    "safetensors",
    "service",
    "sh",
    "sources",
    "sql",
    "svg",
    "toml",
    "ts",
    "txt",
    "xml",
    "yaml",
    "yml",
];
/// Files without an ending that are text, in capitals.
const TEXTS: &[&str] = &[
    "AUTHORS",
    "CHANGELOG",
    "CHANGES",
    "CONTRIBUTORS",
    "COPYING",
    "COPYRIGHT",
    "DOCKERFILE",
    "LICENCE",
    "LICENSE",
    "LICENSES",
    "MAKEFILE",
    "NOTICE",
    "README",
    "VERSION",
];
/// Folders of text, as the last part of a path.
const FOLDERS: &[&str] = &["doc", "docs", "include", "licenses", "man", "sources.list.d", "keyrings"];

/// Whether compiled code can lie at a path: not one of the usual kinds of text and data. A folder or a name that says
/// nothing can.
#[must_use]
pub fn may_be_code(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let file = path.rsplit('/').next().unwrap_or(path);
    if path.starts_with("/etc/") || path == "/etc" || FOLDERS.contains(&file) {
        return false;
    }
    let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    let ending = ending.to_ascii_lowercase();
    let stem = stem.trim_end_matches(['*', '?', '.']).to_ascii_uppercase();
    // `libfoo.so.12` and `app-1.2` end in digits, so that nothing in the lists is theirs.
    !(DATA.contains(&ending.as_str()) || (ending.is_empty() && TEXTS.contains(&stem.as_str())))
}

#[cfg(test)]
mod tests {
    use super::may_be_code;

    #[test]
    fn text_and_data_are_no_code() {
        for path in [
            "/etc/apt/sources.list.d/cuda-ubuntu2204-x86_64.list",
            "/usr/share/keyrings/cuda-archive-keyring.gpg",
            "/report.xml",
            "/src/LICENSE",
            "/src/NOTICE.txt",
            "/src/README*",
            "/gen/*.py",
            "/entrypoint.sh",
            "/src/docs/",
        ] {
            assert!(!may_be_code(path), "{path}");
        }
    }

    #[test]
    fn programs_libraries_and_folders_may_be() {
        for path in [
            "/app",
            "/usr/lib/libx.so",
            "/usr/lib/libx.so.1",
            "/dist/*.whl",
            "/src/dist",
            "/opt/a-1.2",
            "/k_*.cubin",
            "/",
        ] {
            assert!(may_be_code(path), "{path}");
        }
    }
}
