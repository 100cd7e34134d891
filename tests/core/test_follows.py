"""Following entries at a node: who is told of what, once it is committed, and when that ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.harness import HIVE, identity
from wrpme.core import follows, limits
from wrpme.core.io import (
    Effect, FollowersBehind, Input, Persist, Persisted, ReplyTo, SessionClosed, Settings, TellFollowers, TurnEnded,
    Woken,
)  # fmt: skip
from wrpme.core.node import Node
from wrpme.daemon.storage.store import MemoryStore
from wrpme.errors import BusyError, TooLargeError, UnstableError
from wrpme.protocol.messages import (
    EXPIRED, REMOVED, WRITTEN, Changes, ConfirmFollow, Done, Expire, Failed, Follow, FollowEnded, Following, Put,
    Remove, Reply, Request, Unfollow, Update,
)  # fmt: skip

A = identity("a")
ONE, TWO, WRITER = 1, 2, 9


class Side:
    """A node that is alone, whose disk takes a batch when it is told to."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.node = Node(Settings(A, 1, "a", new_hive=HIVE), self.store, 100.0)
        self.told: dict[int, list[Reply]] = {}
        self.replies: list[Reply] = []
        self.batches: list[Persist] = []
        self.now = 100.0
        self._take(self.node.start(self.now))
        self.settle()

    def _take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Persist):
                self.batches.append(effect)
            elif isinstance(effect, TellFollowers):
                for session in effect.sessions:
                    self.told.setdefault(session, []).append(effect.reply)
            elif isinstance(effect, ReplyTo):
                self.replies.append(effect.reply)  # type: ignore[arg-type]

    def handle(self, given: Input) -> None:
        self._take(self.node.handle(given, self.now))

    def ask(self, request: Request, session: int = WRITER) -> None:
        self._take(self.node.request(session, request, self.now))

    def persist(self) -> None:
        for batch in self.batches[:1]:
            del self.batches[0]
            self.store.write(batch.operations, True)
            self.handle(Persisted(batch.batch))

    def end(self, telling: bool = False) -> None:
        self.handle(TurnEnded(telling=telling))

    def settle(self) -> None:
        self.end()
        while self.batches:
            self.persist()
            self.end()

    def follow(self, session: int, prefix: bytes = b"", contents: bool = False) -> int:
        assert self.node.view is not None
        self.ask(Follow(7, A, self.node.view.epoch, prefix, contents), session)
        answer = self.told[session].pop()
        assert isinstance(answer, Following) and answer.id == 7
        return answer.channel

    def changes(self, session: int) -> list[tuple[int, bytes, bytes | None]]:
        """What the session was told since."""
        told, self.told[session] = self.told.get(session, []), []
        found = []
        for message in told:
            assert isinstance(message, Changes) and message.id == 0, message
            found += [(change.what, change.alias, change.content) for change in message.changes]
        return found

    def refusal(self) -> int:
        answer = self.replies[-1]
        assert isinstance(answer, Failed), answer
        return answer.code


@pytest.fixture
def side() -> Iterator[Side]:
    yield Side()


def test_a_follower_is_told_of_what_is_on_the_disk_and_of_nothing_else(side: Side) -> None:
    side.follow(ONE, b"a", contents=True)
    side.follow(TWO)
    side.ask(Put(1, b"a1", b"x"))
    side.ask(Put(2, b"b1", b"y"))
    side.end()
    assert side.changes(ONE) == side.changes(TWO) == [], "it is pending"
    side.settle()
    assert side.changes(ONE) == [(WRITTEN, b"a1", b"x")]
    assert side.changes(TWO) == [(WRITTEN, b"a1", None), (WRITTEN, b"b1", None)]
    side.ask(Remove(3, b"a1"))
    side.settle()
    assert side.changes(ONE) == [(REMOVED, b"a1", None)]


def test_what_was_committed_before_is_not_told(side: Side) -> None:
    side.ask(Put(1, b"a1", b"x"))
    side.end()
    side.follow(ONE)
    side.settle()
    assert side.changes(ONE) == [(WRITTEN, b"a1", None)], "it was committed after"
    side.ask(Update(1, b"a1", b"y"))
    side.end()
    side.persist()
    side.end()
    side.follow(TWO)
    side.settle()
    assert side.changes(TWO) == []


def test_versions_grow_and_of_one_turn_the_last_state_is_told(side: Side) -> None:
    side.follow(ONE, contents=True)
    side.ask(Put(1, b"a1", b"1"))
    side.ask(Update(2, b"a1", b"2"))
    side.settle()
    assert side.changes(ONE) == [(WRITTEN, b"a1", b"2")]


def test_expiry_is_told_as_such(side: Side) -> None:
    side.follow(ONE)
    side.ask(Put(1, b"a1", b"", ttl=500))
    side.ask(Put(2, b"a2", b""))
    side.settle()
    side.changes(ONE)
    side.now += 10
    side.ask(Put(3, b"a1", b""))  # whoever asks finds it expired
    side.ask(Expire(4, b"a2", 1))
    side.settle()
    told = side.changes(ONE)
    assert (WRITTEN, b"a1", None) in told and (REMOVED, b"a2", None) in told, "who sets a moment of the past removes"


