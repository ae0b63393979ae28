#!/usr/bin/env python3
"""run_schema.py PROGRAM SOURCE_FOLDER BUILD_FOLDER: Schemathesis makes requests of /openapi.json and holds the answers against it.

No answer may be a 5xx but 503 and 504; statuses, content types and bodies are as described; nothing is told without the key. What
src/protocol reads of a body must be described too: the names of fields are looked up in its sources.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

from run_clients import KEY, environment
from served import demo, served, skip

FUZZER = "schemathesis==4.32.5"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"
# Few tokens and little time for each, for most of what is asked is not worth an answer.
FLAGS = ["--max-new-tokens", "4", "--timeout", "2", "--api-key", KEY]
CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503, 504]
"""
# A field that is read of a body: body.string("model", …), fields.find("options").
READ = re.compile(r'\b(?:body|fields|message|options)(?:\.|->)(?:string|integer|number|boolean|positive|find|at|contains)\("(\w+)"')


def undescribed(root, document):
    described = set(re.findall(r'"(\w+)": ?\{', json.dumps(document["components"]["schemas"])))
    found = set()
    for source in sorted((pathlib.Path(root) / "src/protocol").glob("*.cpp")):
        found |= {(name, source.name) for name in READ.findall(source.read_text(encoding="utf-8")) if name not in described}
    return sorted(found)


def main():
    program, root, build = sys.argv[1:]
    folder = pathlib.Path(build) / "schema"
    folder.mkdir(exist_ok=True)
    python = environment(folder, [FUZZER], "schemathesis")
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    bearer = "Bearer " + KEY
    with served(program, [demo(root, "llava/llava-v1.5-tabletop")], *FLAGS) as url:
        with urllib.request.urlopen(urllib.request.Request(url + "/openapi.json", headers={"Authorization": bearer}),
                                    timeout=30) as response:
            document = json.load(response)
        if missing := undescribed(root, document):
            sys.exit(f"read of bodies, but not described by /openapi.json: {missing}")
        command = [str(python.with_name("schemathesis")), "--config-file", str(config), "run", url + "/openapi.json", "--header",
                   "Authorization: " + bearer, "--checks", CHECKS, "--phases", "fuzzing", "--max-examples", "12", "--seed", "1",
                   "--suppress-health-check", "all", "--request-timeout", "30", "--no-color", "--warnings", "off"]
        done = subprocess.run(command, env={**os.environ, "NO_PROXY": "*", "no_proxy": "*"}, cwd=folder)
    return done.returncode


sys.exit(main())
