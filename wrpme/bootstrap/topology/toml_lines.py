"""The lines in which the tables and keys of a TOML text stand, as far as they are certain; tomllib does not tell them.

This module is pure.
"""

from __future__ import annotations

import re

_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"\\]*\"|'[^']*')"
_PATH = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(rf"\s*({_PATH})\s*=")


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
