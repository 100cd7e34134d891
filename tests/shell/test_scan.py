"""Scans in the shell: a line for each entry, printed as they come."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shell.test_cli import REPLY_SECONDS_MAX, FakeClient, Session
from tests.stub_node import Entries, StubNode
from wrpme import errors
from wrpme.client.scan import Scanned
from wrpme.shell.commands import Command
from wrpme.shell.limits import SCAN_LINES_MAX
from wrpme.shell.parsing import parse, parse_words

ENTRIES = [("a", b"one"), ("b c", b"two\nlines"), ("k\udcff", b"\xff"), ("z", b"")]


class ScannedClient(FakeClient):
    """Gives what it has, then the error if there is one; ``before`` is called before each entry."""

    def __init__(self, entries: list[tuple[str, bytes]], error: errors.WrpmeError | None = None) -> None:
        super().__init__()
        self.entries = entries
        self.error = error
        self.asked: list[tuple[Any, ...]] = []
        self.before: Callable[[int], None] = lambda number: None
        self.is_closed = False

    async def scan(
        self, prefix: bytes, *, contents: bool, versions: bool, after: bytes, limit: int | None
    ) -> AsyncGenerator[Scanned]:
        self.asked.append((prefix, after, limit))
        try:
            for number, (alias, content) in enumerate(self.entries[:limit]):
                self.before(number)
                yield Scanned(alias, content if contents else None, number if versions else None)
            if self.error is not None:
                raise self.error
        finally:
            self.is_closed = True


async def printed(directory: Path, client: ScannedClient, *lines: str) -> tuple[list[str], str]:
    out, err = await Session(directory, client, *lines).run()
    return out.decode("utf-8", "surrogateescape").splitlines(), err


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("scan", ["a", '"b c"', '"k\\xff"', "z"]),
        ("scan --contents", ["a one", '"b c" "two\\nlines"', '"k\\xff" "\\xff"', 'z ""']),
        ("scan --versions", ["a 0", '"b c" 1', '"k\\xff" 2', "z 3"]),
        ("scan --versions --contents", ["a 0 one", '"b c" 1 "two\\nlines"', '"k\\xff" 2 "\\xff"', 'z 3 ""']),
    ],
)
@pytest.mark.asyncio
async def test_each_entry_is_a_line_that_can_be_typed(tmp_path: Path, line: str, lines: list[str]) -> None:
    client = ScannedClient(ENTRIES)
    assert await printed(tmp_path, client, line) == (lines, "")
    assert client.asked == [(b"", b"", None)] and client.is_closed


@pytest.mark.asyncio
async def test_or_an_object_of_json(tmp_path: Path) -> None:
    lines, _ = await printed(tmp_path, ScannedClient(ENTRIES), "scan --json --contents --versions", "scan --json")
    assert [json.loads(line) for line in lines] == [
        {"alias": "a", "version": "0", "content": "one"},
        {"alias": "b c", "version": "1", "content": "two\nlines"},
        {"alias_base64": b64encode(b"k\xff").decode(), "version": "2", "content_base64": "/w=="},
        {"alias": "z", "version": "3", "content": ""},
        {"alias": "a"},
        {"alias": "b c"},
        {"alias_base64": b64encode(b"k\xff").decode()},
        {"alias": "z"},
    ]


@pytest.mark.asyncio
async def test_what_is_asked_for(tmp_path: Path) -> None:
    client = ScannedClient(ENTRIES)
    await printed(tmp_path, client, r'scan --after "k\xff" --limit 2 "--x"', "scan user/ --limit 7 --after a")
    assert client.asked == [(b"--x", b"k\xff", 2), (b"user/", b"a", 7)]
    assert parse_words(["scan", "--after", '"k l"', "x"]) == Command("scan", after=b"k l", prefix=b"x")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("scan --limit 0", "--limit is "),
        ("scan --limit -1", "--limit is "),
        ("scan --after", "--after of scan needs a value: an alias"),
        ('scan --after "a', "a quote is open"),
        (r"scan --after a\c", "stands for a backslash"),
        ("scan a b", '"b" is too much for scan'),
        ("scan --content", "did you mean --contents?"),
    ],
)
def test_wrong_lines(line: str, sentence: str) -> None:
    with pytest.raises(errors.UsageError, match=sentence.replace("?", r"\?")):
        parse(line)


@pytest.mark.asyncio
async def test_lines_are_printed_while_the_scan_goes_on(tmp_path: Path) -> None:
    client = ScannedClient([(f"k{number}", b"") for number in range(4 * SCAN_LINES_MAX + 1)])
    session = Session(tmp_path, client, "scan")
    waiting: list[int] = []
    client.before = lambda number: waiting.append(number - (tmp_path / "out").read_bytes().count(b"\n"))
    out, _ = await session.run()
    assert max(waiting) < SCAN_LINES_MAX and out.count(b"\n") == len(client.entries)


@pytest.mark.asyncio
async def test_a_large_content_waits_for_no_other(tmp_path: Path) -> None:
    client = ScannedClient([(f"k{number}", 70_000 * b"x") for number in range(3)])
    session = Session(tmp_path, client, "scan --contents")
    waiting: list[int] = []
    client.before = lambda number: waiting.append(number - (tmp_path / "out").read_bytes().count(b"\n"))
    out, _ = await session.run()
    assert waiting == [0, 0, 0] and out == b"".join(b"k%d %s\n" % (at, 70_000 * b"x") for at in range(3))


@pytest.mark.asyncio
async def test_what_came_before_an_error_is_printed(tmp_path: Path) -> None:
    client = ScannedClient(ENTRIES, errors.UnavailableError("n1 is down"))
    assert await printed(tmp_path, client, "scan") == (["a", '"b c"', '"k\\xff"', "z"], "unavailable: n1 is down\n")


@pytest.mark.asyncio
async def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    client = ScannedClient([(f"k{number}", b"") for number in range(100 * SCAN_LINES_MAX)])
    session = Session(tmp_path, client, "scan", "version")
    client.before = lambda number: session.shell.interrupt() if number == 2 * SCAN_LINES_MAX else None
    out, err = await session.run()
    assert out.splitlines()[-1].startswith(b"wrpme ") and out.count(b"\n") < 4 * SCAN_LINES_MAX
    assert err == "" and session.shell.failed is None and client.is_closed


@pytest.mark.asyncio
async def test_a_place_that_is_bounded_says_how_to_go_on(tmp_path: Path) -> None:
    client = ScannedClient(ENTRIES)
    session = Session(tmp_path, client, "scan", "scan --limit 4", "scan --limit 3", "scan --limit 2", "scan --json")
    session.console.entries_max = 3
    out, err = await session.run()
    assert out.count(b"\n") == 3 + 3 + 3 + 2 + 3
    assert err == 3 * '3 entries; scan --after "k\\xff" goes on\n'
    session.console.entries_max = 9
    session.prompt.lines = ["scan"]
    assert (await session.run())[1] == err


def test_a_reader_that_goes_away_is_no_sentence(node: StubNode, entries: Entries) -> None:
    entries.contents = {f"k{number:05}": b"" for number in range(30_000)}
    program = f"{sys.executable} -m wrpme.cli --daemon {node.address}"
    script = f"{program} scan | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=REPLY_SECONDS_MAX, check=True)
    assert done.stdout.split() == [b"k00000", b"141"] and done.stderr == b""


@pytest.mark.asyncio
async def test_a_scan_that_waits_can_be_interrupted(tmp_path: Path) -> None:
    client = ScannedClient(ENTRIES)
    begun = asyncio.Event()

    async def never(*_: object, **__: object) -> AsyncGenerator[Scanned]:
        begun.set()
        await asyncio.get_running_loop().create_future()
        yield Scanned("", None, None)

    client.scan = never  # type: ignore[method-assign]
    session = Session(tmp_path, client, "scan")
    running = asyncio.create_task(session.shell.lines())
    await begun.wait()
    session.shell.interrupt()
    await running
    assert await session.run() == (b"", "")
