//! Programs that get into the image beside Python packages, and may use CUDA.

use crate::facts::{BaseKind, Command, CommandRole, Copy, CopyFrom, Facts, Word};

/// Whether a COPY of the final image brings programs that may use the system's CUDA: what a stage with a CUDA compiler
/// built, or what comes from an image that is not known to be plain.
pub(super) fn copies_cuda_programs(facts: &Facts) -> bool {
    facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage)).any(|copy| match &copy.from {
        CopyFrom::Stage(stage) => {
            let root = facts.base_of(*stage);
            let unknown = root.is_some_and(|root| {
                matches!(root.kind, BaseKind::Other | BaseKind::Framework | BaseKind::Unresolved)
            });
            let compiles = root.and_then(|root| root.has_nvcc) == Some(true)
                && facts.compiles.iter().any(|signal| facts.inherits(*stage, signal.stage));
            (unknown || compiles) && copy.sources.iter().any(may_be_program)
        }
        CopyFrom::Image(image) => {
            !matches!(image.kind, BaseKind::Plain | BaseKind::Scratch | BaseKind::Cuda)
                && copy.sources.iter().any(may_be_program)
        }
        CopyFrom::Unknown(_) => true,
        CopyFrom::Context => false,
    })
}

/// Whether the final image gets programs of which it is not known what they use: from other stages and images, as
/// binaries of the context or of the network, by an installer.
pub(super) fn gets_unknown_programs(facts: &Facts) -> bool {
    let copied =
        facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage)).any(is_unknown_program);
    copied
        || facts
            .commands
            .iter()
            .filter(|command| facts.in_final_lineage(command.stage))
            .any(|command| installs_unknown(facts, command))
}

fn is_unknown_program(copy: &Copy) -> bool {
    match &copy.from {
        CopyFrom::Stage(_) | CopyFrom::Unknown(_) => true,
        CopyFrom::Image(image) => image.kind != BaseKind::Plain,
        CopyFrom::Context => {
            let to = known(&copy.destination);
            let programs = ["/bin/", "/sbin/", "/lib/"].iter().any(|part| format!("{to}/").contains(part));
            copy.sources.iter().any(|word| {
                let path = known(word);
                is_binary(path) || (programs && !is_text(path)) || (copy.add && path.contains("://"))
            })
        }
    }
}

/// Files that hold programs, or archives of them.
fn is_binary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ends = [".whl", ".deb", ".rpm", ".run", ".gz", ".tgz", ".bz2", ".xz", ".zip", ".zst", ".tar", ".a"];
    name.contains(".so") || ends.iter().any(|end| name.ends_with(end))
}

/// Scripts, texts and data, which a name with an ending tells.
fn is_text(path: &str) -> bool {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    name.contains('.') || name.contains("entrypoint")
}

fn may_be_program(word: &Word) -> bool {
    let path = known(word).trim_end_matches('/');
    let data = [
        ".bin",
        ".css",
        ".csv",
        ".gguf",
        ".html",
        ".js",
        ".json",
        ".md",
        ".onnx",
        ".pem",
        ".pt",
        ".pth",
        ".py",
        ".safetensors",
        ".sh",
        ".toml",
        ".txt",
        ".yaml",
        ".yml",
    ];
    let folders = ["models", "model", "weights", "data", "docs", "html", "static", "assets", "node_modules"];
    // An environment is judged by what is installed into it.
    let environment = path.contains("venv") || path.contains("site-packages") || path.contains("conda");
    !environment
        && !data.iter().any(|end| path.ends_with(end))
        && !path.split('/').any(|part| folders.contains(&part))
}

fn known(word: &Word) -> &str {
    word.text.as_deref().unwrap_or(&word.raw)
}

/// Installers that bring Python, Rust, Node and their tools, nothing that uses CUDA.
const HARMLESS: &[&str] = &[
    "astral.sh",
    "bootstrap.pypa.io",
    "get-pip",
    "install.python-poetry.org",
    "sh.rustup.rs",
    "nodesource.com",
    "pyenv",
    "get-poetry",
];

/// Whether a command fetches or installs something that is not known: a script piped into a shell, a release archive, a
/// package file, a script of the context that cannot be read.
fn installs_unknown(facts: &Facts, command: &Command) -> bool {
    if !matches!(command.role, CommandRole::Run | CommandRole::BuildScript) {
        return false;
    }
    let Some(program) = command.program.as_deref() else { return true };
    let words = || command.args.iter().map(known);
    let same_run =
        |other: &&Command| other.stage == command.stage && other.instruction == command.instruction;
    match program {
        "sh" | "bash" => {
            let text = words().any(|word| word.starts_with('-') && word.ends_with('c'));
            let read = facts
                .commands
                .iter()
                .filter(same_run)
                .any(|other| other.role == CommandRole::BuildScript || downloads_harmless(other));
            !text && !read
        }
        "curl" | "wget" | "aria2c" => {
            words().any(|word| word.contains("://") && (is_binary(word) || word.contains("/releases/")))
                && !downloads_harmless(command)
        }
        "dpkg" | "rpm" => words().any(is_binary),
        "chmod" => {
            let mut operands = words().filter(|word| !word.starts_with('-'));
            operands.next().is_some_and(|mode| mode.contains('x')) && operands.any(|word| !is_text(word))
        }
        "npm" | "cargo" | "go" | "docker" => false,
        _ => {
            let script = program.ends_with(".sh");
            script
                && !facts.commands.iter().filter(same_run).any(|other| other.role == CommandRole::BuildScript)
        }
    }
}

fn downloads_harmless(command: &Command) -> bool {
    command.args.iter().any(|word| HARMLESS.iter().any(|name| known(word).contains(name)))
}
