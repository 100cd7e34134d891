"""What Redis clients say, however it is cut, and what is wrong with it in the words of Redis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.daemon.net.redis.parser import ARGUMENT_BYTES, INLINE_BYTES_MAX, Command, Foreign, Parser, split_arguments
from wrpme.limits import CONTENT_BYTES_MAX, FRAME_BYTES_MAX, MIB

COMMANDS = st.lists(st.lists(st.binary(max_size=200), min_size=1, max_size=5), max_size=6)


def said(command: Command) -> bytes:
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)


def parsed(parser: Parser, data: bytes, size: int) -> list[Command]:
    return [command for at in range(0, len(data), size) for command in parser.feed(data[at : at + size])]


@given(COMMANDS, st.integers(1, 50))
def test_arrays_however_they_are_cut(commands: list[Command], size: int) -> None:
    parser = Parser()
    assert parsed(parser, b"".join(map(said, commands)), size) == commands
    assert parser.error is None and parser.pending_bytes == 0


@given(st.lists(st.one_of(st.sampled_from([b"PING\r\n", b"\r\n", b"*0\r\n", b"*-1\r\n", b"get  a\n"])), max_size=9))
def test_inline_commands_between_arrays_byte_by_byte(parts: list[bytes]) -> None:
    array = said([b"SET", b"\r\nPING\r\n", b""])
    data = b"".join(part + array for part in parts)
    words = {b"PING\r\n": [b"PING"], b"get  a\n": [b"get", b"a"]}
    expected = [command for part in parts for command in (words.get(part), [b"SET", b"\r\nPING\r\n", b""]) if command]
    assert parsed(Parser(), data, 1) == expected


@given(st.binary(max_size=300), st.integers(1, 20))
def test_any_bytes_are_commands_or_one_error(data: bytes, size: int) -> None:
    whole, cut = Parser(), Parser()
    assert whole.feed(data) == parsed(cut, data, size)
    assert str(whole.error) == str(cut.error)
    assert whole.feed(b"PING\r\n") == [] or whole.error is None


@given(st.lists(st.sampled_from([b"*1\r\n", b"*2", b"$", b"$1", b"\r\n", b"-1", b"a", b"'", b'"', b"\n", b"9" * 9])))
def test_what_looks_like_commands(parts: list[bytes]) -> None:
    whole, cut = Parser(), Parser()
    assert whole.feed(b"".join(parts)) == parsed(cut, b"".join(parts), 1)
    assert str(whole.error) == str(cut.error)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*131073\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$%d\r\n" % (CONTENT_BYTES_MAX + 1), "invalid bulk length"),
        (b"*1\r\n$" + b"1" * INLINE_BYTES_MAX, "too big bulk count string"),
        (b"*" + b"1" * INLINE_BYTES_MAX, "too big mbulk count string"),
        (b"a" * INLINE_BYTES_MAX, "too big inline request"),
        (b"'a\r\n", "unbalanced quotes in request"),
    ],
)
def test_mistakes_in_the_words_of_redis(data: bytes, sentence: str) -> None:
    parser = Parser()
    assert parser.feed(b"PING\r\n" + data + b"PING\r\n") == [[b"PING"]], "what came before counts"
    assert parser.error is not None and parser.error.sentence == sentence
    assert parser.pending_bytes == 0


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1", b"Host: example.org", b"GET / HTTP/1.1", b"post x"])
def test_what_a_web_page_may_let_a_browser_say_is_no_command(line: bytes) -> None:
    parser = Parser()
    assert parser.feed(line + b"\r\n" + b"SET a b\r\n") == []
    assert isinstance(parser.error, Foreign)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"  set a\tb ", [b"set", b"a", b"b"]),
        (rb'set "a b" "\x41\n\"\q"', [b"set", b"a b", b'A\n"q']),
        (rb"set 'a\'b\n' x", [b"set", b"a'b\\n", b"x"]),
        (b'set ""', [b"set", b""]),
        (b'"a"b', None),
        (b"'a", None),
        (b"", []),
    ],
)
def test_words_of_a_line(line: bytes, words: Command | None) -> None:
    assert split_arguments(line) == words


def test_a_large_bulk_string_is_copied_twice_and_not_for_each_piece() -> None:
    content = bytes(32 * MIB)
    data = said([b"SET", b"k", content])
    parser, copied = Parser(), 0
    for at in range(0, len(data), 1 << 16):
        before = parser.pending_bytes
        found = parser.feed(data[at : at + (1 << 16)])
        copied += max(0, parser.pending_bytes - before)
    assert found == [[b"SET", b"k", content]]
    assert copied <= len(data) + 3 * ARGUMENT_BYTES and parser.pending_bytes == 0


def test_what_one_command_holds_is_bounded() -> None:
    parser = Parser()
    argument = b"$%d\r\n" % (16 * MIB) + bytes(16 * MIB) + b"\r\n"
    parser.feed(b"*1000\r\n")
    while parser.error is None:
        parser.feed(argument)
        assert parser.pending_bytes <= FRAME_BYTES_MAX
    assert parser.error.sentence == "too big command"
