"""One arc on its nodes: pending writes, takeover with suffixes, handing over, refusing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.harness import word_of
from tests.replica_parts import END, WALL_MILLISECONDS, A, B, Bench, C, Side, view_of
from wrpme.core.layout import HEADER_BYTES, Stored, key_of, operations_for, removal, value_of
from wrpme.core.replication import replica as replicas
from wrpme.core.replication.replica import Role
from wrpme.core.limits import PROMISE_SECONDS
from wrpme.daemon.storage.store import MemoryStore
from wrpme.limits import LARGE_BYTES, LEASE_SECONDS
from wrpme.protocol.messages import Cas, Committed, Content, Done, Get, GetSuffix, Pair, Put, Remove, Suffix, Update
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Activated, Arc, NodeId, View


class Far(MemoryStore):
    """A store that has large contents beside it; nobody here may read one as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def get(self, key: bytes) -> bytes | None:
        value = super().get(key)
        assert value is None or len(value) < LARGE_BYTES, "who needs no content reads none"
        return value

    def stored(self, key: bytes) -> bytes | None:
        value = super().get(key)
        if value is None or len(value) < LARGE_BYTES:
            return value

        def parts() -> Iterator[bytes]:
            self.read += 1
            yield value[HEADER_BYTES:]

        return Stored(value[:HEADER_BYTES], len(value), parts)


ALONE = Arc(END, 1, (A,))
COPIED = Arc(END, 1, (A,), (B,))


def pair(alias: bytes, value: bytes) -> Pair:
    return key_of(hash_of(alias), alias), value


def counted() -> Bench:
    """A owns, and B's copy counts."""
    made = Bench(COPIED)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    return made


def sent(made: Bench, kind: type) -> list[tuple[NodeId, NodeId]]:
    return [(source, target) for source, target, body in made.wire if isinstance(body, kind)]


# --- writing and reading -----------------------------------------------------------------------------------------


def test_a_write_is_answered_once_it_is_on_disk() -> None:
    made = Bench(ALONE)
    session = made[A].ask(Put(5, b"x", b"1"))
    assert session not in made[A].replies
    made[A].persist()
    assert made[A].replies[session] == Done(5)
    assert made[A].stored() == {b"x": ((1, 1), b"1")}


def test_versions_are_the_version_of_the_arc_and_a_number() -> None:
    made = Bench(replace(ALONE, version=1))
    for alias in (b"x", b"y", b"x"):
        made[A].ask(Update(5, alias, alias))
    made.settle()
    assert {alias: version for alias, (version, _) in made[A].stored().items()} == {b"x": (1, 3), b"y": (1, 2)}


def test_whoever_reads_an_unacknowledged_write_waits_for_it() -> None:
    made = counted()
    made[A].ask(Put(1, b"x", b"1"))
    made[A].persist()
    waiting = [
        made[A].ask(Get(2, b"x")), made[A].ask(Put(3, b"x", b"")), made[A].ask(Cas(4, b"x", b"", b"wrong")),
    ]  # fmt: skip
    other = made[A].ask(Get(5, b"y"))
    assert word_of(made[A].replies[other]) == "not_found"
    assert not any(session in made[A].replies for session in waiting), "B does not have it yet"
    made.settle()
    made.lease(A, B)
    assert made[A].replies[waiting[0]] == Content(2, b"1")
    assert [word_of(made[A].replies[session]) for session in waiting[1:]] == ["already_exists", "mismatch"]


def test_not_found_after_a_removal_waits_too() -> None:
    made = Bench(ALONE)
    made[A].ask(Put(1, b"x", b"1"))
    made.settle()
    made[A].ask(Remove(2, b"x"))
    session = made[A].ask(Get(3, b"x"))
    assert session not in made[A].replies
    made.settle()
    assert word_of(made[A].replies[session]) == "not_found"


