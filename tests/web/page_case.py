"""What all tests of the page share: one browser, a server of one family, and what one does on a page."""
import json
import unittest
from pathlib import Path

from mock_server import MockServer

ROOT = Path(__file__).resolve().parents[2]
PICTURES, INPUTS = ROOT / "demo" / "pictures", ROOT / "tests" / "fixtures" / "onellm" / "preproc" / "inputs"


class Shared:
    browser = None


def file(path, kind=""):
    return (path.name, path.read_bytes(), kind)


class PageCase(unittest.TestCase):
    family, pause, key = "llava", 0.003, ""

    def setUp(self):
        self.server = self.enterContext(MockServer(self.family, key=self.key, pause=self.pause))
        self.page = self.open()

    def open(self, **options):
        page = Shared.browser.page(**options)
        self.addCleanup(page.close)
        page.go(self.server.address + "/")
        page.until("document.querySelector('#empty h1')")
        return page

    def tearDown(self):
        self.assertEqual(self.page.troubles, [])
        own = [address for address in self.page.addresses if not address.startswith((self.server.address, "blob:", "data:"))]
        self.assertEqual([address for address in own if address != "about:blank"], [], "nothing is fetched from elsewhere")

    def ask(self, text, wait=True):
        self.page.do("document.querySelector('#question').focus()")
        self.page.type(text)
        before = self.page.do("document.querySelectorAll('.turn').length")
        self.page.press("Enter")
        self.page.until(f"document.querySelectorAll('.turn').length > {before}")
        if wait:
            self.settle()

    def settle(self):
        self.page.until("document.querySelector('.send').getAttribute('aria-label') === 'Ask' && !document.querySelector('.running')", 30)

    def text(self, selector):
        return self.page.do(f"document.querySelector({json.dumps(selector)})?.textContent ?? null")

    def count(self, selector):
        return self.page.do(f"document.querySelectorAll({json.dumps(selector)}).length")

    def attach(self, *files):
        before = self.count(".tray .card")
        self.page.give_files(files)
        self.page.until(f"document.querySelectorAll('.tray .card').length > {before}")

    def sample(self, label):
        self.page.click(".attach")
        before = self.count(".tray .card")
        self.page.do(f"[...document.querySelectorAll('.menu button')].filter((b) => b.textContent === {json.dumps(label)}).at(-1).click()")
        self.page.until(f"document.querySelectorAll('.tray .card').length > {before}")
