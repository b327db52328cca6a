//! apt preferences files that pin versions: packages that they cover count as pinned.

use std::collections::BTreeMap;

use super::exports::lines;
use super::{Extraction, copies, glob};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::FileVerb;
use crate::dockerfile::shell::tools::files::writes;
use crate::facts::{CopyFrom, Facts, PackageManager, StageId};

/// Packages whose version a preferences file fixes.
struct Pins {
    stage: StageId,
    instruction: usize,
    /// Names and patterns, as in `Package:`.
    patterns: Vec<String>,
}

/// Text of a preferences file, as far as a Dockerfile writes it: where first, and its lines.
type Written = BTreeMap<(StageId, String), (usize, Vec<String>)>;

/// Marks packages in [`Facts::packages`] that an earlier preferences file pins.
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut pins = Vec::new();
    let mut written = Written::new();
    run_texts(cx, &mut written, &mut pins);
    copied(cx, facts, &mut written, &mut pins);
    pins.extend(written.into_iter().map(|((stage, _), (instruction, lines))| Pins {
        stage,
        instruction,
        patterns: version_pins(&lines),
    }));
    pins.retain(|pins| !pins.patterns.is_empty());
    if pins.is_empty() {
        return;
    }
    let mut packages = std::mem::take(&mut facts.packages);
    for package in packages
        .iter_mut()
        .filter(|package| package.manager == PackageManager::Apt && !package.pinned && cx.spend(pins.len()))
    {
        package.pinned = pins.iter().any(|pins| {
            facts.inherits(package.stage, pins.stage)
                && pins.instruction <= package.instruction
                && pins.patterns.iter().any(|pattern| glob::matches(pattern, &package.name))
        });
    }
    facts.packages = packages;
}

fn is_preferences(path: &str) -> bool {
    path.starts_with("/etc/apt/preferences")
}

/// NVIDIA's own file (`cuda-repository-pin-600`, `cuda-ubuntu2204.pin`) prefers the repository and no version.
fn prefers_repository(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.contains("repository-pin") || (name.starts_with("cuda-") && name.ends_with(".pin"))
}

/// Pins of a file whose text is not known: it may cover every package.
fn unknown(stage: StageId, instruction: usize) -> Pins {
    Pins { stage, instruction, patterns: vec!["*".to_owned()] }
}

/// Files that RUN writes, moves or fetches.
fn run_texts(cx: &Extraction<'_>, written: &mut Written, pins: &mut Vec<Pins>) {
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        let (stage, instruction) = (executed.stage, executed.instruction);
        for write in writes(&executed.script) {
            if is_preferences(&write.target.text) {
                let entry =
                    written.entry((stage, write.target.text.clone())).or_insert((instruction, Vec::new()));
                for word in &write.text {
                    let found = lines(word, write.escapes);
                    entry.1.extend(
                        found.iter().filter_map(|line| Some(word.text.get(line.start..line.end)?.to_owned())),
                    );
                }
            }
        }
        for resolved in &executed.commands {
            let (to, from): (_, Vec<&str>) = match &resolved.action {
                Action::Files(operation)
                    if matches!(operation.verb, FileVerb::Move | FileVerb::Copy | FileVerb::Install) =>
                {
                    let from = operation.sources.iter().map(|word| word.text.as_str());
                    (operation.destination.as_ref(), from.collect())
                }
                Action::Download(download) => {
                    (download.output.as_ref(), download.urls.iter().map(|url| url.text.as_str()).collect())
                }
                _ => continue,
            };
            let Some(to) = to.map(|word| word.text.as_str()).filter(|to| is_preferences(to)) else {
                continue;
            };
            if !prefers_repository(to) && !from.iter().any(|from| prefers_repository(from)) {
                pins.push(unknown(stage, instruction));
            }
        }
    }
}

