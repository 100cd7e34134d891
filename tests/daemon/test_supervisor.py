"""One process, one node after the other: what follows when the hive has fenced the node. Full disks and damaged
directories are in tests/system, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from tests.daemon_parts import PATIENCE_SECONDS, KeptLog
from tests.system.daemons import Daemons, free_port, until, until_stable
from wrpme import Client
from wrpme.core.io import Effect, Input, Exit
from wrpme.core.node import Node
from wrpme.core.stats import slot_counts
from wrpme.daemon import config, supervisor
from wrpme.daemon.log import Log
from wrpme.daemon.net.listen import listen
from wrpme.daemon.storage import rejoin
from wrpme.daemon.storage.leveldb import LevelStore, open_store
from wrpme.daemon.supervisor import Supervisor
from wrpme.errors import DamagedError, StorageError
from wrpme.protocol.address import parse as address
from wrpme.protocol.view import State

pytestmark = pytest.mark.asyncio

FENCE: dict[bytes, tuple[str, ...]] = {}
"""Nodes that are to hear at their next event that they are fenced, and where to go."""


class Fenced(Node):
    """Ends as the hive has gone on without it."""

    def handle(self, event: Input, now: float) -> list[Effect]:
        effects = super().handle(event, now)
        if where := FENCE.pop(self.settings.id, None):
            effects.append(Exit(1, "the hive went on without this node", rejoin=where))
        return effects


async def run(options: list[str], log: Log, founder: Daemons) -> Exit:
    """A node of the founder's hive that is fenced as soon as it is a member, and stopped once it is one again."""
    settings = config.parse(options)

    running = asyncio.ensure_future(Supervisor(settings, listen(settings.address), log).run())
    async with Client(founder.addresses) as client:
        view = await until_stable(client, 2)
        first = next(member for member in view.members if member.address == str(settings.advertise))
        FENCE[first.id] = tuple(founder.addresses)

        async def anew() -> bool:
            now = (await client.hive_status()).view
            at = {member.id: member.state for member in now.members if member.address == first.address}
            return at.get(first.id) is State.DOWN and State.UP in at.values()

        await until("it is a member again, as another node", anew)
    os.kill(os.getpid(), signal.SIGTERM)
    return await running


@pytest.mark.parametrize("transient", [False, True])
async def test_a_fenced_node_joins_as_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transient: bool) -> None:
    monkeypatch.setattr(supervisor, "Node", Fenced)
    log = KeptLog()
    root = tmp_path / "data"
    with Daemons(tmp_path, 1, "--replication", "1") as founder:
        founder.start(0)
        own = f"127.0.0.1:{free_port()}"
        where = ["--transient"] if transient else ["-r", str(root)]
        end = await run(["-a", own, "--peer", founder.addresses[0], *where], log, founder)
        founder.check_alive()
    assert end.code == 0
    (line,) = (line for line in log.lines if "went on without" in line)
    assert f"joins the hive as another node at {founder.addresses[0]}" in line
    if transient:
        assert not root.exists()
        return
    assert f"was set aside as {root}.former-1" in line
    assert sorted(path.name for path in tmp_path.glob("data*")) == ["data", "data.former-1"]
    assert (tmp_path / "data.former-1" / "CURRENT").exists()
    info = rejoin.read(str(root))
    assert info is not None and info.others == (founder.addresses[0],)


async def test_a_directory_that_can_not_be_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "Node", Fenced)
    (tmp_path / "data.fresh").write_text("in the way")
    with Daemons(tmp_path, 1, "--replication", "1") as founder:
        founder.start(0)
        options = ["-a", f"127.0.0.1:{free_port()}", "--peer", founder.addresses[0], "-r", str(tmp_path / "data")]
        settings = config.parse(options)

        async def life() -> Exit:
            running = asyncio.ensure_future(Supervisor(settings, listen(settings.address), KeptLog()).run())
            async with Client(founder.addresses) as client:
                view = await until_stable(client, 2)
            (mine,) = (member.id for member in view.members if address(member.address) == settings.advertise)
            FENCE[mine] = tuple(founder.addresses)
            return await running

        with pytest.raises(StorageError, match=rf"can't be set aside .* --peer {founder.addresses[0]}"):
            await life()
    assert (tmp_path / "data" / "CURRENT").exists()


async def test_a_disk_that_hangs_at_the_end_keeps_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    over: list[bool] = []
    monkeypatch.setattr(LevelStore, "close", lambda store: over.append(release.wait(PATIENCE_SECONDS)))

    async def stop(node: asyncio.Task[Exit]) -> None:
        async def serves() -> bool:
            return any("serving at" in line for line in log.lines)

        await until("it serves", serves)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait({node})
        assert over == [], "the store is still being closed"
        release.set()

    log = KeptLog()
    assert (await running(settings_of(tmp_path, "--replication", "1"), log, stop)).code == 0


