//! What the paths of a COPY say about what is copied.

use crate::facts::{Base, Copy, CopyFrom, Facts, StageId};

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
    if is_data(path) {
        return false;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
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

/// Whether a path is one of Python wheels, or of a folder of them.
pub(super) fn is_wheels(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path.ends_with(".whl")
        || path.split('/').any(|part| matches!(part, "wheels" | "wheelhouse" | "wheel" | "whl" | "whls"))
}

/// Whether a path is one of a Python environment, which may hold nothing but wheels.
pub(super) fn is_python_environment(path: &str) -> bool {
    path.split('/').any(|part| {
        matches!(part, "venv" | ".venv" | "virtualenv" | "site-packages" | "dist-packages" | "conda" | "env")
            || part.ends_with("-venv")
            || part.ends_with("_venv")
    })
}

/// Whether a path holds text, models or other data by its name.
pub(super) fn is_data(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let texts = ["readme", "license", "licence", "notice", "changelog", "copying", "authors", "version"];
    if texts.contains(&name.to_ascii_lowercase().as_str()) {
        return true;
    }
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
        return true;
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
    quiet.iter().any(|part| path.split('/').any(|piece| piece == *part))
}

/// Most stages that a file is followed through.
const MAX_RELAYS: usize = 16;
/// Most COPY instructions of one stage that are looked through, the last ones first.
const MAX_COPIES: usize = 128;

/// The stage that made what a COPY takes from `stage` at `path`: where that stage itself only copied it, the stage
/// before.
pub(super) fn maker(facts: &Facts, stage: StageId, path: &str) -> StageId {
    let (mut stage, mut path) = (stage, path.trim_end_matches('/').to_owned());
    for _ in 0..MAX_RELAYS {
        if compiles(facts, stage) {
            break;
        }
        let relay = copies_of(facts, stage).iter().rev().take(MAX_COPIES).find_map(|copy| {
            let CopyFrom::Stage(from) = copy.from else { return None };
            copy.sources.iter().find_map(|word| Some((from, taken_from(copy, word.text.as_deref()?, &path)?)))
        });
        let Some((from, before)) = relay else { break };
        (stage, path) = (from, before);
    }
    stage
}

/// Whether something is compiled in the lineage of a stage.
pub(super) fn compiles(facts: &Facts, stage: StageId) -> bool {
    facts.compiles.iter().any(|signal| facts.inherits(stage, signal.stage))
        || facts.source_builds.iter().any(|build| !build.prebuilt && facts.inherits(stage, build.stage))
}

/// COPY instructions of one stage: they stand together.
fn copies_of(facts: &Facts, stage: StageId) -> &[Copy] {
    let start = facts.copies.partition_point(|copy| copy.stage < stage);
    let end = facts.copies.partition_point(|copy| copy.stage <= stage);
    facts.copies.get(start..end).unwrap_or_default()
}

/// The path in the source stage of what a COPY of `source` puts at `path`.
fn taken_from(copy: &Copy, source: &str, path: &str) -> Option<String> {
    let source = source.trim_end_matches('/');
    let target = copy.destination.text.as_deref()?;
    let folder = target.trim_end_matches('/');
    let name = source.rsplit('/').next().unwrap_or(source);
    if path == format!("{folder}/{name}") || (path == folder && !folder.is_empty()) {
        return Some(source.to_owned());
    }
    let rest = path.strip_prefix(folder)?.strip_prefix('/')?;
    // A folder's content goes into the destination; a name with a dot inside is a file more likely.
    (!folder.is_empty() && !name.contains('.')).then(|| format!("{source}/{rest}"))
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
        for path in
            ["/models/llama", "/src/web/dist", "/etc/app.conf", "/app/run.py", "/data", "/src/LICENSE"]
        {
            assert!(!looks_native(path), "{path}");
        }
    }
}
