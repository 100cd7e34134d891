"""Whom the screen of a node asks: the node itself now, and only what is known at any other time."""

from __future__ import annotations


import pytest

from tests.tui.hands import Client, live
from tests.tui.screens import dashboard_of
from wrpme import errors

pytestmark = pytest.mark.asyncio

DOWN = "127.0.0.1:5911"


async def test_a_node_of_now_is_asked() -> None:
    client = Client()
    source = live("degraded", client=client).source
    assert await source.log(DOWN) == [f"{DOWN} serves"] and await source.config(DOWN) == {"address": DOWN}
    assert client.asked == [f"log_of {DOWN}", f"node_config {DOWN}"]


@pytest.mark.parametrize("state", ["past", "replay"])
async def test_of_another_time_only_what_is_known(state: str) -> None:
    app = dashboard_of(state, 3)
    for ask in (app.source.log, app.source.config):
        with pytest.raises(errors.UsageError, match="0 goes back to now"):
            await ask(DOWN)
    until = app.timeline.moment
    assert until is not None
    points = app.source.series(app.scene.nodes[0].id, "operations")
    assert points and all(at <= until for at, _ in points)
    assert app.source.scene() is app.scene and app.source.plain is app.plain


async def test_events_are_those_about_the_node_or_told_by_it() -> None:
    app = live("degraded")
    every = app.timeline.events()
    for address in ("127.0.0.1:5909", DOWN):
        found = app.source.events(address)
        assert found == [event for event in every if address in (event.node, event.teller)]
    assert len(app.source.events(DOWN)) == 2 and not app.source.events("127.0.0.1:5910")
