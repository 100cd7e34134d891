"""Transactions on entries of one position: all or nothing, at one moment, through every change of owner."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.harness import word_of
from tests.replica_parts import (
    END, WALL_MILLISECONDS, A, B, Bench, C, Side, deliver_to, held, suffix_of, view_of, waiting,
)  # fmt: skip
from wrpme.core.layout import key_of, value_of, version_bytes
from wrpme.core import transaction
from wrpme.core.replication import pending, replica, sender, stream
from wrpme.core.replication.replica import Role
from wrpme.protocol.messages import (
    NO_VERSION, Add, Append, Content, Counts, Done, EntryRequest, Exists, Failed, Get, IfContent, IfVersion, Number,
    Put, Remove, Results, Stream, Suffix, Transaction, Update, Writes,
)  # fmt: skip
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Arc

ALONE = Arc(END, 1, (A,))
BY_B = Arc(END, 2, (B, C), prev=(A,), wanted=(B, C, A))
"""What the arc of three becomes when A is taken for dead."""
PAIR = (Update(0, b"{t}a", b"1"), Update(0, b"{t}b", b"1"))


def key(alias: bytes) -> bytes:
    return key_of(hash_of(b"t"), alias)


def transact(side: Side, *requests: EntryRequest) -> int:
    side.context.now = side.bench.now
    side.bench.sessions += 1
    keys = [key(request.alias) for request in requests]
    side.replica.transact(side.bench.sessions, Transaction(9, requests), keys)
    side.collect()
    return side.bench.sessions


def get(side: Side, alias: bytes) -> int:
    side.context.now = side.bench.now
    side.bench.sessions += 1
    side.replica.execute(side.bench.sessions, Get(5, alias), key(alias))
    side.collect()
    return side.bench.sessions


def contents(side: Side) -> dict[bytes, bytes]:
    return {alias: content for alias, (_, content) in side.stored().items()}


# --- what it does ------------------------------------------------------------------------------------------------


def test_each_operation_sees_what_those_before_it_do() -> None:
    made = Bench(ALONE)
    session = transact(
        made[A], IfVersion(0, b"{t}n", NO_VERSION), Add(0, b"{t}n", 5), Add(0, b"{t}n", 2), Get(0, b"{t}n"),
        Put(0, b"{t}x", b"x", versioned=True), Exists(0, b"{t}x"), IfContent(0, b"{t}x", b"x"), Remove(0, b"{t}x"),
        Exists(0, b"{t}x"),
    )  # fmt: skip
    assert session not in made[A].replies
    made[A].persist()
    third = version_bytes((1, 3))
    assert made[A].replies[session] == Results(
        9,
        (
            Done(0), Number(0, 5), Number(0, 7), Content(0, b"7"), Done(0, third), Number(0, 1), Done(0), Done(0),
            Number(0, 0),
        ),
    )  # fmt: skip
    assert made[A].stored() == {b"{t}n": ((1, 2), b"7")}


def test_one_that_fails_changes_nothing_and_says_which() -> None:
    made = Bench(ALONE)
    session = transact(made[A], Put(0, b"{t}a", b""), Remove(0, b"{t}b"), Put(0, b"{t}c", b""))
    reply = made[A].replies[session]
    assert isinstance(reply, Failed) and reply.operation == 1 and reply.id == 9
    assert reply.sentence == 'operation 2 of 3: there is no entry "{t}b"; nothing was changed'
    made.settle()
    assert not made[A].stored() and made[A].replica.writes.sequence == 0


def test_what_failed_because_of_a_pending_write_waits_for_it() -> None:
    made = held()
    first = transact(made[A], *PAIR)
    failed = transact(made[A], Put(0, b"{t}b", b""))
    read = transact(made[A], Get(0, b"{t}a"), Get(0, b"{t}b"))
    assert not {first, failed, read} & set(made[A].replies)
    made.settle()
    assert word_of(made[A].replies[failed]) == "already_exists"
    assert made[A].replies[read] == Results(9, (Content(0, b"1"), Content(0, b"1")))


def test_an_expired_entry_is_gone_for_a_transaction_whether_it_fails_or_not() -> None:
    made = Bench(ALONE)
    for alias in (b"{t}a", b"{t}b"):
        transact(made[A], Put(0, alias, b"old", ttl=1000))
    made.settle()
    made.now += 2.0
    failed = transact(made[A], Put(0, b"{t}c", b""), Get(0, b"{t}a"))
    made.settle()
    assert word_of(made[A].replies[failed]) == "not_found" and set(made[A].stored()) == {b"{t}b"}
    done = transact(made[A], Put(0, b"{t}b", b"new", expiry=int(WALL_MILLISECONDS) + 10_000_000))
    made.settle()
    assert made[A].replies[done] == Results(9, (Done(0),))
    assert made[A].replica.counts()[0] == 1 and contents(made[A]) == {b"{t}b": b"new"}


def test_what_it_writes_and_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "TRANSACTION_BYTES_MAX", 500)
    made = Bench(ALONE)
    transact(made[A], Put(0, b"{t}a", bytes(300)))
    made.settle()
    for more in ((Append(0, b"{t}a", bytes(90)),) * 2, (Get(0, b"{t}a"),) * 2):
        reply = made[A].replies[transact(made[A], *more)]
        assert isinstance(reply, Failed) and word_of(reply) == "too_large" and reply.operation == 1
    made.settle()
    assert contents(made[A]) == {b"{t}a": bytes(300)}


def test_a_full_arc_refuses_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "PENDING_WRITES_MAX", 2)
    made = Bench(ALONE)
    done, refused = transact(made[A], *PAIR), transact(made[A], *PAIR)
    assert word_of(made[A].replies[refused]) == "busy" and done not in made[A].replies


# --- never divided -----------------------------------------------------------------------------------------------


def small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write fills an item of a stream, a message of it, and a part of a suffix."""
    for module in (sender, stream, pending):
        monkeypatch.setattr(module, "STREAM_BYTES_USUAL", 1)


