//! Whether what Python installers and conda wrote into a stage reaches the shipped image. A COPY of a converted model or
//! of built documentation does not bring the environment that made it.

use std::collections::HashMap;

use super::Extraction;
use super::context_files::absolute;
use super::steps::Workdirs;
use crate::facts::{Command, CommandRole, CopyFrom, Facts, StageId, Word, is_within};

/// Folders that installers write to by default.
const DEFAULTS: &[&str] =
    &["/usr/local/lib/python3", "/usr/lib/python3/dist-packages", "/opt/conda", "/root/.local/lib"];
/// Folders too wide to say anything about what lies in them.
const WIDE: &[&str] = &["/", "/usr", "/usr/local", "/opt", "/root", "/home", "/app", "/workspace"];
/// Parts of the names of folders that hold an environment.
const NAMES: &[&str] = &[
    "site-packages",
    "dist-packages",
    "venv",
    "virtualenv",
    "conda",
    "mambaforge",
    "micromamba",
    "miniforge",
];
/// Variables that name an environment's folder.
const VARIABLES: &[&str] = &[
    "VIRTUAL_ENV",
    "CONDA_DIR",
    "CONDA_PREFIX",
    "MAMBA_ROOT_PREFIX",
    "UV_PROJECT_ENVIRONMENT",
    "PIP_PREFIX",
    "PIP_TARGET",
    "POETRY_VIRTUALENVS_PATH",
    "PYTHONUSERBASE",
];
/// Endings of files that are no environment, wherever they lie.
const DATA: &[&str] = &[
    ".bin",
    ".csv",
    ".gguf",
    ".gz",
    ".html",
    ".json",
    ".md",
    ".onnx",
    ".pt",
    ".pth",
    ".safetensors",
    ".so",
    ".tar",
    ".txt",
    ".whl",
    ".yaml",
    ".yml",
    ".zip",
];

/// Fills [`crate::facts::Stage::packages_shipped`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let Some(target) = facts.target_stage() else { return };
    let mut shipped = target.lineage.clone();
    let dirs = Workdirs::new(cx);
    let mut known: HashMap<StageId, Vec<String>> = HashMap::new();
    for copy in facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage)) {
        let CopyFrom::Stage(source) = &copy.from else { continue };
        let places = known.entry(*source).or_insert_with(|| places(facts, &dirs, *source));
        let asked = copy.sources.len().saturating_mul(places.len() + 1);
        if !cx.spend(asked) || copy.sources.iter().any(|word| holds(word, places)) {
            shipped.extend(facts.stage(*source).into_iter().flat_map(|stage| stage.lineage.iter().copied()));
        }
    }
    for stage in shipped {
        if let Some(stage) = facts.stages.get_mut(stage.0) {
            stage.packages_shipped = true;
        }
    }
}

/// Whether a path that is copied can hold an environment, or a part of one.
fn holds(word: &Word, places: &[String]) -> bool {
    let Some(path) = word.text.as_deref() else { return named(&word.raw) };
    let path = absolute("/", path);
    if DATA.iter().any(|end| path.ends_with(end)) {
        return false;
    }
    let home = path == "/home" || path.strip_prefix("/home/").is_some_and(|rest| !rest.contains('/'));
    home || named(&path)
        || DEFAULTS.iter().any(|place| is_within(place, &path) || path.starts_with(place))
        || places.iter().any(|place| {
            is_within(place, &path) || (!WIDE.contains(&place.as_str()) && is_within(&path, place))
        })
}

fn named(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    NAMES.iter().any(|name| path.contains(name))
}

/// Folders of a stage that installers wrote to, as its variables and commands tell.
fn places(facts: &Facts, dirs: &Workdirs, stage: StageId) -> Vec<String> {
    let Some(found) = facts.stage(stage) else { return Vec::new() };
    let mut places: Vec<String> = VARIABLES
        .iter()
        .filter_map(|name| found.env.value(name))
        .filter(|value| value.starts_with('/'))
        .map(|value| absolute("/", value))
        .collect();
    for command in facts.commands.iter().filter(|command| found.lineage.contains(&command.stage)) {
        if !matches!(command.role, CommandRole::Run | CommandRole::BuildScript) {
            continue;
        }
        let directory = dirs.at(command.stage, command.instruction);
        written_by(command, |path| places.push(absolute(directory, path)));
    }
    places.sort();
    places.dedup();
    places
}

/// The folders that a command makes an environment in, or installs to.
fn written_by(command: &Command, mut take: impl FnMut(&str)) {
    let Some(program) = command.program.as_deref() else { return };
    let words: Vec<&str> = command.args.iter().filter_map(|word| word.text.as_deref()).collect();
    let module =
        (program.starts_with("python") && words.first() == Some(&"-m")).then(|| words.get(1)).flatten();
    let tool = module.copied().unwrap_or(program);
    let verb = words.iter().copied().find(|word| !word.starts_with('-'));
    let makes_venv = matches!(tool, "venv" | "virtualenv") || (program == "uv" && verb == Some("venv"));
    if makes_venv {
        let own = [tool, "venv", "-m"];
        words.iter().filter(|word| !word.starts_with('-') && !own.contains(word)).for_each(|word| take(word));
        if program == "uv" {
            take(".venv");
        }
        return;
    }
    match (program, verb) {
        ("uv", Some("sync" | "add" | "run")) | ("poetry" | "pdm" | "pipenv", Some("install" | "sync")) => {
            take(".venv");
        }
        ("pixi", Some(_)) => take(".pixi"),
        // What is moved out of an environment lies in the last folder named.
        ("cp" | "mv" | "rsync", _) if words.iter().any(|word| named(word)) => {
            words.iter().rev().find(|word| !word.starts_with('-')).into_iter().for_each(|word| take(word));
        }
        _ => {}
    }
    let installs = tool.starts_with("pip")
        || matches!(tool, "uv" | "conda" | "mamba" | "micromamba" | "bash" | "sh" | "conda-pack");
    if !installs {
        return;
    }
    let options = ["-t", "--target", "--prefix", "--root", "-p", "-o"];
    for (at, word) in words.iter().enumerate() {
        let (name, value) = word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
        if options.contains(&name)
            && let Some(value) = value.or_else(|| words.get(at + 1).copied())
        {
            take(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::facts;
    use crate::facts::StageId;

    fn ships(build: &str, copied: &str) -> bool {
        let text = format!(
            "FROM python:3.11-slim AS build\n{build}\nRUN pip install torch==2.5.1\nFROM debian:12-slim\nCOPY --from=build {copied} /to\n"
        );
        facts(&text).ships_packages(StageId(0))
    }

    #[test]
    fn environments_are_brought() {
        for path in [
            "/",
            "/usr/local",
            "/usr/local/lib/python3.11/site-packages",
            "/root/.local",
            "/opt/venv",
            "/home/me",
        ] {
            assert!(ships("", path), "{path}");
        }
        assert!(ships("RUN pip install --prefix=/install numpy", "/install"));
        assert!(ships("RUN pip install -t /deps numpy", "/deps/"));
        assert!(ships("WORKDIR /app\nRUN uv sync", "/app"));
        assert!(ships("RUN python -m venv /srv/app/env", "/srv/app"));
        assert!(ships("ENV VIRTUAL_ENV=/srv/py", "/srv/py"));
    }

    #[test]
    fn what_they_make_is_not() {
        for path in ["/out/model.onnx", "/models", "/out", "/docs/html", "/src/app", "/opt/venv/model.onnx"] {
            assert!(!ships("RUN python /convert.py -o /out", path), "{path}");
        }
    }
}
