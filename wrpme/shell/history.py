"""The lines that an operator typed, kept between runs in one file for all shells, which only the user can read.

Where the home directory can't be read or written, the shell works without a history.
"""

from __future__ import annotations

import os
from pathlib import Path

from wrpme.shell.limits import HISTORY_LINE_CHARACTERS_MAX, HISTORY_LINES_MAX


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
            lines = self.path.read_text("utf-8", "replace").splitlines()
            if len(lines) > 2 * self.lines_max:
                self.path.write_text("\n".join(lines[-self.lines_max :]) + "\n", "utf-8")
        except OSError:
            return []
        return lines[-self.lines_max :]

    def append(self, line: str) -> None:
        """Appends a line, unless it is blank or longer than ``HISTORY_LINE_CHARACTERS_MAX``."""
        if not line.strip() or len(line) > HISTORY_LINE_CHARACTERS_MAX:
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with open(descriptor, "a", encoding="utf-8", errors="replace") as file:
                file.write(line.replace("\n", " ") + "\n")
        except OSError:
            pass
