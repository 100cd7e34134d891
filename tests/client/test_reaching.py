"""How a client finds a node that answers, where packets are lost: until its deadline, over all addresses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.stub_node import StubNode, content, jumped
from wrpme import Client, errors
from wrpme.client.limits import NEXT_SECONDS
from wrpme.limits import CONNECT_SECONDS_MAX

pytestmark = pytest.mark.asyncio

Connect = Callable[..., object]


class Network:
    """Where the first so many attempts to reach an address are lost without a sign."""

    def __init__(self) -> None:
        self.lost: dict[str, int] = {}
        self.attempts: list[str] = []
        self._connect: Connect = asyncio.SelectorEventLoop.create_connection

    async def connect(
        self, loop: asyncio.SelectorEventLoop, factory: object, host: str, port: int, **_: object
    ) -> object:
        address = f"{host}:{port}"
        self.attempts.append(address)
        if self.lost.get(address, 0) > 0:
            self.lost[address] -= 1
            await asyncio.Event().wait()
        return await self._connect(loop, factory, host, port)  # type: ignore[misc]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    made = Network()
    monkeypatch.setattr(
        asyncio.SelectorEventLoop, "create_connection", lambda *given, **more: made.connect(*given, **more)
    )
    yield made


async def test_a_node_whose_packets_were_lost_is_asked_again_until_the_deadline(network: Network) -> None:
    async with StubNode(content) as node, Client(node.address, timeout=20.0) as client:
        network.lost[node.address] = 5
        assert await client.get("x") == b"x"
        assert network.attempts == 6 * [node.address]


async def test_a_node_that_never_answers_is_told_at_the_deadline(network: Network) -> None:
    async with StubNode(content) as node, Client(node.address, timeout=20.0) as client:
        network.lost[node.address] = 1000
        with pytest.raises(errors.ConnectionError, match=r"no daemon answers at .*no answer within 2 s"):
            await client.get("x")
        assert 20.0 - CONNECT_SECONDS_MAX < jumped() <= 20.1


async def test_one_address_that_refuses_does_not_end_the_search_for_one_that_is_silent(network: Network) -> None:
    async with StubNode(content) as gone, StubNode(content) as node:
        gone.die()
        network.lost[node.address] = 3
        async with Client([gone.address, node.address], timeout=20.0) as client:
            assert await client.get("x") == b"x"


async def test_many_that_are_silent_do_not_hide_one_that_answers(network: Network) -> None:
    silent = [f"127.0.0.1:{port}" for port in range(1, 21)]
    network.lost = dict.fromkeys(silent, 1000)
    async with StubNode(content) as node, Client([*silent, node.address], timeout=8.0) as client:
        client._dispatcher._compared = True  # as with members that became known later
        assert await client.get("x") == b"x"
        assert jumped() < len(silent) * NEXT_SECONDS + 1.0


async def test_a_short_timeout_is_kept_where_several_addresses_are_silent(network: Network) -> None:
    silent = ["127.0.0.1:1", "127.0.0.1:2"]
    network.lost = dict.fromkeys(silent, 1000)
    async with Client(silent, timeout=0.5) as client:
        with pytest.raises(errors.TimeoutError, match=r"tried 127.0.0.1:1, 127.0.0.1:2"):
            await client.get("x")
        assert jumped() <= 0.6


async def test_the_numbers_of_a_name_are_tried_beside_each_other(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with StubNode(content) as node:
        port = int(node.address.rpartition(":")[2])
        numbers = [*(f"127.0.1.{last}" for last in range(1, 9)), "127.0.0.1"]
        network.lost = {f"{number}:{port}": 1000 for number in numbers[:-1]}
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 0)) for number in numbers]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        async with Client(f"nodes.example:{port}", timeout=8.0) as client:
            assert await client.get("x") == b"x"
            assert jumped() < len(numbers) * NEXT_SECONDS + 1.0
