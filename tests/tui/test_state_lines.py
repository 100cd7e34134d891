"""A long text becomes rows, and what is selected of them is the text again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wrpme.tui.state.lines import AFTER_NOTHING, AFTER_SPACE, Row, as_shown, broken, copied, goes_on, taken

HEAD: Row = (("12:00:00 ", "dim"), ("! ", "bad"))
TEXTS = st.lists(st.sampled_from(["a", "word", " ", "日本", "x" * 30, "👨\u200d👩\u200d👧"])).map("".join)


@given(TEXTS, st.integers(25, 60), st.booleans())
def test_what_was_broken_is_copied_whole(text: str, width: int, headed: bool) -> None:
    rows = broken(HEAD if headed else (), text, "text", width)
    assert all(cell_len("".join(part for part, _ in row)) <= width for row in rows)
    assert [goes_on(row) for row in rows] == [False] + [True] * (len(rows) - 1)
    head = "12:00:00 ! " if headed else ""
    assert copied(rows, [(row, 0, None) for row in range(len(rows))], as_shown) == (head + text).rstrip()


def test_rows_are_joined_as_they_were_broken() -> None:
    rows: list[Row] = [
        (("one two", "text"),),
        (("   ", AFTER_SPACE), ("three", "text")),
        (("   ", AFTER_NOTHING), ("four", "text")),
        (("five   ", "text"),),
        (("six", "text"),),
    ]
    assert copied(rows, [(0, 4, None), (1, 0, None), (2, 0, None), (3, 0, None), (4, 0, 2)], as_shown) == (
        "two threefour\nfive\nsi"
    )


def test_what_is_shown_shortened_is_copied_in_full_if_all_of_it_is_selected() -> None:
    rows: list[Row] = [(*HEAD, ("short", "text")), (("   ", AFTER_SPACE), ("words", "text")), (("next", "text"),)]

    def whole(row: int, part: int) -> str:
        return "all that there is to say" if (row, part) == (0, 2) else ""

    all_rows = [(0, 11, None), (1, 0, None), (2, 0, None)]
    assert copied(rows, all_rows, whole) == "all that there is to say\nnext"
    assert copied(rows, [(0, 12, None), (1, 0, None)], whole) == "hort words"
    assert copied(rows, [(0, 0, None)], whole) == "12:00:00 ! all that there is to say"


def test_a_wide_character_is_taken_whole() -> None:
    assert (taken("a日b", 1, 2), taken("a日b", 2, 3), taken("a日b", 0, 1), taken("a日b", 3, None)) == (
        "日",
        "日",
        "a",
        "b",
    )
