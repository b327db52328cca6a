#!/usr/bin/env python3
"""The checks of registry.sh: scans of real images in real registries, compared with what was put into them."""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

USER, PASSWORD = "tester", "test-password"
# A damaged image may be damaged in whatever way, but the message must name the layer or blob and the trouble.
HOSTILE = {
    "hostile-gzip-truncated": r"ends? (early|in the middle|before)|truncated|cut|unexpected end|incomplete|broken",
    "hostile-digest-mismatch": r"digest|diffID|checksum|broken|damaged",
    "hostile-missing-blob": r"blob|not found|404|has no|BLOB_UNKNOWN",
    "hostile-gzip-bomb": r"--limit",
}


class Scan:
    def __init__(self, status, out, err, seconds, kilobytes):
        self.status, self.out, self.err, self.seconds, self.kilobytes = status, out, err, seconds, kilobytes

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            stop(f"the output is no JSON (status {self.status}): {self.out[:500]}\n{self.err[:2000]}")

    def input(self):
        return self.json()["inputs"][0]

    def findings(self):
        return self.input()["findings"]

    def text(self):
        """All that a user would read."""
        return self.out + self.err


passed = 0
failures = []


def stop(text):
    sys.exit(f"registry: {text}")


def expect(what, holds, scan=None):
    """Counts a check; a failed one is told at the end, with what was printed."""
    global passed
    if holds:
        passed += 1
        print(f"ok: {what}", flush=True)
    else:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)
        if scan is not None:
            print(f"  status {scan.status}\n  out: {scan.out[:3000]}\n  err: {scan.err[:1500]}", flush=True)


class Cudalint:
    def __init__(self, path, home):
        self.path, self.home = path, home

    def __call__(self, *args, **env):
        measured = Path(self.home) / "time"
        # No settings of this machine: an empty home, no proxy for loopback.
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "DOCKER_CONFIG": str(Path(self.home) / "none"), **env}
        command = ["/usr/bin/time", "--quiet", "-f", "%e %M", "-o", str(measured), self.path, *args]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        seconds, kilobytes = measured.read_text().split()[-2:]
        if done.returncode not in (0, 1, 2, 3, 4) or "panicked" in done.stderr:
            stop(f"cudalint {' '.join(args)} ended with {done.returncode}:\n{done.stderr}")
        return Scan(done.returncode, done.stdout, done.stderr, float(seconds), int(kilobytes))

    def check(self, image, *args, **env):
        return self(image, "--driver", "525", "--format", "json", *args, **env)


def docker_config(home, name, registry, password):
    """A folder as DOCKER_CONFIG names it, after `docker login`."""
    folder = Path(home) / name
    folder.mkdir()
    account = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry: {"auth": account}}}))
    return {"DOCKER_CONFIG": str(folder)}


def layer_path(finding):
    location = finding["location"]
    return location.get("layer"), (location.get("path") or "").lstrip("/")


def has(findings, rule, path=None, layer=None):
    for finding in findings:
        at, where = layer_path(finding)
        if finding["rule"] == rule and (path is None or re.fullmatch(path, where)) and (layer is None or at == layer):
            return True
    return False


def runtimes(truth):
    """What the builder put in: versions of the CUDA runtimes that a container sees."""
    return sorted(re.findall(r"CUDA runtime (\d+\.\d+\.\d+)", " ".join(truth["facts"])))


