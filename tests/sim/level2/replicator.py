"""Operators of the second level who want more copies of each entry, and fewer again: by the client library, as wrpmesh
asks, and often two of them at once."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from tests.sim.replicator import TWO_AT_ONCE
from wrpme import Client, WrpmeError
from wrpme.limits import REPLICATION_MAX
from wrpme.protocol.view import View

if TYPE_CHECKING:
    from tests.sim.level2.run import Run

USED = 0.5
ONLY_UP = 0.5
PATIENCE_SECONDS = 8.0


class Replicator:
    """What it draws is its own, so that a run without it is what it was. ``is_used`` tells whether this run has it.
    Where fewer copies may be asked for no disk is lost: the copy that goes could be the last one then. Elsewhere all
    ask for the same number, which is more: one who knows an old number can't ask for less by that."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._random = Random(f"copies {run.seed}")
        self.is_used = self._random.random() < USED
        self.may_shrink = self.is_used and self._random.random() >= ONLY_UP
        more = self._random.randint(run.replication + 1, REPLICATION_MAX)
        self._numbers = range(1, REPLICATION_MAX + 1) if self.may_shrink else (more,)
        self._wanted = {run.replication}
        self._asked: list[asyncio.Task[None]] = []

    def ask(self) -> None:
        """One of them begins, or two."""
        for _ in range(1 + (self._random.random() < TWO_AT_ONCE)):
            self._asked.append(asyncio.create_task(self._ask(self._random.random())))

    async def answered(self) -> None:
        """All that were asked have answered, or said that they can't."""
        await asyncio.gather(*self._asked)

    def adopted(self, view: View) -> None:
        """Raises AssertionError where nobody has asked for what was decided."""
        assert view.replication in self._wanted, f"nobody asked for {view.replication} copies"

    async def _ask(self, drawn: float) -> None:
        run, random = self._run, Random(drawn)
        addresses = [machine.address for machine in run.machines]
        async with Client(random.sample(addresses, len(addresses)), timeout=PATIENCE_SECONDS) as client:
            client._dispatcher.random = random
            wanted = random.choice(self._numbers)
            run.say(None, f"an operator asks for {wanted} copies")
            self._wanted.add(wanted)
            try:
                told = await client.set_replication(wanted)
            except WrpmeError as error:
                told = error.sentence
            run.say(None, f"an operator hears: {told}")
