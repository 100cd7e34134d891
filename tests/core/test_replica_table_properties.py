"""Arcs that are divided, united and handed over while writes are pending; scans of anything; many copies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.harness import HIVE, Hive, hive_of, identity, word_of
from tests.replica_parts import END, A, B, Bench, C, Side, view_of
from wrpme.core.layout import ENTRIES, hash_in, key_of, operations_for, value_of
from wrpme.core.replication.sender import Phase
from wrpme.core.limits import COPIES_IN_MAX, COPIES_OUT_MAX, COPY_SILENCE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol import ring
from wrpme.protocol.messages import (
    Aliases, Compare, Content, Done, EntryRequest, Get, PrefixScan, Put, Stream, StreamAck, Update,
)  # fmt: skip
from wrpme.protocol.view import Arc, NodeId, View

ALONE = Arc(END, 1, (A,))
ALIASES = [b"k%d" % number for number in range(40)]


def split(version: int, *owners: NodeId, incoming: tuple[NodeId, ...] = (), prev: tuple[NodeId, ...] = ()) -> View:
    """As many arcs of one length as owners; ``prev`` of those that A does not own."""
    size = ring.RING // len(owners)
    arcs = tuple(
        Arc(size * (at + 1) - 1, version, (node,), incoming, () if node == A else prev)
        for at, node in enumerate(owners)
    )
    return View(version, b"h" * 16, 1, 1, view_of(ALONE).members, arcs, (A,))


def ask(side: Side, request: EntryRequest) -> int:
    """A request on whichever arc it belongs to."""
    side.context.now = side.bench.now
    side.bench.sessions += 1
    position = ring.hash_of(request.alias)
    replica = side.table.at(position)
    assert replica is not None
    replica.execute(side.bench.sessions, request, key_of(position, request.alias))
    side.collect()
    return side.bench.sessions


def alone(*aliases: bytes) -> Side:
    """One node that owns the ring, with these entries."""
    side = Bench(ALONE, (A,))[A]
    for alias in aliases:
        ask(side, Put(1, alias, alias))
    side.bench.settle()
    return side


def upper_half(names: list[bytes]) -> set[bytes]:
    return {alias for alias in names if ring.hash_of(alias) >= ring.RING // 2}


# --- arcs --------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=5), st.integers(0, 6))
def test_pending_writes_follow_their_arc_through_division_and_union(parts: list[int], disk_at: int) -> None:
    """Every write is answered once and is on disk then; the counts agree with the store."""
    side = alone()
    sessions = {alias: ask(side, Put(1, alias, alias)) for alias in ALIASES[:20]}
    for epoch, count in enumerate(parts, 2):
        side.adopt(split(epoch, *[A] * count))
        sessions[ALIASES[18 + epoch]] = ask(side, Update(1, ALIASES[18 + epoch], b"later"))
        sessions[b"k3"] = ask(side, Update(1, b"k3", b"%d" % epoch))
        if epoch == disk_at:
            side.persist()
    side.bench.settle()
    assert all(side.replies[session] == Done(1) for session in sessions.values())
    stored = side.stored()
    assert set(stored) == set(sessions)
    assert stored[b"k3"][1] == b"%d" % (len(parts) + 1), "the last one wins"
    assert sum(replica.counts()[0] for replica in side.table.mine) == len(stored)
    left = [replica.writes for replica in side.table.mine]
    assert not any(writes.suffix() or writes.overlay or writes.queue or writes.unflushed for writes in left)


def test_a_part_that_goes_elsewhere_takes_its_pending_writes_along() -> None:
    made = Bench(ALONE, (A, B))
    side = made[A]
    sessions = {alias: ask(side, Put(1, alias, alias)) for alias in ALIASES}
    made.adopt(split(2, B, A, prev=(A,)))
    side.persist()
    side.persist()
    lower = set(ALIASES) - upper_half(ALIASES)
    assert {alias for alias in ALIASES if sessions[alias] not in side.replies} == lower
    made.settle()
    assert all(side.replies[session] == Done(1) for session in sessions.values())
    assert set(made[B].stored()) == lower


# --- scans -------------------------------------------------------------------------------------------------------

ANY = st.binary(min_size=1, max_size=3) | st.lists(
    st.sampled_from((b"a", b"b", b"\0", b"\xff", b"\xc3", "\u00e9".encode(), "\uffff".encode())), min_size=1, max_size=4
).map(b"".join)
"""Any bytes, and those of characters, whole and halved, that have beginnings in common."""


@given(st.sets(ANY, max_size=15), st.sets(ANY, max_size=5), st.just(b"") | ANY, st.integers(1, 4))
def test_any_aliases_come_once_and_in_the_order_of_their_bytes(
    stored: set[bytes], unwritten: set[bytes], prefix: bytes, most: int
) -> None:
    side = alone(*sorted(stored))
    for alias in sorted(unwritten):
        ask(side, Update(1, alias, b""))
    pages: list[Aliases] = []
    while not pages or pages[-1].more:
        side.bench.sessions += 1
        session = side.bench.sessions
        after = pages[-1].last if pages else b""
        side.scans.prefix_scan(session, PrefixScan(3, A, 1, prefix, after, most))
        side.collect()
        if session not in side.replies:
            side.bench.settle()
        page = side.replies[session]
        assert isinstance(page, Aliases) and len(page.aliases) <= most
        pages.append(page)
    wanted = [alias for alias in stored | unwritten if alias.startswith(prefix)]
    assert [alias for page in pages for alias in page.aliases] == sorted(wanted)


# --- copies ------------------------------------------------------------------------------------------------------


def test_an_owner_sends_two_copies_at_a_time() -> None:
    made = Bench(ALONE, (A, B), split(1, A, A, A, A, incoming=(B,)))
    made[A].tick()
    copies = made[A].table.copies()
    assert len(copies) == 4
    assert sum(copy.phase is Phase.RUNNING for copy in copies) == COPIES_OUT_MAX
    made.settle()
    made.quiet(A, 20)
    assert all(copy.counts for copy in copies), "the others follow by themselves"


def test_a_node_receives_two_copies_at_a_time() -> None:
    view = split(1, A, C, A, A, incoming=(B,))
    made = Bench(ALONE, (B,), view)
    probe = (Compare(b"e", b"e", b""),)
    for arc in view.arcs:
        made[B].hear(arc.holders[0], Stream(arc.end, 1, 1, 1, probe))
        made[B].persist()
    ends = [arc.end for arc in view.arcs]
    taken = [body.end for _, _, body in made.wire if isinstance(body, StreamAck) and body.upto == 1]
    assert taken == ends[:COPIES_IN_MAX]
    made.wire.clear()
    made.now += COPY_SILENCE_SECONDS
    made[B].hear(A, Stream(ends[2], 1, 2, 1, probe))
    made[B].persist()
    assert [body.upto for _, _, body in made.wire if isinstance(body, StreamAck)] == [1], "who is silent has no place"


# --- whole nodes -------------------------------------------------------------------------------------------------


def test_nobody_keeps_what_it_has_no_part_in() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    for alias in ALIASES:
        hive.ask("a", Put(1, alias, alias))
    hive.start("b", "a")
    hive.start("c", "a")
    hive.stable("a", "b", "c")
    hive.go(2.0)
    kept = 0
    for name in "abc":
        view = hive.view(name)
        for key, _ in hive.stores[name].scan(*ENTRIES):
            assert view_index.owner(view, view.arcs[ring.arc_at(view, hash_in(key))]) == identity(name)
            kept += 1
    assert kept == len(ALIASES)


def test_what_a_node_that_joins_has_of_old_comes_to_nothing() -> None:
    """Entries with the highest of versions, but nobody's: the copies delete them, the wiping does the rest."""
    hive = hive_of("a")
    hive.start("b", "nowhere")
    hive.kill("b")
    for alias in ALIASES:
        ghost = value_of((999, 9), 0, b"ghost")
        hive.stores["b"].write(operations_for(key_of(ring.hash_of(alias), alias), ghost), True)
    hive.ask("a", Put(1, b"k1", b"1"))
    hive.start("b", "a")
    hive.stable("a", "b")
    hive.go(1.0)
    for name in "ab":
        assert hive.ask(name, Get(1, b"k1")) == Content(1, b"1")
        assert {word_of(hive.ask(name, Get(1, alias))) for alias in ALIASES[2:]} == {"not_found"}
    assert [key[9:] for name in "ab" for key, _ in hive.stores[name].scan(*ENTRIES)] == [b"k1"]
