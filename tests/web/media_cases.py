"""Media of every kind: how they are shown and how they are sent; examples for a Flamingo."""
import json

from page_case import INPUTS, PICTURES, PageCase, file


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
