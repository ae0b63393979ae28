#!/usr/bin/env python3
"""Isthmus against PyTorch 2.5 at the layer shapes of LLaVA-1.5-7B, in turn, on one machine; prints a table.

    cmake --preset bench && cmake --build build/bench --target bench_kernels
    python3 -m venv peer && peer/bin/pip install torch==2.5.1 numpy
    python3 bench/compare_pytorch.py --peer-python peer/bin/python --rounds 3 > bench/results/pytorch.md

Both programs run alternately; each figure is the smallest wall time over all rounds and repetitions.
"""
import argparse
import json
import pathlib
import subprocess
import sys

from machine import commit, processor

ROOT = pathlib.Path(__file__).resolve().parent.parent

# what: (our benchmark, the peer's entry)
PAIRS = {
    "CLIP ViT-L/14-336 encode, 23 layers": ("clip_encode/{}_23_blocks", "clip_encode_23_blocks"),
    "LLaMA-7B block, prefill of 640 rows": ("llama_block/{}_prefill_640", "llama_7b_block_prefill_640"),
}
FLOAT32_ONLY = {
    "attention, 577 rows, 16 heads of 64": (
        "attention/queries:577/keys:577/heads:16/kv_heads:16/head_dim:64/causal:0", "attention_clip_577x16x64"),
    "attention, causal, 640 rows, 32 heads of 128": (
        "attention/queries:640/keys:640/heads:32/kv_heads:32/head_dim:128/causal:1", "attention_causal_640x32x128"),
}


def ours(program, threads):
    """Smallest wall seconds per benchmark."""
    command = [program, f"--benchmark_filter=(clip_encode|llama_block|attention/queries:(577|640)).*threads:{threads}/",
               "--benchmark_repetitions=3", "--benchmark_format=json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    best = {}
    for entry in report["benchmarks"]:
        if entry.get("run_type") != "iteration":
            continue
        name = entry["run_name"].split("/threads:")[0]
        seconds = entry["real_time"] * unit[entry["time_unit"]]
        best[name] = min(seconds, best.get(name, seconds))
    return best


def theirs(python, threads):
    command = [python, str(ROOT / "bench/peer_pytorch.py"), "--threads", str(threads)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    times = {(dtype, name): entry["wall_s"] for dtype, entries in report["results"].items()
             for name, entry in entries.items()}
    return report["torch"], times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/bench/bench/kernels/bench_kernels"))
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has torch 2.5.1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    mine, peer, version = {}, {}, ""
    for _ in range(options.rounds):
        for name, seconds in ours(options.program, options.threads).items():
            mine[name] = min(seconds, mine.get(name, seconds))
        version, times = theirs(options.peer_python, options.threads)
        for name, seconds in times.items():
            peer[name] = min(seconds, peer.get(name, seconds))
    print(f"{processor()}, {options.threads} threads, commit {commit()}, PyTorch {version}, "
          f"{options.rounds} rounds in turn, smallest wall time, ms.\n")
    print("| what | arithmetic | Isthmus | PyTorch | PyTorch / Isthmus |\n|---|---|---:|---:|---:|")
    rows = [(what, dtype, ours_name.format(dtype), name) for what, (ours_name, name) in PAIRS.items()
            for dtype in ("float32", "bfloat16")]
    rows += [(what, "float32", ours_name, name) for what, (ours_name, name) in FLOAT32_ONLY.items()]
    for what, dtype, ours_name, name in rows:
        a, b = mine[ours_name] * 1e3, peer[dtype, name] * 1e3
        print(f"| {what} | {dtype} | {a:.1f} | {b:.1f} | {b / a:.2f} |")


main()
