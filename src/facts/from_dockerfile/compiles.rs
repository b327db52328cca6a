//! Signs that something is compiled in a stage.

use super::Extraction;
use super::executed::{Executed, Resolved};
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::{
    BuildCommand, PythonAction, PythonInstall, Requirement, RequirementSource,
};
use crate::facts::{CommandRole, CompileSignal, EnvSet, Facts, StageId};

/// Options with which a program tells about itself and compiles nothing.
const ASKING: &[&str] = &["--version", "-V", "--help", "-h", "-v", "version", "env"];
/// Subcommands of cargo and go that compile.
const CARGO: &[&str] =
    &["build", "b", "install", "test", "t", "run", "r", "bench", "rustc", "check", "chef", "nextest"];
const GO: &[&str] = &["build", "install", "test", "run", "generate"];
/// Switches of CMake, make and configure scripts that have `CUDA` (or `CUBLAS`) in their name and do not compile CUDA code.
const NOT_CUDA: &[&str] = &["--enable-cuda-llvm", "CUDA_TOOLKIT_ROOT_DIR"];

/// Fills [`Facts::compiles`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut found = Vec::new();
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        for resolved in &executed.commands {
            if let Some((what, cuda)) = signal(executed, resolved, &facts.env_sets) {
                found.push(CompileSignal {
                    stage: executed.stage,
                    what,
                    cuda,
                    instruction: executed.instruction,
                    origin: executed.command_origin(&resolved.command),
                });
            }
        }
    }
    facts.compiles.extend(found);
    facts.run_time_compiles.extend(run_time(cx));
}

/// What the container compiles when it starts, and just-in-time extensions of torch wherever they are tried.
fn run_time(cx: &Extraction<'_>) -> Vec<CompileSignal> {
    let mut found = Vec::new();
    for executed in &cx.executed {
        let starts =
            matches!(executed.role, CommandRole::Cmd | CommandRole::Entrypoint | CommandRole::StartScript);
        for resolved in &executed.commands {
            let what = match &resolved.action {
                Action::Build(build) if starts => build.program.clone(),
                Action::PythonCode(code) if loads_extension(&code.text.text) => "cpp_extension".to_owned(),
                _ => continue,
            };
            found.push(CompileSignal {
                stage: executed.stage,
                cuda: matches!(what.as_str(), "nvcc" | "cpp_extension"),
                what,
                instruction: executed.instruction,
                origin: executed.command_origin(&resolved.command),
            });
        }
    }
    found
}

/// `torch.utils.cpp_extension.load(…)` and `load_inline(…)` call nvcc or the host compiler.
fn loads_extension(code: &str) -> bool {
    code.contains("cpp_extension")
        && ["load(", "load_inline", "import load"].iter().any(|call| code.contains(call))
}

fn signal(executed: &Executed, resolved: &Resolved, env: &[EnvSet]) -> Option<(String, bool)> {
    match &resolved.action {
        Action::Build(build) => compiles(build).then(|| {
            let nvcc = build.program == "nvcc";
            (build.program.clone(), nvcc || switches_cuda_on(resolved))
        }),
        Action::Python(install) => python(executed.stage, resolved, install, env),
        Action::Program => {
            let program = resolved.command.program()?;
            let args: Vec<&str> = program.args.iter().map(|word| word.text.as_str()).collect();
            let build_module = program.name.starts_with("python") && args.starts_with(&["-m", "build"]);
            if build_module {
                return Some(("python -m build".to_owned(), false));
            }
            other_tool(program.name, &args).map(|what| (what.to_owned(), false))
        }
        _ => None,
    }
}

/// Tools that drive a compiler, and compilers behind another name.
fn other_tool(name: &str, args: &[&str]) -> Option<&'static str> {
    let verb = |verbs: &[&str]| {
        args.iter().find(|arg| !arg.starts_with(['-', '+'])).is_some_and(|arg| verbs.contains(arg))
    };
    let asks = args.len() == 1 && args.first().is_some_and(|arg| ASKING.contains(arg));
    match name {
        "colcon" if verb(&["build", "test"]) => Some("colcon"),
        "catkin" if verb(&["build"]) => Some("catkin"),
        "catkin_make" | "catkin_make_isolated" => Some("catkin_make"),
        "maturin" if verb(&["build", "develop", "publish"]) => Some("maturin"),
        "spack" if verb(&["install", "build-env", "dev-build", "env"]) => Some("spack"),
        "eb" if !asks => Some("EasyBuild"),
        "mpicc" | "mpicxx" | "mpic++" | "mpiCC" | "mpif77" | "mpif90" | "mpifort" | "icc" | "icpc"
        | "icx" | "icpx" | "ifort" | "ifx" | "nvcc_wrapper" | "pgcc" | "pgc++" | "pgfortran"
            if !asks =>
        {
            Some("compiler wrapper")
        }
        "dpkg-buildpackage" | "debuild" | "rpmbuild" | "cibuildwheel" => Some("package build"),
        "install2.r" | "installGithub.r" => Some("R packages"),
        "R" | "Rscript" | "r" => args
            .iter()
            .any(|arg| {
                ["install.packages(", "install_github(", "install_version(", "install_local("]
                    .iter()
                    .any(|call| arg.contains(call))
            })
            .then_some("R packages"),
        _ => None,
    }
}

