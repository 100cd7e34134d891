"""From the words of a command to what an operator reads at the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.bootstrap.fleet_parts import IDS, Shown, answers, figures, hive
from tests.bootstrap.plan_parts import BARE, RELEASE
from tests.bootstrap.stub_hosts import BOTH, NAMES, Asked, StubHosts
from wrpme.bootstrap import commands
from wrpme.bootstrap.hosts import fleet
from wrpme.bootstrap.limits import TOPOLOGY_BYTES_MAX
from wrpme.bootstrap.rollout import stability
from wrpme.bootstrap.rollout.apply import lock_text
from wrpme.bootstrap.topology.file import parse
from wrpme.errors import ConnectionError, RemoteError, UsageError
from wrpme.protocol.messages import Reply, Request


async def run(name: str, *words: str) -> list[str]:
    shown: list[str] = []

    async def members() -> Sequence[str]:
        raise ConnectionError("127.0.0.1:5909 (connection refused)")

    await commands.run(name, words, Shown(), shown.append, members)
    return shown


@pytest.mark.asyncio
async def test_the_example_is_a_topology() -> None:
    (text,) = await run("hive_plan", "--example")
    assert parse(text, "example").nodes


@pytest.mark.asyncio
async def test_files_that_are_none(tmp_path: Path) -> None:
    async def refused(content: bytes | None, what: str) -> None:
        path = tmp_path / "hive.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UsageError, match=what):
            await run("hive_plan", str(path))

    await refused(None, "can't be read .No such file or directory.; hive_plan --example prints one")
    await refused(b"\xff", "is no UTF-8 text")
    await refused(b"#" * (TOPOLOGY_BYTES_MAX + 1), "is it the right one")
    await refused(b"[[node]]\nhost = 3\n", "hive.toml")
    with pytest.raises(UsageError, match="Is a directory"):
        await run("hive_plan", str(tmp_path))


@pytest.mark.asyncio
async def test_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "hive.toml").write_text('[[node]]\nhost = "a"\naddress = "10.0.0.1:5909"\n')
    assert len((await commands.read_topology("~/hive.toml")).nodes) == 1


@pytest.mark.asyncio
async def test_the_loop_runs_while_a_pipe_has_nothing_to_say_yet(tmp_path: Path) -> None:
    """As bash makes one of ``hive_plan <(slowly)``."""
    os.mkfifo(tmp_path / "pipe")
    writing = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writing, b'[[node]]\nhost = "a"\n')
    reading = asyncio.ensure_future(commands.read_topology(str(tmp_path / "pipe")))
    await asyncio.sleep(0)
    assert not reading.done()
    os.write(writing, b'address = "10.0.0.1:5909"\n')
    await asyncio.sleep(0)
    os.close(writing)
    assert len((await reading).nodes) == 1


@pytest.mark.asyncio
async def test_logs_of_a_node_that_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "hive.toml"
    path.write_text('[[node]]\nhost = "a"\naddress = "10.0.0.1:5909"\n')
    with pytest.raises(UsageError, match=r"--node 10\.0\.0\.1:5908 is not in .*; did you mean 10\.0\.0\.1:5909\?"):
        await run("hive_logs", str(path), "--node", "10.0.0.1:5908")


@pytest.mark.asyncio
async def test_a_node_needs_a_hive_to_join() -> None:
    with pytest.raises(UsageError, match=r"none answers .*; name a node of it with --peer"):
        await run("node_start", "host", "-a", "10.0.0.1:5909")


# --- whole commands on two hosts ---------------------------------------------------------------------------------


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StubHosts:
    return StubHosts(monkeypatch, tmp_path)


@pytest.mark.asyncio
async def test_the_file_of_a_user_whom_nobody_knows() -> None:
    with pytest.raises(UsageError, match=r"the topology file ~nobody-here/hive\.toml can't be read"):
        await run("hive_plan", "~nobody-here/hive.toml")
    with pytest.raises(UsageError, match=r"can't be read \(embedded null byte"):
        await run("hive_plan", "hive\0.toml")


def test_a_lock_names_its_holder_even_where_users_have_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert lock_text("hive_apply").startswith(f"user {os.getuid()}@")


@pytest.mark.asyncio
@pytest.mark.parametrize("command", ["hive_start", "hive_apply"])
async def test_all_are_started_before_any_is_waited_for(
    hosts: StubHosts, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Where more hosts are needed to serve than are worked on at a time."""
    monkeypatch.setattr(fleet, "HOSTS_AT_ONCE_MAX", 1)
    hosts.configured(run=False)
    text = await hosts.run(command)
    assert hosts.running == set(NAMES)
    assert text.endswith("the hive is stable: all 2 nodes are up and every arc has its copies")


@pytest.mark.asyncio
async def test_a_hive_is_founded_and_joined(hosts: StubHosts) -> None:
    text = await hosts.run("hive_apply")
    assert "10.0.0.1:5909 founded the hive" in text
    assert "10.0.0.2:5909 joined the hive" in text
    assert hosts.actions.count("10.0.0.1 configure") == 2
    assert hosts.records["10.0.0.1"].peers == ("10.0.0.2:5909",), "the founder never founds another one"


