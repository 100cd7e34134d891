"""Another number of copies for a hive that lives: what the view makes of it, case by case, and what the nodes do."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import pytest
from msgspec.structs import replace

from tests.harness import Hive, hive_of, identity, word_of
from tests.view_parts import HIVE, activate_all, back, down, id_of, join, next_view, settle, sync_all
from wrpme.core.membership import transitions as views
from wrpme.limits import REPLICATION_MAX
from wrpme.protocol import health, ring, view_index
from wrpme.protocol.administration import SetReplication
from wrpme.protocol.messages import Done, Failed, Get, Put
from wrpme.protocol.view import Back, Leave, Mark, Member, Replicate, State, Synced, View

A, B, C, D, E = (id_of(number) for number in range(5))
NUMBERS = list(permutations(range(1, REPLICATION_MAX + 1), 2))


@cache
def hive(count: int, replication: int) -> View:
    view = views.found(HIVE, A, 1, "n0", replication)
    for number in range(1, count):
        view = settle(next_view(view, join(number)))
    return view


def replicate(view: View, replication: int) -> View:
    """The view with that number of copies, as its patch makes it and in no other way."""
    made = views.next_view(view, [Replicate(replication, view.replication)])
    assert made is not None
    following, patch = made
    views.validate(following)
    assert patch.replication == following.replication == replication
    assert views.difference(view, following) == patch and view_index.patched(view, patch) == following
    assert view_index.digest(view_index.patched(view, patch)) == view_index.digest(following)
    return following


def copies(view: View) -> set[int]:
    return {len(arc.holders) for arc in view.arcs}


# --- the view ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 4, 7])
@pytest.mark.parametrize(("before", "after"), NUMBERS)
def test_more_copies_are_made_and_fewer_are_dropped(count: int, before: int, after: int) -> None:
    view = hive(count, before)
    following = replicate(view, after)
    table = view_index.index_of(view).table
    for arc in following.arcs:
        known = table.arc(arc.end)
        assert len(arc.wanted) == min(after, count)
        assert set(arc.incoming) == set(arc.wanted) - set(arc.holders), "who shall have a copy receives it"
        assert len(arc.holders) == min(before, after, count), "none counts before it is made, none goes that is needed"
        assert set(arc.holders) <= set(known.holders) and arc.holders[0] == known.holders[0], "the owner stays"
        if known.end == arc.end and ring.arc_start(following, following.arcs.index(arc)) == table.first(arc.end):
            assert (arc.version == following.epoch) is ((arc.holders, arc.incoming) != (known.holders, known.incoming))
    rest = settle(following)
    assert copies(rest) == {min(after, count)}


def test_the_number_is_changed_only_for_who_knows_it() -> None:
    view = hive(3, 2)
    for void in (Replicate(3, 1), Replicate(2, 2), Replicate(0, 2), Replicate(REPLICATION_MAX + 1, 2)):
        assert not views.fits(view, void) and views.apply(view, [void]) is None
    both = next_view(view, Replicate(3, 2), Replicate(1, 2))
    assert both.replication == 3 and copies(sync_all(both)) == {3}, "of two at once the first one has its way"


def test_back_and_forth_before_the_copies_are_made_is_as_it_was() -> None:
    view = hive(5, 2)
    again = replicate(replicate(view, 3), 2)
    assert [(arc.end, arc.holders, arc.wanted) for arc in again.arcs] == [
        (arc.end, arc.holders, arc.wanted) for arc in view.arcs
    ]
    assert not any(arc.incoming or arc.prev for arc in again.arcs)


def test_a_copy_that_is_reported_to_an_earlier_number_is_void() -> None:
    """Its version is another one: the copy is compared once more, and nothing that was under way counts by mistake."""
    joined = next_view(hive(3, 2), join(3))
    arc = next(arc for arc in joined.arcs if arc.incoming)
    report = Synced(arc.end, arc.version, arc.incoming[0], arc.holders[0], 1)
    assert views.fits(joined, report)
    assert not views.fits(replicate(joined, 3), report)


@pytest.mark.parametrize("wanted", [1, 3, 5])
def test_copies_that_are_under_way_are_made_or_not_needed(wanted: int) -> None:
    joined = next_view(hive(3, 2), join(3))
    following = replicate(joined, wanted)
    for arc in following.arcs:
        assert len(arc.holders) == min(wanted, 2) and D not in arc.holders
    assert copies(settle(following)) == {min(wanted, 4)}


def test_the_last_copy_stays_where_another_node_shall_have_it() -> None:
    """Of an arc that is on its way from one node to another the one that has it goes only when the other has it."""
    joined = next_view(hive(3, 2), join(3))
    moving = [arc.end for arc in joined.arcs if arc.wanted[0] == D]
    assert moving
    following = replicate(joined, 1)
    table = view_index.index_of(following).table
    for end in moving:
        arc = table.arc(end)
        assert (arc.wanted, arc.incoming, len(arc.holders)) == ((D,), (D,), 1) and arc.holders != (D,)
    done = sync_all(following)
    assert all(view_index.index_of(done).table.arc(end).holders == (D,) for end in moving)


def test_who_is_there_and_has_a_copy_keeps_it() -> None:
    gone = next_view(hive(3, 3), down(2))
    following = replicate(gone, 2)
    for arc in following.arcs:
        assert set(arc.holders) == {A, B} and not arc.incoming, "the dead one may have its share when it is back"
    assert copies(settle(following)) == {2}


def test_one_copy_is_left_where_the_owner_is_down() -> None:
    gone = next_view(hive(3, 3), down(2))
    following = replicate(gone, 1)
    assert copies(following) == {1} and not any(C in arc.holders for arc in following.arcs)
    assert health.condition(following).word == "degraded", "all is served"
    returned = next_view(following, back(2, 2))
    waiting = [arc for arc in returned.arcs if arc.wanted == (C,)]
    assert waiting and all(arc.holders != (C,) and arc.incoming == (C,) for arc in waiting)
    assert copies(settle(returned)) == {1}


@pytest.mark.parametrize("wanted", [2, 3])
def test_what_nobody_serves_waits_for_its_holders(wanted: int) -> None:
    alone = hive(3, 1)
    gone = next_view(alone, down(2))
    following = replicate(gone, wanted)
    waiting = [arc for arc in following.arcs if arc.holders == (C,)]
    assert waiting and all(not arc.incoming and len(arc.wanted) == wanted for arc in waiting)
    assert health.condition(following).word == "unavailable"
    returned = next_view(following, back(2, 2))
    assert all(arc.holders == (C,) for arc in returned.arcs if arc.end in {waits.end for waits in waiting})
    assert copies(settle(returned)) == {wanted}


def test_the_most_complete_copy_wins_also_where_fewer_are_wanted() -> None:
    """Holders that wait are not chosen from before they are back: who shall have it may have the shorter log."""
    view = hive(3, 2)
    gone = next_view(view, down(0), down(1), down(2))
    fewer = views.next_view(gone, [Replicate(1, 2)])
    assert fewer is not None
    following = fewer[0]
    assert [arc.holders for arc in following.arcs] == [arc.holders for arc in gone.arcs]
    arc = following.arcs[0]
    best = arc.holders[1]
    marks = {node: (Mark(arc.end, arc.version, 9 if node == best else 8, 1),) for node in (A, B, C)}
    returned = next_view(following, *(Back(id_of(at), 2, f"n{at}", marks=marks[id_of(at)]) for at in range(3)))
    assert view_index.index_of(returned).table.arc(arc.end).holders == (best,)
    assert copies(settle(returned)) == {1}


@pytest.mark.parametrize("wanted", [1, 3, 4])
def test_who_leaves_is_not_chosen_and_gives_what_it_has(wanted: int) -> None:
    leaving = next_view(hive(4, 2), Leave(D, 1))
    following = replicate(leaving, wanted)
    assert not any(D in arc.wanted for arc in following.arcs)
    rest = following
    for _ in range(4):
        rest = activate_all(sync_all(rest))
    assert view_index.member(rest, D) is None and copies(rest) == {min(wanted, 3)}


def test_more_copies_than_nodes_are_made_when_more_join() -> None:
    view = settle(replicate(hive(2, 2), 4))
    assert copies(view) == {2}
    assert health.condition(view).sentence.endswith("2 copies of each entry, not 4, until more nodes join")
    for number in (2, 3, 4):
        view = settle(next_view(view, join(number)))
        assert copies(view) == {min(4, number + 1)}


@pytest.mark.parametrize("wanted", [2, 3])
def test_copies_are_on_different_hosts_where_there_are_enough(wanted: int) -> None:
    """Which of them go, and where further ones come, depends on that."""
    places = dict(zip((A, B, C, D, E), ("x:1", "x:2", "y:1", "y:2", "z:1"), strict=True))
    for before in (1, 3, 4, 5):
        if before == wanted:
            continue
        view = hive(5, before)
        at_hosts = tuple(replace(found, address=places[found.id]) for found in view.members)
        for arc in replicate(replace(view, members=at_hosts), wanted).arcs:
            hosts = {places[node].partition(":")[0] for node in arc.wanted}
            assert len(hosts) == wanted or before < wanted, f"{arc.wanted} of {before} are on {hosts}"
            assert len(arc.holders) == min(before, wanted), "there are as many copies until the wanted ones are made"


def test_a_recovery_keeps_the_number() -> None:
    view = replicate(hive(4, 2), 3)
    me = Member(A, 2, "n0", 1, State.UP)
    begun = views.recover(view, me, [B, C])
    assert begun.replication == 3 and {len(arc.wanted) for arc in begun.arcs} == {3}
    fewer = views.recover(replicate(view, 1), me, [B, C])
    assert fewer.replication == 1 and {len(arc.wanted) for arc in fewer.arcs} == {1}


# --- the nodes ---------------------------------------------------------------------------------------------------


def keeps(hive: Hive, name: str, replication: int) -> bool:
    view = hive.view(name)
    return view.replication == replication and copies(view) == {replication}


def filled(*names: str, replication: int) -> tuple[Hive, list[bytes]]:
    made, aliases = hive_of(*names, replication=replication), [b"k%d" % number for number in range(30)]
    for alias in aliases:
        assert made.ask(names[0], Put(1, alias, alias)) == Done(1)
    return made, aliases


def test_every_entry_is_there_after_each_change() -> None:
    made, aliases = filled("a", "b", "c", replication=2)
    known = 2
    for wanted in (3, 1, 2):
        assert made.ask("b", SetReplication(1, wanted, known)) == Done(1)
        made.until(lambda: keeps(made, "c", wanted))  # noqa: B023
        made.stable("a", "b", "c")
        assert [word_of(made.ask("c", Get(1, alias))) for alias in aliases] == [""] * len(aliases)
        known = wanted
    told = [event.sentence for event in made.heard("a", "replication")]
    assert told == [
        "an operator wants 3 copies of each entry, instead of 2",
        "an operator wants 1 copy of each entry, instead of 3",
        "an operator wants 2 copies of each entry, instead of 1",
    ]
    assert made.said("b", "an operator wants 3 copies of each entry, instead of 2; asked by a client")


@pytest.mark.parametrize(
    ("replication", "known", "words"),
    [
        (0, 2, "a hive keeps 1 to 5 copies of each entry, not 0"),
        (6, 2, "a hive keeps 1 to 5 copies of each entry, not 6"),
        (2, 2, "keeps 2 copies of each entry already"),
        (3, 1, "keeps 2 copies of each entry now, not 1: somebody else has changed that; nothing was changed by you"),
    ],
)
def test_what_is_refused_says_why(replication: int, known: int, words: str) -> None:
    made = hive_of("a", "b", replication=2)
    reply = made.ask("a", SetReplication(1, replication, known))
    assert isinstance(reply, Failed) and word_of(reply) == "usage" and words in reply.sentence
    made.go(1.0)
    assert made.view("a").replication == 2


def test_nothing_is_changed_where_nothing_can_be_decided() -> None:
    made = hive_of("a", "b", "c", replication=2)
    made.kill("b")
    made.kill("c")
    made.until(lambda: bool(made.nodes["a"].lifecycle.quorum()))
    reply = made.ask("a", SetReplication(1, 3, 2))
    assert isinstance(reply, Failed) and reply.sentence.startswith("nothing can be decided here: this node sees")


def test_who_was_a_member_joins_anew_whatever_it_was_started_with() -> None:
    """Its command line is as old as the hive: it is no reason to stay away that the number is another one by now."""
    made, aliases = filled("a", "b", "c", "d", replication=2)
    made.kill("d")
    made.until(lambda: len(made.view("a").members) == 3, 90.0)
    assert made.ask("a", SetReplication(1, 3, 2)) == Done(1)
    made.until(lambda: keeps(made, "a", 3))
    made.start("d", "a", replication=2)
    made.until(lambda: view_index.member(made.view("a"), identity("d")) is not None, 30.0)
    made.stable("a", "b", "c", "d")
    assert not made.exits and keeps(made, "d", 3)
    assert [word_of(made.ask("d", Get(1, alias))) for alias in aliases] == [""] * len(aliases)
