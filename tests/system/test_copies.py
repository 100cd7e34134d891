"""The hive outlives its nodes: at the default of two copies, whoever dies or stops, nothing is missed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from tests.certificates import Authority
from tests.system.daemons import Daemons, until
from wrpme import BlockingClient, Client, WrpmeError, errors
from wrpme.core.limits import SUSPECT_NOBODY_SECONDS
from wrpme.protocol import health

pytestmark = pytest.mark.asyncio

ENTRIES = 200
PAUSE_SECONDS = 0.01
"""Between two turns of one client: who stops does so under load, and the machine has time for other tests."""
SERVED_SECONDS_MAX = 15.0
"""The goal is 3 s, and bench/failover.py measures it; more than this is no busy machine any more."""


def alias(number: int) -> str:
    return f"entry/{number}"


async def fill(client: Client, content: bytes = b"first") -> None:
    await asyncio.gather(*(client.update(alias(number), content) for number in range(ENTRIES)))


async def all_served(client: Client, content: bytes) -> None:
    """Every entry is read and written."""
    found = await asyncio.gather(*(client.get(alias(number)) for number in range(ENTRIES)))
    assert set(found) == {content}
    await asyncio.gather(*(client.update(alias(number), content) for number in range(ENTRIES)))


class Load:
    """Clients that write and read all the time; none of their operations may fail."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self.failures: list[str] = []
        self.done = 0
        self._enough = False
        self._tasks = [asyncio.create_task(self._call(caller)) for caller in range(8)]

    async def _call(self, caller: int) -> None:
        async with Client(self._addresses) as client:
            number = 0
            while not self._enough:
                number += 1
                name, content = f"load/{caller}/{number % 20}", str(number).encode()
                try:
                    await client.update(name, content)
                    found = await client.get(name)
                except WrpmeError as error:
                    self.failures.append(str(error))
                    continue
                assert found == content, f"{name} is {found!r} and not {content!r}"
                self.done += 2
                await asyncio.sleep(PAUSE_SECONDS)

    async def end(self) -> None:
        self._enough = True
        await asyncio.gather(*self._tasks)


async def test_whoever_dies_nothing_is_lost_and_it_comes_back(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3) as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        for victim in (0, 1):
            await die_and_return(daemons, victim)
        daemons.check_alive()


async def die_and_return(daemons: Daemons, victim: int) -> None:
    others = [address for index, address in enumerate(daemons.addresses) if index != victim]
    async with Client(others, timeout=SERVED_SECONDS_MAX) as client:
        await fill(client)
        await asyncio.sleep(max(0.0, daemons.started[2] + SUSPECT_NOBODY_SECONDS + 1 - monotonic()))
        daemons.kill(victim)
        begun = monotonic()
        await all_served(client, b"first")
        print(f"served again {monotonic() - begun:.2f} s after the kill")
        status = await client.hive_status()
        assert health.condition(status.view).word == "degraded"
        assert sum(node.stats.at_risk_entries for node in status.nodes if node.stats) > 0
        await fill(client, b"second")
        daemons.start(victim)
        await daemons.until_stable()
        await all_served(client, b"second")
        assert not (await client.verify()).differences


async def test_one_after_the_other_down_to_the_last_node(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3, "--grace", "1") as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        async with Client(daemons.addresses) as client:
            await fill(client)
            daemons.terminate(0)
            await all_served(client, b"first")
            await daemons.until_stable(2)  # its copies have been made elsewhere
            await all_served(client, b"first")
            daemons.terminate(1)
            await all_served(client, b"first")
            for back in (0, 1):
                daemons.start(back)
            await daemons.until_stable()
            await all_served(client, b"first")
            assert await client.count() == ENTRIES


async def test_all_at_once_and_all_again(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3) as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        async with Client(daemons.addresses, timeout=30.0) as client:
            await fill(client)
            daemons.terminate(0, 1, 2)
            daemons.start_all((2, 0, 1))
            await daemons.until_stable()
            await all_served(client, b"first")
            daemons.kill(0, 1, 2)
            daemons.start_all((1, 2, 0))
            await daemons.until_stable()
            await all_served(client, b"first")


async def test_a_rolling_restart_fails_no_request(tmp_path: Path) -> None:
    """Nor one that brings the links of the hive to TLS."""
    files = Authority(tmp_path).issue("node")
    tls = ("--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca, "--tls-mode")
    with Daemons(tmp_path, 3, *tls, "allow") as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        load = Load(daemons.addresses)
        daemons.options = (*tls, "prefer")
        for index in range(3):
            daemons.terminate(index)
            daemons.start(index)
            await daemons.until_stable()
        await load.end()
        assert not load.failures and load.done > 100, load.failures


async def test_two_nodes_and_the_senior_is_dead_for_good(tmp_path: Path) -> None:
    with Daemons(tmp_path, 2) as daemons:
        daemons.start_all(range(2))
        await daemons.until_stable()
        with BlockingClient(daemons.addresses[1], timeout=20.0) as client:
            client.put("x", b"1")
            daemons.kill(0)

            async def says_so() -> bool:
                try:
                    await asyncio.to_thread(client.get, "x")
                except errors.UnavailableError as error:
                    return "1 of 2 voters" in str(error) and "recover --force" in str(error)
                except errors.UnstableError:
                    return False
                return False

            await until("it says what it lacks", says_so)
            assert "begins here with 1 of 2 nodes" in client.recover()
            assert client.get("x") == b"1"
            daemons.start(0)
            await daemons.until_stable()
            assert client.get("x") == b"1"
            assert not client.verify().differences
        host, port = daemons.addresses[0].split(":")
        assert (tmp_path / "db" / f"{host}-{port}.former-1").is_dir(), "its former data is set aside"


async def test_a_node_leaves_for_good_and_a_dead_one_is_forgotten(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3) as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        with BlockingClient(daemons.addresses, timeout=20.0) as client:
            for number in range(50):
                client.put(alias(number), b"1")
            client.leave(daemons.addresses[2])
            assert daemons.processes.pop(2).wait(20) == 0
            client.wait_stable()
            assert client.count() == 50
            with pytest.raises(errors.UsageError, match="is not down"):
                client.forget(daemons.addresses[1])
            daemons.terminate(1)
            assert client.price_of(daemons.addresses[1]).loss.share == 0
            client.forget(daemons.addresses[1])
            client.wait_stable()
            assert client.count() == 50 and len(client.view().members) == 1