/// Files that COPY and ADD bring.
fn copied(cx: &Extraction<'_>, facts: &mut Facts, written: &mut Written, pins: &mut Vec<Pins>) {
    for file in copies::heredocs(cx).into_iter().filter(|file| is_preferences(&file.path)) {
        let text = file.text.text.lines().map(|line| line.trim().to_owned());
        written.insert((file.stage, file.path), (file.instruction, text.collect()));
    }
    let files: Vec<(StageId, usize, bool, String)> = facts
        .copies
        .iter()
        .filter(|copy| copy.destination.text.as_deref().is_some_and(is_preferences))
        .flat_map(|copy| {
            let to = copy.destination.text.as_deref().unwrap_or_default();
            let named = !prefers_repository(to);
            copy.sources.iter().filter(move |_| named).map(|word| {
                let source = word.text.as_deref().unwrap_or(&word.raw).to_owned();
                (copy.stage, copy.instruction, copy.from == CopyFrom::Context, source)
            })
        })
        .collect();
    for (stage, instruction, from_context, source) in files {
        if prefers_repository(&source) {
            continue;
        }
        let text = if from_context { cx.context_file(facts, &source) } else { None };
        pins.push(match text {
            Some((_, bytes)) => {
                let text = String::from_utf8_lossy(&bytes);
                let lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
                Pins { stage, instruction, patterns: version_pins(&lines) }
            }
            None => unknown(stage, instruction),
        });
    }
}

/// Names under `Package:` whose `Pin:` is a version (apt_preferences(5)).
fn version_pins(lines: &[String]) -> Vec<String> {
    let mut patterns = Vec::new();
    let mut current: Vec<&str> = Vec::new();
    for line in lines {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key.trim().to_ascii_lowercase().as_str() {
            "package" => current = value.split_whitespace().collect(),
            "pin" if value.trim_start().starts_with("version") => {
                // `/…/` is a regular expression, `src:…` a source package: what they cover is not looked into.
                patterns.extend(current.iter().map(|name| {
                    let plain = !name.starts_with('/') && !name.starts_with("src:");
                    if plain { (*name).to_owned() } else { "*".to_owned() }
                }));
            }
            _ => {}
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, facts_in};

    fn pinned(text: &str) -> bool {
        facts(text).packages.iter().any(|package| package.name == "cuda-toolkit" && package.pinned)
    }

    #[test]
    fn versions_are_pinned_by_files_written_here() {
        let install = "RUN apt-get install -y cuda-toolkit\n";
        let from = "FROM ubuntu:22.04\n";
        let file = "/etc/apt/preferences.d/cuda";
        for step in [
            format!(
                "RUN printf 'Package: cuda-toolkit*\\nPin: version 12.4.1-1\\nPin-Priority: 1001\\n' > {file}"
            ),
            format!("RUN echo 'Package: cuda-*' > {file} && echo 'Pin: version 12.4.*' >> {file}"),
            format!("COPY <<EOF {file}\nPackage: *\nPin: version 12.4.1-1\nEOF"),
            format!("COPY cuda.pref {file}"),
        ] {
            assert!(pinned(&format!("{from}{step}\n{install}")), "{step}");
            assert!(!pinned(&format!("{from}{install}{step}\n")), "later: {step}");
        }
        for step in [
            "RUN wget -O /etc/apt/preferences.d/cuda-repository-pin-600 https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64/cuda-ubuntu2204.pin".to_owned(),
            "RUN mv cuda-ubuntu2204.pin /etc/apt/preferences.d/cuda-repository-pin-600".to_owned(),
            format!("RUN printf 'Package: *\\nPin: release l=NVIDIA CUDA\\nPin-Priority: 600\\n' > {file}"),
            format!("RUN printf 'Package: libcudnn*\\nPin: version 9.1.*\\n' > {file}"),
        ] {
            assert!(!pinned(&format!("{from}{step}\n{install}")), "{step}");
        }
    }

    #[test]
    fn a_file_of_the_context_is_read() {
        let text =
            "FROM ubuntu:22.04\nCOPY p /etc/apt/preferences.d/\nRUN apt-get install -y cuda-toolkit gcc\n";
        let facts = facts_in(text, &[("p", "Package: cuda-toolkit\nPin: version 12.4.1-1\n")]);
        assert_eq!(facts.packages.iter().map(|package| package.pinned).collect::<Vec<_>>(), [true, false]);
    }
}
