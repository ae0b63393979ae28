"""Clients of a running server: many at once in one thread, so that they take little of the processors that the server has.

A client sends its next question when its last one is answered. What comes is kept with its time and read when all is over.
Nothing but Python's own library is needed.
"""
import base64
import dataclasses
import json
import os
import pathlib
import random
import selectors
import socket
import struct
import sys
import threading
import time
import urllib.parse
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from machine import busy_seconds  # noqa: E402

QUESTIONS = pathlib.Path(__file__).with_name("questions.txt").read_text(encoding="utf-8").splitlines()


def made_picture(seed, side=336):
    """A PNG that no other seed gives: a disc before a slope of colour."""
    draw = random.Random(seed)
    x0, y0, radius = (draw.randrange(side // 4, 3 * side // 4) for _ in range(3))
    colour, tint = bytes(draw.randrange(256) for _ in range(3)), draw.randrange(256)
    rows = bytearray()
    for y in range(side):
        half = int(max(0, (radius / 2) ** 2 - (y - y0) ** 2) ** 0.5)
        left, right = max(0, x0 - half), min(side, x0 + half)
        slope = b"".join(bytes((x * 255 // side, y * 255 // side, tint)) for x in range(side))
        rows += b"\0" + slope[:3 * left] + colour * max(0, right - left) + slope[3 * max(left, right):]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(bytes(rows), 6)) + chunk(b"IEND", b""))


def chat(model, text, picture=None, new_tokens=64, **fields):
    """The body of a streamed OpenAI chat; `picture`: bytes of a file."""
    content = [{"type": "text", "text": text}]
    if picture is not None:
        address = "data:image/png;base64," + base64.b64encode(picture).decode()
        content.insert(0, {"type": "image_url", "image_url": {"url": address}})
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": new_tokens, "temperature": 0,
            "stream": True, "stream_options": {"include_usage": True}, **fields}


@dataclasses.dataclass
class Ask:
    """One request and what is expected of it."""
    path: str
    body: bytes
    kind: str = "chat"
    status: int = 200           # that is a right answer
    leaves_after: float = None  # seconds from the request; then the client closes its connection
    headers: dict = dataclasses.field(default_factory=dict)

    @staticmethod
    def of(path, fields, **more):
        return Ask(path, json.dumps(fields).encode(), **more)


@dataclasses.dataclass
class Answer:
    """What came of it. Times in seconds from the request."""
    ask: Ask
    begun: float                # on the clock of the run
    pieces: list = dataclasses.field(default_factory=list)  # (time, bytes), as they came
    ended: float = None
    left: bool = False
    trouble: str = ""           # of the connection

    def read(self):
        """(status, [(time, bytes of the body)]); status 0: none came."""
        times, whole = [], b""
        for when, data in self.pieces:
            times.append((len(whole), when))
            whole += data
        end = whole.find(b"\r\n\r\n")
        if end < 0 or not whole.startswith(b"HTTP/1.1 "):
            return 0, []
        status, head, at = int(whole[9:12]), whole[:end].lower(), end + 4
        if b"transfer-encoding: chunked" not in head:
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), None)
            body = whole[at:]
            return (status, [(self.pieces[-1][0], body)]) if length in (None, len(body)) else (0, [])
        body, index = [], 0
        while True:
            line = whole.find(b"\r\n", at)
            if line < 0:
                return 0, []  # broken off
            size = int(whole[at:line], 16)
            at = line + 2 + size + 2
            if at > len(whole):
                return 0, []
            if size == 0:
                return status, body
            while index + 1 < len(times) and times[index + 1][0] < at:
                index += 1
            body.append((times[index][1], whole[line + 2:line + 2 + size]))

    def events(self, body):
        """(time, event of a streamed chat), and whether the stream was ended as it must be."""
        found, text, done = [], b"", False
        for when, data in body:
            text += data
            while (end := text.find(b"\n\n")) >= 0:
                line, text = text[:end], text[end + 2:]
                if line == b"data: [DONE]":
                    done = True
                elif line.startswith(b"data: "):
                    found.append((when, json.loads(line[6:])))
        return found, done


