"""The terminal under the dashboard. One that takes nothing for a while (a slow line, Ctrl-S, a laptop that sleeps) must
hold up nothing but itself, one that is gone must end the app rather than keep it for ever, and one that sends bytes
that are no keys must not end it."""

from __future__ import annotations

import os
import queue
import select
import signal
import termios
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key
from textual.message import Message

from wrpme.tui.limits import IGNORED_BYTES_MAX, KEYS_READ_BYTES_MAX, KEYS_WAIT_SECONDS, TERMINAL_CLOSE_SECONDS_MAX


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
    """Textual's driver for Linux, with a thread that writes and one that reads any bytes. ``behind`` says that
    something was not written because the terminal took nothing: all must be drawn again when it does. ``gone`` says
    that it will never take or send anything again."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._output = _Output(self._file.fileno())
        self._file: Any = self._output
        self.behind = False
        self._ignored = bytearray()

    # --- what comes in ---------------------------------------------------------------------------------------------

    def _run_input_thread(self) -> None:
        """Reads keys to the end; what breaks ends the app as any other defect does."""
        try:
            self.run_input_thread()
        except Exception as error:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._app._handle_exception, error)

    def run_input_thread(self) -> None:
        """Reads keys until the app wants no more of them. Bytes that are not UTF-8 (a click beyond column 95 in the old
        code of the mouse, a paste from elsewhere) become surrogate escapes, as in line mode; as keys they are ignored.
        """
        parser = XTermParser(self._debug)
        decoder = getincrementaldecoder("utf-8")("surrogateescape")
        while not self.exit_event.is_set() and not self.gone:
            text = ""
            if select.select([self.fileno], [], [], KEYS_WAIT_SECONDS)[0]:
                data = self._read()
                text = decoder.decode(data, final=not data)
            for message in parser.feed(text) if text else ():
                if not self._is_ignored(message):
                    self.process_message(message)
            for message in parser.tick():  # an Escape that nothing followed
                self.process_message(message)

    def _is_ignored(self, message: Message) -> bool:
        """Returns whether the message is a key that no text has; its byte is kept, to be told."""
        character = message.character if isinstance(message, Key) else None
        if character is None or not 0xDC80 <= ord(character) <= 0xDCFF:
            return False
        if len(self._ignored) < IGNORED_BYTES_MAX:
            self._ignored += character.encode("utf-8", "surrogateescape")
        return True

    def take_ignored(self) -> bytes:
        """Returns the typed bytes that were no UTF-8 since the last call."""
        ignored, self._ignored = self._ignored, bytearray()
        return bytes(ignored)

    def _read(self) -> bytes:
        try:
            data = os.read(self.fileno, KEYS_READ_BYTES_MAX)
        except OSError:
            data = b""
        if not data:
            self._output.gone = True
        return data

    # --- suspended, and back ---------------------------------------------------------------------------------------

    @property
    def can_suspend(self) -> bool:
        """Whether a shell could bring the app back: the leader of a session, as in a browser, has none above it."""
        return os.getsid(0) != os.getpid()

    def _sigcont_application(self, *_: object) -> None:
        """Resumes after Ctrl-Z; after a SIGSTOP, takes the terminal back."""
        if self._must_signal_resume:
            super()._sigcont_application()
        else:
            self._loop.call_soon_threadsafe(self._take_back)

    def _take_back(self) -> None:
        """Sets up a terminal anew that the shell, or another program, had meanwhile. It is left first: threads that
        were started twice would not end."""
        if self._writer_thread is None or not self._auto_restart:
            return
        try:
            termios.tcgetattr(self.fileno)
            in_front = os.tcgetpgrp(self.fileno) == os.getpgrp()
        except (OSError, termios.error):  # a terminal that is closed sends SIGCONT, too
            return
        if not in_front:
            os.kill(os.getpid(), signal.SIGSTOP)  # goes on when it is in front again
        else:
            self.suspend_application_mode()
            self.resume_application_mode()

    # --- what goes out ---------------------------------------------------------------------------------------------

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
