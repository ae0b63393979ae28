#!/usr/bin/env python3
"""Load on a running server that speaks OpenAI's chat completions, streamed: N clients, questions of questions.txt, pictures.

    isthmus serve MODEL &
    bench/serving/load.py http://127.0.0.1:8642 --model NAME --clients 1 16 --requests 64 --pid $!

Prints JSON, one object for each number of clients: tokens per second, time to the first piece and between pieces (median, 99 %),
requests that were lost, and with --pid the server's resident memory over time and what others took of the processors.
"""
import argparse
import json
import pathlib
import sys

from clients import QUESTIONS, Ask, Run, Server, chat, chat_figures, made_picture


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model", default="", help="what requests call it")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--requests", type=int, default=64, help="of all clients together")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--pictures", type=pathlib.Path, nargs="+", help="files; without: made up, another for each request")
    parser.add_argument("--text-only", action="store_true")
    parser.add_argument("--api-key")
    parser.add_argument("--pid", type=int, help="the server's process")
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    files = [path.read_bytes() for path in options.pictures or []]
    lost = 0
    for clients in options.clients:
        asks = []
        for i in range(options.requests):
            picture = None if options.text_only else files[i % len(files)] if files else made_picture(1000 * clients + i)
            fields = chat(options.model, QUESTIONS[i % len(QUESTIONS)], picture, options.new_tokens)
            asks.append(Ask.of("/v1/chat/completions", fields, headers=headers))
        figures = chat_figures(Run(options.url, asks, clients, Server(options.pid) if options.pid else None))
        lost += figures["lost"]
        print(json.dumps({"clients": clients, **figures}), flush=True)
    return 1 if lost else 0


sys.exit(main())
