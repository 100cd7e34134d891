"""What takes which cells: no wide character and no cluster is ever cut in two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wrpme.tui.state.cells import clusters, cut, visible, width_of

FAMILY = "👨\u200d👩\u200d👧"
PARTS = ("a", "日", "🐝", FAMILY, "🇩🇪", "e\u0301", "👍🏽", "\x1b", "\u202e", "\udc80")
TEXTS = st.lists(st.sampled_from(PARTS)).map("".join)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("entry", 5, "entry"),
        ("entries", 5, "entr…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        (f"{FAMILY}{FAMILY}", 4, FAMILY * 2),
        (f"{FAMILY}{FAMILY}", 3, f"{FAMILY}…"),
        (f"{FAMILY}{FAMILY}", 2, "…"),
        ("🇩🇪🇫🇷", 3, "🇩🇪…"),
        ("e\u0301te\u0301", 2, "e\u0301…"),
    ],
)
def test_a_text_is_cut_between_clusters(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@given(TEXTS, st.integers(1, 12))
def test_what_is_cut_fits(text: str, width: int) -> None:
    shown = cut(visible(text), width)
    assert cell_len(shown) == width_of(shown) <= width
    assert visible(text).startswith(shown.removesuffix("…"))


@given(TEXTS)
def test_all_that_is_shown_takes_room_and_is_harmless(text: str) -> None:
    assert all(cells for _, cells in clusters(visible(text)))
    assert not set(visible(text)) & {"\x1b", "\u202e", "\udc80"}
