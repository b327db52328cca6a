#!/usr/bin/env python3
"""Write varied Dockerfiles for benchmarks: the same seed gives the same files.

    make_corpus.py DIR COUNT [--seed N]     DIR/0000/Dockerfile, DIR/0001/Dockerfile ...
    make_corpus.py --size BYTES FILE        one Dockerfile of about that many bytes

The files differ in what costs a checker time: stages, continued lines, heredocs, comments, nested shell, long environment
and package lists, JSON forms, mounts, labels.
"""

import argparse
import random
from pathlib import Path

CUDA = ["11.8.0", "12.1.1", "12.2.2", "12.4.1", "12.6.3", "12.8.1", "12.9.1", "13.0.1"]
FLAVOURS = ["base", "runtime", "devel", "cudnn-runtime", "cudnn-devel"]
SYSTEMS = ["ubuntu20.04", "ubuntu22.04", "ubuntu24.04", "rockylinux8", "ubi9"]
OTHERS = ["python:3.11-slim", "ubuntu:22.04", "debian:bookworm-slim", "pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime",
          "nvcr.io/nvidia/pytorch:24.10-py3", "registry.example.com/team/gpu-base:7", "mambaorg/micromamba:2.0", "alpine:3.20"]
APT = """bash build-essential ca-certificates ccache cmake curl ffmpeg g++ gcc git git-lfs gnupg htop jq less libaio-dev libgl1 libglib2.0-0
libibverbs-dev libjpeg-dev libnuma-dev libopenmpi-dev libpng-dev libsndfile1 libssl-dev make ninja-build numactl nvtop openssh-server
pkg-config protobuf-compiler python3-dev python3-pip python3-venv rsync sudo tini tmux unzip vim wget zstd""".split()
PIP = """accelerate bitsandbytes datasets deepspeed diffusers einops fastapi flash-attn gradio hydra-core jax[cuda12] lightning numpy<2
onnxruntime-gpu opencv-python-headless pandas peft pillow pyarrow ray[default] safetensors scikit-learn scipy sentencepiece
tensorflow[and-cuda] timm tokenizers torch==2.5.1 torchaudio==2.5.1 torchvision==0.20.1 transformers triton trl uvicorn vllm wandb
xformers""".split()
ARCHES = ["7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "9.0a", "10.0", "12.0+PTX"]


def base(r):
    if r.random() < 0.65:
        return f"nvidia/cuda:{r.choice(CUDA)}-{r.choice(FLAVOURS)}-{r.choice(SYSTEMS)}"
    return r.choice(OTHERS)


def environment(r):
    pairs = [f"APP_{r.randint(1, 99)}={r.randint(0, 999)}", f'TITLE="{r.choice(["a b", "c d e"])} ${{APP_NAME:-none}}"',
             "PATH=/opt/conda/bin:$PATH", "LD_LIBRARY_PATH=/usr/local/cuda/lib64:${LD_LIBRARY_PATH}", "NVIDIA_VISIBLE_DEVICES=all",
             "NVIDIA_DRIVER_CAPABILITIES=compute,utility", "DEBIAN_FRONTEND=noninteractive", "CUDA_HOME=/usr/local/cuda",
             f'TORCH_CUDA_ARCH_LIST="{" ".join(sorted(r.sample(ARCHES, 3)))}"', "PYTHONUNBUFFERED=1", "NCCL_DEBUG=INFO"]
    chosen = r.sample(pairs, r.randint(1, 6))
    return "ENV " + r.choice([" ", " \\\n    "]).join(chosen)


def packages(r):
    names = r.sample(APT, r.randint(3, 18))
    mount = r.choice(["", "", "--mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt "])
    lines = []
    for name in names:
        if r.random() < 0.08:
            lines.append("    # " + r.choice(["needed by the wheel", "for debugging", "see the handbook"]))
        lines.append(f"    {name} \\")
    return f"RUN {mount}apt-get update && apt-get install -y --no-install-recommends \\\n" + "\n".join(lines) + "\n    && rm -rf /var/lib/apt/lists/*"


def python(r):
    tool = r.choice(["pip install --no-cache-dir", "pip3 install", "python3 -m pip install -U", "uv pip install --system"])
    index = r.choice(["", "", " --index-url https://download.pytorch.org/whl/cu124", " --extra-index-url https://wheels.example.com/simple"])
    names = [f"'{name}'" if any(c in name for c in "<[=") else name for name in r.sample(PIP, r.randint(1, 9))]
    return f"RUN {tool} {' '.join(names)}{index}"


def heredoc(r):
    body = "\n".join(f"echo step {i}; test -d /opt/{i} || mkdir -p /opt/{i}" for i in range(r.randint(2, 12)))
    if r.random() < 0.5:
        return f"RUN <<EOF\nset -eux\n{body}\nEOF"
    return f"COPY <<'SCRIPT' /usr/local/bin/start.sh\n#!/bin/sh\n{body}\nSCRIPT"


def shell(r):
    return r.choice([
        "RUN set -ex; for v in 11 12 13; do if [ -d /usr/local/cuda-$v ]; then ln -sf /usr/local/cuda-$v /usr/local/cuda; fi; done",
        'RUN bash -lc "source /etc/profile && export MAX_JOBS=$(nproc) && python3 setup.py install 2>&1 | tee /tmp/log"',
        "RUN curl -fsSL https://example.com/cuda.run -o /tmp/c.run && sh /tmp/c.run --silent --toolkit && rm /tmp/c.run",
        "RUN git clone --depth 1 https://example.com/kernels.git /src && cmake -S /src -B /build -DCMAKE_CUDA_ARCHITECTURES=\"80;90\" && cmake --build /build -j\"$(nproc)\"",
        'RUN case "$(uname -m)" in x86_64) a=amd64 ;; aarch64) a=arm64 ;; *) exit 1 ;; esac && echo "$a" > /arch',
        "RUN nvcc -O3 -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90] -o /usr/bin/k k.cu",
        "RUN conda install -y -c nvidia -c conda-forge cudatoolkit=11.8 pytorch && conda clean -afy",
        "RUN echo '/usr/local/cuda/lib64' > /etc/ld.so.conf.d/cuda.conf && ldconfig",
    ])


def small(r, stages):
    return r.choice([
        "WORKDIR /workspace", "COPY . .", "COPY requirements.txt setup.py ./", "COPY --chown=1000:1000 src/ /app/src/", "USER 1000",
        "EXPOSE 8000/tcp", "VOLUME [\"/data\"]", "STOPSIGNAL SIGTERM", "ARG BUILD_ID=0", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]',
        f'LABEL org.opencontainers.image.title="job {r.randint(1, 9)}" maintainer="team@example.com"',
        f"COPY --from=stage{r.randrange(stages)} /opt/venv /opt/venv" if stages else "ADD models.tar.gz /models",
        "# " + "a remark about the next line " * r.randint(1, 3),
        "HEALTHCHECK --interval=30s --timeout=5s CMD curl -f http://localhost:8000/health || exit 1",
    ])


