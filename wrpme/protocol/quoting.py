"""Aliases and contents as text: what is printed of them, and what is typed.

An alias is any bytes, and by convention a text in UTF-8. As a ``str`` it has bytes that are no UTF-8 as surrogate
escapes (PEP 383), so that every alias has exactly one text, and that text gives the alias again.

Where it is printed it stands as it is if it is a plain word, else in double quotes, with these escapes: ``\\"``,
``\\\\``, ``\\n``, ``\\r``, ``\\t``, and ``\\xNN`` for any byte. Whatever is printed can be typed, and an alias that is
typed without quotes may have the same escapes.

A content is typed as it is up to the end of its line, unless it begins with a quote; so it is printed as it is where a
terminal shows all of it, else in quotes.
"""

from __future__ import annotations

import re

from wrpme.errors import UsageError

NAMED_BYTES_MAX = 100
"""So much of an alias is shown in a sentence."""

SEPARATORS = " \t"
"""What stands between the words of a line."""
SPACES = "\u00a0\u3000"
"""Spaces that are no separators. Python does not call them printable, but a terminal shows them as they are."""

_QUOTED = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPED = re.compile(rb'\\(x[0-9a-fA-F]{2}|["\\nrt]|)')
_KEPT_MAX = 0x3000
"""The escapes of characters below this are kept, and of those that stand for a byte."""
_BYTES = {b'"': b'"', b"\\": b"\\", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WITHOUT_SPACES = dict.fromkeys(map(ord, SPACES))
_NOT_PLAIN = re.compile(r'[ "\\]')


class Quoted(str):
    """A word that was typed in quotes, as the text that it stands for. It is never an option."""

    __slots__ = ()


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
    return f'"{within_quotes(text_of(data))}"'


def within_quotes(text: str) -> str:
    """Returns what stands between the quotes for that text."""
    return text.translate(_WITHIN_QUOTES)


def is_shown_as_it_is(text: str) -> bool:
    """Whether a terminal shows a text as it is: then it is all of a content that doesn't begin with a quote, or a part
    of one."""
    return text.isprintable() or text.translate(_WITHOUT_SPACES).isprintable()


def content_shown(content: bytes, is_word: bool = False) -> str:
    """Returns a content as it is printed in a line, so that it can be typed; ``is_word`` where an empty one should be
    seen."""
    text = text_of(content)
    as_it_is = is_shown_as_it_is(text) and not text.startswith('"') and (text or not is_word)
    return text if as_it_is else quoted(content)


class _Escapes(dict[int, str]):
    """What stands in quotes for each character, worked out when it is first met: a content may have many millions."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character.isprintable():
            escaped = character
        else:
            escaped = "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
        if code < _KEPT_MAX or 0xDC80 <= code <= 0xDCFF:
            self[code] = escaped
        return escaped


_WITHIN_QUOTES = _Escapes({ord(character): escape for character, escape in _ESCAPES.items()})


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


# --- what is typed -----------------------------------------------------------------------------------------------


def cut(line: str) -> tuple[str, str]:
    """Returns the first word of a line, and what follows it from the separator on. A word that begins with a quote goes
    to the closing one.

    Raises:
        UsageError: A quote is open, or followed by something else than a separator.
    """
    line = line.lstrip(SEPARATORS)
    if not line.startswith('"'):
        at = next((index for index, character in enumerate(line) if character in SEPARATORS), len(line))
        return line[:at], line[at:]
    word, rest = _unquoted(line)
    if rest and rest[0] not in SEPARATORS:
        told = 'put a blank between, or write \\" for a quote within'
        raise UsageError(f"{_begin(rest)} follows a closing quote; {told}")
    return word, rest


def typed_content(rest: str) -> str:
    """Returns the content that the rest of a line is: all of it, or what it has in quotes.

    Raises:
        UsageError: A quote is open, or followed by something else than blanks.
    """
    if not rest.startswith('"'):
        return rest
    word, rest = _unquoted(rest)
    if rest.strip(SEPARATORS):
        raise UsageError(
            f"{_begin(rest.strip(SEPARATORS))} follows the closing quote of the content; a content that begins with a "
            'quote is all in quotes, and has \\" for a quote within'
        )
    return word


def typed_alias(word: str) -> bytes:
    """Returns the bytes that a word stands for as an alias: in quotes or not, it may have escapes.

    Raises:
        UsageError: A backslash in it begins no escape, or a quote is wrong.
    """
    if not isinstance(word, Quoted):
        if not word.startswith('"'):
            return unescaped(word)
        word, rest = _unquoted(word)
        if rest:
            raise UsageError(f'{_begin(rest)} follows the closing quote of an alias; write \\" for a quote within')
    return bytes_of(word)


def _unquoted(text: str) -> tuple[Quoted, str]:
    """What a text has in quotes at its beginning, and what follows."""
    found = _QUOTED.match(text)
    if found is None:
        raise UsageError(f'a quote is open in {_begin(text)}; close it, or write \\" for a quote within quotes')
    return Quoted(text_of(unescaped(found[1]))), text[found.end() :]


def _begin(text: str) -> str:
    """The beginning of what was typed, in a sentence."""
    return f"{text[:40]}..." if len(text) > 40 else text


def size_text(size: float) -> str:
    """Returns a number of bytes in the largest unit of which there is at least one."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"
