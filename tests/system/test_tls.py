"""A hive whose nodes speak TLS alone, of real processes, and that gets users."""

from __future__ import annotations

import asyncio
import signal
import ssl
import threading
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.daemon_parts import Raw
from tests.system.crowd import Crowd
from tests.system.daemons import Daemons, free_port, until, until_stable
from wrpme import Client
from wrpme.daemon.limits import HANDSHAKES_MAX
from wrpme.errors import ProtocolError
from wrpme import BlockingClient, errors
from wrpme.files.certificates import TlsFiles, client_context
from wrpme.protocol.messages import Content, Done, Failed, Get, Request, Update

CROWD = HANDSHAKES_MAX + 200
"""So many begin a handshake, or say nothing, and go no further."""
KEYS = 20
PAUSE_SECONDS = 0.02

pytestmark = pytest.mark.asyncio
OLD, NEW = "right horse", "left horse"
PAUSE_SECONDS = 0.01


def options(files: TlsFiles, mode: str = "require", *others: str) -> list[str]:
    named = ["--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca]
    return ["--tls-mode", mode, *(others or ("--transient",)), *named]


async def answer(address: str, request: Request, secured: ssl.SSLContext) -> object:
    async with Raw(int(address.rpartition(":")[2]), secured) as client:
        client.say(request, preface=True)
        return await client.reply()


async def users_come_and_go(addresses: list[str], files: TlsFiles) -> None:
    """Programs that say who they are before there are users do not notice that there are: no operation fails while the
    first one comes, then that of a program, passwords are changed by rotation, and all go at once."""
    admin, async_client = Client(addresses, tls=files), Client(addresses, tls=files, user="app", password=OLD)
    blocking = BlockingClient(addresses, tls=files, user="root", password=OLD)
    counts, over = [0, 0], threading.Event()

    async def work() -> None:
        while not over.is_set():
            await async_client.update("worked", b"%d" % counts[0])
            assert await async_client.get("worked") == b"%d" % counts[0]
            counts[0] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    def block() -> None:
        while not over.is_set():
            blocking.update("blocked", b"%d" % counts[1])
            assert blocking.get("blocked") == b"%d" % counts[1]
            counts[1] += 1
            over.wait(PAUSE_SECONDS)

    async def go_on() -> None:
        before = list(counts)

        async def went_on() -> bool:
            return all(count > former + 1 for count, former in zip(counts, before, strict=True))

        await until("both go on", went_on)

    with blocking:
        async with admin, async_client:
            working = [asyncio.create_task(work()), asyncio.create_task(asyncio.to_thread(block))]
            try:
                await go_on()
                assert (await admin.whoami()).open
                await admin.add_user("root", "admin", OLD)
                await admin.add_user("app", "write", OLD)
                await go_on()
                assert ((await async_client.whoami()).name, (await admin.whoami()).name) == ("app", "root")
                await admin.add_user("bound", "read", NEW, ["work"])
                await admin.set_password("root", NEW, keep=True)
                await go_on()
                async with Client(addresses, tls=files, user="bound", password=NEW) as bound:
                    assert await bound.get("worked")
                    with pytest.raises(errors.DeniedError, match="bound may"):
                        await bound.get("blocked")
                    with pytest.raises(errors.DeniedError, match="needs the role admin"):
                        await bound.users()
                for client in (Client(addresses, tls=files), Client(addresses, tls=files, user="bound", password=OLD)):
                    async with client:
                        with pytest.raises(errors.UnauthenticatedError):
                            await client.get("worked")
                await admin.remove_user("bound")
                await admin.remove_users()
                await go_on()
                assert (await async_client.whoami()).open
            finally:
                over.set()
                await asyncio.gather(*working)


async def test_a_hive_that_speaks_tls_alone(tmp_path: Path) -> None:
    authority, foreign = Authority(tmp_path), Authority(tmp_path, "foreign")
    secured = client_context(TlsFiles(ca=str(authority.path)))
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    inside = Daemons(tmp_path, 2, *options(authority.issue("node")), addresses=addresses[:2])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outside = Daemons(elsewhere, 3, *options(foreign.issue("other")), addresses=[*addresses[:2], addresses[2]])

    async def holds(address: str, part: str) -> bool | None:
        answered = await answer(address, Get(1, b"entry"), secured)
        assert isinstance(answered, Content | Failed)
        return isinstance(answered, Content) and answered.content == part.encode()

    def log(daemons: Daemons, index: int) -> str:
        path = daemons.directory / f"{index}.log"
        return path.read_text() if path.exists() else ""

    with inside, outside:

        async def serving(*nodes: int) -> bool:
            return all("serving" in log(inside, node) for node in nodes)

        async def written() -> bool:
            return isinstance(await answer(addresses[0], Update(1, b"entry", b"1"), secured), Done)

        async def refused() -> bool:
            return "its certificate is refused (of another CA" in log(outside, 2)

        async def kept() -> bool:
            return "the certificate stays the one that it was" in log(inside, 1)

        async def figures() -> str:
            async with Raw(int(addresses[1].rpartition(":")[2]), secured) as client:
                client.writer.write(b"GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return (await client.rest()).decode()

        async def told() -> bool:
            return "expires in 24 h" in log(inside, 1) and "expires in 24 h" in await figures()

        inside.start(0)
        await until("a node that serves", lambda: serving(0))
        with Crowd(CROWD, addresses[0]) as crowd:
            await crowd.gathered()
            inside.start(1)
            outside.start(2)
            await until("two nodes that serve", lambda: serving(0, 1))
            await until("an entry on both", written)
            await until("the entry through the other node", lambda: holds(addresses[1], "1"))
            await until("and through the one with the crowd", lambda: holds(addresses[0], "1"))
        assert "down" not in log(inside, 0) + log(inside, 1)
        await users_come_and_go(addresses[:2], TlsFiles(ca=str(authority.path)))
        await until("a node of another CA that is told why", refused)
        (tmp_path / "node.key").write_text("no key")
        inside.processes[1].send_signal(signal.SIGHUP)
        await until("a key that can't be used changes nothing", kept)
        authority.issue("node", days=1)
        inside.processes[1].send_signal(signal.SIGHUP)
        await until("the new certificate", told)
        inside.check_alive()
        assert "serving" not in log(outside, 2)
        inside.terminate(0, 1)


class Load:
    """Writes entries and reads them again, all the time; any error ends it, and whoever ends it hears of that."""

    def __init__(self, name: str, client: Client) -> None:
        self.done = 0
        self._name, self._client = name, client
        self._enough = False
        self._task = asyncio.create_task(self._go())

    async def _go(self) -> None:
        async with self._client as client:
            while not self._enough:
                alias, content = f"{self._name}/{self.done % KEYS}", b"%d" % self.done
                await client.update(alias, content)
                assert await client.get(alias) == content
                self.done += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def end(self) -> None:
        self._enough = True
        await self._task

    def check(self) -> None:
        """It goes on."""
        if self._task.done():
            self._task.result()


async def test_a_hive_is_brought_to_tls_and_back_and_no_request_fails(tmp_path: Path) -> None:
    """As docs/security.md says it; a node is restarted when the hive is stable, and clients change in between."""
    files = Authority(tmp_path).issue("node")
    ca = TlsFiles(ca=files.ca)

    with Daemons(tmp_path, 3, "--tls-mode", "off", "--no-sync") as hive:

        async def restarted(mode: str, *loads: Load) -> None:
            """One node after the other."""
            hive.options = tuple(options(files, mode, "--no-sync"))
            async with Client(hive.addresses, tls=ca if mode in ("prefer", "require") else None) as client:
                for index in range(3):
                    before = [load.done for load in loads]
                    await asyncio.to_thread(hive.terminate, index)
                    hive.start(index)
                    await until_stable(client, 3, hive.check_running)
                    for load in loads:
                        load.check()
                    assert all(load.done > was for load, was in zip(loads, before, strict=True))

        hive.start_all(range(3))
        await hive.until_stable()
        plain = Load("plain", Client(hive.addresses, timeout=15.0))
        await restarted("allow", plain)
        await restarted("prefer", plain)
        secured = Load("secured", Client(hive.addresses, timeout=15.0, tls=ca))
        await plain.end()
        await restarted("require", secured)
        with pytest.raises(ProtocolError, match="takes TLS only"):
            async with Client(hive.addresses) as client:
                await client.count()
        await restarted("prefer", secured)
        plain = Load("plain", Client(hive.addresses, timeout=15.0))
        await restarted("allow", plain, secured)
        await secured.end()
        await restarted("off", plain)
        await plain.end()
        hive.check_alive()
