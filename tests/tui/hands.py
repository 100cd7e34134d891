"""The dashboard under the hands of an operator: apps with fakes behind them, and what is to be read off a screen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual.widget import Widget

from tests.tui.scenes import timeline_of
from tests.tui.screens import IdleClient
from wrpme import errors
from wrpme.client.cluster import NodeSlow
from wrpme.protocol.administration import SlowLog
from wrpme.client.admin import LossEstimate
from wrpme.client.watch.records import EventSeen, WatchRecord
from wrpme.protocol.salvage import Loss
from wrpme.shell.history import LineFile
from wrpme.tui.app import Dashboard
from wrpme.tui.main_screen import MainScreen
from wrpme.tui.panes.lists import FilterInput
from wrpme.tui.panes.shell import CommandInput
from wrpme.tui.state.recording import Recorder

ROOMY, SMALL = (120, 40), (80, 24)


class Client(IdleClient):
    """Notes what it is asked for; ``error`` is raised by it, ``answered_by`` is who answered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error

    async def stop_node(self, address: str) -> None:
        await self._ask(f"stop_node {address}")

    async def leave(self, address: str) -> None:
        await self._ask(f"leave {address}")

    async def forget(self, address: str) -> None:
        await self._ask(f"forget {address}")

    async def price_of(self, address: str) -> LossEstimate:
        await self._ask(f"price_of {address}")
        loss = Loss(0.25, 0.0, ((b"n", 0.25, 1234),))
        return LossEstimate(address, loss, (), "it starts again from the copy of n (1,234 entries)")

    async def get(self, alias: bytes) -> bytes:
        await self._ask(f"get {alias.decode()}")
        return b"content"

    async def log_of(self, address: str) -> list[str]:
        await self._ask(f"log_of {address}")
        return [f"{address} serves"]

    async def slow_log(self, address: str) -> tuple[NodeSlow, ...]:
        await self._ask(f"slow_log {address}")
        return (NodeSlow(address, SlowLog(1, 100.0, 0, ()), None),)

    async def node_config(self, address: str) -> dict[str, Any]:
        await self._ask(f"node_config {address}")
        return {"address": address}


def live(
    state: str = "stable",
    nodes: int = 3,
    *,
    client: Client | None = None,
    local: Any = None,
    recorder: Recorder | None = None,
    watch: Any = None,
) -> Dashboard:
    """A dashboard of now."""
    timeline, now = timeline_of(state, nodes)
    app = Dashboard(
        timeline,
        client=client or Client(),  # type: ignore[arg-type]
        watch=watch,
        local=local,
        recorder=recorder,
        history=LineFile(Path(os.devnull)),
        ascii=False,
        clock=lambda: now,
    )
    app.animation_level = "none"
    return app


def footer(app: Dashboard) -> set[str]:
    """The actions whose keys are at the foot of the screen."""
    shown = [found.binding for found in app.screen.active_bindings.values() if found.binding.show]
    return {binding.action.removeprefix("app.") for binding in shown}


def notes(app: Dashboard) -> list[str]:
    """The notifications, the oldest first."""
    return [note.message for note in app._notifications]


def cells(widget: Widget) -> str:
    """What stands there."""
    screen = widget.screen
    strips = screen._compositor.render_strips()
    region = widget.region
    return "\n".join(strip.crop(region.x, region.right).text for strip in strips[region.y : region.bottom])


def typed(app: Dashboard) -> str:
    """The shell's line."""
    return app.main.query_one(CommandInput).value


def keyboard(main: MainScreen) -> str:
    """Who has the keyboard."""
    names: dict[Widget | None, str] = {main.nodes.list: "nodes", main.events.list: "events", None: "none"}
    if isinstance(main.focused, FilterInput):
        return "filter"
    return "shell" if isinstance(main.focused, CommandInput) else names.get(main.focused, "?")


def later(sighting: WatchRecord, seconds: float) -> WatchRecord:
    """The same a little later."""
    assert isinstance(sighting, EventSeen)
    at = sighting.at + seconds
    told = replace(sighting.event, number=sighting.event.number + 1000, at=int(at * 1000))
    return replace(sighting, at=at, event=told)


class Hive:
    """A hive of this shell's own, that only notes what is done to it."""

    addresses = ["127.0.0.1:5909", "127.0.0.1:5910", "127.0.0.1:5911"]

    def __init__(self) -> None:
        self.done: list[str] = []
        self.paused: set[int] = set()
        self.error: Exception | None = None

    def _do(self, what: str) -> None:
        if self.error is not None:
            raise self.error
        self.done.append(what)

    def number_at(self, address: str) -> int | None:
        return self.addresses.index(address) + 1 if address in self.addresses else None

    def is_paused(self, number: int) -> bool:
        return number in self.paused

    def kill(self, number: int) -> None:
        self._do(f"kill {number}")

    def pause(self, number: int) -> None:
        self._do(f"pause {number}")
        self.paused.add(number)

    def resume(self, number: int) -> None:
        self._do(f"resume {number}")
        self.paused.discard(number)

    async def restart(self, number: int) -> None:
        self._do(f"restart {number}")

    def add(self) -> int:
        self._do("add")
        return 4


REFUSED = errors.UnavailableError("no quorum can be reached")
