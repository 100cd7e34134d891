"""The copy of a whole hive while it runs: each arc as of one moment, several at a time, page by page.

Where the owner of an arc dies in the middle, or the arc is divided or moved before its turn comes, what is missing is
read again, as a section of its own: what was read of an arc that broke off is void.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Protocol

from msgspec import Struct

from wrpme import errors
from wrpme.client.cluster import owner_of
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.limits import BACKUP_ARCS_AT_A_TIME, CLOSE_SECONDS
from wrpme.protocol import ring
from wrpme.protocol.messages import Done
from wrpme.protocol.snapshots import CloseSnapshot, OpenSnapshot, Snapshot, SnapshotPage, SnapshotPart
from wrpme.protocol.view import Member

_AGAIN = (errors.UnstableError, errors.BusyError, errors.UnavailableError, errors.ConnectionError)
"""What passes: the arc gets another owner, or its nodes come back. A request that got no answer is one of these."""


class Sections(Protocol):
    """What takes the entries, in numbered sections of which several may be open."""

    def begin(self, section: int, first: int, end: int) -> None:
        """Begins a section, of the positions from ``first`` to ``end``."""

    def add(self, section: int, alias: bytes, expiry: int, version: bytes, size: int, offset: int, part: bytes) -> None:
        """Takes an entry with a content of that ``size``, or the ``part`` of it from ``offset`` on, behind what came
        before in that section."""

    def end(self, section: int) -> None:
        """Ends a section, which is complete."""

    def void(self, section: int) -> None:
        """Ends a section that broke off: nothing of it counts."""

    async def room(self) -> None:
        """Returns when more may be handed over: what waits to be written stays small."""


class BackupProgress(Struct):
    """How far it is: ``entries`` and ``size_bytes`` of their contents so far, and about which ``share`` (0 to 1) of the
    ring they are; without what broke off."""

    entries: int = 0
    size_bytes: int = 0
    share: float = 0.0


class _Range(Struct, frozen=True):
    """Positions that are still to be read, both included."""

    first: int
    end: int


class Backup:
    """One backup. ``told`` hears of the progress after each page."""

    def __init__(
        self, dispatcher: Dispatcher, sections: Sections, told: Callable[[BackupProgress], None] | None = None
    ) -> None:
        self._dispatcher = dispatcher
        self._sections = sections
        self._told = told or (lambda _: None)
        self._numbers = count(1)
        self._left: deque[_Range] = deque()
        self.progress = BackupProgress()
        self._pages_read = 0

    async def run(self) -> BackupProgress:
        """Reads all, and returns what it was.

        Raises:
            WrpmeError: A part of the hive could not be read for as long as the timeout of the client.
        """
        now = await self._dispatcher.fresh_view()
        self._left += [_Range(ring.arc_start(now, at), arc.end) for at, arc in enumerate(now.arcs)]
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(BACKUP_ARCS_AT_A_TIME):
                    group.create_task(self._work())
        except* errors.WrpmeError as failed:
            raise _first(failed) from None
        return self.progress

    async def _work(self) -> None:
        while self._left:
            wanted = self._left.popleft()
            first = await self._read(wanted)
            self._told(self.progress)
            if first > wanted.first:  # an arc that was divided meanwhile
                self._left.append(_Range(wanted.first, first - 1))

    async def _read(self, wanted: _Range) -> int:
        """Reads the last part of these positions that one arc has now, and returns where that begins."""
        dispatcher, pause = self._dispatcher, 0.0
        deadline = dispatcher.deadline()
        while True:
            pages = self._pages_read
            try:
                return await self._read_once(wanted, deadline)
            except _AGAIN as error:
                if self._pages_read != pages:
                    deadline, pause = dispatcher.deadline(), 0.0
                pause = await dispatcher.back_off(pause, deadline, error)
                await dispatcher.fresh_view(deadline)

    async def _read_once(self, wanted: _Range, deadline: float) -> int:
        dispatcher = self._dispatcher
        now = dispatcher.view or await dispatcher.fresh_view(deadline)
        arc = now.arcs[ring.arc_at(now, wanted.end)]
        owner = owner_of(now, arc)
        request = OpenSnapshot(dispatcher.next_id(), owner.id, now.epoch, arc.end)
        began = await dispatcher.ask(request, Snapshot, address=owner.address, deadline=deadline, until_stable=False)
        section, part = next(self._numbers), _Range(max(wanted.first, began.first), wanted.end)
        is_whole = part == _Range(began.first, arc.end)
        self._sections.begin(section, part.first, part.end)
        width, read = (part.end - part.first + 1) / ring.RING, BackupProgress()
        try:
            await self._pages(owner, began, section, None if is_whole else part, width, read)
        except BaseException as error:
            self._sections.void(section)
            self._note(read, -1)
            if not isinstance(error, errors.ConnectionError):
                await self._close(owner, began)
            raise
        self._sections.end(section)
        self.progress.share += width - read.share
        await self._close(owner, began)
        return part.first

    def _note(self, read: BackupProgress, sign: int = 1) -> None:
        self.progress.entries += sign * read.entries
        self.progress.size_bytes += sign * read.size_bytes
        self.progress.share += sign * read.share

    async def _pages(
        self, owner: Member, began: Snapshot, section: int, only: _Range | None, width: float, read: BackupProgress
    ) -> None:
        """Hands over all entries of a snapshot, or ``only`` those of some positions; ``read`` tells how far that is,
        of a part of the ring so wide."""
        dispatcher = self._dispatcher
        position_of, add = dispatcher.routes.position_of, self._sections.add
        after, offset, more = b"", 0, True
        while more:
            page = await dispatcher.ask(
                SnapshotPage(dispatcher.next_id(), owner.id, began.number, after, offset),
                SnapshotPart, address=owner.address, until_stable=False,
            )  # fmt: skip
            self._note(read, -1)
            for saved in page.entries:
                if only is None or only.first <= position_of(saved.alias) <= only.end:
                    add(section, saved.alias, saved.expiry, saved.version, saved.size, saved.offset, saved.part)
                    read.entries += saved.is_last
                    read.size_bytes += len(saved.part)
            read.share = width * min(1.0, read.entries / max(1, began.entries))
            self._note(read)
            self._pages_read += 1
            ends_content = offset and not page.offset
            if page.more and (
                page.after < after or (page.after == after and not (page.offset > offset or ends_content))
            ):
                raise errors.ProtocolError(f"{owner.address} gives pages of a snapshot without an end")
            after, offset, more = page.after, page.offset, page.more
            self._told(self.progress)
            await self._sections.room()

    async def _close(self, owner: Member, began: Snapshot) -> None:
        """The node need not keep it; if it does not hear so, it drops it after a while."""
        dispatcher = self._dispatcher
        request = CloseSnapshot(dispatcher.next_id(), owner.id, began.number)
        try:
            await dispatcher.ask(
                request, Done, address=owner.address, deadline=dispatcher.deadline(CLOSE_SECONDS), until_stable=False
            )
        except errors.WrpmeError:
            return


def _first(group: BaseExceptionGroup[errors.WrpmeError]) -> errors.WrpmeError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
