"""Broken rules of expiry."""

from __future__ import annotations

from typing import Any

from tests.sim.broken import Broken
from wrpme.core.context import NodeContext
from wrpme.core.health import clocks
from wrpme.core.io import Operation
from wrpme.core.layout import REMOVED, beside, expiry_in, removal, version_in
from wrpme.core.replication import pending, replica
from wrpme.core.replication.replica import Replica, Role
from wrpme.core.replication.sweep import Sweep


def served_after_expiry() -> Broken:
    """An entry is served after its time has come, until it is swept away."""

    def expiry(value: bytes) -> int:
        return REMOVED if expiry_in(value) == REMOVED else 0

    return replica, "expiry_in", expiry


def copies_expire_by_themselves() -> Broken:
    """A holder removes what has expired by its own clock, and does not wait for its owner to say so."""
    honest = Sweep._expire

    def expire(self: Sweep) -> float:
        context: Any = self._context
        for held_here in self._table.mine:
            if held_here.role is Role.HOLDER:
                writes = held_here.writes
                for key, value in list(writes.pairs(writes.low, writes.high)):
                    if 0 < expiry_in(value) <= context.wall():
                        writes.unflushed.append(writes.apply(key, removal(version_in(value)), value))
        return honest(self)

    return Sweep, "_expire", expire


def forgotten_hints() -> Broken:
    """Nothing reminds of an expiry."""

    def without_hints(key: bytes, expiry: int, removed: bool, former: int | None) -> list[Operation]:
        return [operation for operation in beside(key, expiry, removed, former) if operation[0][:1] != b"x"]

    return pending, "beside", without_hints


def expires_here_only() -> Broken:
    """An owner that removes what has expired tells the other holders nothing of it."""

    def remove(self: Replica, key: bytes, held: bytes) -> None:
        self.writes.unflushed.append(self.writes.apply(key, removal(version_in(held)), held))
        self._dirty[self] = None

    return Replica, "remove", remove


def own_clock_is_believed() -> Broken:
    """An owner ends life spans by its own wall clock, whatever those of others show."""
    honest = clocks.Clocks._agree

    def agree(self: clocks.Clocks) -> None:
        honest(self)
        self._context.agreed_offset_milliseconds = None

    return clocks.Clocks, "_agree", agree


def expires_before_clocks_are_compared() -> Broken:
    """An owner that has just started ends life spans before it has heard another clock."""
    return NodeContext, "clock_is_checked", lambda self: True
