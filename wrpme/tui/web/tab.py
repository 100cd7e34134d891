"""The terminal of one tab of a browser, with a dashboard on it.

It is a pseudo-terminal of the system, so that the dashboard is the very one of a terminal: the system tells it its
size, and that its terminal is gone, also when this process is killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence

from wrpme.errors import StartError
from wrpme.tui.limits import TAB_CELLS_MAX, TAB_CLOSE_SECONDS_MAX, TAB_KEYS_BYTES_MAX, TAB_READ_BYTES_MAX

_OTHER_TERMINAL = {"COLUMNS", "LINES", "TMUX", "STY", "TERM_PROGRAM", "LC_TERMINAL"}
"""What the environment tells of the terminal that this process has."""
_TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
"""What a browser shows, whatever the terminal of this process can."""
_IN_FRONT = 'exec "$@" <>"$0"'
"""The first terminal that the leader of a session opens is its own: that one it hears of."""


class Tab:
    """A terminal, and the process of the dashboard on it; made by :func:`open_tab`."""

    def __init__(self, terminal: int, process: Process) -> None:
        self._terminal = terminal
        self._process = process
        self._keys = bytearray()
        self._loop = asyncio.get_running_loop()

    async def drawn(self) -> bytes:
        """Returns what the dashboard has drawn since the last call, once there is something; nothing after its end."""
        while True:
            try:
                return os.read(self._terminal, TAB_READ_BYTES_MAX)
            except BlockingIOError:
                await self._readable()
            except OSError:  # as Linux tells the end of a terminal
                return b""

    async def _readable(self) -> None:
        readable = asyncio.Event()
        self._loop.add_reader(self._terminal, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(self._terminal)

    def type(self, keys: bytes) -> None:
        """Hands over what was typed, and returns at once. Too much for a dashboard that takes nothing is dropped."""
        if len(self._keys) + len(keys) <= TAB_KEYS_BYTES_MAX:
            self._keys += keys
            self._write()

    def _write(self) -> None:
        try:
            del self._keys[: os.write(self._terminal, self._keys)]
        except BlockingIOError:
            pass
        except OSError:  # the dashboard has ended
            self._keys.clear()
        if self._keys:
            self._loop.add_writer(self._terminal, self._write)
        else:
            self._loop.remove_writer(self._terminal)

    def resize(self, columns: int, rows: int) -> None:
        """Gives the terminal another size; the dashboard is told of it."""
        _resize(self._terminal, columns, rows)

    async def close(self) -> None:
        """Closes the terminal, at which the dashboard ends; if it has not after ``TAB_CLOSE_SECONDS_MAX``, it is
        killed."""
        self._loop.remove_writer(self._terminal)
        os.close(self._terminal)
        try:
            await asyncio.wait_for(self._process.wait(), TAB_CLOSE_SECONDS_MAX)
        except TimeoutError:
            pass
        finally:
            if self._process.returncode is None:
                self._process.kill()


async def open_tab(command: Sequence[str], columns: int, rows: int) -> Tab:
    """Starts a program on a new terminal of that size.

    Raises:
        StartError: the system has no room for one more terminal or process.
    """
    opened: list[int] = []
    try:
        opened += os.openpty()
        terminal, inside = opened
        _resize(terminal, columns, rows)
        os.set_blocking(terminal, False)
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _IN_FRONT, os.ttyname(inside), *command),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=_environment(os.environ),
            start_new_session=True,
        )
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        raise StartError(f"no dashboard can be started ({error.strerror or error}); close others first") from None
    os.close(inside)
    return Tab(terminal, process)


def _resize(terminal: int, columns: int, rows: int) -> None:
    within = (max(1, min(cells, TAB_CELLS_MAX)) for cells in (rows, columns))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *within, 0, 0))


def _environment(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in _OTHER_TERMINAL} | _TERMINAL