@pytest.mark.asyncio
@pytest.mark.parametrize("refused", ["10.0.0.1 start", "10.0.0.1 configure"])
async def test_nobody_waits_long_for_a_founder_that_failed(hosts: StubHosts, refused: str) -> None:
    hosts.refuse.add(refused)
    with pytest.raises(RemoteError, match=r"^remote: hive_apply failed on 2 of 2 hosts"):
        await hosts.run("hive_apply")
    (said,) = [line for line in hosts.reporter.lines if line.startswith("10.0.0.2: bad")]
    assert "10.0.0.2:5909 runs, and waits for its hive: 10.0.0.1 was to found it and failed" in said


@pytest.mark.asyncio
async def test_a_plan_changes_nothing_and_tells_what_stands_in_the_way(hosts: StubHosts) -> None:
    assert "founds the hive" in await hosts.run("hive_plan")
    hosts.found["10.0.0.2"] = replace(BARE, port="taken", holder="nginx (pid 12)")
    with pytest.raises(RemoteError, match=r"hive_apply would fail on 10\.0\.0\.2; the reasons are marked with ! above"):
        await hosts.run("hive_plan")
    assert "  ! the port of 10.0.0.2:5909 is taken by nginx (pid 12)" in hosts.shown[0]
    hosts.found["10.0.0.2"] = replace(BARE, port="unbindable", holder="user me may not listen at port 80")
    with pytest.raises(RemoteError, match="hive_apply would fail"):
        await hosts.run("hive_plan")
    assert "  ! 10.0.0.2:5909 can't be listened at: user me may not listen at port 80" in hosts.shown[0]
    hosts.refuse.add("10.0.0.1 connect")
    with pytest.raises(RemoteError, match=r"^remote: 10\.0\.0\.1: no connect today$"):
        await hosts.run("hive_plan")
    assert hosts.actions == []


@pytest.mark.asyncio
async def test_wheels_that_can_not_be_had(hosts: StubHosts) -> None:
    hosts.refuse.add("10.0.0.2 bundle")
    with pytest.raises(RemoteError, match=r"hive_apply would fail on 10\.0\.0\.2"):
        await hosts.run("hive_plan")
    assert "  ! no bundle today" in hosts.shown[0]
    assert hosts.shown[0].endswith("1 node to start, 1 host that can't be used as things are")
    with pytest.raises(RemoteError, match="hive_apply failed"):
        await hosts.run("hive_apply")
    assert "10.0.0.2: bad: no bundle today" in hosts.reporter.lines
    assert "10.0.0.2 start" not in hosts.actions and "10.0.0.1 start" in hosts.actions


@pytest.mark.asyncio
async def test_a_check_changes_nothing_either(hosts: StubHosts) -> None:
    assert (await hosts.run("hive_check")).count("all is well") == 2
    hosts.reached = "timeout"
    with pytest.raises(RemoteError, match=r"hive_check found problems on 10\.0\.0\.1, 10\.0\.0\.2; they are marked"):
        await hosts.run("hive_check")
    assert "  ! from here 10.0.0.2:5909 can't be reached (no answer: a firewall drops it" in hosts.shown[0]
    assert hosts.actions == []


@pytest.mark.asyncio
async def test_a_node_joins_by_those_that_the_shell_knows(hosts: StubHosts) -> None:
    hosts.configured()
    hosts.found["10.0.0.2"] = BARE
    hosts.running = {"10.0.0.1"}
    assert "10.0.0.2:5909 joined the hive" in await hosts.run("node_start", "10.0.0.2", "-a", "10.0.0.2:5909")
    assert hosts.records["10.0.0.2"].peers == ("10.0.0.1:5909",), "itself is no peer, even if the hive knows it"


@pytest.mark.asyncio
async def test_a_node_that_the_hive_consists_of_has_nobody_to_join(hosts: StubHosts) -> None:
    hosts.members = ["10.0.0.2:5909"]
    with pytest.raises(RemoteError, match=r"no hive is known that it could join; name one of its nodes with --peer"):
        await hosts.run("node_start", "10.0.0.2", "-a", "10.0.0.2:5909")
    assert hosts.actions == ["10.0.0.2 lock"]


def restarts(hosts: StubHosts) -> list[str]:
    return [action for action in hosts.actions if action.split()[1] in ("stop", "configure", "start")]


IN_TURN = [f"{name} {do}" for name in NAMES for do in ("stop", "configure", "start")]


@pytest.mark.asyncio
async def test_an_upgrade_takes_one_after_the_other(hosts: StubHosts) -> None:
    hosts.configured(release="0.0.9-bbbbbbbb")
    assert "2 nodes upgraded, one after the other" in await hosts.run("hive_upgrade")
    assert restarts(hosts) == IN_TURN
    assert {record.release for record in hosts.records.values()} == {RELEASE}
    hosts.configured()
    assert "nothing to do: all nodes run this release" in await hosts.run("hive_upgrade")
    assert restarts(hosts) == IN_TURN


