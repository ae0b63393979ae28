"""Questions, answers, and what is kept of them."""
import time

from page_case import PICTURES, PageCase, file


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

    def test_an_aligner_that_was_added_can_be_chosen(self):
        self.server.cards["llava-v1.5-7b"]["aligners"] = ["wide-projector", "newer"]
        self.page.do("window.dispatchEvent(new Event('focus'))")
        self.page.until("[...document.querySelectorAll('.compare option')].some((o) => o.value === '=newer')")
        self.assertEqual(self.count("select[aria-label=Model]"), 0, "a model with an aligner is no other model")
        self.page.do("(() => { const s = document.querySelector('select[aria-label=Aligner]'); s.value = 'newer'; s.dispatchEvent(new Event('change')); })()")
        self.page.do("(() => { const s = document.querySelector('.compare select'); s.value = '=wide-projector'; s.dispatchEvent(new Event('change')); })()")
        self.server.pause = 0.05
        self.ask("What is there?", wait=False)
        self.page.until("[...document.querySelectorAll('.answer.running .prose')].filter((p) => p.textContent).length === 2")  # both at once
        self.settle()
        self.assertEqual(sorted(body["aligner"] for body in self.server.requests), ["newer", "wide-projector"])
        self.server.cards["llava-v1.5-7b"]["aligners"] = ["wide-projector"]
        self.page.do("window.dispatchEvent(new Event('focus'))")
        self.page.until("![...document.querySelectorAll('.compare option')].some((o) => o.value === '=newer')")
        self.ask("And now?")
        self.assertEqual(sorted(body.get("aligner", "") for body in self.server.requests[2:]), ["", "wide-projector"])

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


class TwoModels(PageCase):
    family = "llava+onellm"

    def test_two_models_answer_side_by_side(self):
        self.page.do("(() => { const s = document.querySelector('.compare select'); s.value = '=model:OneLLM-7B'; s.dispatchEvent(new Event('change')); })()")
        self.ask("What is there?")
        self.assertEqual(self.page.do("[...document.querySelectorAll('.aligner')].map((a) => a.textContent).join()"), "own aligner,OneLLM-7B")
        self.assertEqual(sorted(body["model"] for body in self.server.requests), ["OneLLM-7B", "llava-v1.5-7b"])
        self.assertEqual([body for body in self.server.requests if "aligner" in body], [])
        self.assertEqual(self.count(".answer"), 2)
