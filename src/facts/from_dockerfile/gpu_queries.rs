//! Commands that ask for a GPU while the image is built, where there is none.

use std::ops::Range;

use super::Extraction;
use super::steps::{self, Step, Workdirs};
use crate::dockerfile::shell::{Action, GroupKind};
use crate::facts::{Facts, GpuQuery, Origin};

/// Programs that need the driver.
const PROGRAMS: &[&str] =
    &["nvidia-smi", "deviceQuery", "bandwidthTest", "nvidia-debugdump", "dcgmi", "nvitop", "gpustat"];
/// Calls that fail without a GPU.
const FAILING_CALLS: &[&str] = &[
    "torch.cuda.get_device_name",
    "torch.cuda.get_device_capability",
    "torch.cuda.get_device_properties",
    "torch.cuda.current_device",
    "torch.cuda.init",
    "torch.cuda.set_device",
    "torch.cuda.mem_get_info",
    "tf.config.list_physical_devices",
    "tf.config.experimental.list_physical_devices",
    "tf.test.gpu_device_name",
    "jax.devices('gpu')",
    "jax.devices(\"gpu\")",
    "jax.devices('cuda')",
    "jax.devices(\"cuda\")",
    "cupy.cuda.runtime.",
    "cp.cuda.runtime.",
    "pynvml.nvmlInit",
    "nvmlInit()",
];
/// Calls that answer "no" without a GPU: a query only where the answer is acted on.
const ANSWERING_CALLS: &[&str] = &[
    "torch.cuda.is_available",
    "torch.cuda.device_count",
    "torch.cuda.get_arch_list",
    "tf.test.is_gpu_available",
    "cupy.is_available",
    "jax.default_backend",
];

/// How many groups around a command are looked at for a function.
const GROUPS: usize = 64;

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let dirs = Workdirs::new(cx);
    let mut found = Vec::new();
    steps::walk(cx, &dirs, |step| {
        if !step.at_build() || in_uncalled_function(cx, step) {
            return;
        }
        if let Some((what, origin)) = query_of(step) {
            found.push(GpuQuery {
                stage: step.stage(),
                what,
                failure_ignored: step.resolved.failure_ignored,
                gpu_device: step.executed.gpu_device,
                origin,
            });
        }
    });
    facts.gpu_queries.extend(found);
}

/// Whether a command stands in a function that nothing in its text calls.
fn in_uncalled_function(cx: &Extraction<'_>, step: &Step<'_>) -> bool {
    let command = step.command();
    if !command.context.function {
        return false;
    }
    let script = &step.executed.script;
    let mut group = command.group;
    // Groups nest as deep as the scanner lets them; a bound keeps the walk short all the same.
    for _ in 0..GROUPS {
        let Some(found) = group.and_then(|at| script.groups.get(at)) else { return false };
        if let GroupKind::Function(name) = &found.kind {
            let called = !cx.spend(script.commands.len())
                || script.commands.iter().any(|other| {
                    let program = other.program().map(|program| program.name);
                    // A program that is not known may be the function, and `trap` names it in a word.
                    program.is_some_and(|program| program.is_empty() || program == name)
                        || (program == Some("trap")
                            && other.words.iter().any(|word| word.text.contains(name.as_str())))
                });
            return !called;
        }
        group = found.parent;
    }
    false
}

/// What a command asks, and the word that asks it.
fn query_of(step: &Step<'_>) -> Option<(String, Origin)> {
    let command = step.command();
    if let Action::PythonCode(code) = step.action {
        let output_kept = command.redirections.iter().any(|redirection| redirection.output_file().is_some());
        let (what, range) = query_in_code(&code.text.text, output_kept)?;
        return Some((what, step.executed.part_origin(&code.text, range)));
    }
    let program = command.program()?;
    // What only prints the tool's own help needs no driver.
    let help = program.args.iter().any(|word| matches!(word.literal(), Some("-h" | "--help")));
    let asks = PROGRAMS.contains(&program.name) && !help;
    asks.then(|| (program.name.to_owned(), step.executed.origin_of(program.word.span)))
}

