"""Names, keys, colours and positions: what follows from the view alone, and is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.scenes import activated, address_of, changed, id_of, settled, stable_view, synced
from tests.tui.stories import stories
from wrpme.client.watch.records import ViewSeen, WatchRecord
from wrpme.core.membership import transitions as views
from wrpme.limits import SLOTS
from wrpme.protocol import ring, view_index
from wrpme.protocol.view import Back, Down, Join, Leave, Member, State, View
from wrpme.tui.limits import COLOURS_USUAL
from wrpme.tui.state.ring_layout import KEYS, RingLayout, gained, key_of, layout_of, short_names


@pytest.mark.parametrize(
    ("addresses", "names"),
    [
        (["127.0.0.1:5909", "127.0.0.1:5910"], ["5909", "5910"]),
        (["192.168.1.1:5909", "192.168.1.23:5909"], [".1", ".23"]),
        (["192.168.1.1:5909", "192.168.2.1:5909"], ["192.168.1.1", "192.168.2.1"]),
        (["192.168.1.1:5909", "192.168.1.2:5910"], ["192.168.1.1:5909", "192.168.1.2:5910"]),
        (["alpha:5909", "beta:5909"], ["alpha", "beta"]),
        (["192.168.1.1:5909", "beta:5909"], ["192.168.1.1", "beta"]),
        (["[fe80::1]:5909", "[fe80::2]:5909"], ["fe80::1", "fe80::2"]),
        (["127.0.0.1:5909"], ["127.0.0.1:5909"]),
        (["127.0.0.1:5909", "127.0.0.1:5909"], ["127.0.0.1:5909", "127.0.0.1:5909"]),
        (["n0", "n1"], ["n0", "n1"]),
        ([], []),
    ],
)
def test_names_leave_out_what_all_have_in_common(addresses: list[str], names: list[str]) -> None:
    assert list(short_names(addresses)) == names


def test_keys_are_one_character_each_and_end() -> None:
    keys = [key_of(colour) for colour in range(80)]
    assert keys[:10] == list("123456789a") and len(set(keys[: len(KEYS)])) == len(KEYS)
    assert set(keys[len(KEYS) :]) == {""}


# --- colours -----------------------------------------------------------------------------------------------------


def left(view: View, number: int) -> View:
    """The node has gone for good."""
    member = view_index.member(view, id_of(number))
    assert member is not None
    view = settled(changed(view, Leave(member.id, member.incarnation)))
    view = views.apply(view, []) or view
    assert view_index.member(view, member.id) is None
    return view


def test_colours_are_given_in_the_order_of_coming_and_kept() -> None:
    layout = layout_of(stable_view(3))
    assert [layout.colours[id_of(number)] for number in range(3)] == [0, 1, 2]
    later = layout_of(left(layout.view, 1), layout)
    assert later.colours == {id_of(0): 0, id_of(2): 2}
    joined = layout_of(changed(later.view, Join(id_of(7), 1, address_of(7))), later)
    assert joined.colours[id_of(7)] == 3, "the colour of one that left is not given again without need"


def test_a_colour_of_one_that_left_is_given_again_when_all_have_been_given() -> None:
    layout = layout_of(stable_view(3))
    view = layout.view
    for number in range(10, 10 + COLOURS_USUAL):
        view = settled(changed(view, Join(id_of(number), 1, address_of(number))))
        layout = layout_of(view, layout)
        view = left(view, number)
        layout = layout_of(view, layout)
    view = changed(view, Join(id_of(50), 1, address_of(50)))
    assert layout_of(view, layout).colours[id_of(50)] == 3


def test_another_hive_begins_anew() -> None:
    layout = layout_of(left(stable_view(3), 0), layout_of(stable_view(3)))
    other = views.found(b"o" * 16, id_of(2), 1, address_of(2), 2)
    assert layout_of(other, layout).colours == {id_of(2): 0}


# --- places ------------------------------------------------------------------------------------------------------


def owner_at(view: View, slot: int) -> bytes:
    return view.arcs[ring.arc_at(view, slot * ring.SLOT)].holders[0]


def test_each_stands_on_its_own() -> None:
    for nodes in (1, 3, 50):
        layout = layout_of(stable_view(nodes))
        assert {owner_at(layout.view, slot) for slot in layout.slots.values()} == set(layout.slots)


def test_few_nodes_stand_far_apart() -> None:
    slots = sorted(layout_of(stable_view(3)).slots.values())
    gaps = [(later - one) % SLOTS for one, later in zip(slots, [*slots[1:], slots[0]], strict=True)]
    assert min(gaps) >= SLOTS // 6


def test_a_node_stays_where_it_is_while_that_is_its_own() -> None:
    before = layout_of(stable_view(3))
    after = layout_of(settled(changed(before.view, Join(id_of(3), 1, address_of(3)))), before)
    for number in range(3):
        node = id_of(number)
        if owner_at(after.view, before.slots[node]) == node:
            assert after.slots[node] == before.slots[node]
        assert owner_at(after.view, after.slots[node]) == node


def test_a_dead_node_keeps_its_place() -> None:
    before = layout_of(stable_view(3))
    after = layout_of(changed(before.view, Down(id_of(2), 1)), before)
    assert after.slots[id_of(2)] == before.slots[id_of(2)]


def test_a_node_that_owns_nothing_stands_where_it_will() -> None:
    view = changed(stable_view(3), Join(id_of(3), 1, address_of(3)))
    slot = layout_of(view).slots[id_of(3)]
    assert id_of(3) in view.arcs[ring.arc_at(view, slot * ring.SLOT)].incoming


def test_those_that_have_nothing_do_not_stand_on_each_other() -> None:
    alike = [bytes([7] * 15 + [number]) for number in range(3)]
    view = views.found(b"h" * 16, id_of(0), 1, address_of(0), 1)
    strangers = tuple(Member(node, 1, address_of(1 + at), 2, State.UP) for at, node in enumerate(alike))
    slots = layout_of(replace(view, members=(*view.members, *strangers))).slots
    assert len(set(slots.values())) == 4
    assert max(slots[node] for node in alike) - min(slots[node] for node in alike) == 2


@settings(max_examples=60)
@given(stories())
def test_places_are_distinct_colours_too_and_the_arcs_tile_the_ring(sightings: list[WatchRecord]) -> None:
    layout: RingLayout | None = None
    for sighting in sightings:
        if not isinstance(sighting, ViewSeen):
            continue
        layout = layout_of(sighting.view, layout)
        members = {member.id for member in sighting.view.members}
        assert set(layout.slots) == set(layout.colours) == members
        assert len(set(layout.slots.values())) == len(set(layout.colours.values())) == len(members)
        assert all(0 <= slot < SLOTS for slot in layout.slots.values())
        edges = [arc.first for arc in layout.arcs] + [SLOTS]
        assert edges[0] == 0 and [arc.end for arc in layout.arcs] == edges[1:]


# --- arcs --------------------------------------------------------------------------------------------------------


def test_arcs_say_what_the_view_says() -> None:
    view = changed(stable_view(3), Down(id_of(2), 1))
    arcs = layout_of(view).arcs
    assert {arc.lacking for arc in arcs} == {0, 1} and all(arc.served for arc in arcs)
    view = changed(view, Down(id_of(1), 1))
    lost = [arc for arc in layout_of(view).arcs if not arc.served]
    assert lost and all(arc.lacking == arc.wanted and arc.holders == (1,) for arc in lost)


def test_changing_arcs_have_former_owners() -> None:
    view = synced(changed(stable_view(3), Join(id_of(3), 1, address_of(3))))
    assert any(arc.changing for arc in layout_of(view).arcs)
    assert not any(arc.changing for arc in layout_of(activated(view)).arcs)


@given(st.sampled_from([0.2, 0.5, 1.0]))
def test_what_was_gained_is_what_is_not_coming_any_more(part: float) -> None:
    before = layout_of(changed(stable_view(3), Join(id_of(3), 1, address_of(3))))
    after = layout_of(synced(before.view, part), before)
    still = sum(after.receiving.values())
    assert gained(before.view, after.view) == sum(before.receiving.values()) - still


def test_who_is_back_has_gained_nothing_before_it_is_told() -> None:
    view = changed(stable_view(3), Down(id_of(2), 1))
    back = changed(view, Back(id_of(2), 2, address_of(2)))
    assert gained(view, back) == 0
    assert {member.state for member in back.members} == {State.UP}
