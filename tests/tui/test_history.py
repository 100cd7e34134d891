"""The history: moments are exact, what lies between is as near as they are, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.scenes import START, Story, id_of, model_of, stable_view, story_of, synced
from tests.tui.stories import stories
from wrpme.client.watch.records import StatsSeen, WatchRecord
from wrpme.protocol.view import Back, Down
from wrpme.tui.limits import STALE_SECONDS
from wrpme.tui.state.derive import WHATS
from wrpme.tui.state.figures import BY_SERIES
from wrpme.tui.state.history import History
from wrpme.tui.state.model import Model
from wrpme.tui.state.scene import Mode, Mood, Scene
from wrpme.tui.state.timeline import Timeline

KIB = 1024


def filled(sightings: list[WatchRecord], seconds_max: float | None = None, bytes_max: int = 1 << 25) -> Timeline:
    timeline = Timeline(replay=True)
    timeline.history = History(seconds_max, bytes_max)
    for sighting in sightings:
        timeline.take(sighting)
    timeline.finish()
    return timeline


def replayed(sightings: list[WatchRecord], until: float, now: float) -> Scene:
    """What the live scene showed."""
    model = Model()
    for sighting in sightings:
        if sighting.at <= until:
            model.take(sighting)
    return replace(model.scene(now), mode=Mode.PAST)


# --- exactness ---------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(stories(), st.randoms(use_true_random=False))
def test_a_moment_is_what_was_shown_then(sightings: list[WatchRecord], chance: object) -> None:
    history = filled(sightings).history
    moments = history.moments
    assert moments == sorted(set(moments)) and moments[-1] == sightings[-1].at
    for moment in moments[:: max(1, len(moments) // 5)]:
        shown = history.scene_at(moment)
        assert shown == replayed(sightings, moment, moment)
        for node in shown.nodes if shown is not None else ():
            for what, figure in BY_SERIES.items():
                at, value = history.series(node.id, what, moment)[-1]
                assert (at, value) == (moment, None if node.stale else figure.value(node)), what


@settings(max_examples=40)
@given(stories(), st.floats(0, 1))
def test_any_time_is_what_was_shown_not_long_before(sightings: list[WatchRecord], part: float) -> None:
    history = filled(sightings).history
    begin, end = sightings[0].at, sightings[-1].at
    at = begin + part * (end - begin)
    seen = history.look(at)
    if seen is None:
        assert at < history.moments[0]
        return
    moment, shown = seen
    assert moment <= shown <= at
    assert history.scene_at(at) == replayed(sightings, moment, shown)
    missed = [one.at for one in sightings if moment < one.at <= at]
    assert not missed or at - shown <= STALE_SECONDS, "nothing that was seen is missing for long"


def test_where_nothing_was_seen_time_goes_on() -> None:
    story = Story(stable_view(3), START)
    story.start()
    story.go(3.0)
    last = story.sightings[-1].at
    story.at += 60.0
    story.go(3.0)
    history = filled(story.sightings).history
    gap = history.scene_at(last + 30.0)
    assert gap is not None and gap.mood is Mood.DISCONNECTED and gap.at == last + 30.0 and gap.silent_since == last
    after = history.scene_at(story.at - 1.0)
    assert after is not None and after.mood is Mood.STABLE


def test_silence_is_not_thinned_away() -> None:
    story = Story(stable_view(3), START)
    story.start()
    silences = []
    for _ in range(10):
        for _ in range(30):
            story.go(1.0)
            story.tell("view", "something happens all the time", None)
        silences.append(story.at + 1.9)
        story.at += 2.0
    story.go(30.0)
    history = filled(story.sightings, bytes_max=96 * KIB).history
    assert len(history.moments) < 100
    for silence in silences:
        before, within, after = (history.scene_at(silence + seconds) for seconds in (-3.0, 0.0, 0.5))
        assert before is not None and within is not None and after is not None
        assert (before.mood, within.mood, after.mood) == (Mood.STABLE, Mood.DISCONNECTED, Mood.STABLE)


def test_before_the_first_moment_nothing_is_known() -> None:
    history = filled(story_of("stable", 3).sightings).history
    assert history.scene_at(START - 1.0) is None and history.look(START - 1.0) is None
    assert History().scene_at(START) is None and History().first is None and History().last is None


# --- bounds ------------------------------------------------------------------------------------------------------


def figures_for(nodes: int, seconds: float) -> list[WatchRecord]:
    story = Story(stable_view(nodes), START)
    story.start()
    story.go(seconds)
    return story.sightings


def test_only_the_last_seconds_are_kept() -> None:
    history = filled(figures_for(3, 60.0), seconds_max=20.0).history
    assert history.first is not None and history.last is not None
    assert 19.0 <= history.last - history.first <= 20.0


@pytest.mark.parametrize(("seconds_max", "reach"), [(None, 295.0), (100.0, 95.0)])
def test_bytes_are_bounded_and_the_time_is_still_covered(seconds_max: float | None, reach: float) -> None:
    bounds = 64 * KIB
    history = filled(figures_for(3, 300.0), seconds_max, bounds).history
    assert history.bytes <= bounds and history.first is not None and history.last is not None
    assert history.last - history.first >= reach
    gaps = [later - one for one, later in zip(history.moments, history.moments[1:], strict=False)]
    assert max(gaps) <= 4 * (history.last - history.first) / len(gaps), "thinned evenly"


def test_what_is_given_up_is_not_counted_any_more() -> None:
    story = Story(stable_view(3), START)
    story.start()
    for life in range(2, 12):
        story.see(Down(id_of(2), life - 1))
        story.go(1.0)
        story.see(Back(id_of(2), life, story.view.members[2].address))
        story.go(1.0)
    timeline = filled(story.sightings, seconds_max=0.0)
    alone = History()
    alone.cut(story.at, timeline.live.observed, timeline.live.layout, False)
    assert len(timeline.history.moments) == 1 and timeline.history.bytes == alone.bytes


def test_a_storm_of_views_is_bounded() -> None:
    story = Story(stable_view(3), START)
    story.start()
    for life in range(2, 150):
        story.see(Down(id_of(2), life - 1))
        story.go(0.5)
        story.see(Back(id_of(2), life, story.view.members[2].address))
        story.go(0.5)
        story.show(synced(story.view))
        story.go(0.5)
    history = filled(story.sightings, bytes_max=128 * KIB).history
    assert history.bytes <= 128 * KIB and history.last is not None and history.first is not None
    assert history.last - history.first >= 200.0
    found = history.scene_at(START + 100.0)
    assert found is not None and len(found.nodes) == 3


def test_events_outlast_plain_moments() -> None:
    story = Story(stable_view(3), START)
    story.start()
    story.go(100.0)
    died = story.at
    story.see(Down(id_of(2), 1))
    story.tell("down", "n2 is down", 2)
    story.go(200.0)
    history = filled(story.sightings, bytes_max=64 * KIB).history
    found = history.marked_after(START + 50.0)
    assert found is not None and died <= found <= died + 0.5
    scene = history.scene_at(found)
    assert scene is not None and scene.mood is Mood.DEGRADED


@settings(max_examples=25)
@given(stories(steps_max=25), st.integers(2, 40))
def test_thinned_moments_are_exact_too(sightings: list[WatchRecord], kib: int) -> None:
    history = filled(sightings, bytes_max=kib * KIB).history
    assert history.bytes <= kib * KIB or len(history.moments) == 1
    for moment in history.moments[:: max(1, len(history.moments) // 4)]:
        assert history.scene_at(moment) == replayed(sightings, moment, moment)


def test_views_are_filled_in_for_few_at_a_time() -> None:
    story = Story(stable_view(3), START)
    story.start()
    for life in range(2, 12):
        story.see(Down(id_of(2), life - 1))
        story.go(1.0)
        story.see(Back(id_of(2), life, story.view.members[2].address))
        story.go(1.0)
    history = filled(story.sightings).history
    for moment in history.moments:
        history.scene_at(moment)
    assert len(history._filled) <= 4


# --- from event to event -----------------------------------------------------------------------------------------


def test_events_can_be_gone_through() -> None:
    story = Story(stable_view(3), START)
    story.start()
    times = []
    for kind in ("suspected", "down", "back"):
        story.go(5.0)
        story.tell(kind, kind, 2)
        times.append(story.at)
    story.go(5.0)
    history = filled(story.sightings).history
    found: list[float] = []
    at: float | None = START + 1.0
    while (at := history.marked_after(at if at is not None else 0.0)) is not None:
        found.append(at)
    assert len(found) == 3 and all(0 <= seen - time < 0.5 for seen, time in zip(found, times, strict=True))
    back = [history.marked_before(seen) for seen in found[1:]]
    assert back == found[:2]
    assert history.marked_from(found[1]) == found[1] and history.marked_before(START) is None


# --- series ------------------------------------------------------------------------------------------------------


def test_series_are_what_the_scenes_show() -> None:
    story = story_of("stable", 3)
    history = filled(story.sightings).history
    node = story.view.members[1].id
    for what in WHATS:
        last_time, last = history.series(node, what)[-1]
        total_time, total = history.series(None, what)[-1]
        assert last_time == total_time == history.last and last is not None and total is not None and total >= last
    scene = history.scene_at(history.moments[-1])
    assert scene is not None
    assert history.series(None, "operations")[-1][1] == scene.operations_per_second
    assert history.series(None, "entries")[-1][1] == scene.entries
    assert history.series(node, "p99")[-1][1] == scene.nodes[1].p99_seconds
    assert history.series(None, "p99")[-1][1] == max(one.p99_seconds or 0 for one in scene.nodes)
    assert [time for time, _ in history.series(node, "memory")] == history.moments


def test_what_was_not_heard_is_a_gap_and_no_0() -> None:
    story = Story(stable_view(3), START)
    story.start()
    story.go(4.0)
    story.silent = {1}
    story.go(6.0)
    story.at += 30.0
    story.silent = set()
    story.go(4.0)
    series = filled(story.sightings).history.series(story.view.members[1].id, "entries")
    values = {round(time - START): value for time, value in series}
    assert values[3] is not None and values[8] is None and values[43] is not None
    hive = filled(story.sightings).history.series(None, "entries")
    silence = [time for time, value in hive if value is None and time > START + 5.0]
    assert len(silence) == 1 and 10.0 < silence[0] - START < 13.0, "a mark where the hive itself fell silent"


def test_a_series_ends_where_one_looks_from() -> None:
    history = filled(figures_for(3, 20.0)).history
    assert history.series(None, "operations", START + 10.0)[-1][0] <= START + 10.0
    assert history.series(None, "operations", START - 1.0) == []


def test_a_node_that_was_no_member_yet_has_no_values() -> None:
    story = story_of("joining", 3)
    series = filled(story.sightings).history.series(id_of(3), "entries")
    assert series[0][1] is None and series[-1][1] is not None
    assert {value for _, value in filled(story.sightings).history.series(id_of(77), "entries")} == {None}


def test_no_series_of_what_there_is_not() -> None:
    model, _ = model_of("stable", 3)
    assert model.layout is not None
    with pytest.raises(ValueError):
        History().series(None, "weather")


def test_where_no_view_was_seen_there_is_a_scene_too() -> None:
    history = filled([one for one in figures_for(3, 3.0) if isinstance(one, StatsSeen)]).history
    scene = history.scene_at(history.moments[-1])
    assert scene is not None and scene.mood is Mood.CONNECTING
