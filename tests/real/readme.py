#!/usr/bin/env python3
"""Print the commands of a README as it gives them to a newcomer, one a line.

    readme.py README.md test|run

Taken from fenced code blocks: lines that begin with `cargo test` or `cargo run`, with or without a `$` prompt. It is an
error when there is none.
"""

import re
import sys
from pathlib import Path


def commands(text, verb):
    found = []
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S):
        # A line that ends in a backslash goes on.
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(rf"(?:\$ )?(cargo {verb}\b.*)", line)
            if match and match[1].strip() not in found:
                found.append(match[1].strip())
    return found


def main():
    path, verb = sys.argv[1:]
    found = commands(Path(path).read_text(encoding="utf-8"), verb)
    if not found:
        sys.exit(f"{path}: no `cargo {verb}` command in a code block")
    print("\n".join(found))


if __name__ == "__main__":
    main()
