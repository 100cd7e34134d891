"""The lines that an operator typed, kept between runs in one file for all shells, which only the user can read.

Where the home directory can't be read or written, the shell works without a history.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from wrpme.errors import WrpmeError
from wrpme.shell.access.passwords import SETS_PASSWORD
from wrpme.shell.parsing import parse
from wrpme.shell.limits import HISTORY_LINE_CHARACTERS_MAX, HISTORY_LINES_MAX


_PASSWORD = re.compile(r"://[^\s/]*:[^\s/]*@|--pass(word)?[\s=]")


class LineFile:
    """The history in the file at ``path``, of which the newest ``lines_max`` lines are used."""

    lines_max = HISTORY_LINES_MAX

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_user(cls) -> LineFile:
        """Returns the history that all shells of this user share."""
        state = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
        return cls(Path(state) / "wrpme" / "history")

    def load(self) -> list[str]:
        """Returns the newest lines, the oldest of them first, and shortens a file far beyond the bound."""
        try:
            # Bytes, and cut at line feeds alone: a content may hold any other character that Python ends a line at.
            lines = self.path.read_bytes().decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
            if len(lines) > 2 * self.lines_max:
                self.path.write_bytes(_encoded(lines[-self.lines_max :]))
        except OSError:
            return []
        return [line for line in lines[-self.lines_max :] if line]

    @staticmethod
    def keeps(line: str) -> bool:
        """Returns whether a line is kept: one that is blank, longer than ``HISTORY_LINE_CHARACTERS_MAX``, begins with a
        space, as secrets do, or has a password, in a URL or where somebody took it for an argument, is not."""
        is_secret = line.startswith(" ") or _PASSWORD.search(line) or _has_more(line)
        return bool(line.strip()) and not is_secret and len(line) <= HISTORY_LINE_CHARACTERS_MAX

    def append(self, line: str) -> None:
        """Appends a line, if it is one to keep."""
        if not self.keeps(line):
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with open(descriptor, "ab") as file:
                file.write(_encoded([line.replace("\n", " ")]))
        except OSError:
            pass


def _has_more(line: str) -> bool:
    """Returns whether a command that asks for a password has more on its line than it takes: that may be one."""
    if not line.startswith(SETS_PASSWORD):
        return False
    try:
        parse(line)
    except WrpmeError:
        return True
    return False


def _encoded(lines: list[str]) -> bytes:
    """The lines as they stand in the file. Bytes that are not UTF-8 stay; a lone half of a UTF-16 pair becomes ?."""
    return b"".join(_line_bytes(line) + b"\n" for line in lines)


def _line_bytes(line: str) -> bytes:
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return line.encode("utf-8", "replace")
