#!/usr/bin/env python3
"""Time to the first token of an OpenFlamingo over the number of examples; prints a table.

    build/bench/bench/models/make_random_flamingo /tmp/flamingo3b
    python3 bench/shots_table.py /tmp/flamingo3b

"new": all pictures are seen for the first time. "next question": the same examples, another picture to ask about;
their features, cross-attention keys and values, and the rows of the prompt before the question are remembered.
"asked again": the same prompt once more.
"""
import argparse
import json
import os
import pathlib
import subprocess

from machine import commit, processor

ROOT = pathlib.Path(__file__).resolve().parent.parent


def measure(options, shots):
    command = [options.program, "bench", options.folder, "--shots", str(shots), "--prompt-tokens",
               str(options.prompt_tokens), "--new-tokens", "2", "--repetitions", str(options.repetitions),
               "--threads", str(options.threads), "--json"]
    if options.float32:
        command += ["--storage", "decoder=f32", "encoder=f32", "aligner=f32"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="written by make_random_flamingo")
    parser.add_argument("--program", default=str(ROOT / "build/bench/bin/isthmus"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shots", default="1,2,4,8,16,32")
    parser.add_argument("--prompt-tokens", type=int, default=17, help="text tokens beside each picture")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--float32", action="store_true", help="widen all weights when they are loaded")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    rows = [(int(shots), measure(options, int(shots))) for shots in options.shots.split(",")]
    print(f"{processor()}, {options.threads} threads, commit {commit()}, {options.repetitions} repetitions after one "
          f"that is not counted, smallest wall time, s; load {load:.1f} at the beginning.\n")
    print("| examples | tokens | new: encode | new: prefill | new: first token | per example | next question: first "
          "token | asked again: first token | private MB |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    before = None
    for shots, report in rows:
        fresh = report["fresh"]
        first = fresh["first_token_s"]["smallest"]
        each = "" if before is None else f"{(first - before[1]) / (shots - before[0]):.2f}"
        before = shots, first
        print(f"| {shots} | {fresh['prompt_tokens']} | {fresh['encode_s']['smallest']:.2f} | "
              f"{fresh['prefill_s']['smallest']:.2f} | {first:.2f} | {each} | "
              f"{report['next_question']['first_token_s']['smallest']:.2f} | "
              f"{report['asked_again']['first_token_s']['smallest']:.2f} | {report['private_mb']:.0f} |")


main()
