"""Arcs as of one moment: what was acknowledged before and nothing else, whatever is written meanwhile."""

from __future__ import annotations

import pytest

from tests.replica_parts import END, TWO, WALL_MILLISECONDS, A, B, Bench
from wrpme.core.limits import PAGE_BYTES_MAX, SNAPSHOT_IDLE_SECONDS_MAX, SNAPSHOT_IDLE_SECONDS_MIN, SNAPSHOTS_MAX
from wrpme.core.replication.replica import Replica
from wrpme.core.snapshots import Snapshots
from wrpme.errors import BusyError, UnstableError
from wrpme.limits import LARGE_BYTES
from wrpme.protocol.messages import Done, Failed, Put, Remove, Reply, Update
from wrpme.protocol.administration import CloseSnapshot, OpenSnapshot, Saved, Snapshot, SnapshotPage, SnapshotPart
from wrpme.protocol.view import Arc

WHOLE = Arc(END, 1, (A,))


class Seat:
    """Node A of a bench, which gives snapshots."""

    def __init__(self, arc: Arc = WHOLE, alive: tuple[bytes, ...] = (A,)) -> None:
        self.bench = Bench(arc, alive)
        side = self.bench[A]
        self.snapshots = Snapshots(side.context, side.scans)

    def say(self, request: OpenSnapshot | SnapshotPage | CloseSnapshot) -> Reply | None:
        """The answer, if it is there at once."""
        made, side = self.bench, self.bench[A]
        made.sessions += 1
        side.context.now = made.now
        call = {
            OpenSnapshot: self.snapshots.open, SnapshotPage: self.snapshots.page, CloseSnapshot: self.snapshots.close
        }  # fmt: skip
        call[type(request)](made.sessions, request)  # type: ignore[operator]
        side.collect()
        return side.replies.get(made.sessions)

    def opened(self) -> Snapshot:
        found = self.say(OpenSnapshot(1, A, 1, END))
        assert isinstance(found, Snapshot)
        return found

    def read(self, number: int) -> dict[bytes, bytes]:
        """All of a snapshot, contents put together of their parts."""
        found: dict[bytes, bytes] = {}
        after, offset, more = b"", 0, True
        while more:
            page = self.say(SnapshotPage(2, A, number, after, offset))
            assert isinstance(page, SnapshotPart)
            assert sum(len(saved.part) for saved in page.entries) <= PAGE_BYTES_MAX
            for saved in page.entries:
                assert saved.offset == len(found.get(saved.alias, b""))
                found[saved.alias] = found.get(saved.alias, b"") + saved.part
            after, offset, more = page.after, page.offset, page.more
        return found


def test_a_snapshot_is_of_one_moment() -> None:
    seat = Seat()
    for alias in (b"changes", b"goes", b"stays"):
        seat.bench[A].ask(Put(1, alias, b"before"))
    seat.bench.settle()
    snapshot = seat.opened()
    assert (snapshot.first, snapshot.entries) == (0, 3)
    seat.bench[A].ask(Update(1, b"changes", b"after"))
    seat.bench[A].ask(Remove(1, b"goes"))
    seat.bench[A].ask(Put(1, b"comes", b"after"))
    seat.bench.settle()
    assert seat.read(snapshot.number) == dict.fromkeys((b"changes", b"goes", b"stays"), b"before")
    assert seat.say(CloseSnapshot(3, A, snapshot.number)) == Done(3)
    assert isinstance(gone := seat.say(SnapshotPage(2, A, snapshot.number)), Failed) and gone.code == UnstableError.code


def test_it_is_told_of_when_all_that_it_can_have_seen_is_acknowledged() -> None:
    seat = Seat(TWO, (A, B))
    seat.bench.lease(A, B)
    seat.bench.settle()
    seat.bench[A].ask(Put(1, b"entry", b"content"))
    assert seat.say(OpenSnapshot(1, A, 1, END)) is None, "nobody else has the write yet: it may be undone"
    session = seat.bench.sessions
    seat.bench.settle()
    told = seat.bench[A].replies[session]
    assert isinstance(told, Snapshot) and seat.read(told.number) in ({}, {b"entry": b"content"})