# --- a directory that has lost what it held -------------------------------------------------------------------------


def settings_of(tmp_path: Path, *options: str) -> config.Config:
    return config.parse(["-a", f"127.0.0.1:{free_port()}", "-r", str(tmp_path / "data"), *options])


async def running(settings: config.Config, log: Log, check: Callable[[asyncio.Task[Exit]], Awaitable[None]]) -> Exit:
    sockets = listen(settings.address)
    try:
        node = asyncio.ensure_future(Supervisor(settings, sockets, log).run())
        await check(node)
        return await node
    finally:
        for made in sockets:
            made.close()


async def lived(settings: config.Config) -> KeptLog:
    """One life of a node, until it is a member of a hive."""
    log = KeptLog()

    async def until_member(node: asyncio.Task[Exit]) -> None:
        async def is_member() -> bool:
            return node.done() or any("serving at" in line for line in log.lines)

        await until("it serves", is_member)
        if not node.done():
            os.kill(os.getpid(), signal.SIGTERM)

    assert (await running(settings, log, until_member)).code == 0
    return log


async def test_a_start_knows_how_many_entries_there_are_and_reads_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    found = list[int]()

    async def change(node: asyncio.Task[Exit]) -> None:
        async with Client([str(settings.advertise)]) as client:
            await until_stable(client, 1)
            if not found:
                await client.put_many({f"entry/{number}": b"content" for number in range(5)})
                await client.remove("entry/1")
            found.append(await client.count())
        os.kill(os.getpid(), signal.SIGTERM)

    await running(settings, KeptLog(), change)
    monkeypatch.setattr(slot_counts, "counts_of", lambda reader: pytest.fail("all entries were read"))
    store = Supervisor(settings, [], KeptLog())._entered().store  # a start that comes to nothing
    store.close()
    await running(settings, KeptLog(), change)
    assert found == [4, 4]


async def refusal(settings: config.Config) -> str:
    async def ends(node: asyncio.Task[Exit]) -> None:
        await asyncio.wait({node})

    with pytest.raises(DamagedError) as caught:
        await running(settings, KeptLog(), ends)
    return caught.value.sentence


def lose_the_log(directory: Path) -> None:
    next(directory.glob("*.log")).unlink()


def lose_what_is_in_the_log(directory: Path) -> None:
    log = next(directory.glob("*.log"))
    log.write_bytes(bytes(log.stat().st_size))


def cut_the_log_to_nothing(directory: Path) -> None:
    next(directory.glob("*.log")).write_bytes(b"")


def lose_all_but_the_rejoin_file(directory: Path) -> None:
    for path in directory.iterdir():
        if path.name != rejoin.NAME:
            path.unlink()


def begin_a_new_database(directory: Path) -> None:
    lose_all_but_the_rejoin_file(directory)
    hive = (directory / rejoin.NAME).read_bytes()
    (directory / rejoin.NAME).unlink()
    open_store(str(directory)).close()
    (directory / rejoin.NAME).write_bytes(hive)


LOSSES: list[Callable[[Path], None]] = [
    lose_the_log, lose_what_is_in_the_log, cut_the_log_to_nothing, lose_all_but_the_rejoin_file, begin_a_new_database,
]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
async def test_nobody_founds_a_second_hive_where_one_was(tmp_path: Path, loss: Callable[[Path], None]) -> None:
    settings = settings_of(tmp_path, "--replication", "1")
    await lived(settings)
    loss(tmp_path / "data")
    for _ in range(2):
        sentence = await refusal(settings)
        assert "is damaged" in sentence
        assert "names other members of its hive and no --peer is given" in sentence
        assert [path.name for path in tmp_path.iterdir()] == ["data"]


async def test_with_a_peer_it_is_set_aside_and_joins_anew(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "--replication", "1")
    await lived(settings)
    lose_the_log(tmp_path / "data")
    with Daemons(tmp_path, 1, "--replication", "1") as other:
        other.start(0)
        await other.until_stable(1)
        log = await lived(msgspec.structs.replace(settings, peers=(address(other.addresses[0]),)))
        other.check_alive()
    (line,) = (line for line in log.lines if "was set aside as" in line)
    assert f"{tmp_path}/data.damaged-1" in line and f"through {other.addresses[0]}" in line
    info = rejoin.read(str(tmp_path / "data"))
    assert info is not None and (info.former, info.others) == ("", tuple(other.addresses))


async def test_one_that_was_set_aside_joins_or_waits_and_founds_nothing(tmp_path: Path) -> None:
    """Also where the file that names its hive names nobody."""
    (tmp_path / "data").mkdir()
    rejoin.write(str(tmp_path / "data"), rejoin.RejoinInfo("ab" * 16, (), f"{tmp_path}/data.damaged-1"))
    assert "names no other node" in await refusal(settings_of(tmp_path))
