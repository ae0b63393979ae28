#!/usr/bin/env python3
"""isthmus serve and llama.cpp's llama-server on the same model, quantisation, prompts and threads, in turn, in one run; a table.

    cmake --preset bench && cmake --build build/bench
    bench/peers/build_llama_cpp.sh peers                            # llama.cpp, out of its Python package
    python3 -m venv peers/python && peers/python/bin/pip install numpy gguf
    python=peers/python/bin/python
    $python bench/peers/make_random_gguf.py text --shape llama-7b-4 --vocab peers/vocab.gguf --out peers/4blocks.gguf
    $python bench/peers/make_random_gguf.py mmproj --quant q8_0 --out peers/mmproj-q8.gguf
    build/bench/bin/isthmus quantize peers/4blocks.gguf --vision peers/mmproj-q8.gguf -o peers/4blocks.isthmus
    bench/serving/compare_servers.py --peers peers --out bench/results/servers

Four blocks of LLaVA-1.5-7B's shape, Q4_K_M, and its whole tower in 8 bits, random weights; both programs run the same 4-, 6- and
8-bit numbers, keys and values in 16 bits. Each question has a picture of its own (336 px, 576 soft tokens) and a text of
questions.txt; both servers get the same ones in the same order, streamed, with as many clients at once, each of which asks again
when it is answered. --text-only leaves the pictures out. A round is: each server started, warmed up with one question, and asked
by each number of clients; of the rounds the best figures count, which says what a program can do. Other programs' share of the
processors is measured beside: a run that they took more than --most-disturbed of is repeated, and after three such, or when a
request was lost, nothing is reported. --out gets .json and .md.
"""
import argparse
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

from clients import QUESTIONS, Ask, Run, Server, chat, chat_figures, made_picture
from soak import ROOT, serving

sys.path.insert(0, str(ROOT / "bench"))
from machine import commit, features, processor  # noqa: E402


# Said by both: left to themselves, one of the templates says more than the other.
SYSTEM = {"role": "system", "content": "You look at pictures and answer questions."}


class Busy(Exception):
    pass


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextlib.contextmanager
def isthmus(options):
    flags = ["--threads", str(options.threads), "--kv-cache", "f16"]
    with serving(options.isthmus, [(options.peers / f"{options.model}.isthmus").resolve()], *flags) as (url, process):
        yield url, process


@contextlib.contextmanager
def llama_server(options):
    port, slots = free_port(), max(options.clients)
    command = [options.llama_server or options.peers / "native/bin/llama-server", "-m", options.peers / f"{options.model}.gguf",
               "--mmproj", options.peers / "mmproj-q8.gguf", "--host", "127.0.0.1", "--port", port, "-t", options.threads, "-tb",
               options.threads, "-np", slots, "-c", slots * options.context, "--no-jinja", "--chat-template", "vicuna", "--no-ui"]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + 300
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"llama-server did not start: status {process.returncode}: {' '.join(map(str, command))}")
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(url + "/health", timeout=5).status == 200:
                    break
            time.sleep(0.2)
        yield url, process
    finally:
        process.terminate()
        process.wait()


SERVERS = {"Isthmus": isthmus, "llama.cpp": llama_server}