def test_operations_on_one_entry_follow_each_other() -> None:
    made = Bench(ALONE)
    sessions = [
        made[A].ask(request)
        for request in (Put(1, b"x", b"1"), Cas(2, b"x", b"2", b"1"), Cas(3, b"x", b"3", b"1"), Remove(4, b"x"),
                        Put(5, b"x", b"5"), Get(6, b"x"))
    ]  # fmt: skip
    made.settle()
    replies = [made[A].replies[session] for session in sessions]
    assert [word_of(reply) for reply in replies] == ["", "", "mismatch", "", "", ""]
    assert replies[1] == Content(2, b"1") and replies[5] == Content(6, b"5")
    assert made[A].replica.counts() == (1, 2)


def test_an_expired_entry_is_none() -> None:
    made = Bench(ALONE)
    made[A].ask(Put(1, b"x", b"1", int(made.now * 1000 + WALL_MILLISECONDS) + 2000))
    made.settle()
    made.now += 1.9
    assert made[A].replies[made[A].ask(Get(2, b"x"))] == Content(2, b"1")
    made.now += 0.2
    session, put = made[A].ask(Get(3, b"x")), made[A].ask(Put(4, b"x", b"2"))
    made.settle()
    assert word_of(made[A].replies[session]) == "not_found"
    assert made[A].replies[put] == Done(4)
    assert made[A].stored()[b"x"][1] == b"2" and made[A].replica.counts() == (1, 2)


def test_pending_writes_have_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "PENDING_WRITES_MAX", 3)
    made = Bench(ALONE)
    for number in range(3):
        made[A].ask(Put(1, b"k%d" % number, b""))
    refused = made[A].ask(Put(1, b"k3", b""))
    assert word_of(made[A].replies[refused]) == "busy" and "nothing was changed" in made[A].fails(refused)
    read = made[A].ask(Get(1, b"k3"))
    assert word_of(made[A].replies[read]) == "not_found", "reads go on"
    made.settle()
    taken = made[A].ask(Put(1, b"k3", b""))
    made.settle()
    assert made[A].replies[taken] == Done(1)


def test_pending_bytes_have_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "PENDING_BYTES_MAX", 1000)
    made = Bench(ALONE)
    made[A].ask(Put(1, b"k0", bytes(2000)))
    refused = made[A].ask(Put(1, b"k1", b""))
    assert word_of(made[A].replies[refused]) == "busy"
    made.settle()
    assert made[A].replica.writes.pending_bytes == 0
    made[A].ask(Put(1, b"k1", b""))
    made.settle()
    assert b"k1" in made[A].stored()


# --- the lease ---------------------------------------------------------------------------------------------------


def test_without_a_lease_nothing_is_served() -> None:
    made = counted()
    made[A].ask(Put(1, b"x", b"1"))
    made.settle()
    made.now += LEASE_SECONDS - 0.01
    assert made[A].replies[made[A].ask(Get(2, b"x"))] == Content(2, b"1")
    made.now += 0.01
    for request in (Get(2, b"x"), Put(3, b"y", b""), Put(4, b"x", b"")):
        session = made[A].ask(request)
        assert word_of(made[A].replies[session]) == "unstable"
        assert "lost sight of b" in made[A].fails(session)
    made.lease(A, B)
    assert made[A].replies[made[A].ask(Get(5, b"x"))] == Content(5, b"1")


def test_a_node_that_only_receives_has_no_say() -> None:
    made = Bench(COPIED)
    session = made[A].ask(Put(1, b"x", b"1"))
    made[A].persist()
    assert made[A].replies[session] == Done(1), "it does not count yet"


# --- a new owner -------------------------------------------------------------------------------------------------

MOVED = Arc(END, 2, (B,), (), (A,))


def test_the_next_owner_waits_for_the_former() -> None:
    made = counted()
    made[B].adopt(view_of(MOVED, 2))
    session = made[B].ask(Get(1, b"x"))
    assert word_of(made[B].replies[session]) == "unstable" and "waits for a before it serves" in made[B].fails(session)
    assert sent(made, GetSuffix) == [(B, A)]
    made[A].adopt(view_of(MOVED, 2))
    made.settle()
    assert made[B].replica.serving and not made[A].replica.serving
    assert made[B].context.outbox.reports == [Activated(END, 2, B, 1)]


