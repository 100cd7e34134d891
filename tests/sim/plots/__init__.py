"""Plots: for each of some rules the schedule in which it is needed, see :mod:`tests.sim.stage`.

Chance brings such schedules together once in many thousand seeds, or never. What a seed chooses is who plays whom, the
clocks, the disks and the latencies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.sim.network import Habits
from tests.sim.plots import copies, leases, operators, owners, suffixes, votes
from tests.sim.stage import Missed, Stage

if TYPE_CHECKING:
    from tests.sim.run import Run

Plot = Callable[["Run"], None]


def played(steps: Callable[[Stage], None]) -> Plot:
    """The plot as a run has it."""

    def plot(run: Run) -> None:
        run.world.faults.begin()
        stage = Stage(run)
        try:
            steps(stage)
        except Missed:
            run.world.say(None, "what the plot needs has not come about")
            run.missed = True
        stage.let(*list(run.world.faults.rules))

    return plot


def staged(steps: Callable[[Stage], None], **other: Any) -> dict[str, Any]:
    """The fields of a scenario for it."""
    fields: dict[str, Any] = {
        "nodes": 3, "start_seconds": (0.1, 0.5), "quiet_seconds": 0.0, "storm_seconds": 0.0, "disk_seconds": 0.002,
        "padding_bytes": 0, "clients": 0, "think_seconds": 1.0, "habits": Habits(latency=0.002), "replication": 3,
        "small": True, "entries": 40, "plot": played(steps),
    }  # fmt: skip
    return fields | other


PLOTS: dict[str, dict[str, Any]] = {
    "split_vote": staged(votes.split_vote, nodes=5, late=2, replication=1),
    "known_to_one": staged(votes.known_to_one, nodes=5, late=2, replication=1),
    "forgetful_voter": staged(votes.forgetful_voter, nodes=4, late=1, replication=1),
    "forgotten_start": staged(votes.forgotten_start, nodes=3, replication=2),
    "old_directory": staged(votes.old_directory, nodes=5, late=2, replication=2),
    "late_heir": staged(suffixes.late_heir),
    "two_writes": staged(suffixes.two_writes_of_one_entry),
    "divided": staged(suffixes.divided, nodes=4, late=1),
    "divided_transaction": staged(suffixes.divided_transaction, nodes=5, bounds={"STREAM_BYTES_USUAL": 1}),
    "part_of_a_suffix": staged(suffixes.part_of_a_suffix, nodes=5, bounds={"STREAM_BYTES_USUAL": 1}),
    "half_a_suffix": staged(suffixes.half_a_suffix, nodes=5, bounds={"STREAM_BYTES_USUAL": 1}),
    "first_message": staged(suffixes.first_message_only, nodes=4, late=1),
    "returned_owner": staged(owners.returned_owner),
    "late_question": staged(owners.late_question),
    "revived": staged(owners.revived),
    "untaken": staged(owners.untaken, nodes=5),
    "stopped_in_takeover": staged(owners.stopped_in_takeover),
    "seen_by_one": staged(leases.seen_by_one),
    "late_acknowledgement": staged(leases.late_acknowledgement),
    "silent_giver": staged(leases.silent_giver, nodes=4, late=1, replication=1),
    "old_word": staged(leases.old_word, nodes=3, late=1, replication=1),
    "joined_meanwhile": staged(
        leases.joined_meanwhile,
        nodes=4,
        late=2,
        replication=1,
        bounds={"ARCS_PER_MEMBER_MAX": 1},
    ),
    "lost_on_the_way": staged(copies.lost_on_the_way, nodes=4, late=1, replication=1),
    "answers_of_before": staged(copies.answers_of_before, nodes=4, late=1, replication=1),
    "last_part_lost": staged(copies.last_part_lost),
    "swept_and_copied": staged(
        copies.swept_and_copied,
        nodes=3,
        late=1,
        replication=1,
        disk_seconds=0.1,
        entries=80,
        bounds={"WIPE_ENTRIES_MAX": 1, "COPY_RANGE_ENTRIES_MAX": 1, "COPY_WINDOW_RANGES": 30},
    ),
    "given_up": staged(operators.given_up, late=1),
    "given_up_while_one_returns": staged(operators.given_up_while_one_returns, nodes=5, late=1, replication=5),
    "reached_by_the_operator": staged(operators.reached_by_the_operator, replication=2),
    "all_expire": staged(operators.all_expire),
    "wrong_clock": staged(operators.wrong_clock),
    "clock_of_a_start": staged(operators.clock_of_a_start, replication=1),
    "reported_and_forgotten": staged(copies.reported_and_forgotten, nodes=7, late=1, replication=1),
    "handed_over_twice": staged(copies.handed_over_twice, nodes=4, late=1, replication=1),
}
