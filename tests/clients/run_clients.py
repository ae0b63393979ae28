#!/usr/bin/env python3
"""run_clients.py PROGRAM SOURCE_FOLDER BUILD_FOLDER: makes an environment with the clients and runs clients_test.py in it."""
import os
import pathlib
import subprocess
import sys

from served import demo, served, skip

CLIENTS = ["openai", "anthropic", "ollama"]
KEY = "a-key-of-the-test"


def environment(folder, packages, *modules):
    """The Python of an environment that has the packages, of PyPI."""
    python = folder / "venv/bin/python"
    probe = [str(python), "-c", "import " + ", ".join(modules or packages)]
    if python.exists() and subprocess.run(probe, capture_output=True).returncode == 0:
        return python
    made = subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], capture_output=True, text=True)
    if made.returncode != 0:
        skip("python3-venv is not installed: " + (made.stdout + made.stderr).strip().splitlines()[0])
    fetched = subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
                             capture_output=True, text=True)
    if fetched.returncode != 0:
        skip(", ".join(packages) + " cannot be fetched from PyPI: " + (fetched.stderr.strip().splitlines() or ["?"])[-1])
    return python


def main():
    program, root, build = sys.argv[1:]
    python = environment(pathlib.Path(build), CLIENTS)
    models = [demo(root, "llava/llava-v1.5-tabletop"), demo(root, "models/flamingo"), demo(root, "models/onellm")]
    with served(program, models, "--api-key", KEY) as url:
        tests = pathlib.Path(__file__).with_name("clients_test.py")
        outcome = subprocess.run([str(python), str(tests), url, KEY, root],
                                 env={**os.environ, "NO_PROXY": "*", "no_proxy": "*"})
    return outcome.returncode


if __name__ == "__main__":
    sys.exit(main())
