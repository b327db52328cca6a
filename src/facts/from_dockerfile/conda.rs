//! Packages that conda, mamba, micromamba and pixi install.

use std::collections::HashMap;

use super::context_files::ContextText;
use super::steps::{self, Step, Variable, Workdirs};
use super::{Extraction, Problem};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::{CondaCommand, CondaVerb};
use crate::facts::manifest::{
    CondaSpec, PixiManifest, parse_match_spec, read_conda_spec_file, read_environment_yml, read_pixi, read_pyproject,
};
use crate::facts::{CondaPackage, Facts, Origin, StageId};
use crate::span::Span;

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts, problems: &mut Vec<Problem>) {
    let dirs = Workdirs::new(cx);
    let mut channels: HashMap<StageId, Vec<String>> = HashMap::new();
    let mut found = Vec::new();
    steps::walk(cx, &dirs, |step| {
        let Action::Conda(command) = &step.action else { return };
        if !step.at_build() {
            return;
        }
        if command.verb == CondaVerb::Config {
            let named = command.channels.iter().filter_map(|word| word.literal()).map(str::to_owned);
            channels.entry(step.stage()).or_default().extend(named);
            return;
        }
        if command.verb == CondaVerb::Remove {
            return;
        }
        let lineage = facts.stage(step.stage()).map_or_else(|| vec![step.stage()], |stage| stage.lineage.clone());
        let mut common = Common {
            channels: command.channels.iter().filter_map(|word| word.literal()).map(str::to_owned).collect(),
            override_cuda: match step.own_variable(cx, "CONDA_OVERRIDE_CUDA") {
                Variable::Unset => None,
                Variable::Unknown => Some(None),
                Variable::Known(value) => Some(Some(value)),
            },
            locked: false,
        };
        if !command.override_channels {
            let configured = lineage.iter().filter_map(|stage| channels.get(stage)).flatten().cloned();
            common.channels.extend(configured);
        }
        let origins = command.specs.iter().map(|spec| (spec, step.executed.origin_of(spec.span)));
        for (spec, origin) in origins {
            if let Some(parsed) = parse_match_spec(&spec.raw, Span::default()) {
                found.push(package(step, &command.tool, &common, parsed, origin));
            }
        }
        files(cx, facts, &dirs, step, command, &common, &mut found, problems);
    });
    facts.conda.extend(found);
}

#[derive(Clone)]
struct Common {
    channels: Vec<String>,
    override_cuda: Option<Option<String>>,
    locked: bool,
}

fn package(step: &Step<'_>, tool: &str, common: &Common, spec: CondaSpec, origin: Origin) -> CondaPackage {
    let mut channels = common.channels.clone();
    if let Some(channel) = spec.channel {
        channels.insert(0, channel);
    }
    CondaPackage {
        stage: step.stage(),
        tool: tool.to_owned(),
        name: spec.name,
        version: spec.version,
        build: spec.build,
        channels,
        locked: common.locked || spec.explicit,
        override_cuda: common.override_cuda.clone(),
        instruction: step.instruction(),
        origin,
        command: step.origin(),
    }
}

/// Environment and lock files of the context that a command reads.
#[expect(clippy::too_many_arguments, reason = "the walk, the facts and what both collect")]
fn files(
    cx: &Extraction<'_>,
    facts: &mut Facts,
    dirs: &Workdirs,
    step: &Step<'_>,
    command: &CondaCommand,
    common: &Common,
    found: &mut Vec<CondaPackage>,
    problems: &mut Vec<Problem>,
) {
    let mut paths: Vec<String> =
        command.files.iter().filter_map(|word| word.literal()).map(str::to_owned).collect();
    if paths.is_empty() && matches!(command.verb, CondaVerb::EnvCreate | CondaVerb::EnvUpdate) {
        paths.push("environment.yml".to_owned());
    }
    if command.tool == "pixi" && command.verb == CondaVerb::Install {
        pixi(cx, facts, dirs, step, command, common, found, problems);
        return;
    }
    for path in paths {
        let Some(text) = cx.context_text(facts, dirs, step, &path) else { continue };
        let yaml = [".yml", ".yaml"].iter().any(|end| path.ends_with(end));
        let specs = if yaml {
            match read_environment_yml(&text.text) {
                Ok(environment) => {
                    let mut common = common.clone();
                    common.channels.extend(environment.channels);
                    found.extend(environment.conda.into_iter().map(|spec| {
                        let origin = Origin::file(text.file, spec.span);
                        package(step, &command.tool, &common, spec, origin)
                    }));
                    continue;
                }
                Err(error) => {
                    problems.push(Problem { origin: Origin::file(text.file, error.span), message: error.message });
                    continue;
                }
            }
        } else {
            read_conda_spec_file(&text.text)
        };
        found.extend(specs.into_iter().map(|spec| {
            let origin = Origin::file(text.file, spec.span);
            package(step, &command.tool, common, spec, origin)
        }));
    }
}

/// `pixi install`: pixi.toml, else `[tool.pixi]` of pyproject.toml; a pixi.lock beside it pins all of it.
#[expect(clippy::too_many_arguments, reason = "the walk, the facts and what both collect")]
fn pixi(
    cx: &Extraction<'_>,
    facts: &mut Facts,
    dirs: &Workdirs,
    step: &Step<'_>,
    command: &CondaCommand,
    common: &Common,
    found: &mut Vec<CondaPackage>,
    problems: &mut Vec<Problem>,
) {
    let manifest = command.flags.iter().find(|flag| flag.name == "--manifest-path").and_then(|flag| flag.value.as_ref());
    let named = manifest.and_then(|word| word.literal()).map(str::to_owned);
    let candidates = named.map_or_else(|| vec!["pixi.toml".to_owned(), "pyproject.toml".to_owned()], |path| vec![path]);
    let Some((text, manifest)) = candidates.iter().find_map(|path| {
        let text = cx.context_text(facts, dirs, step, path)?;
        let read = read_manifest(&text, problems)?;
        Some((text, read))
    }) else {
        return;
    };
    let mut common = common.clone();
    common.locked = command.flags.iter().any(|flag| matches!(flag.name.as_str(), "--frozen" | "--locked"))
        || cx.context_text(facts, dirs, step, "pixi.lock").is_some();
    common.channels.extend(manifest.channels);
    if common.override_cuda.is_none()
        && let Some(cuda) = manifest.cuda
    {
        common.override_cuda = Some(Some(cuda));
    }
    found.extend(manifest.conda.into_iter().map(|spec| {
        let origin = Origin::file(text.file, spec.span);
        package(step, &command.tool, &common, spec, origin)
    }));
}

fn read_manifest(text: &ContextText, problems: &mut Vec<Problem>) -> Option<PixiManifest> {
    let read = if text.path.ends_with("pyproject.toml") {
        read_pyproject(&text.text).map(|project| project.pixi)
    } else {
        read_pixi(&text.text).map(Some)
    };
    match read {
        Ok(manifest) => manifest,
        Err(error) => {
            problems.push(Problem { origin: Origin::file(text.file, error.span), message: error.message });
            None
        }
    }
}
