"""Batches in the shell: lines that are carried out together, or each by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.shell.test_cli import FakeClient, Session
from wrpme import errors
from wrpme.client.batches.batch import Batch
from wrpme.client.batches.calls import Entry, Outcome
from wrpme.limits import MIB, TRANSACTION_REQUESTS_MAX
from wrpme.protocol.messages import Add, Cas, EntryRequest, GetExpire, IfContent, IfVersion, Put
from wrpme.shell.batch import GivenUp
from wrpme.shell.commands import COMMANDS, MEANT, Parameter
from wrpme.shell.parsing import parse
from wrpme.shell.stdin import InputLines


class OneBatch(Batch):
    """A batch of the client, which gives what the test says, or raises it."""

    def __init__(self, results: Sequence[Outcome] | errors.WrpmeError) -> None:
        super().__init__()
        self.results = results
        self.committed: list[EntryRequest] | None = None

    async def commit(self) -> Sequence[Outcome]:
        self.committed = [call.request for call in self.calls]
        if isinstance(self.results, errors.WrpmeError):
            raise self.results
        return self.results or [None for _ in self.calls]


class BatchClient(FakeClient):
    def __init__(self, results: Sequence[Outcome] | errors.WrpmeError = ()) -> None:
        super().__init__(b"after")
        self.given = OneBatch(results)
        self.each: bool | None = None

    def batch(self, *, each: bool) -> OneBatch:
        self.each = each
        return self.given


async def printed(directory: Path, client: BatchClient, *lines: str) -> tuple[list[str], list[str]]:
    out, err = await Session(directory, client, *lines).run()
    return out.decode().splitlines(), err.splitlines()


RESULTS: dict[str, tuple[Outcome, str]] = {
    "get": (b"two\nlines", '"two\\nlines"'),
    "get_version": (Entry(b"x", 1 << 70), str(1 << 70)),
    "exists": (False, "no"),
    "put": (77, "ok"),
    "update": (77, "ok"),
    "get_update": (b"ok", '"ok"'),
    "get_remove": (b"", '""'),
    "cas": (b"1", '"1"'),
    "cas_version": (77, "77"),
    "add": (-5, "-5"),
    "append": (9, "9"),
    "set_range": (9, "9"),
    "get_range": (b"\xff", '"\\xff"'),
    "get_expire": (b"plain", '"plain"'),
    "get_expiry": (datetime(2030, 1, 31, tzinfo=UTC), "2030-01-31T00:00:00.000Z"),
    "expires_at": (None, "ok"),
    "expires_from_now": (None, "ok"),
    "touch": (None, "ok"),
    "remove": (None, "ok"),
    "remove_if": (None, "ok"),
    "remove_version": (None, "ok"),
    "if_version": (None, "ok"),
    "if_absent": (None, "ok"),
    "if_content": (None, "ok"),
}
WORDS = {
    "ALIAS": "x", "CONTENT": "1", "COMPARAND": "2", "TIME": "0", "SECONDS": "1", "NUMBER": "1", "FROM": "0", "TO": "1",
    "VERSION": "7",
}  # fmt: skip


@pytest.mark.asyncio
async def test_each_operation_is_a_line_that_tells_what_it_gave(tmp_path: Path) -> None:
    """All operations that a batch of a client has, in one batch."""
    assert set(RESULTS) == {spec.name for spec in COMMANDS if spec.in_batch}
    methods = {name for name in dir(Batch) if not name.startswith("_")} - {"get_entry"} | {"get_version"}
    assert set(RESULTS) == methods
    lines = [" ".join([name, *(WORDS[one.name] for one in spec_parameters(name))]) for name in RESULTS]
    results: list[Outcome] = [result for result, _ in RESULTS.values()]
    client = BatchClient(results)
    out, err = await printed(tmp_path, client, "batch", *lines, ".", "get x")
    assert out == [*(text for _, text in RESULTS.values()), "after"] and err == []
    assert client.given.committed is not None and len(client.given.committed) == len(RESULTS) and client.each is False


def spec_parameters(name: str) -> Sequence[Parameter]:
    return next(spec.parameters for spec in COMMANDS if spec.name == name)


@pytest.mark.asyncio
async def test_what_is_sent_is_what_stands_on_the_lines(tmp_path: Path) -> None:
    client = BatchClient()
    lines = [
        'if_content "a b" "c"',
        "",
        "  if_absent x",
        "put --ttl 5 x  y ",
        "add x -3",
        "cas x 1 2",
        "get_expire x 0",
    ]
    await printed(tmp_path, client, "batch", *lines)
    assert client.given.committed == [
        IfContent(0, b"a b", b"c"),
        IfVersion(0, b"x", bytes(16)),
        Put(0, b"x", b" y ", 0, 5000, versioned=True),
        Add(0, b"x", -3),
        Cas(0, b"x", b"1", b"2"),
        GetExpire(0, b"x", 0),
    ], "the end of the input ends it, too"


@pytest.mark.asyncio
async def test_a_failure_names_the_operation_and_its_line(tmp_path: Path) -> None:
    error = errors.MismatchError('operation 2 of 2: "x" has another version; nothing was changed')
    error.operation = 1
    session = Session(tmp_path, BatchClient(error), "batch", "get x", "", "if_version x 7", ".")
    out, err = await session.run()
    assert out == b"" and isinstance(session.shell.failed, errors.MismatchError)
    assert err == ('mismatch: operation 2 of 2 (line 3, if_version): "x" has another version; nothing was changed\n')
    missing = errors.NotFoundError("there is none")
    missing.operation = 0
    _, told = await printed(tmp_path, BatchClient(missing), "batch", "get x")
    assert told == ["not_found: operation 1 of 1 (line 1, get): there is none; nothing was changed"]
    apart = errors.UsageError("they are not together")
    assert (await printed(tmp_path, BatchClient(apart), "batch", "get x"))[1] == ["usage: they are not together"]


@pytest.mark.asyncio
async def test_each_by_itself(tmp_path: Path) -> None:
    client = BatchClient([1, errors.NotFoundError("there is none"), b"not_found", errors.TimeoutError("too late")])
    session = Session(tmp_path, client, "batch --each", "put x 1", "get y", "get z", "get q", ".")
    out, err = await session.run()
    assert out.decode().splitlines() == ["ok", "not_found", '"not_found"', "timeout"]
    assert err.splitlines() == [
        "not_found: operation 2 of 4 (line 2, get): there is none",
        "timeout: operation 4 of 4 (line 4, get): too late",
    ]
    assert client.each is True and isinstance(session.shell.failed, errors.TimeoutError)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("gte y", "no_such_command: line 2 of the batch: there is no command"),
        ("put y", "usage: line 2 of the batch: put needs CONTENT"),
        ('get "y', "usage: line 2 of the batch: a quote is open"),
        ("count", "usage: line 2 of the batch: count can't be a part of a batch: it has operations on one entry"),
        ("batch", "usage: line 2 of the batch: batch can't be a part of a batch"),
        ("exit", "usage: line 2 of the batch: exit can't be"),
        (f"add y {1 << 64}", "usage: line 2 of the batch: "),
        ("expires_at y 5", "usage: line 2 of the batch: "),
        (
            f"put y {'z' * 8 * MIB}",
            "too_large: line 2 of the batch: the aliases and contents of the batch have more than",
        ),
    ],
    ids=lambda value: value[:12],
)
@pytest.mark.asyncio
async def test_a_wrong_line_stops_it_before_anything_is_sent(tmp_path: Path, wrong: str, told: str) -> None:
    client = BatchClient()
    session = Session(tmp_path, client, "batch", "put x 1", wrong, "get x", "wrong, too", ".", "get x")
    out, err = await session.run()
    assert client.given.committed is None and out == b"after\n", "its other lines are no commands by themselves"
    assert err.startswith(told) and err.endswith("; nothing was sent\n") and err.count("\n") == 1


@pytest.mark.asyncio
async def test_lines_of_a_batch_that_is_none_are_not_carried_out(tmp_path: Path) -> None:
    client = BatchClient()
    out, err = await printed(tmp_path, client, "batch --eahc", "get x", "get y", " . ", "get x")
    assert out == ["after"] and len(err) == 1 and "did you mean --each?" in err[0] and client.each is None
    out, err = await printed(tmp_path, client, "batch now", "get x")
    assert out == [] and len(err) == 1 and '"now" is too much for batch' in err[0]


@pytest.mark.asyncio
async def test_a_batch_has_so_many_operations(tmp_path: Path) -> None:
    client = BatchClient()
    await printed(tmp_path, client, "batch", *TRANSACTION_REQUESTS_MAX * ["get x"], ".")
    assert client.given.committed is not None and len(client.given.committed) == TRANSACTION_REQUESTS_MAX
    client = BatchClient()
    _, err = await printed(tmp_path, client, "batch", *(TRANSACTION_REQUESTS_MAX + 1) * ["get x"], ".")
    assert client.given.committed is None
    assert err == ["usage: line 1001 of the batch: a batch has at most 1000 operations; divide it; nothing was sent"]


@pytest.mark.asyncio
async def test_at_a_prompt_a_wrong_line_is_told_at_once_and_typed_again(tmp_path: Path) -> None:
    client = BatchClient()
    session = Session(tmp_path, client, "batch", "put x 1", "gte x", "get x", ".")
    session.prompt.is_corrected = True
    out, err = await session.run()
    assert out == b"ok\nok\n" and err == (
        'no_such_command: there is no command "gte"; did you mean get? (the batch goes on without this line)\n'
    )
    assert session.prompt.signs == ["", ". ", ". ", ". ", ". ", ""] and session.shell.failed is None


@pytest.mark.parametrize("by_key", [True, False])
@pytest.mark.asyncio
async def test_it_can_be_given_up(tmp_path: Path, by_key: bool) -> None:
    """By Ctrl-C at its prompt, and by a signal."""
    client = BatchClient()
    session = Session(tmp_path, client, "batch", "put x 1", "here", ".")
    following = session.prompt.line

    async def line(sign: str = "") -> str | None:
        found = await following(sign)
        if found != "here":
            return found
        session.prompt.lines = ["get x"]
        if by_key:
            raise GivenUp
        session.shell.interrupt()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    session.prompt.line = line  # type: ignore[method-assign]
    assert await session.run() == (b"after\n", "batch was given up; nothing was sent\n")
    assert client.given.committed is None and session.shell.failed is None


@pytest.mark.asyncio
async def test_a_session_that_ends_while_a_batch_is_read(tmp_path: Path) -> None:
    session = Session(tmp_path, BatchClient())
    reading = asyncio.Event()

    async def line(sign: str = "") -> str | None:
        if not sign:
            return "batch"
        reading.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    session.prompt.line = line  # type: ignore[method-assign]
    running = asyncio.create_task(session.shell.lines())
    await reading.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.asyncio
async def test_a_batch_that_is_cut_off_when_it_was_sent(tmp_path: Path) -> None:
    client = BatchClient()
    session = Session(tmp_path, client, "batch", "put x 1", ".")

    async def never() -> Sequence[Outcome]:
        session.shell.interrupt()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    client.given.commit = never  # type: ignore[method-assign]
    out, err = await session.run()
    assert (out, err) == (b"", "indeterminate: batch was interrupted; it may or may not have been carried out\n")


@pytest.mark.parametrize("line", ["if_version x 7", "if_absent x", "if_content x 1"])
@pytest.mark.asyncio
async def test_conditions_belong_to_a_batch(tmp_path: Path, line: str) -> None:
    name = line.split()[0]
    told = f"usage: {name} is a condition of a batch; type batch, and then the lines of it"
    assert await printed(tmp_path, BatchClient(), line) == ([], [told])


def test_other_words_for_it() -> None:
    assert [MEANT[word] for word in ("multi", "exec")] == ["batch", "batch"]
    command = parse("batch --each")
    assert command is not None and command.each
    with pytest.raises(errors.UsageError, match='"x" is too much for batch'):
        parse("batch x")


@pytest.mark.asyncio
async def test_on_a_terminal_without_a_prompt_of_its_own_the_sign_is_printed() -> None:
    ours, theirs = os.openpty()
    signs: list[str] = []
    show: Callable[[str], None] = signs.append
    lines = InputLines(theirs, show)
    os.write(ours, b"get x\n.\n")
    assert lines.is_corrected and [await lines.line(". "), await lines.line(". ")] == ["get x", "."]
    assert signs[0] == ". "
    os.close(ours)
    os.close(theirs)
    reading, writing = os.pipe()
    piped = InputLines(reading, show)
    os.write(writing, b"get x\n")
    signs.clear()
    assert not piped.is_corrected and await piped.line(". ") == "get x" and not signs
    os.close(reading)
    os.close(writing)
