"""What nodes remember of what happened, in words."""

from __future__ import annotations

import pytest

from tests.harness import HIVE, Hive, hive_of, identity
from tests.view_parts import activate_all, back, down, grown, id_of, join, next_view, sync_all
from wrpme.core.event_log import EventLog
from wrpme.core.membership import transitions as views
from wrpme.core.limits import CLUSTER_EVENTS_KEPT, SILENCE_SECONDS, STOP_GATHER_SECONDS
from wrpme.limits import GRACE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol.events import KINDS, UNENDED, ClusterEvent
from wrpme.protocol.administration import LeaveNode
from wrpme.protocol.messages import Put
from wrpme.protocol.view import (
    Activated, Back, Down, Elect, Expel, Forget, Join, Leave, Patch, Proposal, State, Synced, View,
)  # fmt: skip


def step(before: View, after: View) -> tuple[View, View, Patch]:
    return before, after, views.difference(before, after)


def told(
    before: View, after: View, *changes: object, event_log: EventLog | None = None
) -> dict[str, list[ClusterEvent]]:
    """What one view and the next say, by kind."""
    proposal = Proposal(changes, Patch(), b"", id_of(0)) if changes else None  # type: ignore[arg-type]
    found: dict[str, list[ClusterEvent]] = {}
    for event in (event_log or EventLog()).adopt(*step(before, after), proposal, 10.0, 1000.0):
        assert event.hive and event.epoch == after.epoch and event.at == 1000
        found.setdefault(event.kind, []).append(event)
    return found


def sentences(events: list[ClusterEvent]) -> list[str]:
    return [event.sentence for event in events]


def alike(hive: Hive, epoch: int, *names: str) -> list[tuple[str, str, str]]:
    """What all these nodes told of that view."""
    by = [
        [(one.kind, one.node, one.sentence) for teller, one in hive.told if teller == name and one.hive
         and one.epoch == epoch]
        for name in names
    ]  # fmt: skip
    assert all(one == by[0] for one in by), by
    return by[0]


# --- from one view to the next -----------------------------------------------------------------------------------


def test_a_join_is_followed_to_its_end() -> None:
    event_log = EventLog()
    before = grown(2)
    event_log.adopt(None, before, None, None, 0.0, 0.0)
    joined = next_view(before, join(2))
    first = told(before, joined, join(2), event_log=event_log)
    assert sentences(first["joined"]) == ["n2 joined"]
    (copying,) = sentences(first["copying"])
    arcs = sum(id_of(2) in arc.incoming for arc in joined.arcs)
    assert copying == f"n2 receives {arcs} arcs, 33.3 % of the ring, from n0, n1"
    assert sentences(first["condition"])[0].startswith("the hive is stabilizing: ")
    assert sentences(first["view"]) == [f"view {joined.epoch}: n2 joins; proposed by n0"]

    synced = sync_all(joined)
    second = told(joined, synced, event_log=event_log)
    assert sentences(second["copied"]) == ["n2 has all that it was to receive: 33.3 % of the ring"]
    assert second["copied"][0].seconds == 0.0, "as the clock stands"
    assert sorted(sentences(second["owners"])) == [
        "16.7 % of the ring goes from n0 to n2", "16.7 % of the ring goes from n1 to n2",
    ]  # fmt: skip
    assert "activated" not in second and "condition" not in second, "it is still stabilizing"

    third = told(synced, activate_all(synced), event_log=event_log)
    assert sentences(third["activated"]) == ["n2 serves what it took over: 33.3 % of the ring"]
    assert sentences(third["condition"])[0].startswith("the hive is stable: ")


def test_a_copy_in_two_steps_is_done_at_the_second() -> None:
    event_log = EventLog()
    joined = next_view(grown(2), join(2))
    told(grown(2), joined, event_log=event_log)
    first = next(arc for arc in joined.arcs if arc.incoming)
    half = next_view(joined, Synced(first.end, first.version, id_of(2), first.holders[0], 1))
    assert "copied" not in told(joined, half, event_log=event_log)
    assert sentences(told(half, sync_all(half), event_log=event_log)["copied"]) == [
        "n2 has all that it was to receive: 33.3 % of the ring"
    ]


