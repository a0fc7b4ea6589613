"""Chromium without a window, driven over a pipe in its DevTools protocol: no other package is needed.

    with Chromium() as browser:
        browser.call("Page.navigate", url="file:///...")
        browser.evaluate("document.title")
"""
import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe")


class Chromium:
    """One page. `events` holds what the page reported: requests, console messages, exceptions."""

    def __init__(self, width=1280, height=800):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]       # clear of 3 and 4
        os.close(theirs_in), os.close(theirs_out)
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "bash", PROGRAM, *FLAGS,
             f"--user-data-dir={self.profile.name}"],           # Chromium reads commands from 3 and answers on 4
            pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in theirs:
            os.close(end)
        self.writer, self.reader, self.unread = ours_out, ours_in, b""
        self.numbers, self.events, self.session = itertools.count(1), [], None
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.screen(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.writer), os.close(self.reader)
            self.profile.cleanup()

    def call(self, method, **parameters):
        """Send a command and wait for its answer."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.writer, text):]
        while True:
            answer = self.read()
            if answer.get("id") != number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def read(self, seconds=120):
        """The next message of the browser."""
        chunks, end = [self.unread], time.monotonic() + seconds
        while b"\0" not in chunks[-1]:
            if not select.select([self.reader], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"the browser has been silent for {seconds} s")
            chunks.append(os.read(self.reader, 2 ** 20))
            if not chunks[-1]:
                raise RuntimeError("the browser has ended")
        message, _, self.unread = b"".join(chunks).partition(b"\0")
        return json.loads(message)

    def evaluate(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", found))
        return found["result"].get("value")

    def open(self, path):
        """Open a file, and wait until it is there and has drawn."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.evaluate("document.readyState == 'complete' || new Promise(done => addEventListener('load', done))")
        self.settle()

    def settle(self):
        """Wait until two frames have been painted."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def screen(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self):
        """A PNG of what is to be seen, as bytes."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def mouse(self, kind, x, y, buttons=0):
        """kind: Moved, Pressed or Released, at pixel (x, y) of the window."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, buttons=buttons,
                  button="left" if kind != "Moved" or buttons else "none", clickCount=int(kind != "Moved"))

    def complaints(self):
        """Errors and warnings on the console, exceptions, and requests that left the machine."""
        found = []
        for event in self.events:
            kind, about = event.get("method"), event.get("params", {})
            if kind == "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif kind == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
                found.append(str(about["args"]))
            elif kind == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
                found.append(about["entry"]["text"])
            elif kind == "Network.requestWillBeSent":
                if not about["request"]["url"].startswith(("file:", "data:", "blob:", "about:")):
                    found.append(f"asks for {about['request']['url']}")
        return found
