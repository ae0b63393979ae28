#!/usr/bin/env python3
"""Isthmus, llama.cpp and PyTorch on the same work, in turn, in one run on one machine; a table and a picture.

    cmake --preset bench && cmake --build build/bench
    bench/peers/build_llama_cpp.sh peers                            # llama.cpp, out of its Python package
    python3 -m venv peers/python && peers/python/bin/pip install torch==2.5.1 numpy gguf matplotlib
    python=peers/python/bin/python
    $python bench/peers/make_random_gguf.py text --vocab peers/vocab.gguf --out peers/7b.gguf
    $python bench/peers/make_random_gguf.py mmproj --out peers/mmproj.gguf
    build/bench/bin/isthmus quantize peers/7b.gguf --vision peers/mmproj.gguf -o peers/7b.isthmus
    $python bench/peers/compare.py --peers peers --rounds 3 --out bench/results/peers

Work: LLaVA-1.5-7B's shape, Q4_K_M, random weights, one 336 px picture, 625 tokens of prompt. The two programs run the
same 4- and 6-bit numbers. A round is: each program once; figures are the best of the rounds, which says what a program
can do. Other programs' share of the processors is measured beside every run: a run that they took more than
--most-disturbed of is repeated, and after three such the script gives up, with nothing written. --out gets .json, .md, .svg.
"""
import argparse
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from machine import busy_seconds, commit, features, peer_environment, processor  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QUESTION = "What is shown in this picture?"
PICTURE_TOKENS = 576
# What a set is called in tables; the first that this processor has is all it has, for which llama.cpp is built natively.
TITLES = {"amx": "AMX and AVX-512", "avx512": "AVX-512", "avx2": "AVX2 alone"}
SETS = [name for name in TITLES if name == "avx2" or {"amx": "amx_int8", "avx512": "avx512f"}[name] in features()]


def llama_folder(isa, best):
    return best if isa == SETS[0] else isa


class Busy(Exception):
    pass


def write_picture(path, side=336):
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            inside = (x - 168) ** 2 + (y - 140) ** 2 < 6400
            rows += bytes((255, 180, 40) if inside else ((x * 3 // 4) & 255, (y * 3 // 4) & 255, ((x ^ y) & 63) + 64))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(bytes(rows), 6)) + chunk(b"IEND", b""))


class Run:
    """A program from start to end: what it said and when, its memory, and what others took of the processors."""

    def __init__(self, command, environment):
        busy, start = busy_seconds(), time.monotonic()
        mine = sum(os.times()[:4])
        self.program = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env={**os.environ, **environment})
        self.said, self.complained, self.peak_mb = [], [], 0.0

        def read(stream, into):
            while data := os.read(stream.fileno(), 1 << 16):
                into.append((time.monotonic() - start, data))

        readers = [threading.Thread(target=read, args=pair) for pair in
                   ((self.program.stdout, self.said), (self.program.stderr, self.complained))]
        for reader in readers:
            reader.start()
        while self.program.poll() is None:
            self.peak_mb = max(self.peak_mb, self.memory())
            time.sleep(0.05)
        for reader in readers:
            reader.join()
        wall = time.monotonic() - start
        others = busy_seconds() - busy - (sum(os.times()[:4]) - mine)
        self.disturbed = max(0.0, others / (wall * os.cpu_count()))
        if self.program.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}\n{self.errors()[-2000:]}")

    def memory(self):
        try:
            found = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.program.pid}/status").read_text())
        except OSError:
            return 0.0
        return int(found[1]) / 1024 if found else 0.0

    def text(self):
        return b"".join(data for _, data in self.said).decode("utf-8", "replace")

    def errors(self):
        return b"".join(data for _, data in self.complained).decode("utf-8", "replace")

    @staticmethod
    def arrival(stream, pattern):
        """When the first match of `pattern` had come."""
        so_far = b""
        for when, data in stream:
            so_far += data
            if re.search(pattern, so_far):
                return when
        return None


