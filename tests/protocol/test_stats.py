"""How a hive is by what its nodes tell; the figures themselves are tested where they are made."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from tests.view_parts import down, grown, join, next_view
from wrpme import errors
from wrpme.protocol import health
from wrpme.protocol.stats import Copy, NodeStats, HiveStatus, Neighbour, NodeStatus, condition_of
from wrpme.protocol.view import View


def stats(address: str, quorum: str = "", serving: bool = True) -> NodeStats:
    return NodeStats(address, 1, "up", "0", 1.0, 0.5, 0, 0, True, quorum=quorum, serving=serving)


def status(view: View, **told: NodeStats | errors.WrpmeError) -> HiveStatus:
    nodes = []
    for member in view.members:
        found = told.get(member.address, stats(member.address))
        silent = isinstance(found, errors.WrpmeError)
        nodes.append(NodeStatus(member, None if silent else found, found if silent else None))  # type: ignore[arg-type]
    return HiveStatus(view, tuple(nodes))


def test_where_all_tell_that_they_are_well_the_view_is_right() -> None:
    for view in (grown(2), next_view(grown(2), join(2)), next_view(grown(3), down(1))):
        assert condition_of(status(view)) == health.condition(view)


def test_who_has_no_quorum_knows_better() -> None:
    condition = condition_of(status(grown(2), n1=stats("n1", "this node sees 1 of 2 voters")))
    assert condition == health.Condition("unavailable", "n1 sees 1 of 2 voters")


def test_who_does_not_answer_shows_better() -> None:
    condition = condition_of(status(grown(2), n1=errors.ConnectionError("n1 (connection refused)")))
    assert condition.word == "unavailable" and condition.sentence.startswith("n1 does not answer")


def test_a_hive_that_nodes_are_about_to_join_is_not_stable() -> None:
    """A hive of one, and 29 nodes that knock."""
    told = {joining: replace(stats("n0"), joining=joining) for joining in (0, 1, 29)}
    words = {joining: condition_of(status(grown(1), n0=found)) for joining, found in told.items()}
    assert words[0].word == "stable"
    assert words[1] == health.Condition("stabilizing", "1 of 2 nodes have joined")
    assert words[29] == health.Condition("stabilizing", "1 of 30 nodes have joined")


def test_while_arcs_are_copied_it_is_said_how_many_have_joined() -> None:
    now = next_view(grown(2), join(2))
    told = status(now, n0=replace(stats("n0"), joining=27))
    assert health.condition(now).word == "stabilizing"
    assert condition_of(told).sentence == f"3 of 30 nodes have joined; {health.condition(now).sentence}"


def test_many_that_do_not_answer_are_counted() -> None:
    silent = {f"n{number}": errors.ConnectionError("connection refused") for number in range(1, 12)}
    condition = condition_of(status(grown(12), **silent))
    assert condition.sentence.startswith("n1, n2, n3, n4 and 7 more do not answer; ")


def test_who_is_not_back_yet_makes_it_stabilizing() -> None:
    assert condition_of(status(grown(2), n1=stats("n1", serving=False))).word == "stabilizing"


def test_figures_are_the_same_after_a_journey_and_may_grow() -> None:
    sent = msgspec.structs.replace(
        stats("n1"), copies_in=(Copy("ff", "n0", 0.5),), latency=((3, 4),), neighbours=(Neighbour("n0", 0.25),),
    )  # fmt: skip
    raw = msgspec.json.decode(msgspec.json.encode(sent))
    assert raw["latency"] == [[3, 4]] and raw["neighbours"] == [["n0", 0.25]]
    assert msgspec.json.decode(msgspec.json.encode({**raw, "of_a_later_version": 1}), type=NodeStats) == sent
