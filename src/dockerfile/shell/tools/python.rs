//! pip, uv, poetry, pipenv, pipx, pdm: what is installed from where.

use super::args::{Args, Flag, Spec, has};
use super::requirement::Requirement;
use crate::dockerfile::shell::word::Word;
use crate::span::Span;

/// A Python package tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PythonTool {
    /// pip under any name, also `python -m pip`.
    Pip,
    /// `uv pip`
    UvPip,
    /// `uv add`, `uv sync`, `uv tool install`, `uvx`
    Uv,
    /// poetry
    Poetry,
    /// pipenv
    Pipenv,
    /// pipx
    Pipx,
    /// pdm
    Pdm,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PythonAction {
    /// Install what is named.
    Install,
    /// Fetch only.
    Download,
    /// Build wheels.
    Wheel,
    /// Remove.
    Uninstall,
    /// Bring the environment in line with a lock or requirements file.
    Sync,
    /// Add to the project and install.
    Add,
    /// Make a lock or requirements file: `uv pip compile`, `uv lock`.
    Lock,
}

/// A call of a Python package tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonInstall {
    /// Which one.
    pub tool: PythonTool,
    /// What it does.
    pub action: PythonAction,
    /// Where the verb stands.
    pub verb_span: Span,
    /// The requirements named on the command line, editable ones included.
    pub requirements: Vec<Requirement>,
    /// `-r` files (and the files that `uv pip sync` reads).
    pub requirement_files: Vec<Word>,
    /// `-c` files.
    pub constraint_files: Vec<Word>,
    /// `--index-url`, `-i`, `--default-index`.
    pub index_url: Option<Word>,
    /// `--extra-index-url`, and uv's `--index` (a leading `name=` is left out).
    pub extra_index_urls: Vec<Word>,
    /// `--find-links`, `-f`
    pub find_links: Vec<Word>,
    /// `--no-index`
    pub no_index: bool,
    /// `--no-deps`
    pub no_deps: bool,
    /// `--no-build-isolation`
    pub no_build_isolation: bool,
    /// `--only-binary` values.
    pub only_binary: Vec<Word>,
    /// `--no-binary` values.
    pub no_binary: Vec<Word>,
    /// `--pre`, `--prerelease allow`
    pub pre: bool,
    /// `--target`, `-t`, `--prefix` and `--root`
    pub target: Option<Word>,
    /// `--user`
    pub user: bool,
    /// `--upgrade`, `-U`
    pub upgrade: bool,
    /// `--require-hashes`
    pub require_hashes: bool,
    /// uv's `--torch-backend`.
    pub torch_backend: Option<Word>,
    /// Extras and groups of the project: `--extra`, `--group`, `-E`, `--with`.
    pub extras: Vec<Word>,
    /// All options.
    pub flags: Vec<Flag>,
}

impl PythonInstall {
    /// Whether one of `names` (with dashes) is among the options.
    #[must_use]
    pub fn has_flag(&self, names: &[&str]) -> bool {
        has(&self.flags, names)
    }
}

const PIP: Spec = Spec::new(&[
    "-r",
    "--requirement",
    "--requirements",
    "-c",
    "--constraint",
    "--constraints",
    "-i",
    "--index-url",
    "--pypi-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "-t",
    "--target",
    "--prefix",
    "--root",
    "--platform",
    "--python-version",
    "--implementation",
    "--abi",
    "--upgrade-strategy",
    "--no-binary",
    "--only-binary",
    "--progress-bar",
    "--timeout",
    "--retries",
    "--trusted-host",
    "--cert",
    "--client-cert",
    "--proxy",
    "--cache-dir",
    "--src",
    "-e",
    "--editable",
    "-d",
    "--dest",
    "-w",
    "--wheel-dir",
    "--global-option",
    "--install-option",
    "--build-option",
    "--config-settings",
    "-C",
    "--log",
    "-b",
    "--build",
    "--exists-action",
    "--python",
    "--use-feature",
    "--use-deprecated",
    "--root-user-action",
    "--report",
    "--keyring-provider",
    "--resume-retries",
    "--default-timeout",
    "--group",
    "--extra",
    "--override",
    "--overrides",
]);

