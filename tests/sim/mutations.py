"""Rules of the design that are broken on purpose, and where the simulation is to notice each.

A simulation that does not notice one of them within 300 seeds is not worth its time. The broken rules themselves are in
:mod:`tests.sim.broken`, by subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType

from tests.sim.broken import Broken, answers, basics, copies, handover, leases, votes
from tests.sim.run import Run, SimulationError

SEEDS_MAX = 300


@dataclass(frozen=True, slots=True)
class Sought:
    """Where a broken rule is looked for: the ``corner`` (empty: anywhere), how many seeds of it from 1 on it ``took``,
    and a ``seed`` that is cheap and noticed it once, to begin with. What happens in a seed changes with the product:
    then the others find it, and this one costs nothing but its time. ``long``: only the long run looks for it."""

    corner: str = ""
    took: int = 0
    seed: int = 1
    long: bool = False


SOUGHT: dict[str, Sought] = {
    "no_prev_confirmation": Sought("usurping", 2, 2),
    "late_synced": Sought("joining", 2, 2),
    "older_writes": Sought("echoes", 5, 5),
    "same_incarnation": Sought("usurping", 1),
    "small_quorum": Sought("usurping", 1),
    "no_lease": Sought("usurping", 1),
    "no_tails": Sought("scanning", 3, 3),
    "down_beside_live": Sought("usurping", 2, 2),
    "acknowledged_before_sync": Sought("scanning", 1),
    "keeps_removed": Sought("moving", 2, 2),
    "keeps_its_role": Sought("usurping", 1),
    "counts_too_early": Sought("moving", 1),
    "retried_write": Sought("usurping", 4, 4),
    "not_found_without_owner": Sought("moving", 4, 4),
    "two_voters_at_once": Sought("contested", 2, 2),
    "forgotten_count": Sought("moving", 5, 5),
    "reads_what_is_pending": Sought("scanning", 3, 3),
    "accepts_below_promise": Sought("contested", 3, 3),
    "silent_promise": Sought("contested", 3, 3),
    "even_quorum": Sought("usurping", 2, 2),
    "adopted_before_disk": Sought("voting", 1),
    "forgotten_owner": Sought("usurping", 1),
    "removed_too_early": Sought("churning", 3, 3, long=True),
    "first_comes_first": Sought("stopping", 2, 2),
    "decides_alone": Sought("contested", 2, 2),
    "answers_of_any_ballot": Sought("contested", 4, 4),
    "told_before_disk": Sought("voting", 2, 2),
    "no_promise": Sought("usurping", 2, 2),
    "dead_owners_are_not_outwaited": Sought("usurping", 2, 2),
    "answered_before_disk": Sought("scanning", 1),
    "answered_before_holders": Sought("scanning", 1),
    "one_holder_is_enough": Sought("scanning", 2, 2),
    "keeps_what_it_owes": Sought("stopping", 2, 2),
    "answers_what_it_owes": Sought("stopping", 2, 2),
    "divided_arcs_forget_writes": Sought("moving", 3, 3),
}


def _broken_in(place: ModuleType) -> dict[str, Callable[[], Broken]]:
    return {
        name: found
        for name, found in vars(place).items()
        if isinstance(found, FunctionType) and found.__module__ == place.__name__ and not name.startswith("_")
    }


ALL: dict[str, Callable[[], Broken]] = {
    name: found
    for place in (basics, votes, leases, handover, copies, answers)
    for name, found in _broken_in(place).items()
}


HARMLESS: dict[str, str] = {
}
"""Why breaking a rule does no harm: something else guards against the same."""
OPEN: tuple[str, ...] = (
    "lost_tail",
    "acknowledged_after_freeze",
    "lowest_accepted",
    "own_value",
    "forgotten_votes",
    "late_back",
    "late_activated",
    "same_version",
    "merges_what_moves",
    "restarted_promised_nothing",
    "lease_from_arrival",
    "lease_without_incoming",
    "lease_of_any_holder",
    "late_answers",
    "former_lives_count",
    "holders_need_not_confirm",
    "sleeper_ends_writes",
    "counted_without_lease",
    "never_doubts",
    "lowest_of_tails",
    "tails_over_newer",
    "removals_end_here",
    "any_version",
    "any_tail",
    "committed_without_settling",
    "incoming_keeps_tail",
    "divided_arcs_forget",
    "tail_without_present",
    "settled_too_early",
    "acknowledged_late",
    "reported_too_early",
    "first_part_is_all",
    "gaps",
    "taken_twice",
    "acks_of_any_run",
    "writes_behind_the_cursor",
    "sends_nothing_again",
    "holders_start_empty",
    "copies_what_is_wiped",
    "acknowledged_ahead",
    "last_of_the_stream",
    "complete_at_once",
    "scans_see_what_is_pending",
    "scans_without_lease",
    "scans_miss_what_is_not_on_disk",
    "scans_at_any_epoch",
    "count_leaves_out",
    "count_of_copies",
    "pages_skip_one",
    "uncounted_removals",
    "lost_forwards_are_repeated",
)
"""Not noticed by any seed that was tried so far."""


@contextmanager
def applied(name: str) -> Iterator[None]:
    """That rule is broken within; no name breaks none."""
    if not name:
        yield
        return
    place, function, broken = ALL[name]()
    honest = getattr(place, function)
    setattr(place, function, broken)
    try:
        yield
    finally:
        setattr(place, function, honest)


def look_for(name: str, from_the_first: bool = False) -> int | None:
    """The first seed of its corner that notices the broken rule; None if none does."""
    sought = SOUGHT[name]
    seeds = list(range(1, SEEDS_MAX + 1))
    if not from_the_first:
        seeds.sort(key=lambda seed: seed != sought.seed)
    with applied(name):
        for seed in seeds:
            try:
                Run(seed, corner=sought.corner).run()
            except SimulationError:
                return seed
    return None


def rule(name: str) -> str:
    """What the broken rule says, in words."""
    words = (ALL[name].__doc__ or "").strip().rstrip(".")
    return words[:1].lower() + " ".join(words.split())[1:]


def table() -> str:
    """For docs/simulation.md."""
    lines = ["| rule that is broken | seeds | scenarios |", "|---|---|---|"]
    lines += [
        f"| `{name}`: {rule(name)} | {sought.took} | {sought.corner or 'any'} |" for name, sought in SOUGHT.items()
    ]
    if HARMLESS:
        lines += ["", "| rule that may be broken | why that does no harm |", "|---|---|"]
        lines += [f"| `{name}`: {rule(name)} | {why} |" for name, why in HARMLESS.items()]
    if OPEN:
        lines += ["", "Not noticed so far:", ""]
        lines += [f"- `{name}`: {rule(name)}" for name in OPEN]
    return "\n".join(lines)
