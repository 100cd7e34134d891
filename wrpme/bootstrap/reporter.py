"""What an operator sees while hosts are worked on: a line for each host with its step.

On a terminal the lines of the hosts at work are redrawn in place, and a host that is done, or failed, leaves one line
behind. Elsewhere each step is a plain line, which can be read in the log of a CI job and found with ``grep``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Protocol

STDOUT = 1
STDERR = 2
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

    async def ask(self, question: str) -> str:
        """Asks the operator a question and returns the answer."""

    def close(self) -> None:
        """Ends the display: nothing more comes."""


Ask = Callable[[str], Awaitable[str]]


class _Lines:
    """What both reporters have in common: lines of logs go to ``out``, from where they may be piped on."""

    def __init__(self, ask: Ask, can_ask: bool, out: int = STDOUT, err: int = STDERR) -> None:
        self._ask = ask
        self.can_ask = can_ask
        self._out = out
        self._err = err
        self._coloured = os.isatty(out)

    def log(self, number: int, name: str, width: int, line: str) -> None:
        """See :class:`Reporter`.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        shown = f"{name:<{width}}"
        if self._coloured:
            shown, line = f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{shown}\x1b[0m", harmless(line)
        write(self._out, f"{shown}  {line}\n")


class PlainLines(_Lines):
    """Shows steps as plain lines.

    A step that begins with the same word as the one before only says how far that one is, and is left out.
    """

    def __init__(self, ask: Ask, can_ask: bool, out: int = STDOUT, err: int = STDERR) -> None:
        super().__init__(ask, can_ask, out, err)
        self._last: dict[str, str] = {}

    def step(self, host: str, text: str) -> None:
        """See :class:`Reporter`."""
        word = text.partition(" ")[0]
        if self._last.get(host) != word:
            self._last[host] = word
            self.say(f"{host}: {text}")

    def ended(self, host: str, text: str, how: str) -> None:
        """See :class:`Reporter`."""
        self._last.pop(host, None)
        self.say(f"{host}: {'failed: ' if how == 'bad' else ''}{text}")

    def say(self, text: str) -> None:
        """See :class:`Reporter`."""
        with suppress(OSError):
            write(self._err, f"{text}\n")

    async def ask(self, question: str) -> str:
        """See :class:`Reporter`."""
        return await self._ask(question)

    def close(self) -> None:
        """See :class:`Reporter`."""


class LiveLines(_Lines):
    """Redraws steps in place on a terminal."""

    def __init__(self, ask: Ask, can_ask: bool, out: int = STDOUT, err: int = STDERR) -> None:
        super().__init__(ask, can_ask, out, err)
        self._steps: dict[str, str] = {}
        self._begun: dict[str, float] = {}
        self._drawn = 0
        self._asking = False
        self._held = ""

    def step(self, host: str, text: str) -> None:
        """See :class:`Reporter`."""
        self._begun.setdefault(host, monotonic())
        self._steps[host] = text
        self._draw("")

    def ended(self, host: str, text: str, how: str) -> None:
        """See :class:`Reporter`."""
        self._steps.pop(host, None)
        begun = self._begun.pop(host, None)
        took = f"  {monotonic() - begun:.1f} s" if begun is not None else ""
        mark, colour = _MARKS[how]
        self._draw(f"\x1b[{colour}m{mark}\x1b[0m {host}  {harmless(text)}\x1b[2m{took}\x1b[0m\n")

    def say(self, text: str) -> None:
        """See :class:`Reporter`."""
        self._draw(f"{harmless(text)}\n")

    async def ask(self, question: str) -> str:
        """See :class:`Reporter`. Nothing is drawn while the question waits for its answer."""
        self._draw("", with_steps=False)
        self._asking = True
        try:
            return await self._ask(question)
        finally:
            self._asking = False
            self._draw("")

    def close(self) -> None:
        """See :class:`Reporter`."""
        self._steps.clear()
        self._draw("")

    def _draw(self, lasting: str, with_steps: bool = True) -> None:
        if self._asking:
            self._held += lasting
            return
        lasting, self._held = self._held + lasting, ""
        size = shutil.get_terminal_size()
        width = max((len(host) for host in self._steps), default=0)
        shown = list(self._steps.items())[: max(0, size.lines - 2)] if with_steps else []
        back = f"\x1b[{self._drawn}A\r\x1b[J" if self._drawn else ""
        lines = [harmless(f"  {host:<{width}}  {text}")[: size.columns - 1] + "\n" for host, text in shown]
        self._drawn = len(lines)
        with suppress(OSError):
            write(self._err, back + lasting + "".join(lines))


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

    async def ask(self, question: str) -> str:
        """See :class:`Reporter`."""
        return await self._reporter.ask(question)

    def close(self) -> None:
        """See :class:`Reporter`."""
        self._reporter.close()


def write(descriptor: int, text: str) -> None:
    """Writes all of the text. Raises OSError."""
    rest = memoryview(text.encode("utf-8", "replace"))
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def harmless(text: str) -> str:
    """Returns the text, which comes from other machines, without characters that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
