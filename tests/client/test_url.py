"""A hive as one line."""

from __future__ import annotations

import pytest

from tests.stub_node import StubNode, content
from wrpme import BlockingClient, Client, errors
from wrpme.client import url
from wrpme.files.certificates import TlsFiles
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.protocol.messages import Failed, Reply, Request


@pytest.mark.parametrize(
    ("line", "addresses", "timeout", "tls"),
    [
        ("wrpme://a:1", ["a:1"], TIMEOUT_SECONDS, None),
        ("wrpme://a:1,b.example:2/", ["a:1", "b.example:2"], TIMEOUT_SECONDS, None),
        ("wrpme://[::1]:5909,10.0.0.1:5909?timeout=0.5", ["[::1]:5909", "10.0.0.1:5909"], 0.5, None),
        ("wrpme://Web1:1/?timeout=5", ["Web1:1"], 5.0, None),
        ("wrpmes://a:1", ["a:1"], TIMEOUT_SECONDS, TlsFiles()),
        ("wrpmes://a:1,b:2/?ca=/x/ca.pem", ["a:1", "b:2"], TIMEOUT_SECONDS, TlsFiles("/x/ca.pem")),
        ("wrpmes://a:1/?key=c&timeout=5&ca=a%20a&cert=b", ["a:1"], 5.0, TlsFiles("a a", "b", "c")),
    ],
)
def test_what_a_url_says(line: str, addresses: list[str], timeout: float, tls: TlsFiles | None) -> None:
    assert url.parse(line) == (addresses, timeout, tls, None, None)


@pytest.mark.parametrize(
    ("line", "addresses", "user", "password"),
    [
        ("wrpmes://ann:secret@a:1", ["a:1"], "ann", "secret"),
        ("wrpmes://ann%2Eb:p%40s%3As%2F%C3%A4@a:1,b:2/?timeout=10", ["a:1", "b:2"], "ann.b", "p@s:s/\u00e4"),
        ("wrpmes://ann:p:q@[::1]:5909", ["[::1]:5909"], "ann", "p:q"),
    ],
)
def test_a_url_names_a_user(line: str, addresses: list[str], user: str, password: str) -> None:
    assert url.parse(line) == (addresses, TIMEOUT_SECONDS, TlsFiles(), user, password)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("redis://a:1", "its scheme is 'redis'"),
        ("a:1", "its scheme is"),
        ("wrpme://user:secret@a:1", "a password would travel in plain words; wrpmes:// has TLS"),
        ("wrpmes://user@a:1", "a name and a password stand before the @"),
        ("wrpmes://:secret@a:1", "a name and a password stand before the @"),
        ("wrpmes://user:se?secret=@a:1", "is written %NN"),
        ("wrpmes://user:se/secret@a:1", "is written %NN"),
        ("wrpmes://user:[secret@a:1", "is written %NN"),
        ("wrpme://a:1/0", "nothing but options"),
        ("wrpme://a:1#x", "nothing but options"),
        ("wrpme://a:1/?timeuot=5", "there is no option 'timeuot'"),
        ("wrpme://a:1/?timeout=soon", "the timeout is 'soon'"),
        ("wrpme://a:1/?timeout", "is no URL of a hive"),
        ("wrpme://[::1:5909", "is no URL of a hive"),
        ("wrpme://a:1/?ca=/x/ca.pem", "ca is for TLS, which wrpmes:// has"),
        ("wrpmes://a:1/?ca=", "ca names no file"),
    ],
)
def test_what_is_none(line: str, why: str) -> None:
    for kind in (Client, BlockingClient):
        with pytest.raises(errors.UsageError) as caught:
            kind.from_url(line)
        assert why in caught.value.sentence and url.WRITTEN in caught.value.sentence
        assert "secret" not in caught.value.sentence


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("wrpme://", "at least one address"),
        ("wrpme://a", '"a"'),
        ("wrpme://a:1/?timeout=0", "timeout"),
        ("wrpmes://a:1/?cert=c.crt", "a certificate takes a key beside it"),
        ("wrpmes://a:1/?ca=/nowhere/ca.pem", "the file of CAs /nowhere/ca.pem can't be read"),
    ],
)
def test_addresses_and_timeout_are_checked_as_ever(line: str, why: str) -> None:
    with pytest.raises(errors.UsageError, match=why):
        Client.from_url(line)


def test_what_is_meant_as_a_url() -> None:
    assert url.is_url("wrpme://a:1") and url.is_url("wrpmes://a:1")
    assert not url.is_url("wrpme:5909"), "a host may be called so"


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
