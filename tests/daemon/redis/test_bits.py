"""What commands on bits do and say."""

from __future__ import annotations

import pytest

from tests.daemon.redis.acted import Acted

OK, ZERO, ONE = b"+OK\r\n", b":0\r\n", b":1\r\n"


def test_bits() -> None:
    Acted().hears(
        ("SETBIT a 7 1", ZERO),
        ("SETBIT a 7 1", ONE),
        ("GETBIT a 7", ONE),
        ("GETBIT a 700", ZERO),
        ("GETBIT none 7", ZERO),
        ("SETBIT a 9 1", ZERO),
        ("STRLEN a", b":2\r\n"),
        ("BITCOUNT a", b":2\r\n"),
        ("BITCOUNT a 0 0", ONE),
        ("BITCOUNT a 8 9 BIT", ONE),
        ("BITCOUNT none", ZERO),
        ("BITPOS a 1", b":7\r\n"),
        ("BITPOS a 1 1", b":9\r\n"),
        ("BITPOS a 0 7 7 BIT", b":-1\r\n"),
        ("BITPOS none 1", b":-1\r\n"),
        ("BITPOS none 0", ZERO),
        ('SET f "\\xff"', OK),
        ("BITPOS f 0", b":8\r\n"),
        ("BITPOS f 0 0 -1", b":-1\r\n"),
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("SETBIT a -1 1", "bit offset is not an integer or out of range"),
        ("SETBIT a 536870912 1", "bit offset is not an integer or out of range"),
        ("SETBIT a 1 2", "bit is not an integer or out of range"),
        ("BITPOS a 2", "The bit argument must be 1 or 0."),
        ("BITPOS a 0 1 x y", "syntax error"),
        ("BITCOUNT a 1", "syntax error"),
        ("BITOP FOO a b", "syntax error"),
        ("BITOP NOT a b c", "BITOP NOT must be called with a single source key."),
        ("BITOP DIFF a b", "BITOP DIFF must be called with at least two source keys."),
        ("BITFIELD a GET u64 0", "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
                                 "i64 is."),
        ("BITFIELD a GET u8 -1", "bit offset is not an integer or out of range"),
        ("BITFIELD a GET u8 #536870912", "bit offset is not an integer or out of range"),
        ("BITFIELD a SET u8 0 x", "value is not an integer or out of range"),
        ("BITFIELD a OVERFLOW x SET u8 0 1", "Invalid OVERFLOW type specified"),
        ("BITFIELD a GET u8", "syntax error"),
        ("BITFIELD_RO a SET u8 0 1", "BITFIELD_RO only supports the GET subcommand"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_words_of_redis(line: str, sentence: str) -> None:
    assert Acted().say(line) == b"-ERR %b\r\n" % sentence.encode()


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ("AND {t}a {t}b", b"\x00\x00"),
        ("OR {t}a {t}b {t}none", b"\xfe\x0f"),
        ("XOR {t}a {t}b", b"\xce\x0f"),
        ("NOT {t}a", b"\x0f"),
        ("DIFF {t}a {t}b", b"\xc0\x00"),
        ("DIFF1 {t}a {t}b {t}c", b"\x0f\x0f"),
        ("ANDOR {t}a {t}b {t}c", b"\xf0\x00"),
        ("ONE {t}a {t}b {t}c", b"\x01\x0f"),
    ],
)
def test_bits_of_several_values(operation: str, result: bytes) -> None:
    acted = Acted()
    for key, value in ((b"{t}a", b"\xf0"), (b"{t}b", b"\x3e\x0f"), (b"{t}c", b"\xff")):
        acted.say([b"SET", key, value])
    if operation.startswith("AND "):
        result = b"\x30\x00"
    name, _, keys = operation.partition(" ")
    assert acted.say(f"BITOP {name} {{t}}d {keys}") == b":%d\r\n" % len(result)
    assert acted.say("GET {t}d") == b"$%d\r\n%b\r\n" % (len(result), result)


def test_of_nothing_there_is_no_result() -> None:
    Acted().hears(
        ("BITOP OR {t}d {t}a {t}b", ZERO),
        ("SET {t}d 1 EX 100", OK),
        ("BITOP OR {t}d {t}a {t}b", ZERO),
        ("EXISTS {t}d", ZERO),
        ("SET {t}d 1 EX 100", OK),
        ("BITOP OR {t}d {t}d", ONE),
        ("TTL {t}d", b":-1\r\n"),
    )


def test_integers_of_any_size() -> None:
    Acted().hears(
        ("BITFIELD a", b"*0\r\n"),
        ("BITFIELD a GET u8 0", b"*1\r\n:0\r\n"),
        ("EXISTS a", ZERO),
        ("BITFIELD a SET i8 #1 -2 GET u8 8 INCRBY i5 11 1", b"*3\r\n:0\r\n:254\r\n:-1\r\n"),
        ("STRLEN a", b":2\r\n"),
        ("BITFIELD a SET u8 0 -1 OVERFLOW SAT INCRBY u8 0 3", b"*2\r\n:0\r\n:255\r\n"),
        ("BITFIELD a OVERFLOW FAIL INCRBY u8 0 3 OVERFLOW WRAP INCRBY u8 0 3", b"*2\r\n$-1\r\n:2\r\n"),
        (
            "BITFIELD a SET i64 0 -9223372036854775808 INCRBY i64 0 -1",
            b"*2\r\n:215891307137073152\r\n:9223372036854775807\r\n",
        ),
        ("BITFIELD_RO a GET i64 0 GET u63 100", b"*2\r\n:9223372036854775807\r\n:0\r\n"),
    )