def test_the_sweep_says_what_has_expired(side: Side) -> None:
    side.follow(ONE)
    side.ask(Put(1, b"a1", b"", ttl=500))
    side.settle()
    side.changes(ONE)
    side.now += 10
    for _ in range(3):
        side.handle(Woken())
        side.settle()
    assert side.changes(ONE) == [(EXPIRED, b"a1", None)]


def test_large_contents_are_left_out(side: Side) -> None:
    side.follow(ONE, contents=True)
    side.ask(Put(1, b"a1", bytes(limits.PAGE_CONTENT_BYTES_MAX + 1)))
    side.settle()
    assert side.changes(ONE) == [(WRITTEN, b"a1", None)]


def test_all_who_follow_the_same_have_one_channel_and_one_message(side: Side) -> None:
    assert side.follow(ONE, b"a") == side.follow(TWO, b"a") != side.follow(TWO, b"a", contents=True)
    side.ask(Put(1, b"a1", b""))
    side.settle()
    assert side.told[ONE][0] is side.told[TWO][0]


def test_messages_are_of_a_bounded_size(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follows, "CHANGES_BYTES_USUAL", 100)
    side.follow(ONE, contents=True)
    for number in range(10):
        side.ask(Put(number, b"a%d" % number, bytes(50)))
    side.settle()
    assert len(side.told[ONE]) >= 5 and len(side.changes(ONE)) == 10


def test_who_unfollows_or_leaves_is_told_no_more_and_nothing_is_kept(side: Side) -> None:
    channel = side.follow(ONE, b"a")
    assert side.follow(ONE, b"a") == channel
    side.follow(TWO, b"a")
    side.ask(Unfollow(8, channel), ONE)
    side.handle(SessionClosed(TWO))
    side.ask(Put(1, b"a1", b""))
    side.settle()
    assert len(side.changes(ONE)) == 1, "it had asked twice"
    assert TWO not in side.told or side.changes(TWO) == []
    side.ask(Unfollow(8, channel), ONE)
    side.ask(Unfollow(8, channel), ONE)
    assert side.node.context.followed is None
    assert not side.node.follows._channels and not side.node.follows._of_session and not side.node.follows._followers
    assert not side.node.follows._lengths and not side.node.follows._by_prefix


def test_a_confirmation_comes_behind_what_was_committed(side: Side) -> None:
    channel = side.follow(ONE)
    side.ask(Put(1, b"a1", b""))
    side.end()
    side.persist()
    side.end()
    side.ask(ConfirmFollow(5, channel), ONE)
    assert [type(one) for one in side.told[ONE]] == [Changes, Done]
    side.ask(ConfirmFollow(5, channel), TWO)
    assert side.refusal() == UnstableError.code


def test_who_is_behind_is_told_so_and_asks_again(side: Side) -> None:
    channel = side.follow(ONE)
    side.follow(TWO)
    side.handle(FollowersBehind(channel, (ONE, 77)))
    assert side.told[ONE] == [FollowEnded(0, channel, behind=True)]
    side.ask(Put(1, b"a1", b""))
    side.settle()
    assert len(side.told[ONE]) == 1 and len(side.changes(TWO)) == 1


def test_while_many_are_told_what_is_new_gathers(side: Side) -> None:
    side.follow(ONE, contents=True)
    for number in range(5):
        side.ask(Update(1, b"a1", b"%d" % number))
        side.end(telling=True)
        side.persist()
        side.end(telling=True)
    assert side.told[ONE] == []
    side.settle()
    assert side.changes(ONE) == [(WRITTEN, b"a1", b"4")]


def test_what_gathers_is_bounded(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follows, "CHANGES_WAITING_BYTES_MAX", 1000)
    channel = side.follow(ONE)
    for number in range(5):
        side.ask(Put(1, b"a%d" % number, bytes(300)))
    side.end(telling=True)
    side.persist()
    side.end(telling=True)
    assert side.told[ONE] == [FollowEnded(0, channel, behind=True)]
    assert side.node.context.followed is None


def test_it_ends_where_the_node_owns_something_else(side: Side) -> None:
    channel = side.follow(ONE)
    assert side.node.view is not None
    adopted = side.node.view
    side.node.follows.adopt(replace(adopted, epoch=adopted.epoch + 1))
    side.ask(ConfirmFollow(5, channel), ONE)
    assert [type(one) for one in side.told[ONE]] == [Done], "a view that leaves it all it owns ends nothing"
    side.node.follows.adopt(replace(adopted, epoch=adopted.epoch + 3))
    side.end()
    assert side.told[ONE][-1] == FollowEnded(0, channel), "nobody knows who owned it in the view between"
    side.ask(ConfirmFollow(5, channel), ONE)
    assert side.refusal() == UnstableError.code


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Follow(7, A, 99, b""), UnstableError),
        (Follow(7, identity("b"), 1, b""), UnstableError),
        (Follow(7, A, 1, bytes(5000)), TooLargeError),
    ],
)
def test_what_is_refused(side: Side, request_: Follow, error: type[UnstableError]) -> None:
    side.ask(request_, ONE)
    assert side.refusal() == error.code
    assert side.node.context.followed is None


def test_a_node_has_a_bounded_number_of_followers(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follows, "FOLLOWERS_MAX", 1)
    side.follow(ONE)
    assert side.node.view is not None
    side.ask(Follow(7, A, side.node.view.epoch, b""), TWO)
    assert side.refusal() == BusyError.code
