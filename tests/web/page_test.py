#!/usr/bin/env python3
"""The page in a headless Chromium, against the mock server or a real one.

    tests/web/page_test.py                               everything, against the mock
    tests/web/page_test.py --base http://127.0.0.1:8642  what holds for any server and model

Ends with 77 (skipped) and the reason where there is no Chromium.
"""
import json
import sys
import time
import unittest
from pathlib import Path

from browser import Browser, find_browser
from mock_server import MockServer

ROOT = Path(__file__).resolve().parents[2]
PICTURES, INPUTS = ROOT / "demo" / "pictures", ROOT / "tests" / "fixtures" / "onellm" / "preproc" / "inputs"
browser = None


def file(path, kind=""):
    return (path.name, path.read_bytes(), kind)


class PageCase(unittest.TestCase):
    family, pause, key = "llava", 0.003, ""

    def setUp(self):
        self.server = self.enterContext(MockServer(self.family, key=self.key, pause=self.pause))
        self.page = self.open()

    def open(self, **options):
        page = browser.page(**options)
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


class Chatting(PageCase):
    def test_an_answer_is_shown_with_what_it_cost(self):
        self.page.click(".tries button")
        self.page.until("document.querySelector('.tray canvas') && !document.querySelector('.send').disabled")
        self.page.press("Enter")
        self.page.until("document.querySelector('.turn')")
        self.settle()
        self.assertEqual(self.count(".prose table tbody tr"), 3)
        self.assertEqual(self.text(".prose strong"), "three spheres")
        cost = self.text(".cost")
        for part in ("encode 0.41 s", "prefill 1.92 s", "decode", "tokens/s", "618 in, 61 out"):
            self.assertIn(part, cost)
        body = self.server.requests[-1]
        self.assertTrue(body["stream"] and body["stream_options"]["include_usage"])
        self.assertEqual([part["type"] for part in body["messages"][0]["content"]], ["image_url", "text"])
        self.ask("And the colours?")
        self.assertIn("reused", self.text(".turn:last-child .cost"))
        self.assertEqual([message["role"] for message in self.server.requests[-1]["messages"]], ["user", "assistant", "user"])

    def test_what_a_model_says_never_becomes_markup(self):
        self.ask("markup")
        self.assertIn("<img src=x", self.text(".prose"))
        self.assertEqual(self.count(".prose img"), 0)
        self.assertEqual(self.page.do("[...document.querySelectorAll('.prose a')].map((a) => a.href).join()"), "http://elsewhere.test/p.png")
        self.assertEqual(self.page.do("document.querySelector('.prose a').rel"), "noopener noreferrer nofollow")
        self.assertEqual(self.page.do("document.title"), "Isthmus")

    def test_an_answer_is_stopped_and_asked_for_again(self):
        self.ask("a long one", wait=False)
        self.page.until("document.querySelector('.prose p')?.textContent.length > 60")
        self.page.press("Escape")
        self.settle()
        self.assertEqual(self.text(".state"), "Stopped.")
        stopped = len(self.text(".prose"))
        self.assertLess(stopped, 12000)
        deadline = time.monotonic() + 10
        while self.server.left == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.server.left, 1, "the server is told")
        self.page.click("[aria-label='Answer again']")
        self.page.until(f"document.querySelector('.prose')?.textContent.length > {stopped + 40}", 30)
        self.page.click(".send")
        self.settle()
        self.assertEqual(self.count(".turn"), 1)

    def test_editing_a_question_removes_what_followed(self):
        self.ask("first")
        self.ask("second")
        self.page.click(".turn:first-child [aria-label='Edit the question']")
        self.assertIn("What follows will be removed.", self.text(".editing"))
        self.page.press("Escape")
        self.assertEqual(self.text(".turn:first-child .bubble"), "first")
        self.page.click(".turn:first-child [aria-label='Edit the question']")
        self.page.do("document.querySelector('.editing textarea').select()")
        self.page.type("what colour?")
        self.page.press("Enter")
        self.page.until("document.querySelectorAll('.turn').length === 1")
        self.settle()
        self.assertEqual(self.text(".bubble"), "what colour?")
        self.assertEqual(self.server.requests[-1]["messages"], [{"role": "user", "content": "what colour?"}])

    def test_what_goes_wrong_is_told_as_the_server_words_it(self):
        self.ask("busy")
        self.assertEqual(self.text(".state.failed"), "the queue is full. Try again in 7 s.")
        self.ask("it breaks off")
        self.assertEqual(self.text(".turn:last-child .state.failed"), "the server is shutting down")
        self.assertIn("There are", self.text(".turn:last-child .prose"))
        self.page.give_files([("film.mp4", b"\0\0\0", "video/mp4")])
        self.page.until("document.querySelector('#trouble').textContent")
        self.assertEqual(self.text("#trouble"), "llava-v1.5-7b takes no video (film.mp4).")
        self.page.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        self.ask("anybody?")
        self.assertEqual(self.text(".turn:last-child .state.failed"), "The server cannot be reached.")

    def test_nothing_jumps_while_an_answer_grows(self):
        self.page.do("""window.shifts = []; new PerformanceObserver((list) => { for (const entry of list.getEntries())
          if (!entry.hadRecentInput) window.shifts.push([entry.value, ...entry.sources.map((s) => (s.node?.className ?? s.node?.nodeName) +
            JSON.stringify(s.previousRect) + JSON.stringify(s.currentRect))]); }).observe({type: 'layout-shift', buffered: true})""")
        self.ask("first")
        self.page.do("window.block = document.querySelector('.prose').firstChild; window.top0 = block.offsetTop")
        self.ask("show me code", wait=False)
        self.page.until("document.querySelector('.turn:last-child pre')")
        self.page.do("window.code = document.querySelector('.turn:last-child .prose').firstChild")
        self.settle()
        self.assertTrue(self.page.do("block.isConnected && block.offsetTop === top0 && code.isConnected"), "blocks that are done keep their elements")
        shifts = self.page.do("shifts")
        self.assertLess(sum(shift[0] for shift in shifts), 0.1, shifts)

    def test_two_aligners_answer_side_by_side(self):
        self.page.do("(() => { const s = document.querySelector('.compare select'); s.value = '=wide-projector'; s.dispatchEvent(new Event('change')); })()")
        self.ask("What is there?")
        self.assertEqual(self.page.do("[...document.querySelectorAll('.aligner')].map((a) => a.textContent).join()"), "own aligner,wide-projector")
        self.assertEqual(sorted(body.get("aligner", "") for body in self.server.requests), ["", "wide-projector"])
        boxes = self.page.do("[...document.querySelectorAll('.answer')].map((a) => { const b = a.getBoundingClientRect(); return [b.left, b.top]; })")
        self.assertEqual(boxes[0][1], boxes[1][1])
        self.assertLess(boxes[0][0], boxes[1][0])
        self.ask("And now?")
        said = {body.get("aligner", ""): body["messages"][1]["content"] for body in self.server.requests[-2:]}
        self.assertNotEqual(said[""], said["wide-projector"], "each goes on from its own answer")

    def test_a_screen_reader_is_told_whole_sentences(self):
        self.ask("what is here?")
        said = self.page.do("[...document.querySelectorAll('#said p')].map((p) => p.textContent)")
        self.assertEqual(said[-1], "End of the answer.")
        self.assertLess(len(said), 8)
        self.assertIn("nearest.", " ".join(said))

    def test_chats_are_kept_and_come_back(self):
        self.attach(file(PICTURES / "table05.jpg", "image/jpeg"))
        self.ask("What is this?")
        self.page.until("document.querySelector('.chats .current')")
        self.page.do("location.reload()")
        self.page.until("document.querySelector('.chats .chat')")
        self.page.click(".chats .chat")
        self.page.until("document.querySelector('.turn .view.full canvas')")
        self.assertIn("three spheres", self.text(".prose"))
        self.assertIn("encode", self.text(".cost"))
        exported = self.page.do("""(async () => {
          const {History} = await import('./history.js'), {writeArchive} = await import('./archive.js');
          const history = await History.open(), [record] = await history.list();
          return writeArchive([await history.load(record.id)]); })()""")
        self.page.give_files([("chats.json", exported.encode(), "application/json")], "#sidebar input[type=file]")
        self.page.until("document.querySelectorAll('.chats .chat').length === 2")
        self.page.give_files([("chats.json", b"[]", "application/json")], "#sidebar input[type=file]")
        self.page.until("document.querySelector('#trouble').textContent")
        self.assertEqual(self.text("#trouble"), "The file holds no conversations of this page.")
        self.page.click(".chats li:last-child [aria-label^=Delete]")
        self.page.until("document.querySelectorAll('.chats .chat').length === 1")
        self.page.click("[aria-label='Delete all chats']")
        self.page.click("dialog .danger")
        self.page.until("document.querySelectorAll('.chats .chat').length === 0")
        self.assertEqual(self.page.do("""(async () => { const {History} = await import('./history.js'), history = await History.open();
          return history.run('media', 'readonly', (store) => store.count()); })()"""), 0, "no medium is left behind")

    def test_the_oldest_chats_make_room(self):
        gone = self.page.do("""(async () => {
          const {History} = await import('./history.js'), {newConversation, newMedium, newTurn} = await import('./conversation.js');
          const history = await History.open('room'), big = new Blob([new Uint8Array(100 * 2 ** 20)]);
          const ids = [];
          for (let i = 0; i < 3; i += 1) {
            const conversation = {...newConversation('m'), updated: i, turns: [newTurn('x', [newMedium('image', big, 'x')])]};
            ids.push(conversation.id);
            const gone = await history.save(conversation);
            if (gone.length) { const left = await history.list(); indexedDB.deleteDatabase('room'); return [ids.indexOf(gone[0]), left.length]; }
          } })()""")
        self.assertEqual(gone, [0, 2])


