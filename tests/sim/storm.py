"""Storms: many nodes that all want something at once, on machines that are too slow for a while.

Computing costs time here (:mod:`tests.sim.busy`). A hive that starts at once, or loses a third of its nodes or all of
them, and whose machines are up to fifty times too slow meanwhile, has to be stable again soon after they are as fast as
ever, and every acknowledged entry must be read. ``python -m tests.sim --storm 30`` runs seeds with that many nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from tests.sim.busy import BusyMachine, BusyWorld
from tests.sim.linear import is_linearizable
from tests.sim.machine import Machine
from tests.sim.prices import Meter, Prices, metered, sharing
from tests.sim.run import SimulationError
from tests.sim.workload import Asked, Client, Workload
from wrpme.core.limits import MOVES_PER_VIEW_MAX
from wrpme.protocol import health, view_index
from wrpme.protocol.view import View

ENTRIES = 24
WRITERS = 4
LOOK_SECONDS = 0.25
SLOWNESS = (1.0, 3.0, 8.0, 15.0, 25.0, 50.0)
PROCESSORS = 2
READ_SECONDS_MAX = 10.0


def seconds_to_stable(nodes: int) -> float:
    """In so many seconds after the last machine is as fast as ever the hive is stable, whatever has happened to it."""
    return 60.0 + 0.6 * nodes


class Hive:
    """Machines in virtual time that found one hive; machine 0 founds it, and all others know that one, some also one
    more."""

    def __init__(self, seed: int, nodes: int, meter: Meter, trace: bool = False, replication: int = 3) -> None:
        self.world = world = BusyWorld(seed, meter, trace)
        world.replication = replication
        self.machines: list[BusyMachine] = []
        for _ in range(nodes):
            self.add_machine()
        self.workload = Workload(world, [f"x{at}" for at in range(ENTRIES)], 0, 30, 0.0, 0.0)
        world.checks.sample(self.workload.aliases[:3])
        self.clients = [Client(self.workload, f"w{at}", 1e9, 600.0) for at in range(WRITERS)]

    def add_machine(self) -> BusyMachine:
        """One more, which knows the founder."""
        world, index = self.world, len(self.machines)
        known = {0, world.random.randrange(index)} if index else set()
        machine = world.add_machine(tuple(self.machines[at].address for at in sorted(known)), True)
        assert isinstance(machine, BusyMachine)
        self.machines.append(machine)
        return machine

    @property
    def now(self) -> float:
        """The true time."""
        return self.world.agenda.now

    def start_all(self, within: float = 1.0) -> None:
        """All that do not run, in any order."""
        for machine in self.machines:
            self.world.agenda.after(self.world.random.random() * within if machine.index else 0.0, machine.start)

    def run(self, seconds: float) -> None:
        """So much time passes."""
        self.world.agenda.run_until(self.now + seconds)

    def until(self, what: str, seconds: float, there: Callable[[], bool]) -> float:
        """The seconds until it was there; AssertionError if it was not in that time."""
        begun = self.now
        while not there():
            assert self.now - begun < seconds, f"{what}: not after {seconds:.0f} s; {self.told()}"
            self.run(LOOK_SECONDS)
        return self.now - begun

    def until_stable(self, seconds: float, machines: Sequence[Machine] = ()) -> float:
        """All machines run, or these, have one view, and it is whole."""
        those = machines or self.machines
        return self.until(f"a stable hive of {len(those)}", seconds, lambda: is_stable(those))

    def view(self) -> View:
        """The newest one."""
        view = self.world.checks.newest()
        assert view is not None
        return view

    def told(self) -> str:
        """How it is, in one line."""
        view = self.world.checks.newest()
        if view is None:
            return "nobody has a view"
        have = sum(machine.node is not None and machine.node.view == view for machine in self.machines)
        condition = health.condition(view)
        return (
            f"view {view.epoch} has {len(view.members)} of {len(self.machines)} members, "
            f"{len(view_index.live(view))} up, "
            f"and {have} of them have it; {condition.word}: {condition.sentence[:100]}"
        )

    # --- entries -------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """All entries, anew."""
        self._ask_all("update", 60.0)

    def read(self) -> None:
        """All entries are there, at once."""
        self._ask_all("get", READ_SECONDS_MAX)

    def _ask_all(self, kind: str, seconds: float) -> None:
        waiting = list(self.workload.aliases)
        asked: dict[Client, Asked] = {}
        end = self.now + seconds
        while waiting or any(not one.over for one in asked.values()):
            for client in self.clients:
                if waiting and (client not in asked or asked[client].over):
                    asked[client] = client.ask(waiting.pop(), kind)
            self.world.agenda.run_until(end, lambda: any(one.over for one in asked.values()))
            for client, one in list(asked.items()):
                if one.over:
                    assert one.result == "ok", f"{kind} of {one.alias}: {one.result or 'unknown'} {one.last}"
                    del asked[client]
            assert self.now < end, f"{kind} of {len(waiting) + len(asked)} entries: not after {seconds:.0f} s"

    def judge(self) -> None:
        """What clients saw can have been so."""
        for alias, history in self.workload.histories.items():
            assert is_linearizable(history) is not False, f"the history of {alias} is not linearizable"

    def judge_views(self) -> None:
        """Few joined in each view; and what was decided was computed by whoever proposed it, once."""
        joined = Counter(member.joined for member in self.view().members)
        assert max(joined.values()) <= MOVES_PER_VIEW_MAX, f"{max(joined.values())} nodes joined in one view"
        computed, asked = self.world.meter.calls["next_view"], self.world.asked
        assert computed <= asked, f"{computed} times a view was computed, and {asked} times one was proposed"


def is_stable(machines: Sequence[Machine]) -> bool:
    """Whether these are a stable hive, and all of them take part: those that were started again have the view of a
    stable one from the first moment."""
    nodes = [machine.node for machine in machines if machine.node is not None and machine.node.context.lives]
    first = nodes[0].view if nodes else None
    if first is None or not len(nodes) == len(first.members) == len(machines):
        return False
    return all(node.view is first or node.view == first for node in nodes) and (
        health.condition(first).word == "stable"
    )


@contextmanager
def priced(meter: Meter) -> Iterator[None]:
    """Within, nodes pay for what they do, and share what is equal."""
    with ExitStack() as stack:
        stack.enter_context(sharing())
        stack.enter_context(metered(meter))
        yield


@dataclass(frozen=True, slots=True)
class Weathered:
    """What a storm was worth; ``seconds`` from the last slow moment to stable, at the start and after each disaster."""

    seed: int
    nodes: int
    kinds: tuple[str, ...]
    seconds: tuple[float, ...]
    lived: float
    views: int
    steps: int
    longest: float


class Storm:
    """One seed: all start at once; then, as often as there are ``disasters``, the power fails everywhere, or a third of
    the nodes is lost at once. With a ``pace`` below 1 the machines are slow, and away, for that part of the usual time
    only."""

    def __init__(
        self, seed: int, nodes: int, trace: bool = False, *, pace: float = 1.0, disasters: int = 1, replication: int = 3
    ) -> None:
        self.meter = Meter(Prices.read())
        self.pace = pace
        self.hive = Hive(seed, nodes, self.meter, trace, replication)
        self.random = self.hive.world.random
        self.kinds = [self.random.choice(("third", "power")) for _ in range(disasters)]
        self.crowded = self.random.random() < 0.4
        """All nodes are processes of one machine, for good."""
        if self.crowded:
            self.hive.world.processors = [0.0] * PROCESSORS
            self.hive.world.say(None, f"all nodes share {PROCESSORS} processors")

    def run(self) -> Weathered:
        """Until the verdict.

        Raises:
            SimulationError: something was not as it had to be.
        """
        hive, nodes = self.hive, len(self.hive.machines)
        try:
            with priced(self.meter):
                first = self._start()
                seconds = [first]
                for kind in self.kinds:
                    hive.write()
                    seconds.append(self._third() if kind == "third" else self._power())
                    hive.read()
                hive.judge()
                hive.judge_views()
        except Exception as error:
            raise SimulationError(self._story(error)) from error
        world = hive.world
        epoch = hive.view().epoch
        return Weathered(
            world.seed, nodes, tuple(self.kinds), tuple(seconds), hive.now, epoch, world.agenda.done, world.longest
        )

    def _start(self) -> float:
        self._slow_for(self.random.uniform(10.0, 30.0) * self.pace)
        self.hive.start_all()
        return self._until_stable()

    def _third(self) -> float:
        """Many are killed at once, and return after a while; whatever a living node holds is served soon."""
        hive, random = self.hive, self.random
        hive.run(12.0)
        victims = random.sample(hive.machines, len(hive.machines) // 3)
        self._slow_for(random.uniform(5.0, 20.0) * self.pace)
        rude = random.random() < 0.5
        for machine in victims:
            machine.crash(power=rude)
        hive.run(random.choice((1.0, 4.0, 20.0)) * self.pace)
        hive.start_all(random.choice((0.1, 1.0, 5.0)))
        return self._until_stable()

    def _power(self) -> float:
        """All lose power at once, and return at once."""
        hive, random = self.hive, self.random
        hive.run(random.choice((2.0, 12.0)))
        for machine in hive.machines:
            machine.crash(power=True)
        self._slow_for(random.uniform(10.0, 30.0) * self.pace)
        hive.run(1.0)
        hive.start_all(random.choice((0.3, 1.0, 5.0)))
        return self._until_stable()

    def _slow_for(self, seconds: float) -> None:
        """Some machines, or all, are too slow for so long."""
        random, machines = self.random, self.hive.machines
        self.slow_until = self.hive.now + seconds
        self.hive.world.agenda.at(self.slow_until, self._fast)
        if self.crowded:
            return
        slow: list[Machine] = random.sample(machines, random.choice((1, len(machines) // 3, len(machines))))
        alike = random.choice(SLOWNESS)
        for machine in machines:
            machine.factor = 1.0
            if machine in slow:
                machine.factor = alike if random.random() < 0.8 else random.choice(SLOWNESS)
        self.hive.world.say(None, f"{len(slow)} machines are {alike:.0f} times too slow for {seconds:.1f} s")

    def _fast(self) -> None:
        self.hive.world.say(None, "all machines are as fast as ever")
        for machine in self.hive.machines:
            machine.factor = 1.0

    def _until_stable(self) -> float:
        """The seconds from the last slow moment on."""
        hive, allowed = self.hive, seconds_to_stable(len(self.hive.machines))
        hive.until_stable(self.slow_until - hive.now + allowed)
        return hive.now - self.slow_until

    def _story(self, error: Exception) -> str:
        world, nodes = self.hive.world, len(self.hive.machines)
        lines = [f"storm of {nodes}, seed {world.seed} at {world.agenda.now:.2f} s: {type(error).__name__}: {error}"]
        lines += ["", "the end of the schedule:", *list(world.lines)[-60:]]
        lines += ["", "what the machines computed, in seconds:"]
        lines += [f"{kind:24}{seconds:10.1f}" for kind, seconds in self.meter.by_kind.most_common(12)]
        lines += ["", f"replay it: python -m tests.sim --storm {nodes} --seed {world.seed} --trace"]
        return "\n".join(lines)


def one(nodes: int, seed: int, trace: bool = False) -> Weathered | str:
    """What came of it, or the story of a failure."""
    try:
        return Storm(seed, nodes, trace).run()
    except SimulationError as error:
        return str(error)


def many(nodes: int, first: int, count: int, jobs: int) -> int:
    """Runs them all; how many failed."""
    begun, failed = perf_counter(), []
    slowest = 0.0
    seeds = range(first, first + count)
    with ProcessPoolExecutor(jobs) as pool:
        for seed, outcome in zip(seeds, pool.map(partial(one, nodes), seeds), strict=True):
            if isinstance(outcome, str):
                failed.append(seed)
                print(outcome if len(failed) == 1 else outcome.splitlines()[0], flush=True)
            else:
                slowest = max(slowest, *outcome.seconds)
    print(
        f"{count} storms of {nodes} nodes from seed {first} in {perf_counter() - begun:.0f} s: {len(failed)} failed; "
        f"the others were stable at most {slowest:.1f} s after the machines were as fast as ever"
    )
    if failed:
        print("failed seeds:", *failed)
    return len(failed)