def test_a_copy_to_a_node_that_died_is_not_done() -> None:
    event_log = EventLog()
    joined = next_view(grown(2), join(2))
    told(grown(2), joined, event_log=event_log)
    dead = next_view(joined, down(2))
    found = told(joined, dead, down(2), event_log=event_log)
    assert "copied" not in found and sentences(found["down"]) == ["n2 is down"]
    again = next_view(dead, back(2, 2))
    assert "copied" not in told(dead, again, back(2, 2), event_log=event_log)


def test_a_death_and_a_return() -> None:
    event_log = EventLog()
    before = grown(3)
    dead = next_view(before, down(1))
    assert sentences(told(before, dead, down(1), event_log=event_log)["down"]) == ["n1 is down"]
    proposal = Proposal((back(1, 2),), Patch(), b"", id_of(0))
    risen = next_view(dead, back(1, 2))
    again = event_log.adopt(dead, risen, views.difference(dead, risen), proposal, 14.5, 0.0)
    (up,) = [one for one in again if one.kind == "back"]
    assert (up.sentence, up.node, up.seconds) == ("n1 is up again", "n1", 4.5)


def test_what_stops_as_planned_is_not_dead() -> None:
    planned = Down(id_of(1), 1, planned=True)
    found = told(grown(3), next_view(grown(3), planned), planned)
    assert sentences(found["stopped"]) == ["n1 has stopped as planned"] and "down" not in found
    assert sentences(found["view"])[0].endswith(": n1 stops as planned; proposed by n0")


def test_arcs_without_an_owner_find_one_again() -> None:
    """With one copy, what a dead node held waits for it."""
    dead = next_view(grown(2), down(1))
    again = next_view(dead, back(1, 2))
    (owners,) = told(dead, again, back(1, 2))["owners"]
    assert owners.sentence == "50.0 % of the ring, which had no owner, is served by n1 again" and owners.node == "n1"


def test_of_a_view_that_was_learnt_as_a_whole_it_says_so() -> None:
    before = grown(2)
    after = activate_all(sync_all(next_view(before, join(2))))
    assert after.epoch > before.epoch + 1
    found = told(before, after)
    assert sentences(found["joined"]) == ["n2 joined"], "what follows from the views is told all the same"
    assert sum(event.sentence.endswith(" to n2") for event in found["owners"]) == 2
    (view,) = sentences(found["view"])
    assert view == f"view {after.epoch}: learnt as a whole; what was proposed, and by whom, is not known here"


def test_the_first_view_says_nothing_of_a_change() -> None:
    assert EventLog().adopt(None, grown(3), None, None, 0.0, 0.0) == []


