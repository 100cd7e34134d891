"""Who subscribes at this node, and what is published to them. No socket here.

What is published at one node is told to all other nodes that are up, whether anybody listens there or not, as Redis
Cluster does it. To tell them who listens would cost less where nobody does, but then a subscriber would miss what is
published right after its subscription is confirmed, unless all nodes had acknowledged that; this way the nodes need
not agree on anything. What it costs is little: all that was published in a turn of the loop is one message, encoded
once for all nodes, and in a large hive it gathers for longer (``PUBLISHED_TO_SECONDS``). Nothing is stored, repeated or
acknowledged: who is not connected misses it.

One turn puts a bounded number of messages before subscribers, and writes to a bounded number of them. Publishers here
wait for that; what comes from other nodes waits up to a bound, and is dropped beyond it: nothing that a node says to
another may wait for subscribers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import islice
from typing import Any, Protocol

from wrpme.daemon.limits import (
    HEARD_BYTES_MAX, MATCHES_KEPT_MAX, PATTERNS_MAX, PUBLISHED_BATCH_BYTES, PUBLISHED_BYTES_MAX, PUBLISHED_TO_SECONDS,
    PUSHES_MAX, SUBSCRIBERS_TOLD_MAX, SUBSCRIPTIONS_BYTES_MAX, SUBSCRIPTIONS_MAX, SUBSCRIPTION_BYTES,
)  # fmt: skip
from wrpme.daemon.net.redis.replies import bulk
from wrpme.errors import BusyError
from wrpme.limits import TURN_BYTES
from wrpme.protocol.identities import Publication, Published

TIMER_SECONDS = 0.001
"""What the loop's timers count in."""
PUSHES_OF_A_MESSAGE = 4
"""A message takes as long as to put it before so many subscribers, also if there are none."""
TRIES_OF_A_PUSH = 4
"""To try so many patterns takes as long as to put a message before a subscriber."""
MESSAGE_BYTES = 128
"""So much a message counts for beside its bytes."""


class Kind(Enum):
    """What is subscribed to; the value is what the words of its messages begin with."""

    CHANNEL = b""
    PATTERN = b"p"
    SHARD = b"s"
    """A channel of Redis Cluster's shards: here it is one like the others, in a space of names of its own."""


class Subscriber(Protocol):
    """A client, as far as it subscribes. ``subscriptions`` is kept up to date here; it is told by ``push``; ``tell``
    writes what it was told, as far as it takes it, and returns how many bytes."""

    three: bool
    subscriptions: dict[Kind, dict[bytes, None]]
    subscription_count: int
    push: Callable[[bytes], None]
    tell: Callable[[], int]
    resume: Callable[[], None]


class ChannelsHost(Protocol):
    """What this needs of the runner."""

    def clock(self) -> float:
        """The node's clock, in seconds."""

    def flush(self) -> None:
        """Writes what was put on wires."""

    def defect(self, error: BaseException) -> None:
        """Ends the process, as something happened that can't."""

    def publish(self, published: Published) -> int:
        """Tells other nodes, and returns how many."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls after so long; with 0 in the next turn."""

    def dropped(self) -> None:
        """Hears that something was dropped that other nodes published."""


class Topic:
    """A channel or pattern that somebody subscribes to."""

    __slots__ = ("_snapshot", "kind", "matches", "name", "subscribers")

    def __init__(self, kind: Kind, name: bytes, matches: Callable[[bytes], Any]) -> None:
        self.kind = kind
        self.name = name
        self.matches = matches
        self.subscribers: dict[Subscriber, None] = {}
        self._snapshot: tuple[Subscriber, ...] | None = None

    def add(self, subscriber: Subscriber) -> None:
        """Adds one."""
        self.subscribers[subscriber] = None
        self._snapshot = None

    def remove(self, subscriber: Subscriber) -> None:
        """Removes one."""
        del self.subscribers[subscriber]
        self._snapshot = None

    @property
    def snapshot(self) -> tuple[Subscriber, ...]:
        """The subscribers of this moment."""
        if self._snapshot is None:
            self._snapshot = tuple(self.subscribers)
        return self._snapshot

    def message(self, channel: bytes, content: bytes, three: bool) -> bytes:
        """Returns a message as a subscriber reads it."""
        words = [self.kind.value + b"message", channel, content]
        if self.kind is Kind.PATTERN:
            words.insert(1, self.name)
        return (b">%d\r\n" if three else b"*%d\r\n") % len(words) + b"".join(map(bulk, words))


def _size_of(publication: Publication) -> int:
    return len(publication.channel) + len(publication.content) + MESSAGE_BYTES