class Keyboard(PageCase):
    def focused(self):
        return self.page.do("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()")

    def test_all_is_reached_and_seen(self):
        self.assertEqual(self.focused(), "Question")
        self.page.do("document.querySelector('.skip').focus()")
        order = ["Skip to the question"]
        for _ in range(30):
            self.page.press("Tab")
            order.append(self.focused())
            self.assertNotEqual(self.page.do("getComputedStyle(document.activeElement.matches('#question') ? document.querySelector('.box') : "
                                             "document.activeElement.matches(':focus-visible') ? document.activeElement : document.body)"
                                             "[document.activeElement.matches('#question') ? 'boxShadow' : 'outlineStyle']"), "none", order[-1])
            if order[-1] == "Question":
                break
        for before, after in zip(("Skip to the question", "New chat", "Settings"), ("New chat", "Settings", "Question")):
            self.assertLess(order.index(before), order.index(after), order)

    def test_shortcuts(self):
        self.page.press("?")
        self.page.until("document.querySelector('dialog[open]')")
        self.assertEqual(self.text("dialog h2"), "Shortcuts")
        self.page.press("Escape")
        self.page.until("!document.querySelector('dialog')")
        self.assertEqual(self.focused(), "Question")
        self.page.type("typed n and /")
        self.assertEqual(self.page.do("document.querySelector('#question').value"), "typed n and /")
        self.page.press("Enter")
        self.page.until("document.querySelector('.turn')")
        self.settle()
        self.page.press("ArrowUp")
        self.page.until("document.querySelector('.editing textarea')")
        self.page.press("Escape")
        self.assertEqual(self.focused(), "Edit the question")
        self.page.press("t")
        self.assertEqual(self.page.do("document.documentElement.dataset.theme"), "dark")
        self.page.press("h")
        self.assertFalse(self.page.do("document.documentElement.classList.contains('sidebar')"))
        self.page.press("n")
        self.page.until("!document.querySelector('.turn')")

    def test_the_menu_is_walked_by_arrows(self):
        self.page.do("document.activeElement.blur()")
        self.page.press("a")
        self.assertEqual(self.focused(), "From a file")
        self.page.press("ArrowUp")
        self.assertEqual(self.focused(), "Picture")
        self.page.press("Escape")
        self.assertEqual(self.focused(), "Attach")

    def test_everything_has_a_name(self):
        self.ask("name it")
        self.page.click("[aria-label=Settings]")
        nodes = browser.call("Accessibility.getFullAXTree", session=self.page.session)["nodes"]
        nameless = [node for node in nodes if not node.get("ignored") and node["role"]["value"] in
                    ("button", "textbox", "combobox", "checkbox", "radio", "spinbutton", "link", "image", "dialog")
                    and not node.get("name", {}).get("value")]
        self.assertEqual([node["role"]["value"] for node in nameless], [])
        self.page.press("Escape")


