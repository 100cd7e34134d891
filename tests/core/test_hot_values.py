"""Values in front of the store."""

from __future__ import annotations

from tests.harness import hive_of
from tests.replica_parts import END, A, Bench, view_of
from wrpme.core.hot_values import DROPPED_ENTRIES, HOT_EXTRA_BYTES, HOT_VALUE_BYTES_MAX, HotValues
from wrpme.core.layout import key_of
from wrpme.daemon.storage.store import MemoryStore
from wrpme.protocol.messages import Content, Get, Remove, Update
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Arc


def hot_of(pairs: dict[bytes, bytes], bytes_max: int = 1 << 20) -> HotValues:
    store = MemoryStore()
    store.write(list(pairs.items()), True)
    return HotValues(store, bytes_max)


def test_what_was_looked_for_is_kept() -> None:
    hot = hot_of({b"a": b"1"})
    assert [hot.get(key) for key in (b"a", b"b", b"a")] == [b"1", None, b"1"]
    assert hot.values == {b"a": b"1"} and hot.misses == 2
    hot.forget(b"a")
    hot.forget(b"b")
    assert not hot.values and hot.bytes == 0


def test_they_are_bounded_in_bytes_and_the_oldest_go() -> None:
    one = len(b"0000") + 1 + HOT_EXTRA_BYTES
    hot = hot_of({}, 10 * DROPPED_ENTRIES * one)
    for number in range(1000):
        hot.keep(b"%04d" % number, b"v")
        assert hot.bytes == len(hot.values) * one <= hot.bytes_max
    assert b"0999" in hot.values and b"0000" not in hot.values


def test_large_values_are_read_each_time() -> None:
    hot = hot_of({b"a": bytes(HOT_VALUE_BYTES_MAX + 1)})
    assert hot.get(b"a") is not None and not hot.values


def test_an_owner_reads_from_memory_what_it_has_read_or_overwritten() -> None:
    hive = hive_of("a")
    node = hive.nodes["a"]
    hive.ask("a", Update(1, b"x", b"1"))
    before = node.context.hot.misses
    for content in (b"2", b"3"):
        hive.ask("a", Update(1, b"x", content))
        assert hive.ask("a", Get(1, b"x")) == Content(1, content)
    assert node.context.hot.misses == before + 1, "the first update looked for what was there"
    hive.ask("a", Remove(1, b"x"))
    assert key_of(hash_of(b"x"), b"x") not in node.context.hot.values


def test_whoever_becomes_an_owner_believes_nothing_of_before() -> None:
    made = Bench(Arc(END, 1, (A,)))
    made[A].ask(Update(1, b"x", b"1"))
    made.settle()
    made[A].ask(Get(1, b"x"))
    assert made[A].context.hot.values
    made[A].adopt(view_of(Arc(END, 2, (A,)), 2))
    assert not made[A].context.hot.values
