"""Firefox without a window, spoken to in WebDriver BiDi: what Debian ships answers it without any driver."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import websocket

ADVICE = "no Firefox: apt install firefox-esr (Debian), or firefox, on the path"
WAIT = 60  # seconds, on a busy machine


def find() -> str | None:
    """The program, if there is one."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Tab:
    """The one tab of a Firefox."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(f"{address}/session", suppress_origin=True, timeout=WAIT)
        self.number = 0
        self.ask("session.new", capabilities={})
        self.context = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **given) -> dict:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": given}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def size(self, width: int, height: int) -> None:
        self.ask("browsingContext.setViewport", context=self.context, viewport={"width": width, "height": height})

    def goto(self, address: str) -> None:
        self.ask("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def value(self, expression: str):
        """What an expression of JavaScript gives, as JSON can hold it."""
        found = self.ask(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self.context},
            awaitPromise=True,
        )
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return json.loads(found["result"]["value"])

    def until(self, expression: str) -> None:
        """Wait until it is so."""
        ends = time.monotonic() + WAIT
        while not self.value(f"Promise.resolve({expression}).then(Boolean)"):
            assert time.monotonic() < ends, f"never: {expression}"
            time.sleep(0.05)

    def back(self) -> None:
        self.ask("browsingContext.traverseHistory", context=self.context, delta=-1)

    @contextmanager
    def cold(self, before: str) -> Iterator[None]:
        """Pages come as to a new reader, nothing kept; the function ``before`` is called before their scripts."""
        script = self.ask("script.addPreloadScript", functionDeclaration=before)["script"]
        self.ask("network.setCacheBehavior", cacheBehavior="bypass")
        try:
            yield
        finally:
            self.ask("network.setCacheBehavior", cacheBehavior="default")
            self.ask("script.removePreloadScript", script=script)

    def press(self, selector: str, key: str) -> None:
        """A key, on an element."""
        self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        stroke = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.ask(
            "input.performActions",
            context=self.context,
            actions=[{"type": "key", "id": "keys", "actions": stroke}],
        )


def listening(log: Path) -> str:
    """Where it listens, as it tells when it has begun."""
    ends = time.monotonic() + WAIT
    while not (told := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(encoding="utf-8"))):
        assert time.monotonic() < ends, f"Firefox did not begin: {log.read_text(encoding='utf-8')[-500:]}"
        time.sleep(0.05)
    return told[1]


@contextmanager
def opened(program: str) -> Iterator[Tab]:
    """A Firefox that has never been used, ended afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "told.txt"
        command = [program, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile]
        with log.open("w") as told, subprocess.Popen(command, stderr=told, stdout=subprocess.DEVNULL) as process:
            try:
                tab = Tab(listening(log))
                try:
                    yield tab
                    tab.ask("browser.close")
                finally:
                    tab.socket.close()
            finally:
                process.terminate()
                process.wait(WAIT)
