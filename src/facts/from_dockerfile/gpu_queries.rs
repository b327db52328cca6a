//! Commands that ask for a GPU while the image is built, where there is none.

use crate::facts::{Command, CommandRole, Facts, GpuQuery};

use super::words::shown;
use crate::dockerfile::shell::tools::python_code::is_python;

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
    "tf.test.is_built_with_cuda",
    "cupy.is_available",
    "jax.default_backend",
];

pub(super) fn extract(facts: &mut Facts) {
    let mut found = Vec::new();
    for command in &facts.commands {
        if !matches!(command.role, CommandRole::Run | CommandRole::BuildScript) {
            continue;
        }
        if let Some(what) = query_of(command) {
            found.push(GpuQuery {
                stage: command.stage,
                what,
                failure_ignored: command.failure_ignored,
                gpu_device: command.gpu_device,
                origin: command.origin.clone(),
            });
        }
    }
    facts.gpu_queries.extend(found);
}

fn query_of(command: &Command) -> Option<String> {
    let program = command.program.as_deref()?;
    if PROGRAMS.contains(&program) {
        // What only prints the tool's own help needs no driver.
        let help = command.args.iter().any(|word| matches!(word.text.as_deref(), Some("-h" | "--help")));
        return (!help).then(|| program.to_owned());
    }
    if !is_python(program) && program != "ipython" {
        return None;
    }
    let code = command.code.clone().or_else(|| code_argument(command))?;
    query_in_code(&code, writes_to_file(command))
}

/// The text after `-c`.
fn code_argument(command: &Command) -> Option<String> {
    let at = command.args.iter().position(|word| word.text.as_deref() == Some("-c"))?;
    command.args.get(at + 1).map(shown)
}

/// Whether the words show that output is kept: `> file` stands in the command's text only where the scanner left it.
fn writes_to_file(command: &Command) -> bool {
    command.args.iter().any(|word| matches!(word.text.as_deref(), Some(">" | ">>")))
}

/// The first query in Python code; comments do not count.
fn query_in_code(code: &str, output_kept: bool) -> Option<String> {
    let code: String =
        code.lines().map(|line| line.split('#').next().unwrap_or(line)).collect::<Vec<_>>().join("\n");
    if let Some(call) = FAILING_CALLS.iter().find(|call| code.contains(*call)) {
        return Some(name_of_call(call));
    }
    let acted_on = output_kept
        || ["assert", "exit(", "raise ", "raise(", "quit(", "open(", ".write", "write_text"]
            .iter()
            .any(|word| code.contains(word));
    if let Some(call) = ANSWERING_CALLS.iter().find(|call| code.contains(*call)) {
        return acted_on.then(|| name_of_call(call));
    }
    let moves = [".cuda()", ".to('cuda", ".to(\"cuda", "device='cuda", "device=\"cuda"];
    moves.iter().find(|call| code.contains(*call)).map(|call| name_of_call(call.trim_start_matches('.')))
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
        let query = |code: &str| query_in_code(code, false);
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
        let query = |code: &str| query_in_code(code, false);
        assert_eq!(query("import torch; print(torch.version.cuda)"), None);
        assert_eq!(query("import torch; print(torch.cuda.is_available())"), None);
        assert_eq!(query("# assert torch.cuda.is_available()\nprint(1)"), None);
        assert_eq!(query("d = 'cuda' if torch.cuda.is_available() else 'cpu'; m.to('cuda')"), None);
        assert_eq!(
            query_in_code("print(torch.cuda.is_available())", true).as_deref(),
            Some("torch.cuda.is_available()")
        );
    }

    #[test]
    fn queries_of_a_dockerfile() {
        use crate::facts::from_dockerfile::testing::facts;
        let facts = facts(
            "FROM x\nRUN nvidia-smi\nRUN nvidia-smi || true\nRUN python3 - <<EOF\nimport torch\nassert torch.cuda.is_available()\nEOF\nRUN ARCH=$(nvidia-smi --query-gpu=compute_cap --format=csv) make\nRUN --device=nvidia.com/gpu=all nvidia-smi -L\nRUN command -v nvidia-smi; which nvidia-smi; echo nvidia-smi; test -x /usr/bin/nvidia-smi\nRUN cat <<EOF > /x.sh\nnvidia-smi\nEOF\nCMD nvidia-smi\n",
        );
        let shown: Vec<(&str, bool, bool)> = facts
            .gpu_queries
            .iter()
            .map(|query| (query.what.as_str(), query.failure_ignored, query.gpu_device))
            .collect();
        assert_eq!(
            shown,
            [
                ("nvidia-smi", false, false),
                ("nvidia-smi", true, false),
                ("torch.cuda.is_available()", false, false),
                ("nvidia-smi", false, false),
                ("nvidia-smi", false, true),
            ]
        );
    }
}
