//! Steps of the build that may do anything: scripts, projects and package lists that are not at hand.

use std::collections::HashMap;

use super::Extraction;
use super::context_files::absolute;
use super::steps::{self, Step, Workdirs};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::{PackageAction, PythonAction, PythonInstall, RequirementSource};
use crate::facts::{CompileSignal, Facts, StageId, UnreadKind, UnreadStep};

/// Clones that are remembered in a stage.
const CLONES: usize = 64;
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh"];
/// Words in the name of a program or Python script that builds something.
const BUILDS: &[&str] = &["build", "compile", "install", "setup", "bootstrap", "make"];
/// What makes `setup.py` or `pyproject.toml` build native code.
const NATIVE_SETUP: &[&str] =
    &["ext_modules", "Extension(", "cpp_extension", "cythonize", "cffi_modules", "RustExtension"];
const NATIVE_PROJECT: &[&str] =
    &["scikit-build", "scikit_build", "maturin", "mesonpy", "meson-python", "setuptools-rust", "ext-modules"];

/// Fills [`Facts::unread_steps`], and [`Facts::compiles`] by the projects that can be read.
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let dirs = Workdirs::new(cx);
    let mut clones: HashMap<StageId, Vec<String>> = HashMap::new();
    let mut found = Vec::new();
    let mut compiled = Vec::new();
    steps::walk(cx, &dirs, |step| {
        if !step.at_build() {
            return;
        }
        let kind = match step.action {
            Action::GitClone(clone) => {
                let folders = clones.entry(step.stage()).or_default();
                if folders.len() < CLONES
                    && let Some(folder) = clone_folder(clone)
                {
                    folders.push(absolute(step.directory, &folder));
                }
                return;
            }
            Action::Packages(call) if call.action == PackageAction::Install => {
                let more = step.command().program().is_some_and(|program| program.more_args);
                let unknown = call.packages.iter().any(|word| word.text.starts_with(['$', '`']));
                (more || unknown).then_some(UnreadKind::Packages)
            }
            Action::Python(install) => {
                let project = project(cx, facts, &dirs, step, install, &clones);
                if project == Some(Project::Native) {
                    compiled.push(CompileSignal {
                        stage: step.stage(),
                        what: "project with native code".to_owned(),
                        cuda: false,
                        instruction: step.instruction(),
                        origin: step.origin(),
                    });
                }
                (project == Some(Project::Unread)).then_some(UnreadKind::Project)
            }
            _ => script(step)
                .filter(|path| {
                    let own =
                        is_cloned(&clones, step, path) || cx.may_be_of_context(facts, &dirs, step, path);
                    own && (is_python(step) || cx.context_text(facts, &dirs, step, path).is_none())
                })
                .map(|_| UnreadKind::Script),
        };
        if let Some(kind) = kind {
            found.push(UnreadStep {
                stage: step.stage(),
                kind,
                what: step.executed.written(step.command().span).to_owned(),
                instruction: step.instruction(),
                origin: step.origin(),
            });
        }
    });
    facts.unread_steps.extend(found);
    facts.compiles.extend(compiled);
}

fn clone_folder(clone: &crate::dockerfile::shell::tools::GitClone) -> Option<String> {
    if let Some(word) = &clone.directory {
        return word.literal().map(str::to_owned);
    }
    let url = clone.url.literal()?.trim_end_matches('/');
    Some(url.rsplit('/').next().unwrap_or(url).trim_end_matches(".git").to_owned())
}

