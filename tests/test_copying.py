"""The copy of an arc: what travels, what a lost item costs, when a copy counts."""

from __future__ import annotations

import pytest

from tests.arc_parts import END, Ends, key, view_of
from tests.harness import identity, word_of
from wrpme.copying import Copy, Phase
from wrpme.entries import content_in, operations_for, value_of
from wrpme.limits import COPY_RANGE_ENTRIES_MAX, COPY_RETRY_SECONDS, COPY_SILENCE_SECONDS, LEASE_SECONDS
from wrpme.messages import (
    Body, Compare, Content, Counts, Done, Fill, Get, Item, Remove, Stream, StreamAck, Update, Writes,
)  # fmt: skip
from wrpme.picture import Synced


def filled(count: int) -> Ends:
    """The owner a with entries; b receives nothing yet."""
    ends = Ends("abc")
    ends.adopt(view_of(1, "a"), "a")
    for number in range(count):
        ends["a"].ask(number, Update(number, f"k{number}", b"v%d" % number))
        ends["a"].disk()
    ends.adopt(view_of(2, "a", "b"), "ab")
    return ends


def copy_of(ends: Ends) -> Copy:
    return ends["a"].replica.copies[identity("b")]


def items(ends: Ends) -> list[Item]:
    return [item for body in ends.said(Stream) if isinstance(body, Stream) for item in body.items]


def start(ends: Ends) -> None:
    ends["a"].table.on_epoch()
    ends["a"].collect()


def again(ends: Ends) -> None:
    """A run that ended begins again."""
    ends.go(COPY_RETRY_SECONDS + COPY_SILENCE_SECONDS)
    ends.tick()
    ends.go(COPY_RETRY_SECONDS)
    ends.tick()
    ends.settle()


@pytest.mark.parametrize("count", [0, 1, COPY_RANGE_ENTRIES_MAX, COPY_RANGE_ENTRIES_MAX + 1, 1500])
def test_a_copy_has_it_all_and_is_reported(count: int) -> None:
    ends = filled(count)
    assert copy_of(ends).phase is Phase.WAITING and copy_of(ends).done() == 0
    start(ends)
    ends.settle()
    assert ends["b"].held() == ends["a"].held() and len(ends["a"].held()) == count
    assert copy_of(ends).counts and copy_of(ends).done() == 1
    assert ends["b"].replica.sink is not None and ends["b"].replica.sink.complete
    assert ends["a"].reports == [Synced(END, 2, identity("b"), identity("a"), 1)]
    assert isinstance(items(ends)[-1], Counts)


def test_a_copy_waits_until_the_receiver_is_known_to_expect_it() -> None:
    ends = filled(1)
    ends["a"].ground.known_epochs[identity("b")] = 1
    start(ends)
    assert copy_of(ends).phase is Phase.WAITING
    ends["a"].ground.known_epochs[identity("b")] = 2
    start(ends)
    assert copy_of(ends).phase is Phase.RUNNING


def test_only_what_differs_travels() -> None:
    ends = filled(600)
    b = ends["b"]
    for at, (name, value) in enumerate(ends["a"].held().items()):
        if at != 300:
            b.store.write(operations_for(name, value), True)
    missing = next(name for name in ends["a"].held() if name not in b.held())
    start(ends)
    ends.settle()
    fills = [item for item in items(ends) if isinstance(item, Fill)]
    assert len(fills) == 1 and [name for name, _ in fills[0].pairs] == [missing]
    assert b.held() == ends["a"].held()


def test_what_the_owner_does_not_have_is_deleted() -> None:
    ends = filled(10)
    revived, older = key("removed"), key("k3")
    ends["b"].store.write(operations_for(revived, value_of((1, 99), 0, b"ghost")), True)
    ends["b"].store.write(operations_for(older, value_of((0, 1), 0, b"older")), True)
    start(ends)
    ends.settle()
    assert ends["b"].held() == ends["a"].held()
    assert list(ends["b"].store.scan(b"aremoved", b"aremovee")) == [], "also from the index"


