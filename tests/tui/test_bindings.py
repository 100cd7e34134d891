"""From the table of keys to bindings."""

from __future__ import annotations

from wrpme.tui.keys import KEYS, Key
from wrpme.tui.panes.bindings import bindings_of


def test_the_foot_shows_what_the_table_says() -> None:
    shown, hidden = bindings_of([Key("S,x", "stop", "S", "stops it", "stop"), Key("o", "sort(1)", "o", "sorts")])
    assert (shown.key, shown.action, shown.description, shown.show, shown.key_display) == (
        "S,x", "stop", "stop", True, "S",
    )  # fmt: skip
    assert (hidden.description, hidden.show) == ("sorts", False)


def test_each_key_is_bound_but_the_one_that_the_app_binds_itself() -> None:
    assert [one.action for one in bindings_of(KEYS)] == [k.action for k in KEYS if k.action != "command_palette"]
