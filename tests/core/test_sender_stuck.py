"""Copies that would never end: an answer that is lost, writes that never pause, more there than an answer can tell."""

from __future__ import annotations

import msgspec

from tests.core.copy_parts import bench, phase
from tests.harness import Hive, hive_of
from tests.replica_parts import END, A, B, Bench, view_of
from wrpme.core.membership.view_sync import Adoption
from wrpme.core.replication.replica import Role
from wrpme.core.replication.sender import Phase
from wrpme.core.limits import COPY_RANGE_ENTRIES_MAX, COPY_SILENCE_SECONDS
from wrpme.protocol.messages import (
    AskView, Body, Fill, GetSuffix, Put, Remove, Stream, StreamAck, StreamAcks, Suffix, Update,
)  # fmt: skip
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Arc, Synced


def write(made: Bench, number: int) -> None:
    """One more write, before the cursor of the copy, which the receiver acknowledges."""
    made.now += 0.05
    alias = min((b"w%d-%d" % (number, salt) for salt in range(8)), key=hash_of)
    made[A].ask(Update(1, alias, b"%d" % number))
    made[A].tick()
    made.settle()


def test_an_answer_that_was_lost_is_asked_for_again_while_writes_go_on() -> None:
    """Their acknowledgements are no progress of the comparison."""
    made = bench(COPY_RANGE_ENTRIES_MAX * 6)
    made[A].tick()
    while not any(isinstance(body, StreamAck) and body.answers for _, _, body in made.wire):
        made.deliver()
        made[B].persist()
    made.wire = [sent for sent in made.wire if not isinstance(sent[2], StreamAck)]
    for number in range(100):
        write(made, number)
        if phase(made) is Phase.COUNTS:
            break
    assert phase(made) is Phase.COUNTS, "five seconds are enough"
    made.settle()
    assert made[B].stored() == made[A].stored()


def test_a_lost_answer_costs_its_range_and_not_the_run() -> None:
    made = bench(COPY_RANGE_ENTRIES_MAX * 6)
    made[A].tick()
    run, cursor = made[A].context.outbox.runs, made[A].replica.copies[B].cursor
    while not made.wire or isinstance(made.wire[0][2], Stream):
        made.deliver()
        made[B].persist()
    made.lose(0)
    write(made, 1)
    made.settle()
    assert phase(made) is Phase.COUNTS and made[A].context.outbox.runs == run and cursor > made[A].replica.writes.low


def test_writes_that_never_pause_keep_no_copy_from_counting() -> None:
    """There is always one that is not acknowledged yet."""
    made = bench(10)
    made[A].tick()
    for number in range(30):
        if phase(made) is Phase.COUNTS:
            break
        here, made.wire = made.wire, []
        made[A].ask(Update(1, b"k%d" % (number % 10), b"%d" % number))
        made[A].persist()
        assert not made[A].replica.copies[B]._stream.all_acknowledged
        for source, target, body in here:
            made[target].hear(source, body)
        made[B].persist()
    assert phase(made) is Phase.COUNTS
    acknowledged = made[A].replica.copies[B].acknowledged
    assert acknowledged < made[A].replica.writes.sequence, "what is on its way is not there yet"
    made.quiet(A)
    assert made[B].stored() == made[A].stored()


def test_a_copy_that_counts_is_complete_only_with_what_was_on_its_way_then() -> None:
    """That write was acknowledged without the copy: the copy may be called a holder only when it has it."""
    made = bench(10)
    made[A].tick()
    for _ in range(3):
        made.deliver()
        made[B].persist()
    assert isinstance(made.wire[0][2], StreamAck) and made.wire[0][2].answers[0].same, "the last answer is on its way"
    session = made[A].ask(Update(1, b"k3", b"late"))
    made[A].persist()
    assert session in made[A].replies
    made.wire = [sent for sent in made.wire if not isinstance(sent[2], Stream)]
    made.settle()
    assert phase(made) is Phase.COUNTS and made[B].stored()[b"k3"][1] != b"late"
    made[A].tick(again=True)
    assert made[A].context.outbox.reports == []
    made.quiet(A)
    assert made[B].stored()[b"k3"][1] == b"late" and made[A].context.outbox.reports[0] == Synced(END, 1, B, A, 1)


def test_a_removal_between_a_comparison_and_its_answer_is_no_corruption() -> None:
    """The receiver has a write that the owner has removed meanwhile: the removal goes before what is filled in."""
    made = bench(5, there={b"gone": b"old"})
    made[A].tick()
    run = made[A].context.outbox.runs
    made.deliver()
    made[B].persist()
    made[A].ask(Put(1, b"brief", b"1"))  # goes to the copy at once, and to the disk
    made[A].ask(Remove(1, b"brief"))  # waits until the disk is free
    made.settle()
    assert phase(made) is Phase.COUNTS and made[A].context.outbox.runs == run
    assert made[B].stored() == made[A].stored()


def test_a_receiver_that_has_far_more_than_the_owner_tells_it_bit_by_bit() -> None:
    """All of a large arc may be one range of an owner that has little of it."""
    made = bench(3, there={b"old%d" % number: b"" for number in range(10 * COPY_RANGE_ENTRIES_MAX)})
    made[A].tick()
    most = 0
    while made.wire or any(made[node].under_way for node in (A, B)):
        for _, _, body in made.wire:
            if isinstance(body, StreamAck):
                most = max(most, *(len(answer.have) for answer in body.answers), 0)
        made.deliver()
        for node in (A, B):
            made[node].persist()
    assert phase(made) is Phase.COUNTS and made[B].stored() == made[A].stored()
    assert 0 < most <= COPY_RANGE_ENTRIES_MAX


