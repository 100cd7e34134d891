"""What is kept for whoever does not read, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tests.samples import VIEW
from wrpme.client.watch.buffer import ShedBuffer
from wrpme.client.watch.records import StatsSeen, Gone, EventSeen, Missed, Reached, ViewSeen, WatchRecord
from wrpme.protocol import view_index
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.stats import NodeStats


def event(number: int) -> ClusterEvent:
    return ClusterEvent(number, 0, "heard", 1, "x", f"{number}")


def numbers(kept: Sequence[WatchRecord]) -> list[int]:
    return [one.event.number for one in kept if isinstance(one, EventSeen)]


def test_a_backlog_leaves_out_figures_first() -> None:
    buffer = ShedBuffer(100)
    stats = NodeStats("a", 1, "up", "0", 1.0, 0.5, 0, 0, True)
    buffer.put(ViewSeen(0.0, "a", VIEW))
    for number in range(40):
        buffer.put(EventSeen(0.0, "a", event(number)))
    for number in range(500):
        buffer.put(StatsSeen(float(number), "a" if number % 2 else "b", stats))
        assert len(buffer.records) <= 100
    kept = list(buffer.records)
    assert numbers(kept) == list(range(40))
    assert not [one for one in kept if isinstance(one, Missed)] and isinstance(kept[0], ViewSeen)
    assert {one.node: one.at for one in kept if isinstance(one, StatsSeen)} == {"a": 499.0, "b": 498.0}, "the latest"


def test_a_buffer_counts_the_events_that_it_leaves_out() -> None:
    buffer = ShedBuffer(100)
    for number in range(1000):
        buffer.put(EventSeen(0.0, "a" if number % 2 else "b", event(number)))
        buffer.put(Gone(float(number), "a", "it died") if number % 2 else Reached(float(number), "a"))
        buffer.put(ViewSeen(0.0, "a", replace(VIEW, epoch=number)))
        assert len(buffer.records) <= 100
    kept = list(buffer.records)
    happened = [one for one in kept if isinstance(one, EventSeen)]
    missed = {one.node: one.count for one in kept if isinstance(one, Missed)}
    assert len(happened) + sum(missed.values()) == 1000 and set(missed) == {"a", "b"}
    assert numbers(kept) == list(range(1000 - len(happened), 1000)), "the oldest were left out"
    last = [one for one in kept if isinstance(one, Reached | Gone)][-1]
    assert last == Gone(999.0, "a", "it died")
    assert view_index.pack([one for one in kept if isinstance(one, ViewSeen)][-1].view) == view_index.pack(
        replace(VIEW, epoch=999)
    )
