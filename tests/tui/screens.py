"""Screens as text: what stands in each cell, and of the colours of each line a digest.

A change of a screen is thus seen in the difference of two files. ``WRPME_SCREENS=write`` writes them anew; then each
of them is looked at as a picture: ``python -m tests.tui.screens DIRECTORY`` draws all as SVG.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

from textual.pilot import Pilot

from tests.tui.jumping import SkippingLoop, textual_time
from tests.tui.scenes import timeline_of
from wrpme.shell.history import LineFile
from wrpme.tui.app import Dashboard
from wrpme.tui.panes.shell import CommandInput
from wrpme.tui.state.scene import Mode
from wrpme.tui.state.timeline import Timeline

KEPT = Path(__file__).parent / "kept"
SIZES = ((80, 24), (120, 40), (200, 60))
NODES = (3, 200)
STATES = (
    "stable", "joining", "copying", "suspected", "degraded", "unavailable", "disconnected", "past", "replay",
)  # fmt: skip


class IdleClient:
    """Knows no hive: for screens on which nothing is asked."""

    known_addresses: list[str] = []
    answered_by = ""


def timeline_in(state: str, nodes: int) -> tuple[Timeline, float]:
    """What is known of a hive in that state, and now."""
    replay = state == "replay"
    of = {"past": "degraded", "replay": "copying"}.get(state, state)
    timeline, now = timeline_of(of, nodes, replay=replay)
    if replay:
        timeline.toggle()
    if state == "past":
        timeline.back(5.0)
    return timeline, now


def dashboard_of(state: str, nodes: int, ascii: bool = False) -> Dashboard:
    """The app as it stands when the hive is in that state; its clock stands."""
    return dashboard_on(*timeline_in(state, nodes), ascii)


def dashboard_on(timeline: Timeline, now: float, ascii: bool = False) -> Dashboard:
    """The app as it shows what is known."""
    client = None if timeline.mode is Mode.REPLAY else IdleClient()
    app = Dashboard(
        timeline,
        client=client,  # type: ignore[arg-type]
        history=LineFile(Path(os.devnull)),
        ascii=ascii,
        clock=lambda: now,
    )
    app.animation_level = "none"
    return app


async def at_rest(pilot: Pilot[int]) -> None:
    """All that is to be drawn is drawn."""
    await pilot.pause()


@asynccontextmanager
async def running(app: Dashboard, size: tuple[int, int]) -> AsyncIterator[tuple[Dashboard, Pilot[int]]]:
    """Runs the app without a terminal; what broke the app breaks the test."""
    async with app.run_test(size=size) as pilot:
        for line in app.screen.query(CommandInput):
            line.cursor_blink = False
        yield app, pilot
    if app.crash is not None:
        raise app.crash


def text_of(app: Dashboard) -> str:
    """The screen: its cells, then a digest of the colours of each line."""
    strips = app.screen._compositor.render_strips()
    cells = [strip.text.rstrip() for strip in strips]
    inks = [
        blake2b(
            "|".join(f"{segment.cell_length}{segment.style}" for segment in strip.simplify()).encode(), digest_size=4
        ).hexdigest()
        for strip in strips
    ]
    return "\n".join([*cells, "", *inks, ""])


def check(app: Dashboard, name: str) -> None:
    """The screen is as it is kept under that name."""
    path = KEPT / f"{name}.txt"
    shown = text_of(app)
    if os.environ.get("WRPME_SCREENS") == "write":
        KEPT.mkdir(exist_ok=True)
        path.write_text(shown, "utf-8")
    kept = path.read_text("utf-8") if path.exists() else ""
    if shown != kept:
        before, after = kept.splitlines(), shown.splitlines()
        wrong = [
            f"{number}: kept  {was}\n{number}: shown {now}"
            for number, (was, now) in enumerate(zip(before, after, strict=False), 1)
            if was != now
        ]
        raise AssertionError(f"the screen {name} is another one than is kept:\n" + "\n".join(wrong[:30]))


async def main(directory: Path) -> None:
    """Draws all screens."""
    directory.mkdir(exist_ok=True)
    for state in STATES:
        for nodes in NODES:
            for size in SIZES:
                name = f"{state}-{nodes}-{size[0]}"
                async with running(dashboard_of(state, nodes), size) as (app, _):
                    (directory / f"{name}.svg").write_text(app.export_screenshot(title=name), "utf-8")


if __name__ == "__main__":
    with textual_time(), asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(main(Path(sys.argv[1])))
