"""Entries that live elsewhere are deleted, and only when nobody can need them here."""

from __future__ import annotations

import pytest

from tests.core.test_replica_table_properties import ALIASES, ALONE, alone, ask, split, upper_half
from tests.harness import hive_of
from tests.replica_parts import END, A, B, Bench, view_of
from wrpme.core.layout import key_of, operations_for, value_of
from wrpme.core.replication import wiping
from wrpme.core.limits import STEP_SECONDS
from wrpme.protocol.messages import Compare, Put, Stream, StreamAck, Update
from wrpme.protocol.view import Arc


# --- what lives elsewhere ----------------------------------------------------------------------------------------


def test_what_went_elsewhere_is_wiped_here() -> None:
    hive = hive_of("a")
    for number in range(200):
        hive.ask("a", Put(1, b"k%d" % number, b"v"))
    hive.start("b", "a")
    hive.stable("a", "b")
    hive.go(2)
    held = {name: {key for key, _ in hive.stores[name].scan(b"e", b"f")} for name in ("a", "b")}
    assert not held["a"] & held["b"]
    assert len(held["a"]) + len(held["b"]) == 200 and held["b"]
    for name in ("a", "b"):
        index = {key[1:] for key, _ in hive.stores[name].scan(b"a", b"b")}
        assert index == {key[9:] for key in held[name]}
        assert hive.nodes[name].context.slots.between(0, END)[0] == len(held[name])


def test_a_node_that_is_not_back_wipes_nothing() -> None:
    made = Bench(Arc(END, 1, (B,)), (A,))
    key = key_of(7, b"x")
    made[A].store.write(operations_for(key, value_of((1, 1), 0, b"")), True)
    made[A].context.slots.add(7, 1, 1)
    made[A].adopt(view_of(Arc(END, 1, (B,)), 2, down=(A,)))
    made[A].tick()
    made.settle()
    assert made[A].store.get(key) is not None
    made[A].adopt(view_of(Arc(END, 1, (B,)), 3))
    made[A].tick()
    made.settle()
    assert made[A].store.get(key) is None


def test_what_went_elsewhere_is_wiped_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiping, "WIPE_ENTRIES_MAX", 5)
    side = alone(*ALIASES)
    side.adopt(split(2, A, B))
    side.bench.settle()
    mine = set(ALIASES) - upper_half(ALIASES)
    left = len(ALIASES)
    while set(side.stored()) != mine:
        side.bench.now = max(side.bench.now, side.sweep.due)
        side.tick()
        side.bench.settle()
        assert left - 5 <= len(side.stored()) < left
        left = len(side.stored())
    side.bench.now += 1.0
    side.tick()
    assert side.sweep.due > side.bench.now + STEP_SECONDS, "there is nothing left to do"
    assert [key[1:] for key, _ in side.store.scan(b"a", b"b")] == sorted(mine), "the index too"


def test_nothing_is_wiped_while_the_disk_has_something_to_do() -> None:
    """What is on its way there may belong to the range: it would be on disk after the wiping."""
    side = alone(*ALIASES)
    ask(side, Put(1, b"fresh", b"on its way"))
    side.adopt(split(2, B))
    side.tick()
    assert len(side.under_way) == 1 and all(value is not None for _, value in side.under_way[0].operations)
    side.drain()
    side.bench.now = side.sweep.due
    side.tick()
    side.bench.settle()
    assert side.stored() == {}


def test_constant_writes_do_not_keep_what_lives_elsewhere() -> None:
    side = alone(*ALIASES)
    side.adopt(split(2, A, B))
    mine = set(ALIASES) - upper_half(ALIASES)
    for number in range(20):
        ask(side, Update(1, min(mine), b"%d" % number))
        ask(side, Update(1, max(mine), b"%d" % number))
        assert not side.context.commits.idle
        side.bench.now = max(side.bench.now, side.sweep.due)
        side.tick()
        side.persist()
    assert set(side.stored()) == mine
    assert sum(replica.counts()[0] for replica in side.table.mine) == len(mine)


def test_a_copy_into_a_range_that_is_being_wiped_waits_for_the_disk() -> None:
    """Else the wiping would delete what the copy has just brought."""
    made = Bench(ALONE, (A, B), split(1, B))
    made[A].store.write(operations_for(key_of(5, b"stale"), value_of((0, 1), 0, b"")), True)
    made[A].context.slots.add(5, 1, 5)
    made[A].adopt(split(2, B))
    made[A].tick()
    assert made[A].under_way, "the wiping is on its way"
    made.adopt(split(3, B, incoming=(A,)))
    made[A].hear(B, Stream(END, 3, 1, 1, (Compare(b"e", b"f", b""),)))
    assert (A, B, StreamAck(END, 3, 1, -1)) in made.wire
    made[A].persist()
    made.wire.clear()
    made[A].hear(B, Stream(END, 3, 2, 1, (Compare(b"e", b"f", b""),)))
    made[A].persist()
    assert [body.upto for _, _, body in made.wire if isinstance(body, StreamAck)] == [1]
