from __future__ import annotations

from collections import Counter
from math import atan2, hypot, pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrpme.limits import SLOTS
from wrpme.tui.ring.geometry import LEVELS, Geometry, arcs_of, rescued, ring_in

SIZES = [(20, 9), (38, 14), (38, 16), (60, 32), (61, 33), (100, 48), (200, 60)]
sizes = st.tuples(st.integers(14, 120), st.integers(7, 60))
tilings = st.lists(st.integers(1, SLOTS - 1), max_size=300, unique=True).map(lambda cuts: [0, *sorted(cuts)])


def ring(width: int, height: int, bands: int = 3, side: int = 6, halves: bool = True) -> Geometry:
    geometry = ring_in(width, height, bands, side, halves)
    assert geometry is not None
    return geometry


@settings(max_examples=150)
@given(sizes, st.integers(2, 6), st.booleans(), tilings)
def test_each_arc_has_its_share_within_one_step(
    size: tuple[int, int], bands: int, halves: bool, firsts: list[int]
) -> None:
    geometry = ring(*size, bands, halves=halves)
    steps = len(geometry.middles)
    counts = Counter(arcs_of(geometry.middles, firsts))
    assert sum(counts.values()) == steps, "no gap, no overlap"
    for arc, (first, end) in enumerate(zip(firsts, [*firsts[1:], SLOTS], strict=True)):
        assert abs(counts[arc] - (end - first) / SLOTS * steps) <= 1
    assert arcs_of(geometry.middles, firsts) == sorted(arcs_of(geometry.middles, firsts)), "in the order of the ring"


@settings(max_examples=60)
@given(sizes, st.integers(2, 6), st.booleans())
def test_steps_are_equal_and_each_is_drawn(size: tuple[int, int], bands: int, halves: bool) -> None:
    geometry = ring(*size, bands, halves=halves)
    count, tall = len(geometry.middles), 1 if halves else 2
    owner = geometry.bands[0]
    assert set(geometry.steps[owner.first : owner.end]) == set(range(count)), "an arc of one step is seen"
    for pixel, step in enumerate(geometry.steps):
        right, up = geometry.xs[pixel] + 0.5 - geometry.center_x, geometry.center_y - (geometry.ys[pixel] + 0.5) * tall
        slot = atan2(right, up) % (2 * pi) / (2 * pi) * SLOTS
        off = abs(slot - geometry.middles[step])
        assert min(off, SLOTS - off) <= SLOTS / count / 2 + 1, "a pixel lies in the stretch of its step"


@settings(max_examples=60)
@given(sizes, st.integers(2, 6), st.integers(0, 20), st.booleans())
def test_every_pixel_is_one_band_s_and_lies_in_the_pane(
    size: tuple[int, int], bands: int, side: int, halves: bool
) -> None:
    geometry = ring(*size, bands, side, halves)
    places = list(zip(geometry.xs, geometry.ys, strict=True))
    assert len(set(places)) == len(places)
    assert [band.first for band in geometry.bands] == [0, *(band.end for band in geometry.bands[:-1])]
    assert geometry.bands[-1].end == len(places)
    shown = [pixel for row in geometry.rows for _, *pair in row for pixel in pair if pixel >= 0]
    assert sorted(shown) == list(range(len(places))), "each is drawn once"
    assert all(0 <= x < size[0] and 0 <= y < size[1] * (2 if halves else 1) for x, y in places)
    assert all(0 < level <= LEVELS for level in geometry.coverage)
    for y, row in enumerate(geometry.rows):
        assert [x for x in range(size[0]) if geometry.on_ring(x, y)] == [x for x, _, _ in row]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("halves", [True, False])
def test_it_is_round(size: tuple[int, int], halves: bool) -> None:
    geometry = ring(*size, halves=halves)
    tall = 1 if halves else 2
    lines = [y * tall for y in geometry.ys]
    wide, high = max(geometry.xs) - min(geometry.xs) + 1, max(lines) - min(lines) + tall
    assert abs(wide - high) <= tall
    for band in geometry.bands:
        for pixel in range(band.first, band.end):
            right = geometry.xs[pixel] + 0.5 - geometry.center_x
            distance = hypot(right, (geometry.ys[pixel] + 0.5) * tall - geometry.center_y)
            assert band.inner - 0.5 <= distance <= band.outer + 0.5


@pytest.mark.parametrize("size", SIZES)
def test_all_copies_have_a_band_where_there_is_room(size: tuple[int, int]) -> None:
    for wanted in range(2, 7):
        geometry = ring(*size, wanted)
        if size[1] >= 32 or (size[1] >= 14 and wanted == 3):
            assert len(geometry.bands) == wanted
        assert geometry.room >= 3, "something fits inside"
        thick = [band.outer - band.inner for band in geometry.bands]
        assert thick[0] == max(thick), "the owner's is the thickest"


def test_too_small_a_pane_has_no_ring() -> None:
    assert ring_in(13, 20, 3, 6, True) is None
    assert ring_in(40, 6, 3, 6, True) is None


def test_the_top_is_the_beginning_and_the_right_is_a_quarter() -> None:
    geometry = ring(60, 32)
    top, right = geometry.outside(0), geometry.outside(SLOTS // 4)
    assert top[0] in (29, 30) and top[1] < 5
    assert right[1] in (15, 16) and right[0] > 50
    assert abs(geometry.slot_at(*right) - SLOTS // 4) < SLOTS // 60
    assert geometry.slot_at(*geometry.outside(40_000)) == pytest.approx(40_000, abs=SLOTS // 60)


@pytest.mark.parametrize("halves", [True, False])
def test_marks_stand_outside(halves: bool) -> None:
    geometry = ring(60, 32, halves=halves)
    for slot in range(0, SLOTS, 512):
        for skip in range(3):
            x, y = geometry.outside(slot, skip)
            assert not geometry.on_ring(x, y)
            assert halves or not (geometry.on_ring(x - 1, y) or geometry.on_ring(x + 1, y))


def test_the_middle_is_free() -> None:
    geometry = ring(60, 32)
    for row in range(32):
        wide = geometry.chord(row)
        first = round(geometry.center_x - wide / 2)
        assert not any(geometry.on_ring(x, row) for x in range(first, first + wide))


def test_an_arc_that_is_too_narrow_is_seen_if_it_is_unwell() -> None:
    firsts = [0, 30_000, 30_001, 30_002, 60_000]
    middles = ring(60, 32).middles
    plain = arcs_of(middles, firsts)
    assert 1 not in plain and 2 not in plain
    assert rescued(plain, firsts, [0, 0, 0, 0, 0]) == plain
    shown = rescued(plain, firsts, [0, 1, 3, 0, 0])
    assert shown.count(2) == 1 and 1 not in shown, "the worse one has the step"
    assert sum(before != after for before, after in zip(plain, shown, strict=True)) == 1


def test_the_line_of_a_slot_crosses_all_bands() -> None:
    geometry = ring(60, 32)
    for slot in (0, 5000, 33_000, 60_000):
        near = geometry.near(slot, 1.0)
        assert all(0 <= off < 1 for _, off in near)
        for band in geometry.bands:
            assert any(band.first <= pixel < band.end for pixel, _ in near)
