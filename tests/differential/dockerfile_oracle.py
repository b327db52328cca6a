"""Print BuildKit's reading of Dockerfiles as JSON lines.

Needs PyPI's `dockerfile` package, which has BuildKit's Go parser compiled in. Each line of standard input is a JSON
string, the text of one Dockerfile; each line of output is a JSON object: {"error": text}, {"unreadable": true} or
{"commands": [...]}.
With paths as arguments, the files are read instead.
"""

import json
import sys

import dockerfile


def read(text):
    try:
        commands = dockerfile.parse_string(text)
    except (dockerfile.GoParseError, dockerfile.GoIOError) as error:
        return {"error": str(error)}
    except UnicodeDecodeError:
        # A byte-wise cut through a character (a flag beyond ASCII) that Python can not show.
        return {"unreadable": True}
    return {
        "commands": [
            {
                "cmd": command.cmd,
                "sub_cmd": command.sub_cmd,
                "json": command.json,
                "start_line": command.start_line,
                "end_line": command.end_line,
                "flags": list(command.flags),
                "value": list(command.value),
                "heredocs": [
                    {"name": doc.name, "fd": doc.file_descriptor, "content": doc.content}
                    for doc in command.heredocs
                ],
            }
            for command in commands
        ]
    }


def texts():
    if len(sys.argv) > 1:
        for path in sys.argv[1:]:
            with open(path, encoding="utf-8", newline="") as file:
                yield file.read()
    else:
        for line in sys.stdin:
            yield json.loads(line)


def main():
    for text in texts():
        print(json.dumps(read(text)), flush=True)


if __name__ == "__main__":
    main()
