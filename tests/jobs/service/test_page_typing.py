"""The page in a real browser: a person types, and the words are spoken while they come."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.waiting import HANG_S, eventually
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KEY = "a key/for tests?"
pytestmark = [pytest.mark.integration, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing")]


class Tab:
    """A tab of a browser, by the protocol of its developer tools."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    def call(self, method: str, **how: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": how}))
        while True:
            told = json.loads(self._socket.recv(HANG_S))
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def text(self, name: str) -> str:
        return str(self.value(f"document.getElementById('{name}').textContent"))

    def type(self, text: str) -> None:
        for char in text:
            self.call("Input.insertText", text=char)

    def press_enter(self) -> None:
        for kind in ("keyDown", "keyUp"):
            how = {
                "key": "Enter",
                "code": "Enter",
                "windowsVirtualKeyCode": 13,
                "text": "\r" if kind == "keyDown" else "",
            }
            self.call("Input.dispatchKeyEvent", type=kind, **how)


@contextmanager
def opened(folder: Path, url: str) -> Iterator[Tab]:
    """A page in a browser of its own."""
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"),
        *("--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required", "about:blank"),
    ]
    with (folder / "log").open("w") as log:
        browser = subprocess.Popen(command, stderr=log)
    try:
        eventually(lambda: "DevTools listening" in (folder / "log").read_text())
        (port,) = re.findall(r"DevTools listening on ws://127.0.0.1:(\d+)/", (folder / "log").read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=HANG_S) as answer:
            (page,) = [tab for tab in json.load(answer) if tab["type"] == "page"]
        with connect(page["webSocketDebuggerUrl"], proxy=None, open_timeout=HANG_S, max_size=None) as socket:
            tab = Tab(socket)
            tab.call("Page.enable")
            tab.call("Page.navigate", url=url)
            yield tab
    finally:
        browser.terminate()
        browser.wait(HANG_S)


def test_what_is_typed_is_spoken_while_it_is_typed(serve: Any, tmp_path: Path, until: Any) -> None:
    served = serve(key=KEY)
    with opened(tmp_path, f"{served.url}/") as tab:
        eventually(lambda: tab.value("document.getElementById('token_form')?.hidden === false"))
        tab.value(f"document.getElementById('token').value = {json.dumps(KEY)}")
        tab.value("document.querySelector('#token_form button').click()")
        eventually(lambda: "Hz" in tab.text("model"))
        tab.value("document.getElementById('live_text').focus()")
        tab.type("When the rain had stoped")
        assert tab.text("live_said") == "When the rain had "
        tab.value("document.getElementById('live_text').value = 'stopped'")  # a slip is put right
        tab.type(", we ")
        eventually(lambda: served.counts.first_audio_s)
        assert served.counts.num_speaking == 1  # the text goes on
        tab.type("went out.")
        tab.press_enter()
        until(lambda: served.counts.audio_s)
        eventually(lambda: tab.text("status").startswith("Spoken: "))
        assert tab.value("document.querySelectorAll('#history li').length") == 1
        text = "When the rain had stopped, we went out."
        assert tab.value("document.getElementById('history').textContent").find(text) >= 0
        assert tab.text("live_said") == ""
    assert served.counts.audio_s == [pytest.approx(len(text) * served.speaker.info.audio_char_s, rel=0.2)]
    until(lambda: served.is_idle)
