"""Many entries in one command of the shell: a line, or an error, for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shell.test_cli import FakeClient, Session
from wrpme import errors
from wrpme.shell.commands import Command
from wrpme.shell.parsing import parse, parse_words


class ManyClient(FakeClient):
    """Holds entries."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        super().__init__()
        self.entries = entries

    async def get_many(self, aliases: tuple[bytes, ...]) -> list[bytes | None]:
        return [self.entries.get(alias) for alias in aliases]

    async def remove_many(self, aliases: tuple[bytes, ...]) -> list[errors.WrpmeError | None]:
        gone = errors.NotFoundError("there is none")
        return [None if self.entries.pop(alias, None) is not None else gone for alias in aliases]


def client() -> ManyClient:
    return ManyClient({b"a": b"1", b"b c": b"two\nlines", b"k\xff": b'"', b"empty": b"", b"blank": b" x"})


@pytest.mark.asyncio
async def test_each_entry_is_a_line_that_can_be_typed(tmp_path: Path) -> None:
    entries = client()
    session = Session(tmp_path, entries, r'get_many a "b c" none k\xff empty blank')
    out, err = await session.run()
    lines = out.decode().splitlines()
    assert lines == ["a 1", '"b c" "two\\nlines"', "none", '"k\\xff" "\\""', 'empty ""', "blank  x"]
    assert err == "" and session.shell.code == 1, "as one of them is not there"
    for line in lines:
        if line != "none":
            command = parse(f"put {line}")
            assert command is not None and command.content == entries.entries[command.alias]
    session = Session(tmp_path, client(), "get_many a")
    assert await session.run() == (b"a 1\n", "") and session.shell.code == 0


@pytest.mark.asyncio
async def test_or_an_object_of_json(tmp_path: Path) -> None:
    out, _ = await Session(tmp_path, client(), r"get_many a --json none k\xff").run()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"alias": "a", "content": "1"},
        {"alias": "none", "content": None},
        {"alias_base64": "a/8=", "content": '"'},
    ]


@pytest.mark.asyncio
async def test_what_is_removed_is_silent_and_the_rest_an_error(tmp_path: Path) -> None:
    entries = client()
    session = Session(tmp_path, entries, 'remove_many a none "b c" other')
    assert await session.run() == (b"", 2 * "not_found: there is none\n")
    assert isinstance(session.shell.failed, errors.NotFoundError) and b"a" not in entries.entries
    session = Session(tmp_path, entries, "remove_many empty blank")
    assert await session.run() == (b"", "") and session.shell.failed is None


def test_lines() -> None:
    assert parse("get_many a b") == Command("get_many", aliases=(b"a", b"b"))
    assert parse('get_many "--json" a --json') == Command("get_many", aliases=(b"--json", b"a"), json=True)
    assert parse_words(["remove_many", "a b", "-c"]) == Command("remove_many", aliases=(b"a b", b"-c"))
    with pytest.raises(
        errors.UsageError, match=r"get_many needs ALIAS; it is written: get_many \[--json\] ALIAS\.\.\."
    ):
        parse("get_many")
    with pytest.raises(errors.UsageError, match="an alias has at least one byte"):
        parse('remove_many a ""')