def test_a_planned_change_fails_no_request() -> None:
    """The writes that the former owner has pending are committed by the next one."""
    made = counted()
    write, read = made[A].ask(Put(7, b"x", b"1")), made[A].ask(Get(8, b"x"))
    made.wire.clear()  # the write never reaches B on the stream
    made.adopt(view_of(MOVED, 2), A, B)
    assert write not in made[A].replies
    assert word_of(made[A].replies[read]) == "unstable", "a read asks the next owner"
    made.settle()
    assert made[A].replies[write] == Done(7)
    assert made[B].stored()[b"x"][1] == b"1"
    after = made[B].ask(Get(9, b"x"))
    assert made[B].replies[after] == Content(9, b"1")


def test_a_pending_write_is_not_answered_before_the_next_owner_has_it_on_disk() -> None:
    made = counted()
    write = made[A].ask(Put(7, b"x", b"1"))
    made.wire.clear()
    made.adopt(view_of(MOVED, 2), A, B)
    made[A].persist()
    while made.wire:
        made.deliver()
    assert write not in made[A].replies and not sent(made, Committed)
    made[B].drain()
    assert sent(made, Committed) == [(B, A)]
    made.settle()
    assert made[A].replies[write] == Done(7)


def test_a_cut_off_owner_does_not_know_how_its_writes_ended() -> None:
    made = counted()
    write = made[A].ask(Put(7, b"x", b"1"))
    without = view_of(Arc(END, 2, (B,), (), (A,)), 2, down=(A,))
    made[A].adopt(without)
    made[A].adopt(view_of(Arc(END, 3, (B,)), 3, down=(A,)))
    made[A].persist()
    assert word_of(made[A].replies[write]) == "indeterminate"


def test_the_next_owner_outwaits_the_dead() -> None:
    made = counted()
    made[B].context.heartbeats.promise(A, made.now)
    dead = view_of(MOVED, 2, down=(A,))
    made[B].adopt(dead)
    made.now += PROMISE_SECONDS - 0.01
    made[B].tick()
    assert not made[B].replica.serving
    made.now += 0.02
    made[B].tick()
    assert made[B].replica.serving


@pytest.mark.parametrize("kind", ["stranger", "version", "twice"])
def test_suffix_that_count_for_nothing(kind: str) -> None:
    made = counted()
    made[B].adopt(view_of(MOVED, 2))
    lie = (pair(b"lie", value_of((9, 9), 0, b"")),)
    if kind == "stranger":
        made[B].hear(C, Suffix(END, 2, lie))
    elif kind == "version":
        made[B].hear(A, Suffix(END, 1, lie))
    else:
        made[B].hear(A, Suffix(END, 2, ()))
        made[B].hear(A, Suffix(END, 2, lie))
    assert made[B].replica.serving == (kind == "twice")
    made[B].persist()
    assert b"lie" not in made[B].stored()


@pytest.mark.parametrize("restarts", [False, True])
def test_what_an_activation_settled_no_later_suffix_brings_back(restarts: bool) -> None:
    """The former owner did not hear that its write was committed, and hands it over again at the next version."""
    made = counted()
    write = made[A].ask(Put(7, b"x", b"1"))
    made.wire.clear()
    made.adopt(view_of(MOVED, 2), A, B)
    while not made[B].replica.serving:
        made.deliver()
    made[B].drain()
    assert sent(made, Committed) == [(B, A)]
    made.wire.clear()
    removal_ = made[B].ask(Remove(8, b"x"))
    made[B].drain()
    assert made[B].replies[removal_] == Done(8)
    if restarts:
        made.restart(B, view_of(replace(MOVED, version=3), 3))
    made.adopt(view_of(replace(MOVED, version=3), 3), A, B)
    made.now += PROMISE_SECONDS
    assert any(isinstance(body, Suffix) and body.pairs for _, _, body in made.wire)
    made.settle()
    assert made[B].replica.serving and made[B].stored() == {}
    assert made[A].replies[write] == Done(7)


