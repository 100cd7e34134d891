"""Many entries in few messages, and batches: what is sent, what is sent again, and what comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.stub_node import Answer, Close, Entries, StubNode, StubThread, view_of
from wrpme import BlockingClient, Client, errors
from wrpme.client.batches import calls
from wrpme.limits import MANY_BYTES_MAX, MANY_REQUESTS_MAX
from wrpme.protocol.messages import (
    Done, Failed, Get, IfVersion, Many, Number, Put, Remove, Reply, Request, Results, Transaction, Update,
)  # fmt: skip
from wrpme.protocol.quoting import text_of


class Together(Entries):
    """Entries, many at a time; ``refused`` aliases are refused among others, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[bytes] = set()

    def __call__(self, request: Request) -> Answer:
        if isinstance(request, Many):
            return Results(request.id, tuple(self.part(part) for part in request.requests))  # type: ignore[misc]
        if isinstance(request, Transaction):
            parts = tuple(self.part(part) for part in request.requests)
            failed = next((at for at, part in enumerate(parts) if isinstance(part, Failed)), None)
            if failed is not None:
                return replace(parts[failed], id=request.id, operation=failed)
            return Results(request.id, parts)  # type: ignore[arg-type]
        if isinstance(request, Remove):
            del self.contents[text_of(request.alias)]
            return Done(request.id)
        return super().__call__(request)

    def part(self, request: Request) -> Reply:
        alias = getattr(request, "alias", b"")
        if alias in self.refused:
            self.refused.remove(alias)
            return Failed(request.id, errors.UnstableError.code, "the owner changes")
        if isinstance(request, IfVersion):
            known = text_of(alias) in self.contents
            return Failed(request.id, errors.MismatchError.code, "there is one") if known else Done(request.id)
        reply = self(request)
        assert not isinstance(reply, tuple | type) and reply is not None
        return reply


ALIASES = [f"alias-{number}" for number in range(1000)]


@pytest.mark.asyncio
async def test_a_thousand_entries_are_a_few_messages() -> None:
    script = Together()
    async with (
        StubNode(script, b"a" * 16) as first, StubNode(script, b"b" * 16) as second, Client(first.address) as client,
    ):  # fmt: skip
        view_of([first, second])
        written = await client.put_many({alias: alias.encode() for alias in ALIASES})
        assert written == [0] * 1000
        assert await client.get_many([*ALIASES, "none"]) == [*(alias.encode() for alias in ALIASES), None]
        for stub in (first, second):
            sent = stub.seen_of(Many)
            assert sent and all(one.node == stub.node and len(one.requests) <= MANY_REQUESTS_MAX for one in sent)
            assert not stub.seen_of(Get) and not stub.seen_of(Put)
        assert len(first.seen_of(Many)) + len(second.seen_of(Many)) <= 12
        [exists] = await client.put_many({"alias-1": b""})
        assert isinstance(exists, errors.AlreadyExistsError)
        assert await client.update_many({"alias-1": b"x"}) == [0] and await client.remove_many(["alias-1"]) == [None]
        assert await client.get_many([]) == []


