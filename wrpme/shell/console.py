"""Standard output and standard error of wrpmesh. What is written waits in a thread: a slow reader, or one that takes
nothing, holds up whoever waits for it, and neither the loop nor its signals."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

from wrpme import errors
from wrpme.protocol.quoting import is_shown_as_it_is, within_quotes
from wrpme.shell.execute import Answer, Line
from wrpme.shell.format import escaped
from wrpme.shell.limits import OUTPUT_END_SECONDS_MAX, OUTPUT_PIECE_BYTES, TERMINAL_PIECE_BYTES

if TYPE_CHECKING:
    from wrpme.bootstrap.reporter import Reporter


class _Writer:
    """Writes pieces of bytes to a descriptor in the order in which they were handed over. The first error is kept, and
    what follows it is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.terminal = os.isatty(descriptor)
        self._piece_bytes = TERMINAL_PIECE_BYTES if self.terminal else OUTPUT_PIECE_BYTES
        self._jobs: SimpleQueue[Iterable[bytes] | Callable[[], object]] = SimpleQueue()
        self._thread: Thread | None = None
        self._written = True
        self._dropping = False
        self._error: OSError | None = None

    def hand_over(self, pieces: Iterable[bytes]) -> None:
        """Hands over what is to be written, and returns at once."""
        if self._thread is None:
            # A thread that the interpreter does not wait for: nothing can wake it out of a write that hangs.
            self._thread = Thread(target=self._work, name=f"output {self._descriptor}", daemon=True)
            self._thread.start()
        self._written = False
        self._jobs.put(pieces)

    async def drain(self) -> None:
        """Returns when all is written. What is not yet written when the caller is cancelled is dropped.

        Raises:
            BrokenPipeError: nobody reads any more.
            StorageError: the output takes no more.
        """
        if self._written:
            return
        import asyncio  # here: help and version start sooner without

        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not done.done():
                done.set_result(None)

        def tell() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle)

        self._jobs.put(tell)
        try:
            await done
        except asyncio.CancelledError:
            self._dropping = True
            self._jobs.put(self._keep)  # what is handed over from now on
            raise
        self._written = True
        self._raise_error()

    def finish(self, seconds: float | None = None) -> None:
        """Waits until all is written, at most ``seconds``. For the end of the program, when no loop runs any more.

        Raises:
            BrokenPipeError: nobody reads any more.
            StorageError: the output takes no more.
        """
        if not self._written:
            done = Event()
            self._jobs.put(done.set)
            done.wait(seconds)
            self._raise_error()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, BrokenPipeError):
            raise error
        if error is not None:
            raise errors.StorageError(f"the result can't be written to the output ({error.strerror})") from None

    def _keep(self) -> None:
        self._dropping = False

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if callable(job):
                job()
                continue
            try:
                for data in job:
                    self._write(data)
                    if self._dropping or self._error is not None:
                        break
            except OSError as error:
                self._error = error

    def _write(self, data: bytes) -> None:
        """Writes in pieces, so that one that is to be dropped ends soon."""
        rest = memoryview(data)
        while rest and not self._dropping and self._error is None:
            try:
                rest = rest[os.write(self._descriptor, rest[: self._piece_bytes]) :]
            except BlockingIOError:  # whoever shares the terminal with us made it so
                import select

                select.select([], [self._descriptor], [])