def test_its_writes_are_one_item_whatever_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    small_items(monkeypatch)
    made = held()
    transact(made[A], *PAIR)
    made[A].replica.execute(99, Update(1, b"{t}c", b""), key(b"{t}c"))
    made[A].collect()
    made.deliver()  # so that the next ones leave, too
    items = [item for _, node, body in made.wire if node == B and isinstance(body, Stream) for item in body.items]
    made.settle()
    assert all(len(item.pairs) != 1 or item.pairs[0][0] == key(b"{t}c") for item in items if isinstance(item, Writes))
    assert contents(made[B]) == {b"{t}a": b"1", b"{t}b": b"1", b"{t}c": b""}


def test_it_is_acknowledged_with_its_last_write_and_seen_by_nobody_before() -> None:
    made = held()
    session = transact(made[A], *PAIR)
    readers = [get(made[A], b"{t}a"), get(made[A], b"{t}b")]
    made[A].drain()
    deliver_to(made, B)
    made[B].drain()
    deliver_to(made, A)
    assert not {session, *readers} & set(made[A].replies), "C has not got it"
    made.settle()
    assert isinstance(made[A].replies[session], Results)
    assert [made[A].replies[reader] for reader in readers] == [Content(5, b"1")] * 2


def test_a_holder_that_took_it_hands_over_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    small_items(monkeypatch)
    made = held()
    transact(made[A], *PAIR)
    deliver_to(made, C)
    made[C].drain()
    made.wire.clear()
    made.now += 10.0
    made.adopt(view_of(BY_B, 2, down=(A,)), B, C)
    made.settle()
    made.lease(B, C)
    made.quiet(B, 10)
    assert contents(made[B]) == contents(made[C]) == {b"{t}a": b"1", b"{t}b": b"1"}


def test_who_dies_after_half_of_its_suffix_has_handed_over_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    small_items(monkeypatch)
    made = held()
    transact(made[A], *PAIR)
    deliver_to(made, C)
    made[C].drain()
    made.wire.clear()
    made.now += 10.0
    made.adopt(view_of(BY_B, 2, down=(A,)), B, C)
    while not any(isinstance(body, Suffix) and body.more for _, _, body in made.wire):
        made.deliver()
    deliver_to(made, B)
    assert not made[B].replica.serving
    made.wire.clear()
    made.adopt(view_of(replace(BY_B, version=3, holders=(B,), prev=(A, C)), 3, down=(A, C)), B)
    made.now += 10.0
    made[B].tick()
    made.settle()
    assert made[B].replica.serving and not made[B].stored()


def test_a_part_of_a_suffix_counts_for_nothing_once_its_sender_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The former owner hands over the first half, and is not waited for any longer when its promise has run out."""
    made = held()
    made.adopt(view_of(replace(BY_B, holders=(B,)), 2, down=(A,)), B)
    first, second = ((key(alias), value_of((1, 1), 0, b"half")) for alias in (b"{t}a", b"{t}b"))
    made[B].hear(A, Suffix(END, 2, (first,), b"", True))
    made.now += 10.0
    made[B].tick()
    made.settle()
    assert made[B].replica.serving and not made[B].stored()
    made[B].hear(A, Suffix(END, 2, (second,), first[0]))
    made.settle()
    assert not made[B].stored()


def test_a_new_owner_passes_on_what_belongs_together_in_one_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a later write took the place of one of the transaction's, and others came in between."""
    small_items(monkeypatch)
    made = held()
    transact(made[A], *PAIR)
    made[A].ask(Update(1, b"other", b""))
    made[A].replica.execute(99, Update(1, b"{t}a", b"2"), key(b"{t}a"))
    made[A].collect()
    for _ in range(3):
        deliver_to(made, B)
        made[B].drain()
        made[A].drain()
        made[A].collect()
    assert suffix_of(made[B]) == {b"{t}a", b"{t}b", b"other"}
    made.wire.clear()
    made.now += 10.0
    made.adopt(view_of(BY_B, 2, down=(A,)), B, C)
    while not made[B].replica.serving:
        made.deliver()
    items = [item for _, _, body in made.wire if isinstance(body, Stream) for item in body.items]
    assert made.role(C) is Role.HOLDER and isinstance(items[-1], Counts)
    keys = [{found for found, _ in item.pairs} for item in items if isinstance(item, Writes)]
    assert sorted(keys, key=len) == [{key_of(hash_of(b"other"), b"other")}, {key(b"{t}a"), key(b"{t}b")}]


def test_a_waiting_client_is_told_by_the_former_owner_that_was_not_dead() -> None:
    made = held()
    session = transact(made[A], *PAIR)
    deliver_to(made, B)
    for node in (A, B):
        made[node].drain()
    made.wire.clear()
    made.adopt(view_of(replace(BY_B, holders=(B, C, A)), 2), A, B, C)
    made.settle()
    made.lease(B, A, C)
    made.quiet(B, 10)
    assert isinstance(made[A].replies[session], Results) and not waiting(made, Stream)
    assert contents(made[B]) == {b"{t}a": b"1", b"{t}b": b"1"}
