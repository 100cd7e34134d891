"""What a node has of an arc: what readers see, what is on its way to the disk, and the suffix in its four parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import identity
from wrpme.core.context import NodeContext
from wrpme.core.io import Persist, Settings
from wrpme.core.layout import content_in, key_of, operations_for, removal, value_of
from wrpme.core.replication.pending import PendingWrites, Pending
from wrpme.daemon.storage.store import MemoryStore
from wrpme.protocol import ring
from wrpme.protocol.messages import Pair, Writes
from wrpme.protocol.ring import hash_of

LAST = ring.RING - 1
HALF = ring.RING // 2
OWED, INHERITED, RECEIVED, QUEUED = b"kept", b"known", b"heard", b"made"


class Disk:
    """The store under one node, and the batches on their way to it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.context = NodeContext(Settings(identity("a"), 1, "a"), self.store, 100.0)

    def arrive(self) -> None:
        """What gathered is on disk."""
        self.context.flush_disk()
        for effect in self.context.outbox.effects:
            if isinstance(effect, Persist):
                self.store.write(effect.operations, True)
                self.context.commits.on_persisted(effect.batch, self.context.now)
        self.context.outbox.effects = []


@pytest.fixture
def disk() -> Disk:
    return Disk()


def key(alias: bytes) -> bytes:
    return key_of(hash_of(alias), alias)


def put(alias: bytes, number: int, content: bytes = b"") -> Pair:
    return key(alias), value_of((1, number), 0, content or b"%d" % number)


def gone(alias: bytes, number: int) -> Pair:
    return key(alias), removal((1, number))


def whole(disk: Disk) -> PendingWrites:
    return PendingWrites(disk.context, 0, LAST)


def write(contents: PendingWrites, pair: Pair) -> Pending:
    """As an owner does it."""
    pending = contents.apply(*pair, contents.current(pair[0]))
    contents.queue.append(pending)
    return pending


def seen(contents: PendingWrites) -> dict[bytes, bytes]:
    return {found[9:]: content_in(value) for found, value in contents.pairs(contents.low, contents.high)}


def suffix(contents: PendingWrites) -> list[bytes]:
    return [pending.key[9:] for pending in contents.suffix()]


# --- reading -----------------------------------------------------------------------------------------------------


def test_a_write_shadows_the_store_until_a_reader_may_take_it(disk: Disk) -> None:
    disk.store.write(operations_for(*put(b"x", 1)), True)
    disk.store.write(operations_for(*put(b"y", 2)), True)
    contents = whole(disk)
    later, removed = write(contents, put(b"x", 3)), write(contents, gone(b"y", 4))
    assert seen(contents) == {b"x": b"3"} and contents.current(key(b"y")) is None
    assert disk.store.get(key(b"x")) == put(b"x", 1)[1], "the store does not have it yet"
    disk.arrive()
    assert contents.overlay == {key(b"x"): later, key(b"y"): removed}, "on disk is not acknowledged"
    contents.drop_overlay(later)
    contents.drop_overlay(removed)
    assert not contents.overlay and seen(contents) == {b"x": b"3"} and contents.current(key(b"y")) is None


def test_an_earlier_write_does_not_take_the_shadow_of_a_later_one_away(disk: Disk) -> None:
    contents = whole(disk)
    earlier, later = write(contents, put(b"x", 1)), write(contents, put(b"x", 2))
    contents.drop_overlay(earlier)
    assert contents.overlay == {key(b"x"): later} and seen(contents) == {b"x": b"2"}


NAMES = st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"])


@given(st.dictionaries(NAMES, st.integers(1, 9)), st.dictionaries(NAMES, st.integers(0, 9)), NAMES, NAMES)
def test_a_scan_sees_store_and_shadow_as_one(
    stored: dict[bytes, int], fresh: dict[bytes, int], low: bytes, high: bytes
) -> None:
    disk = Disk()
    for alias, number in stored.items():
        disk.store.write(operations_for(*put(alias, number)), True)
    contents = whole(disk)
    for alias, number in fresh.items():
        write(contents, put(alias, 10 + number) if number else gone(alias, 10))
    bounds = sorted((key(low), key(high)))
    expected = {key(alias): put(alias, number)[1] for alias, number in stored.items()}
    for alias, number in fresh.items():
        expected.pop(key(alias), None)
        if number:
            expected[key(alias)] = put(alias, 10 + number)[1]
    assert list(contents.pairs(*bounds)) == sorted(
        (found, value) for found, value in expected.items() if bounds[0] <= found < bounds[1]
    )


