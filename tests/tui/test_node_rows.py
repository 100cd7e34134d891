"""What the screen of one node says."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.tui.pieces import node, scene
from wrpme.tui.node import rows as node_rows
from wrpme.tui.state import format
from wrpme.tui.state.lines import Row
from wrpme.tui.state.scene import ArcShown, CopyShown, Incoming, Mode, Mood, NodeState, Scene

AT = 1000.0


def text(row: Row) -> str:
    return "".join(part for part, _ in row)


def role_of(row: Row, part: str) -> str:
    return next(role for words, role in row if part in words)


def with_nodes(*nodes: Any, **fields: Any) -> Scene:
    return scene(len(nodes), nodes=nodes, **fields)


# --- the head ----------------------------------------------------------------------------------------------------


def test_the_head_tells_the_state_in_words_with_since_when() -> None:
    one = node(1, state=NodeState.SUSPECTED, since=AT - 3, reason="n2 misses its heartbeats")
    row = node_rows.head(one, with_nodes(one))
    assert text(row) == f"◐ 192.168.1.1:5909  suspected for 3 s, since {format.clock(AT - 3)}: n2 misses its heartbeats"
    assert role_of(row, "suspected") == "warn"
    assert text(node_rows.head(node(2), scene(2))) == "● 192.168.1.2:5909  up"


def test_the_part_in_decisions() -> None:
    hive = scene(3)
    for fields, words in (({}, "not a voter"), ({"voter": True}, "voter"), ({"voter": True, "senior": True}, "senior")):
        assert f"  {words}" in text(node_rows.subhead(node(1, version="0.9.0", **fields), hive))
    assert text(node_rows.subhead(node(1, version="0.9.0"), hive)) == (
        "id 00000000  wrpme 0.9.0  not a voter  epoch 7  1 on the ring"
    )


def test_a_node_that_is_not_there() -> None:
    assert text(node_rows.absent_head("n9", scene(3))) == "? n9  is no member of the hive"
    past = scene(3, mode=Mode.PAST)
    assert text(node_rows.absent_head("n9", past)) == f"? n9  is no member of the hive at {format.clock(AT)}"
    assert "no node has told anything yet" in text(node_rows.absent_head("", scene(3, nodes=(), arcs=())))
    assert node_rows.index_of(b"?", scene(3)) is None and node_rows.index_of(node(2).id, scene(3)) == 1


def test_the_time_that_is_shown() -> None:
    assert node_rows.time_part(scene(1)) == (f" LIVE {format.clock(AT)} ", "dim")
    assert node_rows.time_part(scene(1, mode=Mode.PAST)) == (f" PAST {format.clock(AT)} - NOT NOW ", "warn!")
    assert node_rows.time_part(scene(1, mode=Mode.REPLAY))[0].startswith(" REPLAY ")
    silent = scene(1, mood=Mood.DISCONNECTED, silent_since=900.0)
    assert node_rows.time_part(silent) == (f" NO WORD SINCE {format.clock(900.0)} ", "bad!")


# --- figures -----------------------------------------------------------------------------------------------------


def test_figures_and_what_is_not_known() -> None:
    told = {one.label: one for one in node_rows.figures(node(2, memory_bytes=0), scene(3))}
    assert told["share"].text == "25.0 %" and told["entries"].text == "20" and told["p99"].text == "20.0 ms"
    assert told["received"].text == "?" and told["memory"].text == "?" and told["lease"].text == "alone"
    assert told["epoch"].text == "7" and told["epoch"].role == "text"
    behind = {one.label: one for one in node_rows.figures(node(2, epoch=5, lease_seconds=-1.0), scene(3))}
    assert behind["epoch"].text == "5 of 7" and behind["epoch"].role == "warn" and behind["lease"].text == "ended"


def test_what_is_old_is_marked_without_colour() -> None:
    old = node(2, stale=True, age=75.0)
    told = node_rows.figures(old, scene(3))
    assert told[0].text == "25.0 %", "the share is of the view"
    assert next(one.text for one in told if one.label == "lease") == "?"
    assert all(one.text == "?" or (one.text[0], one.text[-1]) == ("(", ")") for one in told[1:])
    assert node_rows.figures_title(old) == "FIGURES OLD: as of 1 min 15 s ago"
    assert node_rows.figures_title(node(2)) == node_rows.figures_title(None) == "FIGURES"
    assert node_rows.figures_title(node(2, age=None, stale=True)) == "FIGURES: it has told none"


@pytest.mark.parametrize(("width", "height"), [(44, 19), (52, 30), (79, 6), (50, 9), (24, 30), (10, 2)])
def test_all_figures_stand_whatever_the_room(width: int, height: int) -> None:
    shown = node_rows.figures(node(2), scene(3))
    series = {"entries": [(AT - 1, 5.0), (AT, 10.0)]}
    rows = node_rows.figure_rows(shown, series, (AT - 10, AT), (width, height), plain=False)
    all_of_it = "\n".join(map(text, rows))
    assert all(one.label in all_of_it for one in shown)
    if height >= len(shown) and width > 30:
        assert len(rows) == len(shown) and "▇" in text(rows[1]), "with what entries were like"
    assert all(len(text(row).rstrip()) <= max(width, node_rows.FIGURE_CELLS) for row in rows)


# --- arcs --------------------------------------------------------------------------------------------------------


def arcs_of(index: int, *arcs: ArcShown, **fields: Any) -> list[Row]:
    return node_rows.arcs(index, scene(3, arcs=arcs, **fields))


def test_arcs_with_their_role_and_their_other_holders() -> None:
    own = ArcShown(0, 0x4000, (0, 1), (), 2, True, False)
    copy = ArcShown(0x4000, 0x8000, (1, 0), (Incoming(2, 0.25),), 2, True, False)
    other = ArcShown(0x8000, 0x10000, (1, 2), (), 2, True, False)
    rows = arcs_of(0, own, copy, other)
    assert [text(row).split() for row in rows] == [
        ["0000-3fff", "25.00", "%", "owner", "2", "of", "2", "n2"],
        ["4000-7fff", "25.00", "%", "copy", "2", "of", "2", "n2", "n3", "at", "25", "%"],
    ]
    hive = scene(3, arcs=(own, copy, other))
    assert node_rows.arcs_title(0, hive) == "ARCS 1 owned, 1 copy" and node_rows.arcs_title(None, hive) == "ARCS"
    assert [text(row).split()[3:6] for row in node_rows.arcs(2, hive)] == [["incoming", "25", "%"], ["copy", "2", "of"]]


def test_arcs_that_are_not_well_say_so_in_words() -> None:
    lacking = ArcShown(0, 100, (0,), (), 2, True, False)
    dead = ArcShown(100, 200, (0,), (), 2, False, False)
    changing = ArcShown(200, 300, (0, 1), (), 2, True, True)
    down = (node(1), node(2, state=NodeState.DOWN), node(3))
    rows = arcs_of(0, lacking, dead, changing, nodes=down)
    assert "owner" in text(rows[0]) and role_of(rows[0], "1 of 2") == "warn"
    assert "owner, not served" in text(rows[1]) and role_of(rows[1], "0 of 2") == "bad"
    assert "owner, not yet" in text(rows[2]) and "✕n2" in text(rows[2])
    assert node_rows.arcs_title(0, scene(3, arcs=(lacking, dead))) == "ARCS 2 owned, 0 copies, 2 lack copies"
    start = text(node_rows.ARCS_HEADING).index("COPIES")
    assert all(text(row)[start : start + 6].strip().endswith(" of 2") for row in rows)


# --- neighbours --------------------------------------------------------------------------------------------------


def test_neighbours_what_moves_and_who_suspects_whom() -> None:
    this = node(1, neighbours=(("192.168.1.2:5909", 0.3), ("192.168.1.10:5909", 2.0)), suspects=("192.168.1.10:5909",))
    other = node(2, suspects=(this.address,))
    third = node(3, suspects=(this.address,))
    moves = (CopyShown(0, 1, 0.1, 0.5), CopyShown(2, 0, 0.2, 1.0), CopyShown(1, 2, 0.3, 0.1))
    rows = [text(row) for row in node_rows.neighbours(0, with_nodes(this, other, third, moves=moves), plain=True)]
    assert rows == [
        "########--------  50 %  sends 10.0 % to n2 ",
        "################ 100 %  receives 20.0 % from n3 ",
        "● 192.168.1.2:5909 heard 0.3 s ago  suspects this node",
        "● 192.168.1.3:5909 no neighbour  suspects this node",
        "✕ 192.168.1.10:5909 heard 2.0 s ago  suspected by this node",
    ]
    old = replace(this, stale=True, suspects=())
    assert "(heard 0.3 s ago)" in text(node_rows.neighbours(0, with_nodes(old, other), plain=False)[0])


# --- what the node itself says -----------------------------------------------------------------------------------


def test_lines_of_a_log() -> None:
    rows = node_rows.log_rows(
        [
            "2026-11-23 12:00:00.123 INFO  serves from now on",
            "2026-11-23 12:00:01.000 WARN  n2 has been silent for a while, which is reported",
            "2026-11-24 00:00:00.000 ERROR it \x1b[2J ends",
            "what else stands there",
        ],
        40,
    )
    assert [text(row) for row in rows] == [
        "2026-11-23",
        "12:00:00.123 INFO  serves from now on",
        "12:00:01.000 WARN  n2 has been silent",
        "                   for a while, which is",
        "                   reported",
        "2026-11-24",
        "00:00:00.000 ERROR it \\x1b[2J ends",
        "what else stands there",
    ]
    roles = [role_of(rows[at], word) for at, word in ((1, "serves"), (2, "silent"), (6, "ends"))]
    assert roles == ["text", "warn", "bad"]


def test_a_configuration() -> None:
    traced = {"grace": {"value": 60.0, "origin": "default"}, "sync": {"value": True}}
    assert [text(row) for row in node_rows.config_rows(traced, 60)] == [
        "{",
        '  "grace": 60.0,  # default',
        '  "sync": {',
        '    "value": true',
        "  }",
        "}",
    ]
    rows = node_rows.config_rows({"address": "n1", "peers": ["n2"], "root": "/very/long/" + "x" * 30}, 30)
    assert [text(row) for row in rows] == [
        "{",
        '  "address": "n1",',
        '  "peers": [',
        '    "n2"',
        "  ],",
        '  "root": "/very/long/xxxxxxxx',
        "          xxxxxxxxxxxxxxxxxxxx",
        '          xx"',
        "}",
    ]


@pytest.mark.parametrize(("done", "shown"), [(-1, "----"), (0.5, "##--"), (2, "####")])
def test_a_bar(done: float, shown: str) -> None:
    assert node_rows.bar(done, 4, plain=True) == shown
