"""Texts of TOML that operators write: how they are read, what is said of a wrong one, and the lines in which tables and
keys stand, as far as they are certain; tomllib does not tell them.

This module is pure.
"""

from __future__ import annotations

import re
from typing import Any

from wrpme.errors import UsageError

_PLAINER = {
    "Cannot overwrite a value": "this key is said twice",
    r"Cannot declare \(.*?\) twice": "this table is there twice",
}
_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"\\]*\"|'[^']*')"
_PATH = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(rf"\s*({_PATH})\s*=")


def parse(text: str, source: str) -> dict[str, Any]:
    """Returns what a text says; ``source`` is the name of its file in sentences.

    Raises:
        UsageError: it is not TOML; the sentence has the line.
    """
    import tomllib  # here: most sessions of wrpmesh have no file to read

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(_not_toml(str(error), source)) from None


def shown(given: object) -> str:
    """Returns a value as TOML writes it, as far as that fits into a sentence."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        plain = "".join(character if character.isprintable() else "?" for character in given[:80])
        return f'"{plain}"'
    if isinstance(given, int | float):
        return number_text(given)[:40]
    if isinstance(given, list):
        return "a list"
    return "a table" if isinstance(given, dict) else "a date or a time"


def number_text(given: object) -> str:
    """Returns the text of a value. A large number is hexadecimal: Python refuses to write one of very many digits in
    decimal."""
    return hex(given) if isinstance(given, int) and abs(given) >= 1 << 63 else str(given)


def _not_toml(reason: str, source: str) -> str:
    for words, plain in _PLAINER.items():
        reason = re.sub(words, plain, reason)
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", reason)
    if place is None:
        return f"{source} is not TOML: {reason}"
    where = f"line {place[1]}, column {place[2]}" if place[1] else "at its end"
    return f"{source}, {where}: not TOML: {reason.replace(place[0], '')}"


class TomlLines:
    """Finds the lines of one text.

    Lines are counted from 1, and 0 stands for a line that is not certain. Tables of an array are counted from 1, and so
    are the tables below them; other tables have the number 0.
    """

    def __init__(self, text: str) -> None:
        self._headers: dict[tuple[str, int], int] = {}
        self._keys: dict[tuple[str, int, str], int] = {}
        self._counts: dict[str, int] = {}
        if '"""' in text or "'''" in text:  # within such a text, what looks like a table is none
            return
        table, number = "", 0
        for line, words in enumerate(text.split("\n"), 1):
            header = _HEADER.fullmatch(words.rstrip("\r"))
            if header is not None:
                table = _plain(header[2])
                if header[1] == "[[":
                    self._counts[table] = self._counts.get(table, 0) + 1
                number = self._counts.get(table.partition(".")[0], 0)
                self._headers.setdefault((table, number), line)
            elif key := _KEY.match(words):
                self._keys.setdefault((table, number, _plain(key[1])), line)

    def count(self, array: str) -> int:
        """Returns how many tables of that array were found."""
        return self._counts.get(array, 0)

    def header(self, table: str, number: int = 0) -> int:
        """Returns the line of the header of that table."""
        return self._headers.get((table, number), 0)

    def key(self, table: str, key: str, number: int = 0) -> int:
        """Returns the line of a key, or of the header of its table if that is not certain."""
        return self._keys.get((table, number, key), 0) or self.header(table, number)

    def key_below(self, table: str, below: str, key: str, number: int = 0) -> int:
        """Returns the line of a key in the table ``below`` of a table, in whichever of the three ways it is written."""
        whole = (table, number, below)
        dotted = (table, number, f"{below}.{key}")
        own = (f"{table}.{below}", number, key)
        found = next((self._keys[way] for way in (own, dotted, whole) if way in self._keys), 0)
        return found or self.header(f"{table}.{below}", number) or self.header(table, number)


def _plain(path: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in path.split("."))