# --- writing -----------------------------------------------------------------------------------------------------


def test_counts_follow_every_write(disk: Disk) -> None:
    contents = whole(disk)
    write(contents, put(b"x", 1, b"12345"))
    assert disk.context.slots.between(0, LAST) == (1, 6)
    write(contents, put(b"x", 2, b"1"))
    assert disk.context.slots.between(0, LAST) == (1, 2)
    write(contents, gone(b"x", 3))
    write(contents, gone(b"never", 4))
    assert disk.context.slots.between(0, LAST) == (0, 0)


def test_a_removal_of_nothing_costs_no_batch_but_is_in_the_suffix(disk: Disk) -> None:
    """A holder that has not seen the entry still tells the next owner that it is removed."""
    contents = whole(disk)
    contents.receive(1, [gone(b"x", 5)])
    assert disk.context.commits.idle and contents.suffix_pairs() == (gone(b"x", 5),)


def test_what_is_received_shadows_the_store_until_it_is_on_disk(disk: Disk) -> None:
    contents = whole(disk)
    contents.receive(1, [put(b"x", 1), put(b"x", 2), put(b"y", 3)])
    assert seen(contents) == {b"x": b"2", b"y": b"3"} and len(contents.unflushed) == 3
    contents.land(disk.context.commits.persisted)
    assert len(contents.unflushed) == 3, "nothing of it is on disk"
    disk.arrive()
    contents.land(disk.context.commits.persisted)
    assert not contents.unflushed and not contents.overlay, "nobody waits for a holder"
    assert seen(contents) == {b"x": b"2", b"y": b"3"}
    assert suffix(contents) == [b"x", b"x", b"y"], "on disk here is not on disk everywhere"


def test_what_lands_later_stays_in_the_shadow(disk: Disk) -> None:
    contents = whole(disk)
    contents.receive(1, [put(b"x", 1)])
    disk.context.flush_disk()
    contents.receive(2, [put(b"x", 2), put(b"y", 3)])
    contents.land(1)
    assert set(contents.overlay) == {key(b"x"), key(b"y")} and seen(contents) == {b"x": b"2", b"y": b"3"}


def test_nothing_outside_of_the_arc_is_received(disk: Disk) -> None:
    aliases = [b"k%d" % number for number in range(20)]
    upper = PendingWrites(disk.context, HALF, LAST)
    upper.receive(1, [put(alias, 1) for alias in aliases])
    assert set(seen(upper)) == {alias for alias in aliases if hash_of(alias) >= HALF} != set(aliases)
    assert len(upper.received) == len(upper.unflushed) == len(seen(upper))


# --- the suffix ----------------------------------------------------------------------------------------------------


def in_all_parts(disk: Disk) -> PendingWrites:
    """A write in each part of the suffix, made in this order."""
    contents = whole(disk)
    contents.owed.append(contents.apply(*put(OWED, 1), None))
    contents.receive(1, [put(INHERITED, 2)])
    contents.inherit_received()
    contents.receive(2, [put(RECEIVED, 3)])
    write(contents, put(QUEUED, 4))
    return contents


def test_the_suffix_has_its_parts_in_the_order_in_which_they_came(disk: Disk) -> None:
    contents = in_all_parts(disk)
    assert suffix(contents) == [OWED, INHERITED, RECEIVED, QUEUED]
    assert [pending.key for pending in contents.inherited] == [key(INHERITED)]
    assert [pending.key for _, pending in contents.received] == [key(RECEIVED)]
    contents.owed.append(contents.queue[0])
    assert suffix(contents) == [OWED, INHERITED, RECEIVED, QUEUED], "each write once"


