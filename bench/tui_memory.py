"""Memory and time of the dashboard's model: an hour of what a watcher sees of a hive, told at once.

Each node tells its figures twice a second; every minute a node dies and returns, with all the views and events of that.

Usage: python -m bench.tui_memory [NODES]...
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.tui.scenes import Story, activated, stable_view, synced
from wrpme.client.watch.records import StatsSeen, ViewSeen, WatchRecord
from wrpme.limits import MIB
from wrpme.protocol.histogram import Latency, quantile
from wrpme.protocol.view import Back, Down
from wrpme.tui.limits import HISTORY_BYTES_MAX
from wrpme.tui.state.timeline import Timeline

START = 1_700_000_000.0
MINUTES = 60
REPORT_MINUTES = 10
TAKE_GOAL_MS, SCENE_GOAL_MS, STEP_GOAL_MS = 0.1, 10.0, 100.0
GROWTH_GOAL_MIB = 16
"""Over the last 20 minutes, in which nothing may grow any more; memory that was freed and taken again is in it."""


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def seen_of(nodes: int) -> Iterator[tuple[float, list[WatchRecord]]]:
    """What is seen in one stretch of time after the other, with the seconds since the start at its end."""
    story = Story(stable_view(nodes), START)
    story.start()
    for minute in range(MINUTES):
        at = minute % nodes
        yield from _peace(story, 20.0)
        if nodes > 1:
            member = story.view.members[at]
            story.see(Down(member.id, member.incarnation))
            story.tell("down", f"{member.address} is down", at)
            yield from _peace(story, 5.0)
            story.see(Back(member.id, member.incarnation + 1, member.address))
            story.restart(at)
            story.tell("back", f"{member.address} is up again", at, seconds=5.0)
            for _ in range(story.view.replication + 2):
                yield from _peace(story, 0.5)
                story.show_if_new(synced(story.view, 0.5))
                yield from _peace(story, 0.5)
                story.show_if_new(activated(synced(story.view)))
        yield from _peace(story, START + 60.0 * (minute + 1) - story.at)


def _peace(story: Story, seconds: float) -> Iterator[tuple[float, list[WatchRecord]]]:
    """So much time in short stretches: what waits to be taken is small beside what the model keeps."""
    end = story.at + seconds
    while story.at < end:
        story.go(min(2.0, end - story.at))
        sightings, story.sightings = story.sightings, []
        yield story.at - START, sightings


class Watch:
    """Milliseconds of the processor for one kind of step: others may use the machine."""

    def __init__(self) -> None:
        self.count, self.total, self.most = 0, 0.0, 0.0
        self._spent = Latency()

    def __enter__(self) -> None:
        self._began = time.process_time()

    def __exit__(self, *_: object) -> None:
        seconds = time.process_time() - self._began
        self._spent.add(seconds)
        self.count += 1
        self.total += 1000 * seconds
        self.most = max(self.most, 1000 * seconds)

    def at(self, part: float) -> float:
        """A quantile."""
        return 1000 * (quantile(self._spent.pairs(), part) or 0.0)

    def mean(self) -> float:
        """Of all."""
        return self.total / max(1, self.count)

    def __str__(self) -> str:
        return f"mean {self.mean():.3f} ms, p50 {self.at(0.5):.3f}, p99 {self.at(0.99):.3f}, most {self.most:.1f}"


def report(timeline: Timeline, seconds: float, grown: float) -> None:
    """A line."""
    history = timeline.history
    span = ((history.last or 0) - (history.first or 0)) / 60
    print(
        f"  after {seconds / 60:.0f} min {grown:6.1f} MiB more; history {history.bytes / MIB:.1f} of "
        f"{HISTORY_BYTES_MAX / MIB:.0f} MiB in {len(history.moments)} moments over {span:.1f} min; "
        f"{len(timeline.events())} events",
        flush=True,
    )


def run(nodes: int) -> bool:
    """Prints the figures; whether the goals are met."""
    stats, views, scenes, steps, rest = Watch(), Watch(), Watch(), Watch(), Watch()
    timeline = Timeline()
    grown: list[float] = []
    print(f"{nodes} nodes", flush=True)
    base = 0
    for seconds, sightings in seen_of(nodes):
        base = base or resident_bytes()
        for sighting in sightings:
            with views if isinstance(sighting, ViewSeen) else stats if isinstance(sighting, StatsSeen) else rest:
                timeline.take(sighting)
        with scenes:
            timeline.scene(START + seconds)
        if seconds >= 60 * REPORT_MINUTES * (len(grown) + 1):
            sightings = []
            gc.collect()
            grown.append((resident_bytes() - base) / MIB)
            report(timeline, seconds, grown[-1])
    for _ in range(60):
        timeline.back(29.0)
        with steps:
            timeline.scene(START + 60 * MINUTES)
            timeline.events()
    print(f"  figures taken: {stats}\n  views taken: {views}\n  scenes of now: {scenes}\n  steps back: {steps}")
    return (
        grown[-1] - grown[-3] <= GROWTH_GOAL_MIB
        and stats.mean() <= TAKE_GOAL_MS
        and scenes.at(0.5) <= SCENE_GOAL_MS
        and steps.at(0.5) <= STEP_GOAL_MS
    )


def main(arguments: Sequence[str] = ()) -> int:
    """1 if a goal is missed. Each hive in a process of its own, so that none finds memory that another one left."""
    hives = [int(number) for number in arguments] or [3, 50, 200]
    if len(hives) == 1:
        return int(not run(hives[0]))
    codes = [subprocess.run([sys.executable, "-m", "bench.tui_memory", str(nodes)], check=False) for nodes in hives]
    missed = any(code.returncode for code in codes)
    print(
        f"the goals are {TAKE_GOAL_MS} ms for figures, {SCENE_GOAL_MS:g} ms for a scene, {STEP_GOAL_MS:g} ms "
        f"for a step back, at most {GROWTH_GOAL_MIB} MiB more in the last 20 min: {'MISSED' if missed else 'met'}"
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
