"""Operators in virtual time who want more copies of each entry, and fewer again; often two of them at once."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from wrpme.limits import REPLICATION_MAX
from wrpme.protocol.administration import SetReplication
from wrpme.protocol.messages import Done, Failed
from wrpme.protocol.view import View

if TYPE_CHECKING:
    from tests.sim.world import World

PAUSE_SECONDS = (0.3, 5.0)
TWO_AT_ONCE = 0.4


class Replicator:
    """What it draws is its own, so that a run without it is what it was. ``is_used`` tells whether this run has it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = Random(f"copies {world.seed}")
        self.is_used = False
        self._active = False
        self._only_up = False
        self._asked: set[tuple[int, int]] = set()
        """Pairs: the number that was known, and the one that was asked for."""

    def begin(self) -> None:
        """Asks now and then from now on. Where disks are lost on purpose the copy that goes could be the last one: only
        for more is asked then."""
        mixture = self.world.faults.mixture
        self._only_up = bool(mixture.wiped or mixture.empty or mixture.liar or mixture.snapshot)
        self.is_used = self._active = True
        self._later()

    def end(self) -> None:
        """Asks no more."""
        self._active = False

    def adopted(self, former: View, view: View) -> None:
        """Raises AssertionError where nobody has asked for what was decided, as he knew how it was."""
        numbers = former.replication, view.replication
        assert numbers[0] == numbers[1] or numbers in self._asked, (
            f"nobody asked for {numbers[1]} copies of {numbers[0]}"
        )

    def _later(self) -> None:
        self.world.agenda.after(self.random.uniform(*PAUSE_SECONDS), self._look)

    def _look(self) -> None:
        if self._active:
            self._later()
            for _ in range(1 + (self.random.random() < TWO_AT_ONCE)):
                self._ask()

    def _ask(self) -> None:
        running = [one for one in self.world.machines if one.node is not None and one.node.view is not None]
        if not running:
            return
        machine = self.random.choice(running)
        assert machine.node is not None and machine.node.view is not None
        known = machine.node.view.replication
        wanted = self.random.randint(min(known, REPLICATION_MAX - 1) + 1 if self._only_up else 1, REPLICATION_MAX)
        self._asked.add((known, wanted))
        self.world.say(None, f"an operator at {machine}: set_replication {wanted}, and not {known}")
        machine.request(self.world.open_session(self._hear), SetReplication(1, wanted, known))

    def _hear(self, reply: object) -> None:
        assert isinstance(reply, Done | Failed), f"an operator was answered with {reply}"
        if isinstance(reply, Failed):
            self.world.say(None, f"an operator hears: {reply.sentence}")