class Stream:
    """Standard output as a file of text that never waits, for those who draw on it."""

    encoding = "utf-8"

    def __init__(self, writer: _Writer, descriptor: int) -> None:
        self._writer = writer
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Hands the text over, to be written in its turn."""
        self._writer.hand_over([text.encode(self.encoding, "replace")])
        return len(text)

    def flush(self) -> None:
        """Does nothing, because nothing is kept back."""

    def fileno(self) -> int:
        """Returns the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Returns whether it is a terminal."""
        return os.isatty(self._descriptor)

    def finish(self) -> None:
        """Gives the output a moment to take what was written last."""
        with suppress(OSError, errors.StorageError):
            self._writer.finish(OUTPUT_END_SECONDS_MAX)


class Console:
    """Prints results on standard output and errors on standard error."""

    entries_max: int | None = None

    def __init__(self, out: int = 1, err: int = 2) -> None:
        self._out = _Writer(out)
        self._err = self._out if _are_same(out, err) else _Writer(err)  # what is one file is written in order
        self._progress_shown = False
        self.stream = Stream(self._out, out)
        self.terminal = self._out.terminal

    def answer(self, answer: Answer, line_mode: bool) -> None:
        """Prints a result: a content bit for bit into a pipe, on a terminal so that it can be typed; in line mode with
        a line end."""
        if answer.content is not None:
            self._out.hand_over(self._content(answer.content, line_mode))
        elif answer.text is not None:
            data = f"{answer.text}\n".encode("utf-8", "surrogateescape")
            self._out.hand_over(_shown(data) if self.terminal else [data])
        elif answer.lines:
            self._out.hand_over(_lines(answer.lines, self.terminal))

    def _content(self, content: bytes, line_mode: bool) -> Iterator[bytes]:
        if self.terminal:
            yield from content_pieces(content)
            yield b"\n" if line_mode or content else b""
            return
        end = b"\n" if line_mode else b""
        if len(content) < OUTPUT_PIECE_BYTES:
            yield content + end  # in one piece, for a reader that takes a piece for a line
        else:
            yield content
            yield end

    def error(self, error: errors.WrpmeError) -> None:
        """Prints an error as one line."""
        self.note(str(error))

    def note(self, text: str) -> None:
        """Prints a sentence as one line, beside the results."""
        self.progress("")
        line = escaped(" ".join(text.split("\n")), keep="")
        self._err.hand_over([f"{line}\n".encode("utf-8", "replace")])

    def progress(self, text: str) -> None:
        """Shows on a terminal how far something is, in the place of what was shown before; an empty text clears it."""
        if self._err.terminal and (text or self._progress_shown):
            self._progress_shown = bool(text)
            self._err.hand_over([f"\r\x1b[K{escaped(text)}".encode("utf-8", "replace")])

    def put_question(self, text: str) -> None:
        """Prints a question, after which the answer is typed."""
        self._err.hand_over([text.encode("utf-8", "replace")])

    async def drain(self) -> None:
        """Returns when all that was printed has been written. What is not yet written when the caller is cancelled is
        dropped.

        Raises:
            BrokenPipeError: nobody reads the results any more.
            StorageError: the output takes no more.
        """
        if self._err is not self._out:
            with suppress(OSError, errors.StorageError):  # it may be closed or full: there is no place to report that
                await self._err.drain()
        await self._out.drain()

    def finish(self) -> None:
        """Waits at the end of the program until all is written.

        Raises:
            BrokenPipeError: nobody reads the results any more.
            StorageError: the output takes no more.
        """
        if self._err is not self._out:
            with suppress(OSError, errors.StorageError):
                self._err.finish()
        self._out.finish()

    def finish_soon(self) -> None:
        """Gives both a moment to take what was printed last."""
        for writer in {self._err, self._out}:
            with suppress(OSError, errors.StorageError):
                writer.finish(OUTPUT_END_SECONDS_MAX)

    def reporter(self, confirm: Callable[[str], Awaitable[str]]) -> Reporter:
        """Returns lines that are drawn anew on a terminal, and plain lines elsewhere."""
        from wrpme.bootstrap.reporter import LiveLines, PlainLines

        kind = LiveLines if self._err.terminal else PlainLines
        return kind(confirm, self._err.terminal and os.isatty(0), self._out, self._err)


def _are_same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:  # one is closed
        return False


def _texts(data: bytes) -> Iterator[str]:
    """Yields bytes as text, piece by piece: a long content takes long to escape."""
    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    for at in range(0, len(data), OUTPUT_PIECE_BYTES):
        yield decoder.decode(data[at : at + OUTPUT_PIECE_BYTES])
    yield decoder.decode(b"", True)


def _shown(data: bytes) -> Iterator[bytes]:
    """Yields bytes as a terminal shows them."""
    for text in _texts(data):
        yield escaped(text).encode()


def content_pieces(content: bytes, in_quotes: bool = False) -> Iterator[bytes]:
    """Yields a content so that it can be typed, as :func:`wrpme.protocol.quoting.content_shown` gives it, or in any
    case in quotes."""
    as_it_is = not in_quotes and not content.startswith(b'"')
    if as_it_is:
        for text in _texts(content):
            as_it_is = is_shown_as_it_is(text)
            if not as_it_is:
                break
            yield b""  # whoever writes may stop here
    if as_it_is:
        yield content
        return
    yield b'"'
    for text in _texts(content):
        yield within_quotes(text).encode()
    yield b'"'


def _lines(lines: Sequence[Line], terminal: bool) -> Iterator[bytes]:
    """Yields lines as they are printed, together as far as they are short."""
    data = bytearray()
    for piece in chain.from_iterable(_pieces(line, terminal) for line in lines):
        if not piece:
            yield piece  # whoever writes may stop here
        elif len(data) + len(piece) < OUTPUT_PIECE_BYTES:
            data += piece
        else:
            yield bytes(data)
            data.clear()
            yield piece
    yield bytes(data)


def _pieces(line: Line, terminal: bool) -> Iterator[bytes]:
    """Yields a line with its end. An empty content is seen."""
    if terminal:
        for at in range(0, len(line.text), OUTPUT_PIECE_BYTES):
            yield escaped(line.text[at : at + OUTPUT_PIECE_BYTES], keep="").encode()
    elif line.text:
        yield line.text.encode("utf-8", "surrogateescape")
    if line.content is not None:
        if line.text:
            yield b" "
        yield from content_pieces(line.content, line.in_quotes or not line.content)
    yield b"\n"
