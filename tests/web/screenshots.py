#!/usr/bin/env python3
"""Makes the pictures of docs/web.md from the mock server: tests/web/screenshots.py [FOLDER]"""
import json
import sys
import time
from pathlib import Path

from browser import Browser
from mock_server import MockServer

ROOT = Path(__file__).resolve().parents[2]


class Scene:
    def __init__(self, browser, family, **options):
        self.server = MockServer(family, pause=0.002)
        self.server.__enter__()
        self.page = browser.page(**options)
        self.page.go(self.server.address + "/")
        self.page.until("document.querySelector('#empty h1')")

    def choose(self, selector, value):
        self.page.do(f"(() => {{ const s = document.querySelector({json.dumps(selector)}); s.value = {json.dumps(value)}; "
                     "s.dispatchEvent(new Event('change')); })()")

    def ask(self, text, kind=None):
        page = self.page
        if kind:
            page.click(".attach")
            page.do(f"[...document.querySelectorAll('.menu button')].filter((b) => b.textContent === {json.dumps(kind)}).at(-1).click()")
            page.until("document.querySelector('.tray .card canvas')")
        page.do("document.querySelector('#question').focus()")
        page.type(text)
        turns = page.do("document.querySelectorAll('.turn').length")
        page.press("Enter")
        page.until(f"document.querySelectorAll('.turn').length > {turns} && !document.querySelector('.running') && "
                   "document.querySelector('.turn:last-child .cost .bar')")

    def save(self, path, top=None):
        if top is not None:
            self.page.do(f"document.querySelector('#scroller').scrollTop = {top}")
        time.sleep(0.4)  # previews are drawn after their files were read
        self.page.screenshot(path)
        self.page.close()
        self.server.__exit__()
        size = Path(path).stat().st_size
        print(f"{path}: {size / 1000:.0f} kB")
        assert size < 150_000, "too large for the documentation"


def main():
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs"
    with Browser() as browser:
        scene = Scene(browser, "llava", height=880)
        scene.ask("Describe this picture.", "Picture")
        scene.save(folder / "web_chat.png", 0)

        scene = Scene(browser, "onellm", height=760)
        scene.ask("What object is this?", "Point cloud")
        scene.save(folder / "web_points.png", 0)

        scene = Scene(browser, "flamingo", height=760)
        scene.page.click(".pill")
        for place, (name, answer) in enumerate((("table01.png", "A purple cylinder."), ("table03.png", "A gray cone and a red cone."),
                                                ("table07.png", "A red cone, an orange cone and a green cube.")), 1):
            scene.page.click("dialog .add")
            scene.page.give_files([(name, (ROOT / "demo" / "pictures" / name).read_bytes(), "image/png")],
                                  f".examples li:nth-child({place}) input[type=file]")
            scene.page.until(f"document.querySelector('.examples li:nth-child({place}) canvas')")
            scene.page.do(f"document.querySelector('.examples li:nth-child({place}) input[aria-label=Answer]').focus()")
            scene.page.type(answer)
        scene.save(folder / "web_few_shot.png")

        scene = Scene(browser, "onellm", width=320, height=640, scale=2, touch=True)
        scene.ask("What do you hear?", "Sound")
        scene.save(folder / "web_phone.png")

        scene = Scene(browser, "llava", dark=True, height=760)
        scene.choose(".compare select", "=wide-projector")
        scene.ask("Describe this picture.", "Picture")
        scene.save(folder / "web_dark.png")


if __name__ == "__main__":
    main()
