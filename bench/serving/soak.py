#!/usr/bin/env python3
"""A server of the demo models of all three families under full load, minutes long: no request is lost, memory stays flat.

    bench/serving/soak.py --isthmus build/bench/bin/isthmus --minutes 10

Clients ask through every API, with pictures, points, depths, and few-shot examples, streamed and whole; some leave in the middle
of an answer, some send what is wrong. Every request must end as it has to: with a whole answer, with its error, or by the client's
leaving. A 503 counts as lost, for there are fewer clients than places in the queue.

The server gets little memory for keys and values, so that all of it was used once, and the beginnings of prompts that it keeps are
being given up again, before the warm-up is over.

Memory is flat when its growth over the time after the warm-up (the first fifth, at most two minutes), by the slope of Theil and
Sen (the median of the slopes of all pairs of samples), is at most --most-growth-mb. At the end nothing may be running or waiting,
and the server must leave with status 0 when it is told to. Prints JSON; status 1 when a rule is broken.
"""
import argparse
import base64
import contextlib
import json
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

from clients import QUESTIONS, Ask, Run, Server, chat, quantile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ["demo/llava/llava-v1.5-tabletop", "demo/models/flamingo", "demo/models/onellm"]
LLAVA, FLAMINGO, ONELLM = (pathlib.Path(model).name for model in MODELS)


