"""One process, several lives: what follows when the hive has fenced the node. Full disks and damaged directories are in
tests/hive, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.daemon_parts import KeptLog
from tests.hive.daemons import Daemons, free_port, until, until_stable
from wrpme import Client
from wrpme.address import parse as address
from wrpme.daemon import config, homecoming, lives
from wrpme.daemon.listen import listen
from wrpme.daemon.lives import Lives
from wrpme.daemon.log import Log
from wrpme.effects import Effect, Event, Exit
from wrpme.errors import StorageError
from wrpme.node import Node
from wrpme.picture import State

FENCE: dict[bytes, tuple[str, ...]] = {}
"""Nodes that are to hear at their next event that they are fenced, and where to go."""


class Fenced(Node):
    """Ends as the hive has gone on without it."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        effects = super().handle(event, now)
        if where := FENCE.pop(self.settings.id, None):
            effects.append(Exit(1, "the hive went on without this node", aside=where))
        return effects


def run(options: list[str], log: Log, founder: Daemons) -> Exit:
    """A node of the founder's hive that is fenced as soon as it is a member, and stopped once it is one again."""
    settings = config.parse(options)

    async def play() -> Exit:
        running = asyncio.ensure_future(Lives(settings, listen(settings.address), log).run())
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

    return asyncio.run(play())


@pytest.mark.parametrize("transient", [False, True])
def test_a_fenced_node_joins_as_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transient: bool) -> None:
    monkeypatch.setattr(lives, "Node", Fenced)
    log = KeptLog()
    root = tmp_path / "data"
    with Daemons(tmp_path, 1, "--replication", "1") as founder:
        founder.start(0)
        own = f"127.0.0.1:{free_port()}"
        where = ["--transient"] if transient else ["-r", str(root)]
        end = run(["-a", own, "--peer", founder.addresses[0], *where], log, founder)
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
    home = homecoming.read(str(root))
    assert home is not None and home.others == (founder.addresses[0],)


def test_a_directory_that_can_not_be_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "Node", Fenced)
    (tmp_path / "data.fresh").write_text("in the way")
    with Daemons(tmp_path, 1, "--replication", "1") as founder:
        founder.start(0)
        options = ["-a", f"127.0.0.1:{free_port()}", "--peer", founder.addresses[0], "-r", str(tmp_path / "data")]
        settings = config.parse(options)

        async def play() -> Exit:
            running = asyncio.ensure_future(Lives(settings, listen(settings.address), KeptLog()).run())
            async with Client(founder.addresses) as client:
                view = await until_stable(client, 2)
            (mine,) = (member.id for member in view.members if address(member.address) == settings.advertise)
            FENCE[mine] = tuple(founder.addresses)
            return await running

        with pytest.raises(StorageError, match=rf"can't be set aside .* --peer {founder.addresses[0]}"):
            asyncio.run(play())
    assert (tmp_path / "data" / "CURRENT").exists()
