"""A program in a tmux of its own: keys go in, the screen comes out as an operator sees it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType

from tests.system.daemons import PATIENCE_SECONDS, environment

POLL_SECONDS = 0.05
SHELL_READY = "ready$ "


def missing() -> str:
    """Why there is no tmux here, or an empty text."""
    return "" if shutil.which("tmux") else "there is no tmux here"


class Tmux:
    """A shell in a window of ``columns`` x ``rows``; its server ends with it."""

    def __init__(
        self, directory: Path, columns: int = 120, rows: int = 40, values: Mapping[str, str | None] | None = None
    ) -> None:
        self._socket = str(directory / "tmux")
        known: dict[str, str | None] = {
            **environment(), "HOME": str(directory), "PS1": SHELL_READY, "LANG": "C.UTF-8", "LC_ALL": None,
            "NO_COLOR": None, "XDG_STATE_HOME": None, "TMUX": None, "TERM": "xterm-256color", **(values or {}),
        }  # fmt: skip
        self._values = {name: value for name, value in known.items() if value is not None}
        size = ("-x", str(columns), "-y", str(rows))
        shell = f"PS1='{SHELL_READY}' exec bash --norc --noprofile"
        self._run("-f", "/dev/null", "new-session", "-d", *size, "-c", str(directory), shell)
        self.until("a shell", lambda lines: any(line.startswith(SHELL_READY.strip()) for line in lines))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments], env=self._values, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done.stdout

    def press(self, text: str, *keys: str) -> None:
        """Types a text, then keys by their names in tmux."""
        if text:
            self._run("send-keys", "-l", text)
        if keys:
            self._run("send-keys", *keys)

    def start(self, command: Sequence[str]) -> float:
        """Starts a program in the shell; when (monotonic seconds) Enter was pressed."""
        self.press(shlex.join(command))
        began = monotonic()
        self.press("", "Enter")
        return began

    def resize(self, columns: int, rows: int) -> None:
        """Another size of the window."""
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def lines(self) -> list[str]:
        """The screen."""
        return self._run("capture-pane", "-p").split("\n")

    @property
    def child(self) -> int:
        """The process that the shell runs."""
        shell = self._run("display-message", "-p", "#{pane_pid}").strip()
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    @property
    def modes(self) -> str:
        """What of the terminal is not as a shell wants it: the alternate screen, the mouse, no cursor."""
        return self._run(
            "display-message", "-p", "#{alternate_on}#{mouse_any_flag}#{cursor_flag}#{keypad_flag}"
        ).strip()

    def until(self, what: str, there: Callable[[list[str]], bool], seconds: float = PATIENCE_SECONDS) -> list[str]:
        """Polls until the screen shows it; gives the screen."""
        end = monotonic() + seconds
        while not there(lines := self.lines):
            assert monotonic() < end, f"the screen does not show {what}, but:\n" + "\n".join(lines)
            sleep(POLL_SECONDS)
        return lines

    def until_text(self, *words: str) -> list[str]:
        """Until each of the words is somewhere on the screen."""
        return self.until(" and ".join(words), lambda lines: all(word in "\n".join(lines) for word in words))

    def __enter__(self) -> Tmux:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print("\n".join(self.lines))
        self._run("kill-server")
        if os.path.exists(self._socket):
            os.unlink(self._socket)
