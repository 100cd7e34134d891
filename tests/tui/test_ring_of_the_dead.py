"""The ring with a dead node selected: what it held, who has that now, and what lacks a copy."""

from __future__ import annotations

from tests.tui import scenes
from tests.tui.ring_scenes import scene_of, stable, without
from wrpme.tui.ring.bands import Fill, Look, Paint, band_count, fills_of, is_lit
from wrpme.tui.ring.geometry import LEVELS, ring_in
from wrpme.tui.ring.labels import kin_of
from wrpme.tui.ring.letters import Letters
from wrpme.tui.state.ring_layout import layout_of
from wrpme.tui.terminal.palette import DARK, THEMES_OF, Depth, colour_of, number_of

DEAD = 1
BEFORE, AFTER = scene_of(stable(4)), scene_of(without(4, DEAD))


def test_an_arc_knows_who_is_missed_on_it() -> None:
    shown = layout_of(without(4, DEAD)).arcs
    held = {(arc.first, arc.end) for arc in BEFORE.arcs if DEAD in arc.holders}
    assert {(arc.first, arc.end) for arc in shown if DEAD in arc.awaited} == held
    assert not any(arc.awaited for arc in layout_of(stable(4)).arcs)


def test_a_scene_keeps_it_while_copies_move() -> None:
    timeline, now = scenes.timeline_of("copying", 3)
    layout, scene = timeline.live.layout, timeline.scene(now)
    assert layout is not None and any(arc.incoming for arc in scene.arcs)
    assert [arc.awaited for arc in scene.arcs] == [arc.awaited for arc in layout.arcs]


def test_what_it_held_is_lit_whole_and_the_rest_is_not() -> None:
    lit = 0
    for arc in AFTER.arcs:
        for fill in fills_of(arc, 3):
            assert is_lit(DEAD, arc, fill) == (DEAD in arc.awaited)
            lit += is_lit(DEAD, arc, fill) and fill.look is not Look.NOTHING
    assert lit
    looks = {fill.look for arc in AFTER.arcs if DEAD in arc.awaited for fill in fills_of(arc, 3)}
    assert Look.LACKING in looks


def test_the_ring_does_not_go_dark() -> None:
    """In all colours and in few of them."""
    for theme in (DARK, THEMES_OF[Depth.FEW]["dark"]):
        geometry = ring_in(60, 32, band_count(AFTER.arcs), 7, True, theme.fixed is not None)
        assert geometry is not None
        painted = Paint(geometry, AFTER, DEAD, False, theme)
        shown = {painted.colours[at] for at in range(len(geometry.xs)) if geometry.coverage[at] == LEVELS}
        for node in kin_of(AFTER, DEAD):
            assert number_of(colour_of(AFTER.nodes[node].colour, theme)) in shown, "who holds it now"
        assert theme.lacking[1] in shown, "what lacks a copy"


def test_who_holds_it_now_is_named() -> None:
    assert kin_of(AFTER, DEAD) == {
        holder for arc in AFTER.arcs if DEAD in arc.awaited for holder in arc.holders if holder != DEAD
    }
    assert kin_of(AFTER, DEAD)


def test_with_letters_what_it_held_is_bold() -> None:
    geometry = ring_in(60, 32, band_count(AFTER.arcs), 7, False)
    assert geometry is not None
    letters = Letters(geometry, AFTER, DEAD, False, DARK)
    bold = {character for character, _, bold in letters.cells if bold}
    assert "." in bold and {AFTER.nodes[node].key for node in kin_of(AFTER, DEAD)} & bold


def test_a_dead_node_that_alone_held_an_arc() -> None:
    scene = scene_of(without(3, 1, 2))
    lost = [arc for arc in scene.arcs if not arc.served]
    assert lost and all(is_lit(1, arc, Fill(Look.UNSERVED)) or 1 not in arc.holders for arc in lost)
