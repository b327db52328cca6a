//! CU605: the shipped image is a devel image.

use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{Base, BaseKind, Facts, Flavour, InputKind, Origin, PayloadKind, UnreadKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct FinalStageDevel;

impl Rule for FinalStageDevel {
    fn id(&self) -> RuleId {
        RuleId::new("CU605")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU605-final-stage-devel.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if facts.kind != InputKind::Dockerfile {
            return;
        }
        let (Some(stage), Some(base)) = (facts.target_stage(), facts.final_base()) else { return };
        let devel =
            matches!(base.kind, BaseKind::Cuda | BaseKind::Framework) && base.flavour == Some(Flavour::Devel);
        if !devel
            || compiles_at_run_time(facts)
            || is_workbench(facts)
            || stage.name.as_deref().is_some_and(is_tool_stage)
            || facts.sources.first().is_some_and(|source| is_tool_file(&source.name))
        {
            return;
        }
        let last = facts.stages.last().is_some_and(|last| last.id == stage.id);
        if !last {
            // `--target` chose the stage: the author knows what it is for.
            return;
        }
        let signals = facts.compiles.iter().map(|signal| (signal.stage, &signal.origin));
        let builds = facts.source_builds.iter().filter(|build| !build.prebuilt);
        // A project is built before it is installed, natively or not.
        let projects = facts
            .unread_steps
            .iter()
            .filter(|step| step.kind == UnreadKind::Project)
            .map(|step| (step.stage, &step.origin, "built here, perhaps with native code"));
        let here = signals
            .chain(builds.map(|build| (build.stage, &build.origin)))
            .map(|(stage, origin)| (stage, origin, "compiled here"))
            .chain(projects)
            .find(|(stage, ..)| facts.in_final_lineage(*stage));
        if here.is_none() && may_compile(facts) {
            return;
        }
        let image = base.reference.as_deref().unwrap_or(&base.written);
        match here {
            None => {
                let smaller = smaller(facts, base);
                let mut draft = out
                    .finding(&base.origin, format!("the final image is `{image}`, and nothing is compiled in it; `{}` is several GB smaller", smaller.flavour))
                    .help(format!("use the `{}` flavour in the final stage", smaller.flavour));
                if let Some((origin, text)) = smaller.edit {
                    draft = draft.fix(
                        Safety::Unsafe,
                        format!("use the `{}` flavour", smaller.flavour),
                        &[(origin, text)],
                    );
                }
                draft.emit();
            }
            Some((_, compiled, label)) => out
                .finding(
                    &base.origin,
                    format!(
                        "the final image is `{image}`: compiler, headers and static libraries are shipped"
                    ),
                )
                .severity(Severity::Info)
                .related(compiled, label)
                .help("compile in a stage of its own and copy the result to the `runtime` flavour")
                .emit(),
        }
    }
}

struct Smaller {
    flavour: &'static str,
    edit: Option<(Origin, String)>,
}

/// The flavour that would do: base where the wheels bring CUDA, else runtime; and the edit of a literal tag.
fn smaller(facts: &Facts, base: &Base) -> Smaller {
    let wheels = facts
        .payload
        .iter()
        .any(|payload| payload.kind == PayloadKind::Wheel && facts.in_final_lineage(payload.stage));
    let flavour = if wheels && base.kind == BaseKind::Cuda { "base" } else { "runtime" };
    let edit = base.tag_origin.clone().zip(base.tag.as_deref()).and_then(|(origin, tag)| {
        let replaced = tag.replacen("-devel", &format!("-{flavour}"), 1);
        // `-base` has no cudnn form.
        let replaced = if flavour == "base" { drop_cudnn(&replaced) } else { replaced };
        (base.args.is_empty() && replaced != tag).then_some((origin, replaced))
    });
    Smaller { flavour, edit }
}

fn drop_cudnn(tag: &str) -> String {
    tag.split('-').filter(|part| !part.starts_with("cudnn")).collect::<Vec<_>>().join("-")
}

/// Programs that call nvcc or a host compiler when they run: the devel flavour is right for them. numba, cupy and triton
/// bring their own compiler or use NVRTC.
fn compiles_at_run_time(facts: &Facts) -> bool {
    let packages =
        ["deepspeed", "flashinfer-python", "tinygrad", "cudaq", "cuda-quantum", "pycuda", "ninja", "sglang"];
    facts.python.iter().any(|requirement| {
        facts.in_final_lineage(requirement.stage) && packages.contains(&requirement.name.as_str())
    }) || facts.run_time_compiles.iter().any(|signal| facts.in_final_lineage(signal.stage))
}

/// Whether a script that cannot be read may compile something. Scripts that are named for fetching do not.
fn may_compile(facts: &Facts) -> bool {
    let names = |what: &str, words: &[&str]| words.iter().any(|word| what.contains(word));
    let only_fetches = |what: &str| {
        names(what, &["download", "fetch", "model", "weights"])
            && !names(what, &["build", "compile", "install", "setup", "make"])
    };
    facts.unread_steps.iter().any(|step| {
        facts.in_final_lineage(step.stage) && step.kind == UnreadKind::Script && !only_fetches(&step.what)
    })
}

/// Notebook and editor images are where people compile.
fn is_workbench(facts: &Facts) -> bool {
    let words = ["jupyter", "jupyterlab", "jupyter-lab", "notebook", "code-server", "openvscode-server"];
    facts.python.iter().any(|requirement| {
        facts.in_final_lineage(requirement.stage) && words.contains(&requirement.name.as_str())
    }) || facts
        .commands
        .iter()
        .any(|command| command.program.as_deref().is_some_and(|program| words.contains(&program)))
}

/// Names of stages that are not meant to be shipped.
fn is_tool_stage(name: &str) -> bool {
    [
        "dev",
        "devel",
        "develop",
        "development",
        "devcontainer",
        "builder",
        "build",
        "test",
        "tests",
        "ci",
        "toolchain",
        "compiler",
        "sdk",
    ]
    .contains(&name.to_ascii_lowercase().as_str())
}

/// Files that are not meant to be shipped either: `Dockerfile.dev`, `Dockerfile_dev-cu12`, `ci.Dockerfile`,
/// `.devcontainer/Dockerfile`, `tests/gpu.Dockerfile`.
fn is_tool_file(path: &str) -> bool {
    let mut parts = path.rsplit(['/', '\\']);
    let file = parts.next().unwrap_or_default().to_ascii_lowercase();
    let folder = parts.next().unwrap_or_default().to_ascii_lowercase();
    let variant = match file.strip_prefix("dockerfile") {
        Some(rest) => {
            rest.trim_start_matches(['.', '-', '_']).split(['.', '-', '_']).next().unwrap_or_default()
        }
        None => file.strip_suffix(".dockerfile").unwrap_or_default(),
    };
    is_tool_stage(variant)
        || ["dev", ".devcontainer", "devcontainer", "test", "tests", "ci"].contains(&folder.as_str())
}

#[cfg(test)]
mod tests {
    use super::is_tool_file;

    #[test]
    fn files_that_are_not_shipped() {
        for path in [
            "Dockerfile.dev",
            "docker/Dockerfile_dev",
            "ci/tests/cuda.Dockerfile",
            ".devcontainer/Dockerfile",
            "Dockerfile.devel-gpu",
            "ci.Dockerfile",
        ] {
            assert!(is_tool_file(path), "{path}");
        }
        for path in [
            "Dockerfile",
            "build/Dockerfile",
            "tests/case/Dockerfile",
            "devel-left-in.Dockerfile",
            "Dockerfile.gpu",
            "x/Dockerfile.cuda",
        ] {
            assert!(!is_tool_file(path), "{path}");
        }
    }
}
