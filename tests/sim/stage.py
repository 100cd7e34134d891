"""A stage for plots: who holds what, which messages are lost or late, and what is waited for.

A plot (:mod:`tests.sim.plots`) is a schedule in which one certain rule is needed, played on real nodes: it waits for
each state that the next step is about, so it goes the same way whatever the seed makes of clocks, disks and latencies.
What does not come about in time is let be: then the seed proves nothing, and another one may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tests.sim.workload import Asked, Client
from wrpme.core.layout import key_of
from wrpme.core.replication.replica import Replica
from wrpme.protocol.messages import Envelope, Item, Stream, Streams
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import Arc, NodeId, State, View
from wrpme.protocol.view_index import member, owner

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.run import Run

PATIENCE_SECONDS = 60.0


class Missed(Exception):
    """What the plot needs has not come about."""


class Rule:
    """Messages that ``fits`` is true of do not arrive: they are ``kept``."""

    def __init__(self, fits: Callable[[Machine, Envelope], bool], only_heard: bool = False) -> None:
        self.fits = fits
        self.kept: list[tuple[Machine, Envelope]] = []
        self._only_heard = only_heard

    def takes(self, machine: Machine, envelope: Envelope) -> bool:
        """Whether the message is lost; where the rule is only to hear of it, it is not."""
        fits = self.fits(machine, envelope)
        if fits:
            self.kept.append((machine, envelope))
        return fits and not self._only_heard


class Stage:
    """Of one run; ``machines`` in the order of their numbers."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.world = run.world
        self.random = run.world.random
        self.machines = run.world.machines
        self.faults = run.world.faults
        run.world.checks.positions = [hash_of(alias.encode()) for alias in run.workload.aliases]

    # --- time ----------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """So long."""
        self.world.agenda.run_until(self.world.agenda.now + seconds)

    def until(self, condition: Callable[[], object], seconds: float = 8.0) -> None:
        """Until the condition holds; Missed if it does not in this time."""
        if not condition():
            end = self.world.agenda.now + seconds
            if not self.world.agenda.run_until(end, lambda: bool(condition())):
                raise Missed

    def expect(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        """The hive owes it."""
        try:
            self.until(condition, seconds)
        except Missed:
            raise AssertionError(f"{what}, {seconds} s later") from None

    # --- who is who ----------------------------------------------------------------------------------------------

    def view(self) -> View:
        """The newest one."""
        view = self.world.checks.newest()
        if view is None:
            raise Missed
        return view

    def machine(self, node: NodeId | None) -> Machine:
        """The machine of that node."""
        found = next((machine for machine in self.machines if machine.identity == node and machine.node), None)
        if found is None:
            raise Missed
        return found

    def arc(self, alias: str) -> Arc:
        """Where it lives, in the newest view."""
        view = self.view()
        return view.arcs[arc_at(view, hash_of(alias.encode()))]

    def owner(self, alias: str) -> Machine:
        """Whose it is, in the newest view."""
        return self.machine(owner(self.view(), self.arc(alias)))

    def holders(self, alias: str) -> list[Machine]:
        """In their order."""
        return [self.machine(node) for node in self.arc(alias).holders]

    def replica(self, machine: Machine, alias: str) -> Replica:
        """The replica of the entry's arc on that machine."""
        found = self.replica_or_none(machine, alias)
        if found is None:
            raise Missed
        return found

    def replica_or_none(self, machine: Machine, alias: str) -> Replica | None:
        """The same, where there may be none."""
        return machine.node.table.at(hash_of(alias.encode())) if machine.node is not None else None

    def of_arc(self, alias: str, others: Sequence[str] = ()) -> list[str]:
        """Aliases of the same arc, this one first."""
        end = self.arc(alias).end
        aliases = others or self.run.workload.aliases
        return [alias, *(other for other in aliases if other != alias and self.arc(other).end == end)]

    def has(self, machine: Machine, epoch: int) -> bool:
        """Whether it has adopted that view."""
        node = machine.node
        return node is not None and node.view is not None and node.view.epoch >= epoch

    def is_down(self, machine: Machine) -> bool:
        """Whether the hive calls it down."""
        found = member(self.view(), machine.identity)
        return found is not None and found.state is State.DOWN

    # --- messages ------------------------------------------------------------------------------------------------

    def lose_between(
        self,
        sources: Sequence[Machine],
        targets: Sequence[Machine],
        kinds: Any = object,
        also: Callable[[Any], bool] = lambda body: True,
    ) -> Rule:
        """From now on messages of these kinds, of which ``also`` holds, are lost from one of these machines to one of
        those."""
        rule = Rule(self._between(sources, targets, kinds, also))
        self.faults.rules.append(rule)
        return rule

    @staticmethod
    def _between(
        sources: Sequence[Machine], targets: Sequence[Machine], kinds: Any, also: Callable[[Any], bool]
    ) -> Callable[[Machine, Envelope], bool]:
        def fits(machine: Machine, envelope: Envelope) -> bool:
            if machine not in sources or not any(target.identity == envelope.destination for target in targets):
                return False
            return isinstance(envelope.body, kinds) and also(envelope.body)

        return fits

    def hear_of(
        self,
        sources: Sequence[Machine],
        targets: Sequence[Machine],
        kinds: Any = object,
        also: Callable[[Any], bool] = lambda body: True,
    ) -> Rule:
        """From now on such messages are kept, and arrive all the same."""
        rule = Rule(self._between(sources, targets, kinds, also), only_heard=True)
        self.faults.rules.append(rule)
        return rule

    def let(self, *rules: Rule) -> None:
        """No more are lost. Those that were are lost with their connections, so these begin anew."""
        for rule in list(rules):
            self.faults.rules.remove(rule)
            for source, envelope in rule.kept:
                target = next((one for one in self.machines if one.identity == envelope.destination), None)
                link = source.links.get(target.address) if target is not None else None
                if link is not None:
                    link.notices(0.0, "connection reset")

    def deliver(self, rule: Rule) -> None:
        """What was kept arrives now, late."""
        kept, rule.kept = rule.kept, []
        for _, envelope in kept:
            self.faults.say_late(envelope)

    def cut(self, machine: Machine, others: Sequence[Machine]) -> None:
        """Nothing travels between them, in either way, until somebody heals it."""
        for other in others:
            self.world.cut(machine, other)
            self.world.cut(other, machine)

    def heal(self, machine: Machine, others: Sequence[Machine]) -> None:
        """It does again."""
        for other in others:
            self.world.heal(machine, other)
            self.world.heal(other, machine)

    def others(self, *machines: Machine) -> list[Machine]:
        """All but these on which a process runs."""
        return [machine for machine in self.machines if machine not in machines and machine.node is not None]

    # --- clients -------------------------------------------------------------------------------------------------

    def ask(self, alias: str, kind: str = "update", at: Machine | None = None, lives: float = 0.0) -> Asked:
        """A client that is patient; ``at`` asks that machine alone. What it writes ``lives`` so long; 0: for good."""
        client = Client(self.run.workload, f"p{self.world.moment()}", 1e9, PATIENCE_SECONDS)
        client.asks, client.unlucky, client.span_seconds = at, 0.0, lives
        return client.ask(alias, kind)

    def done(self, alias: str, kind: str = "update", seconds: float = 8.0) -> None:
        """It is carried out."""
        asked = self.ask(alias, kind)
        self.until(lambda: asked.over, seconds)
        if asked.result != "ok":
            raise Missed

    def expect_write(self, alias: str, seconds: float = 12.0) -> None:
        """The entry can be written."""
        asked = self.ask(alias, "update")
        self.expect(lambda: asked.result == "ok", f"{alias} can't be written, though it is there", seconds)

    def read(self, *aliases: str, seconds: float = 12.0) -> None:
        """Whatever is there is read, for the judge."""
        for asked in [self.ask(alias, "get") for alias in aliases]:
            self.until(lambda asked=asked: asked.over, seconds)  # type: ignore[misc]

    def reached(self, owner: Machine, machine: Machine, alias: str) -> bool:
        """Whether the machine has of the entry what its owner has."""
        mine, theirs = self.replica(owner, alias), self.replica(machine, alias)
        encoded = alias.encode()
        key = key_of(hash_of(encoded), encoded)
        return mine.writes.current(key) == theirs.writes.current(key)

    def received(self, machine: Machine, alias: str) -> bool:
        """Whether the machine has a write of the entry that is not known to be settled."""
        key_end = alias.encode()
        return any(key[9:] == key_end for key, _ in self.replica(machine, alias).writes.suffix_pairs())


def carries(alias: str, of: Callable[[Stream, Item], bool] = lambda stream, item: True) -> Callable[[Any], bool]:
    """Of bodies: whether one of these items brings that entry to another node."""
    wanted = alias.encode()

    def carry(body: Any) -> bool:
        return isinstance(body, Streams) and any(
            key[9:] == wanted
            for stream in body.streams
            for item in stream.items
            if of(stream, item)
            for key, _ in getattr(item, "pairs", ())
        )

    return carry
