"""Which time is shown: now, the past and a record are asked alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.scenes import START, Story, id_of, stable_view, story_of, timeline_of
from tests.tui.stories import stories
from wrpme.client.watch.records import WatchRecord
from wrpme.protocol.view import Down
from wrpme.tui.state.model import Model
from wrpme.tui.state.scene import Mode, Mood, NodeState, Scene
from wrpme.tui.state.timeline import SPEEDS, Timeline


def told() -> tuple[Timeline, Story]:
    """10 s of peace, a death, 10 s more."""
    story = Story(stable_view(3), START)
    story.start()
    story.go(10.0)
    story.see(Down(id_of(2), 1))
    story.tell("down", "n2 is down", 2)
    story.silent = {2}
    story.go(10.0)
    timeline = Timeline()
    for sighting in story.sightings:
        timeline.take(sighting)
    return timeline, story


def mood_at(timeline: Timeline, now: float) -> tuple[Mode, Mood]:
    scene = timeline.scene(now)
    return scene.mode, scene.mood


def test_now_is_what_the_model_says() -> None:
    timeline, story = told()
    assert timeline.mode is Mode.LIVE and timeline.moment is None
    assert timeline.scene(story.at) is timeline.live.scene(story.at)
    assert timeline.events() == timeline.live.events()


def test_before_anything_was_seen_there_is_no_past() -> None:
    timeline = Timeline()
    timeline.scene(START)
    timeline.back(5.0)
    timeline.previous_event()
    timeline.next_event()
    timeline.go_to(START - 5.0)
    assert timeline.mode is Mode.LIVE and timeline.span is None and timeline.series(None, "operations") == []
    assert timeline.scene(START).mood is Mood.CONNECTING


def test_back_and_forward_to_now() -> None:
    timeline, story = told()
    timeline.scene(story.at)
    timeline.back(5.0)
    assert timeline.mode is Mode.PAST and timeline.moment == story.at - 5.0
    assert mood_at(timeline, story.at) == (Mode.PAST, Mood.DEGRADED)
    timeline.back(10.0)
    assert mood_at(timeline, story.at) == (Mode.PAST, Mood.STABLE)
    scene = timeline.scene(story.at + 1.0)
    assert scene is timeline.scene(story.at + 2.0) and scene.at <= story.at - 15.0
    timeline.forward(10.0)
    assert mood_at(timeline, story.at) == (Mode.PAST, Mood.DEGRADED)
    timeline.forward(10.0)
    assert timeline.moment is None and mood_at(timeline, story.at) == (Mode.LIVE, Mood.DEGRADED)
    timeline.forward(10.0)
    assert timeline.moment is None


def test_it_goes_on_taking_what_is_seen_while_one_looks_back() -> None:
    timeline, story = told()
    timeline.scene(story.at)
    timeline.back(15.0)
    before = timeline.scene(story.at)
    taken = len(story.sightings)
    story.go(5.0)
    for sighting in story.sightings[taken:]:
        timeline.take(sighting)
    assert timeline.scene(story.at) is before
    timeline.to_now()
    assert timeline.scene(story.at).at == story.at


def test_back_goes_no_further_than_what_is_remembered() -> None:
    timeline, story = told()
    timeline.scene(story.at)
    timeline.back(10_000.0)
    assert timeline.moment == timeline.history.first
    assert timeline.scene(story.at).mode is Mode.PAST


def test_what_was_just_seen_is_there_when_one_goes_back() -> None:
    timeline, story = told()
    timeline.scene(story.at + 20.0)
    timeline.back(1.0)
    scene = timeline.scene(story.at + 20.0)
    assert scene.mood is Mood.DISCONNECTED and scene.silent_since == story.sightings[-1].at


def test_from_event_to_event() -> None:
    timeline, story = told()
    timeline.scene(story.at)
    timeline.previous_event()
    died = timeline.moment
    assert died is not None and START + 10.0 <= died < START + 10.5
    assert timeline.scene(story.at).nodes[2].state is NodeState.DOWN
    assert timeline.events()[-1].kind == "down", "the event is there at its moment"
    timeline.previous_event()
    assert timeline.moment == timeline.history.first
    assert not timeline.events(), "what came later is not known yet"
    timeline.previous_event()
    assert timeline.moment == timeline.history.first
    timeline.next_event()
    assert timeline.moment == died
    timeline.next_event()
    assert timeline.mode is Mode.LIVE
    timeline.next_event()
    assert timeline.mode is Mode.LIVE


def test_to_an_event_whatever_the_clock_of_its_teller_says() -> None:
    timeline, story = told()
    event = timeline.events()[-1]
    timeline.go_to_event(event)
    assert timeline.scene(story.at).nodes[2].state is NodeState.DOWN and event in timeline.events()
    late = replace(event, at=START - 500.0)
    timeline.go_to_event(late)
    assert timeline.moment == timeline.history.first, "of one that is not known its time counts"


def test_series_end_at_the_time_that_is_shown() -> None:
    timeline, story = told()
    timeline.scene(story.at)
    timeline.back(15.0)
    times = [time for time, _ in timeline.series(id_of(0), "operations")]
    assert times and timeline.moment is not None and times[-1] <= timeline.moment


def test_a_position_that_is_forgotten_moves_to_what_is_still_known() -> None:
    timeline, story = told()
    timeline.scene(story.at)
    timeline.go_to(START + 1.0)
    story.at += 1805.0
    taken = len(story.sightings)
    story.go(1.0)
    for sighting in story.sightings[taken:]:
        timeline.take(sighting)
    assert timeline.history.first is not None and timeline.history.first > START + 1.0
    assert timeline.scene(story.at).mode is Mode.PAST and timeline.moment == timeline.history.first


def test_a_clock_that_was_set_back_begins_the_history_anew() -> None:
    timeline, story = told()
    timeline.scene(story.at)
    timeline.back(5.0)
    story.at -= 3600.0
    taken = len(story.sightings)
    story.go(5.0)
    for sighting in story.sightings[taken:]:
        timeline.take(sighting)
    assert timeline.mode is Mode.LIVE and timeline.scene(story.at).heard == 2
    timeline.back(2.0)
    assert timeline.scene(story.at).at == pytest.approx(story.at - 2.0, abs=0.7)


def test_a_clock_that_goes_back_a_little_is_one_that_stands() -> None:
    timeline, story = told()
    timeline.take(replace(story.sightings[-1], at=story.sightings[-1].at - 0.3))
    assert timeline.history.last is not None and timeline.history.last > START + 15.0


# --- a record ----------------------------------------------------------------------------------------------------


def played(state: str = "degraded") -> tuple[Timeline, Story]:
    story = story_of(state, 3)
    timeline = Timeline(replay=True)
    for sighting in story.sightings:
        timeline.take(sighting)
    timeline.finish()
    return timeline, story


def test_a_replay_begins_at_its_begin_and_plays_to_its_end() -> None:
    timeline, story = played()
    assert timeline.mode is Mode.REPLAY and timeline.span == (START, story.sightings[-1].at)
    assert timeline.scene(0.0).mode is Mode.REPLAY and timeline.scene(0.0).at == START
    assert timeline.advance(2.0) and timeline.moment == START + 2.0
    moods = []
    while timeline.playing:
        timeline.advance(1.0)
        moods.append(timeline.scene(0.0).mood)
    assert moods[0] is Mood.STABLE and moods[-1] is Mood.DEGRADED and moods == sorted(moods, key=moods.index)
    assert timeline.moment == story.sightings[-1].at and not timeline.advance(1.0)


def test_a_replay_is_paused_hurried_and_begun_again() -> None:
    timeline, _ = played()
    timeline.toggle()
    assert not timeline.playing and not timeline.advance(5.0) and timeline.moment == START
    timeline.toggle()
    timeline.faster(2)
    assert timeline.speed == 4.0 and timeline.advance(1.0) and timeline.moment == START + 4.0
    timeline.faster(-100)
    assert timeline.speed == SPEEDS[0]
    timeline.faster(100)
    assert timeline.speed == SPEEDS[-1]
    timeline.to_now()
    assert timeline.span is not None and timeline.moment == timeline.span[1]
    timeline.playing = False
    timeline.toggle()
    assert timeline.playing and timeline.moment == START, "played again from its begin"


def test_a_replay_is_gone_through_both_ways() -> None:
    timeline, _ = played()
    timeline.next_event()
    assert timeline.scene(0.0).nodes[2].state is NodeState.DOWN and timeline.events()[-1].kind == "down"
    timeline.next_event()
    assert timeline.span is not None and timeline.moment == timeline.span[1], "its end, as there is no event more"
    timeline.back(3.0)
    assert timeline.moment == timeline.span[1] - 3.0
    timeline.previous_event()
    timeline.back(1.0)
    assert timeline.scene(0.0).mood is Mood.STABLE


def test_a_replay_shows_what_the_live_scene_showed() -> None:
    replay, now = timeline_of("degraded", 3, replay=True)
    live, _ = timeline_of("degraded", 3)
    at = replay.moment
    assert at is not None and at <= now
    assert replace(replay.scene(0.0), mode=Mode.LIVE) == live.scene(at)


@settings(max_examples=40)
@given(stories(), st.lists(st.tuples(st.sampled_from(["back", "forward", "before", "after", "now"]), st.floats(0, 20))))
def test_wherever_one_goes_one_sees_what_was_seen(sightings: list[WatchRecord], steps: list[tuple[str, float]]) -> None:
    timeline = Timeline()
    for sighting in sightings:
        timeline.take(sighting)
    now = sightings[-1].at + 1.0
    for what, seconds in steps:
        {
            "back": lambda: timeline.back(seconds),  # noqa: B023
            "forward": lambda: timeline.forward(seconds),  # noqa: B023
            "before": timeline.previous_event,
            "after": timeline.next_event,
            "now": timeline.to_now,
        }[what]()
        scene = timeline.scene(now)
        assert scene.mode is timeline.mode
        seen = timeline.history.look(timeline.moment) if timeline.moment is not None else None
        until = seen[0] if seen is not None else now
        assert scene == replace(_live(sightings, until, scene.at), mode=scene.mode)
        assert [event for event in timeline.events() if event.teller == "" and event.at > scene.at] == []


def _live(sightings: list[WatchRecord], until: float, now: float) -> Scene:
    model = Model()
    for sighting in sightings:
        if sighting.at <= until:
            model.take(sighting)
    return model.scene(now)
