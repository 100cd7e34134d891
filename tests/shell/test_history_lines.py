"""A line of the history is what was typed, whatever characters it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from wrpme.shell.history import LineFile
from wrpme.shell.prompt import LineHistory

ENDS = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"]


@pytest.mark.parametrize("end", ENDS)
def test_what_python_calls_the_end_of_a_line_is_none(tmp_path: Path, end: str) -> None:
    file = LineFile(tmp_path / "history")
    file.append(f"put a 1{end}remove_all")
    file.append("get a")
    assert file.load() == [f"put a 1{end}remove_all", "get a"]


def test_bytes_that_are_no_utf8_stay_and_half_a_pair_breaks_nothing(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "history")
    file.append("put a \udcff\u00e9")
    file.append("put b \ud800")
    assert file.load() == ["put a \udcff\u00e9", "put b ?"]


def test_a_line_that_begins_with_a_space_is_not_kept(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "history")
    history = LineHistory(file)
    for line in (" put token secret", "get a"):
        history.append_string(line)
    assert file.load() == ["get a"] and "secret" not in file.path.read_text()
    assert history.get_strings() == ["get a"], "nor for as long as the shell runs"


def test_a_file_that_does_not_end_in_a_line_end_or_is_shortened(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "history")
    file.lines_max = 2
    file.path.write_text("a\x0b1\nb\x851\nc\u20281\nd\ne\nf", "utf-8")
    assert file.load() == ["e", "f"]
    assert file.path.read_text("utf-8") == "e\nf\n"
