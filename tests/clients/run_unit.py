#!/usr/bin/env python3
"""run_unit.py PROGRAM SOURCE_FOLDER BUILD_FOLDER: systemd finds nothing wrong with the unit, and the program knows its flags."""
import pathlib
import re
import shutil
import subprocess
import sys

from served import skip

INSTALLED = "/usr/local/bin/isthmus"


def main():
    program, root, build = sys.argv[1:]
    if shutil.which("systemd-analyze") is None:
        skip("systemd-analyze is not installed")
    text = (pathlib.Path(root) / "deploy/isthmus.service").read_text(encoding="utf-8")
    folder = pathlib.Path(build) / "unit"
    folder.mkdir(exist_ok=True)
    unit = folder / "isthmus.service"
    unit.write_text(text.replace(INSTALLED, program))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    if checked.returncode != 0 or checked.stderr.strip():
        sys.exit(f"systemd-analyze verify ended with {checked.returncode}: {checked.stdout}{checked.stderr}")
    command = re.search(r"^ExecStart=" + re.escape(INSTALLED) + r" (\w+) (.*)$", text, re.MULTILINE)
    known = subprocess.run([program, command[1], "--help"], capture_output=True, text=True, check=True).stdout
    for flag in re.findall(r"--[\w-]+", command[2]):
        if not re.search(rf"{flag}\b", known):
            sys.exit(f"deploy/isthmus.service names {flag}, which `isthmus {command[1]}` does not know")
    return 0


sys.exit(main())
