"""The terminal under the dashboard. One that takes nothing for a while (a slow line, Ctrl-S, a laptop that sleeps) must
hold up nothing but itself, and one that is gone must end the app rather than keep it for ever."""

from __future__ import annotations

import os
import queue
import select
from contextlib import suppress
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

from wrpme.tui.limits import TERMINAL_CLOSE_SECONDS_MAX


class _Output:
    """Writes past the buffers of Python, which would wait for the terminal once more when the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.gone = False

    def write(self, text: str) -> None:
        """All of it, however long that takes; nothing any more once the terminal is gone."""
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest and not self.gone:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # whoever shares the terminal with us made it so
                select.select([], [self._descriptor], [])
            except OSError:
                self.gone = True

    def flush(self) -> None:
        """Nothing waits here."""

    def fileno(self) -> int:
        """Of the terminal."""
        return self._descriptor


class Terminal(LinuxDriver):
    """``behind``: something was not written as the terminal takes nothing; all must be drawn anew when it does again.
    ``gone``: it will never take anything again."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._output = _Output(self._file.fileno())
        self._file: Any = self._output
        self.behind = False

    def _sigcont_application(self, *_: object) -> None:
        """Resumes what Ctrl-Z has suspended, and nothing else: a terminal that is closed sends SIGCONT, too, and
        threads that were begun twice would not end."""
        if self._must_signal_resume:
            super()._sigcont_application()

    @property
    def gone(self) -> bool:
        """See the class."""
        return self._output.gone

    @property
    def takes_again(self) -> bool:
        """Whether all that was handed over has been written."""
        return self._writer_thread is not None and self._writer_thread._queue.empty()

    def write(self, data: str) -> None:
        """Hands over what is to be written, unless too much waits already."""
        try:
            assert self._writer_thread is not None, "only in application mode"
            self._writer_thread._queue.put_nowait(data)
        except queue.Full:
            self.behind = True

    def close(self) -> None:
        """Ends the thread that writes; one that can't be ended goes with the process."""
        if self._writer_thread is not None:
            with suppress(queue.Full):
                self._writer_thread._queue.put_nowait(None)
            self._writer_thread.join(TERMINAL_CLOSE_SECONDS_MAX)
