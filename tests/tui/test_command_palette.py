"""The palette: nodes, keys, themes and commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.hands import ROOMY, Hive, keyboard, live, typed
from tests.tui.scenes import id_of
from tests.tui.screens import at_rest, dashboard_of, running
from wrpme.shell.commands import COMMANDS
from wrpme.tui.app import Dashboard
from wrpme.tui.command_palette import PaletteProvider
from wrpme.tui.keys import KEYS
from wrpme.tui.node.screen import NodeScreen
from wrpme.tui.state.scene import Mode
from wrpme.tui.terminal.palette import THEMES

pytestmark = pytest.mark.asyncio


async def press(pilot: Pilot[int], *keys: str) -> None:
    await pilot.press(*keys)
    await at_rest(pilot)


def keys_of(found: dict[str, Callable[[], object]]) -> dict[str, Callable[[], object]]:
    """What is offered of the keys, by action."""
    actions = {f" ({key.shown})": key.action.removeprefix("app.") for key in KEYS}
    return {
        action: do for title, do in found.items() for shown, action in actions.items() if title.endswith(shown)
    }  # fmt: skip


async def listed(app: Dashboard) -> dict[str, Callable[[], object]]:
    """All that is offered before anything is typed."""
    return {hit.text or "": hit.command async for hit in PaletteProvider(app.screen).discover()}


def opened(app: Dashboard) -> bytes | None:
    return app.screen.node if isinstance(app.screen, NodeScreen) else None


def mode_of(app: Dashboard) -> Mode:
    return app.timeline.mode


async def choose(app: Dashboard, pilot: Pilot[int], words: str) -> None:
    """Opens the palette, writes, and takes the first that is found."""
    await press(pilot, "ctrl+p")
    assert isinstance(app.screen, CommandPalette)
    app.screen.query_one(Input).value = words[:-1]
    await press(pilot, words[-1])
    found = app.screen.query_one(CommandList)
    while not any(words in str(found.get_option_at_index(at).prompt) for at in range(found.option_count)):
        await pilot.pause()
    await press(pilot, "enter")
    if isinstance(app.screen, CommandPalette):
        await press(pilot, "enter")


async def test_it_lists_all_that_can_be_done() -> None:
    async with running(live(local=Hive()), ROOMY) as (app, pilot):
        found = await listed(app)
        assert {f"node {node.address}" for node in app.scene.nodes} <= set(found)
        assert {spec.syntax for spec in COMMANDS} <= set(found)
        assert {f"theme wrpme-{name}" for name in THEMES} <= set(found)
        offered = set(keys_of(found))
        everywhere = {"help", "filter", "nodes", "events", "earlier", "theme", "zoom", "sort(1)", "leave_app"}
        assert everywhere <= offered, "from the shell, too"
        assert not {"stop", "forget", "now", "faster(1)", "kill"} & offered
        await press(pilot, "escape")
        offered = set(keys_of(await listed(app)))
        assert {"stop", "leave", "logs", "kill", "shell"} <= offered and not {"forget", "nodes"} & offered
        await press(pilot, "left_square_bracket")
        offered = set(keys_of(await listed(app)))
        assert {"now", "later"} <= offered and not {"stop", "kill", "faster(1)"} & offered


async def test_a_replay_has_no_commands() -> None:
    async with running(dashboard_of("replay", 3), ROOMY) as (app, _pilot):
        found = set(await listed(app))
        assert {"faster (+)", "hold/go (Space)"} <= found
        assert not found & {spec.syntax for spec in COMMANDS} and "shell (:)" not in found


async def test_what_is_chosen_is_done() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        await choose(app, pilot, "stop_node")
        assert typed(app) == "stop_node " and keyboard(app.main) == "shell"
        await choose(app, pilot, "5910")
        assert opened(app) == id_of(1)
        found = await listed(app)
        assert "stop (S)" not in found and "zoom (z)" not in found and "earlier ([)" in found, "keys of another screen"
        await choose(app, pilot, "hive_status")
        assert opened(app) is None, "the line that is typed can be seen"
        assert typed(app) == "hive_status" and keyboard(app.main) == "shell"


@pytest.mark.parametrize("start", [(), ("escape",)])
async def test_keys_by_their_words(start: tuple[str, ...]) -> None:
    async with running(live(), ROOMY) as (app, pilot):
        for key in start:
            await press(pilot, key)
        await choose(app, pilot, "theme wrpme-light")
        assert app.theme == "wrpme-light"
        found = await listed(app)
        found["earlier ([)"]()
        assert mode_of(app) is Mode.PAST
        keys_of(await listed(app))["now"]()
        assert mode_of(app) is Mode.LIVE
        keys_of(await listed(app))["sort(1)"]()
        assert app.main.nodes.sorted_by == "SHARE"
        keys_of(await listed(app))["events"]()
        await at_rest(pilot)
        assert keyboard(app.main) == "events"
