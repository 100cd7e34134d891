"""One simulated life of a hive: growth, use and faults, then everything is healed and has to be well."""

from __future__ import annotations

from msgspec import Struct

from tests.sim.clients import Client
from tests.sim.linear import Op, linearizable
from tests.sim.world import Host, World
from wrpme import view as views
from wrpme.errors import NotFoundError
from wrpme.messages import Content, Failed, Get, Reply, View

FAULT_SECONDS = 30.0
HEAL_SECONDS = 150.0
HISTORY_OPS_MAX = 400


class Report(Struct):
    """What a run did; ``failure`` is empty if all was well."""

    seed: int
    failure: str = ""
    operations: int = 0
    unknown: int = 0
    refusals: int = 0
    epochs: int = 0
    nodes: int = 0
    trace: list[str] = []


class Run:
    """A world with its clients and checkers."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.random = self.world.random
        self.names = [f"node-{letter}" for letter in "abcde"[: self.random.choice([1, 2, 3, 3, 3, 4, 5])]]
        self.founder = self.names[0]
        self.histories: dict[str, list[Op]] = {f"entry-{index}": [] for index in range(16)}
        self.clients: list[Client] = []
        self.views: dict[tuple[int, int], View] = {}
        self.epochs: dict[tuple[str, int], int] = {}
        self.world.after_step = self.check_step

    # --- checkers ------------------------------------------------------------------------------------------------

    def check_step(self, host: Host) -> None:
        """After each step of a node: what must always be so."""
        node = host.node
        assert node is not None
        view = node.view
        if view is not None:
            known = self.views.setdefault((view.generation, view.epoch), view)
            assert known is view or known == view, f"two views of epoch {view.epoch}"
            self.views[view.generation, view.epoch] = view
            before = self.epochs.get((host.address, host.starts), 0)
            assert view.epoch >= before, f"{host.address} went back from epoch {before} to {view.epoch}"
            self.epochs[host.address, host.starts] = view.epoch
        for replica in node.table.mine:
            if replica.serving and replica.arc.prev or self.random.random() < 0.02:
                self.check_one_serves(replica.arc.end)

    def check_one_serves(self, position: int) -> None:
        """At most one node is able to serve a position of the ring."""
        serving = [
            host.address
            for host in self.world.hosts.values()
            if host.node is not None and host.paused is None and host.node.serves(position, self.world.clock(host))
        ]
        assert len(serving) <= 1, f"{' and '.join(serving)} both serve {position:016x}"

    def check_histories(self) -> None:
        """What the clients were told has an explanation."""
        for alias, history in self.histories.items():
            assert linearizable(history), f"the history of {alias} has no explanation: {history}"

    # --- the plot ------------------------------------------------------------------------------------------------

    def grow(self) -> None:
        """The nodes start in any order; the clients begin with the first."""
        order = list(self.names)
        self.random.shuffle(order)
        for name in order:
            self.world.at(self.random.choice([0.0, self.random.uniform(0, 8)]), lambda name=name: self.start(name))
        self.world.run(0.1)
        self.start(self.founder)
        aliases = sorted(self.histories)
        self.clients = [Client(self.world, str(index), aliases, self.histories) for index in range(4)]

    def start(self, name: str) -> None:
        self.world.start(name, self.founder)

    def restart_later(self, name: str) -> None:
        """Within L or well beyond it."""
        self.world.at(self.random.choice([0.05, 0.5, 1.5, 3.0, 8.0]), lambda: self.start(name))

    def break_something(self) -> None:
        """One fault."""
        world, random = self.world, self.random
        name, other = random.choice(self.names), random.choice(self.names)
        if name not in world.hosts or other not in world.hosts:
            return
        kind = random.choices(
            ["crash", "stop", "cut", "half cut", "isolate", "heal", "pause", "power", "crash pair"],
            [6, 2, 2, 2, 2, 6, 4, 1, 2],
        )[0]
        world.note(f"fault: {kind} {name} {other}")
        if kind == "crash":
            world.crash(name)
            self.restart_later(name)
        elif kind == "crash pair":
            for victim in {name: 0, other: 0}:
                world.crash(victim)
                self.restart_later(victim)
        elif kind == "stop":
            world.stop(name)
            world.at(6.0, lambda: self.start(name))
        elif kind == "cut":
            world.cut |= {(name, other), (other, name)}
        elif kind == "half cut":
            world.cut.add((name, other))
        elif kind == "isolate":
            world.cut |= {pair for there in self.names for pair in ((name, there), (there, name)) if there != name}
        elif kind == "heal":
            world.cut.clear()
        elif kind == "pause":
            world.pause(name, random.uniform(0.1, 6.0))
        elif kind == "power":
            for victim in self.names:
                if victim in world.hosts:
                    world.crash(victim)
                    self.restart_later(victim)

    def suffer(self) -> None:
        """Faults, some close together, some far apart."""
        end = self.world.now + FAULT_SECONDS
        while self.world.now < end:
            self.world.run(self.random.choice([0.02, 0.2, 1.0, 3.0]) * self.random.uniform(0.5, 1.5))
            self.break_something()

    def heal(self) -> None:
        """All faults end; the hive has to become stable, and everything acknowledged readable."""
        world = self.world
        world.note("everything is healed")
        world.calm = True
        world.cut.clear()
        world.run(7.0)  # whoever pauses goes on
        for client in self.clients:
            client.stopped = True
        end = world.now + HEAL_SECONDS
        while world.now < end and not self.is_well():
            for name in self.names:
                self.start(name)
            world.run(0.5)
        assert self.is_well(), f"the hive does not become stable: {self.conditions()}"
        world.run(6.0)

    def is_well(self) -> bool:
        """All run one view that is stable, and each knows itself to be part of it."""
        hosts = [self.world.hosts.get(name) for name in self.names]
        nodes = [host.node if host is not None else None for host in hosts]
        if any(node is None or node.view is None or not node.ground.lives for node in nodes):
            return False
        found = [node.view for node in nodes if node is not None and node.view is not None]
        return all(
            view == found[0] and len(view.members) == len(self.names) and views.condition(view).word == "stable"
            for view in found
        )

    def conditions(self) -> dict[str, str]:
        """For the message of a failure."""
        return {
            host.address: f"{host.node.view.epoch} {views.condition(host.node.view)}"
            for host in self.world.hosts.values()
            if host.node is not None and host.node.view is not None
        }

    def read_everything(self) -> None:
        """Through every node; the answers join the histories."""
        world = self.world
        for alias in self.histories:
            name = self.random.choice(self.names)
            told: list[Reply | None] = []
            asked = world.now
            world.ask(name, Get(1, alias), told.append)
            while not told:
                world.run(0.01)
            reply = told[0]
            if isinstance(reply, Content):
                self.histories[alias].append(Op("get", asked, world.now, "ok", got=reply.content))
            else:
                missing = isinstance(reply, Failed) and reply.code == NotFoundError.code
                assert missing, f"{alias} through {name} after all was healed: {reply}"
                self.histories[alias].append(Op("get", asked, world.now, "not_found"))

    def everything(self) -> None:
        """The whole plot."""
        self.grow()
        self.suffer()
        self.heal()
        self.read_everything()
        self.check_histories()


def run(seed: int) -> Report:
    """One seed; a failure is told, not raised."""
    life = Run(seed)
    report = Report(seed)
    try:
        life.everything()
    except Exception as error:  # whatever the product raises is a failure of this seed
        report.failure = f"{type(error).__name__}: {error}"
    report.operations = sum(len(history) for history in life.histories.values())
    report.unknown = sum(op.result == "unknown" for history in life.histories.values() for op in history)
    report.refusals = sum(client.refusals for client in life.clients)
    report.epochs = max((epoch for _, epoch in life.views), default=0)
    report.nodes = len(life.names)
    report.trace = life.world.trace
    return report