const UV: Spec = Spec::new(&[
    "-r",
    "--requirement",
    "--requirements",
    "-c",
    "--constraint",
    "--constraints",
    "-i",
    "--index-url",
    "--extra-index-url",
    "--index",
    "--default-index",
    "-f",
    "--find-links",
    "-t",
    "--target",
    "--prefix",
    "--python-platform",
    "--python-version",
    "-p",
    "--python",
    "--no-binary",
    "--only-binary",
    "--cache-dir",
    "-e",
    "--editable",
    "--config-setting",
    "--config-settings",
    "-C",
    "--index-strategy",
    "--keyring-provider",
    "--torch-backend",
    "--resolution",
    "--prerelease",
    "--exclude-newer",
    "--link-mode",
    "--config-file",
    "--override",
    "--overrides",
    "-b",
    "--build-constraint",
    "--build-constraints",
    "--no-build-isolation-package",
    "--no-build-package",
    "--no-binary-package",
    "--extra",
    "--group",
    "--only-group",
    "--no-group",
    "--package",
    "--refresh-package",
    "--reinstall-package",
    "-P",
    "--upgrade-package",
    "--with",
    "--with-requirements",
    "--from",
    "--project",
    "--directory",
    "--python-preference",
    "--color",
    "--allow-insecure-host",
    "--trusted-host",
    "-o",
    "--output-file",
    "--no-extra",
    "--no-install-package",
    "--optional",
    "--rev",
    "--tag",
    "--branch",
    "--marker",
    "-m",
    "--bounds",
    "--fork-strategy",
    "--no-emit-package",
]);

const POETRY: Spec = Spec::new(&[
    "-E",
    "--extras",
    "--with",
    "--without",
    "--only",
    "-G",
    "--group",
    "--source",
    "--python",
    "--platform",
    "--markers",
    "-C",
    "--directory",
    "-P",
    "--project",
]);

const PIPENV: Spec = Spec::new(&[
    "-i",
    "--index",
    "--pypi-mirror",
    "--python",
    "-r",
    "--requirements",
    "--extra-pip-args",
    "--categories",
    "-e",
    "--editable",
]);

const PDM: Spec = Spec::new(&[
    "-p",
    "--project",
    "-G",
    "--group",
    "-L",
    "--lockfile",
    "-e",
    "--editable",
    "--venv",
    "-C",
    "--config-setting",
    "--override",
]);

const PIPX: Spec = Spec::new(&[
    "-i",
    "--index-url",
    "--pip-args",
    "--python",
    "--suffix",
    "--preinstall",
    "--spec",
    "--default-index",
]);

