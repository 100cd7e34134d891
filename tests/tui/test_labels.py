from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.ring_scenes import NOW, disconnected, joining, scene_of, stable, way, with_state, without
from wrpme.limits import SLOTS
from wrpme.tui.ring.bands import band_count
from wrpme.tui.ring.geometry import Geometry, ring_in
from wrpme.tui.ring.labels import Mark, kin_of, marks, roles_of, side_of
from wrpme.tui.state import format
from wrpme.tui.state.cells import clusters, width_of
from wrpme.tui.state.scene import NodeState, Scene, Way
from wrpme.tui.terminal.palette import DARK, colour_of

SIZES = [(38, 16), (60, 32), (100, 48)]
ALIASES = ("日本語", "用户:王小明:购物车的内容很多", "🐝", "family👨\u200d👩\u200d👧", "🇩🇪🇫🇷🇯🇵🇨🇭", "e\u0301te\u0301")


def ring(scene: Scene, width: int, height: int) -> Geometry:
    geometry = ring_in(width, height, band_count(scene.arcs), side_of(scene, width), True)
    assert geometry is not None
    return geometry


def placed(scene: Scene, width: int = 60, height: int = 32, selected: int = -1, shown: Way | None = None) -> list[Mark]:
    found = marks(ring(scene, width, height), scene, selected, shown, DARK, format.GLYPHS)
    check(found, scene, width, height)
    return found


def check(found: list[Mark], scene: Scene, width: int, height: int) -> None:
    geometry = ring(scene, width, height)
    taken: set[tuple[int, int]] = set()
    for mark in found:
        cells = {(mark.x + place, mark.y) for place in range(width_of(mark.text))}
        assert not cells & taken, f"{mark.text} overlaps"
        assert not any(geometry.on_ring(*cell) for cell in cells), f"{mark.text} covers the ring"
        assert mark.x >= 0 and mark.x + width_of(mark.text) <= width and 0 <= mark.y < height
        taken |= cells


def text_of(found: list[Mark], node: int) -> str:
    return " ".join(mark.text for mark in found if mark.node == node)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 3, 5, 20, 200])
def test_nothing_overlaps(size: tuple[int, int], count: int) -> None:
    placed(stable_scene(count), *size)


@cache
def stable_scene(count: int) -> Scene:
    return scene_of(stable(count))


