//! CU512: a CPU build on an image that carries CUDA.

use super::programs::gets_unknown_programs;
use super::{is_cpu, shipped_python};
use crate::diagnostics::RuleId;
use crate::facts::{BaseKind, CudaUseKind, Facts, Flavour, PayloadKind, PythonRequirement};
use crate::rules::{Context, Rule, Sink};

pub(super) struct CpuBuildOnGpuBase;

impl Rule for CpuBuildOnGpuBase {
    fn id(&self) -> RuleId {
        RuleId::new("CU512")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU512-cpu-build-on-gpu-base.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base().filter(|base| base.kind == BaseKind::Cuda) else { return };
        if base.flavour.is_none_or(|flavour| flavour == Flavour::Base) || !base.args.is_empty() {
            return;
        }
        let Some(requirement) = shipped_python(facts).find(|requirement| is_cpu_build(requirement)) else {
            return;
        };
        if uses_gpu(facts) || unknown(facts) {
            return;
        }
        out.finding(
            &requirement.origin,
            format!("the image pays for CUDA, but `{}` is a CPU build", requirement.name),
        )
        .related(&base.origin, "carries CUDA")
        .help("use a plain base image, or the GPU build")
        .emit();
    }
}

fn is_cpu_build(requirement: &PythonRequirement) -> bool {
    match requirement.name.as_str() {
        "torch" | "torchvision" | "torchaudio" => is_cpu(requirement),
        "tensorflow-cpu" | "faiss-cpu" => true,
        "onnxruntime" => requirement.extras.is_empty(),
        _ => false,
    }
}

/// Whether anything else in the image uses CUDA.
fn uses_gpu(facts: &Facts) -> bool {
    let gpu_packages = [
        "onnxruntime-gpu",
        "tensorflow",
        "jax",
        "faiss-gpu",
        "ctranslate2",
        "faster-whisper",
        "vllm",
        "sglang",
        "bitsandbytes",
        "tensorrt",
        "llama-cpp-python",
    ];
    shipped_python(facts).any(|requirement| {
        (requirement.name == "torch" && !is_cpu(requirement))
            || (gpu_packages.contains(&requirement.name.as_str()) && !is_cpu(requirement))
            || requirement.name.starts_with("cupy")
            || requirement.name.starts_with("nvidia-")
            || requirement.name.ends_with("-gpu")
            || requirement.extras.iter().any(|extra| extra == "gpu" || extra.contains("cuda"))
    }) || facts.payload.iter().any(|payload| {
        facts.is_shipped(payload.stage)
            && !matches!(payload.kind, PayloadKind::Base | PayloadKind::Environment)
    }) || facts.cuda.iter().any(|used| {
        facts.is_shipped(used.stage)
            && matches!(used.kind, CudaUseKind::Wheel | CudaUseKind::Conda | CudaUseKind::Copied)
    }) || facts.compiles.iter().any(|signal| facts.is_shipped(signal.stage))
        || !facts.capability_uses.is_empty()
}

/// Whether something is installed of which it is not known whether it uses CUDA, or a variable chooses the build.
fn unknown(facts: &Facts) -> bool {
    let cpu_torch = facts.python.iter().position(|one| one.name == "torch" && is_cpu(one));
    let others = facts.python.iter().enumerate().filter(|(_, one)| facts.ships_packages(one.stage));
    let distributions = others.filter(|(_, one)| !is_cpu_build(one)).any(|(at, one)| {
        // What is installed with or after a CPU build of torch uses that. Without one, most of what is not known as
        // plain Python may bring torch from PyPI, which is a CUDA build.
        let behind_torch = cpu_torch.is_some_and(|torch| {
            at >= torch || facts.python.get(torch).is_some_and(|torch| torch.instruction == one.instruction)
        });
        !behind_torch && !is_plain(&one.name)
    });
    let mut packages = facts.packages.iter().filter(|package| !package.removed);
    distributions
        || facts.python.iter().any(|one| one.by_variable && facts.ships_packages(one.stage))
        || facts.unread_installs.iter().any(|one| facts.is_shipped(one.stage))
        || facts.conda.iter().any(|package| facts.is_shipped(package.stage))
        || packages.any(|package| {
            facts.in_final_lineage(package.stage)
                && (package.name.contains("cuda") || package.name.contains("opencl") || package.open_ended)
        })
        || gets_unknown_programs(facts)
}

