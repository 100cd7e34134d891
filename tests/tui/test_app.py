"""What is seen reaches the screen, time stands where one has gone, and what breaks ends in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from tests.tui.hands import REFUSED, ROOMY, Client, cells, live, notes
from tests.tui.scenes import Story, address_of, id_of, story_of
from tests.tui.screens import at_rest, dashboard_of, running
from wrpme import errors
from wrpme.client.watch.records import StatsSeen, WatchRecord
from wrpme.protocol import ring
from wrpme.protocol.view import Down
from wrpme.tui import app as app_module
from wrpme.tui.app import Dashboard, crash_error, run
from wrpme.tui.main_screen import MainScreen
from wrpme.tui.state.recording import Recorder, open_record
from wrpme.tui.state.scene import Mode, NodeState, Scene


async def press(pilot: Pilot[int], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await at_rest(pilot)


@pytest.fixture
def no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats come only where the test lets them."""
    monkeypatch.setattr(app_module, "BEAT_SECONDS", 3600.0)


def more(app: Dashboard) -> Story:
    """What happens after all that the app has taken."""
    story = story_of("stable", 3)
    story.sightings.clear()
    app.clock = lambda: story.at
    return story


def death(story: Story) -> list[WatchRecord]:
    story.lose(2)
    member = story.view.members[2]
    story.see(Down(member.id, member.incarnation))
    story.tell("down", f"{member.address} is dead; its copies elsewhere serve", 2)
    found, story.sightings = story.sightings, []
    return found


# --- what is seen ----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_beat")
async def test_views_and_events_show_at_once_and_figures_with_the_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(live(), ROOMY) as (app, pilot):
        shown: list[int] = []
        show = app.main.show

        def counted(scene: Scene) -> None:
            shown.append(scene.epoch)
            show(scene)

        monkeypatch.setattr(app.main, "show", counted)
        story = more(app)
        for sighting in death(story):
            app.take(sighting)
        await at_rest(pilot)
        assert app.scene.epoch == story.view.epoch and app.scene.nodes[2].state is NodeState.DOWN
        assert "is dead" in cells(app.main.events) and "DEGRADED" in cells(app.main.banner)
        assert len(shown) == 1, "what comes together is shown together"
        story.silent.add(2)
        story.go(1.0)
        before = app.scene
        for sighting in story.sightings:
            assert isinstance(sighting, StatsSeen)
            app.take(replace(sighting, stats=replace(sighting.stats, entries=777_777)))
        await at_rest(pilot)
        assert app.scene is before
        app._beat()
        assert app.scene.nodes[0].entries == 777_777 and "1.56M entries" in cells(app.main.banner)


@pytest.mark.asyncio
async def test_what_a_watch_sees_arrives() -> None:
    story = story_of("stable", 3)
    story.sightings.clear()
    seen = asyncio.Event()

    async def watch() -> AsyncIterator[WatchRecord]:
        for sighting in death(story):
            yield sighting
        seen.set()
        await asyncio.Event().wait()

    async with running(live(watch=watch), ROOMY) as (app, pilot):
        await seen.wait()
        await at_rest(pilot)
        assert app.scene.nodes[2].state is NodeState.DOWN


# --- when it breaks --------------------------------------------------------------------------------------------------


async def crash_of(app: Dashboard, *keys: str) -> errors.InternalError:
    """Runs it as the command line does, without a terminal; the error that it ends in."""

    async def pilot(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)

    with pytest.raises(errors.InternalError) as caught:
        app.run_async = partial(app.run_async, headless=True, size=ROOMY, auto_pilot=pilot)  # type: ignore[method-assign]
        await run(app)
    return caught.value


async def broken_watch() -> AsyncIterator[WatchRecord]:
    raise ZeroDivisionError("a defect")
    yield


