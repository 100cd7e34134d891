"""A hive that grows to a thousand nodes: ``python -m tests.sim --nodes 1000``.

A part of the nodes joins one after the other, the rest in waves; then a tenth dies at once and returns, the network is
cut in two for a while, and all voters are away for a while. Printed is for each step how long it took until the hive
was stable in virtual time, with how many views, what each node sent, how large the view is, and the dearest event.
Computing costs its price here, see :mod:`tests.sim.busy`; nodes share what is equal, or nothing of this would fit into
one process.
"""

from __future__ import annotations

import gc
import resource
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from time import process_time

from tests.sim.prices import Meter, Prices
from tests.sim.storm import Hive, is_stable, priced
from wrpme.protocol import view_index

ONE_BY_ONE_MAX = 20
WAVES = 4
APART_SECONDS = 0.5
CUT_SECONDS = 15.0
VOTERS_AWAY_SECONDS = 15.0
SECONDS_MAX = 900.0
"""For each step, in virtual time."""


class Growth:
    """See the module."""

    def __init__(self, nodes: int, seed: int) -> None:
        self.meter = Meter(Prices.read(), measures_bytes=True)
        self.hive = Hive(seed, nodes, self.meter)
        self._begun = process_time()

    def run(self) -> int:
        """Each line when it is known; 1 where the hive did not become stable."""
        hive = self.hive
        count = len(hive.machines)
        single = min(ONE_BY_ONE_MAX, count // 4)
        ends = [single + (count - single) * wave // WAVES for wave in range(WAVES + 1)]
        print(
            f"{'':34}{'stable':>9}{'views':>7}{'a node sent':>22}{'the view':>10}{'dearest event':>15}{'busy':>9}"
            f"{'busiest':>10}"
        )
        gc.disable()  # there are no circles, and to look for some took a third of the time
        try:
            with priced(self.meter):
                self.step(f"{single} one after the other", single, lambda: self._start(0, single, APART_SECONDS))
                for first, last in pairwise(ends):
                    self.step(f"{last - first} more at once: {last}", last, partial(self._start, first, last, 0.0))
                self.step(f"{count // 10} killed at once, back after 8 s", count, self._lose_a_tenth)
                self.step(f"cut in two for {CUT_SECONDS:.0f} s", count, self._cut_in_two)
                self.step(f"no voter for {VOTERS_AWAY_SECONDS:.0f} s", count, self._lose_the_voters)
        except AssertionError as error:
            print(f"NOT STABLE: {error}")
            for machine in sorted(hive.machines, key=lambda machine: -machine.computed.total())[:3]:
                print(f"    {machine}: {_most(machine.computed, 1)} s computed, {len(machine.inbox)} events wait")
            return 1
        finally:
            gc.enable()
        return 0

    def step(self, name: str, count: int, do: Callable[[], None]) -> None:
        """Does it, and waits until the first ``count`` machines are a stable hive; prints what it took."""
        hive, meter, world = self.hive, self.meter, self.hive.world
        meter.messages = meter.bytes = 0
        world.longest = 0.0
        for machine in hive.machines:
            machine.computed.clear()
        known = world.checks.newest()
        epoch, begun, computed = known.epoch if known is not None else 0, hive.now, sum(meter.by_kind.values())
        do()
        started = hive.machines[:count]
        hive.until(f"a stable hive of {count}", SECONDS_MAX, lambda: is_stable(started))
        seconds, view = hive.now - begun, hive.view()
        rate = f"{meter.messages / count / seconds:.0f}/s {meter.bytes / count / seconds / 1024:.1f} KiB/s"
        each = (sum(meter.by_kind.values()) - computed) / count / seconds
        busiest = max(started, key=lambda machine: machine.computed.total())
        print(
            f"{name:34}{seconds:7.1f} s{view.epoch - epoch:7}{rate:>22}{len(view_index.pack(view)) / 1024:6.0f} KiB"
            f"{1000 * world.longest:12.1f} ms{100 * each:8.1f} %{100 * busiest.computed.total() / seconds:8.1f} %   "
            f"({process_time() - self._begun:.0f} s, "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB here)",
        )
        print(f"    the dearest event: {_most(world.longest_parts, 1000)} ms")
        print(f"    the busiest node:  {_most(busiest.computed, 100 / seconds)} %", flush=True)

    def _start(self, first: int, last: int, apart: float) -> None:
        hive = self.hive
        for number, machine in enumerate(hive.machines[first:last]):
            hive.world.agenda.after(apart * number + hive.world.random.random() * 0.1, machine.start)
        hive.run(apart * (last - first))

    def _lose_a_tenth(self) -> None:
        hive = self.hive
        hive.run(10.0)
        for machine in hive.world.random.sample(hive.machines[1:], len(hive.machines) // 10):
            machine.crash()
        hive.run(8.0)
        hive.start_all(0.5)

    def _lose_the_voters(self) -> None:
        hive = self.hive
        voters = frozenset(hive.view().voters)
        for machine in hive.machines:
            if machine.identity in voters:
                machine.crash()
        hive.run(VOTERS_AWAY_SECONDS)
        hive.start_all(0.5)

    def _cut_in_two(self) -> None:
        hive, world = self.hive, self.hive.world
        here, there = hive.machines[::2], hive.machines[1::2]
        for one in here:
            for other in there:
                world.cut(one, other)
                world.cut(other, one)
        hive.run(CUT_SECONDS)
        for one in here:
            for other in there:
                world.heal(one, other)
                world.heal(other, one)


def _most(parts: Counter[str], scale: float) -> str:
    """What most was spent on."""
    return ", ".join(f"{kind} {scale * seconds:.1f}" for kind, seconds in parts.most_common(6))


def grow(nodes: int, seed: int = 1) -> int:
    """The command."""
    return Growth(nodes, seed).run()