def test_same_version_and_other_content_is_noticed() -> None:
    """A corrupted copy: the digest tells, although every version agrees."""
    ends = filled(5)
    good = ends["a"].held()[key("k2")]
    ends["b"].store.write([(key("k2"), good[:-1] + b"?")], True)
    start(ends)
    ends.settle()
    assert copy_of(ends).phase is Phase.WAITING, "the first run found that versions can't be trusted"
    again(ends)
    assert ends["b"].held() == ends["a"].held()
    assert copy_of(ends).counts


def test_writes_before_the_cursor_travel_along_and_later_ones_are_met() -> None:
    ends = filled(3000)
    start(ends)
    cursor = copy_of(ends).cursor
    before = next(name for name in ends["a"].held() if name < cursor)[9:].decode()
    behind = next(name for name in ends["a"].held() if name > cursor)[9:].decode()
    ends["a"].ask(10_001, Update(1, before, b"new"))
    ends["a"].ask(10_002, Remove(2, behind))
    on_its_way = [item for _, body in ends["a"].out if isinstance(body, Stream) for item in body.items]
    assert [name for item in on_its_way if isinstance(item, Writes) for name, _ in item.pairs] == [key(before)]
    ends["a"].disk()
    assert ends["a"].replies[10_001] == Done(1), "who does not count is not waited for"
    ends.settle()
    assert copy_of(ends).counts
    assert ends["b"].held() == ends["a"].held()
    assert content_in(ends["b"].held()[key(before)]) == b"new" and key(behind) not in ends["b"].held()


def test_a_copy_that_counts_is_waited_for() -> None:
    ends = filled(3)
    start(ends)
    ends.settle()
    ends.lost = lambda source, target, body: isinstance(body, StreamAck)
    ends["a"].ask(100, Update(100, "k1", b"new"))
    ends["a"].ask(101, Get(101, "k1"))
    ends["a"].ask(102, Get(102, "k2"))
    ends.settle()
    assert 100 not in ends["a"].replies and 101 not in ends["a"].replies
    assert ends["a"].replies[102] == Content(102, b"v2"), "other entries are read meanwhile"
    ends.lost = lambda source, target, body: False
    ends.go(COPY_SILENCE_SECONDS)
    ends["a"].trusted()
    ends.tick()
    ends.settle()
    assert ends["a"].replies[100] == Done(100) and ends["a"].replies[101] == Content(101, b"new")
    assert content_in(ends["b"].held()[key("k1")]) == b"new"


def test_the_lease_needs_whoever_counts() -> None:
    ends = filled(3)
    start(ends)
    assert ends["a"].replica.lease_until() == float("inf")
    ends.settle()
    assert ends["a"].replica.lease_until() == ends.now + LEASE_SECONDS
    ends["a"].ask(100, Get(100, "k1"))
    assert ends["a"].valid_until[100] == ends.now + LEASE_SECONDS, "the lease is looked at again when it leaves"
    ends.go(LEASE_SECONDS)
    ends["a"].ask(101, Get(101, "k1"))
    assert word_of(ends["a"].replies[101]) == "unstable"


@pytest.mark.parametrize("which", range(6))
def test_a_lost_message_starts_the_run_again(which: int) -> None:
    ends = filled(2000)
    count = 0

    def lost(source: str, target: str, body: Body) -> bool:
        nonlocal count
        count += isinstance(body, Stream | StreamAck)
        return count == which + 1

    ends.lost = lost
    start(ends)
    ends.settle()
    assert not copy_of(ends).counts
    again(ends)
    assert copy_of(ends).counts
    assert ends["b"].held() == ends["a"].held()
    runs = {body.run for body in ends.said(Stream) if isinstance(body, Stream)}
    assert len(runs) == 2, "each run has a number of its own"


def test_an_acknowledgement_of_an_earlier_run_counts_for_nothing() -> None:
    ends = filled(2)
    start(ends)
    ends["a"].disk()
    first = ends["a"].out[0][1]
    assert isinstance(first, Stream)
    ends["a"].out.clear()
    copy_of(ends).stop()
    ends.go(COPY_RETRY_SECONDS)
    start(ends)
    ends["b"].receive(identity("a"), first)
    ends["b"].disk()
    (ack,) = [body for _, body in ends["b"].out]
    assert isinstance(ack, StreamAck) and ack.run == first.run
    ends["a"].receive(identity("b"), ack)
    assert copy_of(ends).phase is Phase.RUNNING and not copy_of(ends).counts
    ends["b"].out.clear()
    ends.settle()
    assert copy_of(ends).counts


