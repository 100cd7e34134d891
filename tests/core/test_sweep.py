"""Entries whose time has come go, at every copy; and the space of what was removed comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.test_replica_table_properties import ALIASES, ALONE, alone, ask
from tests.harness import HIVE, Hive
from tests.replica_parts import END, TWO, WALL_MILLISECONDS, A, B, Bench, Side, held, view_of
from wrpme.core.io import Compact
from wrpme.core.layout import ENTRIES, HINTS, expiry_in, hint_of, indexed_expiry, key_of, operations_for, value_of
from wrpme.core.replication import sweep
from wrpme.core.limits import EXPIRE_SECONDS, REMOVED_BYTES_MAX, STEP_SECONDS
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.messages import Count, Expire, GetExpiry, Number, Put, Remove, Update
from wrpme.protocol.view import NOBODY, Arc, NodeId, View

HALF = ring.end_of_slot(SLOTS // 2)


def wall(side: Side, seconds: float) -> int:
    """The moment so far from now."""
    return int(WALL_MILLISECONDS + (side.bench.now + seconds) * 1000)


def hints_of(side: Side) -> list[bytes]:
    return [key for key, _ in side.store.scan(*HINTS)]


def halves(epoch: int, lower: tuple[NodeId, ...], upper: tuple[NodeId, ...], prev: tuple[NodeId, ...] = ()) -> View:
    """Two arcs of these holders."""
    arcs = (Arc(HALF, epoch, lower, prev=prev, wanted=lower), Arc(END, 1, upper, wanted=upper))
    return replace(view_of(ALONE, epoch), arcs=arcs)


def go(side: Side, seconds: float) -> None:
    """Time passes, in the steps that the node asks for."""
    end = side.bench.now + seconds
    while side.bench.now < end:
        side.bench.now = min(end, max(side.sweep.due, side.bench.now + 0.001))
        for other in (A, B):
            if side.context.me != other and other in side.bench.sides:
                side.bench.lease(side.context.me, other)
        side.tick()
        side.bench.settle()


# --- hints -------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "update", "expire", "remove", "time", "later"]), st.integers(0, 5), st.integers(-3, 9)
    ),
    max_size=25,
)


@given(STEPS)
def test_there_is_a_hint_for_each_expiry_and_no_other_at_every_copy(steps: list[tuple[str, int, int]]) -> None:
    made = held(TWO)
    owner = made[A]
    for kind, number, seconds in steps:
        alias = b"k%d" % number
        expiry = wall(owner, seconds) if seconds else 0
        if kind == "put":
            owner.ask(Put(1, alias, b"", expiry))
        elif kind == "update":
            owner.ask(Update(1, alias, b"x" * number, expiry))
        elif kind == "expire":
            owner.ask(Expire(1, alias, expiry))
        elif kind == "remove":
            owner.ask(Remove(1, alias))
        elif kind == "time":
            go(owner, max(0.1, seconds))
        made.lease(A, B)
    go(owner, 1.5)
    for side in (made[A], made[B]):
        expiries = {key: expiry_in(value) for key, value in side.store.scan(*ENTRIES)}
        assert sorted(hints_of(side)) == sorted(hint_of(expiry, key) for key, expiry in expiries.items() if expiry)
        index = {key[1:]: indexed_expiry(value) for key, value in side.store.scan(b"a", b"b")}
        assert index == {key[9:]: expiry for key, expiry in expiries.items()}
        assert all(expiry > wall(side, -1.0) for expiry in expiries.values() if expiry), "nothing is left behind"
    assert made[A].stored() == made[B].stored()


def test_a_hint_that_has_lost_its_entry_goes() -> None:
    side = alone()
    lost = hint_of(wall(side, -5.0), key_of(7, b"lost"))
    side.store.write([(lost, b"")], True)
    go(side, 1.0)
    assert hints_of(side) == []


# --- expiry ------------------------------------------------------------------------------------------------------


def test_expired_entries_go_without_being_asked_for() -> None:
    hive = Hive()
    node = hive.start("a", hive=HIVE)
    hive.go(0.1)
    for number in range(20):
        hive.ask("a", Put(1, b"k%d" % number, b"", int(hive.now * 1000) + 5000 + number))
    hive.ask("a", Put(1, b"stays", b""))
    hive.go(4)
    assert hive.ask("a", Count(1, NOBODY, hive.view("a").epoch)) == Number(1, 21)
    hive.go(1.1 + EXPIRE_SECONDS * 2)
    assert hive.ask("a", Count(1, NOBODY, hive.view("a").epoch)) == Number(1, 1)
    assert [key[9:] for key, _ in hive.stores["a"].scan(*ENTRIES)] == [b"stays"]
    assert not list(hive.stores["a"].scan(*HINTS)) and node.context.slots.between(0, END)[0] == 1


def test_ten_thousand_expire_in_a_second() -> None:
    hive = Hive()
    node = hive.start("a", hive=HIVE)
    hive.go(0.1)
    at = int(hive.now * 1000) + 5000
    entries = {key_of(ring.hash_of(b"k%d" % n), b"k%d" % n): value_of((1, n + 1), at, b"") for n in range(10_000)}
    hive.stores["a"].write([one for pair in entries.items() for one in operations_for(*pair)], True)
    for key in entries:
        node.context.slots.add(int.from_bytes(key[1:9]), 1, len(key) - 9)
    hive.go(5.0 + EXPIRE_SECONDS + 1.0)
    assert hive.ask("a", Count(1, NOBODY, hive.view("a").epoch)) == Number(1, 0)
    assert not list(hive.stores["a"].scan(b"a", b"m")) and not list(hive.stores["a"].scan(*HINTS))


def test_a_hint_that_came_too_early_removes_nothing() -> None:
    side = alone()
    ask(side, Put(1, b"x", b"", wall(side, 1.0)))
    ask(side, Update(1, b"x", b"for ever"))
    ask(side, Put(1, b"y", b"", wall(side, 1.0)))
    ask(side, Expire(1, b"y", wall(side, 60.0)))
    go(side, 3.0)
    assert set(side.stored()) == {b"x", b"y"} and len(hints_of(side)) == 1


def test_hints_of_others_do_not_hold_up_the_own_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """B owns the lower half and is not heard of: what expires there stays, and costs nothing."""
    monkeypatch.setattr(sweep, "EXPIRE_HINTS_MAX", 4)
    made = Bench(ALONE, (A, B), halves(1, (B, A), (A, B)))
    made.settle()
    for side in (made[A], made[B]):
        made.lease(side.context.me, A if side is made[B] else B)
    lower = [b"k%d" % n for n in range(60) if ring.hash_of(b"k%d" % n) <= HALF]
    upper = [b"k%d" % n for n in range(60) if ring.hash_of(b"k%d" % n) > HALF]
    for alias in lower:
        ask(made[B], Put(1, alias, b"", wall(made[B], 1.0)))
    for alias in upper:
        ask(made[A], Put(1, alias, b"", wall(made[A], 2.0)))
    made.settle()
    assert set(made[A].stored()) == {*lower, *upper} == set(made[B].stored())
    go(made[A], 3.0)
    assert set(made[A].stored()) == set(made[B].stored()) == set(lower)
    scanned: list[bytes] = []
    scan = made[A].store.scan
    monkeypatch.setattr(made[A].store, "scan", lambda low, high: scanned.append(low) or scan(low, high))  # type: ignore[func-returns-value]
    go(made[A], 1.0)
    assert scanned and not any(list(scan(low, HINTS[1])) for low in scanned), "they are passed over once"
    made.adopt(halves(2, (A,), (A, B), prev=(B,)))
    made.settle()
    go(made[A], 1.0)
    assert made[A].stored() == {}, "who becomes the owner finds them"


def test_what_was_passed_over_without_a_lease_is_found_again() -> None:
    made = held(TWO)
    made[A].ask(Put(1, b"mortal", b"", wall(made[A], 5.0)))
    made.settle()
    made.now += 6.0
    for side in (made[B], made[A]):
        side.tick()
    made.settle()
    assert set(made[B].stored()) == set(made[A].stored()) == {b"mortal"}, "A has lost sight of B"
    made.now += EXPIRE_SECONDS
    made.lease(A, B)
    made[A].tick()
    made.settle()
    assert made[A].stored() == made[B].stored() == {}
    assert not hints_of(made[A]) and not hints_of(made[B])


def test_a_life_span_that_is_over_already_is_found() -> None:
    """Its hint lies behind what the sweep has seen; and it is on its way to the disk while the sweep goes by."""
    side = alone()
    go(side, 1.0)
    ask(side, Put(1, b"late", b"", wall(side, -0.5)))
    side.bench.now += 1.0
    side.tick()
    assert side.under_way and not side.stored()
    side.bench.settle()
    go(side, 1.0)
    assert side.stored() == {} and hints_of(side) == []


def test_a_clock_that_was_set_back_leaves_nothing_behind() -> None:
    side = alone()
    side.context.process.wall_offset_milliseconds += 3_600_000
    go(side, 1.0)
    side.context.process.wall_offset_milliseconds -= 3_600_000
    ask(side, Put(1, b"mortal", b"", wall(side, 2.0)))
    go(side, 1.0)
    assert set(side.stored()) == {b"mortal"}
    go(side, 2.0)
    assert side.stored() == {} and hints_of(side) == []


def test_sweeping_takes_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "EXPIRE_ENTRIES_MAX", 10)
    side = alone()
    for alias in ALIASES:
        ask(side, Put(1, alias, b"", wall(side, 0.5)))
    side.bench.settle()
    side.bench.now += 1.0
    left = []
    for _ in range(5):
        side.tick()
        side.bench.settle()
        left.append(len(side.stored()))
        side.bench.now = max(side.bench.now, side.sweep.due)
    assert left == [30, 20, 10, 0, 0] and side.sweep.due <= side.bench.now + 2 * EXPIRE_SECONDS


def test_the_sweep_waits_for_slow_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "EXPIRE_QUEUE_MAX", 5)
    side = alone()
    for alias in ALIASES:
        ask(side, Put(1, alias, b"", wall(side, 0.5)))
    side.bench.settle()
    side.bench.now += 1.0
    for _ in range(10):
        side.tick()
        side.bench.now += STEP_SECONDS
    assert len(side.replica.writes.queue) == 5
    side.bench.settle()
    for _ in range(100):
        side.bench.now += STEP_SECONDS
        side.tick()
        side.bench.settle()
    assert side.stored() == {}


def test_an_expired_entry_that_somebody_saw_gone_stays_gone() -> None:
    """Also where the clock is set back afterwards."""
    side = alone()
    ask(side, Put(1, b"mortal", b"", wall(side, 60.0)))
    side.bench.settle()
    side.context.process.wall_offset_milliseconds += 3_600_000
    session = ask(side, GetExpiry(1, b"mortal"))
    assert session not in side.replies, "it waits for the removal"
    side.bench.settle()
    assert side.fails(session)
    side.context.process.wall_offset_milliseconds -= 3_600_000
    again = ask(side, GetExpiry(1, b"mortal"))
    assert side.fails(again) and side.stored() == {}


# --- the space of what was removed -------------------------------------------------------------------------------


def asked(side: Side, seconds: float) -> int:
    """Time passes; how often the disk is asked to give space back."""
    count = 0
    end = side.bench.now + seconds
    while side.bench.now < end:
        side.bench.now += EXPIRE_SECONDS
        side.context.now = side.bench.now
        side.table.tick(False)
        side.sweep.step()
        count += sum(isinstance(effect, Compact) for effect in side.context.outbox.effects)
        side.context.outbox.effects.clear()
    return count


def test_the_disk_is_asked_for_space_once_much_was_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "REMOVED_ENTRIES_MAX", 10)
    monkeypatch.setattr(sweep, "REMOVED_ENTRIES_AT_REST_MAX", 3)
    side = alone()
    for _ in range(25):
        side.context.slots.add(0, 1, 100)
    for _ in range(10):
        side.context.slots.add(0, -1, -100)
        assert asked(side, EXPIRE_SECONDS) == 0
    side.context.slots.add(0, -1, -100)
    assert asked(side, EXPIRE_SECONDS) == 1, "more than half of what is there"
    assert asked(side, 10.0) == 0, "once"
    for _ in range(4):
        side.context.slots.add(0, -1, -100)
    assert asked(side, EXPIRE_SECONDS) == 0, "there is more than twice as much"
    assert asked(side, 10.0) == 0
    for _ in range(4):
        side.context.slots.add(0, -1, -100)
        assert asked(side, 0.0) == 0
    assert asked(side, EXPIRE_SECONDS) == 0 and asked(side, 10.0) == 1, "nothing more is removed"


def test_large_contents_that_were_removed_or_replaced_count_as_well() -> None:
    side = alone()
    side.context.slots.add(0, 1, REMOVED_BYTES_MAX)
    side.context.slots.add(0, 0, -REMOVED_BYTES_MAX)
    assert asked(side, EXPIRE_SECONDS) == 0
    side.context.slots.add(0, 1, 2)
    side.context.slots.add(0, 0, -1)
    assert asked(side, EXPIRE_SECONDS) == 1
