"""Chromium without a window: pages are opened, keys go in, and the text of the terminal in the page comes out."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.system.daemons import until

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-3d-apis",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1024,720",
    "--renderer-process-limit=1",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",  # there is no internet
    "--remote-debugging-port=0",
)
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "ArrowDown": (40, "")}
_NOTICED = """
window.browserClipboard = navigator.clipboard;
Object.defineProperty(Object.prototype, "_core", {
  configurable: true,
  set(value) {
    Object.defineProperty(this, "_core", {value, writable: true, configurable: true});
    if (this.buffer) window.shownTerminal = this;
  },
});
"""
"""Remembers the terminal of xterm.js, which nothing in the page gives away, and the clipboard, which the page replaces.
"""
_LINES = """
(() => {
  const terminal = window.shownTerminal;
  if (!terminal) return [];
  const {rows, cols, buffer} = terminal;
  return Array.from({length: rows}, (_, row) => buffer.active.getLine(row)?.translateToString(true, 0, cols) ?? "");
})()
"""

_COLOURS = """
(async () => {
  const bytes = Uint8Array.from(atob("%s"), character => character.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const counts = new Map();
  for (const colour of new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer))
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  return [...counts.values()].filter(count => count >= %d).length;
})()
"""


def missing() -> str:
    """Why there is no Chromium here, or an empty text."""
    return "" if shutil.which("chromium") else "there is no chromium here"


class Page:
    """One tab, at the end of its connection to the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.requested: list[str] = []
        """The addresses of all that the page asked for."""
        self.said: list[str] = []
        """What the page printed on its console, errors above all."""

    async def call(self, method: str, **parameters: Any) -> Any:
        """Carries out a command of the DevTools protocol."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async for message in self._socket:
            answer = message.json()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._keep(answer.get("method"), answer.get("params", {}))
        raise AssertionError("the browser has ended")

    def _keep(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requested.append(parameters["url"])
        elif method == "Log.entryAdded":
            self.said.append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(parameters["exceptionDetails"]))

    async def open(self, url: str) -> None:
        """Goes to a page."""
        for domain in ("Network", "Log", "Runtime", "Page"):
            await self.call(f"{domain}.enable")
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=_NOTICED)
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page; a promise is waited for."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def clipboard(self) -> str:
        """What the clipboard has."""
        await self.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
        return str(await self.value("browserClipboard.readText()"))

    async def lines(self) -> list[str]:
        """What the terminal in the page shows."""
        shown: list[str] = await self.value(_LINES)
        return shown

    async def until(self, what: str, there: Callable[[list[str]], bool]) -> list[str]:
        """Polls until the terminal shows it; gives what it shows."""
        lines: list[str] = []

        async def attempt() -> bool:
            nonlocal lines
            lines = await self.lines()
            return there(lines)

        try:
            await until(what, attempt)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n" + "\n".join([*lines, *self.said])) from None
        return lines

    async def until_text(self, *words: str) -> list[str]:
        """Until each of the words is somewhere in the terminal."""
        return await self.until(" and ".join(words), lambda lines: all(word in "\n".join(lines) for word in words))

    async def type(self, text: str) -> None:
        """Types a text, character by character."""
        for character in text:
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=character, key=character)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=character)

    async def press(self, key: str) -> None:
        """Presses a key that is no character."""
        code, text = KEYS[key]
        await self.call(
            "Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, text=text
        )
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    async def control(self, letter: str) -> None:
        """Presses a letter with Ctrl."""
        code = ord(letter.upper())
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=letter, modifiers=2, windowsVirtualKeyCode=code)

    async def resize(self, width: int, height: int) -> None:
        """Gives the window another size, in pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def close(self) -> None:
        """Closes the tab."""
        await self.call("Page.close")
        await self._socket.close()

    async def colours(self, pixels: int) -> int:
        """How many colours of the page, as it is drawn, have so many pixels."""
        picture = (await self.call("Page.captureScreenshot"))["data"]
        count: int = await self.value(_COLOURS % (picture, pixels))
        return count


class Browser:
    """Chromium with a profile of its own in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._profile = directory / "profile"

    async def __aenter__(self) -> Self:
        self._log = open(self._profile.with_suffix(".log"), "wb")  # noqa: SIM115 - as long as the browser
        self._process = subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            env={**os.environ, "HOME": str(self._profile.parent)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._session = aiohttp.ClientSession()
        try:
            self._port = await until("a browser", self._port_told)
        except BaseException:
            await self.close()
            raise
        return self

    async def _port_told(self) -> int | None:
        assert self._process.poll() is None, self._profile.with_suffix(".log").read_text("utf-8", "replace")
        told = self._profile / "DevToolsActivePort"
        return int(told.read_text().split()[0]) if told.exists() and told.stat().st_size else None

    async def page(self, url: str) -> Page:
        """A new tab at that address."""
        async with self._session.put(f"http://127.0.0.1:{self._port}/json/new?about:blank") as answer:
            target = await answer.json()
        page = Page(await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0))
        await page.open(url)
        return page

    async def close(self) -> None:
        """Ends the browser and all its processes."""
        await self._session.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