class Channels:
    """All subscriptions of one node. Without a host it tells nobody else, and nothing in a later turn."""

    def __init__(self, host: ChannelsHost | None = None) -> None:
        self._host = host
        self.behind_bytes = 0
        """What was told to all subscribers together and has not been written."""
        self._topics: dict[Kind, dict[bytes, Topic]] = {kind: {} for kind in Kind}
        self._bytes = 0
        self._matching: dict[bytes, tuple[Topic, ...]] = {}
        """By channel the patterns that match."""
        self._left = PUSHES_MAX
        """So many messages may still be put before subscribers in this turn."""
        self._waiting: deque[tuple[Iterator[None], int]] = deque()
        """What is to be put before subscribers, and its size."""
        self._waiting_bytes = 0
        self._told: dict[Subscriber, None] = {}
        """Those that have something to write."""
        self._published: deque[Publication] = deque()
        self._published_bytes = 0
        self._quiet_until = 0.0
        self._tells_later = False
        self._publishers: dict[Subscriber, None] = {}
        """Those that wait until more may be published."""
        self._is_due = False

    # --- subscriptions -------------------------------------------------------------------------------------------

    def check(self, subscriber: Subscriber, kind: Kind, names: list[bytes]) -> None:
        """Raises BusyError where there is no room for these subscriptions."""
        if subscriber.subscription_count + len(names) > SUBSCRIPTIONS_MAX:
            raise BusyError(f"a connection has at most {SUBSCRIPTIONS_MAX} subscriptions")
        if self._bytes + sum(map(len, names)) + len(names) * SUBSCRIPTION_BYTES > SUBSCRIPTIONS_BYTES_MAX:
            raise BusyError("the subscriptions at this node have taken all the room that there is; try another node")
        if kind is Kind.PATTERN and len(self._topics[kind]) + len(names) > PATTERNS_MAX:
            raise BusyError(f"this node has at most {PATTERNS_MAX} patterns; try another node")

    def subscribe(self, subscriber: Subscriber, kind: Kind, name: bytes, matches: Callable[[bytes], Any]) -> None:
        """Adds a subscription, if it is not there yet; ``matches`` counts where it is to a pattern."""
        mine = subscriber.subscriptions.setdefault(kind, {})
        if name in mine:
            return
        mine[name] = None
        subscriber.subscription_count += 1
        self._bytes += len(name) + SUBSCRIPTION_BYTES
        topic = self._topics[kind].get(name)
        if topic is None:
            topic = self._topics[kind][name] = Topic(kind, name, matches)
            if kind is Kind.PATTERN:
                self._matching.clear()
        topic.add(subscriber)

    def unsubscribe(self, subscriber: Subscriber, kind: Kind, name: bytes) -> None:
        """Takes a subscription back, if there is one."""
        mine = subscriber.subscriptions.get(kind, {})
        if name not in mine:
            return
        del mine[name]
        subscriber.subscription_count -= 1
        self._bytes -= len(name) + SUBSCRIPTION_BYTES
        topic = self._topics[kind][name]
        topic.remove(subscriber)
        if not topic.subscribers:
            del self._topics[kind][name]
            if kind is Kind.PATTERN:
                self._matching.clear()

    def forget(self, subscriber: Subscriber) -> None:
        """Takes all its subscriptions back."""
        for kind, names in subscriber.subscriptions.items():
            for name in list(names):
                self.unsubscribe(subscriber, kind, name)

    def gone(self, subscriber: Subscriber) -> None:
        """Forgets a client whose connection has ended."""
        self.forget(subscriber)
        self._told.pop(subscriber, None)
        self._publishers.pop(subscriber, None)

    def names(self, kind: Kind) -> list[bytes]:
        """Returns what is subscribed to."""
        return list(self._topics[kind])

    def count(self, kind: Kind, name: bytes) -> int:
        """Returns how many subscribe to that."""
        topic = self._topics[kind].get(name)
        return 0 if topic is None else len(topic.subscribers)

    # --- what is published ---------------------------------------------------------------------------------------

    def waits(self, publisher: Subscriber) -> bool:
        """Returns whether a publisher has to wait; then it is told by its ``resume`` when it is worth another try."""
        if not self._waiting and self._left > 0 and self._published_bytes < PUBLISHED_BYTES_MAX:
            return False
        if self._host is None:
            return False
        self._publishers[publisher] = None
        return True

    def publish(self, channel: bytes, content: bytes, is_sharded: bool = False) -> int:
        """Tells the subscribers here and the other nodes; returns how many are told here."""
        publication = Publication(channel, content, is_sharded)
        count = self._deliver(publication)
        if self._host is not None:
            self._published.append(publication)
            self._published_bytes += _size_of(publication)
            self._go_on_soon()
        return count

    def deliver(self, published: Published) -> None:
        """Tells the subscribers here what was published at another node."""
        if not any(self._topics.values()):
            return
        for publication in published.messages:
            if self._waiting_bytes > HEARD_BYTES_MAX:
                if self._host is not None:
                    self._host.dropped()
                return
            self._put(self._pushes_later(publication), publication)

    def _deliver(self, publication: Publication) -> int:
        found = self._audience(publication)
        if found:
            self._put(self._pushes(found, publication), publication)
        return sum(len(subscribers) for _, subscribers in found)

    def _put(self, pushes: Iterator[None], publication: Publication) -> None:
        size = _size_of(publication)
        self._waiting.append((pushes, size))
        self._waiting_bytes += size
        self._push()
        self._go_on_soon()

    def _audience(self, publication: Publication) -> list[tuple[Topic, tuple[Subscriber, ...]]]:
        """Whom it is for, as of now."""
        self._left -= PUSHES_OF_A_MESSAGE
        channel, is_sharded = publication.channel, publication.sharded
        exact = self._topics[Kind.SHARD if is_sharded else Kind.CHANNEL].get(channel)
        found = [] if exact is None else [exact]
        patterns = self._topics[Kind.PATTERN]
        if patterns and not is_sharded:
            matching = self._matching.get(channel)
            if matching is None:
                if len(self._matching) >= MATCHES_KEPT_MAX:
                    self._matching.clear()
                matching = tuple(topic for topic in patterns.values() if topic.matches(channel))
                self._matching[channel] = matching
                self._left -= len(patterns) // TRIES_OF_A_PUSH
            found += matching
        return [(topic, topic.snapshot) for topic in found]

    def _pushes_later(self, publication: Publication) -> Iterator[None]:
        yield from self._pushes(self._audience(publication), publication)

    def _pushes(self, found: list[tuple[Topic, tuple[Subscriber, ...]]], publication: Publication) -> Iterator[None]:
        channel, content = publication.channel, publication.content
        for topic, subscribers in found:
            frames: dict[bool, bytes] = {}
            for subscriber in subscribers:
                if subscriber in topic.subscribers:  # and has not unsubscribed meanwhile
                    frame = frames.get(subscriber.three)
                    if frame is None:
                        frame = frames[subscriber.three] = topic.message(channel, content, subscriber.three)
                    self._told[subscriber] = None
                    subscriber.push(frame)
                yield

    def _push(self) -> None:
        while self._waiting and self._left > 0:
            pushes, size = self._waiting[0]
            for _ in pushes:
                self._left -= 1
                if self._left <= 0:
                    break
            else:
                self._waiting.popleft()
                self._waiting_bytes -= size

    # --- turns ---------------------------------------------------------------------------------------------------

    def tell_soon(self, subscriber: Subscriber) -> None:
        """Lets a subscriber write in the next turn what it was told."""
        self._told[subscriber] = None
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        if not self._is_due and self._host is not None:
            self._is_due = True
            self._host.later(0.0, self._go_on)

    def _go_on(self) -> None:
        assert self._host is not None
        self._is_due = False
        self._left = PUSHES_MAX
        try:
            self._push()
            told = 0
            for subscriber in list(islice(self._told, SUBSCRIBERS_TOLD_MAX)):
                if told < TURN_BYTES:
                    del self._told[subscriber]
                    told += subscriber.tell()
            self._tell_others()
            self._resume_publishers()
        except Exception as error:
            self._host.defect(error)
            return
        self._host.flush()
        if self._told or self._waiting:
            self._go_on_soon()

    def _resume_publishers(self) -> None:
        if not self._waiting and self._published_bytes < PUBLISHED_BYTES_MAX:
            publishers, self._publishers = self._publishers, {}
            for publisher in publishers:
                publisher.resume()

    def _tell_others(self) -> None:
        """Tells the other nodes what gathered, unless more has to gather first."""
        assert self._host is not None
        while self._published and not self._tells_later:
            now = self._host.clock()
            if self._quiet_until - now > TIMER_SECONDS:
                self._tells_later = True
                self._host.later(self._quiet_until - now, self._tell_others_now)
                return
            batch: list[Publication] = []
            size = 0
            while self._published and size < PUBLISHED_BATCH_BYTES:
                publication = self._published.popleft()
                batch.append(publication)
                size += _size_of(publication)
            self._published_bytes -= size
            told = self._host.publish(Published(tuple(batch)))
            self._quiet_until = now + told * PUBLISHED_TO_SECONDS

    def _tell_others_now(self) -> None:
        self._tells_later = False
        self._quiet_until = 0.0
        self._go_on_soon()
