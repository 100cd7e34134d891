"""Aliases and contents as text: what is printed of them, and what is typed.

An alias is any bytes, and by convention a text in UTF-8. As a ``str`` it has bytes that are no UTF-8 as surrogate
escapes (PEP 383), so that every alias has exactly one text, and that text gives the alias again.

Where it is printed it stands as it is if it is a plain word, else in double quotes, with these escapes: ``\\"``,
``\\\\``, ``\\n``, ``\\r``, ``\\t``, and ``\\xNN`` for any byte. Whatever is printed can be typed.
"""

from __future__ import annotations

import re

from wrpme.errors import UsageError

NAMED_BYTES_MAX = 100
"""So much of an alias is shown in a sentence."""

_ESCAPED = re.compile(rb'\\(x[0-9a-fA-F]{2}|["\\nrt]|)')
_BYTES = {b'"': b'"', b"\\": b"\\", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NOT_PLAIN = re.compile(r'[ "\\]')


def text_of(alias: bytes) -> str:
    """Returns an alias as text."""
    return alias.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Returns the bytes of a text.

    Raises:
        UsageError: It has half of a character that UTF-16 writes in two.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(f"{text[:40]!r} is no text: a part of it is half a character; give it as bytes") from None


def is_plain(data: bytes) -> bool:
    """Whether the bytes are shown as they are: a word of printable characters, that is no option and no quote."""
    text = text_of(data)
    return bool(text) and text.isprintable() and not text.startswith("-") and not _NOT_PLAIN.search(text)


def shown(alias: bytes) -> str:
    """Returns an alias as it is printed and typed: in quotes if it has to be."""
    return text_of(alias) if is_plain(alias) else quoted(alias)


def named(alias: bytes) -> str:
    """Returns an alias in quotes as it is named in a sentence, of at most ``NAMED_BYTES_MAX`` bytes."""
    return quoted(alias) if len(alias) <= NAMED_BYTES_MAX else f"{quoted(alias[:NAMED_BYTES_MAX])}..."


def quoted(data: bytes) -> str:
    """Returns bytes in double quotes, with escapes for all that is no printable character."""
    text = text_of(data)
    if not text.isprintable() or '"' in text or "\\" in text:
        text = "".join(_ESCAPES.get(character) or _printable(character) for character in text)
    return f'"{text}"'


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def unescaped(text: str) -> bytes:
    """Returns the bytes that a text with escapes stands for.

    Raises:
        UsageError: A backslash in it begins no escape.
    """
    data = bytes_of(text)
    return _ESCAPED.sub(_byte, data) if b"\\" in data else data


def _byte(escape: re.Match[bytes]) -> bytes:
    letters = escape[1]
    if not letters:
        raise UsageError(r"a backslash begins an escape (\", \\, \n, \r, \t or \xNN); \\ stands for a backslash")
    return _BYTES.get(letters) or bytes.fromhex(letters[1:].decode())
