#!/usr/bin/env python3
"""How an answer's time grows with pictures, prompt length, answers at a time and threads; a table and a picture.

    build/bench/bin/isthmus quantize LLAVA -o model.isthmus --storage q4
    python3 bench/growth.py model.isthmus --out bench/results/growth

Nothing may grow faster than its work does: beside every time stands what it would be if the smallest case's rate held.
Above 1 a larger case is dearer than its share, below 1 it is cheaper. Medians of three; attention, which grows with the
square of the length, is in the work that `isthmus bench` counts.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

from machine import commit, features, processor

ROOT = pathlib.Path(__file__).resolve().parent.parent


def write_pictures(folder, count):
    """Of different colours, so that none is known from another."""
    side, paths = 336, []
    for index in range(count):
        row = bytearray()
        for x in range(side):
            row += bytes(((x * (index + 1)) & 255, (x // 2) & 255, 40 * index & 255))
        data = bytes(row) * side
        header = b"BM" + (54 + len(data)).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
        header += (40).to_bytes(4, "little") + side.to_bytes(4, "little") * 2 + b"\1\0\x18\0" + bytes(24)
        paths.append(pathlib.Path(folder) / f"{index}.bmp")
        paths[-1].write_bytes(header + data)
    return paths


class Growth:
    def __init__(self, options):
        self.options = options
        self.series = {}  # title -> (unit of x, [(x, seconds, work)])

    def bench(self, *flags, threads=None):
        command = [self.options.isthmus, "bench", self.options.model, "--json", "--kv-cache", "f16", "--repetitions", 3,
                   "--threads", threads or self.options.threads, *flags]
        report = json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout)
        report["parts"] = {part["name"]: part for part in report["parts"]}
        return report

    def batches(self):
        command = [self.options.isthmus, "bench", self.options.model, "--json", "--kv-cache", "f16", "--threads",
                   self.options.threads, "--prompt-tokens", 16, "--new-tokens", 17, "--batch", self.options.batch]
        output = subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout
        return json.loads(output)["seconds_a_request"]

    def add(self, title, x, seconds, work):
        self.series.setdefault(title, []).append((x, seconds, work))
        print(f"{title}: {x}: {seconds:.3f} s", flush=True)

    @staticmethod
    def operations(part):
        return part["int8_operations"] + part["float32_operations"]

    def measure(self):
        with tempfile.TemporaryDirectory() as folder:
            pictures = write_pictures(folder, 4)
            for count in self.options.pictures:
                flags = [word for path in pictures[:count] for word in ("--image", path)]
                parts = self.bench(*flags, "--prompt-tokens", 16, "--new-tokens", 2)["parts"]
                self.add("encode, pictures", count, parts["encoder"]["seconds"] + parts["aligner"]["seconds"],
                         self.operations(parts["encoder"]) + self.operations(parts["aligner"]))
                self.add("prefill, pictures", count, parts["prefill"]["seconds"], self.operations(parts["prefill"]))
        for length in self.options.lengths:
            parts = self.bench("--text-only", "--prompt-tokens", length, "--new-tokens", 9)["parts"]
            self.add("prefill, tokens", length, parts["prefill"]["seconds"], self.operations(parts["prefill"]))
            self.add("decode of one token, tokens before it", length, parts["decode"]["seconds"], parts["decode"]["bytes"])
        for stages in self.batches():
            batch = stages["batch"]
            for name in ("encode", "prefill", "decode"):
                self.add(f"{name}, answers at a time", batch, batch * stages[f"{name}_s"], batch)
        for threads in range(1, self.options.threads + 1):
            parts = self.bench("--prompt-tokens", 16, "--new-tokens", 9, threads=threads)["parts"]
            for name in ("encoder", "prefill", "decode"):
                self.add(f"{name}, threads", threads, parts[name]["seconds"], 1 / threads)

    def table(self):
        lines = [f"{processor()} ({features()}), {self.options.threads} threads but where they vary, commit {commit()}.\n",
                 "| | | seconds | of what the first one's rate gives |", "|---|---:|---:|---:|"]
        for title, points in self.series.items():
            _, first, least = points[0]
            for x, seconds, work in points:
                lines.append(f"| {title} | {x} | {seconds:.3f} | {seconds / (first * work / least):.2f} |")
        return "\n".join(lines) + "\n"

    def draw(self, path):
        import matplotlib
        matplotlib.use("svg")
        import matplotlib.pyplot as plt
        plt.rcParams.update({"svg.hashsalt": "isthmus", "font.size": 8})
        across = 5
        figure, axes = plt.subplots((len(self.series) + across - 1) // across, across, figsize=(14, 5), squeeze=False)
        for axis in axes.flat[len(self.series):]:
            axis.remove()
        for axis, (title, points) in zip(axes.flat, self.series.items()):
            _, first, least = points[0]
            axis.plot([x for x, _, _ in points], [seconds for _, seconds, _ in points], "o-", color="#1f6f8b", label="measured")
            axis.plot([x for x, _, _ in points], [first * work / least for _, _, work in points], "--", color="#9aa5b1",
                      label="in step with the work")
            axis.set_title(title.rsplit(", ", 1)[0])
            axis.set_xlabel(title.rsplit(", ", 1)[1])
            axis.set_ylabel("s")
            axis.set_ylim(bottom=0)
            axis.spines[["top", "right"]].set_visible(False)
        axes.flat[0].legend(frameon=False)
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a LLaVA")
    parser.add_argument("--isthmus", default=ROOT / "build/bench/bin/isthmus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, nargs="*", default=[1, 2, 3], help="of 576 tokens each")
    parser.add_argument("--lengths", type=int, nargs="*", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="gets .md and .svg")
    options = parser.parse_args()
    growth = Growth(options)
    growth.measure()
    options.out.with_suffix(".md").write_text(growth.table())
    growth.draw(options.out.with_suffix(".svg"))
    print(growth.table())


main()