crowded = st.builds(lambda side, off: (side * SLOTS // 4 + off) % SLOTS, st.integers(0, 3), st.integers(0, 600))


@settings(max_examples=100, derandomize=True)
@given(
    st.sampled_from([3, 5, 20, 200]),
    st.sampled_from(SIZES),
    st.dictionaries(st.integers(0, 199), st.sampled_from(list(NodeState)), max_size=6),
    st.lists(st.integers(0, SLOTS - 1), max_size=10) | st.lists(crowded, max_size=10),
    st.integers(-1, 2),
)
def test_unwell_nodes_are_named_wherever_they_stand(
    count: int, size: tuple[int, int], states: dict[int, NodeState], slots: list[int], selected: int
) -> None:
    scene = stable_scene(count)
    for number, slot in enumerate(slots[:count]):
        moved = replace(scene.nodes[number], place=slot)
        scene = replace(scene, nodes=(*scene.nodes[:number], moved, *scene.nodes[number + 1 :]))
    unwell = {node: state for node, state in states.items() if node < count and state is not NodeState.UP}
    for node, state in unwell.items():
        scene = with_state(scene, node, state)
    found = placed(scene, *size, selected)
    for node, state in unwell.items():
        text = text_of(found, node)
        assert format.GLYPHS[state] in text, f"{state} has its sign"
        if size != SIZES[0]:
            assert scene.nodes[node].name in text


def test_few_nodes_are_all_named() -> None:
    scene = stable_scene(5)
    found = placed(scene)
    for index, node in enumerate(scene.nodes):
        assert text_of(found, index) == f"● {node.name}"
        assert {mark.colour for mark in found if mark.node == index} == {colour_of(node.colour, DARK)}


def test_of_many_only_those_are_named_that_matter() -> None:
    scene = scene_of(without(200, 5))
    found = placed(scene, 100, 48)
    named = {mark.node for mark in found if mark.text.strip("●•") and mark.text not in format.GLYPHS.values()}
    assert named == {5}
    assert len({mark.node for mark in found}) > 100, "the others are ticks"
    chosen = placed(scene, 100, 48, selected=9)
    named = {mark.node for mark in chosen if mark.text.strip("●•") and mark.text not in format.GLYPHS.values()}
    assert {5, 9} <= named <= {5, 9} | kin_of(scene, 9), "the selected one, and who holds its copies"


@pytest.mark.parametrize("state", [state for state in NodeState if state is not NodeState.UP])
def test_each_state_is_told_by_a_sign_and_a_word(state: NodeState) -> None:
    text = text_of(placed(with_state(scene_of(stable(3)), 2, state), 100, 48), 2)
    assert format.GLYPHS[state] in text and "5911" in text
    assert {NodeState.SILENT: "no answer"}.get(state, state.value) in text
    assert "12 s" in text


@pytest.mark.parametrize("size", SIZES)
def test_a_name_stays_where_it_is_as_time_goes_on(size: tuple[int, int]) -> None:
    scene = scene_of(without(3, 2))
    places: set[tuple[int, int]] = set()
    for seconds in (1, 9, 10, 59, 60, 71, 3599, 7300):
        node = replace(scene.nodes[2], since=scene.at - seconds)
        found = placed(replace(scene, nodes=(*scene.nodes[:2], node)), *size)
        names = [mark for mark in found if "5911" in mark.text]
        places.update((mark.x if mark.x > size[0] // 2 else mark.x + len(mark.text), mark.y) for mark in names)
    assert len(places) == 1


def test_the_nodes_of_a_request_are_told_apart() -> None:
    scene = scene_of(stable(3))
    shown = Way("some:entry", 20_000, 2, 0, (1,))
    found = placed(scene, shown=shown)
    assert [text_of(found, node).split(" ", 2)[2] for node in range(3)] == ["owner", "copy", "asked"]
    assert text_of(found, -1) == "◆ ◆ some:entry", "there is no room beside its mark"
    assert text_of(placed(scene, shown=replace(shown, slot=600)), -1) == "◆ some:entry"
    assert roles_of(Way("a", 0, 1, 1, (0, 1, -1))) == {1: "asked, owner", 0: "copy"}
    assert roles_of(None) == {}
    assert "down" in text_of(placed(scene_of(without(3, 0)), shown=shown), 0), "its state is told too"


def test_an_alias_of_wide_characters_is_shown_in_its_cells_and_cut_between_them() -> None:
    scene = scene_of(stable(3))
    for alias in ALIASES:
        for width, height in SIZES:
            for slot in range(0, SLOTS, SLOTS // 13):
                found = placed(scene, width, height, shown=Way(alias, slot, 2, 0, (1,)))
                text = text_of(found, -1).removeprefix("◆").lstrip("◆ ")
                assert alias.startswith(text.removesuffix("…")) and text
                assert "".join(part for part, _ in clusters(alias)).startswith(text.removesuffix("…"))


def test_a_request_is_told_among_many() -> None:
    scene = scene_of(stable(200))
    shown = way(scene, 100)
    found = placed(scene, shown=shown)
    for node in (shown.asked, shown.owner, *shown.holders):
        assert scene.nodes[node].name in text_of(found, node)


def test_long_names_are_cut_rather_than_lost() -> None:
    scene = scene_of(joining(3))
    nodes = tuple(replace(node, name=f"cache-{number}.example.org:5909") for number, node in enumerate(scene.nodes))
    for size in SIZES:
        found = placed(replace(scene, nodes=nodes), *size)
        for node in range(4):
            assert "cac" in text_of(found, node) or "ca…" in text_of(found, node)


def test_what_is_stale_has_no_colour() -> None:
    assert {mark.colour for mark in placed(disconnected(scene_of(stable(3))))} == {DARK.dim}


def test_a_dead_node_is_red_though_it_tells_nothing() -> None:
    scene = scene_of(without(3, 1))
    nodes = tuple(replace(node, stale=node.state is NodeState.DOWN) for node in scene.nodes)
    assert {mark.colour for mark in placed(replace(scene, nodes=nodes)) if mark.node == 1} == {DARK.bad}


def test_the_ring_does_not_jump_with_the_states() -> None:
    scene = scene_of(stable(3))
    assert side_of(scene, 60) == side_of(with_state(scene, 1, NodeState.DOWN), 60)


def test_time_goes_on_in_the_words() -> None:
    scene = replace(scene_of(without(3, 1)), at=NOW + 60)
    assert "1 min 12 s" in text_of(placed(scene, 100, 48), 1)
