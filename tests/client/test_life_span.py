"""How long an entry lives, as it is given at writing time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stub_node import StubNode, content, done
from wrpme import Client, errors
from wrpme.protocol.messages import KEEP_EXPIRY, Content, GetUpdate, Put, Update

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("ttl", [60, 60.0, timedelta(minutes=1)])
async def test_a_span_is_told_to_the_owner_and_no_moment_beside_it(ttl: Any) -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        await client.put("x", b"", ttl=ttl)
        (request,) = node.seen_of(Put)
        assert (request.expiry, request.ttl) == (0, 60_000)


async def test_what_is_kept_and_what_has_no_end() -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        await client.update("x", b"", keep_expiry=True)
        await client.update("x", b"")
        await client.update("x", b"", expires=datetime(2030, 1, 1, tzinfo=UTC))
        found = [(request.expiry, request.ttl) for request in node.seen_of(Update)]
        assert found == [(0, KEEP_EXPIRY), (0, 0), (1_893_456_000_000, 0)]
        node.script = lambda request: Content(request.id, b"")
        await client.get_update("x", b"", ttl=0.0004)
        assert node.seen_of(GetUpdate)[0].ttl == 1, "the shortest span is a millisecond"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda client: client.put("x", b"", expires=60), r"in the year 1970 .* give ttl=60"),
        (lambda client: client.update("x", b"", expires=86_400.5), "give ttl=86400.5"),
        (lambda client: client.cas("x", b"", b"", expires=946_684_799), "in the year 1999"),
        (lambda client: client.expires_at("x", 60), "give expires_from_now 60"),
        (lambda client: client.put("x", b"", ttl=0), "the ttl is 0"),
        (lambda client: client.put("x", b"", ttl=-1), "the ttl is -1"),
        (lambda client: client.put("x", b"", ttl=timedelta(seconds=-1)), "the ttl is -1"),
        (lambda client: client.put("x", b"", ttl="60"), "the ttl is 60, but"),
        (lambda client: client.put("x", b"", expires=2e9, ttl=60), "exclude each other"),
        (lambda client: client.update("x", b"", ttl=60, keep_expiry=True), "exclude each other"),
    ],
    ids=range(10),
)
async def test_a_span_that_is_none_is_refused_and_nothing_is_sent(call: Callable[[Client], Any], words: str) -> None:
    async with StubNode(content) as node, Client(node.address) as client:
        with pytest.raises(errors.UsageError, match=words):
            await call(client)
        assert not node.seen
