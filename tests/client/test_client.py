"""The operations of the client on entries: arguments, answers and errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stub_node import Entries, StubNode, done, failed, in_turn, view_of
from wrpme import Client, errors
from wrpme.client.requests.outcomes import HOW
from wrpme.limits import CONTENT_BYTES_MAX
from wrpme.protocol.messages import Content, Done, Expire, Get, Number, Put, Update


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [kind for kind in errors.BY_CODE.values() if not kind.retry])
async def test_every_error_of_a_node_becomes_its_class(kind: type[errors.WrpmeError]) -> None:
    async with StubNode(failed(kind("so it is"))) as node, Client(node.address) as client:
        with pytest.raises(kind) as caught:
            await client.put("x", b"1")
        assert type(caught.value) is kind and caught.value.sentence.removesuffix(f" ({HOW})") == "so it is"
        assert len(node.seen) == 1


@pytest.mark.asyncio
async def test_an_answer_of_the_wrong_kind_is_told() -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        with pytest.raises(errors.ProtocolError, match="wrong kind"):
            await client.get("x")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda client: client.get(""), errors.UsageError),
        (lambda client: client.get(b""), errors.UsageError),
        (lambda client: client.get("\ud800"), errors.UsageError),
        (lambda client: client.get(bytearray(b"x")), errors.UsageError),
        (lambda client: client.get("x" * 4097), errors.TooLargeError),
        (lambda client: client.get(b"x" * 4097), errors.TooLargeError),
        (lambda client: client.get("é" * 2049), errors.TooLargeError),
        (lambda client: client.prefix_get("é" * 2049), errors.TooLargeError),
        (lambda client: client.put("x", "text"), errors.UsageError),
        (lambda client: client.put("x", 5), errors.UsageError),
        (lambda client: client.put("x", bytes(CONTENT_BYTES_MAX + 1)), errors.TooLargeError),
        (lambda client: client.cas("x", b"", bytes(CONTENT_BYTES_MAX + 1)), errors.TooLargeError),
        (lambda client: client.expires_at("x", -1), errors.UsageError),
        (lambda client: client.expires_at("x", float("nan")), errors.UsageError),
        (lambda client: client.expires_at("x", datetime(1, 1, 1)), errors.UsageError),
        (lambda client: client.expires_from_now("x", timedelta(seconds=-1)), errors.UsageError),
        (lambda client: client.prefix_get("x", -1), errors.UsageError),
    ],
)
async def test_wrong_arguments_are_refused_here(call: Callable[[Any], Any], kind: type[errors.WrpmeError]) -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        with pytest.raises(kind):
            await call(client)
        assert not node.seen


@pytest.mark.parametrize(
    ("addresses", "timeout"), [([], 10.0), ("nowhere", 10.0), ("a:1", 0), ("a:1", float("inf")), ("a:1", "x")]
)
def test_wrong_addresses_and_timeouts_are_refused(addresses: Any, timeout: Any) -> None:
    with pytest.raises(errors.UsageError):
        Client(addresses, timeout)


@pytest.mark.asyncio
@pytest.mark.parametrize("given", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
async def test_any_bytes_are_a_content(given: Any) -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        await client.update("x", given, expires=946_684_800.5)
        (request,) = node.seen_of(Update)
        assert (request.content, request.expiry) == (b"abc", 946_684_800_500)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("call", "milliseconds", "relative"),
    [
        (lambda client: client.expires_at("x", 0), 0, False),
        (lambda client: client.expires_at("x", datetime(2030, 1, 1, tzinfo=UTC)), 1_893_456_000_000, False),
        (lambda client: client.expires_from_now("x", 1.5), 1500, True),
        (lambda client: client.expires_from_now("x", timedelta(minutes=1)), 60_000, True),
        (lambda client: client.expires_from_now("x", 0), 0, False),
    ],
)
async def test_life_spans(call: Callable[[Any], Any], milliseconds: int, relative: bool) -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        await call(client)
        (request,) = node.seen_of(Expire)
        assert (request.milliseconds, request.relative) == (milliseconds, relative)


@pytest.mark.asyncio
async def test_expiry_is_a_time_or_none() -> None:
    script = in_turn(lambda request: Number(request.id, 0), lambda request: Number(request.id, 1_893_456_000_001))
    async with StubNode(script) as node, Client(node.address) as client:
        assert await client.get_expiry("x") is None
        expected = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1)
        assert await client.get_expiry("x") == expected


@pytest.mark.asyncio
async def test_versions_are_asked_for() -> None:
    version = (7 << 64 | 8).to_bytes(16, "big")
    told = in_turn(lambda request: Content(request.id, b"1", version), lambda request: Done(request.id, version))
    async with StubNode(told) as node, Client(node.address) as client:
        assert await client.get_entry("x") == (b"1", 7 << 64 | 8)
        assert await client.update("x", b"2") == 7 << 64 | 8
        assert node.seen_of(Get)[0].versioned and node.seen_of(Update)[0].versioned


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("entry", b"entry"),
        ("é", "é".encode()),
        (" two\nwords\0", b" two\nwords\0"),
        ("k\udcff", b"k\xff"),
        ("\udced\udca0\udc80", b"\xed\xa0\x80"),
        ("x" * 4096, b"x" * 4096),
    ],
    ids=range(6),
)
async def test_an_alias_is_given_as_text_or_as_bytes(text: str, alias: bytes) -> None:
    entries = Entries()
    async with StubNode(entries) as node, Client(node.address) as client:
        view_of([node])
        await client.put(text, b"1")
        assert await client.get(alias) == await client.get(text) == b"1"
        assert [one.alias for one in (*node.seen_of(Put), *node.seen_of(Get))] == [alias] * 3
        for given in (text, alias):
            assert await client.prefix_get(given) == [text]
            assert (await client.locate(given)).alias == text
            assert [one.alias async for one in client.scan(given)] == [text]
        with pytest.raises(errors.AlreadyExistsError):
            await client.put(alias, b"2")


@pytest.mark.asyncio
@pytest.mark.parametrize("wrong", [5, None, bytearray(b"bytes"), memoryview(b"bytes"), ["a"]], ids=range(5))
async def test_what_is_no_alias_is_told_before_anything_is_sent(wrong: Any) -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        singles: list[Any] = [client.get, client.remove, client.prefix_get, client.locate]
        for ask in singles:
            with pytest.raises(errors.UsageError, match="an alias is a str or bytes, not"):
                await ask(wrong)
        for ask_many in (client.get_many, client.remove_many):
            with pytest.raises(errors.UsageError, match="an alias is a str or bytes, not"):
                await ask_many([wrong])
        with pytest.raises(errors.UsageError, match="an alias is a str or bytes, not"):
            client.follow(wrong)
        with pytest.raises(errors.UsageError, match="an alias is a str or bytes, not"):
            await anext(client.scan("a", after=wrong))
        assert not node.seen


@pytest.mark.asyncio
@pytest.mark.parametrize("half", ["\ud800", "a\udbff", "\ud800\udfff"], ids=ascii)
async def test_half_a_character_is_no_text(half: str) -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        singles: list[Any] = [client.get, client.remove, client.prefix_get, client.locate]
        for ask in singles:
            with pytest.raises(errors.UsageError, match="half a character; give it as bytes"):
                await ask(half)
        with pytest.raises(errors.UsageError, match="half a character"):
            await client.update_many({half: b""})
        with pytest.raises(errors.UsageError, match="half a character"):
            client.batch().get(half)
        with pytest.raises(errors.UsageError, match="half a character"):
            await anext(client.scan("a", after=half))
        assert not node.seen


@pytest.mark.asyncio
@pytest.mark.parametrize("wrong", ["abc", b"abc", 5, None], ids=repr)
async def test_one_text_is_not_many_aliases(wrong: Any) -> None:
    async with StubNode(done) as node, Client(node.address) as client:
        for ask in (client.get_many, client.remove_many):
            with pytest.raises(errors.UsageError, match="several aliases are given as a list, not as"):
                await ask(wrong)
        for change in (client.put_many, client.update_many):
            with pytest.raises(errors.UsageError, match="several entries are given as a dict, not as"):
                await change(wrong)
        assert not node.seen
