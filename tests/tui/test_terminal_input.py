"""Bytes that the terminal sends, whatever they are; and ends of the app that nobody asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from textual.events import Key
from textual.message import Message
from textual.pilot import Pilot

from tests.tui.hands import ROOMY, live
from wrpme import errors
from wrpme.tui.app import Dashboard, run
from wrpme.tui.limits import IGNORED_BYTES_MAX
from wrpme.tui.terminal.driver import Terminal, _Output


class App:
    """As much of an app as the thread that reads keys knows."""

    def __init__(self) -> None:
        self.broken: list[Exception] = []

    def _handle_exception(self, error: Exception) -> None:
        self.broken.append(error)


def keys_of(raw: bytes, broken: Callable[[Message], None] | None = None) -> tuple[list[str], Terminal, App]:
    """The keys that the app gets for these bytes, to the end of the terminal."""
    reading, writing = os.pipe()
    os.write(writing, raw)
    os.close(writing)
    app = App()
    driver = Terminal.__new__(Terminal)
    driver._app = app  # type: ignore[assignment]
    driver._loop = asyncio.new_event_loop()
    driver._debug = False
    driver._output = _Output(-1)
    driver._ignored = bytearray()
    driver.exit_event = Event()
    driver.fileno = reading
    found: list[str] = []

    def take(message: Message) -> None:
        if isinstance(message, Key):
            found.append(message.key)

    driver.process_message = broken or take  # type: ignore[method-assign, assignment]
    driver._run_input_thread()
    driver._loop.run_until_complete(asyncio.sleep(0))
    driver._loop.close()
    os.close(reading)
    return found, driver, app


@pytest.mark.parametrize("raw", [b"\x80", b"\xff\xfe", b"\xc3(", b"\x1b[M \x80!", b"\x1b[M \xff\xff", b"\xf0\x9f"])
def test_bytes_that_are_no_utf8_end_nothing(raw: bytes) -> None:
    found, driver, app = keys_of(b"a" + raw + b"b")
    assert (found[0], found[-1]) == ("a", "b") and not app.broken
    assert driver.gone, "the end of the input is the end of the terminal"


@pytest.mark.parametrize(
    ("raw", "ignored"),
    [(b"a\xe9b", b"\xe9"), (b"\xff\xfe", b"\xff\xfe"), ("é€".encode(), b""), (b"\x1b[M \x80!", b"")],
)
def test_typed_bytes_that_are_no_utf8_are_kept_to_be_told(raw: bytes, ignored: bytes) -> None:
    _, driver, _ = keys_of(raw)
    assert driver.take_ignored() == ignored and driver.take_ignored() == b""
    assert len(keys_of(5000 * raw)[1].take_ignored()) <= IGNORED_BYTES_MAX


@pytest.mark.asyncio
async def test_what_was_ignored_is_told_and_not_too_often() -> None:
    driver = Terminal.__new__(Terminal)
    driver._output = _Output(-1)
    driver.behind = False
    driver._ignored = bytearray(b"\xe9")
    told: list[str] = []
    app = live()
    app._driver = driver
    app.notify = lambda message, **_: told.append(message)  # type: ignore[method-assign]
    app._look_at_terminal()
    driver._ignored += bytes(range(0x80, 0x90))
    app._look_at_terminal()
    assert len(told) == 1
    app._tell_ignored_at = 0.0
    app._look_at_terminal()
    shown = "".join(f"\\x{byte:02x}" for byte in range(0x80, 0x88))
    assert told == [
        "a byte that is no UTF-8 was ignored: \\xe9; the terminal has to send UTF-8",
        f"16 bytes that are no UTF-8 were ignored: {shown} ...; the terminal has to send UTF-8",
    ]


def test_a_click_in_the_old_code_of_the_mouse_is_no_keys() -> None:
    assert keys_of(b"a\x1b[M \x80!b")[0] == ["a", "b"]


def test_what_breaks_while_keys_are_read_reaches_the_app() -> None:
    def broken(_: Message) -> None:
        raise ZeroDivisionError("a defect")

    _, _, app = keys_of(b"a", broken)
    assert [str(error) for error in app.broken] == ["a defect"]


async def unasked(app: Dashboard, end: Callable[[Dashboard], Any]) -> errors.InternalError:
    async def pilot(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        end(app)

    app.run_async = partial(app.run_async, headless=True, size=ROOMY, auto_pilot=pilot)  # type: ignore[method-assign]
    with pytest.raises(errors.InternalError) as caught:
        await run(app)
    return caught.value


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "end",
    [
        lambda app: app.panic("the screen is on fire"),
        lambda app: app._fatal_error(),
        lambda app: app._close_messages_no_wait(),
        lambda app: app.exit(),
    ],
    ids=["panic", "fatal", "closed", "exit"],
)
async def test_an_end_that_nobody_asked_for_is_a_sentence_and_a_file(
    end: Callable[[Dashboard], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    error = await unasked(live(), end)
    log = tmp_path / "wrpme" / "crash.log"
    assert str(log) in str(error) and "defect of the dashboard" in str(error) and "\n" not in str(error)
    assert log.read_text()


@pytest.mark.asyncio
async def test_an_app_that_does_not_even_begin_is_a_sentence_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    app = live()

    async def broken() -> int:
        raise ZeroDivisionError("a defect")

    app.run_async = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(errors.InternalError, match="ZeroDivisionError: a defect"):
        await run(app)
    assert "Traceback" in (tmp_path / "wrpme" / "crash.log").read_text()
