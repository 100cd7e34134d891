"""What may happen, and how it is shaped."""

from __future__ import annotations

import msgspec

from tests.samples import EVENTS
from wrpme.protocol.events import KINDS, UNENDED, ClusterEvent


def test_it_is_the_same_after_a_journey() -> None:
    sent = msgspec.msgpack.encode(EVENTS)
    assert msgspec.msgpack.decode(sent, type=tuple[ClusterEvent, ...]) == EVENTS


def test_what_ends_nothing_has_no_seconds() -> None:
    assert EVENTS[0].seconds == UNENDED < 0 <= EVENTS[1].seconds


def test_kinds_are_words_with_a_meaning() -> None:
    assert all(kind.islower() and kind.isidentifier() and meaning for kind, meaning in KINDS.items())
