#!/usr/bin/env python3
"""run_docs.py PROGRAM SOURCE_FOLDER BUILD_FOLDER: the commands of docs/serving.md do what stands below them.

A block of `isthmus serve … &` starts the server that the blocks behind it ask; where a text block follows a command, it is what the
command prints.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

from served import served, skip

PORT = "8642"


def examples(text):
    """(command block, expected output or None) in order."""
    pattern = re.compile(r"^```sh\n(.*?)^```\n(?:\n*```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
    return [(match[1], match[2]) for match in pattern.finditer(text)]


def ask(command, url, root):
    address = url.removeprefix("http://")
    done = subprocess.run(["bash", "-euc", command.replace("localhost:" + PORT, address)], cwd=root,
                          capture_output=True, text=True, env={**os.environ, "no_proxy": "*"})
    if done.returncode != 0:
        sys.exit(f"{command}\nended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def main():
    program, root, _ = sys.argv[1:]
    for tool in ("curl", "jq"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")
    os.chdir(root)
    blocks = examples(pathlib.Path("docs/serving.md").read_text(encoding="utf-8"))
    start = next(block for block, _ in blocks if block.startswith("isthmus serve") and block.rstrip().endswith("&"))
    words = start.replace("\\\n", " ").split()[2:-1]
    ran = 0
    with served(program, words) as url:
        for block, expected in blocks:
            if not block.startswith(("curl", "jq")):
                continue
            printed = ask(block, url, root)
            ran += 1
            if expected is not None and printed != expected:
                sys.exit(f"{block}\nprinted\n{printed}\nnot\n{expected}")
    print(f"{ran} commands of docs/serving.md did what they show")
    return 0 if ran > 0 else 1


sys.exit(main())
