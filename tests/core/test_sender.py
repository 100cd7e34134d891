"""The copy of an arc, over a network that loses and doubles, while clients write."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

import pytest

from tests.core.copy_parts import COPIED, bench, items, phase
from tests.replica_parts import END, WALL_MILLISECONDS, A, B, Bench, deliver_to, view_of
from wrpme.core import outbox
from wrpme.core.layout import Version, key_of
from wrpme.core.replication.sender import Phase
from wrpme.core.limits import COPY_RANGE_ENTRIES_MAX, COPY_SILENCE_SECONDS, COPY_WINDOW_RANGES
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.messages import Compare, Done, Expire, Fill, Get, Put, Remove, Stream, StreamAck, Update, Writes
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Arc, Synced


def test_a_copy_of_nothing() -> None:
    made = bench()
    made[A].tick()
    made.settle()
    assert phase(made) is Phase.COUNTS
    assert made[A].context.outbox.reports == [Synced(END, 1, B, A, 1)]


def test_a_copy_waits_until_the_receiver_knows_of_it() -> None:
    made = bench(3)
    made[A].context.known_epochs[B] = 0
    made[A].tick()
    assert phase(made) is Phase.WAITING and not made.wire
    made[A].context.known_epochs[B] = 1
    made[A].tick()
    assert phase(made) is Phase.RUNNING


def test_a_copy_ends_with_equal_contents() -> None:
    made = bench(1000)
    made[A].tick()
    assert items(made, Compare) == COPY_WINDOW_RANGES, "a window, not everything at once"
    made.settle()
    made.quiet(A, 5)
    assert phase(made) is Phase.COUNTS
    assert made[B].stored() == made[A].stored() and len(made[B].stored()) == 1000
    assert made[B].replica.counts() == made[A].replica.counts()


def test_where_nothing_differs_only_digests_travel() -> None:
    made = bench(600)
    made[B].store.write(list(made[A].store.scan(b"", b"\xff")), True)
    made[A].tick()
    fills = 0
    while made.wire or made[B].under_way:
        fills += items(made, Fill)
        made.deliver()
        made[B].persist()
    assert phase(made) is Phase.COUNTS and fills == 0


def test_what_the_owner_does_not_have_is_removed_there() -> None:
    """A node that comes back must not bring removed entries to life."""
    made = bench(20, there={b"gone": b"old", b"k3": b"other", **{b"x%d" % number: b"" for number in range(300)}})
    made[A].tick()
    made.settle()
    assert phase(made) is Phase.COUNTS
    assert made[B].stored() == made[A].stored()
    assert made[B].replica.counts() == made[A].replica.counts()
    assert [key for key, _ in made[B].store.scan(b"a", b"b")] == [key for key, _ in made[A].store.scan(b"a", b"b")]


def test_writes_before_the_cursor_travel_along_and_those_behind_wait_for_it() -> None:
    made = bench(COPY_RANGE_ENTRIES_MAX * COPY_WINDOW_RANGES * 2)
    made[A].tick()
    cursor = made[A].replica.copies[B].cursor
    aliases = sorted((b"w%d" % number for number in range(100)), key=hash_of)
    for alias in (aliases[0], aliases[-1]):
        made[A].ask(Put(1, alias, b"new"))
    assert key_of(hash_of(aliases[0]), b"") < cursor <= key_of(hash_of(aliases[-1]), b"")
    assert items(made, Writes) == 1
    made.settle()
    assert phase(made) is Phase.COUNTS and made[B].stored() == made[A].stored()


def test_an_expiry_travels_with_its_entry() -> None:
    made = bench(5)
    made[A].ask(Expire(1, b"k2", int(WALL_MILLISECONDS) + 10_000_000))
    made[A].tick()
    made.settle()
    hints = [list(made[node].store.scan(b"x", b"y")) for node in (A, B)]
    assert hints[0] == hints[1] and len(hints[0]) == 1


def test_what_is_not_acknowledged_does_not_count() -> None:
    made = bench(10)
    made[A].tick()
    while made.wire:
        made.deliver()  # the receiver's disk takes nothing
    assert phase(made) is Phase.RUNNING
    made.settle()
    assert phase(made) is Phase.COUNTS


def test_a_write_that_got_lost_on_the_way_does_not_count() -> None:
    made = bench(10)
    made[A].tick()
    made.deliver()
    made[B].persist()
    made[A].ask(Put(1, b"new", b"1"))
    made.wire = [sent for sent in made.wire if not isinstance(sent[2], Stream)]
    made.settle()
    assert phase(made) is Phase.RUNNING, "the comparison is over, but that write has not arrived"
    made.quiet(A)
    assert phase(made) is Phase.COUNTS and b"new" in made[B].stored()


def test_an_acknowledgement_is_for_what_it_names() -> None:
    made = bench(3)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    first = made[A].ask(Put(1, b"one", b"1"))
    second = made[A].ask(Put(2, b"two", b"2"))
    made.deliver()
    for _ in range(2):
        made[B].persist()
        made[A].persist()
    made.deliver()
    assert items(made, Writes) == 1
    made.lose(0)
    made.settle()
    assert first in made[A].replies and second not in made[A].replies


def items_on_the_wire(made: Bench) -> list[int]:
    """How many writes are in each item."""
    items = [item for _, _, body in made.wire if isinstance(body, Stream) for item in body.items]
    return [len(item.pairs) for item in items if isinstance(item, Writes)]


def test_what_is_written_while_the_disk_works_is_one_message_with_the_next_batch() -> None:
    made = bench(3)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    sessions = [made[A].ask(Put(number, b"new%d" % number, b"")) for number in range(10)]
    assert items_on_the_wire(made) == [1]
    made[A].persist()
    assert items_on_the_wire(made) == [1, 9]
    sessions += [made[A].ask(Put(number, b"late%d" % number, b"")) for number in range(5)]
    made[A].drain()
    assert items_on_the_wire(made) == [1, 9], "the holder has not answered enough"
    deliver_to(made, B)
    made[B].persist()
    deliver_to(made, A)
    assert items_on_the_wire(made) == [5]
    assert [session in made[A].replies for session in sessions] == [True] + 14 * [False]
    made.settle()
    assert all(session in made[A].replies for session in sessions)


def test_a_holder_that_does_not_answer_is_sent_more_after_a_while() -> None:
    """Its answer may be lost: what is written since must not wait for that for ever."""
    made = bench(3)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    made[A].ask(Put(1, b"one", b"1"))
    made.wire.clear()
    second = made[A].ask(Put(2, b"two", b"2"))
    assert not made.wire
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert second in made[A].replies and {b"one", b"two"} < set(made[B].stored())


def test_an_answer_that_was_lost_with_nothing_else_on_the_way_holds_nothing_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """News of what is settled acknowledge nothing, so nobody sends them again; their answer is missing all the same."""
    monkeypatch.setattr(outbox, "STREAMS_UNANSWERED_MAX", 1)
    made = Bench(Arc(END, 1, (A, B)))
    made.settle()
    made.lease(A, B)
    made[A].ask(Put(1, b"one", b"1"))
    made.settle()
    made[A].tick(again=True)
    assert [body.items for _, _, body in made.wire if isinstance(body, Stream)] == [()]
    made.wire.clear()
    session = made[A].ask(Put(2, b"two", b"2"))
    made.settle()
    assert session not in made[A].replies
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert made[A].replies[session] == Done(2)


def test_once_it_counts_every_write_needs_it() -> None:
    made = bench(10)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    session = made[A].ask(Put(1, b"new", b"1"))
    made[A].persist()
    assert session not in made[A].replies, "on disk here is not enough any more"
    made.deliver()
    assert session not in made[A].replies
    made[B].persist()
    assert session not in made[A].replies
    made.deliver()
    assert made[A].replies[session] == Done(1)
    assert b"new" in made[B].stored()


def test_writes_that_count_are_sent_until_they_arrive() -> None:
    made = bench(3)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    session = made[A].ask(Put(1, b"new", b"1"))
    made.lose(0)
    made[A].persist()
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert made[A].replies[session] == Done(1)


def test_who_makes_no_progress_is_noticed() -> None:
    made = bench(3)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    made[A].ask(Put(1, b"new", b"1"))
    copy = made[A].replica.copies[B]
    assert not copy.stalled()
    made.now += LEASE_SECONDS
    made[A].tick()
    assert copy.stalled()
    made.settle()
    assert not copy.stalled()


def test_a_lost_item_is_sent_again() -> None:
    made = bench(10)
    made[A].tick()
    made.lose(0)
    made.settle()
    assert phase(made) is Phase.RUNNING
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert phase(made) is Phase.COUNTS


def test_an_acknowledgement_of_an_earlier_run_counts_for_nothing() -> None:
    made = bench(10)
    made[A].tick()
    made[A].replica.copies[B].stop()
    made.now += 1
    made.wire.clear()
    made[A].tick()
    run = made[A].context.outbox.runs
    made[A].hear(B, StreamAck(END, 1, run - 1, 1))
    made[A].hear(B, StreamAck(END, 0, run, 1))
    assert phase(made) is Phase.RUNNING
    assert not made[A].replica.copies[B]._stream.all_acknowledged


def test_a_refusal_is_tried_again() -> None:
    made = bench(10)
    made[A].tick()
    run = made[A].context.outbox.runs
    made[A].hear(B, StreamAck(END, 1, run, -1))
    assert phase(made) is Phase.WAITING
    made.quiet(A, 5)
    assert phase(made) is Phase.COUNTS


def test_over_a_new_link_what_was_on_its_way_is_sent_again() -> None:
    made = bench(10)
    made[A].tick()
    made.wire.clear()
    made[A].table.on_link(B)
    made[A].collect()
    made.settle()
    assert phase(made) is Phase.COUNTS
    made.lease(A, B)
    session = made[A].ask(Put(1, b"new", b"1"))
    made.wire.clear()
    made[A].table.on_link(B)
    made[A].collect()
    made.settle()
    assert made[A].replies[session] == Done(1)


def test_same_versions_and_other_contents_are_noticed() -> None:
    """A corrupted copy: its versions can't be trusted, so the second run sends everything of that range."""
    made = bench(5)
    made[B].store.write(list(made[A].store.scan(b"", b"\xff")), True)
    key = key_of(hash_of(b"k2"), b"k2")
    good = made[A].store.get(key)
    assert good is not None
    made[B].store.write([(key, good[:-1] + b"?")], True)
    made[A].tick()
    made.settle()
    assert phase(made) is Phase.WAITING
    made.quiet(A, 5)
    assert phase(made) is Phase.COUNTS and made[B].stored() == made[A].stored()


