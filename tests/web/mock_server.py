#!/usr/bin/env python3
"""A server that speaks as `isthmus serve` does and answers without a model: to develop the page and to test it.

    tests/web/mock_server.py --family onellm --port 8642     then open http://127.0.0.1:8642/

It checks requests as strictly as a server does, so that a page which sends nonsense is found out.
"""
import argparse
import base64
import binascii
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "apps" / "web"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

ALL_KINDS = ["image", "video", "audio", "points", "depth", "normal", "imu", "fmri"]
CARDS = {
    "llava": ("llava-v1.5-7b", {"family": "llava", "modalities": ["image"], "aligners": ["wide-projector"],
                                "context_length": 4096, "storage": "q4"}),
    "flamingo": ("OpenFlamingo-4B", {"family": "flamingo", "modalities": ["image"], "aligners": [],
                                     "context_length": 2048, "storage": "q8"}),
    "onellm": ("OneLLM-7B", {"family": "onellm", "modalities": ALL_KINDS, "aligners": [],
                             "context_length": 2048, "storage": "q4"}),
    "mpt": ("mpt-1b", {"family": "mpt", "modalities": [], "aligners": [], "context_length": 2048, "storage": "f16"}),
    "demo": ("onellm", {"family": "onellm", "modalities": ALL_KINDS, "aligners": [], "context_length": 2048, "storage": "f16",
                        "parameters": 3_400_000}),
}

PROSE = """There are **three spheres** on a wooden table, in front of a pale blue wall.

| sphere | size | place |
|:--|:--|--:|
| red | large | left |
| yellow | small | front |
| blue | large | right, at the back |

The light comes from the left: every sphere throws its shadow to the right. The *yellow* one is the nearest."""

ANSWERS = [  # words of the question, answer
    ("code", "Each shadow lies where the light is blocked:\n\n```python\ndef shadow(point, light, spheres):\n    \"\"\"Whether anything stands "
             "between the point and the light.\"\"\"\n    return any(s.meets(point, light) for s in spheres)\n```\n\n1. Start at the surface.\n"
             "2. Go towards the light.\n   - Stop at the first sphere.\n   - Otherwise it is lit."),
    ("colo", "The nearest sphere is **yellow**."),
    ("hear", "I hear **three short, high beeps**, each fading quickly, with short pauses between them."),
    ("object", "The points show **three balls on a flat table**: a large red one on the left, a large blue one behind it on the right, and a small "
               "yellow one in front."),
    ("doing", "The person is **walking** at a steady pace."),
    ("markup", "<img src=x onerror=\"document.title='broken'\"> [a](javascript:document.title='broken') **fine** ![p](http://elsewhere.test/p.png)"),
    ("long", " ".join(f"Sentence number {i} says a little more." for i in range(400))),
]


class Refused(Exception):
    def __init__(self, message, status=400, headers=()):
        super().__init__(message)
        self.status, self.headers = status, dict(headers)


def media_of(body, card):
    """All media of a request, each checked; raises Refused naming the field."""
    found = []
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("request: messages: expected a list")
    for m, message in enumerate(messages):
        if message.get("role") not in ("system", "user", "assistant"):
            raise Refused(f"request: messages[{m}].role: \"{message.get('role')}\" is none of system, user, assistant")
        content = message.get("content")
        for p, part in enumerate([] if isinstance(content, str) else content):
            where, kind = f"request: messages[{m}].content[{p}]", part.get("type")
            if kind == "text":
                continue
            modality = {"image_url": "image"}.get(kind, kind)
            if modality not in card["modalities"]:
                raise Refused(f"{where}.type: this model takes no {modality}")
            data = part["image_url"]["url"].split(",", 1)[1] if kind == "image_url" else part.get("data")
            try:
                size = len(base64.b64decode(data, validate=True))
                if "rgb" in part:
                    base64.b64decode(part["rgb"], validate=True)
            except (binascii.Error, TypeError):
                raise Refused(f"{where}.data: not base64") from None
            if modality in ("depth", "normal") and "rgb" not in part:
                raise Refused(f"{where}.rgb: missing; a {modality} map needs the picture of the same scene")
            found.append((modality, size))
    return found