/// Distributions without wheels on the default index, whose install compiles native code.
const ALWAYS_BUILT: &[&str] = &["horovod", "dlib"];

fn compiles(build: &BuildCommand) -> bool {
    let args: Vec<&str> = build.args.iter().map(|word| word.text.as_str()).collect();
    let first = args.iter().find(|arg| !arg.starts_with(['-', '+'])).copied();
    if args.first().is_some_and(|arg| ASKING.contains(arg)) && args.len() == 1 {
        return false;
    }
    match build.program.as_str() {
        "cargo" => first.is_some_and(|verb| CARGO.contains(&verb)),
        "go" => first.is_some_and(|verb| GO.contains(&verb)),
        "bazel" | "bazelisk" => first.is_some_and(|verb| matches!(verb, "build" | "test" | "run")),
        "make" | "gmake" => first != Some("clean"),
        "setup.py" => first.is_some_and(|verb| {
            verb.starts_with("build") || verb.starts_with("bdist") || matches!(verb, "install" | "develop")
        }),
        _ => true,
    }
}

/// `-DGGML_CUDA=ON`, `--enable-cuda`, `USE_CUDA=1` among words or in front of the command.
fn switches_cuda_on(resolved: &Resolved) -> bool {
    let command = &resolved.command;
    let assigned = command
        .assignments
        .iter()
        .any(|assignment| is_switch(&format!("{}={}", assignment.name, assignment.value.text)));
    assigned || command.words.iter().any(|word| word.text.split_whitespace().any(is_switch))
}

fn is_switch(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    if NOT_CUDA.iter().any(|other| upper.contains(&other.to_ascii_uppercase())) {
        return false;
    }
    let (name, value) =
        upper.split_once('=').map_or((upper.as_str(), None), |(name, value)| (name, Some(value)));
    let cuda = ["CUDA", "CUBLAS", "CUDNN", "NVCC"].iter().any(|part| name.contains(part));
    let off =
        value.is_some_and(|value| matches!(value.trim_matches('"'), "OFF" | "0" | "FALSE" | "NO" | "N" | ""));
    let on = value.is_some_and(|value| matches!(value.trim_matches('"'), "ON" | "1" | "TRUE" | "YES" | "Y"));
    let lists = value.is_some() && (name.contains("CUDA_ARCH") || name.contains("CUDA_COMPILER"));
    let enables = name.starts_with("--ENABLE-CUDA")
        || name.starts_with("--WITH-CUDA")
        || name.starts_with("--USE-CUDA");
    let config = name == "--CONFIG" && value == Some("CUDA");
    (cuda && !off && (on || lists || enables || (name == "GPU_ARCHS"))) || config
}

fn python(
    stage: StageId,
    resolved: &Resolved,
    install: &PythonInstall,
    env: &[EnvSet],
) -> Option<(String, bool)> {
    if matches!(install.action, PythonAction::Uninstall | PythonAction::Lock | PythonAction::Download) {
        return None;
    }
    let cmake_args =
        resolved.command.own_variable("CMAKE_ARGS").map(|word| word.text.clone()).or_else(|| {
            let set = env.iter().rev().find(|set| set.stage == stage && set.name == "CMAKE_ARGS")?;
            Some(set.value.clone().unwrap_or_else(|| set.raw.clone()))
        });
    if let Some(args) = cmake_args {
        let args = args.replace("-D", " ");
        return Some(("CMAKE_ARGS".to_owned(), args.split_whitespace().any(is_switch)));
    }
    if install.action == PythonAction::Wheel {
        return Some(("pip wheel".to_owned(), false));
    }
    if install.no_build_isolation || install.has_flag(&["--no-build-isolation-package"]) {
        return Some(("pip --no-build-isolation".to_owned(), false));
    }
    if install.no_binary.iter().any(|value| value.text != ":none:") {
        return Some(("pip --no-binary".to_owned(), false));
    }
    let built = |requirement: &Requirement| {
        requirement.source == RequirementSource::Index
            && requirement.name.as_deref().is_some_and(|name| ALWAYS_BUILT.contains(&name))
    };
    if install.only_binary.is_empty() && install.requirements.iter().any(built) {
        return Some(("pip without wheels".to_owned(), false));
    }
    let from_git = install
        .requirements
        .iter()
        .any(|requirement| matches!(requirement.source, RequirementSource::Vcs { .. }));
    if from_git {
        return Some(("pip git+".to_owned(), false));
    }
    // Somebody who names the GPUs for a folder knows that there is code for them in it.
    let for_gpus = ["TORCH_CUDA_ARCH_LIST", "FORCE_CUDA"].iter().any(|name| {
        resolved.command.own_variable(name).is_some()
            || env.iter().any(|set| set.stage == stage && set.name == *name)
    });
    let folder = install.requirements.iter().any(|requirement| {
        matches!(requirement.source, RequirementSource::Path(_))
            && requirement.wheel.is_none()
            && !requirement.raw.contains(".whl")
    });
    (folder && for_gpus).then(|| ("pip install of a folder".to_owned(), true))
}

