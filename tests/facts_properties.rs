//! Laws of the facts of any Dockerfile: nothing panics, every place lies in its text, the same input gives the same facts.

use cudalint::compat::Tables;
use cudalint::dockerfile::BuildOptions;
use cudalint::facts::from_dockerfile::{
    BuildContext, ContextFile, DockerfileInput, Extracted, from_dockerfile,
};
use cudalint::facts::{Facts, Origin};
use cudalint::limits::Limits;
use proptest::prelude::*;

/// A context with a manifest of every kind.
struct Context;

const FILES: &[(&str, &str)] = &[
    (
        "requirements.txt",
        "-r other.txt\n-c other.txt\ntorch==2.5.1 --hash=sha256:a\n--extra-index-url https://x.example/whl/cu121\n",
    ),
    ("other.txt", "-r requirements.txt\nvllm ; python_version < '3.9'\n"),
    (
        "pyproject.toml",
        "[project]\nname='a'\ndependencies=['torch>=2','é']\n[tool.uv.sources]\ntorch={index='p'}\n[[tool.uv.index]]\nname='p'\nurl='https://x.example/whl/cu124'\n",
    ),
    (
        "uv.lock",
        "[[package]]\nname='a'\nsource={virtual='.'}\ndependencies=[{name='a'},{name='torch'}]\n[[package]]\nname='torch'\nversion='2.6.0'\n",
    ),
    ("poetry.lock", "[[package]]\nname='torch'\nversion='2.1.0'\n"),
    (
        "environment.yml",
        "dependencies: [pytorch=2.1=*cuda*, {pip: ['-r requirements.txt', 'jax[cuda12]']}]\n",
    ),
    ("pixi.toml", "[dependencies]\npytorch-gpu='*'\n"),
    ("run.sh", "#!/bin/sh\n./run.sh\nnvidia-smi\npip install -r requirements.txt\n"),
    ("setup.py", "CUDAExtension\n"),
];

impl BuildContext for Context {
    fn read(&self, path: &str) -> ContextFile {
        match FILES.iter().find(|(name, _)| *name == path) {
            Some((name, text)) => {
                ContextFile::Found { name: (*name).to_owned(), bytes: text.as_bytes().to_vec() }
            }
            None => ContextFile::Missing,
        }
    }
}

fn extract(source: &[u8]) -> Extracted {
    let input = DockerfileInput {
        name: "Dockerfile",
        source,
        options: BuildOptions::default(),
        context: &Context,
        base_config: &|_, _| None,
    };
    from_dockerfile(input, Tables::builtin(), &Limits::default())
}

/// Every place of the facts that this test knows of.
fn origins(facts: &Facts) -> Vec<&Origin> {
    let mut out: Vec<&Origin> = Vec::new();
    for one in &facts.python {
        out.extend([&one.origin, &one.command]);
        out.extend(&one.index_origin);
    }
    out.extend(facts.conda.iter().flat_map(|one| [&one.origin, &one.command]));
    out.extend(facts.arch_lists.iter().map(|one| &one.origin));
    out.extend(facts.arch_lists.iter().flat_map(|one| &one.entries).map(|entry| &entry.origin));
    out.extend(facts.source_builds.iter().map(|one| &one.origin));
    out.extend(facts.gpu_queries.iter().map(|one| &one.origin));
    out.extend(facts.capability_uses.iter().map(|one| &one.origin));
    out.extend(facts.payload.iter().map(|one| &one.origin));
    out.extend(facts.cuda.iter().map(|one| &one.origin));
    out.extend(facts.cuda_paths.iter().map(|one| &one.origin));
    out.extend(facts.packages.iter().flat_map(|one| [&one.origin, &one.command]));
    out.extend(facts.commands.iter().map(|one| &one.origin));
    out.extend(facts.commands.iter().flat_map(|one| &one.args).map(|word| &word.origin));
    out.extend(facts.loader.iter().map(|one| &one.origin));
    out.extend(facts.repositories.iter().flat_map(|one| [&one.origin, &one.command]));
    out.extend(facts.exports.iter().flat_map(|one| [&one.origin, &one.run]));
    out.extend(facts.file_operations.iter().map(|one| &one.origin));
    out.extend(facts.compiles.iter().map(|one| &one.origin));
    out.extend(facts.env_sets.iter().flat_map(|one| [&one.origin, &one.value_origin, &one.instruction]));
    out
}