class Comparison:
    def __init__(self, options):
        self.options = options
        self.measured = {}  # (who, instruction set, what) -> best so far
        self.worst_disturbance = 0.0
        self.prompt_tokens = None

    def run(self, command, environment):
        for _ in range(3):
            run = Run(command, environment)
            if run.disturbed <= self.options.most_disturbed:
                self.worst_disturbance = max(self.worst_disturbance, run.disturbed)
                return run
            print(f"others took {100 * run.disturbed:.0f} % of the processors; once more", file=sys.stderr)
        raise Busy

    def keep(self, who, isa, what, value, best=min):
        """`value` None: it was not found, which is an error of the script's reading."""
        if value is None:
            raise SystemExit(f"{who}: no {what} in what it printed")
        key = who, isa, what
        self.measured[key] = best(value, self.measured.get(key, value))
        print(f"{who:10} {isa:8} {what:28} {value:10.3f}", file=sys.stderr, flush=True)

    def llama_picture(self, isa, picture):
        where, threads = self.options.peers, self.options.threads
        run = self.run([where / "native/bin/llama-mtmd-cli", "-m", where / "7b.gguf", "--mmproj", where / "mmproj.gguf",
                        "--image", picture, "-p", QUESTION, "-n", 16, "--temp", 0, "-t", threads, "-c", 2048, "--perf",
                        "-lv", 4, "--chat-template", "vicuna"], {"LD_LIBRARY_PATH": where / llama_folder(isa, self.options.llama) / "bin"})
        everything = run.errors() + run.text()
        ready = Run.arrival(run.complained, rb"main: loading model") or Run.arrival(run.said, rb"main: loading model")
        first = next((when for when, data in run.said if data.strip()), None)

        def number(pattern):
            found = re.search(pattern, everything)
            return float(found[1]) if found else None

        encode = number(r"(?:image slice encoded in|mtmd batch encoding done in) (\d+) ms")
        self.prompt_tokens = int(number(r"prompt eval time =\s*[\d.]+ ms /\s*(\d+) tokens") or 625)
        self.keep("llama.cpp", isa, "load_s", ready)
        self.keep("llama.cpp", isa, "encode_s", encode and encode / 1e3)
        self.keep("llama.cpp", isa, "first_token_s", first and ready and first - ready)
        self.keep("llama.cpp", isa, "peak_mb", run.peak_mb)

    def llama_text(self, isa):
        where = self.options.peers
        run = self.run([where / "native/bin/llama-bench", "-m", where / "7b.gguf", "-t", self.options.threads, "-r", 1, "-o",
                        "json", "-p", 512, "-n", 16], {"LD_LIBRARY_PATH": where / llama_folder(isa, self.options.llama) / "bin"})
        for test in json.loads(run.text()):
            rate = (test["n_prompt"] or test["n_gen"]) * 1e9 / min(test["samples_ns"])
            self.keep("llama.cpp", isa, "prefill_tokens_per_s" if test["n_prompt"] else "decode_tokens_per_s", rate, max)

    def isthmus(self, isa, model, *flags):
        command = [self.options.isthmus, "bench", model, "--threads", self.options.threads, "--repetitions", 1,
                   "--kv-cache", "f16", "--json", *flags]
        run = self.run(command, {"ISTHMUS_ISA": isa})
        report = json.loads(run.text())
        report["parts"] = {part["name"]: part for part in report["parts"]}
        return report

    def isthmus_picture(self, isa, picture):
        # Text takes what the picture leaves of the peer's prompt; one token is the beginning of the sequence.
        words = self.prompt_tokens - PICTURE_TOKENS - 1
        report = self.isthmus(isa, self.options.peers / "7b.isthmus", "--image", picture, "--prompt-tokens", words,
                              "--new-tokens", 17)
        parts = report["parts"]
        self.keep("Isthmus", isa, "load_s", report["load_s"])
        self.keep("Isthmus", isa, "encode_s", report["encode_s"])
        self.keep("Isthmus", isa, "first_token_s", report["first_token_s"])
        self.keep("Isthmus", isa, "peak_mb", report["peak_resident_mb"])
        self.keep("Isthmus", isa, "image_prefill_tokens_per_s", report["prefill_tokens_per_s"], max)
        self.keep("Isthmus", isa, "prompt_tokens", report["prompt_tokens"], max)
        self.keep("Isthmus", isa, "prefill_share_of_peak", parts["prefill"]["share_of_peak"], max)
        for name, value in report["peaks"].items():
            self.keep("Isthmus", isa, name, value / 1e9, max)

    def isthmus_second_question(self, isa, picture):
        report = self.isthmus(isa, self.options.peers / "7b.isthmus", "--image", picture, "--prompt-tokens", 14,
                              "--new-tokens", 2)
        first, again = (report[name]["first_token_s"]["smallest"] for name in ("fresh", "other_words"))
        self.keep("Isthmus", isa, "second_question_share", again / first)

    def isthmus_text(self, isa):
        # llama-bench decodes behind an empty prompt.
        report = self.isthmus(isa, self.options.peers / "7b.isthmus", "--text-only", "--prompt-tokens", 511,
                              "--new-tokens", 2)
        self.keep("Isthmus", isa, "prefill_tokens_per_s", report["prefill_tokens_per_s"], max)
        report = self.isthmus(isa, self.options.peers / "7b.isthmus", "--text-only", "--prompt-tokens", 1,
                              "--new-tokens", 17)
        self.keep("Isthmus", isa, "decode_tokens_per_s", report["decode_tokens_per_s"], max)
        self.keep("Isthmus", isa, "decode_share_of_peak", report["parts"]["decode"]["share_of_peak"], max)

    def isthmus_float_encode(self, isa, picture):
        report = self.isthmus(isa, self.options.peers / "7b.gguf", "--vision", self.options.peers / "mmproj.gguf",
                              "--image", picture, "--prompt-tokens", 1, "--new-tokens", 2)
        self.keep("Isthmus", isa, "float_encode_s", report["encode_s"])

    def pytorch(self, isa):
        python = self.options.python
        run = self.run([python, ROOT / "bench/peer_pytorch.py", "--threads", self.options.threads, "--dtypes", "float32",
                        "--seconds", 1, "--only", "clip_encode_23_blocks", "llama_7b_block_prefill_640"],
                       peer_environment(None if isa == SETS[0] else isa))
        results = json.loads(run.text())["results"]["float32"]
        self.keep("PyTorch", isa, "encode_s", results["clip_encode_23_blocks"]["wall_s"])
        self.keep("PyTorch", isa, "prefill_tokens_per_s", 640 / (32 * results["llama_7b_block_prefill_640"]["wall_s"]), max)

    def measure(self):
        with tempfile.TemporaryDirectory() as folder:
            picture = pathlib.Path(folder) / "picture.png"
            write_picture(picture)
            for round_number in range(self.options.rounds):
                print(f"round {round_number + 1} of {self.options.rounds}", file=sys.stderr)
                for isa in self.options.sets:
                    self.llama_picture(isa, picture)
                    self.isthmus_picture(isa, picture)
                    self.llama_text(isa)
                    self.isthmus_text(isa)
                    self.isthmus_second_question(isa, picture)
                    self.isthmus_float_encode(isa, picture)
                    self.pytorch(isa)

    def value(self, who, isa, what):
        return self.measured.get((who, isa, what))


