//! What the paths of a COPY say about what is copied.

use crate::facts::{Base, Copy, CopyFrom, Facts};

/// The image that a COPY takes files from, at the root of the source stage.
pub(super) fn source_base<'a>(facts: &'a Facts, copy: &'a Copy) -> Option<&'a Base> {
    match &copy.from {
        CopyFrom::Stage(stage) => facts.base_of(*stage),
        CopyFrom::Image(base) => Some(base),
        CopyFrom::Context | CopyFrom::Unknown(_) => None,
    }
}

/// Whether a path is the CUDA folder as a whole: `/usr/local/cuda`, `/usr/local/cuda-12.4`, or its `targets`.
pub(super) fn is_cuda_tree(path: &str) -> bool {
    let path = path.trim_end_matches(['/', '.']).trim_end_matches('/');
    let Some(rest) = path.strip_prefix("/usr/local/cuda") else { return false };
    let rest = rest.strip_suffix("/targets").unwrap_or(rest);
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|version| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'*')
        })
}

/// Whether a path looks like native code: a program, a library, a tree of them, or build output.
pub(super) fn looks_native(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let data = [
        ".txt",
        ".json",
        ".yaml",
        ".yml",
        ".toml",
        ".md",
        ".html",
        ".css",
        ".js",
        ".py",
        ".sh",
        ".conf",
        ".cfg",
        ".ini",
        ".pem",
        ".crt",
        ".key",
        ".jar",
        ".whl",
        ".onnx",
        ".pt",
        ".pth",
        ".bin",
        ".safetensors",
        ".gz",
        ".zip",
        ".xml",
        ".csv",
    ];
    if data.iter().any(|ending| name.ends_with(ending)) {
        return false;
    }
    let quiet = [
        "model",
        "models",
        "data",
        "weights",
        "config",
        "configs",
        "etc",
        "static",
        "assets",
        "docs",
        "share",
        "public",
        "html",
        "node_modules",
        "certs",
        "include",
        "src/main/resources",
        "dist",
    ];
    if quiet.iter().any(|part| path.split('/').any(|piece| piece == *part)) {
        return false;
    }
    name.contains(".so")
        || [
            "/bin/",
            "/sbin/",
            "/lib/",
            "/lib64/",
            "/opt",
            "/usr/local",
            "/venv",
            "/.venv",
            "/site-packages",
            "/target/",
            "/build",
            "/out/",
            "/install",
            "/src/",
        ]
        .iter()
        .any(|part| path.contains(part))
        || ["/bin", "/sbin", "/lib", "/app", "/venv", "/.venv"].iter().any(|end| path.ends_with(end))
}

/// Whether a path brings shared libraries: a `.so` file or pattern, or a folder called `lib`.
pub(super) fn brings_libraries(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    name.contains(".so") || name == "lib" || name == "lib64"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_trees() {
        for path in [
            "/usr/local/cuda",
            "/usr/local/cuda/",
            "/usr/local/cuda-12.4",
            "/usr/local/cuda-12.4/targets",
            "/usr/local/cuda/.",
        ] {
            assert!(is_cuda_tree(path), "{path}");
        }
        for path in [
            "/usr/local/cuda/lib64",
            "/usr/local/cuda-12.4/lib64/libcudart.so.12",
            "/usr/local/cudnn",
            "/usr/local",
        ] {
            assert!(!is_cuda_tree(path), "{path}");
        }
    }

    #[test]
    fn native_code_by_path() {
        for path in
            ["/src/app", "/usr/local/bin/tool", "/opt/venv", "/build/libx.so.1", "/w/target/release/server"]
        {
            assert!(looks_native(path), "{path}");
        }
        for path in ["/models/llama", "/src/web/dist", "/etc/app.conf", "/app/run.py", "/data"] {
            assert!(!looks_native(path), "{path}");
        }
    }
}
