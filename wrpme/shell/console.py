"""Standard output and standard error of wrpmesh."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from wrpme import errors
from wrpme.shell.execute import Answer
from wrpme.shell.format import escaped, shown

if TYPE_CHECKING:
    from wrpme.bootstrap.reporter import Reporter


class Console:
    """Prints results on standard output and errors on standard error, unbuffered."""

    def __init__(self, out: int = 1, err: int = 2) -> None:
        self._out = out
        self._err = err
        self.terminal = os.isatty(out)

    def answer(self, answer: Answer, line_mode: bool) -> None:
        """Prints a result: a content bit for bit into a pipe, escaped on a terminal; in line mode with a line end.

        Raises:
            BrokenPipeError: nobody reads any more.
            StorageError: the output takes no more.
        """
        if answer.content is not None:
            data = answer.content
            if self.terminal:
                data = shown(data).encode()
            if line_mode or (self.terminal and data and not data.endswith(b"\n")):
                data += b"\n"
        elif answer.text is not None:
            text = escaped(answer.text) if self.terminal else answer.text
            data = f"{text}\n".encode("utf-8", "surrogateescape")
        else:
            return
        try:
            _write(self._out, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise errors.StorageError(f"the result can't be written to the output ({error.strerror})") from None

    def error(self, error: errors.WrpmeError) -> None:
        """Prints an error as one line."""
        self.note(str(error))

    def note(self, text: str) -> None:
        """Prints a sentence as one line, beside the results."""
        line = escaped(" ".join(text.split("\n")), keep="")
        with suppress(OSError):  # standard error may be closed or full, and there is no other place to report that
            _write(self._err, f"{line}\n".encode("utf-8", "replace"))

    def reporter(self, confirm: Callable[[str], Awaitable[str]]) -> Reporter:
        """Returns lines that are drawn anew on a terminal, and plain lines elsewhere."""
        from wrpme.bootstrap.reporter import LiveLines, PlainLines

        seen = os.isatty(self._err)
        kind = LiveLines if seen else PlainLines
        return kind(confirm, seen and os.isatty(0), self._out, self._err)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # whoever shares the terminal with us made it so
            import select

            select.select([], [descriptor], [])
