"""Who is told what is published, and what waits: with a host that carries out turns when it is told to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wrpme.daemon.limits import (
    HEARD_BYTES_MAX, MATCHES_KEPT_MAX, PATTERNS_MAX, PUBLISHED_BATCH_BYTES, PUBLISHED_BYTES_MAX, PUSHES_MAX,
    SUBSCRIBERS_TOLD_MAX, SUBSCRIPTIONS_BYTES_MAX, SUBSCRIPTIONS_MAX,
)  # fmt: skip
from wrpme.daemon.net.redis.channels import Channels, Kind
from wrpme.daemon.net.redis.commands.keys import matcher
from wrpme.errors import BusyError
from wrpme.limits import KIB, MIB, TURN_BYTES
from wrpme.protocol.identities import Publication, Published


class Host:
    def __init__(self) -> None:
        self.now = 100.0
        self.nodes = 2
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.published: list[Published] = []
        self.lost = 0

    def clock(self) -> float:
        return self.now

    def flush(self) -> None:
        pass

    def defect(self, error: BaseException) -> None:
        raise error

    def publish(self, published: Published) -> int:
        self.published.append(published)
        return self.nodes

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.due.append((self.now + seconds, call))

    def dropped(self) -> None:
        self.lost += 1

    def turn(self) -> None:
        """What is due by now happens, and nothing that this leads to."""
        due = [call for at, call in self.due if at <= self.now]
        self.due = [one for one in self.due if one[0] > self.now]
        for call in due:
            call()

    @property
    def contents(self) -> list[bytes]:
        return [one.content for published in self.published for one in published.messages]


class Listener:
    def __init__(self) -> None:
        self.three = False
        self.subscriptions: dict[Kind, dict[bytes, None]] = {}
        self.subscription_count = 0
        self.heard: list[bytes] = []
        self.told = 0
        self.takes = 0
        self.resumed = 0
        self.push: Callable[[bytes], None] = self.heard.append
        self.tell: Callable[[], int] = self._tell
        self.resume: Callable[[], None] = self._resume

    def _tell(self) -> int:
        self.told += 1
        return self.takes

    def _resume(self) -> None:
        self.resumed += 1

    def contents(self) -> list[bytes]:
        return [frame.split(b"\r\n")[-2] for frame in self.heard]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def channels(host: Host) -> Channels:
    return Channels(host)


def listen(channels: Channels, *names: bytes, kind: Kind = Kind.CHANNEL) -> Listener:
    listener = Listener()
    for name in names:
        channels.subscribe(listener, kind, name, matcher(name))
    return listener


def test_who_is_told(channels: Channels) -> None:
    one, both = listen(channels, b"a"), listen(channels, b"a", b"b")
    pattern, shard = listen(channels, b"?", kind=Kind.PATTERN), listen(channels, b"a", kind=Kind.SHARD)
    both.three = True
    assert channels.publish(b"a", b"1") == 3
    assert one.heard == [b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n"]
    assert both.heard == [b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n"]
    assert pattern.heard == [b"*4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\na\r\n$1\r\n1\r\n"]
    assert channels.publish(b"a", b"2", is_sharded=True) == 1
    assert shard.heard == [b"*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\n2\r\n"]
    assert channels.publish(b"bb", b"3") == 0
    channels.unsubscribe(both, Kind.CHANNEL, b"a")
    channels.unsubscribe(both, Kind.CHANNEL, b"a")
    assert channels.publish(b"a", b"4") == 2 and both.subscription_count == 1


def test_patterns_that_come_and_go_count_at_once(channels: Channels) -> None:
    first = listen(channels, b"a*", kind=Kind.PATTERN)
    assert channels.publish(b"ab", b"") == 1
    second = listen(channels, b"*b", b"x", kind=Kind.PATTERN)
    assert channels.publish(b"ab", b"") == 2
    channels.gone(first)
    assert channels.publish(b"ab", b"") == 1
    channels.forget(second)
    assert channels.publish(b"ab", b"") == 0 and channels.names(Kind.PATTERN) == []
    listen(channels, b"[a-z]*", kind=Kind.PATTERN)
    for number in range(MATCHES_KEPT_MAX + 5):
        assert channels.publish(b"%d" % number, b"") == 0
    assert len(channels._matching) <= MATCHES_KEPT_MAX


def test_other_nodes_are_told_once_of_all_in_a_turn(host: Host, channels: Channels) -> None:
    listener = listen(channels, b"a")
    for number in range(10):
        channels.publish(b"a", b"%d" % number)
    assert not host.published and listener.told == 0
    host.turn()
    assert len(host.published) == 1 and host.contents == listener.contents() == [b"%d" % number for number in range(10)]
    assert listener.told == 1
    channels.deliver(Published((Publication(b"a", b"from elsewhere"), Publication(b"b", b"for nobody"))))
    host.turn()
    assert listener.contents()[10:] == [b"from elsewhere"]
    assert len(host.published) == 1, "nobody passes on what another one told"
    assert not host.due


def test_large_messages_are_told_in_batches(host: Host, channels: Channels) -> None:
    for _ in range(10):
        channels.publish(b"a", bytes(50 * KIB))
    host.turn()
    assert [len(published.messages) for published in host.published] == [3, 3, 3, 1]
    assert 2 * 50 * KIB < PUBLISHED_BATCH_BYTES <= 3 * 50 * KIB


def test_in_a_large_hive_more_gathers_before_it_is_told(host: Host, channels: Channels) -> None:
    listener, host.nodes = listen(channels, b"a"), 1000
    channels.publish(b"a", b"0")
    host.turn()
    assert host.contents == [b"0"]
    for number in range(1, 4):
        channels.publish(b"a", b"%d" % number)
        host.now += 0.01
        host.turn()
    assert listener.contents() == [b"0", b"1", b"2", b"3"] and listener.told == 4, "here nobody waits"
    assert host.contents == [b"0"]
    host.now += 0.1
    host.turn()
    host.turn()
    assert len(host.published) == 2 and host.contents == [b"0", b"1", b"2", b"3"]


def test_publishers_wait_where_others_can_not_be_told_yet(host: Host, channels: Channels) -> None:
    publisher, host.nodes = Listener(), 1000
    channels.publish(b"a", b"0")
    host.turn()
    assert not channels.waits(publisher)
    channels.publish(b"a", bytes(PUBLISHED_BYTES_MAX))
    assert channels.waits(publisher)
    host.turn()
    assert publisher.resumed == 0 and channels.waits(publisher)
    host.now += 1.0
    host.turn()
    host.turn()
    assert publisher.resumed == 1 and not channels.waits(publisher)
    assert not [at for at, _ in host.due if at <= host.now], "nobody is asked for ever"


def test_one_turn_tells_so_many(host: Host, channels: Channels) -> None:
    listeners = [listen(channels, b"a") for _ in range(PUSHES_MAX // 2 + 10)]  # so the second message is for two turns
    publisher = Listener()
    assert channels.publish(b"a", b"0") == len(listeners) and not channels.waits(publisher)
    assert channels.publish(b"a", b"1") == len(listeners)
    assert PUSHES_MAX - 20 <= sum(len(one.heard) for one in listeners) < 2 * len(listeners)
    assert channels.waits(publisher), "and those who publish wait for that"
    channels.unsubscribe(listeners[-1], Kind.CHANNEL, b"a")
    channels.deliver(Published((Publication(b"a", b"2"),)))
    host.turn()
    assert publisher.resumed == 1 and sum(one.told for one in listeners) == SUBSCRIBERS_TOLD_MAX
    while host.due:
        host.turn()
    assert all(one.contents() == [b"0", b"1", b"2"] and one.told >= 1 for one in listeners[:-1])
    assert listeners[-1].contents() == [b"0"], "nothing is said after it has unsubscribed"


def test_messages_for_nobody_take_of_the_turn_too(host: Host, channels: Channels) -> None:
    publisher, count = Listener(), 0
    while not channels.waits(publisher):
        channels.publish(b"a", b"")
        count += 1
    assert 500 < count < 2000
    host.turn()
    assert publisher.resumed == 1 and sum(len(one.messages) for one in host.published) == count
    assert max(len(one.messages) for one in host.published) <= 1024


def test_one_turn_writes_so_much(host: Host, channels: Channels) -> None:
    listeners = [listen(channels, b"a") for _ in range(5)]
    for listener in listeners:
        listener.takes = TURN_BYTES // 2
    channels.publish(b"a", b"0")
    host.turn()
    assert [one.told for one in listeners] == [1, 1, 0, 0, 0]
    host.turn()
    assert [one.told for one in listeners] == [1, 1, 1, 1, 0]
    host.turn()
    assert [one.told for one in listeners] == [1, 1, 1, 1, 1] and not host.due


def test_to_try_patterns_takes_of_the_turn_too(host: Host, channels: Channels) -> None:
    listener = listen(channels, *(b"%d*" % number for number in range(8000)), kind=Kind.PATTERN)
    assert channels.publish(b"none", b"0") == 0 and not channels.waits(Listener())
    for number in range(10):
        channels.deliver(Published((Publication(b"7%d" % number, b"1"),)))
    assert len(channels._matching) < 5, "the others are looked up in later turns"
    assert channels.waits(Listener())
    for _ in range(20):
        host.turn()
    assert len(listener.heard) == sum(len(b"7%d" % number) for number in range(10)) and not host.due


def test_what_other_nodes_publish_does_not_wait_for_ever(host: Host, channels: Channels) -> None:
    listeners = [listen(channels, b"a") for _ in range(PUSHES_MAX + 1)]
    large = Published((Publication(b"a", bytes(MIB)),))
    for _ in range(2 * HEARD_BYTES_MAX // MIB):
        channels.deliver(large)
    assert host.lost
    while host.due:
        host.turn()
    assert HEARD_BYTES_MAX // MIB <= len(listeners[-1].heard) <= HEARD_BYTES_MAX // MIB + 2
    assert channels._waiting_bytes == 0


def test_there_is_room_for_so_much(channels: Channels) -> None:
    listener = Listener()
    channels.check(listener, Kind.CHANNEL, [b"a"] * SUBSCRIPTIONS_MAX)
    with pytest.raises(BusyError, match="at most 100000 subscriptions"):
        channels.check(listener, Kind.CHANNEL, [b"a"] * (SUBSCRIPTIONS_MAX + 1))
    with pytest.raises(BusyError, match="at most 10000 patterns"):
        channels.check(listener, Kind.PATTERN, [b"a"] * (PATTERNS_MAX + 1))
    with pytest.raises(BusyError, match="all the room that there is"):
        channels.check(listener, Kind.CHANNEL, [bytes(SUBSCRIPTIONS_BYTES_MAX // 1000)] * 1000)
    channels.subscribe(listener, Kind.CHANNEL, b"a", matcher(b"a"))
    channels.subscribe(listener, Kind.CHANNEL, b"a", matcher(b"a"))
    with pytest.raises(BusyError):
        channels.check(listener, Kind.CHANNEL, [b"a"] * SUBSCRIPTIONS_MAX)
    channels.gone(listener)
    assert channels._bytes == 0 and listener.subscription_count == 0