/// Distributions that never touch a GPU and need no torch. The list holds what stands beside faiss-cpu and onnxruntime in
/// services and notebooks; what it does not know is left alone.
fn is_plain(name: &str) -> bool {
    const PLAIN: &[&str] = &[
        "aiofiles",
        "aiohttp",
        "alembic",
        "annotated-types",
        "anyio",
        "apscheduler",
        "asyncpg",
        "attrs",
        "azure-identity",
        "azure-storage-blob",
        "backoff",
        "bcrypt",
        "beautifulsoup4",
        "black",
        "boto3",
        "botocore",
        "build",
        "cachetools",
        "celery",
        "certifi",
        "cffi",
        "charset-normalizer",
        "click",
        "cloudpickle",
        "coloredlogs",
        "confluent-kafka",
        "cryptography",
        "cython",
        "dash",
        "dask",
        "datasets",
        "debugpy",
        "django",
        "djangorestframework",
        "docopt",
        "einops",
        "elasticsearch",
        "faiss-cpu",
        "fastapi",
        "filelock",
        "flask",
        "flask-cors",
        "flatbuffers",
        "fsspec",
        "gevent",
        "google-cloud-storage",
        "gradio",
        "gradio-client",
        "greenlet",
        "grpcio",
        "grpcio-tools",
        "gunicorn",
        "h5py",
        "httptools",
        "httpx",
        "huggingface-hub",
        "hydra-core",
        "idna",
        "imageio",
        "ipykernel",
        "ipython",
        "jinja2",
        "joblib",
        "jsonschema",
        "jupyter",
        "jupyterlab",
        "kafka-python",
        "langchain",
        "langchain-community",
        "langchain-core",
        "langchain-openai",
        "librosa",
        "loguru",
        "lxml",
        "matplotlib",
        "mlflow",
        "msgpack",
        "mypy",
        "networkx",
        "nltk",
        "notebook",
        "numpy",
        "omegaconf",
        "onnx",
        "onnxruntime",
        "openai",
        "opencv-python",
        "opencv-python-headless",
        "orjson",
        "packaging",
        "pandas",
        "paramiko",
        "pika",
        "pillow",
        "pip",
        "plotly",
        "poetry",
        "prometheus-client",
        "protobuf",
        "psutil",
        "psycopg2",
        "psycopg2-binary",
        "pyarrow",
        "pydantic",
        "pydantic-settings",
        "pydub",
        "pyjwt",
        "pymongo",
        "pymysql",
        "pypdf",
        "pytest",
        "python-dateutil",
        "python-dotenv",
        "python-jose",
        "python-json-logger",
        "python-multipart",
        "pytz",
        "pyyaml",
        "pyzmq",
        "redis",
        "regex",
        "requests",
        "rich",
        "ruff",
        "s3fs",
        "sanic",
        "scikit-image",
        "scikit-learn",
        "scipy",
        "seaborn",
        "sentencepiece",
        "sentry-sdk",
        "setuptools",
        "shapely",
        "simplejson",
        "six",
        "sniffio",
        "soundfile",
        "sqlalchemy",
        "sse-starlette",
        "starlette",
        "streamlit",
        "structlog",
        "sympy",
        "tabulate",
        "tenacity",
        "tiktoken",
        "tokenizers",
        "toml",
        "tornado",
        "tqdm",
        "typer",
        "typing-extensions",
        "ujson",
        "urllib3",
        "uv",
        "uvicorn",
        "uvloop",
        "watchdog",
        "watchfiles",
        "websockets",
        "werkzeug",
        "wheel",
    ];
    PLAIN.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn plain_names_are_found() {
        for name in ["aiofiles", "numpy", "fastapi", "wheel", "langchain", "datasets"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["sentence-transformers", "ultralytics", "pycuda", "easyocr"] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