def test_the_condition_is_told_when_its_word_changes_with_how_long_it_lasted() -> None:
    event_log = EventLog()
    before = grown(3)
    event_log.adopt(None, before, None, None, 100.0, 0.0)
    one = next_view(before, down(1))
    (degraded,) = [x for x in event_log.adopt(*step(before, one), None, 107.25, 0.0) if x.kind == "condition"]
    assert degraded.seconds == 7.25 and degraded.node == ""
    two = next_view(one, down(2))
    assert not [x for x in event_log.adopt(*step(one, two), None, 108.0, 0.0) if x.kind == "condition"], "the same word"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Join(b"x", 1, "n9"), "n9 joins"),
        (Back(id_of(1), 2, "n1"), "n1 comes back"),
        (Down(id_of(1), 1), "n1 is down"),
        (Elect(id_of(1)), "n1 becomes a voter"),
        (Leave(id_of(1), 1), "n1 leaves for good"),
        (Expel(id_of(1), 1), "n1 has been down for longer than the grace and is not waited for"),
        (Forget(id_of(1), 1), "an operator gives n1 up"),
        (Synced(0, 1, id_of(1), id_of(0), 1), "n1 has 1 arc that it was to receive, says n0"),
        (Activated(0, 1, id_of(1), 1), "n1 says that it serves 1 arc it took over"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_every_change_has_words(change: object, words: str) -> None:
    before = grown(2)
    after = next_view(before, join(2))
    assert sentences(told(before, after, change)["view"]) == [f"view {after.epoch}: {words}; proposed by n0"]


def test_many_changes_are_counted() -> None:
    before = grown(2)
    after = next_view(before, join(2))
    reports = [Synced(end, 1, id_of(1), id_of(0), 1) for end in range(30)]
    joins = [Join(b"%d" % number, 1, f"x{number}") for number in range(20)]
    (view,) = sentences(told(before, after, *reports)["view"])
    assert view == f"view {after.epoch}: n1 has 30 arcs that it was to receive, says n0; proposed by n0"
    (view,) = sentences(told(before, after, *joins)["view"])
    assert view.count("joins") == 8 and "; and 12 more changes; proposed by n0" in view


def test_an_old_proposal_has_no_proposer() -> None:
    before = grown(2)
    after = next_view(before, join(2))
    proposal = Proposal((join(2),), Patch(), b"")
    (view,) = [told for told in EventLog().adopt(*step(before, after), proposal, 0, 0) if told.kind == "view"]
    assert view.sentence == f"view {after.epoch}: n2 joins"


# --- in a hive ---------------------------------------------------------------------------------------------------


def test_all_nodes_tell_the_same_of_a_view_and_remember_it() -> None:
    hive = hive_of("a", "b", "c", replication=2)
    hive.told.clear()
    hive.kill("c")
    hive.until(lambda: bool(hive.heard("a", "down") and hive.heard("b", "down")))
    epoch = hive.heard("a", "down")[0].epoch
    shared = alike(hive, epoch, "a", "b")
    assert ("down", "c", "c is down") in shared
    assert {kind for kind, _, _ in shared} == {"down", "owners", "condition", "view"}
    assert shared[-1][2].startswith(f"view {epoch}: c is down; proposed by ")
    assert list(hive.nodes["a"].events)[-len(shared):] == [
        one for teller, one in hive.told if teller == "a"
    ][-len(shared):]  # fmt: skip
    hive.start("c")
    hive.stable("a", "b", "c")
    (back_again,) = hive.heard("a", "back")
    assert back_again.seconds > 0 and hive.heard("a", "copying") and hive.heard("a", "copied")[0].seconds >= 0


def test_who_is_missed_is_suspected_and_heard_again() -> None:
    """Two that are no voters do not see each other: nobody takes either for dead so soon."""
    hive = hive_of(*"abcdefg")
    assert not {identity("f"), identity("g")} & set(hive.view("a").voters)
    hive.told.clear()
    hive.cut("f", "g")
    hive.until(lambda: bool(hive.heard("f", "suspected")))
    (suspected,) = hive.heard("f", "suspected")
    assert suspected.node == "g" and not suspected.hive and suspected.seconds == UNENDED
    assert suspected.sentence.startswith("no sign of g for 1.") and not hive.heard("a", "suspected")
    hive.heal()
    hive.until(lambda: bool(hive.heard("f", "heard")))
    (heard,) = hive.heard("f", "heard")
    assert heard.node == "g" and heard.sentence == "g is heard again" and heard.seconds >= SILENCE_SECONDS
    hive.go(2.0)
    assert len(hive.heard("f", "suspected")) == len(hive.heard("f", "heard")) == 1


def test_of_a_dead_node_nobody_says_that_it_is_heard_again() -> None:
    hive = hive_of("a", "b", "c")
    hive.kill("c")
    hive.until(lambda: bool(hive.heard("a", "down")))
    hive.go(2.0)
    assert hive.heard("a", "suspected") or hive.heard("b", "suspected"), "whoever missed it first"
    assert not hive.heard("a", "heard") and not hive.heard("b", "heard")


def test_the_loss_of_the_quorum_and_its_return() -> None:
    hive = hive_of("a", "b", "c")
    hive.cut("a", "c")
    hive.cut("b", "c")
    hive.until(lambda: bool(hive.heard("c", "quorum_lost")))
    assert "sees 1 of 3 voters" in hive.heard("c", "quorum_lost")[0].sentence
    hive.until(lambda: bool(hive.heard("a", "down")))
    hive.heal()
    hive.until(lambda: len(hive.heard("c", "serving")) == 2)
    (cut_off,) = hive.heard("c", "cut_off")
    assert cut_off.node == "c" and cut_off.seconds > 0 and "took this node for dead" in cut_off.sentence
    hive.until(lambda: bool(hive.heard("c", "quorum")))
    assert hive.heard("c", "quorum")[0].seconds > 0


def test_a_planned_stop() -> None:
    hive = hive_of("a", "b")
    hive.stop("b")
    hive.go(STOP_GATHER_SECONDS + 1.0)
    assert [one.node for one in hive.heard("b", "stopping")] == ["b"]
    assert sentences(hive.heard("a", "stopped")) == ["b has stopped as planned"] and not hive.heard("a", "down")


def test_who_leaves_has_left() -> None:
    hive = hive_of("a", "b", "c")
    hive.ask("c", LeaveNode(1, identity("c")))
    hive.until(lambda: bool(hive.heard("a", "left")), seconds=20)
    assert sentences(hive.heard("a", "leaving")) == ["c is leaving"]
    assert sentences(hive.heard("a", "left")) == ["c has left"]


def test_who_is_not_waited_for_is_expelled() -> None:
    hive = hive_of("a", "b", "c", "d", replication=2)
    hive.kill("d")
    hive.until(lambda: bool(hive.heard("a", "expelled")), seconds=GRACE_SECONDS + 10)
    assert hive.heard("a", "expelled")[0].seconds >= GRACE_SECONDS
    assert hive.said("a", "d is not waited for any longer, and no member now")


def test_whom_an_operator_gives_up_is_forgotten() -> None:
    hive = hive_of("a", "b", "c")
    hive.kill("c")
    hive.until(lambda: bool(hive.heard("a", "down")))
    member = view_index.member(hive.view("a"), identity("c"))
    assert member is not None and member.state is State.DOWN
    hive.forget("a", "c")
    hive.until(lambda: bool(hive.heard("a", "forgotten")))
    assert sentences(hive.heard("a", "forgotten")) == ["c was given up by an operator, and is no member now"]
    assert not hive.heard("a", "expelled")


def test_a_new_generation_is_told_with_whom_it_lacks() -> None:
    hive = hive_of("a", "b", "c")
    hive.kill("b")
    hive.kill("c")
    hive.until(lambda: bool(hive.heard("a", "quorum_lost")))
    hive.go(1.0)  # at first they may still be on their way: a recovery leaves out nobody who was just heard
    hive.ask("a", hive.recovery("a"))
    (recovered,) = hive.heard("a", "recovered")
    assert recovered.sentence == "an operator began generation 2 of the hive; without b, c"
    assert not hive.heard("a", "expelled") and "by an operator's word" in hive.heard("a", "view")[-1].sentence


def test_the_beginning() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE, replication=2)
    hive.go(1.0)
    assert [(one.kind, one.sentence.split(" as node")[0], one.epoch) for _, one in hive.told] == [
        ("founded", "a founds the hive, which keeps 2 copies of each entry", 1), ("serving", "serving at a", 1),
    ]  # fmt: skip
    hive.kill("a")
    hive.told.clear()
    hive.start("a")
    hive.until(lambda: bool(hive.heard("a", "serving")))
    assert not hive.heard("a", "founded") and sentences(hive.heard("a", "restarted")) == ["a has started again"]


def test_numbers_grow_and_the_oldest_are_forgotten() -> None:
    event_log = EventLog()
    for number in range(CLUSTER_EVENTS_KEPT + 10):
        event_log.note(0.0, "heard", 1, "a", f"{number}")
    assert [one.number for one in event_log.kept] == list(range(11, CLUSTER_EVENTS_KEPT + 11))


def test_every_kind_that_is_told_is_a_known_one() -> None:
    hive = hive_of("a", "b", "c", replication=2)
    for number in range(50):
        hive.ask("a", Put(1, b"k%d" % number, b"1"))
    hive.kill("b")
    hive.go(5.0)
    hive.start("b")
    hive.stable("a", "b", "c")
    kinds = {event.kind for _, event in hive.told}
    assert kinds <= set(KINDS)
    assert {"joined", "voter", "copying", "copied", "owners", "activated", "condition", "view", "down", "back"} <= kinds
