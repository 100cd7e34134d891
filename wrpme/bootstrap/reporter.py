"""What an operator sees while hosts are worked on: a line for each host with its step.

On a terminal the lines of the hosts at work are redrawn in place, and a host that is done, or failed, leaves one line
behind. Elsewhere each step is a plain line, which can be read in the log of a CI job and found with ``grep``. Nothing
here waits for the terminal: the work on the hosts goes on, and signals are heard, while it takes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import Protocol

from wrpme.errors import StorageError

_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
_MARKS = {"good": ("✓", "32"), "bad": ("✗", "31"), "same": ("·", "2")}


class Reporter(Protocol):
    """Shows an operator what goes on."""

    can_ask: bool
    """Whether somebody is there to answer questions."""

    def step(self, host: str, text: str) -> None:
        """Shows that the host is at this step now."""

    def ended(self, host: str, text: str, how: str) -> None:
        """Shows that the host is done. ``how`` is good, bad or same (nothing was to be done)."""

    def say(self, text: str) -> None:
        """Shows a line about the command as a whole."""

    def log(self, number: int, name: str, width: int, line: str) -> None:
        """Shows a line of a log; the ``number`` of its node (from 0) is for the colour, its name is ``width`` wide."""

    async def drain(self) -> None:
        """Returns when all lines of logs have been written.

        Raises:
            BrokenPipeError: nobody reads them any more.
            StorageError: the output takes no more.
        """

    async def ask(self, question: str) -> str:
        """Asks the operator a question and returns the answer."""

    def close(self) -> None:
        """Ends the display: nothing more comes."""


Ask = Callable[[str], Awaitable[str]]


class Outlet(Protocol):
    """An output that takes at once what is to be written, and writes it in its turn."""

    terminal: bool
    """Whether it is a terminal."""

    def hand_over(self, pieces: Iterable[bytes]) -> None:
        """Takes pieces, which are asked for when their turn comes, and not by the thread of the caller."""

    async def drain(self) -> None:
        """Returns when all is written.

        Raises:
            BrokenPipeError: nobody reads any more.
            StorageError: the output takes no more.
        """


class StepWords:
    """The word that the step of each host began with. A step that begins with the word of the one before only says how
    far that one is."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def is_new(self, host: str, text: str) -> bool:
        """Returns whether this step of the host is another one than before."""
        word = text.partition(" ")[0]
        before, self._last[host] = self._last.get(host), word
        return before != word

    def forget(self, host: str) -> None:
        """Forgets the host, which is done."""
        self._last.pop(host, None)


class PlainLines:
    """Shows steps as plain lines on ``err``, and logs on ``out``. A step that only says how far the one before is, is
    left out."""

    def __init__(self, ask: Ask, can_ask: bool, out: Outlet, err: Outlet) -> None:
        self._ask = ask
        self.can_ask = can_ask
        self._out = out
        self._err = err
        self._steps = StepWords()

    def step(self, host: str, text: str) -> None:
        """See :class:`Reporter`."""
        if self._steps.is_new(host, text):
            self.say(f"{host}: {text}")

    def ended(self, host: str, text: str, how: str) -> None:
        """See :class:`Reporter`."""
        self._steps.forget(host)
        self.say(f"{host}: {'failed: ' if how == 'bad' else ''}{text}")

    def say(self, text: str) -> None:
        """See :class:`Reporter`."""
        self._err.hand_over([_encoded(f"{text}\n")])

    def log(self, number: int, name: str, width: int, line: str) -> None:
        """See :class:`Reporter`."""
        self._out.hand_over([_log_line(number, f"{name:<{width}}", line, self._out.terminal)])

    async def drain(self) -> None:
        """See :class:`Reporter`."""
        await self._out.drain()

    async def ask(self, question: str) -> str:
        """See :class:`Reporter`."""
        return await self._ask(question)

    def close(self) -> None:
        """See :class:`Reporter`."""


