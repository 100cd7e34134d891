"""What plots have in common: who plays whom, and what is written before things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.sim.stage import Missed, Stage
from wrpme.protocol.messages import Report
from wrpme.protocol.view import Synced

if TYPE_CHECKING:
    from tests.sim.machine import Machine

QUIET_SECONDS = 12.0
"""From then on nodes are suspected."""
WATCHED_SECONDS = 1.0
"""Until then copies are compared."""


def told(kind: type[Any]) -> Callable[[Any], bool]:
    """Of reports: whether they have such a change."""
    return lambda body: any(isinstance(change, kind) for change in body.changes)


def join_through(s: Stage, newcomer: int, voter: Machine) -> None:
    """One more node wants in, and only that voter hears of it."""
    machine = s.machines[newcomer]
    machine.peers, machine.away = (voter.address,), False
    machine.start()


def all_written(s: Stage) -> None:
    s.wait(QUIET_SECONDS)
    asked = [s.ask(alias, "put") for alias in s.run.workload.aliases]
    s.until(lambda: all(one.result == "ok" for one in asked))
    s.wait(0.5)  # and everybody knows that all have it


def cast(
    s: Stage, fits: Callable[[Machine, Machine], bool] = lambda owner, heir: True
) -> tuple[str, Machine, Machine, Machine]:
    """An entry with its first three holders in their order, of which the first two fit; all entries are written."""
    all_written(s)
    holders = {alias: s.holders(alias) for alias in s.run.workload.aliases}
    aliases = [alias for alias, those in holders.items() if len(those) > 2 and fits(those[0], those[1])]
    s.random.shuffle(aliases)
    if not aliases:
        raise Missed
    alias = max(aliases, key=lambda one: len(s.of_arc(one)))
    owner, *others = s.holders(alias)
    return alias, owner, others[0], others[1]


def served_anew(s: Stage, alias: str, version: int) -> None:
    """The arc has a new version, and its owner serves."""
    s.until(lambda: s.arc(alias).version > version and s.replica(s.owner(alias), alias).serving, 15.0)
    s.wait(WATCHED_SECONDS)


def newly_joined(s: Stage) -> Machine:
    machine = s.machines[-1]
    machine.peers = tuple(other.address for other in s.others())
    machine.away = False
    machine.start()
    return machine


def reports(s: Stage, node: Machine) -> Callable[[], tuple[Machine, Synced] | None]:
    """Who has reported first that this node has a complete copy of an arc with entries, and of which."""
    aliases = s.run.workload.aliases
    heard = s.hear_of(s.machines, s.machines, Report, told(Synced))

    def found() -> tuple[Machine, Synced] | None:
        for machine, envelope in heard.kept:
            for change in envelope.body.changes:  # type: ignore[union-attr]
                if isinstance(change, Synced) and change.node == node.identity:
                    if any(s.arc(alias).end == change.end for alias in aliases):
                        return machine, change
        return None

    return found
