"""What the keys do to nodes: with the question first, and every end of it in a sentence."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from tests.tui.hands import REFUSED, ROOMY, Client, Hive, live, notes
from tests.tui.screens import at_rest, dashboard_of, running
from wrpme import errors
from wrpme.tui.actions import consequence
from wrpme.tui.app import Dashboard
from wrpme.tui.dialogs import Confirm

pytestmark = pytest.mark.asyncio

UP, OTHER, DOWN = "127.0.0.1:5909", "127.0.0.1:5910", "127.0.0.1:5911"


async def press(pilot: Pilot[int], *keys: str) -> None:
    await pilot.press(*keys)
    await at_rest(pilot)


def asked(app: Dashboard) -> str:
    """What the dialog says."""
    assert isinstance(app.screen, Confirm)
    return "\n".join(str(part.render()) for part in app.screen.query(Static))


async def test_stop_and_leave_tell_their_consequence_and_take_a_y() -> None:
    client = Client()

    async with running(live(client=client), ROOMY) as (app, pilot):
        node = app.scene.nodes[0]
        await press(pilot, "escape")
        for key, action, name in (("S", "stop", "stop_node"), ("L", "leave", "leave")):
            client.asked.clear()
            for no in ("n", "escape", "q"):
                await press(pilot, key)
                shown = asked(app)
                assert f"{name} {UP}" in shown and consequence(action, node, app.scene) in shown
                await press(pilot, no)
                assert app.screen is app.main and client.asked == [], "nothing was done"
            await press(pilot, key)
            await press(pilot, "y", "y")
            assert app.screen is app.main and client.asked == [f"{name} {UP}"], "a second y is not another deed"
        assert f"stop_node {UP}: done" in notes(app) and any("has left" in note for note in notes(app))


async def test_forget_tells_the_price_and_takes_the_word_alone() -> None:
    client = Client()

    async with running(live("degraded", client=client), ROOMY) as (app, pilot):
        await press(pilot, "escape", "home")
        for answer in (("escape",), ("y", "enter"), ("enter",), (*"no", "enter")):
            await press(pilot, "F")
            assert f"{DOWN} is the last holder of 25.0 % of the ring: it starts again from the copy of n" in asked(app)
            assert "type yes if" not in asked(app)
            await press(pilot, *answer)
            assert app.screen is app.main
        assert set(client.asked) == {f"price_of {DOWN}"}
        await press(pilot, "F")
        await press(pilot, *"yes", "enter")
        assert client.asked[-1] == f"forget {DOWN}" and f"forget {DOWN}: done" in notes(app)


MISTAKES: list[tuple[Exception, str]] = [
    (REFUSED, f"unavailable: stop_node {UP}: no quorum can be reached"),
    (ZeroDivisionError("a defect"), "internal: ZeroDivisionError: a defect"),
    (errors.UsageError("[bold]no markup[/nonsense]"), "[bold]no markup[/nonsense]"),
]


async def test_what_goes_wrong_is_a_sentence() -> None:
    client = Client()

    async with running(live(client=client), ROOMY) as (app, pilot):
        await press(pilot, "escape")
        for number, (error, sentence) in enumerate(MISTAKES, 1):
            client.error = error
            await press(pilot, "S", "y")
            assert len(client.asked) == number and any(sentence in note for note in notes(app))
            assert not any(note.markup for note in app._notifications), "it may be of any text"
            assert app.is_running and app.crash is None


async def test_a_price_that_can_not_be_had_is_a_sentence_and_no_question() -> None:
    client = Client()
    client.error = REFUSED

    async with running(live("degraded", client=client), ROOMY) as (app, pilot):
        await press(pilot, "escape", "home", "F")
        assert app.screen is app.main and notes(app) == [str(REFUSED)]


async def test_what_makes_no_sense_is_refused_in_words() -> None:
    client = Client()

    async with running(live("degraded", client=client), ROOMY) as (app, pilot):
        nodes = app.scene.nodes
        app.runner.ask("forget", nodes[0], app.scene)
        app.runner.ask("stop", nodes[2], app.scene)
        await at_rest(pilot)
        assert ["only a node that is down" in notes(app)[0], f"{DOWN} is down" in notes(app)[1]] == [True, True]
        await press(pilot, "escape", "S", "L", "end", "F")
        assert app.screen is app.main and len(notes(app)) == 2 and client.asked == [], "the keys are off there"


@pytest.mark.parametrize("state", ["past", "replay"])
async def test_nothing_is_done_to_a_hive_of_another_time(state: str) -> None:
    async with running(dashboard_of(state, 3), ROOMY) as (app, pilot):
        app.local = Hive()  # type: ignore[assignment]
        if state == "past":
            await press(pilot, "escape")
        for place in ("home", "end"):
            await press(pilot, place, "S", "L", "F", "l", "K", "P", "R", "A")
            assert app.screen is app.main and notes(app) == []
        assert app.local.done == []  # type: ignore[union-attr]


async def test_nodes_of_this_shell() -> None:
    hive = Hive()

    async with running(live(local=hive), ROOMY) as (app, pilot):
        await press(pilot, "K", "P", "R", "A", *["backspace"] * 4)
        assert hive.done == [], "in the shell they are letters"
        await press(pilot, "escape", "down", "K", "P", "P", "R", "A")
        assert hive.done == ["kill 2", "pause 2", "resume 2", "restart 2", "add"]
        told = notes(app)
        assert f"{OTHER} was killed" in told[0] and "P lets it go on" in told[1] and f"{OTHER} goes on" in told[2]
        assert f"{OTHER} starts again" in told[3] and "node 4 starts" in told[4]
        app.clear_notifications()
        hive.error = errors.UsageError("node 2 does not run")
        await press(pilot, "K", "P", "R", "A")
        assert notes(app) == ["node 2 does not run"] * 4
        hive.error = ProcessLookupError("a defect")
        await press(pilot, "K")
        assert "internal: ProcessLookupError" in notes(app)[-1] and app.is_running
        hive.addresses = []
        await press(pilot, "K")
        assert f"{OTHER} was not started by this shell" in notes(app)
