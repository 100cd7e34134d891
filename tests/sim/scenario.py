"""What a seed makes of a run: how many nodes, when they start, what goes wrong, who asks for what.

More than half of the seeds go to the corners where a hive is most likely to go wrong; the rest is a mixture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.sim.batches import Batches
from tests.sim.faults import Mixture
from tests.sim.follows import Followers
from tests.sim.network import Habits
from tests.sim.plots import PLOTS, Plot
from tests.sim.trials import Trial, a_disk_hangs, some_stay_away
from tests.sim.workload import MORTAL_USUAL, SCANNED_USUAL, Client, Workload
from wrpme.core.limits import CLOCK_DIFFERENCE_SECONDS_MAX

if TYPE_CHECKING:
    from tests.sim.world import World


REPLICATED_PART = 0.3
"""In so many of all runs operators change the number of copies."""

LIMITED_PART = 0.2
"""and in so many they bound the data of nodes."""
GUESTS_PART = 0.2
"""In so many the hive has users."""


@dataclass(slots=True)
class Scenario:
    """``quiet_seconds`` before things go wrong for ``storm_seconds``."""

    nodes: int
    start_seconds: tuple[float, float]
    """The first node starts before the first of them, the others between the two."""
    quiet_seconds: float
    storm_seconds: float
    disk_seconds: float
    padding_bytes: int
    clients: int
    think_seconds: float
    habits: Habits
    mixture: Mixture
    workload: Workload
    replication: int = 1
    grace_seconds: float = 60.0
    small: bool = False
    """With small bounds, see :mod:`tests.sim.bounds`; ``bounds`` are smaller still."""
    bounds: dict[str, float] = field(default_factory=dict)
    trial: Trial | None = None
    """What comes after the storm, when the hive is stable again."""
    batches: Batches | None = None
    """Clients that change entries of one tag together."""
    plot: Plot | None = None
    """What comes in its place, see :mod:`tests.sim.plots`."""
    followed: tuple[str, ...] = ()
    """The prefixes that followers follow."""
    replicates: bool = False
    """Whether operators change the number of copies meanwhile."""
    limits: bool = False
    """Whether operators bound what nodes may hold meanwhile."""
    guests: bool = False
    """Whether the hive has users, who come and go."""
    late: int = 0
    """So many of the nodes, the last ones, a plot starts when it needs them."""


def draw(world: World, corner: str) -> Scenario:
    """The scenario of the world's seed, set up; in that ``corner``, or in one that the seed chooses."""
    random = world.random
    chosen = random.choices(list(CORNERS), [weight for weight, _ in CORNERS.values()])[0]
    scenario = CORNERS[corner or chosen][1](world)
    scenario.small = scenario.small or random.random() < 0.3
    if not corner and scenario.plot is None:  # not where a broken rule is sought: what is drawn there stays as it is
        scenario.limits = Random(f"limits {world.seed}").random() < LIMITED_PART
        scenario.guests = Random(f"guests {world.seed}").random() < GUESTS_PART
        scenario.replicates = scenario.replicates or Random(f"replicates {world.seed}").random() < REPLICATED_PART
    world.say(None, f"{corner or chosen}: {scenario.nodes} nodes, {scenario.habits}, {scenario.mixture}")
    world.guests.are_there = scenario.guests
    sync = random.random() < 0.93
    world.replication, world.grace_seconds = scenario.replication, scenario.grace_seconds
    count = scenario.nodes
    for index in range(count):
        others = [f"10.0.0.{at + 1}:5909" for at in range(count) if at != index]
        needed = [f"10.0.0.{random.randrange(index) + 1}:5909"] if index else []
        more = random.sample(others, random.randint(0, len(others))) if index else []
        world.add_machine(tuple(dict.fromkeys([*needed, *more])), sync)
    first, last = scenario.start_seconds
    for machine in world.machines:
        machine.away = machine.index >= count - scenario.late
        between = (first, last) if machine.index else (0.0, min(first, 0.5))
        world.agenda.at(random.uniform(*between), machine.start)
    world.habits = scenario.habits
    world.faults.mixture = scenario.mixture
    world.faults.disk_base = scenario.disk_seconds
    if scenario.followed:
        scenario.workload.followers = Followers(world, list(scenario.followed))
    for at in range(scenario.clients):
        Client(scenario.workload, f"c{at}", scenario.think_seconds, random.choice((2.0, 6.0, 12.0))).begin()
    return scenario


