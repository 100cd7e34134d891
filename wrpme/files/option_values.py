"""What options take: addresses, numbers, sizes and names, each read from a text. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wrpme.errors import UsageError
from wrpme.protocol import address, validation
from wrpme.protocol.access.users import wrong_name
from wrpme.protocol.quoting import size_text, typed_alias

NUMBER_CHARACTERS_MAX = 40
SIZE_MAX = 1 << 60


class Value(Struct, frozen=True):
    """What an option takes. ``read`` makes the value of a text that is not empty; it raises ValueError, or UsageError
    where it has a better sentence than that the value should be ``must``."""

    shown: str
    must: str
    read: Callable[[str], Any]
    range: str = ""
    """What is allowed, as the help shows it."""
    choices: tuple[str, ...] = ()
    """All values, where there are only a few."""
    is_node: bool = False
    """Whether it is the address of a node of the hive, so that the known ones complete it."""
    types: tuple[type, ...] = (str,)
    """The types that a file of TOML may have for it."""


def whole(shown: str, noun: str, most: int) -> Value:
    """A whole number from 1 to ``most``, without leading zeros."""

    def read(given: str) -> int:
        plain = given.isascii() and given.isdigit() and not given.startswith("0")
        if plain and len(given) <= NUMBER_CHARACTERS_MAX and int(given) <= most:
            return int(given)
        raise ValueError(given)

    return Value(shown, f"{noun} from 1 to {most}", read, f"1 to {most}", types=(int,))


def seconds(least: float, most: float) -> Value:
    """A number of seconds."""

    def read(given: str) -> float:
        if len(given) <= NUMBER_CHARACTERS_MAX and least <= (number := float(given)) <= most:
            return number
        raise ValueError(given)

    span = f"{text(least)} to {text(most)}"
    return Value("SECONDS", f"a number of seconds from {span}", read, span, types=(int, float))


def size(least: int) -> Value:
    """A number of bytes: plain, or in units of 1024 with K, M, G or T."""

    def read(given: str) -> int:
        number, unit = (given[:-1], given[-1].upper()) if given[-1:].isalpha() else (given, "")
        plain = number.isascii() and number.isdigit() and len(number) <= NUMBER_CHARACTERS_MAX
        power = "KMGT".find(unit) + 1 if unit else 0
        if plain and (power or not unit) and least <= (found := int(number) << 10 * power) <= SIZE_MAX:
            return found
        raise ValueError(given)

    told = f"a number of bytes from {size_text(least)}"
    return Value("BYTES", f"{told}, such as 20G or 1T", read, f"{size_text(least)} and more", types=(int, str))


def one_of(shown: str, choices: tuple[str, ...]) -> Value:
    """One of a few words."""

    def read(given: str) -> str:
        return choices[choices.index(given)]

    span = f"{', '.join(choices[:-1])} or {choices[-1]}"
    return Value(shown, f"one of {', '.join(choices)}", read, span, choices)


def count(given: str) -> int:
    """Returns a whole number from 1 up, or raises ValueError."""
    if given.isascii() and given.isdigit() and len(given) <= NUMBER_CHARACTERS_MAX and int(given) > 0:
        return int(given)
    raise ValueError(given)


def alias(given: str) -> bytes:
    """Returns the bytes of an alias as it is typed.

    Raises:
        UsageError: it can be none.
        TooLargeError: it is too long.
    """
    found = typed_alias(given)
    validation.check_alias(found)
    return found


def user(given: str) -> str:
    """Returns the name of a user.

    Raises:
        UsageError: nobody can have it.
    """
    if wrong := wrong_name(given):
        raise UsageError(wrong)
    return given


def path(given: str) -> str:
    """Returns the name of a file, or raises ValueError."""
    if "\0" in given:
        raise ValueError(given)
    return given


def text(value: object) -> str:
    """Returns a value as it is written, in its shortest form."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


HOST_PORT = Value("HOST:PORT", "HOST:PORT", address.parse)
NODE = replace(HOST_PORT, is_node=True)
FILE = Value("FILE", "the name of a file", path)
DIRECTORY = Value("DIR", "the name of a directory", path)
ALIAS = Value("ALIAS", "an alias", alias)
PREFIX = Value("PREFIX", "the first bytes of an alias", alias)
USER = Value("NAME", "the name of a user", user)
TIME = Value("TIME", "a time or a span such as 10m", str)
