"""One seed of the second level: what goes wrong is drawn, clients ask, everything heals, and all must be well."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from random import Random
from typing import Any

from tests.sim.checks import assert_same
from tests.sim.level2.loop import PROCESS, VirtualLoop
from tests.sim.level2.machine import SKEW_SECONDS, Machine
from tests.sim.level2.net import Net
from tests.sim.level2.replicator import Replicator
from tests.sim.linear import is_linearizable
from tests.sim.rest import assert_at_rest
from tests.system.callers import LIFE_SECONDS
from tests.system.clients import Load
from wrpme import Client, WrpmeError
from wrpme.core.layout import key_range
from wrpme.core.limits import CLOCK_DIFFERENCE_SECONDS_MAX, EXPIRE_SECONDS
from wrpme.protocol.health import condition
from wrpme.protocol.ring import arc_start, hash_of
from wrpme.protocol.view import View

STORM_SECONDS = 14.0
YOUNG_SECONDS = 11.0
STABLE_SECONDS_MAX = 150.0
EXPIRED_SECONDS = LIFE_SECONDS[1] + 3 * EXPIRE_SECONDS
"""Then all has expired that is to, and its space has been given back."""
WRONG_SECONDS = 7200.0
LOOK_SECONDS = 0.02
LINES_KEPT = 300


class Level2Error(AssertionError):
    """A rule was broken; the text has the seed and the end of the story."""


class Run:
    """See the module."""

    def __init__(self, seed: int, trace: bool = False, latency: float = 0.0) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.trace = trace
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.loop = VirtualLoop()
        self.replication = self.random.choice((1, 2, 2, 3))
        self.grace_seconds = self.random.choice((3.0, 60.0))
        self.net = Net(self.loop, self.random)
        self.net.host_of = self._host_of
        self.net.latency = self.random.choice((0.0003, 0.001, 0.005, 0.005, 0.05))
        self.net.latency = latency or self.net.latency
        self.machines: list[Machine] = []
        self.machines += [Machine(self, index, self.random) for index in range(self.random.choice((1, 2, 3, 3, 4, 5)))]
        self.slow_disk = self.random.choice((0.0, 0.02))
        self.failure: str = ""
        self.wiped = False
        """One machine at most gets an empty disk: two could take the only copies."""
        self.views: dict[int, View] = {}
        self.clock_is_set = len(self.machines) > 1 and self.random.random() < 0.3
        """Whether the wall clock of one machine is set, by hours. No node is stopped as planned then: one that had its
        clock set and came back alone could not know it."""
        self.load = Load(seed, [machine.address for machine in self.machines], self.loop.time, callers=3, doors=1)
        self.load.mortals.slack_seconds += 2 * SKEW_SECONDS + CLOCK_DIFFERENCE_SECONDS_MAX
        self.load.mortals.late_seconds = inf if self.clock_is_set else 0.0
        self.replicator = Replicator(self)
        self._error: BaseException | None = None

    def _host_of(self, process: object) -> str:
        return next((machine.host for machine in self.machines if machine.life is process and process), "client")

    def say(self, machine: Machine | None, line: str) -> None:
        """For the story."""
        told = f"{self.loop.now:9.4f} {machine or '--'} {line}"
        self.lines.append(told)
        if self.trace:
            print(told)

    def fail(self, line: str, error: BaseException | None = None) -> None:
        """The run has failed; it ends soon."""
        self.failure = self.failure or line
        self._error = self._error or error

    def disk_seconds(self) -> float:
        """How long a batch takes."""
        if self.slow_disk and self.random.random() < self.slow_disk:
            return self.random.random() * 1.5
        return 0.0005 + self.random.random() * 0.003

    def _on_trouble(self, context: dict[str, Any]) -> None:
        """What asyncio could give to nobody: trouble of the system is none, as in the daemon; anything else is."""
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError | WrpmeError):
            self.fail(f"{type(error).__name__}: {error}", error)

    # --- the run -------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until the verdict; gives how many operations were answered.

        Raises:
            Level2Error: a rule was broken.
        """
        self.loop.set_exception_handler(lambda loop, context: self._on_trouble(context))
        try:
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._main())
        except Exception as error:
            self.fail(f"{type(error).__name__}: {error}", error)
        finally:
            asyncio.set_event_loop(None)
            PROCESS.set(None)
            self.loop.close()
        if self.failure:
            story = "\n".join(list(self.lines)[-80:])
            told = f"seed {self.seed} at {self.loop.now:.4f} s: {self.failure}\n\n{story}\n\n"
            replay = f"replay it: python -m tests.sim.level2 --seed {self.seed} --trace"
            raise Level2Error(told + replay) from self._error
        return sum(self.load.outcomes.values())

    async def _main(self) -> None:
        self.say(None, f"{len(self.machines)} nodes, {self.replication} copies, latency {self.net.latency}")
        for machine in self.machines:
            self.loop.call_later(self.random.random() if machine is not self.machines[0] else 0.0, machine.start)
        looking = asyncio.ensure_future(self._look())
        tasks = self.load.begin()
        await asyncio.sleep(self.random.choice((0.5, YOUNG_SECONDS)))
        await self._storm()
        self._heal()
        await self.replicator.answered()
        await self._until_stable()
        self.load.stopped.set()
        await asyncio.gather(*tasks)
        await asyncio.sleep(EXPIRED_SECONDS)
        saw = await self.load.final()
        looking.cancel()
        self._judge_copies()
        await asyncio.sleep(3 * EXPIRE_SECONDS)
        for machine in self.machines:
            assert machine.life is not None and machine.life.node is not None
            assert_at_rest(machine, machine.life.node, machine.disk.seen)
        for alias, history in saw.histories.items():
            assert is_linearizable(history) is not False, f"the history of {alias} is not linearizable: {history}"
        assert not saw.set_lost, f"acknowledged entries are lost: {saw.set_lost}"
        assert not saw.set_wrong, f"entries were put twice, or hold what is not their own: {saw.set_wrong}"
        assert not saw.wrong, "\n".join(saw.wrong[:5])
        for sure, unsure, value in saw.counters:
            assert sure <= value <= sure + unsure, f"a counter is {value} after {sure} and {unsure} unknown increments"

    async def _storm(self) -> None:
        end = self.loop.now + STORM_SECONDS
        while self.loop.now < end and not self.failure:
            self._blow()
            await asyncio.sleep(self.random.expovariate(0.7))

    def _blow(self) -> None:
        random = self.random
        kinds = {
            "kill": 2, "power": 1, "blackout": 1, "stop": 1, "hang": 2, "hang_all": 0.3, "cut": 1, "isolate": 1,
            "reset": 1, "stall": 1, "hung_disk": 1,
        }  # fmt: skip
        if self.clock_is_set:
            kinds["wall"] = kinds.pop("stop")
        if self.replicator.is_used:
            kinds["copies"] = 3
        kind = random.choices(list(kinds), list(kinds.values()))[0]
        machine = random.choice(self.machines)
        away = random.choice((0.05, 1.0, 6.0)) * random.random()
        if kind in ("kill", "power"):
            machine.kill(power=kind == "power")
            self.loop.call_later(away, machine.start)
        elif kind == "blackout" and random.random() < 0.5:
            self._blackout(away)
        elif kind == "stop":
            machine.stop()
            self.loop.call_later(6.0 + away, machine.start)
        elif kind == "hang":
            machine.hang(random.choice((0.1, 2.0, 8.0)) * random.random())
        elif kind == "hang_all":
            seconds = random.choice((1.0, 4.0)) * random.random()
            for each in self.machines:
                each.hang(seconds)
        elif kind == "reset" and self.net.ends:
            random.choice(list(self.net.ends)).abort()
        elif kind == "stall" and self.net.ends:
            end = random.choice(list(self.net.ends))
            end.stalled_until = self.loop.now + random.uniform(0.4, 3.0)
            self.say(machine, f"one connection from {end.here} to {end.there} stalls until {end.stalled_until:.2f}")
        elif kind == "hung_disk":
            machine.disk_hangs_until = self.loop.now + random.choice((1.0, 5.0, 12.0)) * random.random()
            self.say(machine, f"the disk hangs until {machine.disk_hangs_until:.2f}")
        elif kind == "wall":
            machine = self.machines[-1]
            machine.wall_ahead = random.choice((0.01, 1.0)) * random.uniform(-WRONG_SECONDS, WRONG_SECONDS)
            self.say(machine, f"has a wall clock that is {machine.wall_ahead:+.3f} s ahead")
        elif kind == "copies":
            self.replicator.ask()
        elif kind in ("cut", "isolate") and len(self.machines) > 1:
            self._cut(kind, machine)

    def _blackout(self, away: float) -> None:
        """All lose their power; some come back at once, some late, and one perhaps with an empty disk."""
        random = self.random
        late = set(random.sample(self.machines, random.randrange(len(self.machines))))
        wiped = random.choice(self.machines) if random.random() < 0.3 else None
        for each in self.machines:
            each.kill(power=True)
            if each is wiped and self._is_spare(each):
                each.wipe()
            self.loop.call_later((random.uniform(5.0, 16.0) if each in late else away) * random.random(), each.start)

    def _is_spare(self, machine: Machine) -> bool:
        """Whether all that it holds is held by another one as well, and it never had an empty disk before."""
        view = max(self.views.values(), key=lambda view: view.epoch, default=None)
        spare = machine.wipeable and not self.wiped and not self.replicator.may_shrink and view is not None
        if spare and view is not None and all(set(arc.holders) - {machine.identity} for arc in view.arcs):
            self.wiped = True
            return True
        return False

    def _cut(self, kind: str, machine: Machine) -> None:
        others = [other for other in self.machines if other is not machine]
        chosen = others if kind == "isolate" else [self.random.choice(others)]
        ways = self.random.choice(((True, True), (True, False)))
        self.say(machine, f"is cut off from {chosen} {ways}")
        for other in chosen:
            for way, (source, target) in zip(ways, ((machine, other), (other, machine)), strict=True):
                if way:
                    self.net.cut(source.host, target.host)
        self.loop.call_later(self.random.choice((0.5, 3.0, 8.0)) * self.random.random(), self.net.heal)

    def _heal(self) -> None:
        self.say(None, "everything is healed")
        if self.clock_is_set:
            self.machines[-1].wall_ahead = 0.0
        self.net.heal()
        for machine in self.machines:
            machine.disk_hangs_until = 0.0
            for seconds in (self.random.random(), 9.0):
                self.loop.call_later(seconds, machine.start)

    async def _until_stable(self) -> None:
        end = self.loop.now + STABLE_SECONDS_MAX
        await asyncio.sleep(10.0)
        while not self._is_stable():
            assert self.loop.now < end, f"not stable {STABLE_SECONDS_MAX:.0f} s after everything was healed"
            assert not self.failure, self.failure
            await asyncio.sleep(0.25)
        async with Client([machine.address for machine in self.machines], timeout=20.0) as client:
            await client.wait_stable(20.0)

    def _is_stable(self) -> bool:
        nodes = [machine.life.node if machine.life is not None else None for machine in self.machines]
        views = [node.view if node is not None else None for node in nodes]
        first = views[0]
        if first is None or any(view != first for view in views):
            return False
        return condition(first).word == "stable" and len(first.members) == len(views)

    # --- looking -------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """What must be true at any time."""
        while not self.failure:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._look_once()
            except AssertionError as error:
                self.fail(str(error), error)

    def _look_once(self) -> None:
        running = [
            (machine, machine.life.node) for machine in self.machines if machine.life and machine.life.node is not None
        ]
        for machine, node in running:
            if node.view is not None:
                known = self.views.setdefault(node.view.epoch, node.view)
                assert known is node.view or known == node.view, f"two views of epoch {node.view.epoch}"
                self.replicator.adopted(node.view)
            if not machine.life or not machine.life.hangs:
                node.validate()
        for alias in list(self.load.histories)[-4:]:
            position = hash_of(alias.encode())
            serving = [machine for machine, node in running if node.serves(position, machine.local())]
            assert len(serving) <= 1, f"{serving} serve {alias} at once"

    def _judge_copies(self) -> None:
        node = self.machines[0].life.node if self.machines[0].life else None
        view = node.view if node is not None else None
        assert view is not None
        of = {machine.identity: machine for machine in self.machines}
        for index, arc in enumerate(view.arcs):
            wanted = min(view.replication, len(view.members))
            assert len(arc.holders) == wanted, f"an arc has {len(arc.holders)} copies, not {wanted}"
            low, high = key_range(arc_start(view, index), arc.end)
            copies = [(of[holder], dict(of[holder].disk.seen.scan(low, high))) for holder in arc.holders]
            for machine, copy in copies[1:]:
                assert_same(copies[0][0], copies[0][1], machine, copy)
