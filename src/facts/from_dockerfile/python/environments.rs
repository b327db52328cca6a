//! Which environment an install goes into, and which installs find there what they ask for.

use std::collections::HashMap;
use std::str::FromStr;

use pep440_rs::Version;

use super::super::Extraction;
use super::super::steps::{Step, Variable};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::PythonTool as ShellTool;
use crate::dockerfile::shell::tools::{PythonInstall, Session};
use crate::facts::{BaseKind, Facts, PythonRequirement, StageId};

/// Distributions whose build is chosen by an index: installing one again matters.
const NAMES: &[&str] = &["torch", "torchvision", "torchaudio"];
/// Environment of the image's own Python.
const SYSTEM: &str = "";

/// Where a requirement goes.
pub(super) struct Place {
    /// The environment.
    pub environment: String,
    /// Installed even if it is there.
    pub anew: bool,
}

/// The environment that a RUN has activated.
#[derive(Default)]
pub(super) struct Activation {
    current: Option<(StageId, usize, String)>,
}

impl Activation {
    /// Takes note of `source X/bin/activate` and `conda activate X`.
    pub fn see(&mut self, step: &Step<'_>) {
        let activated = match step.action {
            Action::Session(Session::Source { file, .. }) => {
                file.text.ends_with("activate").then(|| file.text.clone())
            }
            _ => step.command().program().and_then(|program| {
                let first = program.args.first().map(|word| word.text.as_str());
                let conda = matches!(program.name, "conda" | "mamba" | "micromamba");
                (conda && first == Some("activate"))
                    .then(|| program.args.get(1).map_or_else(String::new, |word| word.text.clone()))
            }),
        };
        if let Some(activated) = activated {
            self.current = Some((step.stage(), step.instruction(), activated));
        }
    }

    fn of(&self, step: &Step<'_>) -> Option<&str> {
        let (stage, instruction, activated) = self.current.as_ref()?;
        (*stage == step.stage() && *instruction == step.instruction()).then_some(activated)
    }
}

/// A name for the environment that an install goes into; [`SYSTEM`] for that of the image. `None` where it is not known
/// to be shared with another install.
pub(super) fn of_install(
    cx: &Extraction<'_>,
    step: &Step<'_>,
    install: &PythonInstall,
    activation: &Activation,
) -> Option<String> {
    if !matches!(install.tool, ShellTool::Pip | ShellTool::UvPip) || install.target.is_some() {
        return None;
    }
    let program = step.command().program()?;
    let mut parts: Vec<String> = Vec::new();
    let path = program.word.literal()?;
    let own = path.rsplit_once('/').map(|(folder, _)| folder);
    if let Some(folder) = own.filter(|folder| !matches!(*folder, "/usr/bin" | "/usr/local/bin")) {
        parts.push(folder.to_owned());
    }
    // pip3.11 and python3.11 need not be what pip and python are.
    if program.name.contains('.') {
        parts.push(program.name.trim_start_matches("python").trim_start_matches("pip").to_owned());
    }
    if let Some(flag) = install.flags.iter().find(|flag| matches!(flag.name.as_str(), "--python" | "-p")) {
        parts.push(flag.value.as_ref()?.literal()?.to_owned());
    }
    if let Some(activated) = activation.of(step) {
        parts.push(activated.to_owned());
    }
    match step.own_variable(cx, "VIRTUAL_ENV") {
        Variable::Unset => {}
        Variable::Unknown => return None,
        Variable::Known(folder) => parts.push(folder),
    }
    let system = install.has_flag(&["--system"]) || step.own_variable(cx, "UV_SYSTEM_PYTHON").is_set();
    if install.tool == ShellTool::UvPip && !system && parts.is_empty() {
        parts.push(format!("{}/.venv", step.directory));
    }
    // A folder in front of the image's own is another Python; that of conda in pytorch/pytorch is the image's own.
    let path = step.variable(cx, "PATH");
    let folders = path.value().unwrap_or_default().split(':');
    let other = folders.take_while(|folder| !folder.starts_with("/usr/")).filter(|folder| {
        !folder.starts_with("/opt/conda/") && (folder.contains("env") || folder.contains("conda"))
    });
    parts.extend(other.map(str::to_owned));
    Some(parts.join(" "))
}

/// Marks requirements that install nothing, for an earlier install into the same environment (or the base image) has
/// what they ask for: `pip install torch==2.5.1` behind the install of 2.5.1+cu118.
pub(super) fn mark_satisfied(
    cx: &Extraction<'_>,
    facts: &Facts,
    found: &mut [PythonRequirement],
    places: &[Option<Place>],
) {
    // What is there, by environment and name.
    let mut there: HashMap<(&str, &str), Vec<Installed>> = HashMap::new();
    for (requirement, place) in found.iter_mut().zip(places) {
        let Some(name) = NAMES.iter().find(|name| **name == requirement.name) else { continue };
        let Some(place) = place.as_ref().filter(|_| !requirement.not_installed) else { continue };
        let known = there.entry((place.environment.as_str(), name)).or_default();
        if !cx.spend(known.len()) {
            return;
        }
        let of_base = (place.environment == SYSTEM).then(|| torch_of_base(facts, requirement)).flatten();
        let earlier = known
            .iter()
            .rev()
            .find(|known| facts.inherits(requirement.stage, known.stage))
            .or(of_base.as_ref());
        if !place.anew && earlier.is_some_and(|earlier| earlier.satisfies(requirement)) {
            requirement.satisfied = true;
            continue;
        }
        known.push(Installed {
            stage: requirement.stage,
            version: requirement.exact.clone(),
            cpu: crate::facts::wheels::is_cpu_build(requirement),
        });
    }
}