def test_of_each_entry_the_suffix_hands_over_the_latest_write(disk: Disk) -> None:
    contents = whole(disk)
    contents.receive(1, [put(b"x", 1), put(b"y", 2)])
    contents.inherit_received()
    contents.receive(1, [gone(b"x", 3)])
    assert dict(contents.suffix_pairs()) == dict([gone(b"x", 3), put(b"y", 2)])


def test_the_suffix_shrinks_by_what_all_holders_have(disk: Disk) -> None:
    contents = whole(disk)
    for item, alias in enumerate((b"a", b"b", b"c"), 1):
        contents.receive(item, [put(alias, item), put(alias * 2, item)])
    contents.forget_settled_suffix(0)
    assert suffix(contents) == [b"a", b"aa", b"b", b"bb", b"c", b"cc"]
    contents.forget_settled_suffix(2)
    assert suffix(contents) == [b"c", b"cc"]
    contents.forget_settled_suffix(1)
    assert suffix(contents) == [b"c", b"cc"]
    contents.forget_settled_suffix(3)
    assert suffix(contents) == []


def test_what_is_settled_at_this_version_says_nothing_of_earlier_ones(disk: Disk) -> None:
    """Items are numbered anew with each stream."""
    contents = whole(disk)
    contents.receive(1, [put(b"x", 1)])
    contents.inherit_received()
    contents.receive(1, [put(b"y", 2)])
    contents.forget_settled_suffix(9)
    assert suffix(contents) == [b"x"]


def test_a_node_that_is_no_holder_owes_its_clients_but_has_received_nothing(disk: Disk) -> None:
    contents = in_all_parts(disk)
    contents.forget_received()
    assert suffix(contents) == [OWED, QUEUED]


def test_who_becomes_the_owner_has_the_whole_suffix_acknowledged(disk: Disk) -> None:
    """Also what is on its disk already: a reader must not see it before all others have it."""
    contents = in_all_parts(disk)
    disk.arrive()
    contents.land(disk.context.commits.persisted)
    assert set(contents.overlay) == {key(OWED), key(QUEUED)}
    contents.queue_suffix()
    assert [pending.key[9:] for pending in contents.queue] == [OWED, INHERITED, RECEIVED, QUEUED]
    assert set(contents.overlay) == {key(alias) for alias in (OWED, INHERITED, RECEIVED, QUEUED)}
    assert not (contents.owed or contents.inherited or contents.received or contents.unflushed)


def test_the_shadow_of_a_queued_suffix_is_the_latest_write(disk: Disk) -> None:
    contents = whole(disk)
    contents.receive(1, [put(b"x", 1), put(b"x", 2)])
    disk.arrive()
    contents.land(disk.context.commits.persisted)
    assert not contents.overlay
    contents.queue_suffix()
    assert contents.overlay[key(b"x")].value == put(b"x", 2)[1]


def test_what_was_pending_lands_in_the_order_of_its_batches(disk: Disk) -> None:
    contents = whole(disk)
    write(contents, put(b"x", 1))
    disk.context.flush_disk()
    contents.receive(1, [put(b"y", 2)])
    contents.land_queue()
    assert [pending.batch for pending in contents.unflushed] == [1, 2] and not contents.queue
    assert set(contents.overlay) == {key(b"x"), key(b"y")}, "still overlays the store"
    disk.arrive()
    contents.land(2)
    assert not contents.unflushed and not contents.overlay


@pytest.mark.parametrize("first_half", [True, False])
def test_each_part_of_a_divided_arc_takes_what_lies_in_it(disk: Disk, first_half: bool) -> None:
    aliases = [b"k%d" % number for number in range(12)]
    mine = {alias for alias in aliases if (hash_of(alias) < HALF) == first_half}
    assert mine and mine != set(aliases)
    before = whole(disk)
    for number, alias in enumerate(aliases, 1):
        before.receive(1, [put(alias + b"r", number)])
        write(before, put(alias, number, bytes(10)))
    before.inherit_received()
    for number, alias in enumerate(aliases, 1):
        before.owed.append(before.apply(*put(alias, 20 + number), before.current(key(alias))))
        before.receive(1, [put(alias + b"n", number)])
    part = PendingWrites(disk.context, 0, HALF - 1) if first_half else PendingWrites(disk.context, HALF, LAST)
    part.inherit(before)

    def inside(pendings: list[Pending]) -> set[bytes]:
        return {pending.key for pending in pendings if part.low <= pending.key < part.high}

    assert {pending.key for pending in part.queue} == {pending.key for pending in part.owed} == set(map(key, mine))
    everything = [*before.inherited, *(pending for _, pending in before.received)]
    assert {pending.key for pending in part.inherited} == inside(everything)
    assert {pending.key for pending in part.unflushed} == inside(list(before.unflushed))
    assert set(part.overlay) == inside(list(before.overlay.values()))
    assert not part.received, "numbers of another arc's stream mean nothing here"
    assert part.pending_bytes == sum(pending.held_bytes for pending in part.queue)
    assert {pending.key for pending in part.suffix()} == inside(before.suffix())


