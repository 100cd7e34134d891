"""Until when a new content lives: a moment, a span from now by the owner's clock, or as the former one."""

from __future__ import annotations

import msgspec
import pytest

from tests.harness import hive_of, word_of
from tests.replica_parts import Moment
from wrpme.core.layout import value_of
from wrpme.core.replication.operations import Write, decide
from wrpme.limits import EXPIRY_MILLISECONDS_MAX
from wrpme.protocol.messages import KEEP_EXPIRY, Cas, GetUpdate, Put, Update

NOW = Moment(1_700_000_000_000.0, 1_800_000_000_000.7)
SPAN_ENDS = 1_800_000_060_000
MORTAL = value_of((3, 4), 1_900_000_000_000, b"old")
FOR_EVER = value_of((3, 4), 0, b"old")


def written(request: Put | Update | GetUpdate | Cas, held: bytes | None) -> int:
    outcome = decide(request, held, NOW)
    assert isinstance(outcome, Write)
    return outcome.expiry


@pytest.mark.parametrize("held", [MORTAL, FOR_EVER])
def test_a_span_begins_when_the_owner_carries_it_out(held: bytes) -> None:
    for request in (
        Update(1, b"x", b"", 7, 60_000),
        GetUpdate(1, b"x", b"", 7, 60_000),
        Cas(1, b"x", b"", b"old", 7, 60_000),
    ):
        assert written(request, held) == SPAN_ENDS
    assert written(Put(1, b"x", b"", 7, 60_000), None) == SPAN_ENDS
    assert written(Put(1, b"x", b"", 0, EXPIRY_MILLISECONDS_MAX), None) == EXPIRY_MILLISECONDS_MAX


@pytest.mark.parametrize(("held", "expiry"), [(MORTAL, 1_900_000_000_000), (FOR_EVER, 0)])
def test_a_life_span_is_kept(held: bytes, expiry: int) -> None:
    for request in (Update(1, b"x", b"", 0, KEEP_EXPIRY), Cas(1, b"x", b"", b"old", 0, KEEP_EXPIRY)):
        assert written(request, held) == expiry
    assert written(Update(1, b"x", b"", 0, KEEP_EXPIRY), None) == 0


def test_a_message_without_a_ttl_has_its_expiry() -> None:
    shorter = msgspec.msgpack.encode([3, 1, b"x", b"1", 1_900_000_000_000])
    assert msgspec.msgpack.decode(shorter, type=Update) == Update(1, b"x", b"1", 1_900_000_000_000)


@pytest.mark.parametrize("ttl", [-2, EXPIRY_MILLISECONDS_MAX + 1])
def test_a_span_that_is_none_is_refused(ttl: int) -> None:
    assert word_of(hive_of("a").ask("a", Update(1, b"x", b"", 0, ttl))) == "usage"
