"""What the keys do to a node, and what they say of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.pieces import node, scene
from wrpme.shell.parsing import parse
from wrpme.tui.actions import COMMANDS, consequence, refusal
from wrpme.tui.state.scene import NodeState


@pytest.mark.parametrize("action", COMMANDS)
def test_each_is_a_command_of_the_shell(action: str) -> None:
    command = parse(f"{COMMANDS[action]} 192.168.1.1:5909")
    assert command is not None and command.spec.changes


def test_only_a_dead_node_is_forgotten_and_only_a_live_one_stopped() -> None:
    down = node(1, state=NodeState.DOWN)
    assert refusal("forget", node(1)) and not refusal("forget", down)
    for action in ("stop", "leave"):
        assert refusal(action, down) and not refusal(action, node(1))


def test_a_stop_where_all_has_another_copy() -> None:
    shown = scene(3)
    told = consequence("stop", shown.nodes[0], shown)
    assert "no request fails" in told and "66.7 % of the ring has one copy fewer" in told


def test_a_stop_of_the_only_holder_says_unavailable() -> None:
    shown = scene(3)
    alone = replace(shown, arcs=tuple(replace(arc, holders=arc.holders[:1]) for arc in shown.arcs))
    assert "33.3 % of the ring has no other copy: its entries are UNAVAILABLE" in consequence(
        "stop", alone.nodes[0], alone
    )
    dead = replace(shown, nodes=(shown.nodes[0], *(replace(other, state=NodeState.DOWN) for other in shown.nodes[1:])))
    assert "UNAVAILABLE" in consequence("stop", dead.nodes[0], dead), "a dead holder is no other copy"


def test_leaving() -> None:
    shown = scene(3)
    assert "moves to the other 2 nodes first" in consequence("leave", shown.nodes[0], shown)
    alone = scene(1)
    assert "the last node that is up" in consequence("leave", alone.nodes[0], alone)
