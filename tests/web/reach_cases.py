"""By keyboard, by screen reader, on a phone, without motion."""
from page_case import PageCase, Shared


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
        nodes = Shared.browser.call("Accessibility.getFullAXTree", session=self.page.session)["nodes"]
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