fn is_cloned(clones: &HashMap<StageId, Vec<String>>, step: &Step<'_>, path: &str) -> bool {
    let path = absolute(step.directory, path);
    clones.get(&step.stage()).is_some_and(|folders| {
        folders.iter().any(|folder| {
            path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
}

fn is_python(step: &Step<'_>) -> bool {
    matches!(step.action, Action::RunScript { interpreter, .. } if interpreter.starts_with("python"))
}

/// The path of a script that a command runs and that may build something.
fn script<'s>(step: &'s Step<'_>) -> Option<&'s str> {
    match step.action {
        Action::RunScript { interpreter, file, .. } => {
            let path = file.literal()?;
            let builds = SHELLS.contains(&interpreter.as_str()) || (is_python(step) && names_a_build(path));
            builds.then_some(path)
        }
        Action::Program => {
            let path = step.resolved.command.program()?.word.literal()?;
            let script = path.ends_with(".sh") || path.ends_with(".bash") || names_a_build(path);
            (path.contains('/') && script).then_some(path)
        }
        _ => None,
    }
}

fn names_a_build(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    BUILDS.iter().any(|word| name.contains(word))
}

/// What is known of a project that is installed from its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Project {
    Native,
    Unread,
}

fn project(
    cx: &Extraction<'_>,
    facts: &mut Facts,
    dirs: &Workdirs,
    step: &Step<'_>,
    install: &PythonInstall,
    clones: &HashMap<StageId, Vec<String>>,
) -> Option<Project> {
    if !matches!(install.action, PythonAction::Install | PythonAction::Wheel) {
        return None;
    }
    install.requirements.iter().find_map(|requirement| {
        let path = match &requirement.source {
            RequirementSource::Path(path) => path.trim_start_matches("file://"),
            // pip takes the value of `-e` for a folder, whatever it looks like.
            RequirementSource::Index if requirement.editable => requirement.raw.as_str(),
            _ => return None,
        };
        let folder = path.split('[').next().unwrap_or(path).trim_end_matches('/');
        if folder.ends_with(".whl") || folder.ends_with(".tar.gz") || folder.ends_with(".zip") {
            return None;
        }
        let (setup, project) = (format!("{folder}/setup.py"), format!("{folder}/pyproject.toml"));
        let mut read = |path: &str, signs: &[&str]| {
            let text = cx.context_text(facts, dirs, step, path)?;
            Some(signs.iter().any(|sign| text.text.contains(sign)))
        };
        match (read(&setup, NATIVE_SETUP), read(&project, NATIVE_PROJECT)) {
            (None, None) => {
                let own = is_cloned(clones, step, folder) || cx.may_be_of_context(facts, dirs, step, &setup);
                own.then_some(Project::Unread)
            }
            (Some(true), _) | (_, Some(true)) => Some(Project::Native),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::facts_in;
    use crate::facts::UnreadKind;

    fn unread(lines: &str, files: &[(&str, &str)]) -> Vec<UnreadKind> {
        let facts = facts_in(&format!("FROM ubuntu:22.04\n{lines}\n"), files);
        facts.unread_steps.iter().map(|step| step.kind).collect()
    }

    #[test]
    fn scripts_that_are_not_at_hand() {
        for lines in [
            "COPY . /app\nRUN /app/scripts/build_kernels.sh",
            "COPY . /app\nWORKDIR /app\nRUN ./build.sh --release",
            "COPY . /app\nRUN bash /app/scripts/install.sh",
            "RUN git clone https://github.com/a/p /p && cd /p && python3 tools/build_lib.py",
        ] {
            assert_eq!(unread(lines, &[]), [UnreadKind::Script], "{lines}");
        }
        for lines in [
            "COPY requirements.txt /tmp/\nRUN wget -O /tmp/conda.sh https://x.example/c.sh && bash /tmp/conda.sh -b",
            "COPY . /app\nRUN python3 /app/download.py && . /opt/ros/setup.sh",
        ] {
            assert_eq!(unread(lines, &[]), [], "{lines}");
        }
        let files = [("build.sh", "#!/bin/sh\nmake\n")];
        assert_eq!(unread("COPY . /app\nRUN /app/build.sh", &files), []);
    }

    #[test]
    fn projects_and_package_lists() {
        assert_eq!(unread("COPY . /app\nRUN pip install -e /app", &[]), [UnreadKind::Project]);
        let pure = [("pyproject.toml", "[build-system]\nrequires = [\"hatchling\"]\n")];
        assert_eq!(unread("COPY . /app\nRUN pip install -e /app", &pure), []);
        let native = [("setup.py", "setup(ext_modules=[CUDAExtension('x', [])])\n")];
        let facts = facts_in("FROM ubuntu:22.04\nCOPY . /app\nRUN pip install /app\n", &native);
        assert_eq!(facts.compiles.len(), 1);
        assert!(facts.unread_steps.is_empty());
        assert_eq!(
            unread("COPY p.txt /\nRUN xargs -a /p.txt apt-get install -y", &[]),
            [UnreadKind::Packages]
        );
        assert_eq!(unread("RUN apt-get install -y $(cat /p.txt)", &[]), [UnreadKind::Packages]);
    }
}
