#!/usr/bin/env python3
"""Execute action.yml as a GitHub runner would, and check what it prints and returns.

    action.py --binary target/release/cudalint [--build]

The steps of the composite action run in order with bash, inputs and outputs substituted, GITHUB_OUTPUT read back. With
--build the action also builds cudalint itself once, as it does for users who give no binary. Needs PyYAML and, on the
PATH, bash and git.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BAD = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN apt-get update && apt-get install -y nvidia-driver-525\n"
GOOD = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nCMD [\"nvidia-smi\"]\n"


class Outcome:
    def __init__(self, status, text, outputs):
        self.status, self.text, self.outputs = status, text, outputs


def substitute(text, known):
    """Replaces `${{ name }}`; an expression that is not known here is an error of this test or of the action."""

    def value(match):
        name = match[1].strip()
        if name not in known:
            raise SystemExit(f"action.yml uses ${{{{ {name} }}}}, which this runner does not know")
        return known[name]

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def read_outputs(path):
    """The `name=value` lines of a GITHUB_OUTPUT file."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def run_action(action, folder, **given):
    """Runs every step in `folder`, stopping at the first that fails, as the runner does."""
    declared = action["inputs"]
    unknown = set(given) - {name.replace("-", "_") for name in declared}
    assert not unknown, f"no such inputs: {unknown}"
    known = {"runner.temp": str(folder / ".runner"), "github.action_path": str(ROOT)}
    for name, about in declared.items():
        known[f"inputs.{name}"] = given.get(name.replace("-", "_"), about.get("default", ""))
    printed, status = "", 0
    scratch = folder / ".runner"
    scratch.mkdir(exist_ok=True)
    for number, step in enumerate(action["runs"]["steps"]):
        assert step["shell"] == "bash", "only bash steps are executed here"
        script = scratch / f"step-{number}.sh"
        # Values must come by the environment: a substituted script would run what an input says.
        assert "${{" not in step["run"], "an expression inside of a script"
        script.write_text(step["run"])
        output = scratch / f"output-{number}"
        output.write_text("")
        env = {name: os.environ[name] for name in ("PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR") if name in os.environ}
        env |= {"GITHUB_OUTPUT": str(output), "GITHUB_ACTIONS": "true", "CI": "true"}
        env |= {name: substitute(str(value), known) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        printed += done.stdout
        for name, value in read_outputs(output).items():
            known[f"steps.{step['id']}.outputs.{name}"] = value
        status = done.returncode
        if status:
            break
    outputs = {}
    for name, about in action["outputs"].items():
        try:
            outputs[name] = substitute(about["value"], known)
        except SystemExit:
            outputs[name] = ""
    return Outcome(status, printed, outputs)


def expect(what, holds, outcome):
    if not holds:
        sys.exit(f"action: {what}\nstatus {outcome.status}, outputs {outcome.outputs}, printed:\n{outcome.text}")
    print(f"ok: {what}")


def workspace(parent, name, files):
    folder = parent / name
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def check(binary, parent, build):
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    files = {"bad/Dockerfile": BAD, "good/Dockerfile": GOOD, "with space/Dockerfile": BAD}

    folder = workspace(parent, "plain", files)
    bad = run_action(action, folder, inputs="bad", driver="525", binary=binary)
    expect("findings become annotations", re.search(r"^::error file=bad/Dockerfile,line=2,.*CU301", bad.text, re.M), bad)
    expect("the status of findings is passed on", bad.status == 1 and bad.outputs["exit-status"] == "1", bad)
    good = run_action(action, folder, inputs="good", driver="550", binary=binary)
    expect("a good Dockerfile passes", good.status == 0 and good.outputs["exit-status"] == "0" and "::error" not in good.text, good)
    both = run_action(action, folder, inputs="good\nwith space\n", driver="550", binary=binary)
    expect("several inputs, one a line", both.status == 1 and "file=with space/Dockerfile" in both.text, both)
    never = run_action(action, folder, inputs="bad", fail_on="never", binary=binary)
    expect("fail-on is passed on", never.status == 0 and "CU301" in never.text, never)
    gpu = run_action(action, folder, inputs="good", driver="550", gpu="h100,l4", binary=binary)
    expect("GPUs are passed on", gpu.status == 0, gpu)
    usage = run_action(action, folder, inputs="good", driver="no driver", binary=binary)
    expect("a usage error is passed on", usage.status == 2 and usage.outputs["exit-status"] == "2" and "no driver" in usage.text, usage)
    none = run_action(action, folder, inputs="missing/folder/Dockerfile", binary=binary)
    expect("a missing file fails the step", none.status not in (0, 1) and none.outputs["exit-status"] == str(none.status), none)

    folder = workspace(parent, "configured", {**files, "cuda.toml": '[[fleet.old.pool]]\nname = "old"\ndriver = "470"\ngpus = ["rtx3090"]\n'})
    fleet = run_action(action, folder, inputs="good", fleet="old", config="cuda.toml", binary=binary)
    expect("fleet and configuration are passed on", fleet.status == 1 and "470" in fleet.text, fleet)

    hostile = ["$(touch x)", "`touch x`", "'; touch x; '", '"; touch x; "', "a\ntouch x\n", "--output=x", "${IFS}touch${IFS}x", "x;touch x", "&& touch x"]
    for number, value in enumerate(hostile):
        folder = workspace(parent, f"hostile-{number}", files)
        before = {path.name for path in folder.iterdir()}
        for name in ("inputs", "driver", "gpu", "fleet", "config", "fail_on"):
            given = {"inputs": "good", name: value, "binary": binary}
            outcome = run_action(action, folder, **given)
            made = {path.name for path in folder.iterdir()} - before - {".runner"}
            if made or outcome.status == 0:
                expect(f"{name} set to {value!r} does nothing", False, outcome)
    print(f"ok: {len(hostile)} hostile values in 6 inputs execute nothing and fail the step")

    if build:
        folder = workspace(parent, "built", files)
        built = run_action(action, folder, inputs="bad")
        expect("the action builds its own cudalint", built.status == 1 and "::error file=bad/Dockerfile" in built.text, built)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="the cudalint to use")
    parser.add_argument("--build", action="store_true", help="also let the action build one")
    args = parser.parse_args()
    binary = str(Path(args.binary).resolve())
    with tempfile.TemporaryDirectory(prefix="cudalint-action-") as folder:
        check(binary, Path(folder), args.build)


if __name__ == "__main__":
    main()
