//! NVIDIA's self-extracting installers: which are run, also under another name than the one they were published with.

use super::Extraction;
use super::executed::{Executed, Resolved};
use crate::dockerfile::shell::tools::Download;
use crate::dockerfile::shell::{Action, Word as ShellWord};
use crate::facts::{Copy, Facts, Installer, StageId};

/// An installer that lies in a file.
struct Saved<'a> {
    stage: StageId,
    instruction: usize,
    /// Base name of the file.
    file: &'a str,
    /// The installer's own name.
    name: &'a str,
}

/// Fills [`Facts::installers`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut saved: Vec<Saved<'_>> = facts.copies.iter().filter_map(copied).collect();
    let mut found = Vec::new();
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        for resolved in &executed.commands {
            if let Action::Download(download) = &resolved.action {
                saved.extend(downloaded(executed, download));
                continue;
            }
            let Some((file, args)) = started(resolved) else { continue };
            let Some(name) = name_of(cx, facts, executed, resolved, file, &saved) else { continue };
            found.push(Installer {
                stage: executed.stage,
                name,
                args: args.iter().map(|word| executed.word(word)).collect(),
                instruction: executed.instruction,
                origin: executed.command_origin(&resolved.command),
            });
        }
    }
    facts.installers = found;
}

/// Base name of a path or address.
fn base_name(text: &str) -> &str {
    let path = if text.contains("://") { text.split(['?', '#']).next().unwrap_or(text) } else { text };
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file of this name is the CUDA installer or the driver's (`cuda_12.4.1_550.54.15_linux.run`,
/// `NVIDIA-Linux-x86_64-535.104.05.run`).
fn is_installer(name: &str) -> bool {
    name.ends_with(".run") && (name.starts_with("cuda_") || name.starts_with("NVIDIA-Linux"))
}

/// ADD of an address, or COPY of a file, that gives the installer another name.
fn copied(copy: &Copy) -> Option<Saved<'_>> {
    let [source] = copy.sources.as_slice() else { return None };
    let name = base_name(source.text.as_deref().unwrap_or(&source.raw));
    let file = base_name(copy.destination.text.as_deref()?);
    (is_installer(name) && !file.is_empty()).then_some(Saved {
        stage: copy.stage,
        instruction: copy.instruction,
        file,
        name,
    })
}

/// A download that gives the installer another name.
fn downloaded<'a>(executed: &Executed, download: &'a Download) -> Option<Saved<'a>> {
    let name = download.urls.iter().map(|url| base_name(&url.text)).find(|name| is_installer(name))?;
    let file = base_name(download.output.as_ref()?.literal()?);
    Some(Saved { stage: executed.stage, instruction: executed.instruction, file, name })
}

/// The file that a command runs, and its arguments.
fn started(resolved: &Resolved) -> Option<(&ShellWord, &[ShellWord])> {
    match &resolved.action {
        Action::Runfile { file, args } => Some((file, args)),
        Action::RunScript { interpreter, file, args } if interpreter.ends_with("sh") => Some((file, args)),
        Action::Program => {
            let program = resolved.command.program()?;
            program.word.text.contains('/').then_some((program.word, program.args))
        }
        _ => None,
    }
}

/// The installer's own name, when the file is one.
fn name_of(
    cx: &Extraction<'_>,
    facts: &Facts,
    executed: &Executed,
    resolved: &Resolved,
    file: &ShellWord,
    saved: &[Saved<'_>],
) -> Option<String> {
    let Some(path) = file.literal() else {
        let name = base_name(&file.text);
        if is_installer(name) {
            return Some(name.to_owned());
        }
        return file.raw.contains("basename").then(|| printed_name(cx, executed, resolved))?;
    };
    let name = base_name(path);
    let published = is_installer(name).then(|| name.to_owned());
    if !cx.spend(saved.len()) {
        return published;
    }
    let earlier = saved.iter().rev().find(|saved| {
        saved.file == name
            && saved.instruction <= executed.instruction
            && facts.inherits(executed.stage, saved.stage)
    });
    earlier.map(|saved| saved.name.to_owned()).or(published)
}

/// `sh $(basename $URL)`: what `basename` prints.
fn printed_name(cx: &Extraction<'_>, executed: &Executed, resolved: &Resolved) -> Option<String> {
    if !cx.spend(executed.commands.len()) {
        return None;
    }
    let inside = executed.commands.iter().filter(|other| other.command.parent == Some(resolved.index));
    let mut names = inside.filter_map(|other| {
        let program = other.command.program().filter(|program| program.name == "basename")?;
        let [word] = program.args else { return None };
        Some(base_name(word.literal()?).to_owned())
    });
    names.find(|name| is_installer(name))
}

#[cfg(test)]
mod tests {
    use super::super::testing::facts;

    fn names(text: &str) -> Vec<(usize, String)> {
        facts(text).installers.iter().map(|one| (one.stage.0, one.name.clone())).collect()
    }

    const CUDA: &str = "cuda_12.4.1_550.54.15_linux.run";

    #[test]
    fn a_download_may_have_another_name() {
        let url =
            format!("https://developer.download.nvidia.com/compute/cuda/12.4.1/local_installers/{CUDA}");
        let found = names(&format!(
            "FROM ubuntu:22.04 AS a\nARG U={url}\nRUN wget -O c.run {url} && sh c.run --silent\nRUN curl -o /tmp/i $U\nRUN chmod +x /tmp/i && /tmp/i --silent\nRUN wget $U && sh $(basename $U) --silent && sh ${{U##*/}}\nADD {url} /opt/x.run\nRUN /opt/x.run\nRUN sh other.run\nFROM a\nRUN bash c.run\nFROM ubuntu:22.04\nRUN bash c.run\n"
        ));
        let cuda = |stage: usize| (stage, CUDA.to_owned());
        assert_eq!(found, [cuda(0), cuda(0), cuda(0), cuda(0), cuda(0), cuda(1)]);
    }

    #[test]
    fn a_version_may_be_unknown() {
        let found = names("FROM ubuntu:22.04\nARG V\nRUN sh ./NVIDIA-Linux-x86_64-$V.run -s && sh $V.run\n");
        assert_eq!(found, [(0, "NVIDIA-Linux-x86_64-$V.run".to_owned())]);
    }
}
