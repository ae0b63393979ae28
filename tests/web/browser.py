"""A headless Chromium, driven over a pipe with its own protocol: nothing to install but the browser."""
import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
         "--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb", "--use-fake-ui-for-media-stream",
         "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"]


def find_browser():
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="isthmus-web-", ignore_cleanup_errors=True)
        to_browser, self.out = os.pipe()
        self.inn, from_browser = os.pipe()

        def take_descriptors():  # the protocol is spoken over 3 and 4
            # Away from 3 and 4 first: either end might be one of them.
            read, write = os.dup(to_browser), os.dup(from_browser)
            high_read, high_write = 64, 65
            os.dup2(read, high_read)
            os.dup2(write, high_write)
            os.dup2(high_read, 3)
            os.dup2(high_write, 4)

        self.process = subprocess.Popen([find_browser(), *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"],
                                        close_fds=False, preexec_fn=take_descriptors, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.ids, self.answers, self.pages = itertools.count(1), {}, {}
        self.news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        rest = b""
        while piece := os.read(self.inn, 1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            for message in map(json.loads, messages):
                with self.news:
                    if "id" in message:
                        self.answers[message["id"]] = message
                    elif page := self.pages.get(message.get("sessionId")):
                        page.hear(message["method"], message["params"])
                    self.news.notify_all()

    def call(self, method, session=None, patience=30, **params):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.out, json.dumps(message).encode() + b"\0")
        with self.news:
            if not self.news.wait_for(lambda: number in self.answers, patience):
                raise TimeoutError(f"{method}: the browser does not answer")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def page(self, width=1180, height=820, dark=False, scale=1, touch=False, calm=True):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=touch)
        page.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}])
        return page

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.profile.cleanup()


class Page:
    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target
        self.troubles = []   # what the console complains of
        self.addresses = []  # all that was fetched

    def hear(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            # A refusal of the server is an error of the network to the console, and no trouble of the page.
            if params["entry"]["source"] != "network":
                self.troubles.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.addresses.append(params["request"]["url"])

    def call(self, method, **params):
        return self.browser.call(method, session=self.session, **params)

    def go(self, address):
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def do(self, script):
        """The value of an expression; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise AssertionError(f"{script}\n{details.get('exception', {}).get('description', details['text'])}")
        return result["result"].get("value")

    def until(self, script, patience=15):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if self.do(f"Promise.resolve({script}).then(Boolean)"):
                    return
            except (AssertionError, RuntimeError):
                pass  # the page is being replaced
            time.sleep(0.05)
        raise AssertionError(f"not within {patience} s: {script}\ntroubles: {self.troubles}")

    def click(self, selector):
        self.until(f"document.querySelector({json.dumps(selector)})?.checkVisibility()")
        self.do(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key, shift=False):
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper())), "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def give_files(self, files, selector="#composer input[type=file]"):
        """Files for the picker, as (name, bytes, type)."""
        script = """((files) => { const transfer = new DataTransfer();
          for (const [name, data, type] of files)
            transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, {type}));
          const picker = document.querySelector(%s); picker.files = transfer.files;
          picker.dispatchEvent(new Event("change", {bubbles: true})); })(%s)"""
        packed = [[name, base64.b64encode(data).decode(), kind] for name, data, kind in files]
        self.do(script % (json.dumps(selector), json.dumps(packed)))

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
