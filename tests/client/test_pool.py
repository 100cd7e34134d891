"""The connections of a client: one to each node, kept, retired and made again beside the requests."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from tests.stub_node import StubNode, content, silent
from wrpme import errors
from wrpme.client.connection import Connection
from wrpme.client.pool import Pool
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import Content, Get, Reply

pytestmark = pytest.mark.asyncio

STRANGER = b"s" * 16


class Owner:
    """Lets every node in but those of one hive."""

    def __init__(self) -> None:
        self.pool = Pool(self)
        self._ids = count(1)

    def next_id(self) -> int:
        return next(self._ids)

    def meet(self, address: str, hive: bytes) -> errors.AnotherHiveError | None:
        return errors.AnotherHiveError(f"{address} is a stranger") if hive == STRANGER else None

    def heard(self, connection: Connection, reply: Reply) -> None:
        raise AssertionError("nothing comes unasked here")

    def closed(self, connection: Connection) -> None:
        self.pool.forget(connection)


async def test_whoever_waits_for_the_same_address_shares_one_connection() -> None:
    async with StubNode(content) as node:
        pool = Owner().pool
        assert pool.ready(node.address) is None and pool.any_ready() is None
        first, second = await asyncio.gather(pool.open(node.address), pool.open(node.address))
        assert first is second is pool.ready(node.address) is pool.any_ready()
        assert node.sessions_opened == 1
        await pool.close()
        assert pool.any_ready() is None


async def test_a_node_that_the_owner_refuses_is_not_let_in() -> None:
    async with StubNode(content) as node:
        node.hive = STRANGER
        pool = Owner().pool
        with pytest.raises(errors.AnotherHiveError, match="stranger"):
            await pool.open(node.address)
        assert pool.ready(node.address) is None and pool.failing(node.address)
        await pool.close()


async def test_an_address_that_failed_is_tried_again_beside_the_requests() -> None:
    async with StubNode(content) as node:
        pool = Owner().pool
        connection = await pool.open(node.address)
        node.die()
        await connection.ended
        assert pool.failing(node.address) and pool.ready(node.address) is None
        async with node:
            while pool.failing(node.address):
                await asyncio.sleep(0.05)
            assert pool.ready(node.address) is not None
        await pool.close()


async def test_a_retired_connection_ends_at_once_where_nothing_is_in_flight() -> None:
    async with StubNode(content) as node:
        pool = Owner().pool
        connection = await pool.open(node.address)
        pool.retire(connection)
        await connection.ended
        assert pool.ready(node.address) is None and "is down" in connection.reason.sentence


async def test_a_retired_connection_still_brings_what_is_in_flight() -> None:
    async with StubNode(silent) as node:
        pool = Owner().pool
        connection = await pool.open(node.address)
        reply = connection.send(Get(9, b"x"), asyncio.get_running_loop().time() + 60)
        pool.retire(connection)
        assert pool.ready(node.address) is None and connection.usable
        node.sessions[0].transport.write(encode(Content(9, b"late")))
        assert await reply == Content(9, b"late")
        await pool.close()
        assert connection.ended.done()
