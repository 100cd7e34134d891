"""A hive as one line."""

from __future__ import annotations

import pytest

from tests.stub_node import StubNode, content
from wrpme import BlockingClient, Client, errors
from wrpme.client import url
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.protocol.messages import Failed, Reply, Request


@pytest.mark.parametrize(
    ("line", "addresses", "timeout"),
    [
        ("wrpme://a:1", ["a:1"], TIMEOUT_SECONDS),
        ("wrpme://a:1,b.example:2/", ["a:1", "b.example:2"], TIMEOUT_SECONDS),
        ("wrpme://[::1]:5909,10.0.0.1:5909?timeout=0.5", ["[::1]:5909", "10.0.0.1:5909"], 0.5),
        ("wrpme://Web1:1/?timeout=5", ["Web1:1"], 5.0),
    ],
)
def test_what_a_url_says(line: str, addresses: list[str], timeout: float) -> None:
    assert url.parse(line) == (addresses, timeout)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("redis://a:1", "its scheme is 'redis'"),
        ("a:1", "its scheme is"),
        ("wrpme://user:secret@a:1", "a hive has no users"),
        ("wrpme://a:1/0", "nothing but options"),
        ("wrpme://a:1#x", "nothing but options"),
        ("wrpme://a:1/?timeuot=5", "there is no option 'timeuot'"),
        ("wrpme://a:1/?timeout=soon", "the timeout is 'soon'"),
        ("wrpme://a:1/?timeout", "is no URL of a hive"),
        ("wrpme://[::1:5909", "is no URL of a hive"),
    ],
)
def test_what_is_none(line: str, why: str) -> None:
    for kind in (Client, BlockingClient):
        with pytest.raises(errors.UsageError) as caught:
            kind.from_url(line)
        assert why in caught.value.sentence and url.WRITTEN in caught.value.sentence
        assert "secret" not in caught.value.sentence


@pytest.mark.parametrize(
    ("line", "why"), [("wrpme://", "at least one address"), ("wrpme://a", '"a"'), ("wrpme://a:1/?timeout=0", "timeout")]
)
def test_addresses_and_timeout_are_checked_as_ever(line: str, why: str) -> None:
    with pytest.raises(errors.UsageError, match=why):
        Client.from_url(line)


@pytest.mark.asyncio
async def test_a_default_is_given_where_there_is_no_entry_and_for_no_other_error() -> None:
    async with StubNode(content) as node, Client.from_url(f"wrpme://{node.address}/?timeout=1") as client:
        assert await client.get("x", default=None) == await client.get("x")
        code = errors.NotFoundError.code

        def refused(request: Request) -> Reply:
            return Failed(request.id, code, "there is none")

        node.script = refused
        assert await client.get("x", default=None) is None and await client.get("x", default=b"") == b""
        with pytest.raises(errors.NotFoundError):
            await client.get("x")
        code = errors.UnavailableError.code
        with pytest.raises(errors.UnavailableError):
            await client.get("x", default=None)