def test_what_a_copy_brought_no_suffix_of_an_earlier_owner_undoes() -> None:
    """C, then A, then B own the arc; C still hands over what A had committed and a client removed since."""
    arc = Arc(END, 5, (A,), (B,), (C,))
    made = Bench(arc, (A, B), view_of(arc, 5))
    made[A].hear(C, Suffix(END, 5, (pair(b"x", value_of((1, 1), 0, b"1")),)))
    made.settle()
    removal_ = made[A].ask(Remove(8, b"x"))
    made[A].drain()
    assert made[A].replies[removal_] == Done(8)
    made.quiet(A, 5)
    assert made[A].replica.copies[B].counts
    made.adopt(view_of(Arc(END, 6, (B,), (), (C, A)), 6), A, B)
    made[B].hear(C, Suffix(END, 6, (pair(b"x", value_of((1, 1), 0, b"1")),)))
    made.settle()
    assert made[B].replica.serving and made[B].stored() == {}


@pytest.mark.parametrize(("source", "version"), [(C, 2), (B, 1), (B, 3)])
def test_only_the_owner_says_that_something_is_committed(source: NodeId, version: int) -> None:
    made = counted()
    write = made[A].ask(Put(7, b"x", b"1"))
    made.adopt(view_of(MOVED, 2), A, B)
    made[A].persist()
    made[A].hear(source, Committed(END, version))
    assert write not in made[A].replies


def test_who_has_not_adopted_the_version_hands_nothing_over() -> None:
    made = counted()
    made[A].hear(B, GetSuffix(END, 2))
    assert not sent(made, Suffix)


def test_pending_writes_of_an_owner_that_stays_go_on_at_the_new_version() -> None:
    made = Bench(ALONE)
    write, read = made[A].ask(Put(7, b"x", b"1")), made[A].ask(Get(8, b"x"))
    made[A].adopt(view_of(replace(ALONE, version=2, incoming=(B,)), 2))
    made[A].persist()
    assert made[A].replies[write] == Done(7)
    assert word_of(made[A].replies[read]) in ("", "unstable")
    made.settle()
    assert made[A].stored()[b"x"] == ((1, 1), b"1")


def test_a_view_that_does_not_touch_the_arc_changes_nothing() -> None:
    made = counted()
    copy = made[A].replica.copies[B]
    made[A].ask(Put(1, b"x", b"1"))
    made.adopt(view_of(COPIED, 2), A, B)
    assert made[A].replica.copies[B] is copy and copy.counts, "once counted, a node counts until the version changes"
    made.settle()
    assert made[B].stored()[b"x"][1] == b"1"


def test_a_new_version_starts_the_copies_anew() -> None:
    made = counted()
    made.adopt(view_of(replace(COPIED, version=2), 2), A, B)
    assert not made[A].replica.copies[B].counts
    made.quiet(A, 5)
    assert made[A].replica.copies[B].counts


# --- suffixes -------------------------------------------------------------------------------------------------------

THREE = Arc(END, 2, (B, A, C))


def owner_with_suffixes(held: dict[bytes, bytes], *suffixes: tuple[NodeId, tuple[Pair, ...]]) -> Bench:
    """B becomes the owner of an arc that A and C hold as well."""
    made = Bench(THREE, (B,), view_of(replace(THREE, version=1), 1))
    for alias, value in held.items():
        made[B].store.write(operations_for(*pair(alias, value)), True)
    made[B].adopt(view_of(THREE, 2))
    for source, pairs in suffixes:
        made[B].hear(source, Suffix(END, 2, pairs))
    made[B].drain()
    return made


def test_of_each_entry_the_highest_version_wins() -> None:
    made = owner_with_suffixes(
        {alias: value_of((1, 5), 0, b"mine") for alias in (b"x", b"y", b"z")},
        (A, (pair(b"x", value_of((1, 6), 0, b"later")), pair(b"y", value_of((1, 4), 0, b"earlier")))),
        (C, (pair(b"x", value_of((1, 7), 0, b"latest")), pair(b"z", removal((1, 6))), pair(b"n", removal((1, 9))))),
    )
    assert made[B].replica.serving
    assert {alias: content for alias, (_, content) in made[B].stored().items()} == {b"x": b"latest", b"y": b"mine"}