@contextlib.contextmanager
def serving(isthmus, models, *flags):
    """(address, process); at the end the process has left, and `process.returncode` says how."""
    command = [str(isthmus), "serve", *(str(ROOT / model) for model in models), "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        found = re.search(r" on (http://\S+)", line)
        if not found:
            raise SystemExit(f"the server did not start: {line!r}, status {process.wait(timeout=30)}")
        yield found[1], process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def demo(name):
    return (ROOT / "demo/pictures" / name).read_bytes()


def mixture(seed):
    """Requests without end, the same for a seed."""
    draw = random.Random(seed)
    pictures = [demo(path.name) for path in sorted((ROOT / "demo/pictures").glob("table??.png"))]
    points, depth = (base64.b64encode(demo(name)).decode() for name in ("table02.ply", "table02_depth.png"))

    def encoded():
        return base64.b64encode(draw.choice(pictures)).decode()

    def openai(**fields):
        model = draw.choice([LLAVA, ONELLM])
        return Ask.of("/v1/chat/completions", chat(model, draw.choice(QUESTIONS), draw.choice(pictures), draw.randrange(4, 48)),
                      **fields)

    def whole_chat():
        fields = chat(LLAVA, draw.choice(QUESTIONS), draw.choice(pictures), 24, temperature=0.8, n=draw.randrange(1, 4))
        del fields["stream"], fields["stream_options"]
        return Ask.of("/v1/chat/completions", fields, kind="whole")

    def few_shot():
        fields = chat(FLAMINGO, "", draw.choice(pictures), 12)
        shots = [turn for _ in range(draw.randrange(1, 4)) for turn in
                 (chat("", "", draw.choice(pictures))["messages"][0], {"role": "assistant", "content": "a cone and a cube"})]
        return Ask.of("/v1/chat/completions", {**fields, "messages": shots + fields["messages"]})

    def anthropic():
        source = {"type": "base64", "media_type": "image/png", "data": encoded()}
        content = [{"type": "image", "source": source}, {"type": "text", "text": draw.choice(QUESTIONS)}]
        return Ask.of("/v1/messages", {"model": LLAVA, "max_tokens": 24, "messages": [{"role": "user", "content": content}]},
                      kind="whole")

    def ollama():
        return Ask.of("/api/generate", {"model": LLAVA, "prompt": draw.choice(QUESTIONS), "images": [encoded()],
                                        "options": {"num_predict": 16}}, kind="lines")

    def other_media():
        part = draw.choice([{"type": "points", "data": points},
                            {"type": "depth", "data": depth, "rgb": base64.b64encode(demo("table02.png")).decode(), "unit": "mm"}])
        content = [part, {"type": "text", "text": draw.choice(QUESTIONS)}]
        return Ask.of("/v1/chat/completions", {"model": ONELLM, "max_tokens": 12, "messages": [{"role": "user", "content": content}]},
                      kind="whole")

    def form():
        fields = chat(LLAVA, draw.choice(QUESTIONS), draw.choice(pictures), 24, grammar='root ::= "one" | "two" | "three"')
        return Ask.of("/v1/chat/completions", fields)

    def points_of_texts():
        return Ask.of("/v1/embeddings", {"model": LLAVA, "input": [draw.choice(QUESTIONS), "a cube"]}, kind="whole")

    def leaves():
        ask = openai()
        ask.leaves_after = draw.uniform(0.0, 0.5)
        return ask

    def wrong():
        body, status = draw.choice([
            (b'{"model": ', 400), (b"[]", 400), (b"\xff\xfe\x00", 400), (b"", 400),
            (json.dumps({"model": "nobody", "messages": []}).encode(), 404),
            (json.dumps({"model": LLAVA, "messages": []}).encode(), 400),
            (json.dumps({"model": LLAVA, "messages": 5}).encode(), 400),
            (json.dumps(chat(LLAVA, "What?", b"no picture")).encode(), 400),
            (json.dumps(chat(LLAVA, "What?", draw.choice(pictures)[:200])).encode(), 400),
            (json.dumps(chat(LLAVA, "word " * 20000)).encode(), 400),
            (json.dumps(chat(LLAVA, "What?", grammar="root ::= (")).encode(), 400),
            (json.dumps(chat(LLAVA, "What?", temperature="hot")).encode(), 400)])
        return Ask("/v1/chat/completions", body, kind="whole", status=status)

    kinds = [openai] * 6 + [whole_chat, few_shot, anthropic, ollama, other_media, form, points_of_texts] * 2 + [leaves] * 3 + [wrong] * 3
    while True:
        yield draw.choice(kinds)()


def complaint(answer):
    """What is wrong with how it ended; "" for nothing."""
    if answer.left:
        return ""
    if answer.trouble:
        return answer.trouble
    status, body = answer.read()
    text = b"".join(data for _, data in body)
    if status == 0:
        came = sum(len(data) for _, data in answer.pieces)
        return f"closed after {answer.ended:.1f} s and {came} bytes, before the answer was whole"
    if status != answer.ask.status:
        return f"status {status} instead of {answer.ask.status}: {text[:200].decode('utf-8', 'replace')}"
    if answer.ask.kind == "chat" and not answer.events(body)[1]:
        return "a stream without its end"
    if answer.ask.kind == "lines" and not json.loads(text.splitlines()[-1]).get("done"):
        return "lines without the last one"
    if answer.ask.kind == "whole":
        json.loads(text)
    return ""


class Tally:
    """Of answers that are not kept."""

    def __init__(self):
        self.requests = self.left = self.refused = self.lost = 0
        self.complaints, self.waits = [], []

    def add(self, answer):
        self.requests += 1
        self.left += answer.left
        self.refused += answer.ask.status != 200
        if said := complaint(answer):
            self.lost += 1
            if len(self.complaints) < 10:
                self.complaints.append(f"{answer.ask.path} ({answer.ask.kind}): {said}")
        elif not answer.left and answer.ask.status == 200:
            self.waits.append(answer.ended)


def growth(samples, warm_up):
    """(MB over all the time after the warm-up, seconds of it)."""
    kept = [sample for sample in samples if sample[0] >= warm_up]
    kept = kept[::max(1, len(kept) // 400)]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(kept) for b in kept[i + 1:]]
    time_after = kept[-1][0] - kept[0][0] if kept else 0
    return (statistics.median(slopes) * time_after if slopes else 0.0), time_after


def gauge(url, name):
    with urllib.request.urlopen(url + "/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"isthmus:{name}{{"))


def idle(url):
    """Nothing runs or waits: what clients left comes to an end soon."""
    for _ in range(100):
        if gauge(url, "num_requests_running") + gauge(url, "num_requests_waiting") == 0:
            return True
        time.sleep(0.1)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isthmus", type=pathlib.Path, default=ROOT / "build/bench/bin/isthmus")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most-growth-mb", type=float, default=8)
    parser.add_argument("--kv-cache-size", default="24M", help="of each model, as `isthmus serve` takes it")
    parser.add_argument("--out", type=pathlib.Path, help="JSON with the memory of every second")
    options = parser.parse_args()
    seconds = 60 * options.minutes
    flags = ["--max-queue", str(4 * options.clients), "--kv-cache-size", options.kv_cache_size]
    with serving(options.isthmus, MODELS, *flags) as (url, process):
        tally = Tally()
        run = Run(url, mixture(options.seed), options.clients, Server(process.pid), until=seconds, finished=tally.add)
        at_rest = idle(url)
    grown, time_after = growth(run.resident, min(seconds / 5, 120))
    report = {"seconds": round(run.wall, 1), "clients": options.clients, "requests": tally.requests,
              "left_by_clients": tally.left, "refused_as_they_must": tally.refused, "lost": tally.lost,
              "lost_why": tally.complaints, "answer_p50_s": quantile(tally.waits, 0.5),
              "answer_p99_s": quantile(tally.waits, 0.99), "resident_begin_mb": run.resident[0][1],
              "resident_end_mb": run.resident[-1][1], "grown_mb_after_warm_up": round(grown, 2),
              "seconds_after_warm_up": round(time_after, 1), "at_rest_afterwards": at_rest, "status": process.returncode,
              "disturbed": run.disturbed}
    print(json.dumps(report, indent=1))
    if options.out:
        report["resident_mb"] = [[round(when, 2), megabytes] for when, megabytes in run.resident[::4]]
        options.out.write_text(json.dumps(report) + "\n")
    flat = grown <= options.most_growth_mb
    return 0 if tally.lost == 0 and flat and at_rest and process.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
