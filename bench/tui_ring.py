"""What the ring costs: milliseconds per frame, from a scene to the strips that a terminal is given.

    python -m bench.tui_ring

A frame is painted while copies move (the phase advances), then again with nothing changed. Figures are processor
time, so that it matters little what else runs: the median and the worst of many. The first frame at a size, which makes
the geometry too, stands by itself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from msgspec.structs import replace
from rich.segment import Segment
from textual.strip import Strip

from tests.tui.ring_scenes import REAL_MAX, joining, scene_of, stable, without
from wrpme.tui.ring import geometry
from wrpme.tui.ring.painting import Painter, Picture
from wrpme.tui.ring.widget import Styles
from wrpme.tui.state.scene import ArcShown, CopyShown, Incoming, Scene

FRAMES = 100
SIZES = (("120 x 40", 60, 32), ("200 x 60", 100, 48))


def moving(count: int) -> Scene:
    """A hive that takes in a node; where that takes long to work out, every tenth arc is on its way to another one."""
    if count <= REAL_MAX:
        return scene_of(joining(count - 1))
    scene = scene_of(stable(count))
    arcs: list[ArcShown] = []
    moves = {}
    for number, arc in enumerate(scene.arcs):
        target = (arc.holders[0] + 1) % count
        if number % 10 == 0 and target not in arc.holders:
            arc = replace(arc, incoming=(Incoming(target, 0.3),))
            moves[arc.holders[0], target] = CopyShown(arc.holders[0], target, 0.01, 0.3)
        arcs.append(arc)
    return replace(scene, arcs=tuple(arcs), moves=tuple(moves.values()), progress=0.3)


def strips(picture: Picture, styles: Styles) -> list[Strip]:
    """Those of the rows that have changed."""
    return [Strip([Segment(text, styles[style]) for text, style in picture.rows[y]]) for y in sorted(picture.changed)]


def timed(work: Callable[[int], Picture]) -> list[float]:
    """Milliseconds of each frame."""
    styles, found = Styles(), []
    for number in range(FRAMES):
        begun = time.process_time()
        strips(work(number), styles)
        found.append((time.process_time() - begun) * 1000)
    return found


def line(name: str, found: list[float]) -> str:
    """Median and worst."""
    return f"{name:<34} {statistics.median(found):6.2f} ms, worst {max(found):6.2f}"


def measure(count: int, size: str, width: int, height: int) -> None:
    """One hive at one size."""
    scene, calm = moving(count), scene_of(stable(count))
    dead = scene_of(without(count, 1))
    geometry.ring_in.cache_clear()
    painter = Painter()
    begun = time.process_time()
    painter.paint(scene, width, height)
    first = (time.process_time() - begun) * 1000
    hive = f"{count} nodes, {len(scene.arcs)} arcs"
    print(f"{hive}, terminal {size}, ring {width} x {height}; first frame {first:.1f} ms")
    print(line("  copies move, a frame", timed(lambda n: painter.paint(scene, width, height, None, None, n))))
    later = [replace(calm, at=calm.at + n, operations_per_second=float(n)) for n in range(FRAMES)]
    print(line("  only figures changed", timed(lambda n: painter.paint(later[n], width, height))))
    print(line("  another view, all drawn anew", timed(lambda n: painter.paint((calm, dead)[n % 2], width, height))))
    painter.paint(calm, width, height)
    print(line("  nothing changed", timed(lambda n: painter.paint(calm, width, height))))


def main() -> None:
    """All hives at all sizes."""
    for count in (3, 50, 200):
        for size, width, height in SIZES:
            measure(count, size, width, height)


if __name__ == "__main__":
    main()
