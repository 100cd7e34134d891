"""An operator in virtual time, who does what the sentences of the nodes say, and only that.

A node that never returns and still holds what nobody else does is forgotten; where the voters that are missing never
return, ``recover --force`` goes on without. A node whose process ended with a sentence is looked after by what that
sentence says, where it is one that the faults of the run explain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from wrpme.core.io import Exit
from wrpme.protocol import salvage
from wrpme.protocol.administration import ForgetNode, Recover
from wrpme.protocol.messages import Done, Failed, GetHoldings, Holding, Holdings, Text
from wrpme.protocol.ring import owner_among
from wrpme.protocol.salvage import Told
from wrpme.protocol.view import NOBODY, Member, NodeId, State, View
from wrpme.protocol.view_index import live

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

LOOK_SECONDS = 3.0
ANSWER_SECONDS = 0.5
PATIENCE_SECONDS = 15.0
"""An operator who has just brought machines back first waits for what the hive does by itself."""


class Operator:
    """``watches`` while there is one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.recovered = 0
        self._watching = False
        self._since = 0.0
        self._stopped: list[Machine] = []
        """Those that stand in the place of a voter that is gone, while the hive is recovered."""

    def begin(self) -> None:
        """Looks at the hive now and then from now on."""
        self._since = self.world.agenda.now
        if not self._watching:
            self._watching = True
            self._look()

    def end(self) -> None:
        """Looks away."""
        self._watching = False

    def expects(self, machine: Machine, end: Exit) -> bool:
        """Whether the faults of the run explain that this process ended with such a sentence."""
        return machine.may_end

    def _look(self) -> None:
        if not self._watching:
            return
        self.world.agenda.after(LOOK_SECONDS, self._look)
        view = self.world.checks.newest()
        if view is None or self.world.agenda.now - self._since < PATIENCE_SECONDS:
            return
        gone = self.world.promises.gone(view)
        if gone.intersection(view.voters):
            self._recover(view, gone)
        elif gone:
            self._forget(view, gone)

    def _forget(self, view: View, gone: set[NodeId]) -> None:
        """Those who hold what nobody else does. Of the others the hive lets go by itself after the grace, unless they
        are more than a third of it."""
        alive = live(view)
        waited_for = {node for arc in view.arcs if owner_among(alive, arc) is None for node in arc.holders}
        if self.world.agenda.now - self._since > self.world.grace_seconds + PATIENCE_SECONDS:
            waited_for |= gone
        for member in view.members:
            if member.id in gone & waited_for and member.state is State.DOWN:
                machine = self._running(view)
                if machine is not None:
                    self._ask_holdings(view, partial(self._forget_now, machine, machine.life, view, member))
                return

    def _forget_now(self, machine: Machine, life: int, view: View, member: Member, told: Told) -> None:
        if machine.life == life:
            self.world.say(None, f"an operator: node_forget {member.address}")
            self.world.promises.give_up(view, self.world.promises.gone(view))
            choices, _ = salvage.choose(view, salvage.orphans(view, (member.id,)), told)
            request = ForgetNode(1, member.id, member.incarnation, choices)
            machine.request(self.world.open_session(self._hear), request)

    def _ask_holdings(self, view: View, then: Callable[[Told], None]) -> None:
        """Of all members that answer; ``then`` with what they said."""
        told: dict[NodeId, Sequence[Holding]] = {}

        def hear(node: NodeId, reply: object) -> None:
            if isinstance(reply, Holdings):
                told[node] = reply.holdings

        members = {member.id for member in view.members}
        for machine in self.world.machines:
            if machine.node is not None and machine.identity in members:
                session = self.world.open_session(partial(hear, machine.identity))
                machine.request(session, GetHoldings(1, NOBODY))
        self.world.agenda.after(ANSWER_SECONDS, lambda: then(told))

    def _recover(self, view: View, gone: set[NodeId]) -> None:
        """Only where all voters that are missing never return, and a node says that it can't go on without."""
        for machine in self.world.machines:
            node = machine.node
            if node is None or node.view != view or not (missing := node.lifecycle.quorum()):
                continue
            there = set(view.voters) - gone
            running = {other.identity for other in self.world.machines if other.node is not None}
            if there <= running:
                self.world.say(None, f"an operator at {machine}: recover --force, as {missing}")
                self._ask_holdings(view, partial(self._recover_now, machine, machine.life, view))
                self._since = self.world.agenda.now
            return

    def _recover_now(self, machine: Machine, life: int, view: View, told: Told) -> None:
        if machine.life == life:
            self.world.promises.give_up(view, self.world.promises.gone(view))
            lost = [member.id for member in view.members if not told.get(member.id)]
            choices, _ = salvage.choose(view, salvage.orphans(view, lost), told)
            machine.request(self.world.open_session(self._hear_of_recovery), Recover(1, choices))

    def _hear_of_recovery(self, reply: object) -> None:
        self._hear(reply)
        view = self.world.checks.newest()
        if isinstance(reply, Failed) and view is not None and "stop it, if it can't be mended" in reply.sentence:
            gone = self.world.promises.gone(view)
            places = {member.address for member in view.members if member.id in gone}
            known = {member.id for member in view.members}
            machines = [machine for machine in self.world.machines if machine.identity not in known]
            self._stopped = [machine for machine in machines if machine.address in places]
            self.world.say(None, f"an operator stops {self._stopped}")
            for machine in self._stopped:
                machine.away = True
                machine.crash()
        elif isinstance(reply, Text):
            self.recovered += 1
            for machine in self._stopped:
                machine.away = False
                machine.start()
            self._stopped = []

    def _running(self, view: View) -> Machine | None:
        return next((one for one in self.world.machines if one.node is not None and one.node.view == view), None)

    def _hear(self, reply: object) -> None:
        assert isinstance(reply, Done | Text | Failed), f"an operator was answered with {reply}"
        if isinstance(reply, Failed):
            self.world.say(None, f"an operator hears: {reply.sentence}")
