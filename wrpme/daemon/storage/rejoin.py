"""How a node rejoins its hive without its database: a small text file in the data directory.

``DIR/hive`` has the id of the hive in its first line, and in each further one the address of another member. A node
whose database is damaged, or that the hive has fenced, begins anew in an empty directory that has this file: it joins
that hive, and never founds one. There the file has one more line, which names the directory that was put in quarantine;
a file without that line stands beside the data of a member, or that data was lost.
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


class RejoinInfo(Struct, frozen=True):
    """What the file says. ``hive`` is in hex, and empty if it is not known; ``others`` are the addresses of its other
    members. ``former`` is where the quarantined data of this directory is, until the node is a member anew; else it is
    empty."""

    hive: str
    others: tuple[str, ...]
    former: str = ""

    @property
    def had_data(self) -> bool:
        """Whether a member wrote this, after the view that made it one was on the disk."""
        return bool(self.hive) and not self.former


def info_in(view: View, me: NodeId) -> RejoinInfo:
    """Returns what the member ``me`` needs to find its hive again."""
    others = sorted(member.address for member in view.members if member.id != me)
    own = next((member.address for member in view.members if member.id == me), "")
    return RejoinInfo(view.hive.hex(), tuple(dict.fromkeys(address for address in others if address != own)))


def read(directory: str) -> RejoinInfo | None:
    """Returns what the file in the directory says, or None where there is none or it is not one of ours.

    Raises:
        OSError: the file can't be read.
    """
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
    return RejoinInfo(first[1], tuple(others), former)


def write(directory: str, info: RejoinInfo) -> None:
    """Replaces the file as :func:`write_file` does."""
    former = (_FORMER + info.former,) if info.former else ()
    lines = (f"hive {info.hive}", *info.others, *former, "")
    write_file(os.path.join(directory, NAME), "\n".join(lines).encode("utf-8", "surrogateescape"))


def write_file(path: str, content: bytes) -> None:
    """Replaces a file by a whole one that is on the disk when this returns.

    Raises:
        OSError: it can't be done; the former file is still there.
    """
    fresh = f"{path}.new"
    with open(fresh, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(fresh, path)
    sync_directory(os.path.dirname(path))


def sync_directory(directory: str) -> None:
    """Waits until the names in the directory are on the disk."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class RejoinFile:
    """Keeps the file up to date without holding up the loop. A write that fails is logged, and leaves the former
    file."""

    def __init__(self, directory: str, say: Callable[[str, str], None]) -> None:
        self._directory = directory
        self._say = say
        self._wanted: RejoinInfo | None = None
        with suppress(OSError):
            self._wanted = read(directory)
        self._task: asyncio.Task[None] | None = None

    def note(self, info: RejoinInfo) -> None:
        """Writes this to the file soon, unless it says so already."""
        if info == self._wanted:
            return
        self._wanted = info
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self, seconds: float) -> bool:
        """Waits until what was noted is written; returns whether that came about in this time."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)
        return self._task is None or self._task.done()

    async def _work(self) -> None:
        written: RejoinInfo | None = None
        while self._wanted is not None and written != self._wanted:
            written = self._wanted
            try:
                await asyncio.get_running_loop().run_in_executor(None, write, self._directory, written)
            except OSError as error:
                reason = error.strerror or str(error)
                line = f"the file {NAME} in {self._directory} can't be brought up to date ({reason})"
                self._say("warning", line)
                self._wanted = None  # so that the next note tries again