def test_the_lease_needs_whoever_counts() -> None:
    made = bench(3)
    made[A].tick()
    assert made[A].replica.lease_until() == inf
    made.lease(A, B)
    made.settle()
    assert made[A].replica.lease_until() == made.now + LEASE_SECONDS
    made.now += LEASE_SECONDS
    assert "the owner has lost sight of b" in made[A].fails(made[A].ask(Get(1, b"k1")))


def test_once_counted_it_counts_until_the_version_changes() -> None:
    """A view that does not touch the arc, while the report is on its way, must not make the owner forget."""
    made = bench(3)
    made[A].tick()
    made.settle()
    made.adopt(view_of(COPIED, 2))
    assert phase(made) is Phase.COUNTS
    made.adopt(view_of(Arc(END, 3, (A,), (B,)), 3))
    assert phase(made) is Phase.WAITING
    assert made[A].replica.lease_until() == inf


# --- anything at any time ----------------------------------------------------------------------------------------

ALIASES = [b"k%d" % number for number in range(12)]
STEPS = st.lists(st.tuples(st.sampled_from("wwwrexttddddDDplppq"), st.integers(0, 100)), max_size=80)


def acknowledged(made: Bench, asked: dict[int, tuple[bytes, Version]]) -> dict[bytes, Version]:
    """By alias: the version that its latest acknowledged write made."""
    found: dict[bytes, Version] = {}
    for session, (alias, version) in asked.items():
        if isinstance(made[A].replies.get(session), Done):
            found[alias] = max(version, found.get(alias, version))
    return found