# what: (title, ours, llama.cpp's, PyTorch's, digits, whether more is better)
ROWS = [
    ("time to first token, s", "first_token_s", "first_token_s", None, 2, False),
    ("prefill of 512, tokens/s", "prefill_tokens_per_s", "prefill_tokens_per_s", "prefill_tokens_per_s", 1, True),
    ("decode, tokens/s", "decode_tokens_per_s", "decode_tokens_per_s", None, 2, True),
    ("picture encode, 8 bits, s", "encode_s", "encode_s", "encode_s", 2, False),
    ("picture encode, float32, s", "float_encode_s", "encode_s", "encode_s", 2, False),
    ("ready, s", "load_s", "load_s", None, 2, False),
    ("largest resident memory, MB", "peak_mb", "peak_mb", None, 0, False),
]


def table(comparison):
    lines = []
    for isa in comparison.options.sets:
        peak = {name: comparison.value("Isthmus", isa, name) for name in
                ("int8_operations_per_s", "float32_operations_per_s", "memory_bytes_per_s")}
        lines += [f"\n### {TITLES[isa]}\n",
                  f"Measured peaks: {peak['int8_operations_per_s']:.0f} GOP/s int8, "
                  f"{peak['float32_operations_per_s']:.0f} GFLOP/s float32, "
                  f"{peak['memory_bytes_per_s']:.1f} GB/s from memory.\n",
                  "| | Isthmus | llama.cpp | | PyTorch float32 | |", "|---|---:|---:|---:|---:|---:|"]
        for title, ours, llama, torch, digits, more in ROWS:
            mine = comparison.value("Isthmus", isa, ours)
            cells = [f"{mine:.{digits}f}"]
            for who, what in (("llama.cpp", llama), ("PyTorch", torch)):
                peer = comparison.value(who, isa, what) if what else None
                cells += ["", ""] if peer is None else [f"{peer:.{digits}f}",
                                                        f"{(mine / peer if more else peer / mine):.1f} ×"]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
        share = {name: 100 * comparison.value("Isthmus", isa, name) for name in
                 ("prefill_share_of_peak", "decode_share_of_peak", "second_question_share")}
        lines.append(f"\nPrefill runs at {share['prefill_share_of_peak']:.0f} % of the arithmetic's peak, decode at "
                     f"{share['decode_share_of_peak']:.0f} % of the memory's rate. A second question on the same picture costs "
                     f"{share['second_question_share']:.1f} % of the first one's time to the first token.")
    return "\n".join(lines) + "\n"


