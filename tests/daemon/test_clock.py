"""The clock of a node, and what becomes of answers when it stood still."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from tests.daemon_parts import Raw, daemon
from wrpme.core.io import ClockJumped, Effect, ReplyTo
from wrpme.daemon.clock import Clock
from wrpme.daemon.limits import CLOCK_JUMP_SECONDS
from wrpme.errors import UnstableError
from wrpme.core.limits import HEARTBEAT_SECONDS, PROMISE_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.messages import Content, Failed, Get, Request


class Machine:
    """Its clocks go as a test says."""

    def __init__(self, marker: bytes | None = None) -> None:
        self.now, self.wall = 1000.0, 1_700_000_000.0
        self.marker = marker
        self.jumps: list[float] = []
        self.held_up = 0.0
        """Seconds that pass between the next two readings."""
        self.clock = Clock(
            self._monotonic, self._wall, self.jumps.append,
            None if marker is None else lambda: self.marker or b"",
        )  # fmt: skip

    def _monotonic(self) -> float:
        shown = self.now
        held_up, self.held_up = self.held_up, 0.0
        self.pass_by(held_up)
        return shown

    def _wall(self) -> float:
        return self.wall

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


def test_time_passes_and_nothing_happens() -> None:
    machine = Machine()
    for seconds in (0.0, 0.001, 10.0, 86_400.0):
        machine.pass_by(seconds)
        assert machine.clock() == machine.now
    assert machine.jumps == []


def test_what_the_clock_did_not_count_is_noticed_before_it_is_read() -> None:
    machine = Machine()
    machine.wall += 7.5
    assert machine.clock() == 1000.0 and machine.jumps == [pytest.approx(7.5)]
    machine.clock()
    assert len(machine.jumps) == 1, "once"
    machine.wall += 2 * CLOCK_JUMP_SECONDS
    machine.clock()
    assert len(machine.jumps) == 2


def test_a_process_that_is_held_up_between_two_readings_is_no_jump() -> None:
    machine = Machine()
    machine.held_up = 5.0
    machine.clock()
    assert machine.jumps == []


def test_a_wall_clock_that_is_set_back_is_no_jump_and_hides_none() -> None:
    machine = Machine()
    machine.wall -= 3600.0
    machine.clock()
    assert machine.jumps == []
    machine.wall += 1.0
    machine.clock()
    assert machine.jumps == [pytest.approx(1.0)]


def test_many_small_steps_within_a_second_are_one() -> None:
    machine = Machine()
    for _ in range(10):
        machine.wall += CLOCK_JUMP_SECONDS / 8
        machine.clock()
    assert len(machine.jumps) == 1


def test_a_wall_clock_that_is_a_little_off_each_second_is_let_be() -> None:
    machine = Machine()
    for _ in range(100):
        machine.pass_by(1.0)
        machine.wall += CLOCK_JUMP_SECONDS / 2
        machine.clock()
        machine.clock.settle()
    assert machine.jumps == []


def test_what_passes_unseen_is_within_what_a_promise_outlasts_a_lease_by() -> None:
    windows = LEASE_SECONDS + 1.0  # a lease, and the seconds that it begins and ends in
    assert LEASE_SECONDS * 1.05 / 0.95 + windows * CLOCK_JUMP_SECONDS < PROMISE_SECONDS


def test_a_marker_of_the_hypervisor_that_changes_is_a_jump_of_unknown_size() -> None:
    machine = Machine(b"one")
    machine.clock()
    assert machine.jumps == []
    machine.marker = b"two"
    machine.clock()
    machine.clock()
    assert machine.jumps == [0.0]


@pytest.mark.asyncio
async def test_an_answer_under_a_lease_does_not_leave_after_a_pause_that_the_clock_did_not_count() -> None:
    """Decided, then the machine is paused, then the end of the turn comes; and an answer that needs no lease leaves."""

    async with daemon() as d, Raw(d.port) as client:
        d.now = now = d.runner.clock()

        def on_request(session: int, request: Request) -> list[Effect]:
            if request.id == 2:
                d.wall_seconds += LEASE_SECONDS
            until = inf if request.id == 3 else now + LEASE_SECONDS
            return [ReplyTo(session, Content(request.id, b"x"), until)]

        d.node.on_request = on_request
        client.say(Get(1, b"x"), Get(2, b"x"), Get(3, b"x"), preface=True)
        first, second, third = await client.replies(3)
        assert isinstance(first, Failed) and first.code == UnstableError.code
        assert isinstance(second, Failed) and second.code == UnstableError.code
        assert third == Content(3, b"x")
        assert (await d.node.hears(ClockJumped)).seconds == pytest.approx(LEASE_SECONDS, abs=1.0)


@pytest.mark.asyncio
async def test_the_node_hears_of_it_before_what_came_meanwhile() -> None:
    async with daemon() as d, Raw(d.port) as client:
        d.now = now = d.runner.clock()
        heard: list[str] = []

        def on_request(session: int, request: Request) -> list[Effect]:
            heard.append(f"get with {len(d.node.heard(ClockJumped))} jumps")
            return [ReplyTo(session, Content(request.id, b"x"), now + HEARTBEAT_SECONDS)]

        d.node.on_request = on_request
        client.say(Get(1, b"x"), preface=True)
        assert await client.reply() == Content(1, b"x")
        d.wall_seconds += 5.0
        client.say(Get(2, b"x"))
        assert await client.reply() == Content(2, b"x"), "what the node says after it, it says knowing it"
        assert heard == ["get with 0 jumps", "get with 1 jumps"]
        assert d.node.process.wall_offset_milliseconds == pytest.approx(1000.0 * (d.wall_seconds - now))
        await asyncio.sleep(0)
        assert len(d.node.heard(ClockJumped)) == 1
