"""A node whose own disk hangs, or is slow: the hive goes on without it, and everybody is told which disk it is."""

from __future__ import annotations

import pytest

from tests.core.test_node_stats import status
from tests.core.test_router import owned_by
from tests.harness import Hive, hive_of, identity, word_of
from wrpme.core.limits import PROMISE_SECONDS, SILENCE_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol.messages import (
    AskView, Heartbeat, HeartbeatAck, FailureReport, Done, Failed, Get, GetView, Update, ViewIs, WholeView,
)  # fmt: skip
from wrpme.protocol.view import State

HUNG_SECONDS = 2 * LEASE_SECONDS + PROMISE_SECONDS
"""By then another node serves what a node with a hung disk owned."""


def state_of(hive: Hive, teller: str, name: str) -> State:
    member = view_index.member(hive.view(teller), identity(name))
    assert member is not None
    return member.state


def hang(hive: Hive, name: str, alias: bytes = b"") -> int:
    """From now on its disk takes nothing, and there is something to take: a write of ``alias``, which it owns."""
    hive.slow_disks.add(name)
    return hive.send(name, Update(7, alias or owned_by(hive, name), b"on its way"))


@pytest.mark.parametrize("victim", "abc")
def test_another_node_serves_what_the_owner_with_the_hung_disk_had(victim: str) -> None:
    """Also where it is the senior voter: those whose disks work decide."""
    hive = hive_of("a", "b", "c", replication=3)
    other = "b" if victim == "a" else "a"
    alias = owned_by(hive, victim)
    assert hive.ask(other, Update(1, alias, b"before")) == Done(1)
    hang(hive, victim, alias)
    took = hive.until(lambda: state_of(hive, other, victim) is State.DOWN)
    assert took <= LEASE_SECONDS + 1.5
    hive.go(HUNG_SECONDS - took)
    assert hive.ask(other, Update(2, alias, b"after")) == Done(2)
    assert hive.get(other, alias) == b"after"
    assert hive.nodes[victim].view != hive.view(other), "it has adopted nothing: that would have to be on its disk"


def test_writes_that_another_node_owns_go_on_without_the_holder_with_the_hung_disk() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    alias = owned_by(hive, "a")
    hive.slow_disks.add("c")
    session = hive.send("a", Update(1, alias, b"1"))
    took = hive.until(lambda: session in hive.replies)
    assert hive.replies[session] == Done(1) and took <= LEASE_SECONDS + 1.5
    assert state_of(hive, "a", "c") is State.DOWN


def test_what_one_sees_of_it() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    hang(hive, "c")
    hive.go(HUNG_SECONDS)
    (event,) = hive.heard("c", "disk_hangs")
    assert event.node == "c" and event.sentence.startswith("the disk of c has taken nothing for ")
    assert hive.said("c", event.sentence), "and the log has it"
    assert status(hive, "c")["troubles"][0].startswith("the disk of c has taken nothing for ")
    assert [told.sentence for told in hive.heard("a", "down")] == ["c is down: its own disk takes nothing"]
    assert not hive.heard("a", "stopped"), "that is no stop"
    hive.disk_goes_on("c")
    hive.stable("a", "b", "c")
    (over,) = hive.heard("c", "disk")
    assert over.seconds >= LEASE_SECONDS and status(hive, "c")["troubles"] == []
    (cut_off,) = hive.heard("c", "cut_off")
    assert "disk" in cut_off.sentence, "nobody took it for dead"


def test_it_is_silent_in_the_sense_of_the_heartbeats() -> None:
    """No acknowledgement, none of its own heartbeats (its lease would go on), and no other sign that is taken for
    life."""
    hive = hive_of("a", "b", "c", replication=3)
    hive.drop = lambda source, target, body: source == "c" and not isinstance(body, Heartbeat | HeartbeatAck | AskView)
    hang(hive, "c")
    hive.go(LEASE_SECONDS + 0.6)
    hive.sent.clear()
    hive.until(lambda: state_of(hive, "a", "c") is State.DOWN, SILENCE_SECONDS + 1.0)  # its own words do not arrive
    hive.go(2.0)
    said = [body for source, _, body in hive.sent if source == "c"]
    assert not [body for body in said if isinstance(body, Heartbeat | HeartbeatAck | AskView | WholeView)]
    assert not [body for body in said if isinstance(body, FailureReport)], "that it hears nobody is its own doing"


def test_it_comes_back_as_any_flapped_node_and_nothing_is_lost() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    alias = owned_by(hive, "c")
    session = hang(hive, "c", alias)
    hive.go(HUNG_SECONDS)
    assert hive.ask("a", Get(1, alias)).content == b"on its way", "the others had it: it counts"  # type: ignore[union-attr]
    assert word_of(hive.replies[session]) == "indeterminate", "who waits here is not kept waiting for this disk"
    hive.ask("a", Update(2, alias, b"later"))
    hive.go(20.0)
    hive.disk_goes_on("c")
    hive.stable("a", "b", "c")
    assert [hive.get(name, alias) for name in "abc"] == [b"later"] * 3


