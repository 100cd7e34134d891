"""wrpmesh, or another shell, on a real pseudo-terminal, and what its screen shows: the codes are carried out, not
filtered."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType

from tests.system.daemons import environment

COLUMNS, ROWS = 240, 200
SECONDS_MAX = 30.0
_CODE = re.compile(r"\x1b\[([?>]?)([0-9;]*)([A-Za-z])|\x1b[=>]|\x1b\][^\x07]*\x07|[^\x1b]|\x1b")


class Screen:
    """As much of a terminal as a line editor needs; a code that is not known is an error."""

    def __init__(self) -> None:
        self._cells: list[list[str]] = [[]]
        self._row = self._column = 0
        self._rest = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        end = len(text) if re.search(r"\x1b[^A-Za-z=>]*\Z", text) is None else text.rindex("\x1b")
        text, self._rest = text[:end], text[end:]
        for found in _CODE.finditer(text):
            if found[3]:
                if not found[1]:
                    self._control(found[3], [int(part) for part in found[2].split(";") if part])
            elif len(found[0]) == 1:
                self._character(found[0])

    @property
    def lines(self) -> list[str]:
        """From the top to the cursor."""
        return ["".join(cells).rstrip() for cells in self._cells[: self._row + 1]]

    def _character(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._move(self._row + 1)
        elif character == "\b":
            self._column = max(0, self._column - 1)
        elif character >= " ":
            line = self._cells[self._row]
            line += " " * (self._column + 1 - len(line))
            line[self._column] = character
            self._column += 1

    def _control(self, code: str, numbers: list[int]) -> None:
        count = numbers[0] if numbers else 0
        if code == "A":
            self._move(max(0, self._row - max(1, count)))
        elif code == "B":
            self._move(self._row + max(1, count))
        elif code == "C":
            self._column += max(1, count)
        elif code == "D":
            self._column = max(0, self._column - max(1, count))
        elif code == "K" and count == 0:
            del self._cells[self._row][self._column :]
        elif code == "J" and count == 0:
            del self._cells[self._row][self._column :]
            del self._cells[self._row + 1 :]
        else:
            assert code == "m", f"the screen does not know {code!r} {numbers}"

    def _move(self, row: int) -> None:
        self._row = row
        self._cells += [[] for _ in range(row + 1 - len(self._cells))]


class Session:
    """A program on a terminal of its own; a line that is all ``prompt``, an expression, asks for the next."""

    def __init__(self, command: Sequence[str], directory: Path, prompt: str = ">") -> None:
        self._prompt = prompt
        values = {**environment(), "HOME": str(directory), "TERM": "xterm"}
        values.pop("XDG_STATE_HOME", None)
        self.screen = Screen()
        self.pid, self._master = pty.fork()
        if not self.pid:
            os.chdir(directory)
            os.execvpe(command[0], list(command), values)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def until(self, what: str, there: Callable[[list[str]], bool]) -> list[str]:
        """Reads until the screen shows it."""
        end = monotonic() + SECONDS_MAX
        while not there(self.screen.lines):
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - monotonic()))
            assert ready, f"the screen does not show {what}, but:\n" + "\n".join(self.screen.lines)
            self.screen.feed(os.read(self._master, 65536).decode("utf-8", "replace"))
        return self.screen.lines

    def _asks(self, lines: list[str]) -> bool:
        return re.fullmatch(self._prompt, lines[-1]) is not None

    def prompt(self) -> list[str]:
        """The screen with an empty prompt at its end."""
        return self.until("a prompt", self._asks)

    def enter(self, line: str) -> list[str]:
        """Types a line and Enter; gives what the screen shows from it to the next prompt."""
        before = len(self.prompt())
        os.write(self._master, line.encode() + b"\r")
        after = self.until(f"a prompt after {line!r}", lambda lines: len(lines) > before and self._asks(lines))
        return after[before - 1 : -1]

    def leave(self) -> int:
        """Types ``exit``; the exit code."""
        self.prompt()
        os.write(self._master, b"exit\r")
        try:
            while os.read(self._master, 65536):
                pass
        except OSError:  # as Linux tells the end of a terminal
            pass
        return self._wait()

    def _wait(self) -> int:
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()
        os.close(self._master)
