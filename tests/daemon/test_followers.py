"""Telling many: each change becomes a frame once, some are told in each turn, and who is behind is no burden."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from wrpme.core.io import FollowersBehind, TellFollowers
from wrpme.daemon.limits import FOLLOW_BEHIND_BYTES_MAX, FOLLOWERS_TOLD_MAX
from wrpme.daemon.net.followers import Followers
from wrpme.protocol.codec import PREFACE, Decoder
from wrpme.protocol.messages import Changes, Done, Failed, FollowEnded, Following, Reply


class Wire:
    """What one takes."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.unsent_bytes = 0
        self.waiting = 1
        self.leases: list[float] = []

    def put(self, frame: bytes) -> None:
        self.frames.append(frame)

    def valid_until(self, moment: float, instead: bytes) -> None:
        self.leases.append(moment)


class Host:
    def __init__(self, count: int) -> None:
        self.wires = {number: Wire() for number in range(count)}
        self.behind: list[FollowersBehind] = []
        self.flushed = 0
        self.ended = 0
        self.followers = Followers(self, self.wires, self.behind.append, self.told)  # type: ignore[arg-type]

    def flush(self) -> None:
        self.flushed += 1

    def told(self) -> None:
        self.ended += 1

    def defect(self, error: BaseException) -> None:
        raise error


@pytest.mark.asyncio
async def test_many_are_told_in_several_turns_and_all_get_the_same_frame() -> None:
    host = Host(2 * FOLLOWERS_TOLD_MAX + 1)
    host.followers.put(TellFollowers(tuple(host.wires), 1, Changes(0, 1, ())))
    host.followers.put(TellFollowers((0,), 1, Done(5)))
    assert host.followers.due
    host.followers.go_on()
    assert sum(len(wire.frames) for wire in host.wires.values()) == FOLLOWERS_TOLD_MAX
    assert host.followers.busy and not host.followers.due
    while host.followers.busy:
        await asyncio.sleep(0)
    assert all(wire.frames[0] is host.wires[0].frames[0] for wire in host.wires.values())
    assert len(host.wires[0].frames) == 2 and host.ended == 1 and host.flushed == 2
    assert host.wires[0].waiting == 2, "changes answer no request, and Done does"


def test_who_is_behind_is_not_told_changes_but_that_it_is() -> None:
    host = Host(2)
    host.wires[1].unsent_bytes = FOLLOW_BEHIND_BYTES_MAX + 1
    host.followers.put(TellFollowers((0, 1, 7), 3, Changes(0, 3, ())))
    host.followers.go_on()
    assert host.behind == [FollowersBehind(3, (1,))]
    assert len(host.wires[0].frames) == 1 and not host.wires[1].frames
    host.wires[1].unsent_bytes = 0
    host.followers.put(TellFollowers((0, 1), 3, Changes(0, 3, ())))
    host.followers.put(TellFollowers((1,), 3, Done(5)))
    host.followers.put(TellFollowers((1,), 4, Changes(0, 4, ())))
    host.followers.put(TellFollowers((1,), 3, FollowEnded(0, 3, True)))
    host.followers.put(TellFollowers((1,), 3, Following(6, 3)))
    host.followers.put(TellFollowers((1,), 3, Changes(0, 3, ())))
    host.followers.go_on()
    kinds = [type(decoded(frame)) for frame in host.wires[1].frames]
    assert kinds == [Failed, Changes, FollowEnded, Following, Changes], "it must not believe that it missed nothing"
    assert len(host.wires[0].frames) == 2


def test_a_confirmation_leaves_under_its_lease() -> None:
    host = Host(1)
    host.followers.put(TellFollowers((0,), 3, Done(5), 7.0))
    host.followers.go_on()
    host.followers.put(TellFollowers((0,), 3, Done(6), 7.0))
    host.followers.lapse()
    host.followers.go_on()
    assert host.wires[0].leases == [7.0, -inf]


def decoded(frame: bytes) -> Reply:
    return Decoder(Reply).feed(PREFACE + frame)[0]
