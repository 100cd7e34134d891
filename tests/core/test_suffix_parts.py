"""A suffix of any size is handed over: in parts that fit into a message, of which only all together count."""

from __future__ import annotations

from math import ceil

import pytest

from tests.replica_parts import A, B, Bench, C, held, suffix_of, view_of, waiting
from wrpme.core.layout import key_of, value_of
from wrpme.core.replication import pending, replica
from wrpme.core.replication.replica import Role
from wrpme.core.limits import STREAM_BYTES_PER_SECOND_MIN
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, FRAME_BYTES_MAX, MIB
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import Done, Envelope, GetSuffix, Put, Stream, Suffix
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Arc

BY_B = Arc(2**64 - 1, 2, (B, C), prev=(A,), wanted=(B, C, A))
"""What the arc of three becomes when A is taken for dead: B owns it, and needs the suffix of C, and of A."""


def suffixes(made: Bench) -> list[Suffix]:
    return [body for _, _, body in made.wire if isinstance(body, Suffix)]


def with_suffix(monkeypatch: pytest.MonkeyPatch, part_bytes: int = 300) -> Bench:
    """C has received what nobody else has."""
    monkeypatch.setattr(pending, "STREAM_BYTES_USUAL", part_bytes)
    made = held()
    for number in range(20):
        alias = b"k%d" % number
        pair = key_of(hash_of(alias), alias), value_of((1, number + 1), 0, bytes(80))
        made[C].replica.writes.receive(number + 2, [pair])
    made[C].collect()
    made[C].drain()
    assert len(suffix_of(made[C])) == 20 and not suffix_of(made[B])
    return made


def hand_over(made: Bench) -> None:
    """A is down, and outwaited: only C's suffix is missing."""
    made.now += 10.0
    made.adopt(view_of(BY_B, 2, down=(A,)), B, C)


def test_a_suffix_goes_in_parts_and_only_the_whole_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_suffix(monkeypatch)
    hand_over(made)
    parts = 0
    while not made[B].replica.serving:
        for part in suffixes(made):
            parts += 1
            assert len(part.pairs) <= 3
        made.deliver()
        made[B].tick()
        assert parts < 50, "it never comes to an end"
    assert parts >= ceil(20 / 3)
    made.lease(B, C)
    made.settle()
    made.quiet(B, 30)
    assert set(made[B].stored()) == {b"k%d" % number for number in range(20)}
    assert made[B].stored() == made[C].stored()


def test_parts_that_are_lost_or_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_suffix(monkeypatch)
    hand_over(made)
    for round_ in range(2000):
        if made[B].replica.serving:
            break
        if made.wire and round_ % 3 == 0:
            made.lose(0)
        made.deliver(keep=round_ % 4 == 0)
        made.now += 0.05
        made[B].tick(again=round_ % 4 == 0)
    assert made[B].replica.serving
    made.lease(B, C)
    made.settle()
    made.quiet(B, 30)
    assert set(made[B].stored()) == {b"k%d" % number for number in range(20)}


def test_a_large_part_is_not_sent_again_while_it_may_be_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_suffix(monkeypatch, STREAM_BYTES_PER_SECOND_MIN)
    monkeypatch.setattr(replica, "STREAM_BYTES_PER_SECOND_MIN", 300)  # so that 20 x 100 bytes take a while
    hand_over(made)
    assert len(suffixes(made)) == 1
    made[C].hear(B, GetSuffix(BY_B.end, 2))
    assert len(suffixes(made)) == 1, "that one may still arrive"
    made[C].table.on_link(B)
    made[C].hear(B, GetSuffix(BY_B.end, 2))
    assert len(suffixes(made)) == 2, "it was lost with the connection"
    made.now += 60.0
    made[C].hear(B, GetSuffix(BY_B.end, 2))
    assert len(suffixes(made)) == 3


def test_each_part_of_the_largest_suffix_fits_into_a_frame() -> None:
    """Three of the largest contents, and keys of the largest size."""
    made = held()
    value = value_of((1, 1), 0, bytes(CONTENT_BYTES_MAX))
    for number in range(3):
        alias = (b"%d" % number).ljust(ALIAS_BYTES_MAX, b"k")
        made[C].replica.writes.receive(number + 1, [(key_of(hash_of(alias), alias), value)])
    small = value_of((1, 2), 0, b"")
    keys = [(b"%d" % number).ljust(ALIAS_BYTES_MAX, b"s") for number in range(6000)]
    made[C].replica.writes.receive(9, [(key_of(hash_of(alias), alias), small) for alias in keys])
    assert made.role(C) is Role.HOLDER
    after, parts, found = b"", 0, 0
    while True:
        pairs, more = made[C].replica.writes.suffix_part(after, lambda key, value: False)
        parts, found = parts + 1, found + len(pairs)
        frame = encode(Envelope(b"h" * 16, 1, C, 1, A, 2, Suffix(BY_B.end, 2, tuple(pairs), after, more)))
        assert len(frame) < CONTENT_BYTES_MAX + 8 * MIB < FRAME_BYTES_MAX
        if not more:
            break
        assert pairs[-1][0] > after
        after = pairs[-1][0]
    assert found == 6003 and parts >= 3


def test_keys_count_for_what_may_be_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "PENDING_BYTES_MAX", 10_000)
    made = held()
    sessions = [made[A].ask(Put(number, (b"%d" % number).ljust(1000, b"k"), b"")) for number in range(12)]
    refused = [session for session in sessions if session in made[A].replies]
    assert len(refused) == 2 and "too many writes" in made[A].fails(refused[0])
    made.settle()
    made[A].drain()
    made.quiet(A, 4)
    assert isinstance(made[A].replies[sessions[0]], Done) and made[A].replica.writes.pending_bytes == 0


def test_a_message_of_a_stream_counts_the_keys() -> None:
    made = held()
    made[A].ask(Put(0, b"first", b""))  # on its way; what follows gathers
    for number in range(5000):
        made[A].ask(Put(number, (b"%d" % number).ljust(ALIAS_BYTES_MAX, b"k"), b""))
    made.settle()
    made.quiet(A, 2)
    assert not waiting(made, Stream)
    assert len(made[B].stored()) == 5001
