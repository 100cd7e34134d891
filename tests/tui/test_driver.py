"""The terminal under the dashboard: one that stalls, one that is gone."""

from __future__ import annotations

import os
import queue
from types import SimpleNamespace

import pytest

from wrpme.tui.terminal.driver import _Output, Terminal


def terminal(waiting_max: int) -> Terminal:
    """Without a thread that writes: what is handed over stays where it is."""
    made = Terminal.__new__(Terminal)
    made._output = _Output(-1)
    made.behind = False
    made._writer_thread = SimpleNamespace(_queue=queue.Queue(waiting_max), join=lambda seconds: None)  # type: ignore[assignment]
    return made


def test_a_terminal_that_takes_nothing_holds_nobody_up() -> None:
    stalled = terminal(2)
    for text in ("a", "b"):
        stalled.write(text)
    assert not stalled.behind and not stalled.takes_again
    stalled.write("c")
    assert stalled.behind, "what was left out is known"
    stalled.close()
    waiting = stalled._writer_thread._queue
    assert [waiting.get_nowait(), waiting.get_nowait()] == ["a", "b"]
    assert stalled.takes_again


def test_a_terminal_that_is_gone_is_noticed_and_raises_nothing() -> None:
    reading, writing = os.pipe()
    output = _Output(writing)
    output.write("some text")
    assert os.read(reading, 100) == b"some text" and not output.gone
    os.close(reading)
    output.write("more")
    assert output.gone
    output.write("still more")
    os.close(writing)


def test_all_of_a_long_text_is_written_also_where_the_terminal_does_not_wait() -> None:
    import threading

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    got = bytearray()

    def read() -> None:
        while data := os.read(reading, 65536):
            got.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    _Output(writing).write("x" * 1_000_000)
    os.close(writing)
    reader.join()
    os.close(reading)
    assert bytes(got) == b"x" * 1_000_000


def test_only_what_was_suspended_is_resumed() -> None:
    """SIGCONT comes from a terminal that is closed, too; see the driver of Textual for what Ctrl-Z leaves."""
    resumed: list[bool] = []
    running = terminal(1)
    running.fileno = os.open(os.devnull, os.O_RDONLY)
    running._loop = SimpleNamespace(call_soon_threadsafe=lambda call: call())  # type: ignore[assignment]
    running._auto_restart = True
    running.resume_application_mode = lambda: resumed.append(True)  # type: ignore[method-assign]
    running._must_signal_resume = False
    running._sigcont_application()
    assert not resumed
    running._must_signal_resume = True
    running._sigcont_application()
    assert resumed
    os.close(running.fileno)


def test_the_leader_of_a_session_has_no_shell_that_brings_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal(1).can_suspend is (os.getsid(0) != os.getpid())
    monkeypatch.setattr(os, "getsid", lambda process: os.getpid())
    assert not terminal(1).can_suspend
