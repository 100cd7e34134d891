"""A copy beside other holders: from when on it is needed, and when it is reported."""

from __future__ import annotations

from tests.harness import word_of
from tests.replica_parts import END, A, B, Bench, C, deliver_to, held, view_of
from wrpme.core.replication.replica import Role
from wrpme.core.limits import ASK_SECONDS, COPY_SILENCE_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.messages import Done, Get, Put, Suffix
from wrpme.protocol.view import Arc, Synced

GROWING = Arc(END, 1, (A, B), (C,), wanted=(A, B, C))


def copy_to_c(made: Bench) -> None:
    """C turns out to have the view: it receives its copy, until that counts."""
    made[A].context.known_epochs[C] = 1
    made[A].tick()
    made.settle()
    assert made[A].replica.copies[C].counts


def test_an_incoming_node_that_counts_is_needed_for_writes() -> None:
    made = held(GROWING)
    before = made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, B)
    made[A].drain()
    made[B].drain()
    deliver_to(made, A)
    assert made[A].replies[before] == Done(1), "it does not count yet"
    copy_to_c(made)
    made.lease(A, B, C)
    after = made[A].ask(Put(2, b"y", b"1"))
    deliver_to(made, B)
    made[A].drain()
    made[B].drain()
    deliver_to(made, A)
    assert after not in made[A].replies
    made.settle()
    assert made[A].replies[after] == Done(2) and set(made[C].stored()) == {b"x", b"y"}


def test_an_incoming_node_that_counts_is_needed_for_the_lease() -> None:
    made = held(GROWING)
    assert made[A].replica.lease_until() == made.now + LEASE_SECONDS
    copy_to_c(made)
    assert "lost sight of b, c" in made[A].fails(made[A].ask(Get(1, b"x"))), "c has not given its promise yet"
    made.lease(A, B, C)
    assert word_of(made[A].replies[made[A].ask(Get(1, b"x"))]) == "not_found"


def test_a_copy_is_reported_only_when_what_it_saw_is_acknowledged_by_all() -> None:
    """Else the new holder would have, as part of its copy, a write that nobody has to know of."""
    made = held(GROWING)
    made[A].ask(Put(1, b"x", b"1"))
    made.wire.clear()  # b does not get it
    copy_to_c(made)
    assert b"x" in made[C].stored() and b"x" not in made[B].stored()
    made[A].tick(again=True)
    assert made[A].context.outbox.reports == []
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert made[A].context.outbox.reports == [Synced(END, 1, C, A, 1)]
    made.now += 2 * ASK_SECONDS
    made[A].tick(again=True)
    assert made[A].context.outbox.reports == [Synced(END, 1, C, A, 1)] * 2, "until a view says so"


def test_a_copy_that_has_become_a_holder_hands_over_what_it_received() -> None:
    made = held(GROWING)
    copy_to_c(made)
    made.lease(A, B, C)
    made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, C)
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (A, B, C), wanted=(A, B, C)), 2))
    assert made.role(C) is Role.HOLDER
    assert any(isinstance(body, Suffix) and body.pairs for source, _, body in made.wire if source == C)
    made.settle()
    assert made[B].stored() == made[C].stored() == made[A].stored()
