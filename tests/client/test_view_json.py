"""A view as plain data, and back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.samples import VIEW
from tests.view_parts import back, down, grown, id_of, join, next_view
from wrpme.errors import ProtocolError
from wrpme.protocol.view import Arc, Member, State, View
from wrpme.client.watch.view_json import Topology, topology, view_in

IDS = st.binary(min_size=16, max_size=16)
ADDRESSES = st.sampled_from(["127.0.0.1:5909", "127.0.0.1:5910", "[::1]:5909", "host.example:1", "10.0.0.9:5909"])
NUMBERS = st.integers(0, (1 << 63) - 1)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any, also such as no hive would have: addresses that several members share, names of nobody in arcs."""
    ids = draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
    members = tuple(
        Member(node, draw(NUMBERS), draw(ADDRESSES), draw(NUMBERS), draw(st.sampled_from(State))) for node in ids
    )
    named = st.lists(st.sampled_from([*ids, b"?" * 16]), max_size=4, unique=True).map(tuple)
    ends = sorted(draw(st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=5, unique=True)))
    settled = st.lists(st.tuples(st.integers(0, (1 << 64) - 1), NUMBERS), max_size=2).map(tuple)
    arcs = tuple(
        Arc(end, draw(NUMBERS), draw(named), draw(named), draw(named), draw(named), draw(settled)) for end in ends
    )
    return View(draw(NUMBERS), draw(IDS), draw(NUMBERS), draw(st.integers(1, 5)), members, arcs, draw(named))


@given(views())
def test_nothing_is_lost(view: View) -> None:
    told = msgspec.json.encode(topology(view))
    assert view_in(msgspec.json.decode(told, type=Topology)) == view


def test_members_are_named_by_address() -> None:
    plain = topology(next_view(next_view(grown(2), down(1)), back(1, 2)))
    assert plain.voters == ("n0",)
    assert {name for arc in plain.arcs for name in (*arc.holders, *arc.wanted)} == {"n0", "n1"}
    assert [member.state for member in plain.members] == ["up", "up"]


def test_where_two_members_share_an_address_ids_tell_them_apart() -> None:
    view = next_view(grown(2), down(1))
    view = next_view(view, replace(join(2), address="n1"))
    plain = topology(view)
    names = {name for arc in plain.arcs for name in (*arc.holders, *arc.incoming, *arc.wanted)}
    assert names == {"n0", id_of(1).hex(), id_of(2).hex()}
    assert view_in(plain) == view


@pytest.mark.parametrize(
    "wrong",
    [
        {"hive": "xyz"},
        {"voters": ("127.0.0.1:1",)},
        {"members": (msgspec.structs.replace(topology(VIEW).members[0], state="asleep"),)},
        {"arcs": (msgspec.structs.replace(topology(VIEW).arcs[0], end="0x"),)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_is_no_view_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="a view is malformed"):
        view_in(replace(topology(VIEW), **wrong))
