"""The model takes sightings and knows the present; what it keeps is bounded."""

from __future__ import annotations

from hypothesis import given, settings
from msgspec.structs import replace

from tests.tui.scenes import START, Story, address_of, id_of, model_of, settled, stable_view
from tests.tui.stories import stories
from wrpme.client.watch.records import StatsSeen, Gone, EventSeen, Missed, Reached, ViewSeen, WatchRecord
from wrpme.core.membership import transitions as views
from wrpme.protocol import view_index
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.view import Down, Join, Leave
from wrpme.tui.limits import EVENTS_SHOWN_MAX
from wrpme.tui.state.model import ADDRESSES_MAX, Model
from wrpme.tui.state.scene import Mood, NodeState


def taken(sightings: list[WatchRecord]) -> Model:
    model = Model()
    for sighting in sightings:
        model.take(sighting)
    return model


def test_the_scene_is_the_same_object_while_nothing_is_new() -> None:
    model, now = model_of("stable", 3)
    assert model.scene(now) is model.scene(now)
    assert model.scene(now + 1.0) is not model.scene(now)
    assert model.scene(now + 1.0).arcs is model.scene(now).arcs, "what follows from the view alone is made once"


def test_own_events_tell_who_answers_and_who_does_not() -> None:
    model = taken([
        Gone(START, "n0:1", "n0:1 (connection refused)"),
        Reached(START + 14.0, "n0:1"),
        Reached(START + 15.0, "n1:1"),
        Missed(START + 16.0, "n1:1", 12),
    ])  # fmt: skip
    assert [(event.kind, event.node, event.sentence, event.seconds) for event in model.events()] == [
        ("gone", "n0:1", "does not answer here: connection refused", -1.0),
        ("reached", "n0:1", "answers here again", 14.0),
        ("missed", "n1:1", "12 events of it were not seen here", -1.0),
    ]


def test_who_was_heard_does_not_answer_any_more() -> None:
    story = Story(stable_view(3), START)
    story.start()
    story.go(1.0)
    story.lose(1)
    model = taken(story.sightings)
    assert model.events()[-1].sentence == "does not answer here any more: connection refused"
    assert model.events()[-1].epoch == story.view.epoch


def test_events_are_those_known_at_a_time() -> None:
    model, now = model_of("degraded", 3)
    assert model.events(START) == () and len(model.events(START + 6.0)) == len(model.events()) == 2
    assert model.events(now) == model.events() and model.events()[-1].kind == "down"
    assert model.seen_at(model.events()[-1]) == START + 6.0


def test_another_hive_takes_the_place_of_the_first() -> None:
    story = Story(stable_view(3), START)
    story.start()
    story.go(1.0)
    model = taken(story.sightings)
    other = views.found(b"o" * 16, id_of(0), 5, address_of(0), 2)
    model.take(ViewSeen(story.at, address_of(0), other))
    scene = model.scene(story.at)
    assert scene.hive == other.hive.hex() and [node.since for node in scene.nodes] == [None]


def test_what_is_known_of_nodes_that_are_no_members_is_given_up() -> None:
    view = stable_view(3)
    story = Story(view, START)
    story.start()
    story.go(1.0)
    model = taken(story.sightings)
    view = settled(views.apply(view, [Leave(id_of(2), 1)]) or view)
    view = views.apply(view, []) or view
    model.take(ViewSeen(story.at, address_of(0), view))
    assert set(model.observed.nodes) == {address_of(0), address_of(1)}


def test_views_share_the_arcs_that_are_equal() -> None:
    first = stable_view(3)
    copy = view_index.unpack(view_index.pack(views.apply(first, [Join(id_of(3), 1, address_of(3))]) or first))
    model = taken([ViewSeen(START, "n", first), ViewSeen(START + 1, "n", copy)])
    assert model.layout is not None and model.layout.view == copy
    known = set(map(id, first.arcs))
    equal = sum(arc in first.arcs for arc in copy.arcs)
    assert sum(id(arc) in known for arc in model.layout.view.arcs) == equal > 0


