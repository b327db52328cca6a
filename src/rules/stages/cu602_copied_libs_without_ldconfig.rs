//! CU602: libraries are copied into a folder that the loader does not search.

use super::paths::brings_libraries;
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{CommandRole, Copy, CopyFrom, Facts, FileOperationKind, LoaderVia, Origin};
use crate::rules::{Context, Rule, Sink};
use crate::span::Span;

pub(super) struct CopiedLibsWithoutLdconfig;

impl Rule for CopiedLibsWithoutLdconfig {
    fn id(&self) -> RuleId {
        RuleId::new("CU602")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU602-copied-libs-without-ldconfig.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let mut seen = Vec::new();
        for copy in facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage) && !copy.heredoc) {
            if matches!(copy.from, CopyFrom::Unknown(_)) {
                continue;
            }
            let Some(library) =
                copy.sources.iter().find(|word| word.text.as_deref().is_some_and(is_cuda_library))
            else {
                continue;
            };
            let Some(folder) = folder(copy) else { continue };
            if default_folder(&folder)
                || seen.contains(&folder)
                || facts.final_env().is_none_or(|env| !env.base_known)
            {
                continue;
            }
            let in_conf = folder == "/usr/local/lib"
                && !facts.final_base().is_some_and(|base| base.os.as_ref().is_some_and(|os| os.musl));
            if covered(facts, &folder)
                || (in_conf && refreshed_later(facts, copy))
                || unread_conf(facts)
                || told_at_start(facts, &folder)
                || placed_elsewhere(facts, &folder)
                || by_rpath(facts, &folder)
            {
                continue;
            }
            seen.push(folder.clone());
            let name = library.text.as_deref().unwrap_or(&library.raw);
            let draft = out.finding(
                &copy.destination.origin,
                if in_conf {
                    format!("`{name}` goes to {folder}, but the loader's cache is not refreshed after it")
                } else {
                    format!("`{name}` goes to {folder}, which is in neither the loader's default path, ld.so.conf.d nor LD_LIBRARY_PATH")
                },
            );
            if in_conf {
                let mut draft = draft.severity(Severity::Info).help("run `ldconfig` after the COPY; the NVIDIA runtime does so at start, a plain `docker run` does not");
                if let Some(edit) = ldconfig_after(facts, copy) {
                    draft = draft.fix(Safety::Safe, "run ldconfig after the COPY", &[edit]);
                }
                draft.emit();
            } else {
                draft.help(format!("RUN echo {folder} > /etc/ld.so.conf.d/app.conf && ldconfig, or ENV LD_LIBRARY_PATH={folder}")).emit();
            }
        }
    }
}

/// Whether a copied path brings CUDA, cuDNN, NCCL or TensorRT libraries.
fn is_cuda_library(path: &str) -> bool {
    let known = [
        "cuda",
        "cudart",
        "cudnn",
        "cublas",
        "cufft",
        "curand",
        "cusolver",
        "cusparse",
        "cupti",
        "nvrtc",
        "nvjpeg",
        "nvjitlink",
        "nvtx",
        "nvtoolsext",
        "nccl",
        "nvinfer",
        "nvonnx",
        "tensorrt",
        "trt",
        "npp",
    ];
    let path = path.to_ascii_lowercase();
    let file = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match file.split_once(".so").map(|(stem, _)| stem.trim_start_matches("lib").trim_matches('*')) {
        // `libnvinfer.so.10` is TensorRT's; `libxmrig-cuda.so` is a program's own.
        Some(stem) if !stem.is_empty() => known.iter().any(|word| stem.starts_with(word)),
        _ => brings_libraries(&path) && known.iter().any(|word| path.contains(word)),
    }
}

/// The folder that receives the files.
fn folder(copy: &Copy) -> Option<String> {
    let destination = copy.destination.text.as_deref()?;
    if !destination.starts_with('/') {
        return None;
    }
    let name = destination.rsplit('/').next().unwrap_or_default();
    let folder = if name.contains(".so") {
        destination.rsplit_once('/').map_or("", |(folder, _)| folder)
    } else {
        destination
    };
    Some(folder.trim_end_matches('/').to_owned())
}

