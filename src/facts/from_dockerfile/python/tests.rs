//! Requirements of Python projects in Dockerfiles and in files of the build context.

use crate::compat::CudaVersion;
use crate::facts::from_dockerfile::testing::{at, extracted, facts, facts_in};
use crate::facts::{Facts, PythonIndex, PythonRequirement, PythonTool, StageId};

fn only(facts: &Facts) -> &PythonRequirement {
    match facts.python.as_slice() {
        [one] => one,
        found => panic!("{found:#?}"),
    }
}

fn names(facts: &Facts) -> Vec<&str> {
    facts.python.iter().map(|requirement| requirement.name.as_str()).collect()
}

fn places(facts: &Facts) -> Vec<&str> {
    facts.python.iter().map(|requirement| at(facts, &requirement.origin)).collect()
}

fn cuda(major: u16, minor: u16, replaces_default: bool) -> PythonIndex {
    PythonIndex::Cuda { version: CudaVersion::new(major, minor), replaces_default }
}

#[test]
fn requirements_over_continuations_point_at_their_words() {
    let facts = facts(
        "FROM python:3.11-slim\nRUN pip install --no-cache-dir \\\n      torch==2.5.1 \\\n      'sentence-transformers==3.3.1'\n",
    );
    assert_eq!(names(&facts), ["torch", "sentence-transformers"]);
    assert_eq!(places(&facts), ["torch==2.5.1", "'sentence-transformers==3.3.1'"]);
    let torch = &facts.python[0];
    assert_eq!((torch.exact.as_deref(), torch.bounded, torch.tool), (Some("2.5.1"), true, PythonTool::Pip));
    assert!(torch.indexes.is_empty() && torch.index_origin.is_none());
    assert_eq!(torch.instruction, 1);
}

#[test]
fn indexes_of_the_command_line() {
    let facts = facts(
        "FROM ubuntu:22.04\nRUN pip3 install torch==2.5.1 --index-url https://download.pytorch.org/whl/cu124\nRUN python3 -m pip install torchvision --extra-index-url=https://download.pytorch.org/whl/cu118\n",
    );
    let [torch, vision] = facts.python.as_slice() else { panic!("{:#?}", facts.python) };
    assert_eq!(torch.indexes, [cuda(12, 4, true)]);
    let place = torch.index_origin.as_ref().map(|origin| at(&facts, origin));
    assert_eq!(place, Some("https://download.pytorch.org/whl/cu124"));
    assert_eq!(vision.indexes, [PythonIndex::Default, cuda(11, 8, false)]);
}

#[test]
fn indexes_of_the_environment() {
    let facts = facts(
        "FROM ubuntu:22.04\nARG CU=cu121\nENV PIP_INDEX_URL=https://download.pytorch.org/whl/$CU\nRUN pip install torch\nRUN PIP_INDEX_URL=https://pypi.org/simple pip install numpy\nENV UV_TORCH_BACKEND=cu126\nRUN uv pip install --system torch pandas\n",
    );
    let [torch, numpy, uv_torch, pandas] = facts.python.as_slice() else { panic!("{:#?}", facts.python) };
    assert_eq!(torch.indexes, [cuda(12, 1, true)]);
    let place = torch.index_origin.as_ref().map(|origin| at(&facts, origin));
    assert_eq!(place, Some("https://download.pytorch.org/whl/$CU"));
    assert_eq!(numpy.indexes, [PythonIndex::Default]);
    assert_eq!(
        (uv_torch.tool, uv_torch.indexes.as_slice()),
        (PythonTool::Uv, [cuda(12, 6, true)].as_slice())
    );
    assert!(pandas.indexes.is_empty());
}

#[test]
fn pip_config_stays_for_later_stages_of_the_lineage() {
    let facts = facts(
        "FROM ubuntu:22.04 AS a\nRUN pip config set global.extra-index-url https://download.pytorch.org/whl/cu121\nFROM a\nRUN pip install torch==2.5.1\n",
    );
    assert_eq!(only(&facts).indexes, [PythonIndex::Default, cuda(12, 1, false)]);
}

#[test]
fn unknown_arguments_stay_unknown() {
    let facts = facts(
        "FROM ubuntu:22.04\nARG TORCH\nARG CU\nRUN pip install torch==${TORCH} --index-url https://download.pytorch.org/whl/${CU} $MORE\n",
    );
    let torch = only(&facts);
    assert!(torch.bounded);
    assert_eq!((torch.exact.as_deref(), torch.indexes.as_slice()), (None, [PythonIndex::Other].as_slice()));
}

#[test]
fn arguments_with_values_are_filled_in() {
    let facts = facts(
        "FROM ubuntu:22.04\nARG TORCH=2.1.0\nRUN export CU=cu118 && pip install torch==${TORCH}+${CU}\n",
    );
    let torch = only(&facts);
    assert_eq!((torch.exact.as_deref(), torch.local_cuda), (Some("2.1.0"), Some(CudaVersion::new(11, 8))));
    assert_eq!(at(&facts, &torch.origin), "torch==${TORCH}+${CU}");
}

#[test]
fn switches() {
    let facts = facts(
        "FROM ubuntu:22.04\nRUN pip wheel --no-deps --no-build-isolation -w /w flash-attn\nRUN pip install --pre --only-binary=:all: torch\nRUN pip uninstall -y torch && pip list\n",
    );
    let [flash, torch] = facts.python.as_slice() else { panic!("{:#?}", facts.python) };
    assert!(flash.not_installed && flash.no_deps && flash.no_build_isolation);
    assert!(torch.prerelease && torch.only_binary && !torch.not_installed);
}

