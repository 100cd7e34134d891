"""The way back to the hive that needs no database: a small text file in the data directory.

``DIR/hive`` has the id of the hive in its first line, and in each further one the address of another member. A node
whose database is damaged, or that the hive has fenced, begins anew in an empty directory that has this file: it joins
that hive, and never founds one. There the file has one more line, which names the directory that was set aside; without
that line it is beside the data of a member, or that data was lost.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from wrpme.errors import UsageError
from wrpme.protocol import address as addresses
from wrpme.protocol.view import NodeId, View

NAME = "hive"
_FIRST_LINE = re.compile(r"hive ([0-9a-f]*)\Z")
_FORMER = "former "


class Home(Struct, frozen=True):
    """``hive`` in hex, empty if it is not known; ``others`` are the addresses of its other members. ``former`` is where
    the data of this directory was set aside, until the node is a member anew; else empty."""

    hive: str
    others: tuple[str, ...]
    former: str = ""

    @property
    def had_data(self) -> bool:
        """Whether a node that was a member wrote this, once the view that made it one was on the disk."""
        return bool(self.hive) and not self.former


def home_in(view: View, me: NodeId) -> Home:
    """What a member of the hive needs to find it again."""
    others = sorted(member.address for member in view.members if member.id != me)
    own = next((member.address for member in view.members if member.id == me), "")
    return Home(view.hive.hex(), tuple(dict.fromkeys(address for address in others if address != own)))


def read(directory: str) -> Home | None:
    """What the file says; None where there is none, or it is not one of ours. Raises OSError where nobody knows."""
    try:
        with open(os.path.join(directory, NAME), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    first = _FIRST_LINE.match(lines[0]) if lines else None
    if first is None:
        return None
    others: list[str] = []
    former = ""
    for line in lines[1:]:
        if line.startswith(_FORMER):
            former = line.removeprefix(_FORMER)
        with suppress(UsageError):
            others.append(str(addresses.parse(line)))
    return Home(first[1], tuple(others), former)


def write(directory: str, home: Home) -> None:
    """Puts the file in the place of the former one, whole and on the disk, or raises OSError and leaves that one."""
    former = (_FORMER + home.former,) if home.former else ()
    lines = (f"hive {home.hive}", *home.others, *former, "")
    write_file(os.path.join(directory, NAME), "\n".join(lines).encode("utf-8", "surrogateescape"))


def write_file(path: str, content: bytes) -> None:
    """The same for any file."""
    fresh = f"{path}.new"
    with open(fresh, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(fresh, path)
    sync_directory(os.path.dirname(path))


def sync_directory(directory: str) -> None:
    """The names in the directory are on the disk."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class Keeper:
    """Keeps the file up to date without holding up the loop. What fails is said; the former file is still there."""

    def __init__(self, directory: str, say: Callable[[str, str], None]) -> None:
        self._directory = directory
        self._say = say
        self._wanted: Home | None = None
        with suppress(OSError):
            self._wanted = read(directory)
        self._task: asyncio.Task[None] | None = None

    def note(self, home: Home) -> None:
        """The file says so soon, if it does not already."""
        if home == self._wanted:
            return
        self._wanted = home
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self, seconds: float) -> bool:
        """Waits for what was noted; whether it came to an end in that time."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)
        return self._task is None or self._task.done()

    async def _work(self) -> None:
        written: Home | None = None
        while self._wanted is not None and written != self._wanted:
            written = self._wanted
            try:
                await asyncio.get_running_loop().run_in_executor(None, write, self._directory, written)
            except OSError as error:
                reason = error.strerror or str(error)
                line = f"the file {NAME} in {self._directory} can't be brought up to date ({reason})"
                self._say("warning", line)
                self._wanted = None  # so that the next note tries again