def findings_of_images(cudalint, a, truth):
    base = cudalint.check(f"{a.open}/cuda-base:latest")
    expect("cuda-base on a driver of its family: complete, no error", base.status == 0 and base.input()["complete"] and base.json()["summary"]["error"] == 0, base)
    expect("cuda-base is known by its digest or tag", base.input()["kind"] == "image", base)

    baked = cudalint.check(f"{a.open}/driver-baked:latest")
    found = baked.findings()
    expect("driver-baked: findings, status 1", baked.status == 1, baked)
    libraries = {Path(f["path"]).name: f for f in truth["driver-baked"]["cuda_files"] if f["kind"] == "file"}
    for name in ("libcuda.so.535.261.03", "libnvidia-ml.so.535.261.03"):
        wanted = libraries[name]
        expect(f"driver-baked: CU304 at {wanted['path']} in layer {wanted['layer']}", has(found, "CU304", re.escape(wanted["path"]), wanted["layer"]), baked)
    digest = truth["driver-baked"]["layers"][3]["digest"]
    places = [f["location"] for f in found if f["rule"] == "CU304"]
    expect("driver-baked: CU304 names the layer's digest and the instruction", any(
        p.get("digest") == digest and "apt-get install -y libcuda1 libnvidia-ml1" in (p.get("created_by") or "") for p in places), baked)
    print(f"scan of {a.open}/driver-baked:latest with --driver 525: {baked.seconds:.2f} s, peak memory {baked.kilobytes / 1024:.1f} MiB")
    human = cudalint(f"{a.open}/driver-baked:latest", "--driver", "525", "--color", "never")
    print(human.out.rstrip())
    expect("driver-baked: the human output shows rule and path", "CU304" in human.out and "libnvidia-ml.so.535.261.03" in human.out, human)

    old = cudalint(f"{a.open}/cuda-base:latest", "--driver", "450", "--format", "json")
    expect("cuda-base on driver 450: CU801 or CU802", old.status == 1 and (has(old.findings(), "CU801") or has(old.findings(), "CU802")), old)

    for name in ("whiteout-file", "debian-slim"):
        scan = cudalint.check(f"{a.open}/{name}:latest")
        expect(f"{name}: complete, no library rule fires", scan.input()["complete"] and not has(scan.findings(), "CU304"), scan)

    same = [cudalint.check(f"{a.open}/{name}:latest") for name in ("cuda-base", "cuda-base-docker", "cuda-base-none", "cuda-base-zstd")]
    rules = [[(f["rule"], f["message"], layer_path(f)) for f in scan.findings()] for scan in same]
    expect("the same findings whatever the compression and manifest format", all(other == rules[0] for other in rules), same[-1])

    arm = cudalint.check(f"{a.open}/cuda-multiarch:latest", "--platform", "linux/arm64")
    expect("an index: the arm64 image on request", arm.input()["complete"], arm)
    other = cudalint.check(f"{a.open}/cuda-multiarch:latest", "--platform", "linux/s390x")
    expect("a platform without CUDA: those that have it", other.status == 2 and "linux/arm64" in other.text(), other)
    by_digest = cudalint.check(f"{a.open}/driver-baked@{truth['driver-baked']['digest']}")
    expect("by digest", by_digest.status == 1 and by_digest.input()["complete"], by_digest)


def facts_of_images(cudalint, a, truth):
    for name in ("cuda-base", "cuda-base-docker", "cuda-base-none", "cuda-base-zstd", "mixed-compression", "cuda-compat", "driver-baked", "multistage-copy", "static-cudart",
                 "whiteout-file", "whiteout-opaque", "tar-odd", "debian-slim"):
        scan = cudalint("inspect", f"{a.open}/{name}:latest", "--format", "json")
        if scan.status != 0:
            expect(f"inspect {name}: status 0", False, scan)
            continue
        facts = scan.json()
        known = {f["path"]: f for f in truth[name]["cuda_files"]}
        seen = facts["cuda_runtimes"]
        wanted = set(runtimes(truth[name])) or ({"12.4.127"} if name == "mixed-compression" else set())
        if name == "whiteout-opaque":
            wanted = {"12.9.79"}
        if name == "whiteout-file":
            wanted = set()
        # The builder's stand-ins for libraries have no version; those that have one must be the right ones.
        versions = {r["build"] for r in seen if r["build"]}
        if name == "static-cudart":
            # A static runtime holds the constant of its release, not the build: what the builder put in, without its patch.
            wanted = {version.rpartition(".")[0] for version in wanted}
            versions = {r["version"] for r in seen}
        expect(f"inspect {name}: CUDA runtimes {sorted(wanted) or 'none'}", versions == wanted, scan)
        expect(f"inspect {name}: at paths and layers that the builder knows", all(
            r["path"].lstrip("/") in known and known[r["path"].lstrip("/")]["layer"] == r["layer"] for r in seen if r["version"]), scan)
        if name == "static-cudart":
            expect("inspect static-cudart: linked statically", [r["linkage"] for r in seen] == ["static"], scan)
        drivers = {(Path(d["path"]).name, d["kind"], d["version"]) for d in facts["driver_libraries"]}
        if name == "driver-baked":
            expect("inspect driver-baked: real driver libraries 535.261.03", {
                ("libcuda.so.535.261.03", "real", "535.261.03"), ("libnvidia-ml.so.535.261.03", "real", "535.261.03")} <= drivers, scan)
            expect("inspect driver-baked: stubs are stubs", any(kind == "stub" for _, kind, _ in drivers), scan)
        elif name == "cuda-compat":
            expect("inspect cuda-compat: a compat library, not a driver", any(kind == "compat" for _, kind, _ in drivers) and not any(kind == "real" for _, kind, _ in drivers), scan)
        else:
            expect(f"inspect {name}: no driver library", not drivers, scan)