def test_a_receiver_that_takes_part_in_enough_copies_says_so() -> None:
    ends = filled(2)
    start(ends)
    message = ends["a"].out[0][1]
    assert isinstance(message, Stream)
    ends["b"].replica.on_stream(identity("a"), message, may_begin=False)
    ends["b"].collect()
    (refusal,) = [body for _, body in ends["b"].out]
    assert refusal == StreamAck(END, 2, message.run, -1)
    ends["a"].out.clear()
    ends.settle()
    assert copy_of(ends).phase is Phase.WAITING
    again(ends)
    assert copy_of(ends).counts


def test_nothing_is_acknowledged_before_it_is_on_disk_there() -> None:
    ends = filled(2)
    start(ends)
    ends.carry()
    ends["b"].disk()
    ends.carry()
    ends.carry()
    assert any(isinstance(item, Fill) for item in items(ends))
    assert not ends["b"].out, "the answer to the filling waits for the disk"
    ends["b"].disk()
    assert ends["b"].out


def test_a_stream_is_taken_of_the_owner_alone_and_in_sequence() -> None:
    ends = filled(2)
    start(ends)
    message = ends["a"].out[0][1]
    assert isinstance(message, Stream)
    pair = (key("x"), value_of((2, 1), 0, b"forged"))
    writes = Stream(END, 2, message.run, 1, (Writes((pair,)),))
    ends["b"].receive(identity("c"), writes)
    ends["b"].disk()
    assert ends["b"].held() == {} and not ends["b"].out, "c does not own it"
    ends["b"].receive(identity("a"), Stream(END, 1, message.run, 1, (Writes((pair,)),)))
    ends["b"].receive(identity("a"), Stream(END, 2, message.run, 2, (Writes((pair,)),)))
    ends["b"].disk()
    assert ends["b"].held() == {}, "another version; without what was before it"


def test_a_new_version_starts_again_and_moves_little() -> None:
    ends = filled(1000)
    start(ends)
    ends.settle()
    ends.seen.clear()
    ends.adopt(view_of(3, "a", "b"), "ab")
    assert ends["a"].replica.copies[identity("b")].phase is Phase.WAITING, "who counted does not any more"
    start(ends)
    ends.settle()
    assert copy_of(ends).counts
    assert not any(isinstance(item, Fill) for item in items(ends))
    assert sum(isinstance(item, Compare) for item in items(ends)) < 10


def test_once_counted_it_counts_until_the_version_changes() -> None:
    """A view that does not touch the arc, while the report is on its way, must not make the owner forget."""
    ends = filled(3)
    start(ends)
    ends.settle()
    ends.adopt(view_of(3, "a", "b", version=2), "ab")
    assert copy_of(ends).counts
    assert ends["a"].replica.lease_until() < float("inf")


def test_a_counted_copy_that_makes_no_progress_is_stalled() -> None:
    ends = filled(3)
    start(ends)
    ends.settle()
    ends.lost = lambda source, target, body: isinstance(body, StreamAck)
    ends["a"].ask(100, Update(100, "k1", b"new"))
    ends.settle()
    assert not copy_of(ends).stalled()
    ends.go(LEASE_SECONDS)
    assert copy_of(ends).stalled()


def test_a_new_connection_sends_again_what_counts() -> None:
    ends = filled(3)
    start(ends)
    ends.settle()
    ends.lost = lambda source, target, body: isinstance(body, Stream)
    ends["a"].ask(100, Update(100, "k1", b"new"))
    ends.settle()
    assert 100 not in ends["a"].replies
    ends.lost = lambda source, target, body: False
    ends["a"].table.on_link(identity("b"))
    ends.settle()
    assert ends["a"].replies[100] == Done(100)