@pytest.mark.asyncio
async def test_a_watch_that_breaks_is_one_sentence_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    error = await crash_of(live(watch=broken_watch))
    log = tmp_path / "wrpme" / "crash.log"
    assert "\n" not in str(error) and "ZeroDivisionError: a defect" in str(error) and str(log) in str(error)
    assert "without --tui goes on working" in str(error)
    assert "broken_watch" in log.read_text() and "Traceback" in log.read_text()
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.asyncio
@pytest.mark.parametrize("broken", ["events", "main", "key"])
async def test_whatever_else_breaks_too(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    app = live()

    def defect(*_: Any) -> Any:
        raise ZeroDivisionError("a defect")

    if broken == "events":
        monkeypatch.setattr(app.timeline, "events", defect)
    elif broken == "main":
        monkeypatch.setattr(MainScreen, "on_mount", defect)
    else:
        monkeypatch.setattr(MainScreen, "action_keys", defect)
    error = await crash_of(app, *(["f1"] if broken == "key" else []))
    assert "ZeroDivisionError: a defect" in str(error) and "Traceback" not in "".join(capfd.readouterr())


def test_details_that_can_not_be_kept_are_not_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert "details" not in str(crash_error(ZeroDivisionError("a defect")))


@pytest.mark.asyncio
async def test_a_record_that_can_not_go_on_stops_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "record")

    async with running(live(recorder=recorder), ROOMY) as (app, pilot):
        story = more(app)
        first, *others = death(story)
        app.take(first)
        await at_rest(pilot)
        assert "recording, " in cells(app.main.banner)
        assert len(list(open_record(tmp_path / "record").watch_records)) == 1

        def full(_: WatchRecord) -> None:
            raise errors.StorageError("recording has stopped: no space left on device")

        monkeypatch.setattr(recorder, "take", full)
        for sighting in others:
            app.take(sighting)
        await at_rest(pilot)
        assert notes(app) == ["storage: recording has stopped: no space left on device"], "it is told once"
        assert app.scene.nodes[2].state is NodeState.DOWN and app.recorder is None
        assert "recording stopped" in cells(app.main.banner)


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_beat")
async def test_the_past_stands_still_and_now_is_a_key_away() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        main, now = app.main, app.scene
        await press(pilot, "escape", "left_square_bracket")
        past = app.scene
        assert past.mode is Mode.PAST and past.at < now.at and main.has_class("-not-now")
        assert "PAST" in cells(main.banner) and "NOT NOW" in cells(main.banner)
        listed = main.events.list.rows[:]
        story = more(app)
        for sighting in death(story):
            app.take(sighting)
        story.go(1.0)
        for sighting in story.sightings:
            app.take(sighting)
        app._beat()
        await at_rest(pilot)
        assert app.scene is past and main.events.list.rows == listed
        await press(pilot, "0")
        assert app.scene.mode is Mode.LIVE and app.scene.nodes[2].state is NodeState.DOWN
        assert not main.has_class("-not-now") and "is dead" in cells(main.events)
        await press(pilot, "0", "right_square_bracket", "plus", "minus")
        assert app.scene.mode is Mode.LIVE, "there is nothing later"


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_beat")
async def test_from_event_to_event() -> None:
    async with running(live("degraded"), ROOMY) as (app, pilot):
        await press(pilot, "escape", "left_curly_bracket")
        at, counts = app.scene.at, [len(app.timeline.events())]
        while not counts[1:] or counts[-1] < counts[-2]:
            await press(pilot, "left_curly_bracket")
            assert app.scene.at <= at
            at = app.scene.at
            counts.append(len(app.timeline.events()))
        assert len(counts) > 2, "several moments"
        while app.timeline.mode is Mode.PAST:
            await press(pilot, "right_curly_bracket")
            assert app.scene.at > at
            at = app.scene.at
        await press(pilot, "left_square_bracket", "left_square_bracket", "right_square_bracket")
        assert app.timeline.moment == pytest.approx(app.clock() - 5.0)
        await press(pilot, "right_square_bracket")
        assert app.timeline.mode is Mode.LIVE


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_beat")
async def test_a_replay_goes_on_with_the_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(dashboard_of("replay", 3), ROOMY) as (app, pilot):
        span = app.timeline.span
        assert span is not None
        app.timeline.go_to(span[0])
        await press(pilot, "space", "plus")
        at = app.timeline.moment
        assert at is not None
        monkeypatch.setattr(app_module, "monotonic", lambda: app._beat_at + 1.5)
        app._beat()
        assert app.timeline.moment == pytest.approx(at + 3.0) and app.scene.at >= at
        await press(pilot, "space")
        app._beat()
        assert app.timeline.moment == pytest.approx(at + 3.0), "held"
        await press(pilot, "0")
        assert app.timeline.moment == span[1] and app.scene.mode is Mode.REPLAY


# --- the way of a request --------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_ring_shows_the_way_of_a_request_of_now() -> None:
    class Asked(Client):
        async def locate(self, alias: bytes) -> object:
            raise REFUSED

    client = Asked()

    async with running(live(client=client), ROOMY) as (app, pilot):
        client.answered_by = address_of(1)
        app.main.shell.enter("get entry")
        await at_rest(pilot)
        way = app.main.ring.way
        slot = ring.slot_of(ring.hash_of(b"entry"))
        arc = next(arc for arc in app.scene.arcs if arc.first <= slot < arc.end)
        assert way is not None and (way.alias, way.slot, way.asked) == ("entry", slot, 1)
        assert (way.owner, *way.holders) == arc.holders and len(arc.holders) == 2
        app.main.shell.enter("locate other")
        await at_rest(pilot)
        way = app.main.ring.way
        assert way is not None and (way.alias, way.asked) == ("other", -1), "nobody was asked for the entry"
        client.answered_by = "192.168.9.9:1"
        app.main.shell.enter("get other")
        await at_rest(pilot)
        way = app.main.ring.way
        assert way is not None and way.asked == way.owner
        app.main.shell.enter("version")
        await at_rest(pilot)
        assert app.main.ring.way is way, "no way of its own"
        app.main.ring.show_way(None)
        app.action_earlier()
        app.main.shell.enter("get other")
        await at_rest(pilot)
        assert client.asked[-1] == "get other" and app.main.ring.way is None


@pytest.mark.asyncio
async def test_an_arc_without_a_live_holder_has_no_owner() -> None:
    async with running(live("unavailable"), ROOMY) as (app, pilot):
        unserved = [arc for arc in app.scene.arcs if not arc.served]
        assert unserved
        alias = next(
            f"entry{number}" for number in range(1000)
            if any(arc.first <= ring.slot_of(ring.hash_of(b"entry%d" % number)) < arc.end for arc in unserved)
        )  # fmt: skip
        app.main.shell.enter(f"get {alias}")
        await at_rest(pilot)
        assert app.main.ring.way is not None and app.main.ring.way.owner == -1


# --- the selected node's screen follows ------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_open_node_follows_what_is_seen() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        app.open_node(id_of(2))
        await at_rest(pilot)
        for sighting in death(more(app)):
            app.take(sighting)
        await at_rest(pilot)
        assert "down" in "\n".join(strip.text for strip in app.screen._compositor.render_strips()[:2])
        await press(pilot, "left_square_bracket")
        assert app.screen.has_class("-not-now") and app.main.has_class("-not-now")
        await press(pilot, "0")
        assert not app.screen.has_class("-not-now") and not app.main.has_class("-not-now")