struct Installed {
    stage: StageId,
    /// Without local part; `None` unknown.
    version: Option<String>,
    cpu: bool,
}

impl Installed {
    fn satisfies(&self, requirement: &PythonRequirement) -> bool {
        let plain = requirement.url.is_none()
            && requirement.local_cuda.is_none()
            && !requirement.prerelease
            && (!requirement.local_cpu || self.cpu);
        if !plain {
            return false;
        }
        let Some(version) = &self.version else { return !requirement.bounded };
        match (&requirement.exact, &requirement.specifiers) {
            (Some(exact), _) => {
                let (asked, have) = (Version::from_str(exact), Version::from_str(version));
                matches!((asked, have), (Ok(asked), Ok(have)) if asked == have)
            }
            (None, Some(bounds)) => Version::from_str(version).is_ok_and(|have| bounds.contains(&have)),
            (None, None) => !requirement.bounded,
        }
    }
}

/// torch as the tag of a pytorch/pytorch image tells it.
fn torch_of_base(facts: &Facts, requirement: &PythonRequirement) -> Option<Installed> {
    let base = facts.base_of(requirement.stage)?;
    let ours = base.kind == BaseKind::Framework && base.repository.as_deref() == Some("pytorch/pytorch");
    let version = base.tag.as_deref().filter(|_| ours && requirement.name == "torch")?.split('-').next()?;
    Version::from_str(version).ok()?;
    Some(Installed { stage: requirement.stage, version: Some(version.to_owned()), cpu: false })
}

#[cfg(test)]
mod tests {
    use crate::facts::from_dockerfile::testing::{facts, facts_in};

    fn satisfied(text: &str) -> Vec<bool> {
        facts(text).python.iter().filter(|one| one.name == "torch").map(|one| one.satisfied).collect()
    }

    const CU118: &str = "pip install torch==2.5.1 --index-url https://download.pytorch.org/whl/cu118";

    #[test]
    fn what_is_there_is_not_installed_again() {
        for later in
            ["pip install torch==2.5.1 timm", "python3 -m pip install torch", "pip3 install 'torch>=2.4'"]
        {
            let text = format!("FROM python:3.11-slim AS a\nRUN {CU118}\nFROM a\nRUN {later}\n");
            assert_eq!(satisfied(&text), [false, true], "{later}");
        }
        assert_eq!(
            satisfied("FROM pytorch/pytorch:2.1.2-cuda11.8-cudnn8-runtime\nRUN pip install torch==2.1.2\n"),
            [true]
        );
        let files = [("requirements.txt", "torch==2.5.1\n")];
        let found = facts_in(
            &format!(
                "FROM python:3.11-slim\nCOPY requirements.txt /\nRUN {CU118}\nRUN pip install -r /requirements.txt\n"
            ),
            &files,
        );
        assert_eq!(found.python.iter().map(|one| one.satisfied).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn other_versions_builds_and_environments_are() {
        for later in [
            "pip install torch==2.6.0",
            "pip install torch==2.5.1+cu121",
            "pip install --force-reinstall torch==2.5.1",
            "/opt/venv/bin/pip install torch==2.5.1",
            ". /v/bin/activate && pip install torch==2.5.1",
            "pip install --target /x torch==2.5.1",
            "uv pip install torch==2.5.1",
        ] {
            let text = format!("FROM python:3.11-slim\nRUN {CU118}\nRUN {later}\n");
            assert_eq!(satisfied(&text), [false, false], "{later}");
        }
        let stages = format!(
            "FROM python:3.11-slim AS a\nRUN {CU118}\nFROM python:3.11-slim\nRUN pip install torch==2.5.1\n"
        );
        assert_eq!(satisfied(&stages), [false, false]);
        let upgrade = format!("FROM python:3.11-slim\nRUN {CU118}\nRUN pip install -U torch\n");
        assert_eq!(satisfied(&upgrade), [false, false]);
    }

    #[test]
    fn variables_that_choose_a_build_are_seen() {
        let chosen = |text: &str| facts(text).python.iter().map(|one| one.by_variable).collect::<Vec<_>>();
        assert_eq!(
            chosen(
                "FROM x\nARG V=cpu\nRUN pip install torch --index-url https://download.pytorch.org/whl/${V}\n"
            ),
            [true]
        );
        assert_eq!(
            chosen("FROM x\nARG PIP_INDEX_URL=https://download.pytorch.org/whl/cpu\nRUN pip install torch\n"),
            [true]
        );
        assert_eq!(chosen("FROM x\nARG V=2.5.1\nRUN pip install torch==${V}+cpu\n"), [false]);
        assert_eq!(chosen("FROM x\nARG T=torch\nRUN pip install ${T}-vision\n"), [true]);
        assert_eq!(
            chosen(
                "FROM x\nARG V=1.20.1\nRUN pip install onnxruntime==$V torch --index-url https://download.pytorch.org/whl/cpu\n"
            ),
            [false, false]
        );
    }
}
