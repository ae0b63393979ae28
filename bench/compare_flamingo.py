#!/usr/bin/env python3
"""Isthmus against the reference OpenFlamingo-3B in float32, in turn, on one machine; prints a table.

    cmake --preset bench && cmake --build build/bench
    build/bench/bench/models/make_random_flamingo /tmp/flamingo3b
    (the peer's Python: see peer_flamingo_pytorch.py)
    python3 bench/compare_flamingo.py /tmp/flamingo3b --peer-python peer/bin/python --rounds 3

A caption prompt of four examples and a question: five pictures of 224 x 224 and 17 text tokens each, 90 tokens.
Both map the same files, widen the tower's float16 weights when they load, and must answer with the same ids. Each
figure is the smallest wall time over all rounds; "as released" is the reference without a KV cache, which is what
the published config asks for.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

from machine import commit, processor

ROOT = pathlib.Path(__file__).resolve().parent.parent


def ours(options, beams):
    command = [options.program, "bench", options.folder, "--shots", str(options.shots), "--prompt-tokens", "17",
               "--new-tokens", str(options.new_tokens), "--repetitions", "1", "--threads", str(options.threads),
               "--storage", *options.storage.split(), "--num-beams", str(beams), "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["fresh"]
    return {stage: report[stage]["smallest"] for stage in ("encode_s", "prefill_s", "decode_s_per_token")}, report


def theirs(options):
    command = [options.peer_python, "-W", "ignore", str(ROOT / "bench/peer_flamingo_pytorch.py"), options.folder,
               "--threads", str(options.threads), "--shots", str(options.shots), "--prompt-tokens", "17",
               "--new-tokens", str(options.new_tokens)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def keep_smallest(smallest, seconds):
    for stage, value in seconds.items():
        smallest[stage] = min(value, smallest.get(stage, value))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="written by make_random_flamingo")
    parser.add_argument("--program", default=str(ROOT / "build/bench/bin/isthmus"))
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has the reference")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--storage", default="decoder=f32 encoder=f32 aligner=f32",
                        help="ours; the answers are held against the reference's in float32 alone")
    options = parser.parse_args()
    mine, beams, peer, load = {}, {}, {}, []
    for _ in range(options.rounds):
        load.append(os.getloadavg()[0])
        seconds, report = ours(options, 1)
        keep_smallest(mine, seconds)
        keep_smallest(beams, ours(options, 3)[0])
        answer = theirs(options)
        keep_smallest(peer, answer["seconds"])
        for way, ids in answer["output_ids"].items():
            if "q" not in options.storage and ids != report["output_ids"][:len(ids)]:
                sys.exit(f"{way}: the reference answers {ids}, Isthmus {report['output_ids']}")
    pictures = options.shots + 1
    print(f"{processor()}, {options.threads} threads, commit {commit()}, PyTorch {answer['torch']}, {options.rounds} "
          f"rounds in turn, load {min(load):.1f} to {max(load):.1f}; smallest wall time, s. {pictures} pictures, "
          f"{answer['prompt_tokens']} tokens; {options.storage}.\n")
    print("| what | Isthmus | reference | reference / Isthmus |\n|---|---:|---:|---:|")
    first = mine["encode_s"] + mine["prefill_s"], peer["encode"] + peer["prefill"]
    rows = [(f"encode and resample {pictures} pictures", mine["encode_s"], peer["encode"]),
            (f"prefill of {answer['prompt_tokens']} tokens", mine["prefill_s"], peer["prefill"]),
            ("time to the first token", *first),
            ("decode, one token, reference as released", mine["decode_s_per_token"], peer["decode_as_released"]),
            ("decode, one token, reference with KV cache", mine["decode_s_per_token"], peer["decode_cached"]),
            ("decode, 3 beams, reference as released", beams["decode_s_per_token"],
             peer["decode_as_released_3_beams"]),
            ("decode, 3 beams, reference with KV cache", beams["decode_s_per_token"], peer["decode_cached_3_beams"])]
    for what, a, b in rows:
        print(f"| {what} | {a:.3f} | {b:.3f} | {b / a:.2f} |")


main()