class Server:
    """A process that is measured: its memory and its share of the processors."""

    def __init__(self, pid):
        self.pid = pid

    def resident_mb(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().split("\n"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise ProcessLookupError(self.pid)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """Asks until `asks` (an iterator) is empty or `until` seconds have passed, `clients` at once; all connections are new ones.

    `finished`: called with each answer at its end, in place of keeping it.
    """

    def __init__(self, url, asks, clients, server=None, patience=600, until=None, finished=None):
        address = urllib.parse.urlsplit(url)
        self.host, self.port = address.hostname, address.port
        self.asks, self.patience, self.until = iter(asks), patience, until
        self.answers, self.resident = [], []
        self.finished = finished or self.answers.append
        self.selector = selectors.DefaultSelector()
        busy, mine, its = busy_seconds(), sum(os.times()[:4]), server.cpu_seconds() if server else 0
        self.start = time.monotonic()
        watching = threading.Event()
        watcher = threading.Thread(target=self.watch, args=(server, watching))
        watcher.start()
        try:
            for _ in range(clients):
                self.next()
            while self.selector.get_map():
                self.turn()
        finally:
            watching.set()
            watcher.join()
        self.wall = time.monotonic() - self.start
        # Of all processors: what neither the server nor these clients took.
        theirs = sum(os.times()[:4]) - mine + (server.cpu_seconds() - its if server else 0)
        taken = (busy_seconds() - busy - theirs) / (self.wall * os.cpu_count())
        self.disturbed = min(1.0, max(0.0, taken)) if server else None

    def watch(self, server, stop):
        while server and not stop.is_set():
            self.resident.append((time.monotonic() - self.start, server.resident_mb()))
            stop.wait(0.25)

    def next(self):
        if self.until is not None and time.monotonic() - self.start > self.until:
            return
        ask = next(self.asks, None)
        if ask is None:
            return
        answer = Answer(ask, time.monotonic() - self.start)
        head = {"Host": f"{self.host}:{self.port}", "Connection": "close", "Content-Type": "application/json",
                "Content-Length": str(len(ask.body)), **ask.headers}
        text = f"POST {ask.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in head.items()) + "\r\n"
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.connect_ex((self.host, self.port))
        state = [answer, memoryview(text.encode() + ask.body)]
        self.selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, state)

    def turn(self):
        for key, ready in self.selector.select(timeout=0.05):
            answer, rest = key.data
            try:
                if ready & selectors.EVENT_WRITE and len(rest) > 0:
                    key.data[1] = rest = rest[key.fileobj.send(rest):]
                    if len(rest) == 0:
                        self.selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
                if ready & selectors.EVENT_READ:
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        self.end(key.fileobj, answer)
                    else:
                        answer.pieces.append((self.since(answer), data))
            except BlockingIOError:
                pass
            except OSError as error:
                self.end(key.fileobj, answer, str(error))
        for key in list(self.selector.get_map().values()):
            answer = key.data[0]
            passed = self.since(answer)
            if answer.ask.leaves_after is not None and passed > answer.ask.leaves_after:
                answer.left = True
                self.end(key.fileobj, answer)
            elif passed > self.patience:
                self.end(key.fileobj, answer, f"no end after {self.patience} s")

    def since(self, answer):
        return time.monotonic() - self.start - answer.begun

    def end(self, connection, answer, trouble=""):
        answer.ended, answer.trouble = self.since(answer), trouble
        self.selector.unregister(connection)
        connection.close()
        self.finished(answer)
        self.next()


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else None


def chat_figures(run):
    """Of streamed chats: throughput, times to the first piece and between pieces, what was lost."""
    first, between, tokens, prompt, lost = [], [], 0, [], []
    for answer in run.answers:
        status, body = answer.read()
        events, done = answer.events(body)
        if status != 200 or not done:
            told = b"".join(data for _, data in body)[:200].decode("utf-8", "replace")
            lost.append(answer.trouble or f"status {status}, {told or 'no whole answer'}")
            continue
        times = [when for when, event in events if event.get("choices") and event["choices"][0]["delta"].get("content")]
        usage = next((event["usage"] for _, event in reversed(events) if event.get("usage")), None)
        tokens += usage["completion_tokens"]
        prompt.append(usage["prompt_tokens"])
        if times:
            first.append(times[0])
            between += [b - a for a, b in zip(times, times[1:])]
    return {"seconds": run.wall, "requests": len(run.answers), "lost": len(lost), "lost_why": lost[:5], "tokens": tokens,
            "tokens_per_s": tokens / run.wall, "prompt_tokens": quantile(prompt, 0.5),
            "first_token_p50_s": quantile(first, 0.5), "first_token_p99_s": quantile(first, 0.99),
            "between_p50_ms": between and 1e3 * quantile(between, 0.5),
            "between_p99_ms": between and 1e3 * quantile(between, 0.99),
            "resident_mb": [round(megabytes, 1) for _, megabytes in run.resident[::max(1, len(run.resident) // 20)]],
            "disturbed": run.disturbed}
