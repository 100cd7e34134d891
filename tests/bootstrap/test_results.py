"""What an operator reads at the end of a command: each result once, on a terminal too, and with --quiet the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.bootstrap.fleet_parts import Paper
from tests.bootstrap.plan_parts import BARE
from tests.bootstrap.stub_hosts import StubHosts
from wrpme.bootstrap import commands
from wrpme.bootstrap.reporter import LiveLines
from wrpme.errors import RemoteError

pytestmark = pytest.mark.asyncio
STABLE = "the hive is stable: all 2 nodes are up and every arc has its copies"


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StubHosts:
    return StubHosts(monkeypatch, tmp_path)


@pytest.mark.parametrize("command", ["hive_apply", "hive_upgrade", "hive_start", "hive_stop", "hive_destroy"])
async def test_each_result_is_told_once(hosts: StubHosts, command: str) -> None:
    if command != "hive_apply":
        hosts.configured(run=command != "hive_start")
    await hosts.run(command, *["--yes"] * (command == "hive_destroy"))
    told = [line for text in [*hosts.reporter.lines, *hosts.shown] for line in text.split("\n")]
    for host in ("10.0.0.1", "10.0.0.2"):
        (result,) = [line for line in hosts.reporter.lines if line.startswith((f"{host}: good: ", f"{host}: same: "))]
        text = result.split(": ", 2)[2]
        assert [line for line in told if host in line and text in line] == [result]
    assert told.count(STABLE) == (command in ("hive_apply", "hive_start"))


async def test_nothing_is_redrawn_over_the_result(hosts: StubHosts) -> None:
    """What is drawn in place is taken back before the result is printed below."""
    terminal = Paper(terminal=True)

    async def nobody(question: str) -> str:
        raise AssertionError(question)

    async def members() -> Sequence[str]:
        return ()

    def show(text: str) -> None:
        shown.append(text)
        terminal.hand_over([f"{text}\n".encode()])

    shown: list[str] = []
    for command in ("hive_plan", "hive_check", "hive_apply"):
        reporter = LiveLines(nobody, False, terminal, terminal)
        await commands.run(command, [str(hosts.file)], reporter, show, members)
        assert terminal.text().endswith(f"{shown[-1]}\n"), command


# --- quiet -------------------------------------------------------------------------------------------------------


async def quiet(hosts: StubHosts, command: str, *words: str) -> list[str]:
    """All that is told."""
    begun = len(hosts.reporter.lines)
    await hosts.run(command, "--quiet", *words)
    return [line for line in [*hosts.reporter.lines[begun:], *hosts.shown] if line != "closed"]


async def test_quiet_says_nothing_where_all_is_well(hosts: StubHosts) -> None:
    assert await quiet(hosts, "hive_check") == []
    assert await quiet(hosts, "hive_apply") == []
    hosts.configured()
    assert await quiet(hosts, "hive_plan") == []
    assert await quiet(hosts, "hive_upgrade") == []
    assert await quiet(hosts, "hive_stop") == []
    hosts.configured(run=False)
    assert await quiet(hosts, "hive_start") == []
    assert await quiet(hosts, "hive_destroy", "--yes") == []


async def test_quiet_says_what_is_left_to_do_and_what_is_wrong(hosts: StubHosts) -> None:
    (plan,) = await quiet(hosts, "hive_plan")
    assert plan.endswith("2 nodes to start")
    hosts.found["10.0.0.2"] = replace(BARE, port="taken", holder="nginx (pid 12)")
    with pytest.raises(RemoteError, match=r"hive_check found problems on 10\.0\.0\.2"):
        await quiet(hosts, "hive_check")
    assert "  ! 10.0.0.2:5909: its port is taken by nginx (pid 12)" in hosts.shown[0]
    assert "all is well" not in hosts.shown[0], "of the others nothing is said"
    hosts.refuse |= {"10.0.0.1 connect", "10.0.0.2 connect"}
    hosts.reporter.lines.clear()
    with pytest.raises(RemoteError, match=r"hive_apply failed on 2 of 2 hosts"):
        await quiet(hosts, "hive_apply")
    assert hosts.reporter.lines[:2] == ["10.0.0.1: bad: no connect today", "10.0.0.2: bad: no connect today"]


# --- the cause ---------------------------------------------------------------------------------------------------


async def test_what_keeps_the_founder_back_is_said_with_those_that_wait_for_it(hosts: StubHosts) -> None:
    hosts.refuse.add("10.0.0.1 lock")
    with pytest.raises(RemoteError, match="hive_apply failed on 2 of 2 hosts"):
        await hosts.run("hive_apply")
    (said,) = [line for line in hosts.reporter.lines if line.startswith("10.0.0.2: bad: ")]
    assert said.endswith(
        "there is no hive yet, and 10.0.0.1:5909, the first node of the file, can't found it now; 10.0.0.1: no lock "
        "today"
    )


async def test_what_keeps_most_hosts_back_is_said_with_those_that_wait_for_them(hosts: StubHosts) -> None:
    hosts.refuse.add("10.0.0.2 lock")
    with pytest.raises(RemoteError):
        await hosts.run("hive_apply")
    (said,) = [line for line in hosts.reporter.lines if line.startswith("10.0.0.1: bad: ")]
    assert said.endswith("only 1 of 2, and one may be on the others; 10.0.0.2: no lock today")
