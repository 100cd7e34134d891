"""Where requests go, what is sent again, and what is never: the dispatcher against scripted nodes."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tests.stub_node import (
    jumped,
    Close,
    StubNode,
    alias_owned_by,
    close,
    content,
    done,
    failed,
    in_turn,
    silent,
    view_of,
)
from wrpme import Client, errors
from wrpme.limits import RETRY_SECONDS_MAX
from wrpme.protocol.messages import Failed, Get, GetView, Put, Reply, Request

pytestmark = pytest.mark.asyncio

UNSTABLE = failed(errors.UnstableError("the owner changes"))


# --- the first request -----------------------------------------------------------------------------------------------


async def test_the_first_request_waits_for_no_view() -> None:
    async with StubNode(content) as node, Client(node.address) as client:
        view_of([node])
        assert await client.get("x") == b"x"
        assert [type(request) for request in node.seen] == [Get]
        await client.get("y")
        await client.get("z")
        assert node.seen_of(GetView) == [GetView(node.seen_of(GetView)[0].id, follow=True)]


async def test_the_first_address_that_answers_serves() -> None:
    async with StubNode(content) as gone, StubNode(content) as node:
        gone.die()
        async with Client([gone.address, node.address]) as client:
            assert await client.get("x") == b"x"


async def test_nobody_there_is_told_at_once() -> None:
    async with StubNode(content) as one, StubNode(content) as two:
        one.die()
        two.die()
        async with Client([one.address, two.address]) as client:
            with pytest.raises(errors.ConnectionError, match=r"no daemon answers .* start wrpmed") as caught:
                await client.get("x")
            assert one.address in str(caught.value) and two.address in str(caught.value)


async def test_a_node_that_accepts_and_says_nothing_is_passed_over() -> None:
    async with StubNode(content) as mute, StubNode(content) as node:
        mute.greeting = b""
        async with Client([mute.address, node.address]) as client:
            assert await client.get("x") == b"x"
        async with Client(mute.address) as client:
            with pytest.raises(errors.ConnectionError, match="no answer within 2 s"):
                await client.get("x")


async def test_a_server_of_another_kind_is_named() -> None:
    async with StubNode(content) as foreign:
        foreign.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        async with Client(foreign.address) as client:
            with pytest.raises(errors.ProtocolError, match=r"HTTP/1\.1 400") as caught:
                await client.get("x")
            assert foreign.address in str(caught.value)


async def test_a_node_that_is_busy_took_nothing() -> None:
    async with StubNode(lambda request: Failed(0, errors.BusyError.code, "no sessions left")) as busy:
        async with StubNode(done) as node, Client([busy.address, node.address]) as client:
            await client.put("x", b"")  # a write that goes elsewhere, so it was not in doubt
            assert len(node.seen_of(Put)) == 1
        async with Client(busy.address, timeout=1.0) as client:
            with pytest.raises(errors.BusyError, match="no sessions left"):
                await client.put("x", b"")


async def test_what_a_node_said_is_told_where_the_time_runs_out_on_the_way_to_it_again() -> None:
    def busy_once(request: Request) -> Reply:
        node.greeting = b""  # whoever connects from now on hears nothing
        return Failed(0, errors.BusyError.code, "no sessions left")

    async with StubNode(busy_once) as node, Client(node.address, timeout=1.0) as client:
        with pytest.raises(errors.BusyError, match="no sessions left"):
            await client.put("x", b"")


# --- what is sent again ----------------------------------------------------------------------------------------------


async def test_unstable_is_sent_again() -> None:
    async with StubNode(in_turn(UNSTABLE, UNSTABLE, done)) as node, Client(node.address) as client:
        await client.put("x", b"1")
        assert len(node.seen_of(Put)) == 3


async def test_unstable_to_the_end_is_raised() -> None:
    async with StubNode(UNSTABLE) as node, Client(node.address, timeout=10.0) as client:
        with pytest.raises(errors.UnstableError, match="the owner changes"):
            await client.put("x", b"1")
        assert jumped() <= 10.0
        assert 10.0 / RETRY_SECONDS_MAX < len(node.seen_of(Put)) < 200


async def test_unstable_without_a_word_is_a_timeout() -> None:
    async with StubNode(failed(errors.UnstableError(""))) as node, Client(node.address, timeout=1.0) as client:
        with pytest.raises(errors.TimeoutError, match="did not become stable"):
            await client.get("x")


async def test_a_lost_write_is_indeterminate_and_never_repeated() -> None:
    async with StubNode(close) as one, StubNode(done) as two, Client([one.address, two.address]) as client:
        with pytest.raises(errors.IndeterminateError, match="may or may not have been carried out") as caught:
            await client.put("x", b"1")
        assert one.address in str(caught.value)
        assert len(one.seen_of(Put)) == 1 and not two.seen


async def test_a_lost_read_is_sent_elsewhere() -> None:
    async with StubNode(close) as one, StubNode(content) as two, Client([one.address, two.address]) as client:

        def dies(request: Request) -> type[Close]:
            one.die()
            return Close

        one.script = dies
        assert await client.get("x") == b"x"
        assert len(one.seen_of(Get)) == 1 and len(two.seen_of(Get)) == 1


async def test_a_write_that_had_not_left_is_sent_elsewhere() -> None:
    async with StubNode(content) as one, StubNode(done) as two, Client([one.address, two.address]) as client:
        await client.get("x")
        connection = client._dispatcher._pool.ready(one.address)
        assert connection is not None
        writing = asyncio.create_task(client.put("y", b""))
        await asyncio.sleep(0)
        assert connection.in_flight
        connection.close(errors.ConnectionError("cut before the turn ended"))
        await writing
        assert not one.seen_of(Put) and len(two.seen_of(Put)) == 1


async def test_a_read_on_a_node_that_always_closes_ends() -> None:
    async with StubNode(close) as node, Client(node.address, timeout=2.0) as client:
        with pytest.raises(errors.ConnectionError, match="ended"):
            await client.get("x")
        assert 3 < len(node.seen_of(Get)) < 40


# --- which hive it is ------------------------------------------------------------------------------------------------


async def test_daemons_of_different_hives_are_told_apart_before_anything_is_sent() -> None:
    """The founder's directory was lost, and it founded a hive of its own at its address."""

    async with StubNode(done) as founder, StubNode(done) as one, StubNode(done) as two:
        founder.hive, one.hive, two.hive = b"x" * 16, b"h" * 16, b"h" * 16
        async with Client([founder.address, one.address, two.address]) as client:
            for _ in range(2):
                with pytest.raises(errors.AnotherHiveError) as caught:
                    await client.update("x", b"")
        assert "the daemons given are of different hives" in caught.value.sentence
        assert founder.address in caught.value.sentence
        assert founder.seen == one.seen == two.seen == []


