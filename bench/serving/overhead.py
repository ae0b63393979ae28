#!/usr/bin/env python3
"""What the server adds: a token through HTTP against the engine's own decode at the same length, in turn; and the time to the first
piece of a second question about a picture against the first's.

    bench/serving/overhead.py peers/4blocks.isthmus --isthmus build/bench/bin/isthmus --threads 2

One client. Figures of decode are the smallest of the rounds; a round in which other programs took more than --most-disturbed of
the processors is repeated, and after three such the script gives up. The first two are asked to differ by less than 2 %, the second
question to take at most 10 % of the first. Prints JSON; status 1 when either is not so.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from clients import QUESTIONS, Ask, Run, Server, busy_seconds, chat, made_picture
from soak import ROOT, serving

MOST_OVERHEAD, MOST_OF_FIRST = 0.02, 0.10


class Busy(Exception):
    pass


def answered(url, process, fields):
    """The run, the events of its one answer with their times, and the usage that they end with."""
    run = Run(url, [Ask.of("/v1/chat/completions", fields)], 1, Server(process.pid))
    status, body = run.answers[0].read()
    events, done = run.answers[0].events(body)
    if status != 200 or not done:
        raise SystemExit(f"status {status}: {b''.join(data for _, data in body)[:500]!r}")
    return run, events, next(event for _, event in reversed(events) if event.get("usage"))


def first_piece(events):
    return next(when for when, event in events if event["choices"] and event["choices"][0]["delta"].get("content"))


def through_http(url, process, options, seed):
    """(seconds a token as the client sees them, as the server tells, tokens of the prompt, share others took)"""
    fields = chat("", f"{seed} " + " ".join(QUESTIONS)[:options.letters], None, options.new_tokens)
    run, events, last = answered(url, process, fields)
    ended = next(when for when, event in events if event["choices"] and event["choices"][0]["finish_reason"])
    tokens = last["usage"]["completion_tokens"]
    if tokens < options.new_tokens / 2:
        raise SystemExit(f"the answer ended after {tokens} tokens; ask for fewer, or take another model")
    seen = (ended - first_piece(events)) / (tokens - 1)
    return seen, last["timings"]["decode"] / (tokens - 1), last["usage"]["prompt_tokens"], run.disturbed


def of_engine(options, prompt_tokens):
    """(seconds a token, share others took)"""
    command = [options.isthmus, "bench", options.model, "--text-only", "--prompt-tokens", max(1, prompt_tokens - 1),
               "--new-tokens", options.new_tokens, "--repetitions", 1, "--threads", options.threads, "--json", *options.flags]
    busy, mine, start = busy_seconds(), sum(os.times()[:4]), time.monotonic()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    others = busy_seconds() - busy - (sum(os.times()[:4]) - mine)
    return (json.loads(done.stdout)["fresh"]["decode_s_per_token"]["smallest"],
            min(1.0, max(0.0, others / ((time.monotonic() - start) * os.cpu_count()))))


def undisturbed(options, measure):
    for _ in range(3):
        *figures, disturbed = measure()
        if disturbed <= options.most_disturbed:
            return figures
        print(f"others took {100 * disturbed:.0f} % of the processors; once more", file=sys.stderr)
    raise Busy


def measure(options):
    seen, told, engine, first, second = [], [], [], [], []
    served = ["--threads", str(options.threads), *options.flags]
    with serving(options.isthmus, [options.model.resolve()], *served) as (url, process):
        for seed in range(options.rounds + 1):
            a, b, prompt_tokens = undisturbed(options, lambda: through_http(url, process, options, seed))
            (c,) = undisturbed(options, lambda: of_engine(options, prompt_tokens))
            if seed > 0:  # the first one warms up
                seen.append(a), told.append(b), engine.append(c)
        for seed in range(options.rounds if options.pictures else 0):
            picture = made_picture(seed)
            for text, into in ((QUESTIONS[0], first), (QUESTIONS[seed % 7 + 1], second)):
                run, events, _ = answered(url, process, chat("", text, picture, 2))
                into.append(first_piece(events))
    return seen, told, engine, prompt_tokens, first, second


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--isthmus", type=pathlib.Path, default=ROOT / "build/bench/bin/isthmus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--letters", type=int, default=400, help="of the question")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most-disturbed", type=float, default=0.05)
    parser.add_argument("--no-pictures", dest="pictures", action="store_false", help="of a model that takes none")
    parser.add_argument("--flags", type=str.split, default=[], help="of isthmus serve and isthmus bench alike, in one word")
    options = parser.parse_args()
    try:
        seen, told, engine, prompt_tokens, first, second = measure(options)
    except Busy:
        raise SystemExit("the machine is busy with other programs; nothing is reported")
    report = {"prompt_tokens": prompt_tokens, "new_tokens": options.new_tokens, "rounds": options.rounds,
              "http_ms_per_token": 1e3 * min(seen), "scheduler_ms_per_token": 1e3 * min(told),
              "engine_ms_per_token": 1e3 * min(engine), "overhead": min(seen) / min(engine) - 1}
    if first:
        report.update(first_question_s=statistics.median(first), second_question_s=statistics.median(second),
                      second_of_first=statistics.median(second) / statistics.median(first))
    print(json.dumps(report, indent=1))
    return 0 if report["overhead"] < MOST_OVERHEAD and report.get("second_of_first", 0) <= MOST_OF_FIRST else 1


sys.exit(main())