class Phone(PageCase):
    def open(self):
        return super().open(width=320, height=640, touch=True)

    def test_nothing_is_wider_than_320_pixels(self):
        self.sample("Picture")
        self.ask("describe it")
        self.ask("show me code")
        self.assertEqual(self.page.do("document.documentElement.scrollWidth"), 320)
        wide = self.page.do("""[...document.querySelectorAll('main *')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > 321 &&
          !e.closest('.table, pre, .unseen')).map((e) => e.tagName + '.' + e.className)""")
        self.assertEqual(wide, [])
        small = self.page.do("""[...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).map((b) => [b.getBoundingClientRect(),
          b.getAttribute('aria-label') ?? b.textContent]).filter(([box]) => Math.min(box.width, box.height) < 24).map(([, name]) => name)""")
        self.assertEqual(small, [])

    def test_the_list_of_chats_lies_above_the_page(self):
        self.assertFalse(self.page.do("document.querySelector('#sidebar').checkVisibility()"))
        self.page.click(".toggle")
        self.assertTrue(self.page.do("document.querySelector('#sidebar').checkVisibility()"))
        self.page.press("Escape")
        self.assertFalse(self.page.do("document.querySelector('#sidebar').checkVisibility()"))

    def test_those_who_asked_for_less_motion_see_none(self):
        self.ask("a long one", wait=False)
        self.page.until("document.querySelector('.running')")
        self.assertEqual(self.page.do("document.getAnimations().length"), 0)
        self.page.press("Escape")
        self.settle()


