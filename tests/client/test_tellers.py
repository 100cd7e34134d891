"""Who hears what is told on which channel of which connection."""

from __future__ import annotations

from typing import Any

from wrpme.client.follow.tellers import Tellers
from wrpme.protocol.messages import Changes, Failed, Follow, FollowEnded, Following, Request


class Connection:
    def __init__(self) -> None:
        self.said: list[Request] = []

    def say(self, request: Request) -> None:
        self.said.append(request)


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.lost_ones: list[Any] = []

    def following(self, connection: Any, answer: Following | Failed) -> None:
        self.heard.append(answer)

    def told(self, connection: Any, reply: Changes | FollowEnded) -> None:
        self.heard.append(reply)

    def lost(self, connection: Any) -> None:
        self.lost_ones.append(connection)


def ask(tellers: Tellers, connection: Any, number: int, listener: Listener) -> None:
    tellers.ask(connection, Follow(number, bytes(16), 1, b""), listener)


def test_changes_go_to_those_whose_channel_it_is_and_to_nobody_before_the_answer() -> None:
    tellers, here, there = Tellers(), Connection(), Connection()
    one, two = Listener(), Listener()
    ask(tellers, here, 1, one)
    ask(tellers, there, 2, two)
    assert len(here.said) == len(there.said) == 1
    tellers.heard(here, Changes(0, 5, ()))  # type: ignore[arg-type]
    assert one.heard == []
    tellers.heard(here, Following(1, 5))  # type: ignore[arg-type]
    tellers.heard(there, Following(2, 5))  # type: ignore[arg-type]
    tellers.heard(here, Changes(0, 5, ()))  # type: ignore[arg-type]
    assert one.heard == [Following(1, 5), Changes(0, 5, ())] and two.heard == [Following(2, 5)]


def test_a_refusal_is_heard_once() -> None:
    tellers, here, one = Tellers(), Connection(), Listener()
    ask(tellers, here, 1, one)
    tellers.heard(here, Failed(1, 6, "no"))  # type: ignore[arg-type]
    tellers.heard(here, Failed(1, 6, "no"))  # type: ignore[arg-type]
    assert one.heard == [Failed(1, 6, "no")]


def test_who_is_forgotten_hears_nothing_and_the_channels_are_told() -> None:
    tellers = Tellers()
    here: Any = Connection()
    one, two = Listener(), Listener()
    for number, listener in ((1, one), (2, two)):
        ask(tellers, here, number, listener)
        tellers.heard(here, Following(number, 5))
    assert tellers.forget(one) == [(here, 5)] and tellers.forget(one) == []
    tellers.heard(here, FollowEnded(0, 5))
    assert FollowEnded(0, 5) not in one.heard and FollowEnded(0, 5) in two.heard


def test_those_who_ask_or_listen_hear_of_the_end_of_their_connection() -> None:
    tellers, here, there = Tellers(), Connection(), Connection()
    one, two, other = Listener(), Listener(), Listener()
    ask(tellers, here, 1, one)
    ask(tellers, here, 2, two)
    tellers.heard(here, Following(2, 5))  # type: ignore[arg-type]
    ask(tellers, there, 3, other)
    tellers.closed(here)  # type: ignore[arg-type]
    assert one.lost_ones == two.lost_ones == [here] and not other.lost_ones
