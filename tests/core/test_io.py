"""What goes into a node and what comes out: every event has its place, and effects are plain values in order."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from tests.harness import HIVE, identity
from tests.samples import ENVELOPE_SAMPLES
from wrpme.limits import CONTENT_BYTES_MAX, MEMORY_MAX_MIN, WRITE_BUFFER_BYTES
from wrpme.core.io import (
    Memory,
    Adopted, ClockJumped, Effect, FollowersBehind, Input, Exit, LinkDown, LinkUp, NotSent, Persist, Persisted,
    PersistFailed, Publish, Received, ReplyTo, Requested, LogLine, Send, SessionClosed, Settings, SettingsChanged,
    StopAsked, TurnEnded, Verified, ViewComputed, Woken,
)  # fmt: skip
from wrpme.core.node import Node
from wrpme.daemon.storage.store import MemoryStore
from wrpme.protocol.identities import Publication, Published
from wrpme.protocol.messages import Done, Get, Put

EVENTS: list[Any] = [
    Requested(1, Get(1, b"x")),
    Received(-1, ENVELOPE_SAMPLES[0]),
    SessionClosed(1),
    Persisted(1),
    PersistFailed("no space left on device"),
    LinkUp("b"),
    LinkDown("b", "connection refused"),
    Woken(),
    TurnEnded(),
    StopAsked(),
    NotSent("b", ENVELOPE_SAMPLES[0]),
    ClockJumped(5.0),
    ViewComputed(1, (), None),
    FollowersBehind(1, (1,)),
    Publish(Published((Publication(b"channel", b"content"),))),
    SettingsChanged(60.0, 0.1, 0, "{}"),
    Verified(7, 1, "ann", b""),
]


def founder() -> Node:
    return Node(Settings(identity("a"), 1, "a", new_hive=HIVE), MemoryStore(), 100.0)


def test_the_list_of_events_is_whole() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Input))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_node_takes_every_event_at_any_time(event: Input) -> None:
    """Also before its own first view is on disk."""
    for node in (founder(), Node(Settings(identity("b"), 1, "b", ("a",)), MemoryStore(), 100.0)):
        node.start(100.0)
        effects = node.handle(event, 100.0)
        assert {type(effect) for effect in effects} <= set(get_args(Effect))
        node.validate()


def test_what_is_no_event_is_a_defect() -> None:
    with pytest.raises(KeyError, match="Exit"):
        founder().handle(Exit(0), 100.0)  # type: ignore[arg-type]


def test_what_depends_on_the_disk_comes_after_it() -> None:
    """The runner carries effects out in order, and a node says nothing that a power loss could make untrue."""
    node = founder()
    store: MemoryStore = node.context.reader  # type: ignore[assignment]

    def disk(effects: list[Effect], batch: int) -> list[Effect]:
        (persist,) = [effect for effect in effects if isinstance(effect, Persist)]
        assert persist.batch == batch
        store.write(persist.operations, True)
        return node.handle(Persisted(batch), 100.0) + node.handle(TurnEnded(), 100.0)

    first = node.start(100.0) + node.handle(TurnEnded(), 100.0)
    assert not any(isinstance(effect, Adopted | Send) for effect in first)
    assert Adopted(1) in disk(first, 1)
    written = node.request(7, Put(3, b"x", b"1"), 100.0) + node.handle(TurnEnded(), 100.0)
    assert not any(isinstance(effect, ReplyTo) for effect in written)
    assert ReplyTo(7, Done(3)) in disk(written, 2)


def test_the_view_goes_to_the_disk_under_no_sync_too_and_an_entry_does_not() -> None:
    node = founder()
    first = node.start(100.0) + node.handle(TurnEnded(), 100.0)
    (persist,) = [effect for effect in first if isinstance(effect, Persist)]
    assert persist.must_sync
    node.handle(Persisted(1), 100.0)
    effects = node.request(7, Put(3, b"x", b"1"), 100.0) + node.handle(TurnEnded(), 100.0)
    assert [effect.must_sync for effect in effects if isinstance(effect, Persist)] == [False]


@pytest.mark.parametrize("kind", [*get_args(Input), *get_args(Effect), Settings], ids=lambda kind: kind.__name__)
def test_nobody_changes_what_was_said(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen


def test_levels_of_the_log() -> None:
    node = founder()
    effects = node.start(100.0) + node.handle(TurnEnded(), 100.0) + node.handle(Persisted(1), 100.0)
    said = [effect for effect in effects if isinstance(effect, LogLine)]
    assert said and {effect.level for effect in said} <= {"debug", "info", "warning", "error"}


def test_memory_is_shared_out() -> None:
    """So that at the least the largest content passes everywhere, and of much the cache has most."""
    assert Memory.of(0) == Memory()
    for most in (MEMORY_MAX_MIN, 2 * MEMORY_MAX_MIN, 3_000_000_000, 64 << 30):
        shares = Memory.of(most)
        parts = [getattr(shares, name) for name in Memory.__struct_fields__]
        assert sum(parts) + 2 * WRITE_BUFFER_BYTES == most and shares.cache >= Memory().cache
        assert shares.hot >= Memory().hot // 2
        assert min(shares.answers, shares.pending, shares.frames) > CONTENT_BYTES_MAX
        assert min(shares.forwards, shares.link) >= 2 * CONTENT_BYTES_MAX, "cas has two"
        usual = [getattr(Memory(), name) for name in Memory.__struct_fields__[:-1]]
        assert all(part <= most for part, most in zip(parts[:-1], usual, strict=True))