# --- what the owner says of the entries before -------------------------------------------------------------------

ONE_WRITE = st.tuples(
    st.sampled_from([b"x", b"y", b"z"]), st.sampled_from([b"", b"1", b"2", b"long"]), st.sampled_from([0, 0, 7])
)
"""Alias, content (none: it is removed), expiry."""


@given(st.lists(st.lists(ONE_WRITE, min_size=1, max_size=12), max_size=6), st.booleans())
def test_who_is_told_what_was_before_has_the_same_as_who_looks(
    batches: list[list[tuple[bytes, bytes, int]]], lands: bool
) -> None:
    owner, told, looks = Disk(), Disk(), Disk()
    arcs = {disk: whole(disk) for disk in (owner, told, looks)}
    number = 0
    for item, batch in enumerate(batches, 1):
        for alias, content, expiry in batch:
            number += 1
            value = value_of((1, number), expiry, content) if content else removal((1, number))
            write(arcs[owner], (key(alias), value)).number = number
        arcs[owner].sequence = number
        for writes, _, _ in arcs[owner].parts_since(number - len(batch)):
            arcs[told].follow(item, writes)
            arcs[looks].receive(item, writes.pairs)
        if lands:
            for disk in arcs:
                disk.arrive()
        assert {bytes(key[9:]) for key in arcs[told].unwritten()} <= {b"x", b"y", b"z"}
    pairs = [arcs[disk].suffix_pairs() for disk in (told, looks)]
    assert pairs[0] == pairs[1] and seen(arcs[told]) == seen(arcs[looks]) == seen(arcs[owner])
    for disk in arcs:
        disk.arrive()
    stores = [dict(disk.store.scan(b"", b"m")) | dict(disk.store.scan(b"n", b"\xff")) for disk in arcs]
    assert stores[0] == stores[1] == stores[2], "entries, the index, and the hints"
    assert len({(disk.context.slots.entries, disk.context.slots.bytes) for disk in arcs}) == 1


def test_what_arrived_is_forgotten_once_all_have_it_and_it_is_on_disk(disk: Disk) -> None:
    contents = whole(disk)
    for item, alias in enumerate((b"x", b"y"), 1):
        contents.follow(item, Writes((put(alias, item),), ((0, 0, 0),)))
    contents.forget_settled_suffix(1)
    assert suffix(contents) == [b"x", b"y"], "where it is not on disk, nobody may read the store in its place"
    contents.forget_settled_suffix(1)
    assert suffix(contents) == [b"y"]


def test_what_arrived_is_seen_by_whoever_looks_next(disk: Disk) -> None:
    contents = whole(disk)
    contents.follow(1, Writes((put(b"x", 1),), ((0, 0, 0),)))
    contents.receive(2, (put(b"x", 2),))
    assert disk.context.slots.entries == 1 and suffix(contents) == [b"x", b"x"]
    assert content_in(contents.stored(key(b"x")) or b"") == b"2"


def test_what_lies_outside_of_the_arc_is_not_taken(disk: Disk) -> None:
    contents = PendingWrites(disk.context, 0, hash_of(b"x"))
    outside = next(alias for alias in (b"a", b"b", b"c", b"d", b"e") if hash_of(alias) > hash_of(b"x"))
    contents.follow(1, Writes((put(outside, 1), put(b"x", 2)), ((0, 0, 0), (1, 0, 0), (5, 0, 0))))
    assert suffix(contents) == [b"x"]
