"""Figures as an operator reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from tests.tui.pieces import node, scene
from wrpme.tui.state import format
from wrpme.tui.state.scene import CopyShown, Mode, NodeState


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "?"), (0, "0"), (999, "999"), (999.6, "1.00k"), (12_345, "12.3k"), (123_456, "123k"),
        (9_994_000, "9.99M"), (9_996_000, "10.0M"), (2.5e9, "2.50G"), (3e12, "3.0T"),
    ],
)  # fmt: skip
def test_counts(number: float | None, shown: str) -> None:
    assert format.count_text(number) == shown


@given(st.floats(0, 9e14))
def test_a_count_is_short_and_right_to_half_a_percent(number: float) -> None:
    shown = format.count_text(number)
    assert len(shown) <= 6
    unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(shown[-1], 1)
    assert abs(float(shown.rstrip("kMGT")) * unit - number) <= max(0.5, number * 0.0051 + 0.05 * (unit > 1e9) * unit)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "?"), (0.000_001, "1.00 us"), (0.000_25, "250 us"), (0.0123, "12.3 ms"), (1.5, "1.50 s"), (120, "120 s")],
)
def test_latencies(seconds: float | None, shown: str) -> None:
    assert format.latency_text(seconds) == shown


def test_small_rates_keep_a_digit() -> None:
    shown = [format.rate_text(rate) for rate in (None, 0, 0.5, 9.94, 10, 1500)]
    assert shown == ["?", "0", "0.5", "9.9", "10", "1.50k"]


def test_every_state_has_a_sign_and_a_role_of_its_own_or_a_word() -> None:
    assert set(format.GLYPHS) == set(format.ROLES) == set(NodeState)
    assert len(set(format.GLYPHS.values())) == len(NodeState), "no state is told by colour alone"


def test_a_state_says_since_when_unless_it_is_up() -> None:
    assert format.state_text(node(1), at=1000.0) == "up"
    down = node(1, state=NodeState.DOWN, since=940.0)
    assert format.state_text(down, at=1000.0) == "down 1 min 0 s"
    assert format.state_text(node(1, state=NodeState.SILENT), 1000.0) == "no answer"


def test_what_is_copied_and_how_far() -> None:
    moving = replace(scene(3), moves=(CopyShown(0, 2, 0.25, 0.5), CopyShown(1, 2, 0.25, 1.0)))
    assert format.copying_text(2, moving) == "←n1,n2 75%"
    assert format.copying_text(0, moving) == "→n3 50%"
    assert format.copying_text(0, scene(3)) == ""


def test_which_time_is_shown() -> None:
    assert format.mode_text(scene(1)).startswith("LIVE ")
    assert format.mode_text(replace(scene(1), mode=Mode.PAST)).startswith("PAST ")


@given(st.text(st.sampled_from("ab 日.")), st.integers(2, 30))
def test_wrapped_lines_fit_and_lose_only_spaces(text: str, width: int) -> None:
    lines = format.wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(joint + line for joint, line in format.wrapped_at(text, width)) == text
    if cell_len(text) <= width:
        assert lines == [text]