def test_a_large_content_comes_in_parts() -> None:
    seat, content = Seat(), bytes(range(256)) * ((PAGE_BYTES_MAX * 5 // 2 + LARGE_BYTES) // 256)
    seat.bench[A].ask(Put(1, b"large", content))
    for number in range(20):
        seat.bench[A].ask(Put(1, b"small %d" % number, b"x" * (PAGE_BYTES_MAX // 7)))
    seat.bench.settle()
    found = seat.read(seat.opened().number)
    assert found.pop(b"large") == content and len(found) == 20


def test_a_part_may_be_asked_for_again() -> None:
    seat, content = Seat(), bytes(range(256)) * (PAGE_BYTES_MAX * 2 // 256)
    seat.bench[A].ask(Put(1, b"large", content))
    seat.bench.settle()
    number = seat.opened().number
    first = seat.say(SnapshotPage(2, A, number))
    assert isinstance(first, SnapshotPart) and first.more
    second = SnapshotPage(3, A, number, first.after, first.offset)
    assert seat.say(second) == seat.say(second), "the answer to the first may have got lost"
    assert seat.say(SnapshotPage(2, A, number)) == first


def test_each_entry_has_its_end_and_version_beside_it_also_where_that_is_over() -> None:
    """To leave out what nobody has removed yet would be to say that it is gone, by the clock of one node."""
    seat = Seat()
    seat.bench[A].ask(Put(1, b"short", b"", int(WALL_MILLISECONDS) + 2_000))
    seat.bench[A].ask(Put(1, b"long", b"", int(WALL_MILLISECONDS) + 2_000_000))
    seat.bench.settle()
    seat.bench.now += 100.0
    page = seat.say(SnapshotPage(2, A, seat.opened().number))
    assert isinstance(page, SnapshotPart) and not page.more
    saved, short = sorted(page.entries, key=lambda entry: entry.alias)
    assert short.expiry == int(WALL_MILLISECONDS) + 2_000
    assert saved == Saved(b"long", int(WALL_MILLISECONDS) + 2_000_000, saved.version, 0, 0, b"")
    assert len(saved.version) == 16 and saved.version > bytes(16)


def test_who_does_not_own_the_arc_at_that_epoch_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = Seat()
    for wrong in (OpenSnapshot(1, A, 2, END), OpenSnapshot(1, A, 1, END - 1)):
        refused = seat.say(wrong)
        assert isinstance(refused, Failed) and refused.code == UnstableError.code
    monkeypatch.setattr(Replica, "lease_until", lambda self: seat.bench.now)
    assert isinstance(seat.say(OpenSnapshot(1, A, 1, END)), Failed), "another one may own it by now"


def test_snapshots_are_few_and_those_that_nobody_asks_for_are_dropped() -> None:
    seat = Seat()
    numbers = [seat.opened().number for _ in range(SNAPSHOTS_MAX)]
    busy = seat.say(OpenSnapshot(1, A, 1, END))
    assert isinstance(busy, Failed) and busy.code == BusyError.code
    seat.bench.now += SNAPSHOT_IDLE_SECONDS_MIN
    for number in numbers[1:]:
        seat.read(number)
    numbers = [*numbers[1:], seat.opened().number]  # in the place of the first, which nobody asked for
    assert isinstance(seat.say(OpenSnapshot(1, A, 1, END)), Failed)
    seat.bench.now += SNAPSHOT_IDLE_SECONDS_MAX - 1
    seat.read(numbers[0])
    assert seat.snapshots.due == seat.bench.now + 1
    seat.bench.now = seat.snapshots.due + 0.1
    seat.bench[A].context.now = seat.bench.now
    seat.snapshots.tick()
    assert seat.read(numbers[0]) == {}
    assert all(isinstance(seat.say(SnapshotPage(2, A, number)), Failed) for number in numbers[1:])
    assert seat.opened().number not in numbers
