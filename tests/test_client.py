"""The client against scripted nodes: where requests go, what is sent again, and what is never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stub_node import Close, Script, StubNode, alias_owned_by, play, view_of
from wrpme import Client, courier, errors
from wrpme.codec import encode
from wrpme.limits import CONTENT_BYTES_MAX, RETRY_SECONDS_MAX
from wrpme.messages import (
    Content,
    Done,
    Expire,
    Failed,
    Get,
    GetView,
    Number,
    Put,
    Reply,
    Request,
    Update,
)


def content(request: Request) -> Reply:
    """The answer of a node where every entry holds its own alias."""
    assert isinstance(request, Get)
    return Content(request.id, request.alias.encode())


def in_turn(*answers: Script) -> Script:
    """Each request gets the next answer, the last one for ever."""
    left = list(answers)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def failed(error: errors.WrpmeError) -> Script:
    return lambda request: Failed(request.id, error.code, error.sentence)


def done(request: Request) -> Reply:
    return Done(request.id)


def silent(request: Request) -> None:
    return None


def close(request: Request) -> type[Close]:
    return Close


UNSTABLE = failed(errors.UnstableError("the owner changes"))


# --- the first request -----------------------------------------------------------------------------------------------


def test_the_first_request_waits_for_no_view() -> None:
    async def scene() -> None:
        async with StubNode(content) as node, Client(node.address) as client:
            view_of([node])
            assert await client.get("x") == b"x"
            assert [type(request) for request in node.seen] == [Get]
            await client.get("y")
            await client.get("z")
            assert node.seen_of(GetView) == [GetView(node.seen_of(GetView)[0].id, follow=True)]

    play(scene())


def test_the_first_address_that_answers_serves() -> None:
    async def scene() -> None:
        async with StubNode(content) as gone, StubNode(content) as node:
            gone.die()
            async with Client([gone.address, node.address]) as client:
                assert await client.get("x") == b"x"

    play(scene())


def test_nobody_there_is_told_at_once() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(content) as two:
            one.die()
            two.die()
            async with Client([one.address, two.address]) as client:
                with pytest.raises(errors.ConnectionError, match=r"no daemon answers .* start wrpmed") as caught:
                    await client.get("x")
                assert one.address in str(caught.value) and two.address in str(caught.value)

    play(scene())


def test_a_node_that_accepts_and_says_nothing_is_passed_over() -> None:
    async def scene() -> None:
        async with StubNode(content) as mute, StubNode(content) as node:
            mute.greeting = b""
            async with Client([mute.address, node.address]) as client:
                assert await client.get("x") == b"x"
            async with Client(mute.address) as client:
                with pytest.raises(errors.ConnectionError, match="no answer within 1 s"):
                    await client.get("x")

    play(scene())


def test_a_server_of_another_kind_is_named() -> None:
    async def scene() -> None:
        async with StubNode(content) as foreign:
            foreign.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
            async with Client(foreign.address) as client:
                with pytest.raises(errors.ProtocolError, match=r"HTTP/1\.1 400") as caught:
                    await client.get("x")
                assert foreign.address in str(caught.value)

    play(scene())


def test_a_node_that_is_busy_took_nothing() -> None:
    async def scene() -> None:
        async with StubNode(lambda request: Failed(0, errors.BusyError.code, "no sessions left")) as busy:
            async with StubNode(done) as node, Client([busy.address, node.address]) as client:
                await client.put("x", b"")  # a write that goes elsewhere, so it was not in doubt
                assert len(node.seen_of(Put)) == 1
            async with Client(busy.address, timeout=1.0) as client:
                with pytest.raises(errors.BusyError, match="no sessions left"):
                    await client.put("x", b"")

    play(scene())


# --- what is sent again ----------------------------------------------------------------------------------------------


def test_unstable_is_sent_again() -> None:
    async def scene() -> None:
        async with StubNode(in_turn(UNSTABLE, UNSTABLE, done)) as node, Client(node.address) as client:
            await client.put("x", b"1")
            assert len(node.seen_of(Put)) == 3

    play(scene())


def test_unstable_to_the_end_is_raised() -> None:
    async def scene() -> None:
        async with StubNode(UNSTABLE) as node, Client(node.address, timeout=10.0) as client:
            start = asyncio.get_running_loop().time()
            with pytest.raises(errors.UnstableError, match="the owner changes"):
                await client.put("x", b"1")
            assert asyncio.get_running_loop().time() - start <= 10.0
            assert 10.0 / RETRY_SECONDS_MAX < len(node.seen_of(Put)) < 200

    play(scene())


def test_unstable_without_a_word_is_a_timeout() -> None:
    async def scene() -> None:
        async with StubNode(failed(errors.UnstableError(""))) as node, Client(node.address, timeout=1.0) as client:
            with pytest.raises(errors.TimeoutError, match="did not become stable"):
                await client.get("x")

    play(scene())


def test_a_lost_write_is_indeterminate_and_never_repeated() -> None:
    async def scene() -> None:
        async with StubNode(close) as one, StubNode(done) as two, Client([one.address, two.address]) as client:
            with pytest.raises(errors.IndeterminateError, match="may or may not have been carried out") as caught:
                await client.put("x", b"1")
            assert one.address in str(caught.value)
            assert len(one.seen_of(Put)) == 1 and not two.seen

    play(scene())


def test_a_lost_read_is_sent_elsewhere() -> None:
    async def scene() -> None:
        async with StubNode(close) as one, StubNode(content) as two, Client([one.address, two.address]) as client:

            def dies(request: Request) -> type[Close]:
                one.die()
                return Close

            one.script = dies
            assert await client.get("x") == b"x"
            assert len(one.seen_of(Get)) == 1 and len(two.seen_of(Get)) == 1

    play(scene())


def test_a_write_that_had_not_left_is_sent_elsewhere() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(done) as two, Client([one.address, two.address]) as client:
            await client.get("x")
            connection = client._courier._pool.ready(one.address)
            assert connection is not None
            writing = asyncio.create_task(client.put("y", b""))
            await asyncio.sleep(0)
            assert connection.in_flight
            connection.close(errors.ConnectionError("cut before the turn ended"))
            await writing
            assert not one.seen_of(Put) and len(two.seen_of(Put)) == 1

    play(scene())


def test_a_read_on_a_node_that_always_closes_ends() -> None:
    async def scene() -> None:
        async with StubNode(close) as node, Client(node.address, timeout=2.0) as client:
            with pytest.raises(errors.ConnectionError, match="ended"):
                await client.get("x")
            assert 3 < len(node.seen_of(Get)) < 40

    play(scene())


@pytest.mark.parametrize("kind", [kind for kind in errors.BY_CODE.values() if not kind.retry])
def test_every_error_of_a_node_becomes_its_class(kind: type[errors.WrpmeError]) -> None:
    async def scene() -> None:
        async with StubNode(failed(kind("so it is"))) as node, Client(node.address) as client:
            with pytest.raises(kind) as caught:
                await client.put("x", b"1")
            assert type(caught.value) is kind and caught.value.sentence == "so it is"
            assert len(node.seen) == 1

    play(scene())


def test_an_answer_of_the_wrong_kind_is_told() -> None:
    async def scene() -> None:
        async with StubNode(done) as node, Client(node.address) as client:
            with pytest.raises(errors.ProtocolError, match="wrong kind"):
                await client.get("x")

    play(scene())


# --- timeouts --------------------------------------------------------------------------------------------------------


def test_a_read_without_an_answer_times_out() -> None:
    async def scene() -> None:
        async with StubNode(silent) as node, Client(node.address, timeout=3.0) as client:
            with pytest.raises(errors.TimeoutError, match="did not answer in the time given"):
                await client.get("x")
            node.script = content
            assert await client.get("x") == b"x"

    play(scene())


def test_a_write_without_an_answer_is_indeterminate() -> None:
    async def scene() -> None:
        async with StubNode(silent) as node, Client(node.address, timeout=3.0) as client:
            with pytest.raises(errors.IndeterminateError, match="may or may not have been carried out"):
                await client.put("x", b"1")

    play(scene())


def test_a_write_that_never_left_is_no_more_than_a_timeout() -> None:
    async def scene() -> None:
        async with StubNode(silent) as node, Client(node.address, timeout=3.0) as client:
            with pytest.raises(errors.TimeoutError):
                await client.get("x")
            node.sessions[0].transport.pause_reading()
            large = bytes(CONTENT_BYTES_MAX)
            outcomes = await asyncio.gather(
                client.put("a", large), client.put("b", large), client.put("c", b""), return_exceptions=True
            )
            assert isinstance(outcomes[0], errors.IndeterminateError)
            assert all(isinstance(outcome, errors.TimeoutError) for outcome in outcomes[1:])
            assert "nothing was sent" in str(outcomes[2])

    play(scene())


def test_deadlines_of_many_requests_are_each_kept() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        async with StubNode(silent) as node, Client(node.address) as client:
            view_of([node])
            ends: list[tuple[float, float]] = []

            async def ask(seconds: float) -> None:
                start = loop.time()
                with pytest.raises(errors.TimeoutError):
                    await client._courier.ask(Get(client._courier.next_id(), "x"), Content, deadline=start + seconds)
                ends.append((seconds, loop.time() - start))

            await asyncio.gather(*(ask(seconds) for seconds in (5.0, 1.0, 3.0, 1.0, 0.2)))
            assert [seconds for seconds, _ in ends] == [0.2, 1.0, 1.0, 3.0, 5.0]
            assert all(seconds <= took < seconds + 0.2 for seconds, took in ends)

    play(scene())


def test_a_node_that_hangs_is_given_up() -> None:
    async def scene() -> None:
        async with StubNode(silent) as hung, StubNode(content) as two, Client([hung.address, two.address]) as client:
            reading, writing = asyncio.create_task(client.get("x")), asyncio.create_task(client.put("y", b""))
            assert await reading == b"x"
            with pytest.raises(errors.IndeterminateError, match=r"has said nothing for 4\.5 s"):
                await writing
            assert not two.seen_of(Put)

    play(scene())


def test_a_slow_node_that_lives_is_waited_for() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()

        def late(request: Request) -> None:
            loop.call_later(9.0, lambda: node.sessions[0].transport.write(encode(content(request))))

        async with StubNode(late) as node, Client(node.address) as client:
            view_of([node])
            assert await client.get("x") == b"x"
            assert len(node.seen_of(Get)) == 1 and len(node.seen_of(GetView)) > 3

    play(scene())


# --- many at a time --------------------------------------------------------------------------------------------------


def test_replies_are_matched_whatever_their_order() -> None:
    async def scene() -> None:
        held: list[Request] = []

        def collect(request: Request) -> None:
            held.append(request)
            if len(held) == 500:
                for waiting in reversed(held):
                    node.sessions[0].transport.write(encode(content(waiting)))

        async with StubNode(content) as node, Client(node.address) as client:
            await client.get("first")
            node.script = collect
            aliases = [f"x{number}" for number in range(500)]
            contents = await asyncio.gather(*map(client.get, aliases))
            assert contents == [alias.encode() for alias in aliases]
            assert node.sessions_opened == 1

    play(scene())


def test_requests_beyond_the_bound_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "CLIENT_REQUESTS_MAX", 3)

    async def scene() -> None:
        most = 0

        def answer(request: Request) -> Reply:
            nonlocal most
            most = max(most, in_flight())
            return content(request)

        def in_flight() -> int:
            return client._courier._pool.ready(node.address).in_flight  # type: ignore[union-attr]

        async with StubNode(content) as node, Client(node.address) as client:
            await client.get("first")
            node.script = answer
            assert len(await asyncio.gather(*(client.get(f"x{number}") for number in range(50)))) == 50
            assert most <= 4  # three, and the question for the view

    play(scene())


def test_a_cancelled_request_leaves_no_trace() -> None:
    async def scene() -> None:
        async with StubNode(content) as node, Client(node.address) as client:
            await client.get("first")
            unsent = asyncio.create_task(client.put("x", b""))
            await asyncio.sleep(0)  # it stands in the outbox, and the turn has not ended
            unsent.cancel()
            assert await client.get("y") == b"y"
            assert not node.seen_of(Put)
            node.script = silent
            sent = asyncio.create_task(client.get("z"))
            while not any(request.alias == "z" for request in node.seen_of(Get)):
                await asyncio.sleep(0)
            sent.cancel()
            node.script = content
            assert await client.get("y") == b"y"

    play(scene())


# --- the view --------------------------------------------------------------------------------------------------------


def test_requests_go_straight_to_the_owner() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
            view = view_of([one, two])
            alias = alias_owned_by(view, two.node)
            await client.get(alias)
            await client.view()
            two.seen.clear()
            assert await client.get(alias) == alias.encode()
            assert [type(request) for request in two.seen] == [Get]

    play(scene())


def test_an_owner_out_of_reach_is_passed_by() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
            alias = alias_owned_by(view_of([one, two]), two.node)
            await client.view()
            two.die()
            for _ in range(3):
                assert await client.get(alias) == alias.encode()
            assert len(one.seen_of(Get)) == 3

    play(scene())


def test_an_owner_that_comes_back_is_found_again() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
            two.greeting = b""
            alias = alias_owned_by(view_of([one, two]), two.node)
            await client.view()
            assert await client.get(alias) == alias.encode()
            two.greeting = b"WRPME/1\n"
            while not two.seen:
                await client.get(alias)
                await asyncio.sleep(0.1)

    play(scene())


def test_a_notice_brings_the_new_view() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
            alias = alias_owned_by(view_of([one, two]), two.node)
            view_of([one], epoch=1)
            await client.view()
            await client.get(alias)
            assert not two.seen
            view_of([one, two], epoch=2)
            one.notice(2)
            while not two.seen:
                await client.get(alias)
            assert len(one.seen_of(GetView)) == 2

    play(scene())


def test_an_older_view_is_not_taken() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, Client(one.address) as client:
            view_of([one], epoch=7)
            await client.view()
            view_of([one], epoch=6)
            await client.view()
            assert client._courier.view is not None and client._courier.view.epoch == 7

    play(scene())


def test_the_client_survives_the_node_that_it_started_with() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
            view_of([one, two])
            await client.view()
            one.die()
            for number in range(5):
                assert await client.get(f"x{number}") == f"x{number}".encode()
            assert any(request.follow for request in two.seen_of(GetView))

    play(scene())


def test_requests_at_a_node_that_is_found_dead_go_elsewhere() -> None:
    async def scene() -> None:
        async with StubNode(content) as one, StubNode(silent, b"b" * 16) as two, Client(one.address) as client:
            alias = alias_owned_by(view_of([one, two]), two.node)
            await client.view()
            reading, writing = asyncio.create_task(client.get(alias)), asyncio.create_task(client.put(alias, b""))
            while len(two.seen) < 2:
                await asyncio.sleep(0)
            view_of([one, two], epoch=2, down=[two])
            await client.view()
            assert await reading == alias.encode()
            with pytest.raises(errors.IndeterminateError, match=f"{two.address} is down"):
                await writing

    play(scene())


def test_a_closed_client_says_so() -> None:
    async def scene() -> None:
        async with StubNode(silent) as node:
            client = Client(node.address)
            waiting = asyncio.create_task(client.get("x"))
            while not node.seen:
                await asyncio.sleep(0)
            await client.close()
            with pytest.raises(errors.ConnectionError, match="closed"):
                await waiting
            with pytest.raises(errors.ConnectionError, match="closed"):
                await client.get("x")

    play(scene())


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda client: client.get(""), errors.UsageError),
        (lambda client: client.get("a b"), errors.UsageError),
        (lambda client: client.get("a\x7f"), errors.UsageError),
        (lambda client: client.get("\udc80"), errors.UsageError),
        (lambda client: client.get(b"x"), errors.UsageError),
        (lambda client: client.get("x" * 1025), errors.TooLargeError),
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
def test_wrong_arguments_are_refused_here(call: Callable[[Any], Any], kind: type[errors.WrpmeError]) -> None:
    async def scene() -> None:
        async with StubNode(done) as node, Client(node.address) as client:
            with pytest.raises(kind):
                await call(client)
            assert not node.seen

    play(scene())


@pytest.mark.parametrize(
    ("addresses", "timeout"), [([], 10.0), ("nowhere", 10.0), ("a:1", 0), ("a:1", float("inf")), ("a:1", "x")]
)
def test_wrong_addresses_and_timeouts_are_refused(addresses: Any, timeout: Any) -> None:
    with pytest.raises(errors.UsageError):
        Client(addresses, timeout)


@pytest.mark.parametrize("given", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_any_bytes_are_a_content(given: Any) -> None:
    async def scene() -> None:
        async with StubNode(done) as node, Client(node.address) as client:
            await client.update("x", given, expires=12.5)
            (request,) = node.seen_of(Update)
            assert (request.content, request.expiry) == (b"abc", 12_500)

    play(scene())


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
def test_life_spans(call: Callable[[Any], Any], milliseconds: int, relative: bool) -> None:
    async def scene() -> None:
        async with StubNode(done) as node, Client(node.address) as client:
            await call(client)
            (request,) = node.seen_of(Expire)
            assert (request.milliseconds, request.relative) == (milliseconds, relative)

    play(scene())


def test_expiry_is_a_time_or_none() -> None:
    async def scene() -> None:
        script = in_turn(lambda request: Number(request.id, 0), lambda request: Number(request.id, 1_893_456_000_001))
        async with StubNode(script) as node, Client(node.address) as client:
            assert await client.get_expiry("x") is None
            expected = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1)
            assert await client.get_expiry("x") == expected

    play(scene())