def accounts(cudalint, a):
    for kind, registry in (("basic", a.basic), ("token", a.token)):
        image = f"{registry}/driver-baked:latest"
        right = cudalint.check(image, **docker_config(cudalint.home, f"{kind}-right", registry, PASSWORD))
        expect(f"{kind} authentication, right password", right.status == 1 and right.input()["complete"] and has(right.findings(), "CU304"), right)
        wrong = cudalint.check(image, **docker_config(cudalint.home, f"{kind}-wrong", registry, "not-the-password"))
        expect(f"{kind} authentication, wrong password: status 4, says so, names the registry, what to do", wrong.status == 4
               and registry in wrong.text() and "refused the credentials" in wrong.text() and "docker login" in wrong.text(), wrong)
        expect(f"{kind} authentication, wrong password: no secret is printed", "not-the-password" not in wrong.text()
               and base64.b64encode(f"{USER}:not-the-password".encode()).decode() not in wrong.text(), wrong)
        nobody = cudalint.check(image)
        expect(f"{kind} authentication, nobody logged in: status 4, asks to log in", nobody.status == 4 and "docker login" in nobody.text(), nobody)


def trouble(cudalint, a):
    tag = cudalint.check(f"{a.open}/cuda-base:no-such-tag")
    expect("a missing tag: status 4, the tag and the repository", tag.status == 4 and "no-such-tag" in tag.text() and "cuda-base" in tag.text(), tag)
    repository = cudalint.check(f"{a.open}/no-such-repository:latest")
    expect("a missing repository: status 4, its name", repository.status == 4 and "no-such-repository" in repository.text(), repository)
    closed = cudalint.check(f"{a.unreachable}/cuda-base:latest")
    expect("an unreachable registry: status 4, its address, what to do", closed.status == 4 and a.unreachable in closed.text() and "cannot reach" in closed.text(), closed)
    offline = cudalint.check(f"{a.open}/cuda-base:latest", "--offline")
    expect("--offline: status 4, says so", offline.status == 4 and "--offline" in offline.text(), offline)
    malformed = cudalint.check(f"{a.open}/Cuda-Base:latest")
    expect("a malformed reference: status 2 with both readings", malformed.status == 2 and "Cuda-Base" in malformed.text(), malformed)
    driver = cudalint(f"{a.open}/cuda-base:latest", "--driver", "five")
    expect("an invalid --driver: status 2", driver.status == 2 and "five" in driver.err, driver)

    strange = cudalint.check(f"{a.tls}/debian-slim:latest")
    expect("a registry whose certificate nobody knows: status 4, --ca-file", strange.status == 4 and "--ca-file" in strange.text(), strange)

    trusted = cudalint.check(f"{a.tls}/driver-baked:latest", "--ca-file", a.ca)
    expect("the same with --ca-file: complete, findings", trusted.status == 1 and trusted.input()["complete"] and has(trusted.findings(), "CU304"), trusted)
    other = cudalint.check(f"{a.tls}/driver-baked:latest", "--ca-file", a.other_ca)
    expect("the same with the certificate of another authority: status 4, says so", other.status == 4 and "cannot be trusted" in other.text(), other)

    for name, words in HOSTILE.items():
        scan = cudalint.check(f"{a.hostile}/{name}:latest")
        answer = scan.input()
        problems = " ".join(json.dumps(problem) for problem in answer["problems"])
        expect(f"{name}: status 4 or 1, incomplete, a message", scan.status in (1, 4) and not answer["complete"] and re.search(words, problems, re.I), scan)
        expect(f"{name}: {scan.seconds:.1f} s, {scan.kilobytes / 1024:.0f} MiB, within bounds", scan.kilobytes < 400 * 1024, scan)
        print("  " + "; ".join(problem["message"] for problem in answer["problems"])[:400])
    escape = cudalint.check(f"{a.hostile}/hostile-path-traversal:latest")
    expect("hostile-path-traversal: no control character is printed", "\x1b" not in cudalint(f"{a.hostile}/hostile-path-traversal:latest").text(), escape)
    expect("hostile-path-traversal: nothing is written outside", not list(Path("/tmp").glob("cudalint-escaped*")), escape)

    cut = cudalint.check(f"{a.cut}/cuda-base:latest")
    expect("transfers that always break off: status 4, incomplete, a message", cut.status == 4 and not cut.input()["complete"] and cut.input()["problems"], cut)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cudalint", "truth", "ca", "other-ca", "open", "basic", "token", "tls", "hostile", "cut", "unreachable"):
        parser.add_argument(f"--{name}", required=True)
    a = parser.parse_args()
    truth = {path.stem: json.loads(path.read_text()) for path in Path(a.truth).glob("*.json")}
    with tempfile.TemporaryDirectory(prefix="cudalint-real-") as home:
        cudalint = Cudalint(a.cudalint, home)
        findings_of_images(cudalint, a, truth)
        facts_of_images(cudalint, a, truth)
        accounts(cudalint, a)
        trouble(cudalint, a)
    print(f"{passed} checks passed, {len(failures)} failed")
    if failures:
        stop("failed: " + "; ".join(failures))


if __name__ == "__main__":
    main()
