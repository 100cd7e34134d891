"""What may happen, and how it is shaped."""

from __future__ import annotations

import msgspec

from tests.samples import HAPPENINGS
from wrpme.protocol.events import KINDS, UNENDED, Happening


def test_it_is_the_same_after_a_journey() -> None:
    sent = msgspec.msgpack.encode(HAPPENINGS)
    assert msgspec.msgpack.decode(sent, type=tuple[Happening, ...]) == HAPPENINGS


def test_what_ends_nothing_has_no_seconds() -> None:
    assert HAPPENINGS[0].seconds == UNENDED < 0 <= HAPPENINGS[1].seconds


def test_kinds_are_words_with_a_meaning() -> None:
    assert all(kind.islower() and kind.isidentifier() and meaning for kind, meaning in KINDS.items())
