"""Help beside what is typed."""

from __future__ import annotations

import pytest

from wrpme.shell.commands import COMMANDS
from wrpme.tui.panes.hints import completed, hint


def test_nothing_typed_no_hint() -> None:
    assert hint("") == hint("   ") == ""


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)
def test_a_command_is_explained_as_soon_as_it_is_there(spec: object) -> None:
    name, syntax, summary = spec.name, spec.syntax, spec.summary  # type: ignore[attr-defined]
    assert hint(name).startswith(f"{syntax}: {summary}")
    assert hint(f"{name} something").startswith(f"{syntax}: {summary}")


def test_the_beginning_of_a_word_lists_what_it_may_become() -> None:
    assert hint("get_") == "get_expiry  get_remove  get_update"
    assert hint("p").split() == ["prefix_get", "put"]


def test_a_word_that_is_none_names_the_nearest() -> None:
    assert hint("updat x") == "there is no command updat: update?"
    assert hint("xyzzyq x") == "there is no command xyzzyq"


@pytest.mark.parametrize(
    ("line", "becomes", "choices"),
    [
        ("loc", "locate ", []),
        ("get_", "get_", ["get_expiry", "get_remove", "get_update"]),
        ("stop_node 192.168.1.2", "stop_node 192.168.1.2:5909 ", []),
        ("stop_node ", "stop_node 192.168.1.", ["192.168.1.1:5909", "192.168.1.2:5909"]),
        ("get alias", "get alias", []),
    ],
)
def test_tab(line: str, becomes: str, choices: list[str]) -> None:
    assert completed(line, ["192.168.1.1:5909", "192.168.1.2:5909"]) == (becomes, choices)
