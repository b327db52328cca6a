#!/usr/bin/env python3
"""Measure cudalint over generated Dockerfiles, and hadolint over the same files in the same run.

    compare.py --cudalint target/release/cudalint [--hadolint hadolint] [--files 1000] [--runs 5] [--more DIR]

Prints: the time of whole processes over all files, per file and as a ratio; files per second on one and two threads; the
cost against file size from 1 KB to 5 MB. Every figure is the median of several runs; nothing is asserted. On a machine that
does other work at the same time, processor time (CPU) is the figure to compare. --more adds the Dockerfiles below a folder
to the generated ones.
"""

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_corpus  # noqa: E402


class Timing:
    """Wall and processor time of some runs of a command, in seconds."""

    def __init__(self, walls, processors):
        self.walls, self.wall, self.processor = walls, statistics.median(walls), statistics.median(processors)


def timed(command, runs, **env):
    """Runs a command several times; a status above 1 stops the measurement."""
    walls, processors = [], []
    for _ in range(runs):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        walls.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode > 1:
            sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[:500]}")
    return Timing(walls, processors)


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def table(*head):
    print()
    row(*head)
    row(*("---" for _ in head))


def milliseconds(seconds):
    return f"{seconds * 1000:.3f}" if seconds < 0.01 else f"{seconds * 1000:.1f}"


def span(timing):
    return f"{milliseconds(timing.wall)} ({milliseconds(min(timing.walls))} to {milliseconds(max(timing.walls))})"


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
    total, count = sum(path.stat().st_size for path in paths), len(paths)
    print(f"\n{count} files, {total / 1e6:.2f} MB, median {statistics.median(p.stat().st_size for p in paths):.0f} bytes; "
          f"{runs} runs, median (least to most)")

    def line(name, timing):
        row(name, span(timing), milliseconds(timing.processor), milliseconds(timing.wall / count), f"{timing.processor / count * 1000:.3f}", f"{count / timing.wall:.0f}")

    table("whole process over all files", "wall ms", "CPU ms", "wall ms per file", "CPU ms per file", "files/s")
    ours = {}
    for threads in (1, 2):
        ours[threads] = timed([cudalint, "--offline", "--isolated", "--format", "json", str(folder)], runs, RAYON_NUM_THREADS=str(threads))
        line(f"cudalint, {threads} thread{'s' * (threads > 1)}", ours[threads])
    if hadolint:
        # It takes a minute or so: fewer runs are enough.
        theirs = timed([hadolint, "--no-fail", *map(str, paths)], min(runs, 3))
        line("hadolint, one process", theirs)

    some = paths[:: max(1, count // 20)][:20]
    table("a process per file (20 files)", "wall ms per file", "CPU ms per file")
    each = {"cudalint": [timed([cudalint, "--offline", "--isolated", str(path)], min(runs, 3)) for path in some]}
    if hadolint:
        each["hadolint"] = [timed([hadolint, "--no-fail", str(path)], min(runs, 3)) for path in some]
    mean = {name: (statistics.mean(t.wall for t in timings), statistics.mean(t.processor for t in timings)) for name, timings in each.items()}
    for name, (wall, processor) in mean.items():
        row(name, milliseconds(wall), milliseconds(processor))
    print()
    if hadolint:
        print(f"hadolint / cudalint, all files in one process: wall {theirs.wall / ours[1].wall:.0f} (1 thread), {theirs.wall / ours[2].wall:.0f} (2 threads); "
              f"CPU {theirs.processor / ours[1].processor:.0f}")
        print(f"hadolint / cudalint, a process per file: wall {mean['hadolint'][0] / mean['cudalint'][0]:.1f}, CPU {mean['hadolint'][1] / mean['cudalint'][1]:.1f}")
    print(f"cudalint on 2 threads against 1: {ours[1].wall / ours[2].wall:.2f} times as fast")


def sizes(cudalint, folder, runs, largest):
    command = [cudalint, "--offline", "--isolated", "--format", "json"]
    start = timed([*command, str(write(folder, "empty", "FROM scratch\n"))], runs).processor
    print(f"\nA process with a one-line file takes {milliseconds(start)} ms of CPU; the columns per byte leave it out.")
    table("size", "instructions: wall ms", "CPU ms", "CPU ns/byte", "a single RUN: wall ms", "CPU ms", "CPU ns/byte")
    for size in (1_000, 10_000, 100_000, 1_000_000, 5_000_000):
        if size > largest:
            continue
        cells = []
        for text in (make_corpus.sized(size, 1), make_corpus.one_run(size)):
            timing = timed([*command, str(write(folder, f"size-{size}", text))], runs)
            cells += [milliseconds(timing.wall), milliseconds(timing.processor), f"{max(0.0, timing.processor - start) / len(text) * 1e9:.0f}"]
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