def instruction(r, stages):
    return r.choices([environment, packages, python, heredoc, shell, lambda r: small(r, stages)], [3, 2, 3, 1, 3, 6])[0](r)


def dockerfile(r):
    out = []
    if r.random() < 0.3:
        out.append("# syntax=docker/dockerfile:1")
    if r.random() < 0.4:
        out.append(f"ARG CUDA_VERSION={r.choice(CUDA)}\nARG BASE=nvidia/cuda:${{CUDA_VERSION}}-{r.choice(FLAVOURS)}-ubuntu22.04")
    stages = r.choice([1, 1, 1, 2, 2, 3, 5])
    for stage in range(stages):
        source = "${BASE}" if "BASE=" in "".join(out[:2]) and r.random() < 0.7 else base(r)
        out.append(f"FROM {r.choice(['', '', '--platform=linux/amd64 '])}{source} AS stage{stage}")
        for _ in range(r.randint(2, 14)):
            out.append(instruction(r, stage))
    out.append(r.choice(['ENTRYPOINT ["/usr/bin/tini", "--", "python3", "-m", "app"]', 'CMD ["python3", "serve.py"]', "CMD exec python3 serve.py --gpu 0"]))
    return r.choice(["\n", "\n\n"]).join(out) + "\n"


def sized(size, seed):
    """One file of about `size` bytes: many instructions and stages, none of them special."""
    r = random.Random(seed)
    out, length, stages = [f"FROM {base(r)} AS stage0"], 0, 1
    while length < size:
        text = f"FROM {base(r)} AS stage{stages}" if r.random() < 0.02 else instruction(r, stages)
        stages += text.startswith("FROM ")
        out.append(text)
        length += len(text) + 1
    return "\n".join(out)[:size].rsplit("\n", 1)[0] + "\nCMD [\"true\"]\n"


def one_run(size):
    """One RUN of about `size` bytes: the longest text that a scanner sees at once."""
    line = "    && echo \"$(date): ${STEP:-none}\" >> /var/log/build.log \\\n"
    return "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN true \\\n" + line * max(1, size // len(line)) + "    && true\n"


def write_many(target, count, seed):
    """Writes `count` files below `target`."""
    r = random.Random(seed)
    for i in range(count):
        folder = target / f"{i:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Dockerfile").write_text(dockerfile(r))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, help="write one file of about so many bytes to the target")
    parser.add_argument("--one-run", action="store_true", help="with --size: a single RUN instruction")
    args = parser.parse_args()
    if args.size:
        args.target.write_text(one_run(args.size) if args.one_run else sized(args.size, args.seed))
        return
    write_many(args.target, args.count, args.seed)


if __name__ == "__main__":
    main()
