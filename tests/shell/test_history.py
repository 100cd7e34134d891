"""The file of lines that all shells share."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wrpme.shell.limits import HISTORY_LINE_CHARACTERS_MAX, HISTORY_LINES_MAX
from wrpme.shell.history import LineFile


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert LineFile.of_user().path == tmp_path / "wrpme" / "history"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert LineFile.of_user().path == tmp_path / ".local" / "state" / "wrpme" / "history"


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history"
    assert LineFile(path).load() == []
    for line in (
        "one",
        "  ",
        "hive_import redis://me:secret@a:1",
        "two",
        " secret",
        "x" * (HISTORY_LINE_CHARACTERS_MAX + 1),
        "three\nfour",
    ):
        LineFile(path).append(line)
    assert LineFile(path).load() == ["one", "two", "three four"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "contents are nobody else's business"


def test_a_long_history_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f"line {number}\n" for number in range(2 * HISTORY_LINES_MAX + 1)))
    found = LineFile(path).load()
    assert len(found) == HISTORY_LINES_MAX and found[-1] == f"line {2 * HISTORY_LINES_MAX}"
    assert path.read_text().splitlines() == found


def test_lines_that_are_no_utf_8_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b"get \xff\nget x\n")
    assert LineFile(path).load() == ["get \udcff", "get x"]
    LineFile(path).append("put \udcff 1")
    assert LineFile(path).load()[-1] == "put \udcff 1"


def test_a_home_that_can_not_be_written_is_put_up_with(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    history = LineFile(blocked / "wrpme" / "history")
    history.append("get x")
    assert history.load() == []
    assert os.listdir(tmp_path) == ["file"]
