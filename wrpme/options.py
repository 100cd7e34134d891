"""The options of wrpmed that tune a node: their names without dashes, and what their values are. Pure.

The daemon reads them from its command line; a topology file says them for nodes on other machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wrpme.errors import UsageError
from wrpme.limits import GRACE_SECONDS_MAX, REPLICATION_MAX, SESSIONS_OPTION_MAX

LEVELS = ("debug", "info", "warning", "error")
VALUE_CHARACTERS_MAX = 40
FLAGS = ("no-sync", "transient")
"""They take no value."""


class Rule(NamedTuple):
    """``read`` makes a value of a text, or raises ValueError; ``must`` says what it accepts."""

    must: str
    read: Callable[[str], str | int | float]


def _level(text: str) -> str:
    return LEVELS[LEVELS.index(text)]


def _whole(text: str, most: int) -> int:
    if text.isascii() and text.isdigit() and not text.startswith("0") and 1 <= int(text) <= most:
        return int(text)
    raise ValueError(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= GRACE_SECONDS_MAX:
        raise ValueError(text)
    return seconds


RULES: dict[str, Rule] = {
    "log-level": Rule(f"it is one of {', '.join(LEVELS)}", _level),
    "replication": Rule(
        f"it is a number of copies from 1 to {REPLICATION_MAX}", lambda text: _whole(text, REPLICATION_MAX)
    ),
    "grace": Rule(f"it is a number of seconds from 0 to {GRACE_SECONDS_MAX:.0f}", _seconds),
    "sessions": Rule(f"it is a number from 1 to {SESSIONS_OPTION_MAX}", lambda text: _whole(text, SESSIONS_OPTION_MAX)),
}
NAMES = ("replication", "grace", "no-sync", "transient", "log-level", "sessions")
"""All of them, in the order in which they are written."""


def value(name: str, text: str) -> str | int | float:
    """The value of an option that takes one.

    Raises:
        UsageError: it is none; the sentence says what it should be, not for which option.
    """
    rule = RULES[name]
    try:
        if len(text) <= VALUE_CHARACTERS_MAX:
            return rule.read(text)
    except ValueError:
        pass
    raise UsageError(rule.must)


def text(given: str | int | float) -> str:
    """A value as it is written, in its shortest form."""
    return str(int(given)) if isinstance(given, float) and given.is_integer() else str(given)
