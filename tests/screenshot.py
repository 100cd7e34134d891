"""The pictures of the dashboard in the documents, taken of a real hive: ``scripts/screenshot``.

Three nodes, some entries and requests; one node is killed and started again. The app is the very one that wrpmesh
opens, without a terminal. A picture is drawn from its cells: blocks as areas, so that no font leaves gaps between them.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from html import escape
from pathlib import Path

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.pilot import Pilot

from tests.system.daemons import ROOT, Daemons, until
from wrpme import Client, WrpmeError
from wrpme.shell.history import LineFile
from wrpme.tui.app import Dashboard
from wrpme.tui.state.scene import Mood, Scene
from wrpme.tui.state.timeline import Timeline
from wrpme.tui.terminal.palette import DARK

DOCS = ROOT / "docs"
ADDRESSES = tuple(f"127.0.0.1:{port}" for port in (5909, 5910, 5911))
SIZE = (120, 40)
WIDTH, HEIGHT, MARGIN = 10, 20, 12
"""Of a cell and around all, in pixels: a ring is round where cells are twice as high as wide."""
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_EIGHTHS = {sign: round(HEIGHT * number / 8) for number, sign in enumerate("▁▂▃▄▅▆▇█", 1)}
BLOCKS = {"▀": (0, HEIGHT // 2), **{sign: (HEIGHT - height, height) for sign, height in _EIGHTHS.items()}}
"""Top and height of what they fill of their cell."""
ENTRIES, ENTRY_BYTES = 24_000, 4096
GETS_PER_SECOND, UPDATES_PER_SECOND = 400, 60


# --- a picture ---------------------------------------------------------------------------------------------------


def svg(lines: Iterable[Iterable[Segment]]) -> str:
    """The cells as a picture."""
    columns, rows = SIZE
    areas: dict[str, list[str]] = {}
    texts: list[str] = []
    for row, line in enumerate(lines):
        column = 0
        for segment in line:
            fore, back, bold = _inks(segment.style or Style.null())
            width = segment.cell_length
            if back != DARK.background:
                areas.setdefault(back, []).append(_area(column, row, width, 0, HEIGHT))
            _draw(segment.text, column, row, fore, bold, areas, texts)
            column += width
    width, height = columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN
    paths = [f'<path fill="{colour}" d="{"".join(parts)}"/>' for colour, parts in areas.items()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}">',
            f'<rect width="{width}" height="{height}" rx="{MARGIN}" fill="{DARK.background}"/>',
            f'<g transform="translate({MARGIN} {MARGIN})" font-family="{FONT}" font-size="16" '
            'shape-rendering="crispEdges">',
            *paths,
            *texts,
            "</g></svg>\n",
        ]
    )


def _inks(style: Style) -> tuple[str, str, bool]:
    fore, back = _colour(style.color, DARK.foreground), _colour(style.bgcolor, DARK.background)
    if style.reverse:
        fore, back = back, fore
    return fore, back, bool(style.bold)


def _colour(colour: Color | None, usual: str) -> str:
    return usual if colour is None or colour.is_default else colour.get_truecolor().hex


def _area(column: int, row: int, width: int, top: int, height: int) -> str:
    return f"M{column * WIDTH} {row * HEIGHT + top}h{width * WIDTH}v{height}h-{width * WIDTH}z"


def _draw(
    text: str, column: int, row: int, fore: str, bold: bool, areas: dict[str, list[str]], texts: list[str]
) -> None:
    """Runs of the same block are one area, words one text that is as wide as its cells."""
    start = 0
    while start < len(text):
        kind = text[start] if text[start] in BLOCKS else ""
        end = start + 1
        while end < len(text) and (text[end] == kind if kind else text[end] not in BLOCKS):
            end += 1
        if kind:
            areas.setdefault(fore, []).append(_area(column + start, row, end - start, *BLOCKS[kind]))
        else:
            _write(text[start:end], column + start, row, fore, bold, texts)
        start = end


def _write(text: str, column: int, row: int, fore: str, bold: bool, texts: list[str]) -> None:
    """Columns stand for themselves: viewers treat blanks as they like."""
    weight = ' font-weight="bold"' if bold else ""
    for found in re.finditer(r"\S+(?: \S+)*", text.replace("\u00a0", " ")):
        x, width = (column + found.start()) * WIDTH, len(found[0]) * WIDTH
        texts.append(
            f'<text x="{x}" y="{row * HEIGHT + 15}" textLength="{width}" lengthAdjust="spacingAndGlyphs" '
            f'fill="{fore}"{weight}>{escape(found[0], quote=False)}</text>'
        )


# --- what is on it -----------------------------------------------------------------------------------------------


class Stage:
    """A hive, the app on it, and the pictures that are taken of it."""

    def __init__(self, daemons: Daemons, client: Client, app: Dashboard, pilot: Pilot[int]) -> None:
        self.daemons = daemons
        self.client = client
        self.app = app
        self.pilot = pilot

    async def until(self, what: str, there: Callable[[Scene], bool]) -> None:
        """Until that is shown."""

        async def shown() -> bool:
            await self.pilot.pause()
            return there(self.app.scene)

        await until(what, shown)

    async def enter(self, *lines: str) -> None:
        """Commands in the shell; each ends with a picture of its way."""
        for line in lines:
            await self.pilot.press("s")
            self.app.main.shell.put(line)
            await self.pilot.press("enter")

    def take(self, name: str) -> None:
        """A picture of the screen as it is."""
        path = DOCS / f"{name}.svg"
        path.write_text(svg(self.app.screen._compositor.render_strips()), "utf-8")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB")


async def load(client: Client, stop: asyncio.Event) -> None:
    """Requests at a steady rate, whatever becomes of them."""

    async def one(request: Awaitable[object]) -> None:
        with suppress(WrpmeError):
            await request

    async with asyncio.TaskGroup() as group:
        number = 0
        while not stop.is_set():
            number += 1
            group.create_task(one(client.get(name_of(number * 7919 % ENTRIES))))
            if number % (GETS_PER_SECOND // UPDATES_PER_SECOND) == 0:
                group.create_task(one(client.update(name_of(number % ENTRIES), os.urandom(ENTRY_BYTES))))
            await asyncio.sleep(1 / GETS_PER_SECOND)


def name_of(number: int) -> str:
    return f"user-{number:05}"


async def fill(client: Client) -> None:
    """What there is to copy later."""
    for first in range(0, ENTRIES, 200):
        await asyncio.gather(
            *(client.update(name_of(number), os.urandom(ENTRY_BYTES)) for number in range(first, first + 200))
        )


def is_changing(scene: Scene) -> bool:
    """Whether some new owner does not serve yet."""
    return any(arc.changing for arc in scene.arcs)


async def show(stage: Stage) -> None:
    """The story."""
    await stage.until("a stable hive under load", lambda scene: scene.mood is Mood.STABLE and scene.heard == 3)
    await stage.until("its rate", lambda scene: (scene.operations_per_second or 0) > 0.8 * GETS_PER_SECOND)
    await stage.enter("put greeting hello, hive", "get greeting", "locate greeting")
    await stage.until("the way", lambda scene: stage.app.main.ring.way is not None)
    stage.take("dashboard-stable")
    stage.daemons.kill(2)
    await stage.until("a dead node", lambda scene: scene.mood is Mood.DEGRADED and not is_changing(scene))
    await fill(stage.client)
    await stage.pilot.press("escape", "end", "escape")
    await stage.until("the usual rate", lambda scene: (scene.operations_per_second or 0) < 1.5 * GETS_PER_SECOND)
    stage.take("dashboard-degraded")
    stage.daemons.start(2)
    await stage.until("more than half of it copied", lambda scene: 0.5 < (scene.progress or 0.0) < 0.9)
    stage.take("dashboard")
    await stage.daemons.until_stable(3)


async def main() -> None:
    """Takes all pictures, in all colours whatever the terminal."""
    os.environ["COLORTERM"] = "truecolor"
    os.environ.pop("NO_COLOR", None)
    with (
        tempfile.TemporaryDirectory(prefix="wrpme-") as directory,
        Daemons(Path(directory), 3, addresses=ADDRESSES) as daemons,
    ):
        daemons.start_all(range(3))
        await daemons.until_stable()
        async with Client(ADDRESSES) as client, Client(ADDRESSES) as other:
            await fill(other)
            app = Dashboard(
                Timeline(), client=client, watch=client.watch, history=LineFile(Path(os.devnull)), ascii=False
            )
            async with app.run_test(size=SIZE) as pilot, asyncio.TaskGroup() as group:
                stop = asyncio.Event()
                group.create_task(load(other, stop))
                await show(Stage(daemons, other, app, pilot))
                stop.set()
            if app.crash is not None:
                raise app.crash


if __name__ == "__main__":
    asyncio.run(main())
