"""A node's own place in the hive: joining, coming back, stopping, being taken for dead."""

from __future__ import annotations

import pytest

from tests.harness import HIVE, Hive, hive_of, identity, word_of
from wrpme.core.io import Exit, LinkDown
from wrpme.limits import STOP_SECONDS_MAX
from wrpme.protocol import view_index
from wrpme.protocol.messages import Done, Failed, Get, Put
from wrpme.protocol.view import State


def state(hive: Hive, seen_by: str, name: str) -> State:
    member = view_index.member(hive.view(seen_by), identity(name))
    assert member is not None
    return member.state


def isolate(hive: Hive, name: str) -> None:
    for other in hive.nodes:
        if other != name:
            hive.cut(name, other)


def test_a_join_is_asked_for_until_it_is_granted() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.cut("a", "b")
    hive.start("b", "a")
    hive.go(7)
    assert hive.said("b", "waiting for a hive at a")
    assert sum("waiting for a hive" in line for _, _, line in hive.lines) <= 2, "said now and then"
    hive.heal()
    hive.stable("a", "b")


def test_a_join_through_a_node_that_is_no_voter() -> None:
    hive = hive_of("a", "b", "c", "d", "e", "f")
    outsider = next(name for name in "abcdef" if identity(name) not in hive.view("a").voters)
    hive.start("g", outsider)
    hive.stable(*"abcdefg")


def test_a_voter_tells_how_many_wait_to_be_taken_in() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    hive.slow_disks.add("a")  # nothing can be decided for the moment
    for name in ("b", "c", "d"):
        hive.start(name, "a")
    hive.go(1.0)
    assert hive.nodes["a"].status().joining == 3
    hive.start("x", "a", advertise="nowhere")
    hive.go(6.0)
    assert hive.nodes["a"].status().joining == 3, "this one can't be taken in"


def test_another_number_of_copies_at_a_restart_is_a_warning() -> None:
    """The directory knows what the hive keeps; to end a node for that would take a copy away."""
    hive = hive_of("a", "b", replication=2)
    hive.kill("b")
    hive.start("b", replication=3)
    hive.stable("a", "b", seconds=30)
    assert not hive.exits and hive.view("b").replication == 2
    assert hive.said("b", f"hive {HIVE.hex()[:8]} keeps 2 copies of each entry, and --replication asks for 3")


def test_a_peer_that_can_not_be_reached_is_named_once_for_each_reason() -> None:
    hive = Hive()
    hive.start("b", "nowhere")
    hive.go(3)
    for _ in range(3):
        hive.event("b", LinkDown("nowhere", "no route to host"))
    said = [line for _, _, line in hive.lines if "can't be reached" in line]
    assert said == [
        "the peer nowhere can't be reached (connection refused); trying again until it can",
        "the peer nowhere can't be reached (no route to host); trying again until it can",
    ]


def test_what_was_taken_for_dead_says_so_and_comes_back() -> None:
    hive = hive_of("a", "b", "c")
    isolate(hive, "c")
    hive.until(lambda: state(hive, "a", "c") is State.DOWN)
    hive.go(3)
    hive.heal()
    hive.until(lambda: hive.said("c", "the hive took this node for dead"))
    hive.stable("a", "b", "c", seconds=30)
    member = view_index.member(hive.view("a"), identity("c"))
    assert member is not None and member.incarnation == 1, "the same life"
    assert hive.ask("c", Put(1, b"x", b"1")) == Done(1)


def test_each_flap_doubles_the_waiting() -> None:
    hive = hive_of("a", "b", "c")
    took = []
    for _ in range(3):
        isolate(hive, "c")
        hive.until(lambda: state(hive, "a", "c") is State.DOWN)
        hive.heal()
        took.append(hive.until(lambda: state(hive, "a", "c") is State.UP, seconds=20))
        hive.stable("a", "b", "c")
        hive.go(3)
    assert took[0] < took[1] < took[2]
    assert took[2] >= 4.0