async def test_another_hive_at_the_address_of_a_member_gets_nothing_and_the_others_serve(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same while a client runs: it remembers its hive."""

    async with (
        StubNode(content) as one,
        StubNode(content, b"b" * 16) as two,
        Client([one.address, two.address]) as client,
    ):
        alias = alias_owned_by(view_of([one, two]), two.node)
        await client.view()
        assert await client.get(alias) == alias and two.seen_of(Get)
        two.die()
        while await client.get(alias) and not one.seen_of(Get):
            await asyncio.sleep(0.1)
        two.hive = b"x" * 16
        two.seen.clear()
        async with two:
            while not caplog.records:
                assert await client.get(alias) == alias
                await asyncio.sleep(0.1)
            assert await client.get(alias) == alias and two.seen == []
    assert {record.levelname for record in caplog.records} == {"WARNING"} and len(caplog.records) == 1
    assert "and this client works with hive 68686868" in caplog.text and "--peer" in caplog.text


async def test_a_view_of_another_hive_is_not_taken() -> None:
    """The node waited for a hive when the connection was made."""

    async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
        view_of([one, two])
        await client.view()
        one.view = replace(view_of([one, two], epoch=9), hive=b"x" * 16)
        with pytest.raises(errors.AnotherHiveError):
            await client.view()


# --- the view --------------------------------------------------------------------------------------------------------


async def test_requests_go_straight_to_the_owner() -> None:
    async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
        view = view_of([one, two])
        alias = alias_owned_by(view, two.node)
        await client.get(alias)
        await client.view()
        two.seen.clear()
        assert await client.get(alias) == alias
        assert [type(request) for request in two.seen] == [Get]


async def test_an_owner_out_of_reach_is_passed_by() -> None:
    async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
        alias = alias_owned_by(view_of([one, two]), two.node)
        await client.view()
        two.die()
        for _ in range(3):
            assert await client.get(alias) == alias
        assert len(one.seen_of(Get)) == 3


async def test_an_owner_that_comes_back_is_found_again() -> None:
    async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
        two.greeting = b""
        alias = alias_owned_by(view_of([one, two]), two.node)
        await client.view()
        assert await client.get(alias) == alias
        two.greeting = b"WRPME/2\n"
        while not two.seen:
            await client.get(alias)
            await asyncio.sleep(0.1)  # of the loop's own time, which jumps: the pause before it is tried again


async def test_a_notice_brings_the_new_view() -> None:
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


async def test_an_older_view_is_not_taken() -> None:
    async with StubNode(content) as one, Client(one.address) as client:
        view_of([one], epoch=7)
        await client.view()
        view_of([one], epoch=6)
        await client.view()
        assert client._dispatcher.view is not None and client._dispatcher.view.epoch == 7


async def test_the_client_survives_the_node_that_it_started_with() -> None:
    async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
        view_of([one, two])
        await client.view()
        one.die()
        for number in range(5):
            assert await client.get(f"x{number}") == f"x{number}".encode()
        assert any(request.follow for request in two.seen_of(GetView))


async def test_requests_at_a_node_that_is_found_dead_go_elsewhere() -> None:
    async with StubNode(content) as one, StubNode(silent, b"b" * 16) as two, Client(one.address) as client:
        alias = alias_owned_by(view_of([one, two]), two.node)
        await client.view()
        reading, writing = asyncio.create_task(client.get(alias)), asyncio.create_task(client.put(alias, b""))
        while len(two.seen) < 2:
            await asyncio.sleep(0)
        view_of([one, two], epoch=2, down=[two])
        await client.view()
        assert await reading == alias
        with pytest.raises(errors.IndeterminateError, match=f"{two.address} is down"):
            await writing


async def test_a_closed_client_says_so() -> None:
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


async def test_who_answered_for_an_entry_is_known() -> None:
    async with StubNode(content) as one, StubNode(content, b"b" * 16) as two, Client(one.address) as client:
        alias = alias_owned_by(view_of([one, two]), two.node)
        assert client.answered_by == ""
        await client.view()
        assert client.answered_by == "", "that was about no entry"
        await client.get(alias)
        assert client.answered_by == two.address
        two.script = failed(errors.NotFoundError("there is none"))
        one.script = failed(errors.NotFoundError("there is none"))
        with pytest.raises(errors.NotFoundError):
            await client.get(alias_owned_by(view_of([one, two]), one.node))
        assert client.answered_by == one.address, "a refusal is an answer, too"