@settings(max_examples=250)
@given(STEPS, st.dictionaries(st.sampled_from(ALIASES), st.binary(max_size=1), max_size=6))
def test_any_loss_at_any_time(steps: list[tuple[str, int]], there: dict[bytes, bytes]) -> None:
    made = bench(0, there)
    asked: dict[int, tuple[bytes, Version]] = {}
    for number, (kind, pick) in enumerate(steps):
        alias = ALIASES[pick % len(ALIASES)]
        made.lease(A, B)
        before = made[A].replica.writes.sequence
        if kind in "wre":
            session = made[A].ask(
                Update(1, alias, b"%d" % number)
                if kind == "w"
                else Remove(1, alias)
                if kind == "r"
                else Expire(1, alias, int(WALL_MILLISECONDS) * 2)
            )
            if made[A].replica.writes.sequence > before:
                asked[session] = (alias, (1, made[A].replica.writes.sequence))
        elif kind == "x":
            made[A].table.on_link(B)
            made[A].collect()
        elif kind == "t":
            made.now += pick / 50
            made[A].tick()
        elif kind in "dD":
            made.deliver(pick, keep=kind == "D")
        elif kind == "l":
            made.lose(pick)
        elif kind == "p":
            made[A].persist()
        else:
            made[B].persist()
        if made[A].replica.copies[B].is_complete:
            stored, owners = made[B].stored(), made[A].stored()
            for written, version in acknowledged(made, asked).items():
                if written in stored:
                    assert stored[written][0] >= version
                else:
                    assert written not in owners or owners[written][0] != version, f"{written!r} would be lost"
    made.quiet(A)
    assert made[A].replica.copies[B].is_complete
    assert made[B].stored() == made[A].stored()
    assert list(made[B].store.scan(b"a", b"b")) == list(made[A].store.scan(b"a", b"b"))
    assert made[B].replica.counts() == made[A].replica.counts()
    assert all(session in made[A].replies for session in asked), "and every write is answered"
