#!/usr/bin/env python3
"""Measure cudalint over generated Dockerfiles, and hadolint over the same files in the same run.

    compare.py --cudalint target/release/cudalint [--hadolint hadolint] [--files 1000] [--runs 5] [--more DIR]

Prints: the time of whole processes over all files, per file and as a ratio; files per second on one and two threads; the
cost against file size from 1 KB to 5 MB. Every figure is the median of several runs; nothing is asserted. --more adds the
Dockerfiles below a folder to the generated ones.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_corpus  # noqa: E402


def timed(command, runs, **env):
    """Median and spread of the wall time of a command, in seconds; a status above 1 stops the measurement."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        seconds.append(time.perf_counter() - began)
        if done.returncode > 1:
            sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[:500]}")
    return statistics.median(seconds), min(seconds), max(seconds)


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def table(*head):
    print()
    row(*head)
    row(*("---" for _ in head))


def milliseconds(seconds):
    return f"{seconds * 1000:.3f}" if seconds < 0.01 else f"{seconds * 1000:.1f}"


def span(measured):
    return f"{milliseconds(measured[0])} ({milliseconds(measured[1])} to {milliseconds(measured[2])})"


def corpus(folder, count, more):
    make_corpus.write_many(folder, count, seed=1)
    paths = sorted(folder.rglob("Dockerfile"))
    for number, path in enumerate(sorted(more.rglob("*Dockerfile*")) if more else ()):
        if path.is_file():
            copy = folder / f"more-{number:04d}" / "Dockerfile"
            copy.parent.mkdir()
            shutil.copy(path, copy)
            paths.append(copy)
    return paths


def compare(cudalint, hadolint, folder, paths, runs):
    total = sum(path.stat().st_size for path in paths)
    print(f"\n{len(paths)} files, {total / 1e6:.2f} MB, median {statistics.median(p.stat().st_size for p in paths):.0f} bytes; "
          f"{runs} runs, median (least to most)")
    table("whole process over all files", "ms", "ms per file", "files/s")
    ours = {}
    for threads in (1, 2):
        measured = timed([cudalint, "--offline", "--isolated", "--format", "json", str(folder)], runs, RAYON_NUM_THREADS=str(threads))
        ours[threads] = measured[0]
        row(f"cudalint, {threads} thread{'s' * (threads > 1)}", span(measured), milliseconds(measured[0] / len(paths)), f"{len(paths) / measured[0]:.0f}")
    theirs = None
    if hadolint:
        # It takes a second or more a hundred files: fewer runs are enough.
        measured = timed([hadolint, "--no-fail", *map(str, paths)], max(1, min(runs, 3)))
        theirs = measured[0]
        row("hadolint, one process", span(measured), milliseconds(theirs / len(paths)), f"{len(paths) / theirs:.0f}")

    some = paths[:: max(1, len(paths) // 20)][:20]
    table("a process per file (20 files)", "ms per file")
    ours_each = sum(timed([cudalint, "--offline", "--isolated", str(path)], 3)[0] for path in some) / len(some)
    row("cudalint", milliseconds(ours_each))
    if hadolint:
        theirs_each = sum(timed([hadolint, "--no-fail", str(path)], 3)[0] for path in some) / len(some)
        row("hadolint", milliseconds(theirs_each))
    print()
    if theirs:
        print(f"ratio, hadolint to cudalint, all files in one process: {theirs / ours[1]:.0f} (1 thread), {theirs / ours[2]:.0f} (2 threads)")
        print(f"ratio, hadolint to cudalint, a process per file: {theirs_each / ours_each:.1f}")
    print(f"2 threads against 1: {ours[1] / ours[2]:.2f} times as fast")


def sizes(cudalint, folder, runs, largest):
    start = timed([cudalint, "--offline", "--isolated", str(write(folder, "empty", "FROM scratch\n"))], runs)[0]
    print(f"\nStarting and ending a process with a one-line file takes {milliseconds(start)} ms; it is part of every figure below.")
    table("size", "instructions: ms", "ns/byte without start", "a single RUN: ms", "ns/byte without start")
    for size in (1_000, 10_000, 100_000, 1_000_000, 5_000_000):
        if size > largest:
            continue
        cells = []
        for text in (make_corpus.sized(size, 1), make_corpus.one_run(size)):
            measured = timed([cudalint, "--offline", "--isolated", "--format", "json", str(write(folder, f"size-{size}", text))], runs)[0]
            cells += [milliseconds(measured), f"{max(0.0, measured - start) / len(text) * 1e9:.0f}"]
        row(f"{size // 1000} KB", *cells)


def write(folder, name, text):
    path = folder / name / "Dockerfile"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cudalint", required=True)
    parser.add_argument("--hadolint", default="", help="left out when empty")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--largest", type=int, default=5_000_000, help="largest file of the size table, in bytes")
    parser.add_argument("--more", type=Path, help="a folder of further Dockerfiles")
    args = parser.parse_args()
    cudalint = str(Path(args.cudalint).resolve())
    for tool in filter(None, (cudalint, args.hadolint)):
        print(subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout.strip())
    print(f"{os.cpu_count()} processors ({platform.machine()}), load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory(prefix="cudalint-bench-") as name:
        folder = Path(name)
        paths = corpus(folder / "corpus", args.files, args.more)
        compare(cudalint, args.hadolint, folder / "corpus", paths, args.runs)
        sizes(cudalint, folder / "sizes", args.runs, args.largest)


if __name__ == "__main__":
    main()