@pytest.mark.asyncio
async def test_messages_are_bounded_in_bytes() -> None:
    script = Together()
    async with StubNode(script) as node, Client(node.address) as client:
        view_of([node])
        contents = {f"k{number}": bytes(MANY_BYTES_MAX // 5) for number in range(12)}
        contents["large"] = bytes(MANY_BYTES_MAX)
        assert await client.update_many(contents) == [0] * 13
        sent = node.seen_of(Many)
        assert all(sum(len(part.content) for part in one.requests) <= MANY_BYTES_MAX for one in sent)
        assert len(sent) == 3 and [one.alias for one in node.seen_of(Update)] == [b"large"]


@pytest.mark.asyncio
async def test_what_was_refused_for_certain_is_asked_again_by_itself() -> None:
    script = Together()
    async with StubNode(script) as node, Client(node.address) as client:
        view_of([node])
        script.refused = {b"alias-3", b"alias-4"}
        assert await client.put_many(dict.fromkeys(ALIASES[:8], b"x")) == [0] * 8
        assert [one.alias for one in node.seen_of(Put)] == [b"alias-3", b"alias-4"]
        assert len(node.seen_of(Many)) == 1


@pytest.mark.asyncio
async def test_what_may_have_been_carried_out_is_not_sent_again() -> None:
    def script(request: Request) -> Answer:
        return Close if isinstance(request, Many) else Done(request.id)

    async with StubNode(script) as node, Client(node.address) as client:
        view_of([node])
        outcomes = await client.update_many({"a": b"", "b": b""})
        assert [type(outcome) for outcome in outcomes] == [errors.IndeterminateError] * 2
        assert not node.seen_of(Update) and len(node.seen_of(Many)) == 1


@pytest.mark.asyncio
async def test_reads_among_writes_that_were_lost_are_asked_again() -> None:
    stored = Together()
    stored.contents["b"] = b"2"

    def script(request: Request) -> Answer:
        return Close if isinstance(request, Many) else stored(request)

    async with StubNode(script) as node, Client(node.address) as client:
        view_of([node])
        written, read = await client.batch(each=True).update("a", b"").get("b").commit()
        assert isinstance(written, errors.IndeterminateError) and read == b"2"


@pytest.mark.asyncio
async def test_an_owner_that_is_gone_is_not_the_end() -> None:
    """The view is an old one: whoever is asked in its place knows that it is down, and who has its arcs."""
    stored = Together()
    stored.contents = dict.fromkeys(ALIASES[:20], b"x")

    def script(request: Request) -> Answer:
        if isinstance(request, Many) and request.node != b"a" * 16:
            return Failed(request.id, errors.UnavailableError.code, "it has been down for 3 s")
        return stored(request)

    async with StubNode(script, b"a" * 16) as node, Client(node.address) as client:
        gone = StubNode(script, b"b" * 16)
        gone.address = "127.0.0.1:1"
        view_of([node, gone])
        assert await client.get_many(ALIASES[:20]) == [b"x"] * 20


# --- batches -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_batch_is_one_transaction_and_gives_results_in_order() -> None:
    script = Together()
    async with StubNode(script) as node, Client(node.address) as client:
        node.view = replace(view_of([node]), tags=True)
        async with client.batch() as batch:
            batch.if_absent("{t}a").put("{t}a", b"1").get("{t}a").exists("{t}b")
        assert batch.results == [None, 0, b"1", True]
        [sent] = node.seen_of(Transaction)
        assert [one.alias for one in sent.requests] == [b"{t}a", b"{t}a", b"{t}a", b"{t}b"]
        with pytest.raises(errors.MismatchError) as caught:
            await client.batch().get("{t}a").if_absent("{t}a").put("{t}b", b"").commit()
        assert caught.value.operation == 1
        with pytest.raises(RuntimeError):
            async with client.batch() as batch:
                batch.put("{t}c", b"")
                raise RuntimeError
        assert len(node.seen_of(Transaction)) == 2
        assert await client.batch().commit() == []


@pytest.mark.asyncio
async def test_entries_that_are_not_together_are_named_and_nothing_is_sent() -> None:
    async with StubNode(Together()) as node, Client(node.address) as client:
        for tags, other in ((True, "{u}c"), (False, "{t}b")):
            node.view = replace(view_of([node]), tags=tags, epoch=5 if tags else 6)
            await client.view()
            with pytest.raises(errors.UsageError) as caught:
                await client.batch().put("{t}a", b"").get("{t}a").put(other, b"").commit()
            assert f'"{{t}}a" and "{other}" are not together' in caught.value.sentence
        assert not node.seen_of(Transaction)
        assert await client.batch(each=True).put("{t}a", b"").put("{u}c", b"").get("none").commit()
        assert [len(one.requests) for one in node.seen_of(Many)] == [3]


@pytest.mark.asyncio
async def test_a_transaction_that_may_have_been_carried_out_is_not_sent_again() -> None:
    def script(request: Request) -> Answer:
        return Close

    async with StubNode(script) as node, Client(node.address) as client:
        view_of([node])
        with pytest.raises(errors.IndeterminateError):
            await client.batch().put("a", b"").commit()
        assert len(node.seen_of(Transaction)) == 1


@pytest.mark.asyncio
async def test_wrong_arguments_are_told_when_they_are_collected() -> None:
    client = Client("127.0.0.1:1")
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.batch().put("", b""),
        lambda: client.batch().get(bytearray(b"x")),  # type: ignore[arg-type]
        lambda: client.batch().put("x", "text"),  # type: ignore[arg-type]
        lambda: client.batch().add("x", "1"),  # type: ignore[arg-type]
        lambda: client.batch().if_version("x", -1),
    )
    for wrong in calls:
        with pytest.raises(errors.UsageError):
            wrong()
    with pytest.raises(errors.UsageError):
        await client.get_many(["x", ""])


def test_the_blocking_client_has_it_all() -> None:
    script = Together()
    with StubThread(script) as node, BlockingClient(node.address) as client:
        assert client.put_many({"a": b"1", "b": b"2"}) == [0, 0]
        assert client.get_many(["b", "a", "c"]) == [b"2", b"1", None]
        with client.batch() as batch:
            batch.update("a", b"3").get("a")
        assert batch.results == [0, b"3"]
        assert client.batch(each=True).get("a").get("c").commit()[0] == b"3"
        assert client.remove_many(["a"]) == [None] and client.update_many({"a": b"4"}) == [0]
        with pytest.raises(errors.NotFoundError):
            client.batch().get("c").commit()


def test_a_call_that_is_answered_with_something_else() -> None:
    assert isinstance(calls.get(1, "a").outcome(Number(1, 1)), errors.ProtocolError)