def question_of(body):
    content = body["messages"][-1]["content"]
    texts = [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
    return " ".join(texts)


def answer_of(body, card):
    question = question_of(body).lower()
    if card["family"] == "flamingo":
        shots = [m["content"] for m in body["messages"] if m["role"] == "assistant"]
        return " A small yellow ball next to a red one." if shots else " A table."
    if body.get("aligner") == "wide-projector":
        return "Three balls: red, yellow and blue. The yellow one is small and stands closest to the viewer."
    return next((answer for words, answer in ANSWERS if words in question), PROSE)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body, kind="application/json", headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def check_key(self):
        key = self.server.key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            raise Refused("the API key is missing or wrong", 401)

    def do_GET(self):
        try:
            if self.path == "/v1/models":
                self.check_key()
                data = [{"id": name, "object": "model", "parent": parent, "isthmus": card}
                        for model, card in self.server.cards.items()
                        for name, parent in [(model, None)] + [(f"{model}:{aligner}", model) for aligner in card["aligners"]]]
                return self.send(200, {"object": "list", "data": data})
            if self.path == "/health":
                return self.send(200, {"status": "ok"})
            file = PAGE / ("index.html" if self.path == "/" else self.path.lstrip("/"))
            if not file.resolve().is_relative_to(PAGE) or not file.is_file() or file.suffix not in TYPES:
                return self.send(404, b"not found", "text/plain")
            return self.send(200, file.read_bytes(), TYPES[file.suffix], {"Content-Security-Policy": POLICY})
        except Refused as refused:
            return self.refuse(refused)

    def refuse(self, refused):
        self.send(refused.status, {"error": {"message": str(refused), "type": "invalid_request_error"}}, headers=refused.headers)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.path != "/v1/chat/completions":
                raise Refused(f"{self.path}: there is nothing here", 404)
            self.check_key()
            body = json.loads(raw)
            name = body.get("model")
            if name not in self.server.cards:
                raise Refused(f"there is no model \"{name}\" here", 404)
            card = self.server.cards[name]
            if body.get("aligner", "") not in ["", *card["aligners"]]:
                raise Refused(f"{name} has no aligner \"{body['aligner']}\"", 404)
            media = media_of(body, card)
            self.server.requests.append(body)
            if "busy" in question_of(body):
                raise Refused("the queue is full", 503, {"Retry-After": "7"})
            self.stream(body, name, card, media)
        except Refused as refused:
            self.refuse(refused)
        except (BrokenPipeError, ConnectionResetError):
            self.server.left += 1

    def stream(self, body, name, card, media):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

        def event(fields):
            data = json.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": name, **fields}, ensure_ascii=False)
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()

        pause = self.server.pause
        time.sleep(4 * pause)
        words = answer_of(body, card).split(" ")
        pieces = [word if i == 0 else " " + word for i, word in enumerate(words)]
        for i, piece in enumerate(pieces):
            event({"choices": [{"index": 0, "delta": {"content": piece}}]})
            time.sleep(pause)
            if "breaks off" in question_of(body) and i == 3:
                self.wfile.write(b'data: {"error": {"message": "the server is shutting down"}}\n\n')
                return
        event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        prompt = 42 + sum({"image": 576, "video": 32}.get(kind, 32) for kind, _ in media)
        event({"choices": [],
               "usage": {"prompt_tokens": prompt, "completion_tokens": len(words), "total_tokens": prompt + len(words)},
               "timings": {"encode": 0.41 * len(media), "prefill": 0.0031 * prompt, "decode": 0.058 * len(words), "prompt_tokens": prompt,
                           "reused_tokens": prompt - 24 if len(body["messages"]) > 2 else 0, "generated_tokens": len(words)}})
        self.wfile.write(b"data: [DONE]\n\n")


class MockServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, family="llava", port=0, key="", pause=0.01):
        super().__init__(("127.0.0.1", port), Handler)
        self.cards = {name: {**card} for name, card in [CARDS[one] for one in family.split("+")]}
        self.key, self.pause = key, pause
        self.requests, self.left = [], 0

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="llava", help=f"{', '.join(CARDS)}; several with + between them")
    parser.add_argument("--port", type=int, default=8642)
    parser.add_argument("--key", default="", help="an API key that is asked for")
    parser.add_argument("--pause", type=float, default=0.04, help="seconds between words")
    args = parser.parse_args()
    server = MockServer(args.family, args.port, args.key, args.pause)
    print(server.address, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