def _workload(
    world: World,
    padding: int = 0,
    entries: int = 5,
    reads: int = 30,
    scanned: float = SCANNED_USUAL,
    mortal: float = MORTAL_USUAL,
    counts: bool = False,
) -> Workload:
    prefix, number = world.random.randrange(1000), world.random.randint(entries // 2, entries)
    aliases = [f"x{prefix}-{at}" for at in range(number)]
    world.checks.sample(aliases)
    return Workload(world, aliases, padding, reads, scanned, mortal, counts)


def _mixed(world: World) -> Scenario:
    """A little of everything."""
    random = world.random
    habits = Habits(latency=random.choice((0.0003, 0.001, 0.01)))
    if random.random() < 0.6:
        habits.late, habits.late_by_max = random.choice(((0.02, 0.1), (0.05, 0.5), (0.01, 2.0)))
    if random.random() < 0.3:
        habits.lost = random.choice((0.003, 0.03))
    if random.random() < 0.3:
        habits.repeated = random.choice((0.01, 0.1))
    mixture = Mixture(blow_seconds=random.choice((0.7, 2.0, 4.0)))
    for kind in ("crash", "power", "stop", "cut", "isolate", "hang", "reset"):
        if random.random() < 0.4:
            setattr(mixture, kind, random.choice((0.3, 1.0, 3.0)))
    for kind, chance, values in (
        ("blackout", 0.3, (0.3,)),
        ("slow_disk", 0.4, (0.02, 0.2)),
        ("hang_mid_turn", 0.3, (0.001,)),
        ("crash_at_write", 0.3, (0.02, 0.1)),
        ("crash_at_synced", 0.2, (0.1,)),
        ("hang_at_stream", 0.1, (0.02,)),
        ("blackout_at_view", 0.3, (0.05, 0.2)),
    ):
        if random.random() < chance:
            setattr(mixture, kind, random.choice(values))
    padding = 140_000 if random.random() < 0.1 else 0
    return Scenario(
        nodes=random.choice((1, 2, 2, 3, 3, 3, 3, 4, 5)),
        start_seconds=random.choice(((0.0, 0.0), (0.5, 1.0), (3.0, 3.5), (0.1, 4.0), (1.0, 15.0))),
        quiet_seconds=random.choice((0.5, 3.0, 11.0)),
        storm_seconds=random.choice((8.0, 15.0, 25.0)),
        disk_seconds=random.choice((0.0005, 0.002, 0.01)),
        padding_bytes=padding,
        clients=random.randint(2, 4),
        think_seconds=random.choice((0.05, 0.2, 0.5)),
        habits=habits,
        mixture=mixture,
        workload=_workload(world, padding),
        replication=random.choice((1, 2, 2, 3)),
        grace_seconds=random.choice((2.0, 10.0, 60.0)),
    )


def _joining(world: World) -> Scenario:
    """Nodes join slowly, and are killed just before they get what they came for."""
    random = world.random
    mixture = Mixture(crash=1.0, cut=0.5, blow_seconds=2.0, crash_at_synced=random.choice((0.2, 0.6)), slow_disk=0.05)
    return Scenario(
        nodes=random.choice((4, 5)),
        start_seconds=(0.1, 8.0),
        quiet_seconds=0.2,
        storm_seconds=10.0,
        disk_seconds=random.choice((0.002, 0.02)),
        padding_bytes=0,
        clients=8,
        think_seconds=0.02,
        habits=Habits(latency=random.choice((0.005, 0.03)), late=0.03, late_by_max=random.choice((0.2, 0.6))),
        mixture=mixture,
        workload=_workload(world, entries=50, reads=5),
        replication=random.choice((1, 2, 3)),
        grace_seconds=random.choice((3.0, 60.0)),
    )


def _echoes(world: World) -> Scenario:
    """Messages are lost and come again much later, while nodes are taken for dead and come back."""
    random = world.random
    habits = Habits(latency=random.choice((0.01, 0.05)), lost=0.02, repeated=0.05)
    mixture = Mixture(hang=0.5, cut=1.0, reset=1.0, blow_seconds=2.0, hang_at_stream=0.15, echo=0.4)
    return Scenario(
        nodes=random.choice((3, 4)),
        start_seconds=(11.0, 16.0),
        quiet_seconds=11.0,
        storm_seconds=16.0,
        disk_seconds=0.005,
        padding_bytes=0,
        clients=6,
        think_seconds=0.05,
        habits=habits,
        mixture=mixture,
        workload=_workload(world, entries=40, reads=5),
        replication=random.choice((1, 2, 3)),
    )


def _voting(world: World) -> Scenario:
    """Disks are slow, and the power fails while votes are on their way to them."""
    random = world.random
    mixture = Mixture(crash=1.0, power=1.0, isolate=0.5, blow_seconds=2.0)
    mixture.slow_disk = random.choice((0.2, 0.5))
    mixture.crash_at_write = random.choice((0.0, 0.05))
    mixture.blackout_at_view = random.choice((0.1, 0.4))
    mixture.lost_votes = random.choice((0.0, 0.0, 0.5))
    return Scenario(
        nodes=random.choice((3, 3, 4, 5)),
        start_seconds=(0.5, random.choice((2.0, 10.0))),
        quiet_seconds=0.5,
        storm_seconds=30.0,
        disk_seconds=0.01,
        padding_bytes=0,
        clients=2,
        think_seconds=0.5,
        habits=Habits(latency=0.002),
        mixture=mixture,
        workload=_workload(world),
        replication=random.choice((1, 2, 3)),
        grace_seconds=random.choice((3.0, 60.0)),
    )


def _churning(world: World) -> Scenario:
    """One to seven nodes come and go, for a while and for good, so often that copies are always on their way."""
    random = world.random
    mixture = Mixture(crash=1.0, stop=1.0, leave=2.0, cut=0.3, blow_seconds=random.choice((0.8, 2.0)))
    mixture.crash_at_synced = random.choice((0.0, 0.1))
    return Scenario(
        nodes=random.choice((4, 5, 6, 7)),
        start_seconds=(0.2, random.choice((3.0, 20.0))),
        quiet_seconds=1.0,
        storm_seconds=25.0,
        disk_seconds=random.choice((0.0005, 0.005)),
        padding_bytes=0,
        clients=4,
        think_seconds=0.1,
        habits=Habits(latency=random.choice((0.0005, 0.005)), late=0.01, late_by_max=0.3),
        mixture=mixture,
        workload=_workload(world, entries=12),
        replication=random.choice((1, 2, 2, 3)),
        grace_seconds=random.choice((2.0, 5.0, 60.0)),
    )


def _pending(world: World) -> Scenario:
    """Two and three copies of few entries that many write, on slow disks: owners die and hang with writes on their
    way to some holders and not to others."""
    random = world.random
    mixture = Mixture(crash=1.0, hang=1.0, cut=1.0, stop=0.5, reset=0.5, blow_seconds=1.5)
    mixture.slow_disk = random.choice((0.02, 0.1))
    mixture.crash_at_slow = random.choice((0.0, 0.05))
    mixture.hang_mid_turn = random.choice((0.0, 0.002))
    return Scenario(
        nodes=random.choice((3, 3, 4)),
        start_seconds=(0.1, 0.5),
        quiet_seconds=11.0,
        storm_seconds=20.0,
        disk_seconds=random.choice((0.005, 0.02)),
        padding_bytes=0,
        clients=8,
        think_seconds=0.02,
        habits=Habits(latency=random.choice((0.001, 0.01)), late=0.05, late_by_max=random.choice((0.05, 0.5))),
        mixture=mixture,
        workload=_workload(world, entries=12, reads=20),
        replication=random.choice((2, 3, 3)),
        grace_seconds=random.choice((4.0, 60.0)),
    )


def _halfway(world: World) -> Scenario:
    """Owners die, or are cut off, when a write has reached some holders and not others, again and again."""
    random = world.random
    mixture = Mixture(crash=0.3, stop=0.3, reset=0.5, hang=0.3, squeeze=random.choice((2.0, 6.0)), blow_seconds=1.0)
    mixture.slow_disk = random.choice((0.0, 0.05))
    mixture.crash_mid_write, mixture.cut_mid_write = random.choice(((0.01, 0.0), (0.0, 0.01), (0.0, 0.0), (0.0, 0.0)))
    mixture.stop_mid_write = random.choice((0.0, 0.02))
    mixture.lag_mid_write = random.choice((0.0, 0.1, 0.3))
    mixture.late_words = random.choice((0.0, 0.1))
    return Scenario(
        nodes=random.choice((3, 3, 4)),
        start_seconds=(0.1, 0.5),
        quiet_seconds=11.0,
        storm_seconds=24.0,
        disk_seconds=random.choice((0.002, 0.01)),
        padding_bytes=0,
        clients=12,
        think_seconds=0.04,
        habits=Habits(random.choice((0.001, 0.01)), 0.03, 0.3, lost=random.choice((0.0, 0.01))),
        mixture=mixture,
        workload=_workload(world, entries=4, reads=6),
        replication=random.choice((2, 3, 3, 3)),
        grace_seconds=60.0,
        small=True,
    )


def _torn(world: World) -> Scenario:
    """As halfway, with less of everything: there is time for owners to be found wrong."""
    random = world.random
    scenario = _halfway(world)
    mixture = Mixture(crash=0.5, stop=0.5, reset=0.5, hang=0.3, blow_seconds=3.0, slow_disk=random.choice((0.0, 0.05)))
    mixture.crash_mid_write, mixture.cut_mid_write = random.choice(((0.01, 0.0), (0.005, 0.005), (0.0, 0.01)))
    mixture.late_words = random.choice((0.0, 0.1))
    scenario.mixture, scenario.clients, scenario.storm_seconds = mixture, 8, 16.0
    scenario.workload = _workload(world, entries=8, reads=10)
    return scenario


def _dancing(world: World) -> Scenario:
    """Little else but faults in a row."""
    random = world.random
    mixture = Mixture(blow_seconds=random.choice((4.0, 7.0)), crash=0.3)
    dance = random.choice(("usurp", "usurp", "forget_one", "sleep", "revive", "arrive"))
    if dance != "arrive":
        setattr(mixture, dance, 5.0)
    else:
        mixture.isolate_at_synced = 0.4
    mixture.echo_activated = dance == "usurp" and random.random() < 0.5
    replication = {"usurp": random.choice((2, 3)), "revive": 2, "arrive": 1}.get(dance, 3)
    if dance == "revive":
        mixture.blow_seconds = 13.0
    return Scenario(
        nodes=5 if dance == "arrive" else random.choice((3, 3, 4)),
        start_seconds=(1.0, 34.0) if dance == "arrive" else (0.1, 0.5),
        quiet_seconds=11.0,
        storm_seconds=30.0,
        disk_seconds=0.002,
        padding_bytes=0,
        clients=8,
        think_seconds=0.05,
        habits=Habits(latency=random.choice((0.001, 0.005))),
        mixture=mixture,
        workload=_workload(world, entries=16 if dance == "arrive" else 6, reads=15),
        replication=replication,
        small=True,
    )


def _scanning(world: World) -> Scenario:
    """As many scans as requests, in small pages, while owners die with writes on their way."""
    scenario = _torn(world)
    random = world.random
    scenario.workload = _workload(world, entries=10, reads=25, scanned=0.5)
    scenario.mixture.crash_mid_write, scenario.mixture.slow_disk = 0.01, 0.05
    scenario.replication = random.choice((2, 2, 3))
    return scenario


def _walking(world: World) -> Scenario:
    """Some go through all entries in the order of the ring, in small pages, while owners change."""
    random = world.random
    scenario = random.choice((_scanning, _usurping, _moving, _stopping, _expiring, _churning))(world)
    mortal = scenario.workload.mortal
    scenario.workload = _workload(world, entries=12, reads=20, scanned=0.0, mortal=mortal)
    scenario.workload.walked = 0.3
    scenario.replication = random.choice((2, 2, 3))
    return scenario


def _taking(world: World) -> Scenario:
    """Arcs are read as of one moment, in small pages and parts of contents, while they are written and moved."""
    scenario = _walking(world)
    scenario.workload.walked, scenario.workload.taken = 0.0, 0.3
    scenario.small, scenario.bounds = True, {"PAGE_BYTES_MAX": 24, **scenario.bounds}
    return scenario


def _large(world: World) -> Scenario:
    """All that a hive does otherwise from so many members on, it does with a handful: the voters hear of all others
    rarely, and what is reported to them gathers."""
    random = world.random
    scenario = random.choice((_mixed, _usurping, _moving, _churning, _voting, _stopping))(world)
    pace = random.choice((0.02, 0.15, 0.3))
    scenario.small, scenario.bounds = True, {"NEAR_MEMBERS_MAX": 2, "FAR_SECONDS_PER_MEMBER": pace, **scenario.bounds}
    return scenario


def _contested(world: World) -> Scenario:
    """Most messages of votes are lost, so that each view has several proposers, which see different voters."""
    random = world.random
    mixture = Mixture(crash=1.0, cut=0.5, blow_seconds=1.5, lost_votes=random.choice((0.3, 0.5, 0.6)))
    mixture.slow_disk = random.choice((0.0, 0.2))
    return Scenario(
        nodes=random.choice((3, 4, 5, 5)),
        start_seconds=(0.5, 4.0),
        quiet_seconds=6.0,
        storm_seconds=16.0,
        disk_seconds=0.002,
        padding_bytes=0,
        clients=1,
        think_seconds=0.5,
        habits=Habits(latency=random.choice((0.002, 0.02))),
        mixture=mixture,
        workload=_workload(world),
        replication=random.choice((1, 2)),
        grace_seconds=60.0,
        small=True,
    )


def _usurping(world: World) -> Scenario:
    """Some pairs of nodes do not see each other, messages are late by up to a lease, and nodes start again just as
    they have become owners: who owned before still believes to."""
    random = world.random
    mixture = Mixture(cut=2.0, isolate=1.0, hang=0.5, crash=0.3, blow_seconds=random.choice((1.0, 2.0)))
    mixture.crash_at_view = random.choice((0.0, 0.05, 0.15))
    mixture.hang_mid_turn, mixture.hang_at_clock = random.choice(((0.0, 0.0), (0.003, 0.005)))
    mixture.late_words = random.choice((0.0, 0.15))
    return Scenario(
        nodes=random.choice((3, 3, 4)),
        start_seconds=(0.1, 0.5),
        quiet_seconds=11.0,
        storm_seconds=16.0,
        disk_seconds=0.002,
        padding_bytes=0,
        clients=5,
        think_seconds=0.05,
        habits=Habits(latency=0.001, late=random.choice((0.0, 0.1)), late_by_max=1.9),
        mixture=mixture,
        workload=_workload(world, entries=6, reads=40),
        replication=random.choice((2, 2, 3)),
        grace_seconds=60.0,
        small=True,
    )


def _moving(world: World) -> Scenario:
    """Nodes join and return under load, and owners are cut off or killed when a copy is complete."""
    random = world.random
    mixture = Mixture(crash=1.5, cut=0.5, blow_seconds=1.5, slow_disk=random.choice((0.0, 0.1)))
    mixture.isolate_at_synced = random.choice((0.0, 0.15))
    mixture.crash_after_synced = random.choice((0.0, 0.1))
    mixture.crash_at_synced = random.choice((0.0, 0.15))
    mixture.late_words = random.choice((0.0, 0.15))
    return Scenario(
        nodes=random.choice((3, 4, 4)),
        start_seconds=(0.1, random.choice((0.5, 20.0))),
        quiet_seconds=11.0,
        storm_seconds=16.0,
        disk_seconds=random.choice((0.002, 0.01)),
        padding_bytes=0,
        clients=6,
        think_seconds=0.03,
        habits=Habits(latency=random.choice((0.001, 0.01)), late=0.05, late_by_max=random.choice((0.05, 0.5))),
        mixture=mixture,
        workload=_workload(world, entries=14, reads=10),
        replication=random.choice((1, 1, 2, 3)),
        grace_seconds=random.choice((3.0, 60.0)),
        small=True,
    )


def _stopping(world: World) -> Scenario:
    """Several stop at once, often all, while writes are on their way to some holders and not to others."""
    random = world.random
    mixture = Mixture(stop_many=3.0, crash=0.5, cut=0.5, blow_seconds=random.choice((2.0, 5.0)))
    mixture.slow_disk = random.choice((0.0, 0.1))
    return Scenario(
        nodes=random.choice((2, 3, 3, 4)),
        start_seconds=(0.1, random.choice((0.5, 8.0))),
        quiet_seconds=6.0,
        storm_seconds=20.0,
        disk_seconds=random.choice((0.002, 0.01)),
        padding_bytes=0,
        clients=6,
        think_seconds=0.03,
        habits=Habits(latency=random.choice((0.001, 0.01)), late=0.2, late_by_max=random.choice((0.1, 0.5))),
        mixture=mixture,
        workload=_workload(world, entries=8, reads=10),
        replication=random.choice((2, 2, 3)),
        grace_seconds=60.0,
        small=True,
    )


def _expiring(world: World) -> Scenario:
    """Most entries live for seconds only, while owners change."""
    scenario = _moving(world) if world.random.random() < 0.5 else _usurping(world)
    scenario.workload = _workload(world, entries=12, reads=20, scanned=0.1, mortal=0.6)
    return scenario


def _counting(world: World) -> Scenario:
    """Clients add to counters, and compare versions, while owners change with writes on their way."""
    scenario = world.random.choice((_halfway, _moving, _usurping, _stopping, _pending, _churning))(world)
    scenario.workload = _workload(world, entries=8, scanned=0.2, mortal=0.0, counts=True)
    return scenario


def _following(world: World) -> Scenario:
    """Some follow the entries while owners change with writes on their way."""
    random = world.random
    scenario = random.choice((_halfway, _moving, _usurping, _stopping, _pending, _churning, _torn, _paused))(world)
    scenario.workload = _workload(world, entries=8, reads=10, scanned=0.0, mortal=0.1)
    first = scenario.workload.aliases[0]
    scenario.followed = ("", first[: first.index("-")], random.choice((first, "")))
    return scenario


def _batching(world: World) -> Scenario:
    """Clients change entries of one tag together, while owners change with writes on their way."""
    random = world.random
    scenario = random.choice((_halfway, _halfway, _halfway, _stopping, _usurping, _moving))(world)
    scenario.workload = _workload(world, entries=2, scanned=0.0, mortal=0.0)
    scenario.clients, scenario.storm_seconds = 1, min(scenario.storm_seconds, 12.0)
    # A part of a suffix, and an item of a stream, ends with any write that may end it: see tests/sim/bounds.py.
    scenario.small, scenario.bounds = True, {"STREAM_BYTES_USUAL": 1, **scenario.bounds}
    scenario.batches = Batches(world, scenario.padding_bytes, 5, random.choice((0.03, 0.1)))
    return scenario


def _after(world: World, mixture: Mixture, trial: Trial | None = None, **other: Any) -> Scenario:
    """Few entries under load, on quick disks, and outages of one kind between longer pauses."""
    random = world.random
    fields: dict[str, Any] = {
        "nodes": random.choice((2, 3, 3, 4, 5)),
        "start_seconds": (0.1, 1.0),
        "quiet_seconds": 11.0,
        "storm_seconds": 25.0,
        "disk_seconds": random.choice((0.001, 0.005)),
        "padding_bytes": 0,
        "clients": 4,
        "think_seconds": random.choice((0.05, 0.2)),
        "habits": Habits(latency=random.choice((0.0005, 0.005))),
        "replication": random.choice((2, 2, 3)),
        "grace_seconds": random.choice((4.0, 60.0)),
    }
    fields |= other
    return Scenario(mixture=mixture, workload=_workload(world, entries=12, reads=20), trial=trial, **fields)


def _replicated(world: World) -> Scenario:
    """Operators want more copies, and fewer again, while nodes come, go, die and return."""
    random = world.random
    mixture = Mixture(crash=1.0, stop=0.5, cut=0.3, leave=0.3, blow_seconds=random.choice((1.5, 4.0)))
    mixture.crash_at_synced = random.choice((0.0, 0.1))
    mixture.crash_mid_write = random.choice((0.0, 0.02))
    mixture.slow_disk = random.choice((0.0, 0.05))
    scenario = _after(
        world, mixture, nodes=random.choice((3, 4, 4, 5)), start_seconds=(0.1, random.choice((1.0, 15.0)))
    )
    scenario.replication = random.choice((1, 2, 3, 4, 5))
    scenario.replicates = True
    return scenario


def _outage(world: World) -> Scenario:
    """The power fails everywhere, and some machines stay away for long, for ever, or have an empty disk."""
    mixture = Mixture(outage=1.0, wiped=0.3, empty=0.2, crash=0.3, blow_seconds=8.0)
    return _after(world, mixture, some_stay_away)


def _operated(world: World) -> Scenario:
    """More disks are gone than a quorum bears, or what nobody else has: an operator forgets nodes and recovers."""
    mixture = Mixture(outage=1.0, wiped=0.8, empty=0.5, blow_seconds=8.0, beyond_quorum=True)
    return _after(world, mixture, nodes=world.random.choice((3, 4, 5)), replication=world.random.choice((2, 3, 3)))


def _lying(world: World) -> Scenario:
    """Disks that said too much: after a power loss of all the last batches of one of them are gone."""
    return _after(world, Mixture(liar=1.0, reset=0.3, lane=0.3, blow_seconds=8.0, slow_disk=0.05))


def _lanes(world: World) -> Scenario:
    """One of the two connections between nodes stands still while the other one does not, and owners change."""
    mixture = Mixture(lane=1.0, crash=1.0, stop=0.3, hang=0.3, blow_seconds=1.5, stall_former=0.7)
    return _after(world, mixture, nodes=world.random.choice((4, 5, 5)), replication=3, clients=8, think_seconds=0.03)


def _hung(world: World) -> Scenario:
    """Disks hang without an error."""
    mixture = Mixture(hung=2.0, crash=0.3, cut=0.3, blow_seconds=6.0, slow_disk=world.random.choice((0.0, 0.05)))
    return _after(world, mixture, a_disk_hangs)


def _paused(world: World) -> Scenario:
    """All machines stand still at once."""
    return _after(world, Mixture(pause_all=1.0, hang=0.5, crash=0.2, blow_seconds=5.0))


def _frozen(world: World) -> Scenario:
    """Virtual machines are paused, and their clocks with them."""
    return _after(world, Mixture(frozen=1.0, blow_seconds=3.0))


def _addresses(world: World) -> Scenario:
    """Machines come back at other addresses, one or all."""
    return _after(world, Mixture(move=1.0, move_all=1.0, crash=0.3, blow_seconds=6.0))


def _copied(world: World) -> Scenario:
    """Older copies of directories are put in the place of the newer ones."""
    return _after(world, Mixture(snapshot=2.0, crash=0.5, stop=0.3, blow_seconds=3.0), storm_seconds=30.0)


def _clocks(world: World) -> Scenario:
    """Wall clocks differ and are set, while nodes come and go."""
    mixture = Mixture(wall=2.0, crash=0.5, hang=0.5, cut=0.3, blow_seconds=2.0)
    mixture.wall_seconds = world.random.choice((0.2, 3.0, 600.0, 7200.0))
    world.skew_seconds += mixture.wall_seconds
    return _after(world, mixture)


def _one_clock(world: World) -> Scenario:
    """One wall clock is set by up to two hours, while owners change: nothing that is to live is lost."""
    mixture = Mixture(wall=2.0, crash=0.7, hang=0.3, cut=0.3, blow_seconds=2.0, wall_seconds=7200.0, one_clock=True)
    mixture.stop = world.random.choice((0.0, 0.5))
    world.skew_seconds += CLOCK_DIFFERENCE_SECONDS_MAX  # where a clock is no farther off, nobody takes it for wrong
    world.lag_seconds = 2 * mixture.wall_seconds
    scenario = _after(world, mixture, nodes=world.random.choice((2, 3, 3, 4, 5)))
    scenario.workload = _workload(world, entries=12, reads=20, mortal=0.5)
    return scenario


def _lost(world: World) -> Scenario:
    """Answers are lost with their connections, each once, under load that does not end."""
    mixture = Mixture(lost=2.0, crash=1.0, reset=0.2, blow_seconds=1.0, lost_answer=0.1)
    return _after(world, mixture, nodes=world.random.choice((2, 2, 3)), clients=6, think_seconds=0.03)


def _plotted(name: str) -> Callable[[World], Scenario]:
    """One of the plots, of few entries that nobody else writes."""

    def made(world: World) -> Scenario:
        fields = dict(PLOTS[name])
        workload = _workload(world, entries=fields.pop("entries"), scanned=0.0, mortal=0.0)
        return Scenario(mixture=Mixture(), workload=workload, **fields)

    return made


CORNERS: dict[str, tuple[int, Callable[[World], Scenario]]] = {
    "mixed": (35, _mixed),
    "joining": (15, _joining),
    "echoes": (10, _echoes),
    "voting": (15, _voting),
    "churning": (10, _churning),
    "pending": (15, _pending),
    "scanning": (5, _scanning),
    "halfway": (10, _halfway),
    "torn": (5, _torn),
    "dancing": (5, _dancing),
    "contested": (5, _contested),
    "usurping": (10, _usurping),
    "moving": (10, _moving),
    "stopping": (5, _stopping),
    "expiring": (5, _expiring),
    "outage": (4, _outage),
    "operated": (2, _operated),
    "lying": (3, _lying),
    "lanes": (3, _lanes),
    "hung": (4, _hung),
    "paused": (2, _paused),
    "frozen": (3, _frozen),
    "addresses": (3, _addresses),
    "copied": (2, _copied),
    "clocks": (2, _clocks),
    "lost": (3, _lost),
    **{name: (1, _plotted(name)) for name in PLOTS},
    "counting": (5, _counting),
    "one_clock": (3, _one_clock),
    "following": (6, _following),
    "batching": (6, _batching),
    "walking": (5, _walking),
    "taking": (5, _taking),
    "large": (5, _large),
    "replicated": (8, _replicated),
}
"""How often each is chosen, and what makes it."""
