"""Logs of several nodes as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.bootstrap.fleet_parts import Agent, Shown
from tests.bootstrap.plan_parts import inventory, topology
from wrpme.bootstrap.hosts.agent_client import AgentClient
from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.rollout import logs
from wrpme.bootstrap.rollout.logs import Line, lines_of, merged
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.errors import RemoteError
from wrpme.protocol.messages import Reply, Request

UTC = "2026-11-23 12:00:00.100 INFO  one\n  of two lines\n2026-11-23 12:00:02.000 INFO  two\n"
FURTHER_EAST = "2026-11-23 14:00:00.500 WARN  from elsewhere\n"
NOON = 1795435200.0


def test_stamps_are_in_the_time_of_their_machine() -> None:
    first, second, third = lines_of(UTC, 0, 0)
    assert first == Line(NOON + 0.1, 0, "2026-11-23 12:00:00.100 INFO  one")
    assert second.at == first.at, "what has no stamp belongs to the line before"
    assert third.at == NOON + 2
    (east,) = lines_of(FURTHER_EAST, 1, 7200)
    assert east.at == NOON + 0.5


def test_lines_are_merged_by_time_and_keep_their_order() -> None:
    logs = [list(lines_of(UTC, 0, 0)), list(lines_of(FURTHER_EAST, 1, 7200))]
    assert [(line.number, line.text[-5:]) for line in merged(logs)] == [
        (0, "  one"), (0, "lines"), (1, "where"), (0, "  two"),
    ]  # fmt: skip


def test_only_what_came_since() -> None:
    logs = [list(lines_of(UTC, 0, 0)), list(lines_of(FURTHER_EAST, 1, 7200))]
    assert [line.text[-5:] for line in merged(logs, NOON + 0.5)] == ["where", "  two"]


def test_what_has_no_stamp_at_all_comes_first() -> None:
    (line,) = lines_of("cut off\n", 2, 0)
    assert line.at == 0.0
    (later,) = lines_of("goes on\n", 2, 0, at=5.0)
    assert later.at == 5.0


def test_digits_that_are_no_time_are_a_line_like_another() -> None:
    text = "2026-11-23 12:00:00.100 INFO  one\n2026-99-99 99:99:99.999 two\n"
    assert [line.at for line in lines_of(text, 0, 0)] == [NOON + 0.1, NOON + 0.1]


# --- over several hosts ------------------------------------------------------------------------------------------

HOSTS = topology(3).hosts


class End(Exception):
    """In the place of an interruption."""


class Log:
    """The log of a node, as its agent reads it: each time the next part; None: the connection has ended then."""

    def __init__(self, *parts: str | None, cut: bool = False) -> None:
        self.parts = list(parts)
        self.asked: list[dict[str, Any]] = []
        self.opened = 0
        self._cut = cut
        self._offset = 0

    def read(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments)
        part = self.parts.pop(0) if self.parts else ""
        if part is None:
            raise RemoteError("10.0.0.2: the connection ended while `log` ran there")
        self._offset += len(part)
        return {"text": part, "offset": self._offset, "inode": 7, "rotated": False, "cut": self._cut}


def line(second: int, text: str) -> str:
    return f"2026-11-23 12:00:{second:02}.000 INFO  {text}\n"


def never(request: Request) -> Reply:
    raise AssertionError(request)


async def show(
    monkeypatch: pytest.MonkeyPatch,
    *found: Log | None,
    only: tuple[str, ...] = (),
    since: float = 0.0,
    follow: bool = False,
    rounds: int = 0,
) -> list[str]:
    """What is shown of these logs (None: there is no route to that host), interrupted after so many ``rounds``."""
    shown = Shown()

    async def opened(session: HostSession, connector: Connector) -> None:
        log = found[HOSTS.index(session.host)]
        if log is None:
            raise RemoteError(f"{session.name}: no route")
        log.opened += 1
        session._agent = cast(AgentClient, Agent(never, log=log.read))

    async def looked(session: HostSession) -> None:
        session._inventory = inventory(session.host)

    async def paused(seconds: float) -> None:
        nonlocal rounds
        assert seconds > 0
        rounds -= 1
        if rounds <= 0:
            raise End

    monkeypatch.setattr(HostSession, "open", opened)
    monkeypatch.setattr(HostSession, "take_inventory", looked)
    monkeypatch.setattr(asyncio, "sleep", paused)

    async with Fleet(HOSTS[: len(found)], shown) as fleet:
        await logs.show(fleet, only, since, follow)
        fleet.raise_broken("hive_logs")
    return [text for text in shown.lines if text != "closed"]


async def interrupted(*arguments: Any, **named: Any) -> list[str]:
    """The same, where it must not end by itself."""
    shown: list[str] = []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(End):
        original: Callable[..., None] = Shown.log

        def log(self: Shown, number: int, name: str, width: int, text: str) -> None:
            shown.append(f"{name} {text[-3:]}")
            original(self, number, name, width, text)

        patch.setattr(Shown, "log", log)
        await show(*arguments, follow=True, **named)
    return shown


@pytest.mark.asyncio
async def test_all_logs_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Log(line(1, "one") + line(3, "two")), Log(line(2, "three"))
    assert await show(monkeypatch, first, second) == [
        f"0 10.0.0.1:5909 {line(1, 'one').strip()}",
        f"1 10.0.0.2:5909 {line(2, 'three').strip()}",
        f"0 10.0.0.1:5909 {line(3, 'two').strip()}",
    ]
    assert len(first.asked) == len(second.asked) == 1
    assert first.asked[0]["offset"] is None


@pytest.mark.asyncio
async def test_the_log_of_one_node_needs_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, other = Log(line(1, "one")), Log()
    assert len(await show(monkeypatch, None, wanted, other, only=("10.0.0.2:5909",))) == 1
    assert (wanted.opened, other.opened) == (1, 0)
    with pytest.raises(RemoteError, match="no route"):
        await show(monkeypatch, None, Log(line(1, "one")))


@pytest.mark.asyncio
async def test_following_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Log(line(1, "one"), "", line(9, "two")), Log("", line(2, "oh!"))
    assert await interrupted(monkeypatch, first, second, rounds=3) == [
        "10.0.0.1:5909 one", "10.0.0.2:5909 oh!", "10.0.0.1:5909 two",
    ]  # fmt: skip
    assert [asked["offset"] for asked in first.asked] == [None, len(line(1, "one")), len(line(1, "one"))]
    assert [asked["inode"] for asked in first.asked] == [None, 7, 7]


@pytest.mark.asyncio
async def test_what_has_no_stamp_follows_what_it_belongs_to(monkeypatch: pytest.MonkeyPatch) -> None:
    since = NOON + 1
    log = Log(line(1, "one"), "a traceback\n")
    assert len(await interrupted(monkeypatch, log, since=since, rounds=2)) == 2
    old = Log(line(0, "old") + "a traceback\n", "more of it\n" + line(5, "new"))
    assert await interrupted(monkeypatch, old, since=since, rounds=2) == ["10.0.0.1:5909 new"]


@pytest.mark.asyncio
async def test_following_outlives_a_host_but_not_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Log(line(1, "one"), line(3, "two")), Log(line(2, "oh!"), None)
    assert (await interrupted(monkeypatch, first, second, rounds=3))[-1] == "10.0.0.1:5909 two"
    assert (len(first.asked), len(second.asked)) == (3, 2)
    with pytest.raises(RemoteError, match="the connection ended"):
        await show(monkeypatch, first, Log("", None), only=("10.0.0.2:5909",), follow=True, rounds=9)


@pytest.mark.asyncio
async def test_a_log_that_holds_more_than_is_shown_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [line(second, "x") for second in (1, 2)]
    more = "10.0.0.1:5909: the log holds more lines since then; only the last are shown"
    assert (await show(monkeypatch, Log(whole[0], cut=True), since=NOON))[0] == more
    assert (await show(monkeypatch, Log(whole[0], cut=True)))[0] != more, "nobody asked since when"
    assert await show(monkeypatch, Log(*whole, cut=True), since=NOON + 1.5) == [], "the first that is shown is older"


@pytest.mark.asyncio
async def test_no_more_is_read_than_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(self: Shown) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Shown, "drain", gone)
    log = Log(line(1, "one"), line(2, "two"))
    with pytest.raises(BrokenPipeError):
        await show(monkeypatch, log, follow=True, rounds=2)
    assert len(log.asked) == 1
