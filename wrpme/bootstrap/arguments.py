"""The words of the commands about other machines, checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from math import isfinite

from msgspec import Struct

from wrpme.errors import UsageError
from wrpme.protocol import address as addresses

VALUED: dict[str, tuple[str, ...]] = {"hive_logs": ("--node", "--since")}
FLAGS: dict[str, tuple[str, ...]] = {
    "hive_check": (),
    "hive_plan": ("--example",),
    "hive_apply": (),
    "hive_logs": ("-f",),
    "hive_upgrade": (),
    "hive_stop": (),
    "hive_start": (),
    "hive_destroy": ("--yes",),
}
"""The commands that take a topology file, and their options, with a value and without one."""
SPANS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
UNIX_SECONDS_MIN = 100_000_000
"""1973: a smaller number is a span whose unit was forgotten, or a date without its dashes."""
TIME_WANTED = "2030-01-31T12:00 (ISO 8601, without a zone in local time), seconds since 1970, or a span such as 10m"
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])")


class Request(Struct, frozen=True):
    """What was asked for. ``nodes`` are addresses in their normal form, ``since`` as it was written."""

    file: str = ""
    example: bool = False
    nodes: tuple[str, ...] = ()
    since: str = ""
    follow: bool = False
    yes: bool = False


class Taken(Struct, frozen=True):
    """Words, and options with the values that each was given, in their order."""

    words: tuple[str, ...]
    values: dict[str, list[str]]


def parse(name: str, words: Sequence[str]) -> Request:
    """The words of a command that takes a topology file.

    Raises:
        UsageError
    """
    taken = take(name, words, VALUED.get(name, ()), FLAGS[name], repeated=("--node",))
    given = taken.values
    file, more = (taken.words or ("",))[0], taken.words[1:]
    if more:
        raise UsageError(f"{shown(more[0])} is too much for {name}: it takes one topology file; see help {name}")
    if "--example" in given and taken.words:
        raise UsageError(f"hive_plan prints an example or plans {shown(file)}; leave one of them out")
    if not file and "--example" not in given:
        raise UsageError(f"{name} needs FILE, a topology file; hive_plan --example prints one")
    return Request(
        file=file,
        example="--example" in given,
        nodes=tuple(dict.fromkeys(_node(text) for text in given.get("--node", ()))),
        since=given.get("--since", [""])[0],
        follow="-f" in given,
        yes="--yes" in given,
    )


def take(
    name: str, words: Sequence[str], valued: Sequence[str], flags: Sequence[str], repeated: Sequence[str]
) -> Taken:
    """Tells options and other words apart; ``--option VALUE`` and ``--option=VALUE`` are the same. A flag that was
    given has no values.

    Raises:
        UsageError: there is no such option, it lacks its value, or is given twice and not ``repeated``.
    """
    others: list[str] = []
    values: dict[str, list[str]] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            others.append(word)
            continue
        option, equals, value = word.partition("=")
        if option not in valued and option not in flags:
            raise UsageError(unknown(name, option, [*valued, *flags]))
        if option in values and option not in repeated:
            raise UsageError(f"{option} is given twice to {name}; give it once")
        found = values.setdefault(option, [])
        if option in flags:
            if equals:
                raise UsageError(f"{option} of {name} takes no value; see help {name}")
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise UsageError(f"{option} of {name} needs a value; see help {name}")
            value = rest.pop(0)
        if not value:
            raise UsageError(f"{option} of {name} needs a value; see help {name}")
        found.append(value)
    return Taken(tuple(others), values)


def unknown(name: str, option: str, known: Sequence[str]) -> str:
    """The sentence for an option that ``name`` does not have."""
    near = get_close_matches(option[:64], known, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"it has {', '.join(known)}" if known else "it takes none"
    return f"there is no option {shown(option)} of {name}; {hint}"


def shown(text: str) -> str:
    """Words of the operator in a sentence."""
    return f'"{text[:80]}"'


def _node(text: str) -> str:
    try:
        return str(addresses.parse(text))
    except UsageError as error:
        raise UsageError(f"--node: {error.sentence}") from None


def since(text: str, now: datetime) -> float:
    """The time that ``--since`` names, in seconds since 1970; ``now`` is the present, in local time or with a zone.

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