class Media(PageCase):
    family = "onellm"

    def note(self, number=1):
        note = f".tray .card:nth-child({number}) .note"
        self.page.until(f"document.querySelector({json.dumps(note)})?.textContent")
        return self.text(note)

    def test_samples_of_every_kind_are_shown_and_sent(self):
        kinds = {"Picture": "image_url", "Sound": "audio", "Point cloud": "points", "Depth map": "depth", "Normal map": "normal",
                 "Motion": "imu", "Brain activity": "fmri"}
        for label, kind in kinds.items():
            with self.subTest(label):
                self.sample(label)
                self.assertNotIn("no preview", self.note())
                self.ask("What is this?")
                sent = self.server.requests[-1]["messages"][-1]["content"]
                self.assertEqual([part["type"] for part in sent], [kind, "text"])
                self.assertEqual("rgb" in sent[0], kind in ("depth", "normal"))
                self.page.until("document.querySelector('.turn:last-child .view.full canvas')")
                self.page.do("document.querySelector('.begin').click()")

    def test_files_are_taken_for_what_they_are(self):
        cases = [(PICTURES / "table02.ply", "", "points", "points"), (INPUTS / "point.npy", "", "points", "points"),
                 (INPUTS / "v0.mp4", "video/mp4", "video", " s"), (INPUTS / "b_22k.wav", "audio/wav", "audio", " s"),
                 (INPUTS / "fmri.npy", "", "fmri", "voxels"), (INPUTS / "i0.npy", "", "imu", "samples"),
                 (PICTURES / "table05.jpg", "image/jpeg", "image", "seen whole")]
        for path, kind, expected, note in cases:
            with self.subTest(path.name):
                self.attach(file(path, kind))
                self.assertIn(note, self.note())
                self.ask("What is this?")
                self.assertEqual(self.server.requests[-1]["messages"][-1]["content"][0]["type"],
                                 {"image": "image_url"}.get(expected, expected))
                self.page.do("document.querySelector('.begin').click()")

    def test_a_map_finds_the_picture_of_its_scene(self):
        self.attach(file(PICTURES / "table02.png", "image/png"), file(PICTURES / "table02_depth.png", "image/png"))
        self.assertEqual(self.count(".tray .card"), 1)
        self.assertIn("beside table02.png", self.note())

    def test_a_kind_that_was_guessed_is_changed(self):
        self.attach(file(PICTURES / "table02_depth.png", "image/png"))
        self.assertEqual(self.page.do("document.querySelector('.tray select').value"), "depth")
        self.page.do("(() => { const s = document.querySelector('.tray select'); s.value = 'image'; s.dispatchEvent(new Event('change')); })()")
        self.assertIn("256 × 256, seen whole", self.note())
        self.ask("What is this?")
        self.assertEqual(self.server.requests[-1]["messages"][-1]["content"][0]["type"], "image_url")

    def test_seconds_and_units_are_sent(self):
        self.sample("Sound")
        self.page.click("[aria-label^='Look at']")
        self.page.until("document.querySelector('dialog audio')")
        for place, value in enumerate(("0.5", "1.5")):
            self.page.do(f"document.querySelectorAll('dialog input')[{place}].focus()")
            self.page.type(value)
        self.page.click("dialog .chief")
        self.ask("What is this?")
        part = self.server.requests[-1]["messages"][-1]["content"][0]
        self.assertEqual((part["start"], part["end"]), (0.5, 1.5))

    def test_a_cloud_is_turned_by_keys_and_by_hand(self):
        self.sample("Point cloud")
        self.ask("What object is this?")
        self.page.until("document.querySelector('.cloud canvas')")
        pixels = "document.querySelector('.cloud canvas').toDataURL().length + document.querySelector('.cloud canvas').toDataURL().slice(2000, 2400)"
        seen = [self.page.do(pixels)]
        self.page.do("document.querySelector('.cloud canvas').focus()")
        for act in (lambda: self.page.press("ArrowLeft"), lambda: self.page.press("+"), lambda: self.page.click(".cloud .quiet")):
            act()
            self.page.until(f"{pixels} !== {json.dumps(seen[-1])}")
            seen.append(self.page.do(pixels))

    def test_broken_files_say_so_and_do_no_harm(self):
        for name, data in (("a.ply", b"ply\nformat"), ("b.npy", b"\x93NUMPY\1\0\xff\xff{"), ("c.png", b"\x89PNG\r\n\x1a\n"), ("d.wav", b"RIFF"),
                           ("e.csv", b"a,b\n1,2\n1"), ("f.mp4", b"\0\0\0\x20ftyp")):
            with self.subTest(name):
                self.attach((name, data, ""))
                self.assertIn("no preview", self.note())
                self.page.click("[aria-label^=Remove]")
        self.page.give_files([("empty.png", b"", "image/png")])
        self.page.until("document.querySelector('#trouble').textContent === 'empty.png is empty.'")

    def test_microphone_and_camera(self):
        def choose(label):
            self.page.click(".attach")
            self.page.do(f"[...document.querySelectorAll('.menu button')].find((b) => b.textContent === {json.dumps(label)}).click()")

        choose("From the microphone")
        self.page.until("document.querySelector('.clock') && parseFloat(document.querySelector('.clock').textContent) > 0.6")
        self.page.click("dialog .chief")
        self.assertRegex(self.note(), r"^\d\.\d s$")
        choose("From the camera")
        self.page.until("document.querySelector('dialog video')?.videoWidth > 0")
        self.page.click("dialog .chief")
        self.assertIn("the middle square", self.note(2))
        choose("From the camera")
        self.page.until("document.querySelector('dialog video')?.currentTime > 1")
        self.page.click("dialog .plain")
        self.assertRegex(self.note(3), r"^\d\.\d s$")

    def test_pasted_and_dropped_files_are_attached(self):
        make = "const t = new DataTransfer(); t.items.add(new File(['x y z\\n1 2 3\\n4 5 6\\n'], '%s'));"
        self.page.do("(() => { %s document.querySelector('#question').dispatchEvent(new ClipboardEvent('paste', {clipboardData: t, bubbles: true})); })()"
                     % (make % "pasted_points.txt"))
        self.page.until("document.querySelectorAll('.tray .card').length === 1")
        self.page.do("(() => { %s for (const type of ['dragover', 'drop']) window.dispatchEvent(new DragEvent(type, {dataTransfer: t, cancelable: true})); })()"
                     % (make % "dropped_points.txt"))
        self.page.until("document.querySelectorAll('.tray .card').length === 2")
        self.assertFalse(self.page.do("document.body.classList.contains('dropping')"))


