"""What commands on strings do and say, in the words of Redis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.redis.acted import NOW, Acted

OK, NIL, ZERO, ONE = b"+OK\r\n", b"$-1\r\n", b":0\r\n", b":1\r\n"
SYNTAX = b"-ERR syntax error\r\n"
NOT_INTEGER = b"-ERR value is not an integer or out of range\r\n"


def bulk(text: str) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text.encode())


def test_set_with_its_options() -> None:
    Acted().hears(
        ("SET a 1", OK),
        ("SET a 2 NX", NIL),
        ("SET b 2 XX", NIL),
        ("SET a 2 XX", OK),
        ("GET a", bulk("2")),
        ("SET a 3 GET", bulk("2")),
        ("SET c 1 GET", NIL),
        ("SET a 4 NX GET", bulk("3")),
        ("SET d 1 NX GET", NIL),
        ("GET d", bulk("1")),
        ("SET a 5 IFEQ x", NIL),
        ("SET a 5 IFEQ 3", OK),
        ("SET a 6 IFEQ x GET", bulk("5")),
        ("SET a 6 IFNE 5", NIL),
        ("SET a 6 IFNE x GET", bulk("5")),
        ("SET none 1 IFEQ 1", NIL),
        ("SET a 7 PX 100", OK),
        ("SET a 8 KEEPTTL", OK),
        ("PTTL a", b":100\r\n"),
        ("SET a 9", OK),
        ("TTL a", b":-1\r\n"),
        ("SET a 9 EXAT 1", OK),
        ("GET a", NIL),
    )


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("SET a 1 NX XX", SYNTAX),
        ("SET a 1 EX", SYNTAX),
        ("SET a 1 EX 1 PX 1", SYNTAX),
        ("SET a 1 KEEPTTL EX 1", SYNTAX),
        ("SET a 1 IFEQ", SYNTAX),
        ("SET a 1 FOO", SYNTAX),
        ("SET a 1 EX x", NOT_INTEGER),
        ("SET a 1 EX 0", b"-ERR invalid expire time in 'set' command\r\n"),
        ("SET a 1 PX -1", b"-ERR invalid expire time in 'set' command\r\n"),
        ("SET a 1 EX 9223372036854775807", b"-ERR invalid expire time in 'set' command\r\n"),
        ("SETEX a 0 1", b"-ERR invalid expire time in 'setex' command\r\n"),
        ("PSETEX a 9223372036854775807 1", b"-ERR invalid expire time in 'psetex' command\r\n"),
        ("GETEX a FOO", SYNTAX),
        ("GETEX a PERSIST EX 1", SYNTAX),
        ("MSET a 1 b", b"-ERR wrong number of arguments for 'mset' command\r\n"),
        ("MSETNX a 1 b", b"-ERR wrong number of arguments for 'msetnx' command\r\n"),
        ("SETRANGE a -1 x", b"-ERR offset is out of range\r\n"),
        ("SETRANGE a 67108864 x", b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
        ("DECRBY a -9223372036854775808", b"-ERR decrement would overflow\r\n"),
        ("INCRBYFLOAT a x", b"-ERR value is not a valid float\r\n"),
        ("INCRBYFLOAT a inf", b"-ERR increment would produce NaN or Infinity\r\n"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_redis(line: str, answer: bytes) -> None:
    assert Acted().say(line) == answer


def test_the_rest_of_the_family_of_set() -> None:
    Acted().hears(
        ("SETNX a 1", ONE),
        ("SETNX a 2", ZERO),
        ("SETEX a 10 x", OK),
        ("TTL a", b":10\r\n"),
        ("GETEX a PERSIST", bulk("x")),
        ("TTL a", b":-1\r\n"),
        ("GETEX a EX 5", bulk("x")),
        ("TTL a", b":5\r\n"),
        ("GETEX a EX x", NOT_INTEGER),
        ("GETEX none EX x", NIL),
        ("GETSET a y", bulk("x")),
        ("TTL a", b":-1\r\n"),
        ("GETDEL a", bulk("y")),
        ("GETDEL a", NIL),
        ("MSET a 1 b 2", OK),
        ("MGET a none b", b"*3\r\n" + bulk("1") + NIL + bulk("2")),
        ("MSETNX c 1 a 2", ZERO),
        ("EXISTS c", ZERO),
        ("MSETNX c 1 d 2", ONE),
        ("DEL a b a", b":2\r\n"),
        ("UNLINK c", ONE),
        ("DEL c", ZERO),
    )


def test_parts_of_strings() -> None:
    Acted().hears(
        ("APPEND a hello", b":5\r\n"),
        ("APPEND e ''", ZERO),
        ("EXISTS e", ONE),
        ("STRLEN a", b":5\r\n"),
        ("STRLEN none", ZERO),
        ("GETRANGE a 1 -2", bulk("ell")),
        ("GETRANGE a -100 -2", bulk("hell")),
        ("GETRANGE a 0 -100", bulk("h")),
        ("GETRANGE a -1 -3", bulk("")),
        ("GETRANGE a 3 1", bulk("")),
        ("SUBSTR a 0 0", bulk("h")),
        ("GETRANGE none 0 -1", bulk("")),
        ("SETRANGE a 1 EY", b":5\r\n"),
        ("GET a", bulk("hEYlo")),
        ("SETRANGE none 5 ''", ZERO),
        ("EXISTS none", ZERO),
        ("SETRANGE p 2 x", b":3\r\n"),
        ("GET p", bulk("\0\0x")),
    )


def test_numbers() -> None:
    Acted().hears(
        ("INCR a", ONE),
        ("DECRBY a 3", b":-2\r\n"),
        ("INCRBY a 9223372036854775807", b":9223372036854775805\r\n"),
        ("INCRBY a 10", b"-ERR increment or decrement would overflow\r\n"),
        ("SET a x", OK),
        ("INCR a", NOT_INTEGER),
        ("DECR a", NOT_INTEGER),
        ("INCRBYFLOAT a 1", b"-ERR value is not a valid float\r\n"),
        ("SET a 3.0e3 PX 50", OK),
        ("INCRBYFLOAT a 200", bulk("3200")),
        ("PTTL a", b":50\r\n"),
        ("INCRBYFLOAT b -1.5", bulk("-1.5")),
    )


def test_several_keys_have_one_life_span() -> None:
    Acted().hears(
        ("MSETEX 2 {t}a 1 {t}b 2 EX 100", ONE),
        ("TTL {t}a", b":100\r\n"),
        ("MSETEX 2 {t}a 3 {t}c 2 NX", ZERO),
        ("MSETEX 2 {t}a 3 {t}c 2 XX", ZERO),
        ("MGET {t}a {t}c", b"*2\r\n$1\r\n1\r\n$-1\r\n"),
        ("MSETEX 2 {t}a 3 {t}b 4 xx keepttl", ONE),
        ("MGET {t}a {t}b", b"*2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
        ("TTL {t}b", b":100\r\n"),
        ("MSETEX 1 {t}c 1 PXAT 1700000000500 NX", ONE),
        ("PTTL {t}c", b":500\r\n"),
        ("MSETEX 1 {t}c 1 EXAT 1", ONE),
        ("PTTL {t}c", ONE),
        ("MSETEX 0 a 1", b"-ERR invalid numkeys value\r\n"),
        ("MSETEX 2 a 1 b", b"-ERR wrong number of key-value pairs\r\n"),
        ("MSETEX 1 a 1 EX 0", b"-ERR invalid expire time in 'msetex' command\r\n"),
        ("MSETEX 1 a 1 GET", b"-ERR syntax error\r\n"),
        ("MSETEX 1 a 1 NX XX", b"-ERR syntax error\r\n"),
        ("COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 5", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    )


def test_a_key_goes_if_its_value_is_as_expected() -> None:
    Acted().hears(
        ("DELEX a", ZERO),
        ("DELEX a IFEQ 1", ZERO),
        ("DELEX a IFNE 1", ZERO),
        ("SET a 1", OK),
        ("DELEX a IFEQ 2", ZERO),
        ("DELEX a IFNE 1", ZERO),
        ("DELEX a ifne 2", ONE),
        ("SET a 1", OK),
        ("DELEX a IFEQ 1", ONE),
        ("EXISTS a", ZERO),
        ("DELEX a IFEQ", b"-ERR syntax error\r\n"),
        ("DELEX a NX 1", b"-ERR syntax error\r\n"),
        ("DELEX a", ZERO),
    )


@pytest.mark.parametrize("line", ["DELEX a IFDEQ 00", "SET a 1 IFDNE 00"])
def test_there_are_no_digests(line: str) -> None:
    assert Acted().say(line).startswith(b"-ERR digests of values are not there yet: compare the value itself")


def test_resp3_has_a_null_of_its_own() -> None:
    acted = Acted()
    acted.client.speak(three=True)
    assert acted.say("GET a") == b"_\r\n"
    assert NOW


def test_what_two_values_have_in_common() -> None:
    Acted().hears(
        ("MSET a ohmytext b mynewtext", OK),
        ("LCS a b", b"$6\r\nmytext\r\n"),
        ("LCS a b LEN", b":6\r\n"),
        (
            "LCS a b IDX",
            b"*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n"
            b"*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n",
        ),
        (
            "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
            b"*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n",
        ),
        ("LCS a none", b"$0\r\n\r\n"),
        ("LCS none a LEN", b":0\r\n"),
        ("LCS a a", b"$8\r\nohmytext\r\n"),
        ("LCS a b LEN IDX", b"-ERR If you want both the length and indexes, please just use IDX.\r\n"),
        ("LCS a b MINMATCHLEN", b"-ERR syntax error\r\n"),
        ("LCS a b MINMATCHLEN x", b"-ERR value is not an integer or out of range\r\n"),
        ("SETRANGE a 5000 x", b":5001\r\n"),
        ("LCS a a", b"-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n"),
    )


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_what_they_have_in_common_is_as_long_as_it_can_be(one: str, other: str) -> None:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, letter in enumerate(one):
        for j, second in enumerate(other):
            longest = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if letter == second else longest
    acted = Acted()
    acted.say([b"MSET", b"a", one.encode(), b"b", other.encode()])
    common = acted.say("LCS a b").split(b"\r\n")[1].decode()
    assert len(common) == table[-1][-1]
    for whole in (one, other):
        letters = iter(whole)
        assert all(letter in letters for letter in common)
