"""Terminals that can't show everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from wrpme.tui.terminal.ascii import Ascii, ascii_of, knows_colours, knows_utf8


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Mn", "Me", "Cf"))))
def test_ascii_is_as_wide_as_what_it_stands_for(text: str) -> None:
    shown = ascii_of(text)
    assert shown.isascii() and len(shown) == cell_len(text)


def test_what_takes_two_cells_together_becomes_two_characters() -> None:
    assert ascii_of("👨\u200d👩\u200d👧e\u0301❤\ufe0f") == "?????"


def test_every_segment_becomes_ascii() -> None:
    found = Ascii().apply([Segment("● up"), Segment("plain"), Segment("日本")], Color(0, 0, 0))
    assert [segment.text for segment in found] == ["o up", "plain", "????"]


@pytest.mark.parametrize(
    ("environment", "knows"),
    [
        ({}, True),
        ({"TERM": "xterm"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "vt100"}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, False),
    ],
)
def test_whether_there_are_colours(environment: dict[str, str], knows: bool) -> None:
    assert knows_colours(environment) is knows


@pytest.mark.parametrize(
    ("environment", "knows"),
    [
        ({}, True),
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.utf8", "TERM": "xterm-256color"}, True),
        ({"LANG": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, False),
        ({"LC_ALL": "en_US.ISO-8859-1"}, False),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, False),
    ],
)
def test_what_the_environment_tells(environment: dict[str, str], knows: bool) -> None:
    assert knows_utf8(environment) is knows