@pytest.mark.asyncio
async def test_an_upgrade_begins_nowhere_unless_all_are_ready_for_it(hosts: StubHosts) -> None:
    hosts.configured(release="0.0.9-bbbbbbbb")
    hosts.refuse.add("10.0.0.2 bundle")
    with pytest.raises(RemoteError, match=r"^remote: 10\.0\.0\.2: no bundle today$"):
        await hosts.run("hive_upgrade")
    assert "10.0.0.1: same: ready for the upgrade, which has not begun" in hosts.reporter.lines
    assert restarts(hosts) == []


DEGRADED = answers(hive(down=[1]), {IDS[0]: figures(0)})
LATE = answers(hive(), {**BOTH, IDS[1]: figures(1, epoch=2)})


@pytest.mark.asyncio
@pytest.mark.parametrize("reply", [DEGRADED, LATE])
async def test_nothing_is_stopped_while_the_hive_is_not_stable(
    hosts: StubHosts, monkeypatch: pytest.MonkeyPatch, reply: Callable[[Request], Reply]
) -> None:
    monkeypatch.setattr(stability, "STABILITY_LOOK_SECONDS", 30.0)
    hosts.answer = lambda me: reply
    hosts.configured(release="0.0.9-bbbbbbbb")
    halted = r"hive_upgrade halted at 10\.0\.0\.1:5909 on 10\.0\.0\.1: the hive is .*; no node was upgraded"
    with pytest.raises(RemoteError, match=halted):
        await hosts.run("hive_upgrade")
    hosts.configured()
    hosts.write("options = { grace = 30 }")
    with pytest.raises(RemoteError, match="hive_apply failed on 2 of 2 hosts"):
        await hosts.run("hive_apply")
    assert any(line.startswith("10.0.0.1: bad: the hive is ") for line in hosts.reporter.lines)
    assert "10.0.0.2: bad: 10.0.0.1 was not restarted well, so the rest is left as it is" in hosts.reporter.lines
    assert restarts(hosts) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("command", ["hive_upgrade", "hive_apply"])
async def test_the_next_one_is_left_alone_unless_the_hive_recovers(
    hosts: StubHosts, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(stability, "STABILITY_LOOK_SECONDS", 30.0)
    hosts.configured(release="0.0.9-bbbbbbbb" if command == "hive_upgrade" else RELEASE)
    hosts.write("options = { grace = 30 }")
    hosts.answer = lambda me: DEGRADED if restarts(hosts) else answers(hive(), BOTH, me)
    with pytest.raises(RemoteError):
        await hosts.run(command)
    assert any(line.startswith("10.0.0.1: bad: ") and "the hive is degraded" in line for line in hosts.reporter.lines)
    assert restarts(hosts) == IN_TURN[:3]


@pytest.mark.asyncio
async def test_one_that_does_not_run_is_not_what_is_waited_for(hosts: StubHosts) -> None:
    hosts.configured(release="0.0.9-bbbbbbbb")
    hosts.running.discard("10.0.0.2")
    hosts.found["10.0.0.2"] = replace(hosts.found["10.0.0.2"], pid=None, release_running="")
    assert "2 nodes upgraded" in await hosts.run("hive_upgrade")
    assert restarts(hosts) == ["10.0.0.2 configure", "10.0.0.2 start", *IN_TURN[:3]]


@pytest.mark.asyncio
async def test_one_that_died_since_it_was_seen_is_not_what_is_waited_for_either(hosts: StubHosts) -> None:
    hosts.configured(release="0.0.9-bbbbbbbb")
    hosts.running.discard("10.0.0.1")
    assert "2 nodes upgraded" in await hosts.run("hive_upgrade")
    assert restarts(hosts) == IN_TURN[1:]


@pytest.mark.asyncio
async def test_a_hive_is_stopped(hosts: StubHosts) -> None:
    hosts.configured()
    assert (await hosts.run("hive_stop")).count(" stopped") == 2
    assert hosts.running == set()
    assert (await hosts.run("hive_stop")).count("no node of the file runs here") == 2


@pytest.mark.asyncio
async def test_a_hive_is_destroyed_by_the_word_yes_alone(hosts: StubHosts) -> None:
    hosts.configured()
    for answer in ("", "no", "y", "YES"):
        hosts.reporter = Asked(answer)
        with pytest.raises(UsageError, match="nothing was changed"):
            await hosts.run("hive_destroy")
    question = "2 nodes on 2 hosts with 2.0 MiB of data, 6 entries will be gone; type yes to destroy it for good: "
    assert question in hosts.reporter.lines
    assert not any(action.endswith(("stop", "remove", "clean")) for action in hosts.actions)
    hosts.reporter = Asked(" yes ")
    hosts.refuse.add("10.0.0.2 connect")
    with pytest.raises(RemoteError, match=r"10\.0\.0\.2: no connect today"):
        await hosts.run("hive_destroy")
    assert any(line.startswith("1 node on 1 host with 1.0 MiB of data") for line in hosts.reporter.lines)
    assert any("will be gone (nothing is done on 10.0.0.2)" in line for line in hosts.reporter.lines)
    assert hosts.actions[-4:] == [f"10.0.0.1 {do}" for do in ("lock", "stop", "remove", "clean")]
