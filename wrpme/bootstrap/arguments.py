"""The words of the commands about other machines, checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isfinite

from msgspec import Struct

from wrpme import options
from wrpme.errors import UsageError

SPANS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
UNIX_SECONDS_MIN = 100_000_000
"""1973: a smaller number is a span whose unit was forgotten, or a date without its dashes."""
TIME_WANTED = "2030-01-31T12:00 (ISO 8601, without a zone in local time), seconds since 1970, or a span such as 10m"
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])")


class Request(Struct, frozen=True):
    """What a command is asked for. ``nodes`` are addresses in their normal form, ``since`` as it was written."""

    file: str = ""
    example: bool = False
    nodes: tuple[str, ...] = ()
    since: str = ""
    follow: bool = False
    yes: bool = False
    ca: bool = False
    quiet: bool = False


def parse(name: str, words: Sequence[str]) -> Request:
    """Returns what the words of a command that takes a topology file ask for.

    Raises:
        UsageError: a word or an option is wrong.
    """
    given = options.parse(options.of_command(name), words)
    file, *more = given.words or ("",)
    if more:
        raise UsageError(f'"{more[0][:80]}" is too much for {name}: it takes one topology file; see help {name}')
    if "example" in given and given.words:
        raise UsageError(f'hive_plan prints an example or plans "{file[:80]}"; leave one of them out')
    if not file and "example" not in given:
        raise UsageError(f"{name} needs FILE, a topology file; hive_plan --example prints one")
    found = given.values
    return Request(
        file=file,
        example="example" in found,
        nodes=tuple(dict.fromkeys(map(str, found.get("node", ())))),
        since=found.get("since", ""),
        follow="f" in found,
        yes="yes" in found,
        ca="ca" in found,
        quiet="quiet" in found,
    )


def since(text: str, now: datetime) -> float:
    """Returns the time that ``--since`` names, in seconds since 1970. ``now`` is the present time.

    Raises:
        UsageError: it names none, or one that is not past.
    """
    if span := _SPAN.fullmatch(text):
        return max(0.0, now.timestamp() - float(span[1]) * SPANS_SECONDS[span[2]])
    moment = _moment(text)
    if moment > (now + timedelta(seconds=1)).timestamp():
        raise UsageError(f"--since {text[:40]} is not past: it is {now.isoformat(' ', 'seconds')} now")
    return moment


def _moment(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if not isfinite(number) or number < UNIX_SECONDS_MIN:
            raise UsageError(f"--since {text[:40]}: as seconds since 1970 that is before all logs; write {TIME_WANTED}")
        return number
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"--since {text[:40]} is no time; write {TIME_WANTED}") from None
