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
    """A file that writes to the terminal without the buffers of Python, which would wait for the terminal once more
    when the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.gone = False

    def write(self, text: str) -> None:
        """Writes all of the text, however long that takes; nothing once the terminal is gone."""
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest and not self.gone:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # whoever shares the terminal with us made it so
                select.select([], [self._descriptor], [])
            except OSError:
                self.gone = True

    def flush(self) -> None:
        """Does nothing, because nothing is buffered."""

    def fileno(self) -> int:
        """Returns the descriptor of the terminal."""
        return self._descriptor


class Terminal(LinuxDriver):
    """Textual's driver for Linux, with a thread that writes. ``behind`` says that something was not written because the
    terminal took nothing: all must be drawn again when it does. ``gone`` says that it will never take anything
    again."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._output = _Output(self._file.fileno())
        self._file: Any = self._output
        self.behind = False

    def _sigcont_application(self, *_: object) -> None:
        """Resumes after Ctrl-Z, and does nothing otherwise: a terminal that is closed sends SIGCONT too, and threads
        that were started twice would not end."""
        if self._must_signal_resume:
            super()._sigcont_application()

    @property
    def gone(self) -> bool:
        """Whether the terminal is closed."""
        return self._output.gone

    @property
    def takes_again(self) -> bool:
        """Whether all that was handed over has been written."""
        return self._writer_thread is not None and self._writer_thread._queue.empty()

    def write(self, data: str) -> None:
        """Hands text over to the thread that writes, unless too much waits already."""
        try:
            assert self._writer_thread is not None, "only in application mode"
            self._writer_thread._queue.put_nowait(data)
        except queue.Full:
            self.behind = True

    def close(self) -> None:
        """Ends the thread that writes; if it hangs, it ends with the process."""
        if self._writer_thread is not None:
            with suppress(queue.Full):
                self._writer_thread._queue.put_nowait(None)
            self._writer_thread.join(TERMINAL_CLOSE_SECONDS_MAX)
