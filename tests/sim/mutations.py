"""Rules of the design that are broken on purpose, and where the simulation is to notice each.

A simulation that does not notice one of them within 300 seeds is not worth its time. The broken rules themselves are in
:mod:`tests.sim.broken`, by subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType

from tests.sim.broken import (
    Broken, answers, basics, copies, entries, expiry, handover, leases, outages, replication, storms, users, votes,
)  # fmt: skip
from tests.sim.run import Run, SimulationError
from tests.sim.storm import Storm

SEEDS_MAX = 300
STORM, STORM_NODES = "storm", 16
"""The corner of :mod:`tests.sim.storm`, and how many nodes it has here."""


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
    "no_prev_confirmation": Sought("usurping", 6, 6),
    "late_synced": Sought("joining", 18, 18),
    "older_writes": Sought("echoes", 1),
    "same_incarnation": Sought("usurping", 1, 4),
    "small_quorum": Sought("usurping", 1),
    "no_lease": Sought("usurping", 1),
    "no_suffixes": Sought("late_heir", 1),
    "lost_suffix": Sought("late_heir", 1),
    "down_beside_live": Sought("usurping", 2, 2),
    "acknowledged_before_sync": Sought("scanning", 1),
    "acknowledged_whole": Sought("halfway", 5, 5),
    "hot_values_outlive_ownership": Sought("usurping", 2, 2),
    "hot_values_outlive_writes": Sought("", 1),
    "acknowledged_after_freeze": Sought("halfway", 8, 8),
    "keeps_removed": Sought("moving", 1, 2),
    "keeps_its_role": Sought("usurping", 1),
    "counts_too_early": Sought("moving", 1),
    "retried_write": Sought("usurping", 3, 3),
    "not_found_without_owner": Sought("moving", 1),
    "two_voters_at_once": Sought("contested", 2, 2),
    "forgotten_count": Sought("reported_and_forgotten", 4, 4),
    "reads_what_is_pending": Sought("scanning", 5, 5, long=True),
    "accepts_below_promise": Sought("contested", 16, 16),
    "silent_promise": Sought("known_to_one", 1),
    "even_quorum": Sought("usurping", 2, 2),
    "adopted_before_disk": Sought("voting", 2, 2),
    "forgotten_owner": Sought("usurping", 1),
    "removed_too_early": Sought("churning", 1, 1),
    "first_comes_first": Sought("stopping", 2, 2),
    "answers_of_any_ballot": Sought("contested", 33, 33),
    "told_before_disk": Sought("voting", 19, 19),
    "cold_start_ignored": Sought("outage", 3, 3, long=True),
    "still_called_up": Sought("outage", 3, 3, long=True),
    "any_copy_wins": Sought("lying", 2, 2),
    "restarted_promised_nothing": Sought("dancing", 2, 2),
    "no_promise": Sought("late_acknowledgement", 1),
    "dead_owners_are_not_outwaited": Sought("late_acknowledgement", 1),
    "holders_need_not_confirm": Sought("late_heir", 9, 9),
    "sleeper_ends_writes": Sought("dancing", 6, 6),
    "pauses_void_nothing": Sought("frozen", 1),
    "promised_before_a_pause": Sought("frozen", 7, 7),
    "answered_before_disk": Sought("scanning", 1),
    "answered_before_holders": Sought("scanning", 1),
    "one_holder_is_enough": Sought("scanning", 1),
    "keeps_what_it_owes": Sought("two_writes", 3, 3),
    "answers_what_it_owes": Sought("halfway", 2, 2),
    "never_doubts": Sought("untaken", 1),
    "suffixes_over_newer": Sought("halfway", 1, 5),
    "divided_arcs_forget_writes": Sought("moving", 3, 3),
    "tail_without_present": Sought("late_heir", 1),
    "reported_too_early": Sought("dancing", 1),
    "first_part_is_all": Sought("part_of_a_suffix", 1),
    "gaps": Sought("halfway", 6, 6),
    "taken_twice": Sought("halfway", 4, 13),
    "writes_behind_the_cursor": Sought("moving", 2, 2),
    "holders_start_empty": Sought("halfway", 2, 8),
    "acknowledged_ahead": Sought("moving", 12, 12, long=True),
    "scans_see_what_is_pending": Sought("scanning", 4, 4, long=True),
    "scans_without_lease": Sought("usurping", 33, 33),
    "scans_at_any_epoch": Sought("scanning", 7, 7),
    "count_leaves_out": Sought("scanning", 1, 4),
    "count_of_copies": Sought("scanning", 1, 4),
    "pages_skip_one": Sought("scanning", 1, 2),
    "uncounted_removals": Sought("scanning", 1, 4),
    "lost_forwards_are_repeated": Sought("usurping", 12, 12),
    "served_after_expiry": Sought("expiring", 1),
    "copies_expire_by_themselves": Sought("expiring", 1),
    "forgotten_hints": Sought("expiring", 1),
    "expires_here_only": Sought("expiring", 1),
    "lowest_accepted": Sought("split_vote", 1),
    "decides_alone": Sought("split_vote", 1),
    "own_value": Sought("known_to_one", 1),
    "forgotten_votes": Sought("forgetful_voter", 1),
    "first_part_of_a_suffix": Sought("late_heir", 1),
    "settled_too_early": Sought("late_heir", 1, 1),
    "lowest_of_suffixes": Sought("two_writes", 3, 3),
    "removals_end_here": Sought("two_writes", 3, 3),
    "divided_arcs_forget": Sought("divided", 2, 2),
    "complete_at_once": Sought("first_message", 1),
    "any_part_of_a_suffix": Sought("late_question", 1),
    "any_version": Sought("returned_owner", 1),
    "sleeper_ends_unserved": Sought("stopped_in_takeover", 2, 2),
    "late_back": Sought("revived", 1),
    "committed_without_settling": Sought("untaken", 1),
    "lease_of_any_holder": Sought("seen_by_one", 3, 3),
    "lease_from_arrival": Sought("late_acknowledgement", 1),
    "lease_without_incoming": Sought("silent_giver", 1),
    "counted_without_lease": Sought("silent_giver", 1),
    "late_activated": Sought("old_word", 2, 2),
    "merges_what_moves": Sought("joined_meanwhile", 2, 2),
    "reported_before_it_arrived": Sought("lost_on_the_way", 2, 2),
    "same_version": Sought("lost_on_the_way", 2, 2),
    "acks_of_any_run": Sought("answers_of_before", 2, 3),
    "last_of_the_stream": Sought("last_part_lost", 1),
    "copies_what_is_wiped": Sought("swept_and_copied", 1, 1),
    "settled_in_memory": Sought("handed_over_twice", 1),
    "hung_disks_are_borne": Sought("hung", 23, 23),
    "old_copies_are_welcome": Sought("old_directory", 4, 4),
    "copies_do_not_know_it": Sought("forgotten_start", 1),
    "taken_back_unseen": Sought("forgotten_start", 51, 51),
    "fenced_by_incarnation": Sought("operated", 5, 5),
    "lost_answers_are_waited_for": Sought("lost", 5, 5, long=True),
    "seniors_before_marks": Sought("given_up", 1),
    "stale_hints_end_a_sweep": Sought("all_expire", 1),
    "nobody_compares_clocks": Sought("wrong_clock", 1),
    "space_is_kept": Sought("expiring", 1),
    "who_returns_is_passed_over": Sought("given_up_while_one_returns", 2, 2),
    "what_others_reach_may_go": Sought("reached_by_the_operator", 1),
    "former_lives_count": Sought("copied", 2, 2, long=True),
    "adds_to_what_is_acknowledged": Sought("counting", 1),
    "any_version_will_do": Sought("counting", 1, 7),
    "version_of_the_arc": Sought("counting", 1, 7),
    "batches_in_two_items": Sought("batching", 16, 16),
    "batches_divided_at_takeover": Sought("divided_transaction", 1),
    "half_a_suffix_counts": Sought("half_a_suffix", 1),
    "batches_acknowledged_early": Sought("batching", 25, 25),
    "own_clock_is_believed": Sought("one_clock", 1),
    "expires_before_clocks_are_compared": Sought("clock_of_a_start", 1),
    "followers_are_not_resynchronized": Sought("following", 1),
    "followers_hear_what_is_pending": Sought("following", 1, 4),
    "pages_of_the_ring_skip_one": Sought("walking", 1),
    "pages_of_the_ring_without_lease": Sought("walking", 141, 141, long=True),
    "snapshots_see_what_is_pending": Sought("taking", 32, 32),
    "snapshots_without_lease": Sought("taking", 26, 26),
    "snapshots_change": Sought("taking", 1),
    "gathered_reports_are_dropped": Sought("large", 38, 38),
    "numbers_are_changed_unseen": Sought("replicated", 1, 2),
    "more_copies_count_at_once": Sought("replicated", 1),
    "copies_that_are_down_are_given_up": Sought("replicated", 14, 14, long=True),
    "another_number_forgets_owners": Sought("replicated", 1, long=True),
    "the_number_alone": Sought("replicated", 2, 2, long=True),
    "patches_without_the_number": Sought("replicated", 1),
    "computes_at_every_member": Sought(STORM, 1, long=True),
    "reports_failures_while_late": Sought(STORM, 3, long=True),
    "unbounded_joins": Sought(STORM, 2, long=True),
    "removed_users_stay": Sought("", 29, 29),
    "old_passwords_count": Sought("", 14, 14),
    "what_was_compared_before_counts": Sought("", 14, 14),
    "prefixes_are_ignored": Sought("", 29, 29),
}


def _broken_in(place: ModuleType) -> dict[str, Callable[[], Broken]]:
    return {
        name: found
        for name, found in vars(place).items()
        if isinstance(found, FunctionType) and found.__module__ == place.__name__ and not name.startswith("_")
    }


_PLACES = (
    basics, votes, leases, handover, copies, answers, entries, expiry, outages, replication, storms, users,
)  # fmt: skip
ALL: dict[str, Callable[[], Broken]] = {name: found for place in _PLACES for name, found in _broken_in(place).items()}


HARMLESS: dict[str, str] = {
    "incoming_keeps_suffix": (
        "Nobody asks an incoming node for its suffix but where it is a former owner too, and an owner has forgotten "
        "what it received. Who was to be the owner and never heard of it was a holder until then: nothing was "
        "acknowledged without it. When its copy begins it forgets its suffix anyway."
    ),
    "acknowledged_late": (
        "What is acknowledged late was received before the holder handed over its suffix, and is in it: the new owner "
        "has taken it, or the holder is asleep and has it on its own disk. Where that holder is none any more, each "
        "one that still is has acknowledged it too, or it is not committed."
    ),
    "scans_miss_what_is_not_on_disk": (
        "A put that is acknowledged is on its owner's disk and in the index; one that is not may be left out, as "
        "the scan may have come before it."
    ),
    "settled_in_view_ignored": (
        "Whoever hands over a suffix was a holder or an owner throughout. What it hands over was settled at a version "
        "of which it acknowledges nothing before the owner's stream has told it that it is complete, and then it "
        "forgets its suffix; who was no holder in between forgot it with the view that said so. Until a view calls it "
        "settled the notes on disk say so, see settled_in_memory. The view keeps it all the same: by it voters know "
        "an old copy of a directory."
    ),
    "late_answers": (
        "What is read under a lease is true at that moment, which lies between the question and the answer, whenever "
        "that arrives: the clock is read after the question has come. A slow network makes answers later."
    ),
}
"""Why breaking a rule does no harm: something else guards against the same."""
OPEN: tuple[str, ...] = ()
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


def _live(seed: int, corner: str) -> None:
    if corner == STORM:
        Storm(seed, STORM_NODES).run()
    else:
        Run(seed, corner=corner).run()


def look_for(name: str, from_the_first: bool = False) -> int | None:
    """The first seed of its corner that notices the broken rule; None if none does."""
    sought = SOUGHT[name]
    seeds = list(range(1, SEEDS_MAX + 1))
    if not from_the_first:
        seeds.sort(key=lambda seed: seed != sought.seed)
    with applied(name):
        for seed in seeds:
            try:
                _live(seed, sought.corner)
            except SimulationError as error:
                # A broken rule that can't even be called would be noticed by anybody.
                assert isinstance(error.__cause__, AssertionError), f"{name} is no rule: {error.__cause__!r}"
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