class Comparison:
    def __init__(self, options):
        self.options = options
        self.rounds = []            # what each run gave
        self.best = {}              # (who, clients, what) -> best so far
        self.worst_disturbance = 0.0

    def asks(self, clients, round_number):
        """The same for both servers; no picture comes twice in a server's life."""
        options = self.options
        for i in range(options.requests_of_one if clients == 1 else options.requests):
            picture = None if options.text_only else made_picture(10_000 * round_number + 100 * clients + i)
            # No two texts begin alike, so that nothing is read for two.
            text = f"{clients}.{i}: {QUESTIONS[i % len(QUESTIONS)]}"
            # ignore_eos is llama.cpp's; random weights hardly ever end an answer.
            body = chat("", text, picture, options.new_tokens, template="vicuna_v1", ignore_eos=True)
            body["messages"].insert(0, SYSTEM)
            yield Ask.of("/v1/chat/completions", body)

    def run(self, who, url, process, clients, round_number):
        for attempt in range(3):
            figures = chat_figures(Run(url, self.asks(clients, 3 * round_number + attempt), clients, Server(process.pid)))
            if figures["lost"]:
                raise SystemExit(f"{who} lost {figures['lost']} of {figures['requests']} requests: {figures['lost_why'][0]}")
            if figures["disturbed"] <= self.options.most_disturbed:
                return figures
            print(f"others took {100 * figures['disturbed']:.0f} % of the processors; once more", file=sys.stderr)
        raise Busy

    def keep(self, who, clients, figures):
        self.worst_disturbance = max(self.worst_disturbance, figures["disturbed"])
        self.rounds.append({"who": who, "clients": clients, **figures})
        for what in ("tokens_per_s", "first_token_p50_s", "between_p50_ms", "between_p99_ms", "prompt_tokens", "peak_mb"):
            value = max(figures["resident_mb"]) if what == "peak_mb" else figures[what]
            best = max if what in ("tokens_per_s", "peak_mb", "prompt_tokens") else min
            self.best[who, clients, what] = best(value, self.best.get((who, clients, what), value))
        print(f"{who:10} {clients:3} clients  {figures['tokens_per_s']:8.1f} tokens/s  {figures['first_token_p50_s']:7.2f} s  "
              f"{figures['between_p50_ms']:7.1f} ms  {figures['between_p99_ms']:7.1f} ms", file=sys.stderr, flush=True)

    def measure(self):
        for round_number in range(self.options.rounds):
            for who, start in SERVERS.items():
                with start(self.options) as (url, process):
                    warm = chat("", "Are you there?", None if self.options.text_only else made_picture(-1), 4, template="vicuna_v1")
                    Run(url, [Ask.of("/v1/chat/completions", warm)], 1)
                    for clients in self.options.clients:
                        self.keep(who, clients, self.run(who, url, process, clients, round_number))
        for clients in self.options.clients:
            ours, theirs = (self.best[who, clients, "prompt_tokens"] for who in SERVERS)
            if abs(ours - theirs) > 0.05 * theirs:
                raise SystemExit(f"the prompts are {ours} tokens here and {theirs} there: not the same work")


def table(comparison):
    lines = ["| clients at once | | Isthmus | llama.cpp | |", "|---:|---|---:|---:|---:|"]
    rows = [("tokens/s", "tokens_per_s", 1, True), ("time to the first piece, median, s", "first_token_p50_s", 2, False),
            ("between pieces, median, ms", "between_p50_ms", 1, False), ("between pieces, 99 %, ms", "between_p99_ms", 1, False),
            ("largest resident memory, MB", "peak_mb", 0, False)]
    for clients in comparison.options.clients:
        for title, what, digits, more in rows:
            ours, theirs = (comparison.best[who, clients, what] for who in SERVERS)
            ratio = ours / theirs if more else theirs / ours
            lines.append(f"| {clients} | {title} | {ours:.{digits}f} | {theirs:.{digits}f} | {ratio:.1f} × |")
    few, many = min(comparison.options.clients), max(comparison.options.clients)
    if few < many:
        gains = [comparison.best[who, many, "tokens_per_s"] / comparison.best[who, few, "tokens_per_s"] for who in SERVERS]
        lines.append(f"\n{many} clients at once get {gains[0]:.1f} × the tokens of {few} from Isthmus, {gains[1]:.1f} × from llama.cpp.")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True, help="what the commands above filled")
    parser.add_argument("--model", default="4blocks", help="MODEL.gguf and MODEL.isthmus in it")
    parser.add_argument("--isthmus", type=pathlib.Path, default=ROOT / "build/bench/bin/isthmus")
    parser.add_argument("--llama-server", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--requests", type=int, default=32, help="of many clients together")
    parser.add_argument("--requests-of-one", type=int, default=6, help="of a client alone")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--context", type=int, default=1024, help="tokens of a question and its answer, for llama-server's slots")
    parser.add_argument("--text-only", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--most-disturbed", type=float, default=0.05, help="share of the processors others may take")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    comparison = Comparison(options)
    try:
        comparison.measure()
    except Busy:
        raise SystemExit("the machine is busy with other programs; nothing is reported")
    version = (options.peers / "version").read_text().strip()
    head = (f"{processor()} ({features()}), {options.threads} threads, commit {commit()}, {version}, {options.model}, "
            f"{'text alone' if options.text_only else 'a picture in every question'}, {options.new_tokens} new tokens, "
            f"{options.rounds} rounds in turn, the best of each. Other programs took at most "
            f"{100 * comparison.worst_disturbance:.1f} % of the processors.\n\n")
    options.out.with_suffix(".json").write_text(json.dumps({"machine": head.strip(), "runs": comparison.rounds}, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(head + table(comparison))
    print(head + table(comparison))


if __name__ == "__main__":
    main()
