#!/usr/bin/env python3
"""OneLLM-7B's shapes in 8 and 4 bits against PyTorch in float32, in turn, in one run; prints a table.

    build/bench/bench/models/make_random_onellm peers/onellm --size 7b-block
    python3 bench/peers/compare_onellm.py --peers peers --peer-python peers/python/bin/python

Encoder and aligner are whole and in 8 bits. The language model is LLaMA-7B: peers/7b.isthmus (compare.py says how it is
made), the peer's is one block times 32. The sequence has 206 rows: 30 soft tokens, 2 tags, 174 tokens of text. Figures
are the smallest of the rounds.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from machine import commit, features, peer_environment, processor  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROWS = 206


def output(command, environment):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True,
                          env={**os.environ, **environment}).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has torch 2.5.1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--isa", choices=["avx512", "avx2"], help="both keep to it; without it they use all there is")
    parser.add_argument("--modalities", nargs="+", default=["image", "audio", "points", "depth", "imu", "fmri"])
    options = parser.parse_args()
    ours = {"ISTHMUS_ISA": options.isa} if options.isa else {}
    theirs = peer_environment(options.isa)
    best = {}

    def keep(who, what, seconds):
        best[who, what] = min(seconds, best.get((who, what), seconds))

    for _ in range(options.rounds):
        report = json.loads(output([options.build / "bench/models/onellm_bench", options.peers / "onellm",
                                    *options.modalities, "--storage", "q8", "--threads", options.threads], ours))
        for name in options.modalities:
            keep("Isthmus", name, report[name]["wall"])
        report = json.loads(output([options.build / "bin/isthmus", "bench", options.peers / "7b.isthmus", "--text-only",
                                    "--prompt-tokens", ROWS - 1, "--new-tokens", 2, "--repetitions", 2, "--json",
                                    "--threads", options.threads], ours))
        keep("Isthmus", "prefill", report["fresh"]["prefill_s"]["smallest"])
        report = json.loads(output([options.peer_python, ROOT / "bench/peer_onellm_pytorch.py", *options.modalities,
                                    "--threads", options.threads, "--rows", ROWS], theirs))
        for name in options.modalities:
            keep("PyTorch", name, report[name]["wall"])
        keep("PyTorch", "prefill", 32 * report[f"llama_block_{ROWS}"]["wall"])

    print(f"{processor()} ({features()}), kernels {options.isa or 'all it has'}, {options.threads} threads, commit {commit()}, PyTorch "
          f"float32, {options.rounds} rounds in turn, smallest wall time, s.\n")
    print("| | encode and align | PyTorch | | with prefill | PyTorch | |\n|---|---:|---:|---:|---:|---:|---:|")
    for name in options.modalities:
        mine, peer = best["Isthmus", name], best["PyTorch", name]
        whole, peer_whole = mine + best["Isthmus", "prefill"], peer + best["PyTorch", "prefill"]
        print(f"| {name} | {mine:.2f} | {peer:.2f} | {peer / mine:.1f} × | {whole:.2f} | {peer_whole:.2f} | "
              f"{peer_whole / whole:.1f} × |")


main()