#[test]
fn requirement_files_of_the_context() {
    let files = [
        (
            "docker/req.txt",
            "-r base.txt\n-c limits.txt\n--extra-index-url https://download.pytorch.org/whl/cu121\ntorch\nvllm==0.6.3 ; sys_platform == 'linux'\npywin32 ; sys_platform == 'win32'\n",
        ),
        ("docker/base.txt", "numpy\n"),
        ("docker/limits.txt", "torch==2.4.0\n"),
    ];
    let facts = facts_in(
        "FROM python:3.11\nWORKDIR /app\nCOPY docker/ ./deps/\nRUN pip install -r deps/req.txt\n",
        &files,
    );
    assert_eq!(names(&facts), ["torch", "vllm", "numpy"]);
    assert_eq!(places(&facts), ["torch", "vllm==0.6.3 ; sys_platform == 'linux'", "numpy"]);
    let torch = &facts.python[0];
    assert_eq!((torch.exact.as_deref(), torch.constrained), (Some("2.4.0"), true));
    assert_eq!(torch.indexes, [PythonIndex::Default, cuda(12, 1, false)]);
    let (file, _) = torch.origin.as_file().unwrap();
    assert_eq!(facts.sources[file.0].name.as_ref(), "docker/req.txt");
    assert!(!facts.python[1].constrained);
}

#[test]
fn files_reach_a_stage_through_others_and_mounts() {
    let files = [("requirements.txt", "torch==2.5.1\n")];
    let through = facts_in(
        "FROM ubuntu AS src\nCOPY . /src\nFROM python:3.11\nCOPY --from=src /src /app\nWORKDIR /app\nRUN cd /tmp && pip install -r /app/requirements.txt\n",
        &files,
    );
    assert_eq!(only(&through).stage, StageId(1));
    let mounted = facts_in(
        "FROM python:3.11\nWORKDIR /w\nRUN --mount=type=bind,source=requirements.txt,target=/tmp/r.txt pip install -r /tmp/r.txt\n",
        &files,
    );
    assert_eq!(names(&mounted), ["torch"]);
    let nowhere = facts_in("FROM python:3.11\nRUN pip install -r requirements.txt\n", &files);
    assert!(nowhere.python.is_empty());
}

#[test]
fn a_constraint_file_that_is_not_there_may_bind_anything() {
    let facts = facts("FROM python:3.11\nRUN pip install -c https://x.example/c.txt torch\n");
    assert!(only(&facts).constrained);
}

#[test]
fn projects_and_their_locks() {
    let pyproject = "[project]\nname='app'\nversion='1'\ndependencies=['torch>=2.4']\n[project.optional-dependencies]\ngpu=['vllm==0.6.3']\n[tool.uv.sources]\ntorch={index='pt'}\n[[tool.uv.index]]\nname='pt'\nurl='https://download.pytorch.org/whl/cu124'\nexplicit=true\n";
    let lock = "version = 1\n[[package]]\nname = 'app'\nversion = '1'\nsource = { editable = '.' }\ndependencies = [{ name = 'torch' }]\n[[package]]\nname = 'torch'\nversion = '2.6.0+cu124'\nsource = { registry = 'https://download.pytorch.org/whl/cu124' }\n";
    let dockerfile = "FROM python:3.11\nWORKDIR /app\nCOPY . .\nRUN uv sync --frozen\n";
    let locked = facts_in(dockerfile, &[("pyproject.toml", pyproject), ("uv.lock", lock)]);
    let torch = only(&locked);
    assert!(torch.locked);
    assert_eq!(
        (torch.local_cuda, torch.indexes.as_slice()),
        (Some(CudaVersion::new(12, 4)), [cuda(12, 4, true)].as_slice())
    );
    assert_eq!(at(&locked, &torch.origin), "2.6.0+cu124");

    let unlocked = facts_in(dockerfile, &[("pyproject.toml", pyproject)]);
    assert_eq!(
        (only(&unlocked).locked, only(&unlocked).indexes.as_slice()),
        (false, [cuda(12, 4, true)].as_slice())
    );

    let pip = facts_in(
        "FROM python:3.11\nCOPY . /app\nRUN pip install '/app[gpu]'\n",
        &[("pyproject.toml", pyproject)],
    );
    assert_eq!(names(&pip), ["app", "torch", "vllm"]);
    assert!(pip.python[1].indexes.is_empty());
}

#[test]
fn poetry_and_uv_add_take_their_own_spellings() {
    let facts = facts("FROM python:3.11\nRUN poetry add torch@^2.1 vllm@0.6.3\nRUN uv add 'jax[cuda12]'\n");
    assert_eq!(names(&facts), ["torch", "vllm", "jax"]);
    assert_eq!(facts.python[0].exact, None);
    assert!(facts.python[0].bounded);
    assert_eq!(facts.python[1].exact.as_deref(), Some("0.6.3"));
    assert_eq!(facts.python[2].extras, ["cuda12"]);
}

#[test]
fn a_broken_manifest_is_one_problem() {
    let found = extracted(
        "FROM python:3.11\nCOPY . .\nRUN uv sync && uv sync\n",
        &[("pyproject.toml", "[project\n")],
    );
    assert!(found.facts.python.is_empty());
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
}

#[test]
fn texts_that_are_not_executed_install_nothing() {
    let facts = facts(
        "FROM python:3.11\nRUN echo pip install torch > /x\nCMD pip install torch\nCOPY <<EOF /y\npip install torch\nEOF\n",
    );
    assert!(facts.python.is_empty(), "{:?}", facts.python);
}

#[test]
fn the_same_place_is_taken_once() {
    let files = [("requirements.txt", "torch==2.5.1\n")];
    let facts = facts_in(
        "FROM python:3.11\nCOPY . .\nRUN pip install -r requirements.txt\nRUN pip install -r requirements.txt\n",
        &files,
    );
    assert_eq!(facts.python.len(), 1);
}