def test_a_range_that_grew_while_it_was_compared_is_filled_bit_by_bit() -> None:
    made = bench(3, there={b"other": b"old"})
    made[A].tick()
    made.deliver()
    made[B].persist()
    for number in range(5 * COPY_RANGE_ENTRIES_MAX):
        made[A].ask(Put(1, b"n%d" % number, b""))
    most = 0
    while made.wire or any(made[node].under_way for node in (A, B)):
        for _, _, body in made.wire:
            for item in body.items if isinstance(body, Stream) else ():
                most = max(most, len(item.pairs) if isinstance(item, Fill) else 0)
        made.deliver()
        for node in (A, B):
            made[node].persist()
    assert phase(made) is Phase.COUNTS and made[B].stored() == made[A].stored()
    assert 0 < most <= 2 * COPY_RANGE_ENTRIES_MAX


def test_a_lost_message_is_sent_again_in_the_same_run() -> None:
    made = bench(10)
    made[A].tick()
    run = made[A].context.outbox.runs
    made.lose(0)
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert phase(made) is Phase.COUNTS and made[A].context.outbox.runs == run


def test_a_receiver_that_is_silent_gives_up_its_place_to_others() -> None:
    made = bench(10)
    made[A].tick()
    for _ in range(2):
        made.now += COPY_SILENCE_SECONDS
        made.wire.clear()
        made[A].tick()
    assert phase(made) is Phase.WAITING
    made.quiet(A, 20)
    assert phase(made) is Phase.COUNTS


def test_who_is_refused_again_and_again_asks_less_and_less_often() -> None:
    made = bench(10)
    runs = []
    for _ in range(100):
        made.now += 0.05
        made[A].tick()
        made.wire.clear()
        if phase(made) is Phase.RUNNING:
            runs.append(made.now)
            made[A].hear(B, StreamAck(END, 1, made[A].context.outbox.runs, -1))
    assert len(runs) < 15, "in five seconds"
    assert runs[-1] - runs[-2] <= 1.0
    made.quiet(A, 40)
    assert phase(made) is Phase.COUNTS


def test_a_write_that_the_owner_forgets_is_none_of_the_copy() -> None:
    """A comparison of a former version of the arc says nothing of this one."""
    made = bench(10)
    made[A].tick()
    made.deliver()
    made.adopt(view_of(Arc(END, 2, (A,), (B,)), 2))
    made[B].persist()
    made.settle()
    made.quiet(A, 20)
    assert phase(made) is Phase.COUNTS and made[B].stored() == made[A].stored()


def test_news_of_what_is_settled_that_were_lost_are_told_again() -> None:
    """Else the receiver would keep its suffix until the next write, which may never come."""
    made = Bench(Arc(END, 1, (A, B)))
    made.settle()
    made.lease(A, B)
    made[A].ask(Put(1, b"one", b"1"))
    made.settle()
    made[A].tick(again=True)
    made.wire.clear()
    assert made[B].replica.writes.suffix()
    made[A].table.on_link(B)
    made[A].tick(again=True)
    made.settle()
    assert not made[B].replica.writes.suffix()


# --- whole nodes -------------------------------------------------------------------------------------------------


def stream_of_puts(hive: Hive, name: str, seconds: float) -> None:
    """A write each 20 ms."""
    end = hive.now + seconds
    number = 0
    while hive.now < end:
        number += 1
        hive.send(name, Update(1, b"load%d" % (number % 50), b"%d" % number))
        hive.go(0.02)


def test_two_nodes_under_load_become_stable_though_the_answers_of_one_message_are_lost() -> None:
    """A reset of the connection that the returning node answers on: the other one is not told."""
    hive = hive_of("a", "b", replication=2)
    for number in range(3000):
        hive.send("a", Put(1, b"k%d" % number, b""))
    hive.go(1.0)
    hive.kill("b")
    hive.until(lambda: hive.nodes["a"].context.alive == {hive.nodes["a"].context.me})
    lost: list[Body] = []

    def answers(source: str, target: str, body: Body) -> bool:
        hit = source == "b" and isinstance(body, StreamAcks) and any(ack.answers for ack in body.acks)
        if hit and not lost:
            lost.append(body)
            return True
        return False

    hive.drop = answers
    hive.start("b", "a", replication=2)
    stream_of_puts(hive, "a", 8.0)
    assert len(lost) == 1, "the test lost nothing"
    view = hive.view("a")
    assert not any(arc.incoming for arc in view.arcs), "copies wait for answers that never come"


def test_what_nobody_answered_is_said_again_also_while_one_view_follows_the_other() -> None:
    """A large hive decides views faster than anything is repeated."""
    hive = hive_of("a", "b", replication=2)
    node = hive.nodes["a"]
    (replica, *_) = [replica for replica in node.table.mine if replica.role is Role.OWNER]
    replica.serving = False
    replica._suffixes.told.clear()
    hive.drop = lambda source, target, body: isinstance(body, Suffix | AskView)
    for _ in range(20):
        before = hive.view("a")
        node.view_sync.latest = msgspec.structs.replace(before, epoch=before.epoch + 1)
        node._adopt(Adoption(node.view_sync.latest, base=before))
        hive.go(0.15)
    asked = [body for source, _, body in hive.sent if source == "a" and isinstance(body, GetSuffix)]
    assert len(asked) >= 3, "in three seconds, after pauses that double"