/// The first query in Python code, and where it stands; comments do not count.
fn query_in_code(code: &str, output_kept: bool) -> Option<(String, Range<usize>)> {
    // What torch would refuse is not reached where the code asks first.
    let guarded = code.contains("if torch.cuda.is_available()");
    let failing = FAILING_CALLS.iter().filter(|call| !(guarded && call.starts_with("torch.")));
    if let Some(found) = failing.clone().find_map(|call| position(code, call)) {
        return Some(found);
    }
    let acted_on = output_kept
        || ["assert", "exit(", "raise ", "raise(", "quit(", "open(", ".write", "write_text"]
            .iter()
            .any(|word| position(code, word).is_some());
    if let Some(found) = ANSWERING_CALLS.iter().find_map(|call| position(code, call)) {
        return acted_on.then_some(found);
    }
    let moves = [".cuda()", ".to('cuda", ".to(\"cuda", "device='cuda", "device=\"cuda"];
    moves.iter().find_map(|call| position(code, call))
}

/// Name and place of the first such call that is in no comment.
fn position(code: &str, call: &str) -> Option<(String, Range<usize>)> {
    let (at, _) = code.match_indices(call).find(|(at, _)| {
        let line = code.get(..*at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
        !line.contains('#')
    })?;
    Some((name_of_call(call.trim_start_matches('.')), at..at + call.len()))
}

/// A call as people name it.
fn name_of_call(call: &str) -> String {
    if call.contains('(') || call.ends_with('.') || call.contains('=') {
        call.trim_end_matches('.').to_owned()
    } else {
        format!("{call}()")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_fails_without_a_gpu() {
        let query = |code: &str| query_in_code(code, false).map(|(what, _)| what);
        assert_eq!(
            query("import torch; assert torch.cuda.is_available()").as_deref(),
            Some("torch.cuda.is_available()")
        );
        assert_eq!(
            query("import torch; print(torch.cuda.get_device_name(0))").as_deref(),
            Some("torch.cuda.get_device_name()")
        );
        assert_eq!(query("import jax; jax.devices('gpu')").as_deref(), Some("jax.devices('gpu')"));
        assert_eq!(
            query("import torch, sys\nsys.exit(0 if torch.cuda.device_count() else 1)").as_deref(),
            Some("torch.cuda.device_count()")
        );
        assert_eq!(query("model.to(\"cuda\")").as_deref(), Some("to(\"cuda"));
    }

    #[test]
    fn code_that_runs_anywhere() {
        let query = |code: &str| query_in_code(code, false).map(|(what, _)| what);
        assert_eq!(query("import torch; print(torch.version.cuda)"), None);
        assert_eq!(query("import torch; print(torch.cuda.is_available())"), None);
        assert_eq!(
            query("print(torch.cuda.get_device_name() if torch.cuda.is_available() else 'none')"),
            None
        );
        assert_eq!(query("# assert torch.cuda.is_available()\nprint(1)"), None);
        assert_eq!(query("d = 'cuda' if torch.cuda.is_available() else 'cpu'; m.to('cuda')"), None);
        assert_eq!(
            query_in_code("print(torch.cuda.is_available())", true).map(|(what, _)| what).as_deref(),
            Some("torch.cuda.is_available()")
        );
    }

    #[test]
    fn queries_of_a_dockerfile() {
        use crate::facts::from_dockerfile::testing::{at, facts};
        let facts = facts(
            "FROM x\nRUN sudo nvidia-smi -L\nRUN nvidia-smi || true\nRUN python3 - <<EOF\nimport torch\nassert torch.cuda.is_available()\nEOF\nRUN ARCH=$(nvidia-smi --query-gpu=compute_cap --format=csv) make\nRUN --device=nvidia.com/gpu=all nvidia-smi -L\nRUN python -c 'import torch; print(torch.cuda.device_count())' > /gpus\nRUN command -v nvidia-smi; which nvidia-smi; echo nvidia-smi; test -x /usr/bin/nvidia-smi\nRUN cat <<EOF > /x.sh\nnvidia-smi\nEOF\nCMD nvidia-smi\n",
        );
        let shown: Vec<(&str, &str, bool, bool)> = facts
            .gpu_queries
            .iter()
            .map(|query| {
                (query.what.as_str(), at(&facts, &query.origin), query.failure_ignored, query.gpu_device)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("nvidia-smi", "nvidia-smi", false, false),
                ("nvidia-smi", "nvidia-smi", true, false),
                ("torch.cuda.is_available()", "torch.cuda.is_available", false, false),
                ("nvidia-smi", "nvidia-smi", false, false),
                ("nvidia-smi", "nvidia-smi", false, true),
                ("torch.cuda.device_count()", "torch.cuda.device_count", false, false),
            ]
        );
    }
}
