#!/usr/bin/env python3
"""The page in a headless Chromium, against the mock server or a real one.

    tests/web/page_test.py                               everything, against the mock
    tests/web/page_test.py --base http://127.0.0.1:8642  what holds for any server and model

Ends with 77 (skipped) and the reason where there is no Chromium.
"""
import sys
import unittest

from browser import Browser, find_browser
from chat_cases import Chatting, Demo, Key, LanguageModel, TwoModels
from media_cases import Examples, Media
from page_case import Shared
from reach_cases import Keyboard, Phone


class AnyServer(unittest.TestCase):
    """What holds whatever the server and its model."""
    base = None

    def test_every_sample_is_answered(self):
        page = Shared.browser.page()
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
        for case in (Chatting, Keyboard, Phone, Media, Examples, Key, Demo, LanguageModel, TwoModels):
            tests.addTests(load.loadTestsFromTestCase(case))
    with Browser() as Shared.browser:
        sys.exit(not unittest.TextTestRunner(verbosity=1).run(tests).wasSuccessful())


if __name__ == "__main__":
    main()