class Examples(PageCase):
    family = "flamingo"

    def test_solved_examples_stand_in_front_of_the_question(self):
        self.page.click(".pill")
        for place, (name, answer) in enumerate((("table01.png", "A purple cylinder."), ("table03.png", "Two cones.")), 1):
            self.page.click("dialog .add")
            self.page.give_files([file(PICTURES / name, "image/png")], f".examples li:nth-child({place}) input[type=file]")
            self.page.until(f"document.querySelector('.examples li:nth-child({place}) canvas')")
            self.page.do(f"document.querySelector('.examples li:nth-child({place}) input[aria-label=Answer]').focus()")
            self.page.type(answer)
        self.page.do("(() => { const s = document.querySelector('dialog select'); s.value = 'caption'; s.dispatchEvent(new Event('change')); })()")
        self.page.click("[aria-label='Move example 2 up']")
        self.page.click("dialog .chief")
        self.page.until("document.querySelector('.pill')?.textContent === '2 examples'")
        self.sample("Picture")
        self.page.do("document.querySelector('#question').focus()")
        self.page.press("Enter")
        self.page.until("document.querySelector('.turn')")
        self.settle()
        body = self.server.requests[-1]
        self.assertEqual([message["role"] for message in body["messages"]], ["user", "assistant", "user", "assistant", "user"])
        self.assertEqual([body["messages"][1]["content"], body["messages"][3]["content"]], ["Two cones.", "A purple cylinder."])
        self.assertEqual(body["template"], "caption")
        self.assertNotIn("system", [message["role"] for message in body["messages"]])