def test_a_new_write_is_refused_where_the_disk_hangs() -> None:
    """Nobody can know when it would be carried out; elsewhere it may be, soon."""
    hive = hive_of("a", "b", "c", replication=3)
    alias = owned_by(hive, "c")
    hang(hive, "c", alias)
    hive.go(LEASE_SECONDS + 0.6)
    reply = hive.ask("c", Update(2, owned_by(hive, "c"), b"x"))
    assert isinstance(reply, Failed) and word_of(reply) == "unstable"
    assert "the disk of c has taken nothing for 3 s; nothing was changed" in reply.sentence


def test_where_the_others_can_decide_nothing_it_goes_on() -> None:
    """Its silence would only take away the reads that are left."""
    hive = hive_of("a", "b", replication=2)
    alias = owned_by(hive, "b")
    hive.ask("b", Update(1, alias, b"1"))
    hang(hive, "a")
    hive.go(HUNG_SECONDS)
    assert [hive.get(name, alias) for name in "ab"] == [b"1", b"1"]
    assert [state_of(hive, "b", name) for name in "ab"] == [State.UP, State.UP]
    hive.disk_goes_on("a")
    hive.go(3.0)
    assert hive.ask("b", Update(2, alias, b"2")) == Done(2)
    assert not hive.heard("b", "down") and not hive.heard("a", "cut_off"), "and no late request takes it down then"


def test_alone_it_says_so() -> None:
    hive = hive_of("a")
    session = hang(hive, "a", b"x")
    hive.go(LEASE_SECONDS + 0.6)
    assert hive.heard("a", "disk_hangs")
    reply = hive.ask("a", Update(2, b"y", b"x"))
    assert isinstance(reply, Failed) and "the disk of a has taken nothing" in reply.sentence
    assert word_of(hive.ask("a", Get(3, b"z"))) == "not_found", "reads need no disk"
    hive.disk_goes_on("a")
    hive.go(0.1)
    assert hive.replies[session] == Done(7) and hive.ask("a", Update(2, b"y", b"x")) == Done(2)


def test_a_disk_that_is_slow_again_and_again_is_named() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    hive.disk_seconds["b"] = 0.8
    alias = owned_by(hive, "a")
    for number in range(6):
        assert hive.ask("a", Update(number, alias, b"1")) == Done(number)
    (event,) = hive.heard("b", "disk_slow")
    assert event.node == "b" and event.sentence.startswith("the disk of b is slow: 0.80 s for each of its last ")
    assert hive.said("b", event.sentence)
    stats = status(hive, "b")
    assert 0.1 < stats["disk_seconds"] < 0.8 and stats["disk_seconds_max"] == pytest.approx(0.8, abs=0.01)
    assert stats["troubles"][0].startswith("the disk of b is slow")
    assert not status(hive, "a")["troubles"] and not hive.heard("a", "disk_slow")
    assert state_of(hive, "a", "b") is State.UP, "slow is not dead"
    del hive.disk_seconds["b"]
    hive.go(40.0)
    assert len(hive.heard("b", "disk_slow")) == 1 and len(hive.heard("b", "disk")) == 1
    assert status(hive, "b")["troubles"] == []


def test_one_slow_batch_is_nothing() -> None:
    hive = hive_of("a")
    hive.disk_seconds["a"] = 1.5
    hive.ask("a", Update(1, b"x", b"1"))
    del hive.disk_seconds["a"]
    for number in range(20):
        hive.ask("a", Update(number, b"x", b"1"))
    assert not hive.heard("a", "disk_slow") and status(hive, "a")["troubles"] == []
    assert status(hive, "a")["disk_seconds_max"] == pytest.approx(1.5, abs=0.01)


def test_its_clients_hear_that_they_have_to_go_elsewhere() -> None:
    """The view in which it is down can't be adopted here, but whoever follows the views of this node is told it."""
    hive = hive_of("a", "b", "c", replication=3)
    alias = owned_by(hive, "c")
    hive.ask("c", Update(1, alias, b"1"))
    hang(hive, "c")
    hive.until(lambda: state_of(hive, "a", "c") is State.DOWN)
    hive.go(0.5)
    told = hive.ask("c", GetView(1))
    assert isinstance(told, ViewIs) and told.view == hive.view("a") != hive.view("c")
    hive.go(LEASE_SECONDS)
    for request in (Get(2, alias), Get(3, owned_by(hive, "a")), Update(4, alias, b"2")):
        reply = hive.ask("c", request)
        assert isinstance(reply, Failed) and word_of(reply) == "unstable"
        assert "the disk of c has taken nothing" in reply.sentence