#[cfg(test)]
mod tests {
    use super::super::testing::facts;

    fn signals(run: &str) -> Vec<(String, bool)> {
        let facts = facts(&format!("FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN {run}\n"));
        facts.compiles.into_iter().map(|signal| (signal.what, signal.cuda)).collect()
    }

    #[test]
    fn compilers_and_build_tools_are_signals() {
        let one = |what: &str, cuda: bool| vec![(what.to_owned(), cuda)];
        assert_eq!(signals("nvcc -o a a.cu"), one("nvcc", true));
        assert_eq!(signals("cmake -B b -DGGML_CUDA=ON ."), one("cmake", true));
        assert_eq!(signals("cmake -B b -DGGML_CUDA=OFF ."), one("cmake", false));
        assert_eq!(signals("make -j LLAMA_CUBLAS=1"), one("make", true));
        assert_eq!(signals("go build ./..."), one("go", false));
        assert_eq!(signals("python3 setup.py install"), one("setup.py", false));
        assert_eq!(signals("pip wheel -w /w flash-attn"), one("pip wheel", false));
        assert_eq!(signals("pip install git+https://github.com/a/b"), one("pip git+", false));
        assert_eq!(signals("FORCE_CUDA=1 pip install ."), one("pip install of a folder", true));
        assert_eq!(signals("pip install -v -e /src"), []);
        assert_eq!(
            signals("pip install --no-build-isolation flash-attn"),
            one("pip --no-build-isolation", false)
        );
        assert_eq!(
            signals("CMAKE_ARGS='-DGGML_CUDA=on' pip install llama-cpp-python"),
            one("CMAKE_ARGS", true)
        );
    }

    #[test]
    fn other_tools_that_compile_are_signals() {
        for (run, what) in [
            (". /opt/ros/humble/setup.sh && colcon build", "colcon"),
            ("maturin build --release", "maturin"),
            ("/s/bin/spack install -y lammps+cuda", "spack"),
            ("mpicxx -O2 -o x x.cpp", "compiler wrapper"),
            ("pip install --no-binary=:all: mpi4py", "pip --no-binary"),
            ("HOROVOD_GPU_OPERATIONS=NCCL pip install horovod==0.28.1", "pip without wheels"),
            ("R -e 'install.packages(\"torch\")'", "R packages"),
            ("uv sync --frozen --no-build-isolation-package flash-attn", "pip --no-build-isolation"),
        ] {
            assert_eq!(signals(run), [(what.to_owned(), false)], "{run}");
        }
        assert_eq!(
            signals("colcon version-check && mpicc --version && pip install --no-binary :none: x"),
            []
        );
    }

    #[test]
    fn compilers_of_the_running_container() {
        for line in [
            "CMD [\"bash\", \"-c\", \"nvcc -o /tmp/t /w/t.cu && /tmp/t\"]",
            "CMD [\"nvcc\", \"--version\"]",
            "ENTRYPOINT [\"/bin/sh\",\"-c\",\"make -C /src && /src/run\"]",
            "RUN python3 -c \"import torch.utils.cpp_extension as c; c.load(name='x', sources=['/x.cu'])\"",
        ] {
            let facts = facts(&format!("FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\n{line}\n"));
            assert_eq!(facts.run_time_compiles.len(), 1, "{line}");
        }
        let none = facts("FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN make\nCMD [\"serve\"]\n");
        assert!(none.run_time_compiles.is_empty());
    }

    #[test]
    fn questions_and_installs_are_none() {
        for run in [
            "nvcc --version",
            "gcc --version && cargo --version",
            "go mod download",
            "pip install torch",
            "pip install /dist/x-1.0-py3-none-any.whl",
            "pip install /dist/*.whl",
            "apt-get install -y gcc make cmake",
            "echo make > /x",
        ] {
            assert_eq!(signals(run), [], "{run}");
        }
    }
}