/// Folders that the loader searches without being told (ld.so(8)), and Python's packages, which have RPATHs.
fn default_folder(folder: &str) -> bool {
    let roots = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"];
    roots.contains(&folder)
        || ["/lib/", "/usr/lib/"]
            .iter()
            .any(|root| folder.strip_prefix(root).is_some_and(|rest| rest.ends_with("-linux-gnu")))
        || folder.contains("site-packages")
        || folder.contains("dist-packages")
        // Beside a program: a plugin that it opens by its path.
        || folder.ends_with("/bin")
        || folder.starts_with("/usr/local/cuda")
}

fn covered(facts: &Facts, folder: &str) -> bool {
    facts.loader.iter().any(|entry| {
        facts.in_final_lineage(entry.stage)
            && entry.survives
            && entry.directory.trim_end_matches('/') == folder
            && (entry.via == LoaderVia::Environment || entry.cache_refreshed)
    })
}

/// Whether a conf file whose content is not known is copied to the loader's configuration, with `ldconfig` after it.
fn unread_conf(facts: &Facts) -> bool {
    facts.copies.iter().any(|copy| {
        facts.in_final_lineage(copy.stage)
            && !copy.heredoc
            && copy.destination.text.as_deref().is_some_and(|path| path.starts_with("/etc/ld.so.conf"))
            && !facts.loader.iter().any(|entry| {
                entry.via == LoaderVia::ConfFile
                    && entry.stage == copy.stage
                    && entry.instruction == copy.instruction
            })
            && refreshed_later(facts, copy)
    })
}

/// Whether what the container starts with sets LD_LIBRARY_PATH to the folder, or to something unknown.
fn told_at_start(facts: &Facts, folder: &str) -> bool {
    facts.commands.iter().any(|command| {
        matches!(command.role, CommandRole::Cmd | CommandRole::Entrypoint | CommandRole::StartScript)
            && facts.in_final_lineage(command.stage)
            && command.assignments.iter().any(|(name, value)| {
                name == "LD_LIBRARY_PATH"
                    && value
                        .as_deref()
                        .is_none_or(|value| value.split(':').any(|part| part.trim_end_matches('/') == folder))
            })
    })
}

/// Whether the libraries are copied, moved or linked from the folder to where the loader looks.
fn placed_elsewhere(facts: &Facts, folder: &str) -> bool {
    let inside = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    facts.file_operations.iter().any(|operation| {
        operation.kind != FileOperationKind::Remove
            && !operation.undone
            && facts.in_final_lineage(operation.stage)
            && operation.sources.iter().any(|word| inside(word.text.as_deref().unwrap_or(&word.raw)))
            && operation.destination.as_ref().and_then(|word| word.text.as_deref()).is_some_and(|path| {
                let path = path.trim_end_matches('/');
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                default_folder(path) || default_folder(parent) || covered(facts, path)
            })
    })
}

/// Whether patchelf writes the folder into a program.
fn by_rpath(facts: &Facts, folder: &str) -> bool {
    facts.commands.iter().any(|command| {
        command.program.as_deref() == Some("patchelf")
            && facts.is_shipped(command.stage)
            && command.args.iter().any(|word| {
                let text = word.text.as_deref().unwrap_or(&word.raw);
                text.contains(folder) || text.contains("$ORIGIN")
            })
    })
}

fn refreshed_later(facts: &Facts, copy: &Copy) -> bool {
    facts.commands.iter().any(|command| {
        command.program.as_deref() == Some("ldconfig")
            && command.instruction > copy.instruction
            && facts.in_final_lineage(command.stage)
    })
}

fn ldconfig_after(facts: &Facts, copy: &Copy) -> Option<(Origin, String)> {
    let (file, span) = copy.origin.as_file()?;
    let bytes = &facts.sources.get(file.0)?.bytes;
    let line_end = memchr::memchr(b'\n', bytes.get(span.end..)?).map(|at| span.end + at + 1);
    match line_end {
        Some(at) => Some((Origin::file(file, Span::new(at, at)), "RUN ldconfig\n".to_owned())),
        None => Some((Origin::file(file, Span::new(span.end, span.end)), "\nRUN ldconfig\n".to_owned())),
    }
}
