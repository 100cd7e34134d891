"""The table of commands, and what COMMAND tells of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.redis.acted import Acted
from wrpme.daemon.net.redis.commands.table import ABSENT, ENTRIES, find


def test_each_command_is_there_once_and_none_that_is_absent() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert not {name.encode() for name in names} & set(ABSENT)
    assert all(entry.handler.__doc__ and entry.summary.endswith(".") for entry in ENTRIES)


def test_the_document_lists_what_there_is() -> None:
    text = (Path(__file__).parents[3] / "docs" / "redis.md").read_text("utf-8")
    table = text.partition("## What there is")[2].partition("## Several keys")[0]
    listed = {word for line in table.splitlines() if line.startswith("|") for word in re.findall(r"`(\w+)`", line)}
    assert listed == {entry.name.upper() for entry in ENTRIES}


def test_names_in_any_letters() -> None:
    assert find(b"get") is find(b"GET") is find(b"gEt") is not None
    assert find(b"nosuch") is None


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_whatever_follows_a_command_there_is_an_answer(name: str) -> None:
    acted = Acted()
    for count in range(6):
        answer = _answer(acted, [name.encode()] + [b"1"] * count)
        assert answer is None or answer.endswith(b"\r\n")


NASTY = st.one_of(
    st.sampled_from([b"", b"0", b"-1", b"\xff", b"a\r\nb", b"9" * 30, b"EX", b"NX", b"GET", b"ON", b"BIT", b"[", b"*"]),
    st.binary(max_size=12),
)


@given(st.sampled_from([entry.name for entry in ENTRIES]), st.lists(st.lists(NASTY, max_size=6), max_size=6))
def test_nothing_that_is_said_is_a_defect(name: str, several: list[list[bytes]]) -> None:
    acted = Acted()
    for words in [[b"SET", b"0", b"\xff"], *([name.encode(), *words] for words in several)]:
        answer = _answer(acted, words)
        assert answer is None or answer.endswith(b"\r\n")


def _answer(acted: Acted, words: list[bytes]) -> bytes | None:
    try:
        return acted.say(words)
    except AttributeError as error:  # it asks about all entries, and there is no hive here
        assert "alias" in str(error)
        return None


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("COMMAND COUNT", b":%d\r\n" % len(ENTRIES)),
        ("COMMAND GETKEYS MSET a 1 b 2", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("COMMAND GETKEYS PING", b"-ERR The command has no key arguments\r\n"),
        ("COMMAND GETKEYS NOSUCH", b"-ERR Invalid command specified\r\n"),
        ("COMMAND GETKEYS GET", b"-ERR Invalid number of arguments specified for command\r\n"),
        ("COMMAND INFO nosuch", b"*1\r\n*-1\r\n"),
        ("COMMAND GETKEYS BITOP AND a b c", b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("COMMAND GETKEYS MEMORY USAGE a", b"*1\r\n$1\r\na\r\n"),
        ("COMMAND GETKEYSANDFLAGS GET a", b"*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n"),
        ("COMMAND LIST FILTERBY PATTERN mset?x", b"*2\r\n$6\r\nmsetnx\r\n$6\r\nmsetex\r\n"),
        ("COMMAND LIST FILTERBY PATTERN config|[a-g]*", b"*1\r\n$10\r\nconfig|get\r\n"),
        ("COMMAND LIST FILTERBY PATTERN m*|help", b"*2\r\n$11\r\nmemory|help\r\n$11\r\nmodule|help\r\n"),
        ("COMMAND LIST FILTERBY ACLCAT nosuch", b"*0\r\n"),
        ("COMMAND LIST FILTERBY MODULE x", b"*0\r\n"),
        ("COMMAND LIST FILTERBY x y", b"-ERR syntax error\r\n"),
        ("COMMAND FOO", b"-ERR unknown subcommand 'FOO'. Try COMMAND HELP.\r\n"),
    ],
)
def test_command(line: str, answer: bytes) -> None:
    assert Acted().say(line) == answer


def test_command_describes() -> None:
    acted = Acted()
    said = acted.say("COMMAND INFO get")
    assert said.startswith(b"*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n") and b"+readonly\r\n" in said
    assert acted.say("COMMAND").startswith(b"*%d\r\n*10\r\n" % len(ENTRIES))
    assert b"$7\r\nsummary\r\n" in acted.say("COMMAND DOCS get")
    assert b"$3\r\nget\r\n" in acted.say("COMMAND LIST")
    assert b"$12\r\nmemory|usage\r\n:-3\r\n*1\r\n+readonly\r\n:2\r\n:2\r\n:1\r\n" in acted.say("COMMAND INFO memory")
    assert b"$11\r\nclient|kill\r\n" in acted.say("COMMAND DOCS client")
    every = acted.say("ACL CAT")
    assert b"$6\r\nbitmap\r\n" in every and b"$9\r\ndangerous\r\n" in every
    assert acted.say("ACL CAT bitmap") == acted.say("COMMAND LIST FILTERBY ACLCAT bitmap")
