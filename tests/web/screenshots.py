#!/usr/bin/env python3
"""Takes the pictures of docs/web.md from a server with the models that come with Isthmus.

    tests/web/screenshots.py [--program build/release/bin/isthmus] [--out docs] [NAME ...]

Where optipng is installed (apt install optipng) the files become smaller.
"""
import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from browser import Browser  # noqa: E402
from served import demo, served  # noqa: E402

PICTURES = ROOT / "demo" / "pictures"
MODELS = ("llava/llava-v1.5-tabletop", "models/onellm", "models/flamingo")
LARGEST = 150_000  # bytes of one picture


class Scene:
    """A page of its own, talking with one of the models."""

    def __init__(self, browser, address, model, **options):
        self.page = browser.page(**options)
        self.page.go(address + "/")
        self.page.until("document.querySelector('#empty h1')")
        self.page.do(f"""(() => {{ const select = document.querySelector('select[aria-label=Model]');
            select.selectedIndex = [...select.options].findIndex((option) => option.textContent === {json.dumps(model)});
            select.dispatchEvent(new Event('change')); }})()""")

    def attach(self, *names):
        cards = self.page.do("document.querySelectorAll('.tray .card').length")
        self.page.give_files([(name, (PICTURES / name).read_bytes(), "") for name in names])
        self.page.until(f"document.querySelectorAll('.tray .card').length > {cards} && document.querySelector('.tray .card canvas')")

    def sample(self, kind):
        self.page.click(".attach")
        self.page.do(f"[...document.querySelectorAll('.menu button')].filter((b) => b.textContent === {json.dumps(kind)}).at(-1).click()")
        self.page.until("document.querySelector('.tray .card canvas')")

    def ask(self, text):
        page = self.page
        page.do("document.querySelector('#question').focus()")
        page.type(text)
        turns = page.do("document.querySelectorAll('.turn').length")
        page.until("!document.querySelector('.send').disabled")
        page.press("Enter")
        page.until(f"document.querySelectorAll('.turn').length > {turns} && !document.querySelector('.running') && "
                   "document.querySelector('.turn:last-child .cost .bar')", 60)
        print(f"  {text} -> {page.do('[...document.querySelectorAll(`.prose`)].at(-1).textContent')}")

    def save(self, path, top=None):
        if top is not None:
            self.page.do(f"document.querySelector('#scroller').scrollTop = {top}")
        self.page.do("document.activeElement.blur()")
        time.sleep(0.4)  # previews are drawn after their files were read
        self.page.screenshot(path)
        assert self.page.troubles == [], self.page.troubles
        self.page.close()
        if optimiser := shutil.which("optipng"):
            subprocess.run([optimiser, "-quiet", "-strip", "all", "-o4", path], check=True)
        size = path.stat().st_size
        print(f"{path}: {size / 1000:.0f} kB")
        assert size < LARGEST, "too large for the documentation"


def chat(browser, address, path):
    scene = Scene(browser, address, "llava-v1.5-tabletop", height=880)
    scene.attach("table02.png")
    scene.ask("What is in this picture?")
    scene.ask("Which is larger, the purple sphere or the blue cone?")
    scene.save(path, 0)


def points(browser, address, path):
    scene = Scene(browser, address, "onellm", height=760)
    scene.sample("Point cloud")
    scene.ask("describe")
    scene.save(path, 0)


def few_shot(browser, address, path):
    scene = Scene(browser, address, "flamingo", height=760)
    page = scene.page
    page.click(".pill")
    for place, (name, answer) in enumerate((("table01.png", "purple"), ("table03.png", "gray red"), ("table07.png", "red orange green")), 1):
        page.click("dialog .add")
        page.give_files([(name, (PICTURES / name).read_bytes(), "image/png")], f".examples li:nth-child({place}) input[type=file]")
        page.until(f"document.querySelector('.examples li:nth-child({place}) canvas')")
        page.do(f"document.querySelector('.examples li:nth-child({place}) input[aria-label=Answer]').focus()")
        page.type(answer)
    scene.save(path)


def phone(browser, address, path):
    scene = Scene(browser, address, "onellm", width=320, height=640, scale=2, touch=True)
    scene.sample("Sound")
    scene.ask("describe")
    scene.save(path)


def dark(browser, address, path):
    scene = Scene(browser, address, "onellm", dark=True, height=760)
    scene.sample("Depth map")
    scene.ask("describe")
    scene.save(path, 0)


SCENES = {"chat": chat, "points": points, "few_shot": few_shot, "phone": phone, "dark": dark}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build" / "release" / "bin" / "isthmus", type=Path)
    parser.add_argument("--out", default=ROOT / "docs", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(SCENES)}; all without any")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - SCENES.keys():
        parser.error(f"there is no picture {', '.join(sorted(unknown))}")
    with Browser() as browser, served(arguments.program, [demo(ROOT, model) for model in MODELS], log=subprocess.DEVNULL) as address:
        for name in arguments.names or SCENES:
            SCENES[name](browser, address, arguments.out / f"web_{name}.png")


if __name__ == "__main__":
    main()