const PIECES: &[&str] = &[
    "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS a\n",
    "FROM a\n",
    "FROM python:3.11-slim\n",
    "FROM ${BASE}\n",
    "COPY . .\n",
    "COPY --from=a /x /y\n",
    "COPY --from=0 /usr/local/cuda-12.1/lib64/libcudart.so.12 /usr/lib/\n",
    "WORKDIR sub\n",
    "WORKDIR ..\n",
    "ARG CU=cu121\n",
    "ENV TORCH_CUDA_ARCH_LIST=\"8.0;9.0+PTX\" PIP_INDEX_URL=https://x.example/whl/$CU\n",
    "ENV LD_LIBRARY_PATH=/a:$LD_LIBRARY_PATH\n",
    "RUN pip install ",
    "RUN uv sync && uv add ",
    "RUN poetry install\n",
    "RUN conda env create -f environment.yml\n",
    "RUN pixi install && conda install -c nvidia pytorch-cuda=12.1 ",
    "RUN ./run.sh || true\n",
    "RUN python setup.py install\n",
    "RUN python3 <<EOF\nimport torch\nassert torch.cuda.is_available() # é\nEOF\n",
    "RUN nvcc -gencode arch=compute_80,code=[sm_80,compute_80] -arch=native ",
    "RUN for v in 12-1 12-4; do apt-get install -y cuda-toolkit-$v; done\n",
    "RUN sh cuda_12.4.1_550.54.15_linux.run --silent\n",
    "RUN cmake -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES='75;80-real' .\n",
    "-r requirements.txt ",
    "torch==2.5.1+$CU 'é[x]' ",
    "\\\n",
    "# comment\n",
    "--index-url ",
    "https://x.example/whl/cu118 ",
    "\"",
    "'",
    "$(",
    ")",
    "`",
    "&&",
    ";",
    "|",
    "<<EOF\n",
    "EOF\n",
    "\n",
    " ",
    "CMD [\"ffmpeg\", \"-hwaccel\", \"cuda\"]\n",
    "ENTRYPOINT [\"./run.sh\"]\n",
    "HEALTHCHECK CMD nvidia-smi\n",
];

fn check(source: &[u8]) {
    let first = extract(source);
    for origin in origins(&first.facts) {
        let Some((file, span)) = origin.as_file() else { continue };
        let text = &first.facts.sources[file.0].bytes;
        assert!(span.start <= span.end && span.end <= text.len(), "{origin:?} in {} bytes", text.len());
    }
    let second = extract(source);
    assert_eq!(format!("{:?}", first.facts), format!("{:?}", second.facts));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn facts_of_mixed_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        check(pieces.concat().as_bytes());
    }

    #[test]
    fn facts_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut source = b"FROM x\nRUN pip install ".to_vec();
        source.extend(bytes);
        check(&source);
    }
}

/// Shapes that grow: time must stay about proportional to size, which the test suite's own patience enforces.
#[test]
fn large_files_end() {
    for (head, unit, count) in [
        ("FROM x\nCOPY . .\nRUN true", " && pip install -r requirements.txt torch==2.5.1", 2_000),
        ("FROM x\nCOPY . .\n", "RUN pip install -r requirements.txt\n", 2_000),
        ("FROM x\n", "COPY a b\nRUN bash run.sh\n", 1_000),
        ("FROM x\nRUN nvcc", " -gencode arch=compute_80,code=sm_80", 20_000),
        ("FROM x\nENV TORCH_CUDA_ARCH_LIST=\"8.0", ";8.6", 50_000),
        ("FROM x\nRUN pip install", " torch==2.5.1", 20_000),
        ("FROM x\n", "WORKDIR a\nRUN cd b && conda install pytorch\n", 1_000),
    ] {
        let mut source = head.to_owned();
        source.push_str(&unit.repeat(count));
        assert_eq!(extract(source.as_bytes()).facts.stages.len(), 1, "{unit}");
    }
}