def draw(comparison, path):
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.hashsalt": "isthmus", "font.size": 9})
    shown = [row for row in ROWS if row[1] not in ("load_s", "peak_mb")]
    figure, axes = plt.subplots(1, len(comparison.options.sets), figsize=(5 * len(comparison.options.sets), 3.4), sharey=True,
                                squeeze=False)
    for axis, isa in zip(axes[0], comparison.options.sets):
        for place, (title, ours, llama, torch, _, more) in enumerate(shown):
            mine = comparison.value("Isthmus", isa, ours)
            for who, what, colour, shift in (("llama.cpp", llama, "#c46a1b", -0.18), ("PyTorch", torch, "#6b7785", 0.18)):
                peer = comparison.value(who, isa, what) if what else None
                if peer is None:
                    continue
                ratio = mine / peer if more else peer / mine
                axis.barh(place + shift, ratio, height=0.34, color=colour,
                          label=f"against {who}" if place == 0 or (who == "PyTorch" and place == 1) else None)
                axis.text(ratio + 0.05, place + shift, f"{ratio:.1f}", va="center")
        axis.set_yticks(range(len(shown)), [row[0].rsplit(",", 1)[0] for row in shown])
        axis.axvline(1, color="black", linewidth=0.8)
        axis.invert_yaxis() if axis is axes[0][0] else None
        axis.set_title(TITLES[isa])
        axis.set_xlabel("times as fast")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][-1].legend(loc="lower right", frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True, help="what build_llama_cpp.sh and the other commands filled")
    parser.add_argument("--isthmus", type=pathlib.Path, default=ROOT / "build/bench/bin/isthmus")
    parser.add_argument("--python", default=sys.executable, help="one that has torch 2.5.1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--llama", default="native", choices=("native", "avx512"),
                        help="its library for all this processor has; avx512 where its AMX code does not run")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--most-disturbed", type=float, default=0.05, help="share of the processors others may take")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    comparison = Comparison(options)
    try:
        comparison.measure()
    except Busy:
        raise SystemExit("the machine is busy with other programs; nothing is reported")
    head = (f"{processor()} ({features()}), {options.threads} threads, commit {commit()}, "
            f"{(options.peers / 'version').read_text().strip()}, {options.rounds} rounds in turn, the best of each. Other "
            f"programs took at most {100 * comparison.worst_disturbance:.1f} % of the processors.\n")
    figures = [{"who": who, "instruction_set": isa, "what": what, "value": value}
               for (who, isa, what), value in comparison.measured.items()]
    options.out.with_suffix(".json").write_text(json.dumps({"machine": head, "figures": figures}, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(head + table(comparison))
    draw(comparison, options.out.with_suffix(".svg"))
    print(head + table(comparison))


main()
