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
from wrpme.client.limits import BACKUP_ARCS_AT_A_TIME
from wrpme.protocol import ring
from wrpme.protocol.messages import Done
from wrpme.protocol.snapshots import CloseSnapshot, OpenSnapshot, Saved, Snapshot, SnapshotPage, SnapshotPart
from wrpme.protocol.view import Member

_AGAIN = (errors.UnstableError, errors.BusyError, errors.UnavailableError, errors.ConnectionError)
"""What passes: the arc gets another owner, or its nodes come back. A request that got no answer is one of these."""


class Sections(Protocol):
    """What takes the entries, in numbered sections of which several may be open."""

    def begin(self, section: int, first: int, end: int) -> None:
        """Begins a section, of the positions from ``first`` to ``end``."""

    def add(self, section: int, saved: Saved) -> None:
        """Takes an entry, or a part of its content, behind what came before in that section."""

    def end(self, section: int) -> None:
        """Ends a section, which is complete."""

    def void(self, section: int) -> None:
        """Ends a section that broke off: nothing of it counts."""


class BackupProgress(Struct):
    """How far it is: ``entries`` and ``size_bytes`` of their contents so far, and ``share`` (0 to 1) of the ring."""

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
        self, dispatcher: Dispatcher, sections: Sections, told: Callable[[BackupProgress], None] = lambda _: None
    ) -> None:
        self._dispatcher = dispatcher
        self._sections = sections
        self._told = told
        self._numbers = count(1)
        self._left: deque[_Range] = deque()
        self.progress = BackupProgress()

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
            self.progress.share += (wanted.end - first + 1) / ring.RING
            self._told(self.progress)
            if first > wanted.first:  # an arc that was divided meanwhile
                self._left.append(_Range(wanted.first, first - 1))

    async def _read(self, wanted: _Range) -> int:
        """Reads the last part of these positions that one arc has now, and returns where that begins."""
        dispatcher, pause = self._dispatcher, 0.0
        deadline = dispatcher.deadline()
        while True:
            before = self.progress.entries, self.progress.size_bytes
            try:
                return await self._read_once(wanted, deadline)
            except _AGAIN as error:
                if (self.progress.entries, self.progress.size_bytes) != before:
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
        try:
            await self._pages(owner, began, section, None if is_whole else part)
        except BaseException:
            self._sections.void(section)
            raise
        self._sections.end(section)
        await self._close(owner, began)
        return part.first

    async def _pages(self, owner: Member, began: Snapshot, section: int, only: _Range | None) -> None:
        """Hands over all entries of a snapshot, or ``only`` those of some positions."""
        dispatcher, progress = self._dispatcher, self.progress
        position_of, add = dispatcher.routes.position_of, self._sections.add
        after, offset, more = b"", 0, True
        while more:
            page = await dispatcher.ask(
                SnapshotPage(dispatcher.next_id(), owner.id, began.number, after, offset),
                SnapshotPart, address=owner.address, until_stable=False,
            )  # fmt: skip
            more = page.more
            if more and not page.entries and not page.after:
                raise errors.ProtocolError(f"{owner.address} gives pages of a snapshot without an end")
            for saved in page.entries:
                if only is None or only.first <= position_of(saved.alias) <= only.end:
                    add(section, saved)
                    progress.entries += saved.is_last
                    progress.size_bytes += len(saved.part)
            after, offset = page.after, page.offset
            self._told(progress)

    async def _close(self, owner: Member, began: Snapshot) -> None:
        """The node need not keep it; if it does not hear so, it drops it after a while."""
        dispatcher = self._dispatcher
        request = CloseSnapshot(dispatcher.next_id(), owner.id, began.number)
        try:
            await dispatcher.ask(request, Done, address=owner.address, until_stable=False)
        except errors.WrpmeError:
            return


def _first(group: BaseExceptionGroup[errors.WrpmeError]) -> errors.WrpmeError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
