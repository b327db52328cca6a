//! Packages that conda, mamba, micromamba and pixi install.

use std::collections::HashMap;

use super::context_files::ContextText;
use super::steps::{self, Step, Variable, Workdirs};
use super::{Extraction, Problem};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::{CondaCommand, CondaVerb};
use crate::facts::manifest::{
    CondaSpec, PixiManifest, parse_match_spec, read_conda_spec_file, read_environment_yml, read_pixi,
    read_pyproject,
};
use crate::facts::{CondaPackage, Facts, Origin, StageId};
use crate::span::Span;

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts, problems: &mut Vec<Problem>) {
    let dirs = Workdirs::new(cx);
    let mut channels: HashMap<StageId, Vec<String>> = HashMap::new();
    let mut found = Vec::new();
    steps::walk(cx, &dirs, |step| {
        let Action::Conda(command) = step.action else { return };
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
        let lineage =
            facts.stage(step.stage()).map_or_else(|| vec![step.stage()], |stage| stage.lineage.clone());
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
    if command.tool == "pixi" {
        if command.verb == CondaVerb::Install {
            pixi(cx, facts, dirs, step, command, common, found, problems);
        }
        return;
    }
    for path in files_of(command) {
        let Some(text) = cx.context_text(facts, dirs, step, &path) else { continue };
        let specs = if is_yaml(&path) {
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
                    problems.push(Problem {
                        origin: Origin::file(text.file, error.span),
                        message: error.message,
                    });
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
    let Some((text, manifest)) = files_of(command).iter().find_map(|path| {
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

/// Files that a command reads its packages from, as it names them or by default; the first one that is there counts for
/// pixi.
pub(super) fn files_of(command: &CondaCommand) -> Vec<String> {
    if command.tool == "pixi" {
        if command.verb != CondaVerb::Install {
            return Vec::new();
        }
        let manifest = command.flags.iter().find(|flag| flag.name == "--manifest-path");
        let named = manifest.and_then(|flag| flag.value.as_ref()).and_then(|word| word.literal());
        return match named {
            Some(path) => vec![path.to_owned()],
            None => vec!["pixi.toml".to_owned(), "pyproject.toml".to_owned()],
        };
    }
    let mut paths: Vec<String> =
        command.files.iter().filter_map(|word| word.literal()).map(str::to_owned).collect();
    if paths.is_empty() && matches!(command.verb, CondaVerb::EnvCreate | CondaVerb::EnvUpdate) {
        paths.push("environment.yml".to_owned());
    }
    paths
}

/// Whether a file is an environment file, not a list of specs.
pub(super) fn is_yaml(path: &str) -> bool {
    [".yml", ".yaml"].iter().any(|end| path.ends_with(end))
}

/// The pixi manifest in a text, when it can be read.
pub(super) fn pixi_manifest(text: &ContextText) -> Option<PixiManifest> {
    read_manifest(text, &mut Vec::new())
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

#[cfg(test)]
mod tests {
    use crate::facts::from_dockerfile::testing::{at, facts, facts_in};
    use crate::facts::{CondaPackage, Facts};

    fn shown(facts: &Facts) -> Vec<String> {
        let show = |package: &CondaPackage| {
            format!(
                "{} {} {}",
                package.name,
                package.version.as_deref().unwrap_or("-"),
                package.build.as_deref().unwrap_or("-")
            )
        };
        facts.conda.iter().map(show).collect()
    }

    #[test]
    fn specs_with_channels() {
        let facts = facts(
            "FROM condaforge/miniforge3\nRUN conda config --add channels conda-forge\nRUN conda install -y -c pytorch -c nvidia pytorch==2.1.0 pytorch-cuda=12.1 'faiss-gpu=1.8=*cuda*'\n",
        );
        assert_eq!(shown(&facts), ["pytorch 2.1.0 -", "pytorch-cuda 12.1 -", "faiss-gpu 1.8 *cuda*"]);
        assert_eq!(facts.conda[0].channels, ["pytorch", "nvidia", "conda-forge"]);
        assert_eq!(at(&facts, &facts.conda[2].origin), "'faiss-gpu=1.8=*cuda*'");
        assert_eq!(facts.conda[0].override_cuda, None);
    }

    #[test]
    fn the_override_is_seen_wherever_it_is_set() {
        for text in [
            "FROM x\nRUN CONDA_OVERRIDE_CUDA=12.4 mamba install pytorch\n",
            "FROM x\nENV CONDA_OVERRIDE_CUDA=12.4\nRUN mamba install pytorch\n",
            "FROM x\nARG CONDA_OVERRIDE_CUDA=12.4\nRUN mamba install pytorch\n",
            "FROM x\nRUN export CONDA_OVERRIDE_CUDA=12.4 && mamba install pytorch\n",
        ] {
            let facts = facts(text);
            assert_eq!(facts.conda[0].override_cuda, Some(Some("12.4".to_owned())), "{text}");
        }
        let unknown = facts("FROM x\nARG CONDA_OVERRIDE_CUDA\nRUN mamba install pytorch\n");
        assert_eq!(unknown.conda[0].override_cuda, Some(None));
    }

    #[test]
    fn environment_files_of_the_context() {
        let files = [(
            "environment.yml",
            "channels: [conda-forge]\ndependencies:\n  - pytorch=2.5\n  - pip:\n    - vllm==0.6.3\n    - --extra-index-url https://download.pytorch.org/whl/cu121\n",
        )];
        let facts = facts_in(
            "FROM mambaorg/micromamba\nCOPY environment.yml /tmp/env.yml\nRUN micromamba create -y -f /tmp/env.yml\n",
            &files,
        );
        assert_eq!(shown(&facts), ["pytorch 2.5 -"]);
        assert_eq!(facts.conda[0].channels, ["conda-forge"]);
        assert_eq!(at(&facts, &facts.conda[0].origin), "pytorch=2.5");
        let pip: Vec<&str> = facts.python.iter().map(|requirement| at(&facts, &requirement.origin)).collect();
        assert_eq!(pip, ["vllm==0.6.3"]);
        assert_eq!(facts.python[0].indexes.len(), 2);
    }

    #[test]
    fn explicit_lists_are_locked() {
        let files = [(
            "conda-linux-64.lock",
            "@EXPLICIT\nhttps://conda.anaconda.org/conda-forge/linux-64/pytorch-2.5.1-cuda126_py311.conda\n",
        )];
        let facts = facts_in(
            "FROM x\nCOPY conda-linux-64.lock .\nRUN conda create -n a --file conda-linux-64.lock\n",
            &files,
        );
        assert!(facts.conda[0].locked);
        assert_eq!(facts.conda[0].build.as_deref(), Some("cuda126_py311"));
    }

    #[test]
    fn pixi_projects() {
        let files = [
            (
                "pixi.toml",
                "[workspace]\nchannels=['conda-forge']\n[dependencies]\npytorch-gpu='*'\n[pypi-dependencies]\nvllm='==0.6.3'\n[system-requirements]\ncuda='12'\n",
            ),
            ("pixi.lock", ""),
        ];
        let facts =
            facts_in("FROM ghcr.io/prefix-dev/pixi\nWORKDIR /app\nCOPY . .\nRUN pixi install\n", &files);
        assert_eq!(shown(&facts), ["pytorch-gpu - -"]);
        assert!(facts.conda[0].locked);
        assert_eq!(facts.conda[0].override_cuda, Some(Some("12".to_owned())));
        assert_eq!(facts.python.len(), 1);
    }
}
