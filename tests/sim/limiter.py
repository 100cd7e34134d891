"""Operators in virtual time who bound the data of nodes to about what they hold, and give them more again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from wrpme.core.io import SettingsChanged

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

PAUSE_SECONDS = (0.2, 3.0)
OF_HELD = (0.7, 1.4)
"""The limit of a node, as a part of what it holds."""


class Limiter:
    """What it draws is its own, so that a run without it is what it was."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = Random(f"limits {world.seed}")
        self.limits: dict[str, int] = {}
        """By address; a node has its own at its next start too."""
        self._active = False

    def begin(self) -> None:
        """Bounds some node now and then from now on."""
        self._active = True
        self._later()

    def end(self) -> None:
        """Nobody has a limit any more."""
        self._active = False
        for machine in self.world.machines:
            self._bound(machine, 0)

    def _later(self) -> None:
        self.world.agenda.after(self.random.uniform(*PAUSE_SECONDS), self._look)

    def _look(self) -> None:
        if not self._active:
            return
        self._later()
        machine = self.random.choice(self.world.machines)
        if machine.node is not None:
            held = machine.node.context.slots.bytes
            most = 0 if self.random.random() < 0.4 else 1 + int(held * self.random.uniform(*OF_HELD))
            self.world.say(machine, f"holds {held} bytes, and may hold {most or 'any number of them'}")
            self._bound(machine, most)

    def _bound(self, machine: Machine, most: int) -> None:
        self.limits[machine.address] = most
        if machine.node is not None:
            settings = machine.node.settings
            machine.feed(SettingsChanged(settings.grace_seconds, settings.slow_seconds, most, settings.config))