class Key(PageCase):
    key = "secret"

    def test_a_key_is_asked_for_and_kept_in_this_tab_alone(self):
        self.assertEqual(self.text("#empty h1"), "This server asks for a key")
        self.assertIn("the API key is missing or wrong", self.text("#empty"))
        self.page.type("wrong")
        self.page.press("Enter")
        self.page.until("document.activeElement.matches('.unavailable input') && document.activeElement.value === ''")
        self.page.type("secret")
        self.page.press("Enter")
        self.page.until("document.querySelector('.tries')")
        self.ask("what colour?")
        self.assertIn("yellow", self.text(".prose"))
        self.assertEqual(self.page.do("JSON.stringify(Object.values(localStorage)).includes('secret')"), False)
        self.assertIn("secret", self.page.do("Object.values(sessionStorage).join()"))


class Demo(PageCase):
    family = "demo"

    def test_small_models_are_asked_in_the_words_they_know(self):
        self.assertIn("how many objects ?", self.text(".tries"))
        self.sample("Brain activity")
        self.page.until("document.querySelector('.tray .note').textContent === '512 voxels'")


class LanguageModel(PageCase):
    family = "mpt"

    def test_a_model_without_media_is_given_none(self):
        self.assertFalse(self.page.do("document.querySelector('.attach').checkVisibility()"))
        self.assertEqual(self.count(".tries"), 0)
        self.page.give_files([("a.png", b"x", "image/png")])
        self.page.until("document.querySelector('#trouble').textContent === 'mpt-1b reads text alone.'")


class AnyServer(unittest.TestCase):
    """What holds whatever the server and its model."""
    base = None

    def test_every_sample_is_answered(self):
        page = browser.page()
        self.addCleanup(page.close)
        page.go(self.base + "/")
        page.until("document.querySelector('#empty .tries, #empty .unavailable')", 30)
        self.assertIsNone(page.do("document.querySelector('.unavailable')?.textContent ?? null"))
        count = page.do("document.querySelectorAll('.tries button').length")
        self.assertGreater(count, 0)
        for place in range(count):
            page.click(f".tries li:nth-child({place + 1}) button")
            page.until("document.querySelector('.tray .card') && !document.querySelector('.send').disabled")
            question = page.do("document.querySelector('#question').value")
            with self.subTest(question):
                page.press("Enter")
                page.until("document.querySelector('.turn') && !document.querySelector('.running') && "
                           "document.querySelector('.send').getAttribute('aria-label') === 'Ask'", 120)
                self.assertIsNone(page.do("document.querySelector('.state.failed')?.textContent ?? null"))
                answer, cost = page.do("[document.querySelector('.prose').textContent, document.querySelector('.cost').textContent]")
                print(f"{page.do('document.querySelector(`.medium figcaption`).textContent')} | {question} -> {answer} | {cost}")
                self.assertTrue(answer.strip())
            page.do("document.querySelector('.begin').click()")
        self.assertEqual(page.troubles, [])


def main():
    global browser
    if not find_browser():
        print("skipped: there is no Chromium (apt install chromium, or CHROMIUM=PATH)")
        sys.exit(77)
    arguments = sys.argv[1:]
    tests = unittest.TestSuite()
    load = unittest.defaultTestLoader
    if arguments[:1] == ["--base"]:
        AnyServer.base = arguments[1].rstrip("/")
        tests.addTests(load.loadTestsFromTestCase(AnyServer))
    elif arguments:
        tests.addTests(load.loadTestsFromNames(arguments, sys.modules[__name__]))
    else:
        for case in (Chatting, Keyboard, Phone, Media, Examples, Key, Demo, LanguageModel):
            tests.addTests(load.loadTestsFromTestCase(case))
    with Browser() as browser:
        sys.exit(not unittest.TextTestRunner(verbosity=1).run(tests).wasSuccessful())


if __name__ == "__main__":
    main()
