"""The table of keys."""

from __future__ import annotations

from wrpme.tui.app import Dashboard
from wrpme.tui.keys import KEYS, WHERE, help_text
from wrpme.tui.main_screen import MainScreen


def test_no_key_has_two_meanings() -> None:
    keys = [key for entry in KEYS for key in entry.keys.split(",")]
    assert len(set(keys)) == len(keys)


def test_every_key_has_an_action_and_a_place() -> None:
    for entry in KEYS:
        assert entry.where in WHERE, entry
        name = f"action_{entry.action.removeprefix('app.').split('(')[0]}"
        at = Dashboard if entry.action.startswith("app.") or entry.action == "command_palette" else MainScreen
        assert hasattr(at, name), name


def test_help_names_what_is_of_use() -> None:
    live, local, replay = help_text(False, False, False), help_text(True, False, False), help_text(False, True, False)
    assert "kill -9" in local and "kill -9" not in live
    assert "In a replay" in replay and "In a replay" not in live
    assert "In the shell" in live and "In the shell" not in replay
    for entry in KEYS:
        assert entry.what in live + local + replay


def test_the_signs_are_those_of_the_terminal() -> None:
    assert "red hatch" in help_text(False, False, False) and "!   no live node" in help_text(False, False, True)
    for local in (False, True):
        assert max(map(len, help_text(local, False, True).split("\n"))) <= 100, "it fits into the window"
