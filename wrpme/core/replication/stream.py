"""A numbered stream of items between two nodes for one arc: go-back-N, cumulative acknowledgements, no I/O.

``run`` tells one attempt from the next, so that an acknowledgement of an earlier one counts for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from wrpme.core.limits import STREAM_BYTES_USUAL
from wrpme.protocol.messages import Fill, Item, Stream, StreamAck, Writes

_WITH_PAIRS = (Fill, Writes)
ITEM_BYTES = 64
"""About what an item takes beside its pairs."""


def bytes_of(item: Item) -> int:
    """About how large an item is on the wire."""
    if isinstance(item, _WITH_PAIRS):
        size = ITEM_BYTES
        for key, value in item.pairs:
            size += len(key) + len(value)
        return size
    return ITEM_BYTES


def acks_in_parts(acks: Iterable[StreamAck]) -> Iterator[tuple[StreamAck, ...]]:
    """What goes into one message each, and one message where there is nothing: a part ends with the answers that make
    it large."""
    part: list[StreamAck] = []
    size = parts = 0
    for ack in acks:
        part.append(ack)
        for answer in ack.answers:
            size += sum(len(key) + len(version) for key, version in answer.have)
        if size >= STREAM_BYTES_USUAL:
            yield tuple(part)
            part, size, parts = [], 0, parts + 1
    if part or not parts:
        yield tuple(part)


class Outgoing:
    """The sending end. Items are numbered from 1. ``size`` is that of the arc's data at its owner, in bytes."""

    def __init__(self, end: int, version: int, run: int, size: int = 0) -> None:
        self.end, self.version, self.run, self.size = end, version, run, size
        self.last = 0
        self.acknowledged = 0
        self.bytes = 0
        """Of what is not acknowledged."""
        self._unacknowledged: deque[tuple[int, Item, int]] = deque()
        self._unsent: list[tuple[Item, int]] = []
        self._settled = 0

    def push(self, item: Item, size: int) -> int:
        """Adds an item, of about so many bytes; gives its number."""
        self.last += 1
        self.bytes += size
        self._unacknowledged.append((self.last, item, size))
        self._unsent.append((item, size))
        return self.last

    def settle(self, item: int) -> None:
        """What came with the items up to this one is acknowledged by all holders: the next message says so."""
        self._settled = item

    def fresh(self) -> list[tuple[Stream, int]]:
        """The items that were never sent, to be sent now; with about how large each message is."""
        items, self._unsent = self._unsent, []
        if len(items) == 1 and self.last > 1:  # as nearly always
            (item, size), number = items[0], self.last
            return [(Stream(self.end, self.version, self.run, number, (item,), self._settled), size)]
        return self._messages(self.last - len(items) + 1, items)

    def news(self) -> Stream:
        """A message without items, only to tell what is settled."""
        return Stream(self.end, self.version, self.run, self.last + 1, (), self._settled)

    def again(self) -> list[tuple[Stream, int]]:
        """Everything unacknowledged, to be sent again."""
        self._unsent = []
        return self._messages(self.acknowledged + 1, [(item, size) for _, item, size in self._unacknowledged])

    def _messages(self, first: int, items: Sequence[tuple[Item, int]]) -> list[tuple[Stream, int]]:
        messages: list[tuple[Stream, int]] = []
        start = size = 0
        for index, (_, bytes_of_item) in enumerate(items):
            size += bytes_of_item
            if size >= STREAM_BYTES_USUAL or index + 1 == len(items):
                part, number = tuple([item for item, _ in items[start : index + 1]]), first + start
                told = self.size if number == 1 else 0
                messages.append((Stream(self.end, self.version, self.run, number, part, self._settled, told), size))
                start, size = index + 1, 0
        return messages

    def take(self, upto: int) -> bool:
        """Takes an acknowledgement of this run; whether it says something new."""
        if not self.acknowledged < upto <= self.last:
            return False
        self.acknowledged = upto
        while self._unacknowledged and self._unacknowledged[0][0] <= upto:
            self.bytes -= self._unacknowledged.popleft()[2]
        return True

    @property
    def all_acknowledged(self) -> bool:
        """Nothing is on its way."""
        return self.acknowledged == self.last


def take(message: Stream, version: int, run: int, taken: int) -> tuple[list[tuple[int, Item]], int]:
    """What a receiver that has taken ``taken`` items of a run takes of a message, and how many it has then.

    Only at exactly its own version of the arc, only of this run, only in sequence: of doubled items the new part, of
    anything else nothing.
    """
    if message.version != version or message.run != run or message.first > taken + 1:
        return [], taken
    items = list(enumerate(message.items, message.first))[taken + 1 - message.first :]
    return items, taken + len(items)