class LiveLines:
    """Redraws steps in place on the terminal ``err``, and shows logs on ``out``. A picture is made when the terminal
    takes it: one that is slow shows fewer, and each is the newest."""

    def __init__(self, ask: Ask, can_ask: bool, out: Outlet, err: Outlet) -> None:
        self._ask = ask
        self.can_ask = can_ask
        self._out = out
        self._err = err
        self._begun: dict[str, float] = {}
        # The thread that writes makes the picture of these:
        self._lock = Lock()
        self._steps: dict[str, str] = {}
        self._lasting = ""
        self._drawn = 0
        self._awaited = False
        self._asking = False

    def step(self, host: str, text: str) -> None:
        """See :class:`Reporter`."""
        self._begun.setdefault(host, monotonic())
        with self._lock:
            self._steps[host] = text
        self._draw("")

    def ended(self, host: str, text: str, how: str) -> None:
        """See :class:`Reporter`."""
        with self._lock:
            self._steps.pop(host, None)
        begun = self._begun.pop(host, None)
        took = f"  {monotonic() - begun:.1f} s" if begun is not None else ""
        mark, colour = _MARKS[how]
        self._draw(f"\x1b[{colour}m{mark}\x1b[0m {host}  {harmless(text)}\x1b[2m{took}\x1b[0m\n")

    def say(self, text: str) -> None:
        """See :class:`Reporter`."""
        self._draw(f"{harmless(text)}\n")

    def log(self, number: int, name: str, width: int, line: str) -> None:
        """See :class:`Reporter`."""
        self._out.hand_over([_log_line(number, f"{name:<{width}}", line, self._out.terminal)])

    async def drain(self) -> None:
        """See :class:`Reporter`."""
        await self._out.drain()

    async def ask(self, question: str) -> str:
        """See :class:`Reporter`. Nothing is drawn while the question waits for its answer."""
        self._asking = True
        self._ask_for_picture()
        try:
            with suppress(OSError, StorageError):
                await self._err.drain()
            return await self._ask(question)
        finally:
            self._asking = False
            self._draw("")

    def close(self) -> None:
        """See :class:`Reporter`."""
        with self._lock:
            self._steps.clear()
        self._draw("")

    def _draw(self, lasting: str) -> None:
        with self._lock:
            self._lasting += lasting
        if not self._asking:
            self._ask_for_picture()

    def _ask_for_picture(self) -> None:
        with self._lock:
            before, self._awaited = self._awaited, True
        if not before:
            self._err.hand_over(self._picture())

    def _picture(self) -> Iterator[bytes]:
        size = shutil.get_terminal_size()
        with self._lock:
            self._awaited = False
            lasting, self._lasting = self._lasting, ""
            steps = [] if self._asking else list(self._steps.items())[: max(0, size.lines - 2)]
            width = max(map(len, self._steps), default=0)
            back = f"\x1b[{self._drawn}A\r\x1b[J" if self._drawn else ""
            self._drawn = len(steps)
        lines = [harmless(f"  {host:<{width}}  {text}")[: size.columns - 1] + "\n" for host, text in steps]
        yield _encoded(back + lasting + "".join(lines))


class QuietLines:
    """Passes on to another reporter what went wrong, and questions."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.can_ask = reporter.can_ask

    def step(self, host: str, text: str) -> None:
        """See :class:`Reporter`."""

    def ended(self, host: str, text: str, how: str) -> None:
        """See :class:`Reporter`."""
        if how == "bad":
            self._reporter.ended(host, text, how)

    def say(self, text: str) -> None:
        """See :class:`Reporter`."""

    def log(self, number: int, name: str, width: int, line: str) -> None:
        """See :class:`Reporter`."""
        self._reporter.log(number, name, width, line)

    async def drain(self) -> None:
        """See :class:`Reporter`."""
        await self._reporter.drain()

    async def ask(self, question: str) -> str:
        """See :class:`Reporter`."""
        return await self._reporter.ask(question)

    def close(self) -> None:
        """See :class:`Reporter`."""
        self._reporter.close()


def _log_line(number: int, name: str, line: str, coloured: bool) -> bytes:
    if coloured:
        name, line = f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{name}\x1b[0m", harmless(line)
    return _encoded(f"{name}  {line}\n")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def harmless(text: str) -> str:
    """Returns the text, which comes from other machines, without characters that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