/// Whether `name` is pip: `pip`, `pip3`, `pip3.11`.
#[must_use]
pub fn is_pip(name: &str) -> bool {
    name.strip_prefix("pip").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// Reads a call of the tool with this base name; `None` when it installs nothing.
#[must_use]
pub fn read(name: &str, words: &[Word]) -> Option<PythonInstall> {
    match name {
        _ if is_pip(name) => pip(PythonTool::Pip, PIP, words),
        "uv" => uv(words),
        "uvx" => Some(build(PythonTool::Uv, PythonAction::Install, None, uvx(words))),
        "poetry" => simple(PythonTool::Poetry, POETRY, words),
        "pipenv" => simple(PythonTool::Pipenv, PIPENV, words),
        "pdm" => simple(PythonTool::Pdm, PDM, words),
        "pipx" => simple(PythonTool::Pipx, PIPX, words),
        _ => None,
    }
}

fn pip(tool: PythonTool, spec: Spec, words: &[Word]) -> Option<PythonInstall> {
    let mut args = Args::parse(words, spec);
    let verb = args.subcommand()?;
    let action = match verb.text.as_str() {
        "install" => PythonAction::Install,
        "download" => PythonAction::Download,
        "wheel" => PythonAction::Wheel,
        "uninstall" => PythonAction::Uninstall,
        "sync" => PythonAction::Sync,
        "compile" | "lock" => PythonAction::Lock,
        _ => return None,
    };
    Some(build(tool, action, Some(verb.span), args))
}

fn uv(words: &[Word]) -> Option<PythonInstall> {
    let mut args = Args::parse(words, UV);
    let verb = args.subcommand()?;
    match verb.text.as_str() {
        "pip" => pip_of(args),
        "add" => Some(build(PythonTool::Uv, PythonAction::Add, Some(verb.span), args)),
        "sync" => Some(build(PythonTool::Uv, PythonAction::Sync, Some(verb.span), args)),
        "lock" | "export" => Some(build(PythonTool::Uv, PythonAction::Lock, Some(verb.span), args)),
        "remove" => Some(build(PythonTool::Uv, PythonAction::Uninstall, Some(verb.span), args)),
        "tool" => {
            let verb = args.subcommand()?;
            (verb.text == "install")
                .then(|| build(PythonTool::Uv, PythonAction::Install, Some(verb.span), args))
        }
        _ => None,
    }
}

fn pip_of(mut args: Args) -> Option<PythonInstall> {
    let verb = args.subcommand()?;
    let action = match verb.text.as_str() {
        "install" => PythonAction::Install,
        "uninstall" => PythonAction::Uninstall,
        "sync" => PythonAction::Sync,
        "compile" => PythonAction::Lock,
        _ => return None,
    };
    Some(build(PythonTool::UvPip, action, Some(verb.span), args))
}

/// `uvx tool args`: the tool and what `--with` names are installed, the rest is the tool's.
fn uvx(words: &[Word]) -> Args {
    let mut args = Args::parse(words, UV);
    let from = args.cloned(&["--from"]);
    args.operands.truncate(1);
    if !from.is_empty() {
        args.operands = from;
    }
    args
}

fn simple(tool: PythonTool, spec: Spec, words: &[Word]) -> Option<PythonInstall> {
    let mut args = Args::parse(words, spec);
    let verb = args.subcommand()?;
    let action = match verb.text.as_str() {
        "add" => PythonAction::Add,
        "install" if tool == PythonTool::Poetry || (tool == PythonTool::Pdm && args.operands.is_empty()) => {
            PythonAction::Sync
        }
        "install" if tool == PythonTool::Pipenv && args.operands.is_empty() => PythonAction::Sync,
        "install" | "inject" => PythonAction::Install,
        "sync" | "update" => PythonAction::Sync,
        "lock" | "export" => PythonAction::Lock,
        "remove" | "uninstall" => PythonAction::Uninstall,
        _ => return None,
    };
    Some(build(tool, action, Some(verb.span), args))
}

fn build(tool: PythonTool, action: PythonAction, verb: Option<Span>, args: Args) -> PythonInstall {
    let syncs_files = tool == PythonTool::UvPip && matches!(action, PythonAction::Sync | PythonAction::Lock);
    let mut requirement_files =
        args.cloned(&["-r", "--requirement", "--requirements", "--with-requirements"]);
    let mut requirements = Vec::new();
    if syncs_files {
        requirement_files.extend(args.operands.iter().cloned());
    } else {
        requirements.extend(args.operands.iter().map(|word| named(tool, word)));
    }
    // pdm's and uv's `--editable` is a switch before a path as well; either way the path is the requirement.
    let editable = args.values(&["-e", "--editable"]).into_iter();
    requirements.extend(editable.map(|word| Requirement { editable: true, ..Requirement::from_word(word) }));
    if tool == PythonTool::Uv {
        let with = args.values(&["--with"]).into_iter().flat_map(|word| word.split(&[',']));
        requirements.extend(with.map(|word| Requirement::from_word(&word)));
    }
    requirements.sort_by_key(|requirement| requirement.span);
    let index = |word: &Word| match word.split_once('=') {
        Some((name, url)) if !name.text.contains(['/', ':']) => url,
        _ => word.clone(),
    };
    let mut extra_index_urls = args.cloned(&["--extra-index-url"]);
    if matches!(tool, PythonTool::Uv | PythonTool::UvPip) {
        extra_index_urls.extend(args.values(&["--index"]).into_iter().map(index));
    }
    let prerelease = args.value(&["--prerelease"]).is_some_and(|word| word.text == "allow");
    let indexes: &[&str] = if tool == PythonTool::Pipenv {
        &["-i", "--index", "--pypi-mirror"]
    } else {
        &["-i", "--index-url", "--default-index", "--pypi-url"]
    };
    let extras: &[&str] = match tool {
        PythonTool::Poetry => &["-E", "--extras", "--with", "--only", "-G", "--group"],
        PythonTool::Pdm => &["-G", "--group"],
        PythonTool::Pipenv => &["--categories"],
        _ => &["--extra", "--group", "--only-group"],
    };
    PythonInstall {
        tool,
        action,
        verb_span: verb.unwrap_or_default(),
        requirements,
        requirement_files,
        constraint_files: args.cloned(&["-c", "--constraint", "--constraints"]),
        index_url: args.value(indexes).map(index),
        extra_index_urls,
        find_links: args.cloned(&["-f", "--find-links"]),
        no_index: args.has(&["--no-index"]),
        no_deps: args.has(&["--no-deps", "--no-dependencies"]),
        no_build_isolation: args.has(&["--no-build-isolation"]),
        only_binary: args.cloned(&["--only-binary"]),
        no_binary: args.cloned(&["--no-binary"]),
        pre: args.has(&["--pre"]) || prerelease,
        target: args.value(&["-t", "--target", "--prefix", "--root"]).cloned(),
        user: args.has(&["--user"]),
        upgrade: args.has(&["-U", "--upgrade"]),
        require_hashes: args.has(&["--require-hashes"]),
        torch_backend: args.value(&["--torch-backend"]).cloned(),
        extras: args.cloned(extras),
        flags: args.flags,
    }
}

/// A requirement as the tool writes it: poetry has `torch@^2.1`, which is no PEP 508.
fn named(tool: PythonTool, word: &Word) -> Requirement {
    if tool == PythonTool::Poetry
        && let Some((name, constraint)) = word.split_once('@')
        && !constraint.text.contains('/')
    {
        let exact =
            constraint.text.starts_with(|c: char| c.is_ascii_digit()) && !constraint.text.contains('*');
        let text = if exact { format!("{}=={}", name.text, constraint.text) } else { name.text };
        let requirement = Requirement::parse(&text);
        return Requirement {
            span: word.span,
            raw: word.text.clone(),
            specifier: constraint.text,
            unresolved: !word.is_fully_literal(),
            ..requirement
        };
    }
    Requirement::from_word(word)
}
