"""Rules of the design that are broken on purpose, and where the simulation is to notice each.

A simulation that does not notice one of them within 300 seeds is not worth its time. The broken rules themselves are in
:mod:`tests.sim.broken`, by subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType

from tests.sim.broken import Broken, answers, basics, copies, expiry, handover, leases, votes
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
    "lost_tail": Sought("halfway", 3, 3),
    "acknowledged_after_freeze": Sought("halfway", 3, 3),
    "holders_need_not_confirm": Sought("halfway", 3, 3),
    "never_doubts": Sought("halfway", 7, 7),
    "lowest_of_tails": Sought("halfway", 1),
    "tails_over_newer": Sought("halfway", 3, 3),
    "tail_without_present": Sought("halfway", 3, 3),
    "first_part_is_all": Sought("halfway", 7, 7),
    "gaps": Sought("halfway", 9, 9),
    "taken_twice": Sought("halfway", 10, 10),
    "acknowledged_ahead": Sought("moving", 4, 4),
    "last_of_the_stream": Sought("halfway", 6, 6),
    "scans_see_what_is_pending": Sought("scanning", 3, 3),
    "scans_without_lease": Sought("usurping", 8, 8),
    "scans_at_any_epoch": Sought("scanning", 6, 6),
    "count_leaves_out": Sought("scanning", 1),
    "count_of_copies": Sought("scanning", 1),
    "pages_skip_one": Sought("scanning", 1),
    "uncounted_removals": Sought("scanning", 1),
    "lost_forwards_are_repeated": Sought("usurping", 1),
    "pauses_void_nothing": Sought("frozen", 1),
    "promised_before_a_pause": Sought("frozen", 4, 4),
}


def _broken_in(place: ModuleType) -> dict[str, Callable[[], Broken]]:
    return {
        name: found
        for name, found in vars(place).items()
        if isinstance(found, FunctionType) and found.__module__ == place.__name__ and not name.startswith("_")
    }


ALL: dict[str, Callable[[], Broken]] = {
    name: found
    for place in (basics, votes, leases, handover, copies, answers, expiry)
    for name, found in _broken_in(place).items()
}


HARMLESS: dict[str, str] = {
}
"""Why breaking a rule does no harm: something else guards against the same."""
OPEN: tuple[str, ...] = (
    "no_prev_confirmation",
    "late_synced",
    "older_writes",
    "same_incarnation",
    "small_quorum",
    "no_lease",
    "no_tails",
    "down_beside_live",
    "acknowledged_before_sync",
    "keeps_removed",
    "keeps_its_role",
    "counts_too_early",
    "retried_write",
    "not_found_without_owner",
    "two_voters_at_once",
    "forgotten_count",
    "reads_what_is_pending",
    "lowest_accepted",
    "own_value",
    "accepts_below_promise",
    "silent_promise",
    "forgotten_votes",
    "even_quorum",
    "adopted_before_disk",
    "late_back",
    "late_activated",
    "forgotten_owner",
    "same_version",
    "removed_too_early",
    "merges_what_moves",
    "first_comes_first",
    "decides_alone",
    "answers_of_any_ballot",
    "told_before_disk",
    "cold_start_ignored",
    "still_called_up",
    "any_copy_wins",
    "restarted_promised_nothing",
    "no_promise",
    "dead_owners_are_not_outwaited",
    "lease_from_arrival",
    "lease_without_incoming",
    "lease_of_any_holder",
    "late_answers",
    "former_lives_count",
    "sleeper_ends_writes",
    "counted_without_lease",
    "answered_before_disk",
    "answered_before_holders",
    "one_holder_is_enough",
    "keeps_what_it_owes",
    "answers_what_it_owes",
    "removals_end_here",
    "any_version",
    "any_tail",
    "committed_without_settling",
    "incoming_keeps_tail",
    "divided_arcs_forget",
    "divided_arcs_forget_writes",
    "settled_too_early",
    "acknowledged_late",
    "settled_in_view_ignored",
    "settled_in_memory",
    "reported_too_early",
    "reported_before_it_arrived",
    "first_part_of_a_tail",
    "any_part_of_a_tail",
    "acks_of_any_run",
    "writes_behind_the_cursor",
    "holders_start_empty",
    "copies_what_is_wiped",
    "complete_at_once",
    "scans_miss_what_is_not_on_disk",
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
