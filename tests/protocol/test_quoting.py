from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from wrpme import errors
from wrpme.protocol import quoting


def typed(word: str) -> bytes:
    """What a word that was printed stands for."""
    return quoting.unescaped(word[1:-1] if word.startswith('"') else word)


@given(st.binary(max_size=40))
def test_what_is_printed_can_be_typed(data: bytes) -> None:
    assert typed(quoting.shown(data)) == typed(quoting.quoted(data)) == data
    assert quoting.shown(data).isprintable()
    assert quoting.bytes_of(quoting.text_of(data)) == data


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_text_is_itself(text: str) -> None:
    assert quoting.text_of(quoting.bytes_of(text)) == text
    assert typed(quoting.quoted(text.encode())) == text.encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"entry", "entry"),
        ("été/日本".encode(), "été/日本"),
        (b"", '""'),
        (b"two words", '"two words"'),
        (b"k\xff", '"k\\xff"'),
        (b'a"b\\c', '"a\\"b\\\\c"'),
        (b"a\n\r\t\0", '"a\\n\\r\\t\\x00"'),
        ("no\u00a0break".encode(), '"no\\xc2\\xa0break"'),
        (b"--ttl", '"--ttl"'),
        (b"-", '"-"'),
        (b"user:{7}", "user:{7}"),
    ],
)
def test_only_what_has_to_be_is_in_quotes(data: bytes, text: str) -> None:
    assert quoting.shown(data) == text


@pytest.mark.parametrize("text", ["\\", "a\\", "C:\\windows", "\\x1", "\\xg0", "\\u00e9"])
def test_a_backslash_begins_an_escape(text: str) -> None:
    with pytest.raises(errors.UsageError, match="stands for a backslash"):
        quoting.unescaped(text)


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(errors.UsageError, match="half a character"):
        quoting.bytes_of("a\ud800")


def test_a_long_alias_is_cut_in_a_sentence() -> None:
    assert quoting.named(b"x" * 100) == f'"{"x" * 100}"'
    assert quoting.named(b"\n" * 4096) == '"' + "\\n" * 100 + '"...'