def test_a_minority_says_why_it_does_not_serve() -> None:
    hive = hive_of("a", "b", "c")
    isolate(hive, "c")
    hive.go(10)
    quorum = hive.nodes["c"].lifecycle.quorum()
    assert quorum.startswith("this node sees 1 of 3 voters; it waits for a, b: start them, or mend the network to them")
    assert hive.nodes["a"].lifecycle.quorum() == ""


def test_a_node_that_finds_no_quorum_after_its_start_says_so() -> None:
    hive = hive_of("a", "b", "c")
    for name in "abc":
        hive.kill(name)
    hive.start("b")
    hive.go(1.0)
    assert word_of(hive.ask("b", Get(1, b"x"))) == "unstable", "too early to say"
    hive.go(5.0)
    reply = hive.ask("b", Get(1, b"x"))
    assert isinstance(reply, Failed) and word_of(reply) == "unavailable"
    assert "sees 1 of 3 voters; it waits for a, c" in reply.sentence
    hive.start("a")
    hive.until(lambda: hive.nodes["a"].context.lives and hive.nodes["b"].context.lives)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stop_ends_soon_and_well(count: int) -> None:
    hive = hive_of(*"abc"[:count])
    began = hive.now
    hive.stop("a")
    hive.stop("a")
    hive.until(lambda: "a" in hive.exits)
    assert hive.exits["a"] == Exit(0)
    assert hive.now - began < 1.0
    assert hive.said("a", "stopping: the hive is told first")


def test_a_stop_without_a_quorum_gives_up_waiting() -> None:
    hive = hive_of("a", "b", "c")
    hive.kill("a")
    hive.kill("b")
    hive.stop("c")
    took = hive.until(lambda: "c" in hive.exits)
    assert STOP_SECONDS_MAX <= took < STOP_SECONDS_MAX + 0.2
    assert hive.exits["c"] == Exit(0)
    assert hive.said("c", "no quorum agreed to the stop in 5 s")


def test_a_stop_before_there_is_a_hive() -> None:
    hive = Hive()
    hive.start("a", "nowhere")
    hive.go(1)
    hive.stop("a")
    hive.until(lambda: "a" in hive.exits)
    assert hive.exits["a"] == Exit(0)


def test_a_stopped_node_declines() -> None:
    hive = hive_of("a", "b", "c")
    hive.slow_disks.add("a")
    hive.stop("b")
    hive.until(lambda: not hive.nodes["b"].context.lives if "b" in hive.nodes else True)
    if "b" in hive.nodes:
        reply = hive.ask("b", Get(1, b"x"))
        assert isinstance(reply, Failed) and word_of(reply) == "unstable" and "stopping" in reply.sentence


def test_the_last_node_that_stops_is_the_first_that_serves() -> None:
    hive = hive_of("a", "b", "c")
    for name in "abc":
        hive.stop(name)
        hive.until(lambda name=name: name in hive.exits)  # type: ignore[misc]
        hive.go(1)
    hive.start("c")
    took = hive.until(lambda: hive.nodes["c"].context.lives)
    assert took < 3.0, "it needs nobody: it was the last voter"


def test_a_node_that_returns_first_after_a_power_loss_says_whom_it_waits_for() -> None:
    hive = hive_of("a", "b", replication=2)
    epoch = hive.view("a").epoch
    hive.kill("a")
    hive.kill("b")
    hive.lines.clear()
    hive.start("a")
    hive.go(7.0)
    assert hive.said("a", f"view {epoch}, of 2 nodes, is the last that this node knew")
    assert hive.said("a", "waiting to be taken back by the hive: nothing was heard yet of b with the same entries")
    assert not hive.said("a", "stable"), "nobody knows that yet"
    hive.until(lambda: hive.nodes["a"].context.lives)
    assert hive.said("a", "the hive is degraded: b down")
