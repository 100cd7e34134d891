"""Memory and time of the dashboard's model: an hour of what a watcher sees of a hive, told at once.

Each node tells its figures twice a second; every minute a node dies and returns, with all the views and events of that.

Usage: python -m bench.tui_memory [NODES]...
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.hive import percentile
from tests.tui.scenes import Story, activated, stable_view, synced
from wrpme.limits import HISTORY_BYTES_MAX, MIB
from wrpme.picture import Back, Down
from wrpme.sightings import FiguresSeen, Sighting, ViewSeen
from wrpme.tui.timeline import Timeline

START = 1_700_000_000.0
MINUTES = 60
REPORT_MINUTES = 10
TAKE_GOAL_MS, SCENE_GOAL_MS, STEP_GOAL_MS = 0.1, 10.0, 100.0
GROWTH_GOAL_MIB = 16
"""Over the last 20 minutes, in which nothing may grow any more; memory that was freed and taken again is in it."""


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def minutes(nodes: int) -> Iterator[list[Sighting]]:
    """What is seen in one minute after the other."""
    story = Story(stable_view(nodes), START)
    story.start()
    for minute in range(MINUTES):
        at = minute % nodes
        member = story.view.members[at]
        story.go(20.0)
        if nodes > 1:
            story.see(Down(member.id, member.incarnation))
            story.tell("down", f"{member.address} is down", at)
            story.go(5.0)
            story.see(Back(member.id, member.incarnation + 1, member.address))
            story.restart(at)
            story.tell("back", f"{member.address} is up again", at, seconds=5.0)
            for _ in range(story.view.replication + 2):
                story.go(0.5)
                story.show_if_new(synced(story.view, 0.5))
                story.go(0.5)
                story.show_if_new(activated(synced(story.view)))
        story.go(START + 60.0 * (minute + 1) - story.at)
        yield story.sightings
        story.sightings = []


class Watch:
    """Milliseconds of one kind of step."""

    def __init__(self) -> None:
        self.spent: list[float] = []

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.spent.append(1000 * (time.perf_counter() - self._began))

    def __str__(self) -> str:
        spent = sorted(self.spent)
        return f"median {percentile(spent, 0.5):.3f} ms, p99 {percentile(spent, 0.99):.3f} ms, most {spent[-1]:.3f} ms"

    def mean(self) -> float:
        return sum(self.spent) / len(self.spent)


def run(nodes: int) -> bool:
    """Prints the figures; whether the goals are met."""
    figures, views, scenes, steps = Watch(), Watch(), Watch(), Watch()
    timeline = Timeline()
    grown: list[float] = []
    print(f"{nodes} nodes")
    base = 0
    for minute, sightings in enumerate(minutes(nodes), 1):
        if minute == 1:
            gc.collect()
            base = resident_bytes()
        for number, sighting in enumerate(sightings):
            with views if isinstance(sighting, ViewSeen) else figures if isinstance(sighting, FiguresSeen) else Watch():
                timeline.take(sighting)
            if number % (nodes * 4) == 0:
                with scenes:
                    timeline.scene(sighting.at)
        if minute % REPORT_MINUTES == 0:
            del sightings
            gc.collect()
            grown.append((resident_bytes() - base) / MIB)
            history, events = timeline.history, timeline.events()
            print(
                f"  after {minute} min {grown[-1]:6.1f} MiB more; history {history.bytes / MIB:.1f} of "
                f"{HISTORY_BYTES_MAX / MIB:.0f} MiB in {len(history.moments)} moments over "
                f"{((history.last or 0) - (history.first or 0)) / 60:.1f} min; {len(events)} events"
            )
    for _ in range(60):
        timeline.back(29.0)
        with steps:
            timeline.scene(START + 3600.0)
            timeline.events()
    print(f"  figures taken: {figures}\n  views taken: {views}\n  scenes of now: {scenes}\n  steps back: {steps}")
    return (
        grown[-1] - grown[-3] <= GROWTH_GOAL_MIB
        and figures.mean() <= TAKE_GOAL_MS
        and percentile(sorted(scenes.spent), 0.5) <= SCENE_GOAL_MS
        and percentile(sorted(steps.spent), 0.99) <= STEP_GOAL_MS
    )


def main() -> int:
    """1 if a goal is missed."""
    hives = [int(number) for number in sys.argv[1:]] or [3, 50, 200]
    good = [run(nodes) for nodes in hives]
    print(
        f"the goals are {TAKE_GOAL_MS} ms for figures (mean), {SCENE_GOAL_MS:g} ms for a scene, {STEP_GOAL_MS:g} ms for "
        f"a step (p99), and at most {GROWTH_GOAL_MIB} MiB more in the last 20 min: {'met' if all(good) else 'MISSED'}"
    )
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
