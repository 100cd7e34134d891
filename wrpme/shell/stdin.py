"""The lines of a pipe or a file for an asyncio program. A thread reads them, so that connections live meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from wrpme.errors import TooLargeError, UsageError
from wrpme.limits import FRAME_BYTES_MAX
from wrpme.shell.access.passwords import HOW, unseen

CHUNK_BYTES = 64 * 1024


class InputLines:
    """The lines of a file descriptor, which is read up to ``CHUNK_BYTES`` ahead. ``put_question`` prints a question."""

    def __init__(self, descriptor: int, put_question: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._put_question = put_question
        self._complete: deque[bytes] = deque()
        self._tail = bytearray()
        self._ended = False

    @property
    def is_corrected(self) -> bool:
        """Whether what is wrong is typed again: on a terminal."""
        return os.isatty(self._descriptor)

    async def line(self, sign: str = "") -> str | None:
        """Returns the next line without its end, or None after the last one. Bytes that are not UTF-8 become surrogate
        escapes. On a terminal the ``sign`` is printed before it.

        Raises:
            TooLargeError: a line is longer than any command can be.
        """
        if sign and self.is_corrected and not self._complete:
            self._put_question(sign)
        while not self._complete:
            if self._ended:
                return None
            self._take(await self._chunk())
        return self._complete.popleft().decode("utf-8", "surrogateescape")

    async def confirmation(self, question: str) -> str:
        """Returns the next line as the answer. The question is printed only on a terminal."""
        if self.is_corrected:
            self._put_question(question)
        return await self.line() or ""

    async def secret(self, question: str) -> str:
        """Puts a question on a terminal, and returns what is typed without showing it.

        Raises:
            UsageError: it is none: what a pipe has are commands, and no password.
        """
        if not self.is_corrected:
            raise UsageError(f"nobody is there to be asked for a password; {HOW}")
        self._put_question(question)
        try:
            return await unseen(self._descriptor, self.line)
        finally:
            self._put_question("\n")  # that of the answer was not shown either

    def drop_pasted(self) -> int:
        """Drops nothing: no line of a pipe is pasted."""
        return 0

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._ended = True
            if self._tail:
                self._complete.append(bytes(self._tail))
            return
        first, *others = chunk.split(b"\n")
        self._tail += first
        if len(self._tail) > FRAME_BYTES_MAX:
            raise TooLargeError(f"a line of the input has more than {FRAME_BYTES_MAX} bytes")
        if others:
            self._complete.append(bytes(self._tail))
            self._complete.extend(others[:-1])
            self._tail = bytearray(others[-1])

    async def _chunk(self) -> bytes:
        loop = asyncio.get_running_loop()
        came: asyncio.Future[bytes] = loop.create_future()

        def settle(chunk: bytes) -> None:
            if not came.done():
                came.set_result(chunk)

        def read() -> None:
            try:
                chunk = os.read(self._descriptor, CHUNK_BYTES)
            except OSError:
                chunk = b""
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, chunk)

        # A thread that the interpreter does not wait for: nothing can wake it out of a read when the session ends.
        Thread(target=read, name="input", daemon=True).start()
        return await came
