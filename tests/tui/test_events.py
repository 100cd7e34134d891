"""Events stand in the order in which they happened, whenever they were seen, and are bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.protocol.events import KINDS, ClusterEvent
from wrpme.tui.state.events import GRAVITY, Events, gravity_of, noticed_here, told_by
from wrpme.tui.state.scene import EventShown


def test_what_a_node_told_keeps_its_time_and_names_the_teller() -> None:
    event = told_by("n0", ClusterEvent(3, 5_250, "back", 9, "n1", "n1 is up again", 12.5, True))
    assert (event.at, event.kind, event.epoch, event.node, event.teller) == (5.25, "back", 9, "n1", "n0")
    assert (event.sentence, event.seconds, event.gravity) == ("n1 is up again", 12.5, 0)


def test_nobody_told_what_was_noticed_here() -> None:
    event = noticed_here(5.0, "gone", 9, "n1", "does not answer here")
    assert (event.teller, event.gravity) == ("", 2) and event.seconds < 0


def test_what_is_remembered_of_before_comes_before() -> None:
    events = Events()
    events.add(10.0, noticed_here(10.0, "reached", 0, "n0", ""))
    events.add(10.1, told_by("n0", ClusterEvent(1, 3_000, "joined", 2, "n1", "")))
    assert [event.kind for event in events.until()] == ["joined", "reached"]
    assert [event.kind for event in events.until(10.0)] == ["reached"], "it was not known yet"
    assert list(events.until(9.0)) == []


def test_when_an_event_was_seen() -> None:
    events = Events()
    first, twin = noticed_here(5.0, "gone", 0, "n0", ""), noticed_here(5.0, "gone", 0, "n1", "")
    events.add(7.0, first)
    events.add(8.0, twin)
    assert (events.seen_at(first), events.seen_at(twin)) == (7.0, 8.0)
    assert events.seen_at(noticed_here(5.0, "gone", 0, "n2", "")) is None
    assert events.seen_at(noticed_here(9.0, "gone", 0, "n2", "")) is None


def test_the_same_events_are_the_same_object() -> None:
    events = Events()
    events.add(1.0, noticed_here(1.0, "gone", 0, "n0", ""))
    assert events.until() is events.until()
    before = events.until()
    events.add(2.0, noticed_here(2.0, "gone", 0, "n0", ""))
    assert events.until() is not before


def told(at: float, teller: str, kind: str = "suspected", node: str = "n2", seconds: float = -1.0) -> EventShown:
    return told_by(teller, ClusterEvent(1, int(at * 1000), kind, 2, node, f"{kind} {node}", seconds))


def after(*told: EventShown) -> Events:
    events = Events()
    for event in told:
        events.add(event.at + 0.5, event)
    return events


def test_a_node_that_several_miss_is_one_event() -> None:
    one, two, three = told(5.0, "n0"), told(5.2, "n1"), told(5.3, "n3")
    between = told(5.1, "n1", "quorum_lost", "n1")
    events = after(one, between, two, three)
    assert [event.sentence for event in events.until()] == ["n0, n1 and n3 hear nothing of n2", between.sentence]
    (shown, _) = events.until()
    assert (shown.at, shown.teller, shown.others) == (5.0, "n0", ("n1", "n3"))
    assert [event.sentence for event in events.until(5.65)] == [one.sentence, between.sentence], (
        "nothing else was known"
    )
    assert events.until(5.7)[0].sentence == "n0 and n1 hear nothing of n2"
    assert events.seen_at(shown) == 5.5


def test_a_node_that_several_hear_again_is_one_event() -> None:
    events = after(told(5.0, "n0", "heard", seconds=2.0), told(5.2, "n1", "heard", seconds=2.5))
    (shown,) = events.until()
    assert (shown.sentence, shown.seconds) == ("n0 and n1 hear n2 again", 2.5)


def test_who_is_missed_again_is_told_again() -> None:
    suspicions = [told(5.0, "n0"), told(5.1, "n0", "heard"), told(5.2, "n0"), told(5.3, "n1", node="n3")]
    assert list(after(*suspicions).until()) == suspicions
    twice = [told(5.0, "n0"), told(5.1, "n0"), told(99.0, "n1")]
    assert list(after(*twice).until()) == twice, "it is told by the same node, or much later"


def test_of_many_that_miss_a_node_some_are_named() -> None:
    (shown,) = after(*(told(5.0, f"10.0.0.{number}:5909") for number in range(30))).until()
    assert shown.sentence.endswith("more hear nothing of n2") and len(shown.sentence) < 120


@given(st.lists(st.integers(0, 50)), st.integers(1, 10))
def test_the_latest_are_kept(times: list[int], count_max: int) -> None:
    events = Events(count_max)
    for number, at in enumerate(times):
        events.add(100.0 + number, noticed_here(float(at), "gone", 0, "n0", str(number)))
        known = [event.at for event in events.until()]
        assert known == sorted(known) and len(known) <= count_max
    assert [event.at for event in events.until()] == sorted(map(float, times))[-count_max:]


def test_a_full_list_loses_some_at_a_time() -> None:
    events = Events(100)
    begins = set()
    for number in range(300):
        events.add(float(number), noticed_here(float(number), "gone", 0, "n0", ""))
        assert 95 <= len(events.until()) <= 100 or number < 99
        begins.add(events.until()[0].at)
    assert len(begins) <= 42 and events.until()[-1].at == 299.0


@pytest.mark.parametrize(
    ("kind", "sentence", "gravity"),
    [
        ("down", "", 3),
        ("suspected", "", 2),
        ("view", "", 1),
        ("joined", "", 0),
        ("of_a_later_version", "", 1),
        ("condition", "the hive is stable: all 3 nodes are up", 0),
        ("condition", "the hive is stabilizing: 3 of 24 arcs are being copied", 1),
        ("condition", "the hive is degraded: n1 down", 2),
        ("condition", "the hive is unavailable: n1 or n2", 3),
        ("condition", "something else", 1),
    ],
)
def test_gravity(kind: str, sentence: str, gravity: int) -> None:
    assert gravity_of(kind, sentence) == gravity


def test_gravity_is_of_kinds_that_there_are() -> None:
    assert set(GRAVITY) - {"reached", "gone", "missed"} <= set(KINDS)
