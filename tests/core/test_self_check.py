"""A node whose clock did not count, or whose turns come late: it doubts itself rather than others."""

from __future__ import annotations

import pytest

from tests.core.test_node_stats import status
from tests.core.test_router import owned_by
from tests.harness import Hive, hive_of, identity, word_of
from wrpme.core.io import ClockJumped, Requested, Woken
from wrpme.core.limits import HEARTBEAT_SECONDS, SILENCE_SECONDS
from wrpme.limits import LATE_SECONDS, LEASE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol.messages import HeartbeatAck, Body, FailureReport, Content, Failed, Get, Update
from wrpme.protocol.view import Down, State


def paused(hive: Hive, alias: bytes) -> None:
    """The machine of c, which owns the entry, is paused until another node serves it, and has written to it."""
    assert hive.ask("c", Update(1, alias, b"old")).id == 1
    hive.freeze("c")
    hive.until(lambda: word_of(hive.ask("a", Update(2, alias, b"new"))) == "")


def test_no_lease_survives_a_clock_that_stands_still_by_itself() -> None:
    """Which is why somebody has to look at another clock: this is what would happen else."""
    hive = hive_of("a", "b", "c", replication=3)
    alias = owned_by(hive, "c")
    paused(hive, alias)
    hive.thaw("c", Requested(900, Get(3, alias)))
    assert hive.replies[900] == Content(3, b"old"), "a stale read"


def test_a_node_that_hears_of_the_pause_serves_nothing_until_the_others_have_answered() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    alias = owned_by(hive, "c")
    paused(hive, alias)
    hive.thaw("c", ClockJumped(5.0), Requested(900, Get(3, alias)))
    reply = hive.replies[900]
    assert isinstance(reply, Failed) and "c has lost sight of a, b" in reply.sentence.replace("the owner", "c")
    hive.until(lambda: word_of(hive.ask("c", Get(4, alias))) == "", 20.0)
    assert hive.get("c", alias) == b"new"
    (event,) = hive.heard("c", "clock")
    assert event.sentence.startswith("5.0 s passed that the clock of c did not count (its machine was paused")
    assert hive.said("c", event.sentence)


def test_an_acknowledgement_from_before_the_pause_is_no_lease_after_it() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    alias = owned_by(hive, "c")
    hive.ask("c", Update(1, alias, b"1"))
    on_its_way: list[tuple[str, HeartbeatAck]] = []

    def later(source: str, target: str, body: Body) -> bool:
        if target != "c" or not isinstance(body, HeartbeatAck):
            return False
        on_its_way.append((source, body))
        return True

    hive.drop = later
    hive.until(lambda: len(on_its_way) >= 2)
    hive.drop = lambda source, target, body: False
    hive.freeze("c")
    hive.go(0.001)
    came = [hive.message("c", source, body) for source, body in on_its_way]
    hive.thaw("c", ClockJumped(5.0), *came, Requested(900, Get(3, alias)))
    assert word_of(hive.replies[900]) == "unstable", "the promises that they tell of may have run out"


def test_a_wall_clock_that_is_set_costs_a_moment_of_service() -> None:
    """Nothing more: no view, no failed request of a client that tries again."""
    hive = hive_of("a", "b", "c", replication=3)
    alias, epoch = owned_by(hive, "b"), hive.view("a").epoch
    hive.ask("a", Update(1, alias, b"1"))
    hive.event("b", ClockJumped(3600.0))
    assert word_of(hive.ask("b", Get(2, alias), 0.001)) == "unstable"
    assert hive.until(lambda: word_of(hive.ask("b", Get(2, alias))) == "") < 0.05
    hive.go(5.0)
    assert hive.view("a").epoch == epoch and hive.get("a", alias) == b"1"


def test_one_that_needs_no_lease_goes_on() -> None:
    hive = hive_of("a")
    hive.ask("a", Update(1, b"x", b"1"))
    hive.event("a", ClockJumped(10.0))
    assert hive.get("a", b"x") == b"1"


# --- late --------------------------------------------------------------------------------------------------------


def test_who_was_late_reports_nobody_until_it_was_on_time_for_a_lease() -> None:
    hive = hive_of("a", "b", "c", "d", replication=2)
    hive.drop = lambda source, target, body: isinstance(body, HeartbeatAck) and target == "d"
    hive.go(LATE_SECONDS)
    node = hive.nodes["d"]
    hive.sent.clear()
    for _ in range(20):  # each turn comes so late that it would miss everybody
        hive.now += HEARTBEAT_SECONDS + LATE_SECONDS + 0.1
        hive._carry_out("d", node.handle(Woken(), hive.now))
    said = [body for source, _, body in hive.sent if source == "d"]
    assert not [body for body in said if isinstance(body, FailureReport)]
    assert len(hive.heard("d", "late")) == 1, "said once"
    assert "d was 0.6 s late" in hive.heard("d", "late")[0].sentence
    assert status(hive, "d")["late_seconds"] == pytest.approx(0.6, abs=0.01)


def test_a_proposer_that_was_late_marks_nobody_down() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    voter, context = hive.nodes["a"].voter, hive.nodes["a"].context
    context.now = hive.now = hive.now + SILENCE_SECONDS + LATE_SECONDS + 1.0
    member = view_index.member(hive.view("a"), identity("c"))
    assert member is not None and member.state is State.UP
    voter.report_failure(identity("b"), FailureReport(((identity("c"), member.incarnation),)))
    voter._began[identity("c"), member.incarnation] -= 10.0
    assert voter.suspicions() == [Down(identity("c"), member.incarnation)]
    hive.nodes["a"].self_check.be_late(3.0)
    assert voter.suspicions() == []
    context.now += LEASE_SECONDS
    voter.report_failure(identity("b"), FailureReport(((identity("c"), member.incarnation),)))
    context.heartbeats._heard[identity("c")] -= 10.0
    assert voter.suspicions() == [Down(identity("c"), member.incarnation)]