def test_every_holder_has_to_tell() -> None:
    assert not owner_with_suffixes({}, (A, ()))[B].replica.serving
    assert owner_with_suffixes({}, (A, ()), (C, ()))[B].replica.serving


VALUES = st.tuples(st.integers(1, 9), st.booleans())


@given(st.lists(st.tuples(st.sampled_from((A, C)), st.sampled_from((b"x", b"y", b"z")), VALUES), max_size=12))
def test_any_order_of_suffix_ends_the_same(writes: list[tuple[NodeId, bytes, tuple[int, bool]]]) -> None:
    held = {b"x": value_of((1, 3), 0, b"3")}
    suffixes: dict[NodeId, dict[bytes, Pair]] = {A: {}, C: {}}
    best = {b"x": (3, False)}
    for node, alias, (number, removed) in writes:
        removed = number % 2 == 0  # a version is one write, the same in every suffix
        value = removal((1, number)) if removed else value_of((1, number), 0, b"%d" % number)
        suffixes[node][alias] = pair(alias, value)
    for node in (A, C):
        for alias, (_, value) in suffixes[node].items():
            number = int.from_bytes(value[8:16], "big")
            best[alias] = max(best.get(alias, (0, False)), (number, number % 2 == 0))
    expected = {alias: b"%d" % number for alias, (number, removed) in best.items() if not removed}
    for order in ((A, C), (C, A)):
        made = owner_with_suffixes(held, *((node, tuple(suffixes[node].values())) for node in order))
        assert made[B].replica.serving
        assert {alias: content for alias, (_, content) in made[B].stored().items()} == expected


# --- roles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "node", "role"),
    [
        (view_of(Arc(END, 1, (A, B), (C,))), A, Role.OWNER),
        (view_of(Arc(END, 1, (A, B), (C,))), B, Role.HOLDER),
        (view_of(Arc(END, 1, (A, B), (C,))), C, Role.INCOMING),
        (view_of(Arc(END, 1, (A,), (), (B,))), B, Role.FORMER),
        (view_of(Arc(END, 1, (A,)), down=(A,)), A, Role.ASLEEP),
    ],
)
def test_roles(view: View, node: NodeId, role: Role) -> None:
    made = Bench(view.arcs[0], (node,), view)
    assert made.role(node) is role
    assert made[node].replica.serving == (role is Role.OWNER and view.arcs[0].holders == (node,))
    if role is not Role.OWNER:
        session = made[node].ask(Get(1, b"x"))
        assert word_of(made[node].replies[session]) == "unstable"


def test_a_large_entry_is_written_again_and_removed_without_being_read() -> None:
    view = view_of(COPIED)
    made = Bench(COPIED)
    stores = {node: Far() for node in (A, B)}
    for node, store in stores.items():
        made.sides[node] = Side(made, node, view, store)
        made[node].context.known_epochs = dict.fromkeys((A, B, C), 1)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    content = bytes(2 * LARGE_BYTES)
    for request in (Put(1, b"k", content), Update(2, b"k", content + b"1"), Update(3, b"k", content)):
        session = made[A].ask(request)
        made.settle()
        assert type(made[A].replies[session]) is Done
    assert made[A].context.slots.between(0, END)[1] >= len(content)
    session = made[A].ask(Get(4, b"k"))
    reply = made[A].replies[session]
    assert isinstance(reply, Content) and len(reply.content) == len(content)
    assert [store.read for store in stores.values()] == [0, 0], "nor before the answer leaves"
    assert bytes(reply.content) == content
    session = made[A].ask(Remove(5, b"k"))
    made.settle()
    assert made[A].replies[session] == Done(5)
    assert [store.read for store in stores.values()] == [1, 0]