def test_counters_are_not_kept_longer_than_rates_need_them() -> None:
    model, _ = model_of("stable", 3)
    report = model.observed.nodes[address_of(0)].report
    assert report is not None and not report.stats.operations and not report.stats.latency
    assert report.rates.operations is not None and report.neighbours


@settings(max_examples=60)
@given(stories())
def test_whatever_happens_a_scene_is_sound(sightings: list[WatchRecord]) -> None:
    model = Model()
    for number, sighting in enumerate(sightings):
        model.take(sighting)
        if number % 7 and number != len(sightings) - 1:
            continue
        for later in (0.0, 3.0):
            scene = model.scene(sighting.at + later)
            assert model.layout is not None or scene.mood is Mood.CONNECTING
            assert scene.progress is None or 0 <= scene.progress <= 1
            for node in scene.nodes:
                for value in (node.age, node.operations_per_second, node.p50_seconds, node.p99_seconds):
                    assert value is None or 0 <= value < float("inf")
                assert node.since is None or node.since <= scene.at
                assert node.state is NodeState.UP or node.reason
                assert not (node.stale and node.operations_per_second is not None)
            up = {member.address for member in model.layout.view.members} if model.layout else set()
            assert scene.heard <= len(up) and (scene.silent_since is None) is (scene.mood is not Mood.DISCONNECTED)


def test_what_is_told_after_the_clock_was_set_back_is_as_fresh_as_ever() -> None:
    story = Story(stable_view(3), START)
    story.start()
    story.go(2.0)
    story.lose(1)
    story.at -= 3600.0
    story.silent = set()
    story.go(1.0)
    scene = taken(story.sightings).scene(story.at)
    assert scene.heard == 3 and scene.mood is Mood.STABLE
    assert taken(story.sightings).scene(story.at + 5.0).silent_since == story.sightings[-1].at


# --- bounds ------------------------------------------------------------------------------------------------------


def test_events_are_bounded() -> None:
    model = Model()
    for number in range(EVENTS_SHOWN_MAX + 500):
        event = ClusterEvent(number, int(START * 1000) + number, "view", number, "", f"view {number}", -1.0, True)
        model.take(EventSeen(START + number / 1000, "n", event))
    events = model.events()
    assert 0.9 * EVENTS_SHOWN_MAX < len(events) <= EVENTS_SHOWN_MAX and events[-1].epoch == EVENTS_SHOWN_MAX + 499


def test_addresses_are_bounded() -> None:
    model = Model()
    for number in range(ADDRESSES_MAX + 100):
        address = f"n{number}:1"
        model.take(Gone(START + number, address, "refused"))
        model.take(EventSeen(START + number, "n", ClusterEvent(number, number, "down", 1, address, "", -1.0, True)))
    assert len(model.observed.nodes) == ADDRESSES_MAX and len(model.observed.last_events) <= ADDRESSES_MAX
    assert f"n{ADDRESSES_MAX + 99}:1" in model.observed.nodes


def test_a_node_that_told_figures_before_it_is_a_member_is_no_node_yet() -> None:
    story = Story(stable_view(3), START)
    story.start()
    story.go(1.0)
    model = taken(story.sightings)
    told = next(one for one in story.sightings if isinstance(one, StatsSeen))
    stranger = replace(told, at=story.at, node=address_of(9), stats=replace(told.stats, id=id_of(9).hex()))
    model.take(stranger)
    assert len(model.scene(story.at).nodes) == 3


def test_a_death_is_seen_in_the_scene() -> None:
    model, now = model_of("degraded", 3)
    assert [node.state for node in model.scene(now).nodes] == [NodeState.UP, NodeState.UP, NodeState.DOWN]
    assert model.scene(now).nodes[2].since == START + 6.0
    story = Story(stable_view(3), START)
    story.start()
    story.see(Down(id_of(2), 1))
    assert taken(story.sightings).scene(story.at).nodes[2].since == START
