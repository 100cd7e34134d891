"""The direct connections of a blocking client with TLS, and those of a client that says who it is."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from tests.certificates import Authority
from tests.client.test_credentials import ASKS, WRONG, asks
from tests.client.test_direct import Scripted, connected, direct_client, waiting_in
from tests.client.test_fork import forked
from tests.stub_node import Answer, Close, StubNode, StubThread, failed
from wrpme import BlockingClient, TlsFiles, errors
from wrpme.client.limits import DIRECT_CONNECTIONS_MAX
from wrpme.client.requests import direct
from wrpme.files.certificates import server_context
from wrpme.protocol.access.messages import Authenticate
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import Content, Exists, Failed, Get, Number, Put, Remove, Request, Update

Made = tuple[TlsFiles, ssl.SSLContext]
Direct = AbstractContextManager[tuple[StubNode, Scripted, BlockingClient]]


@pytest.fixture(autouse=True)
def retried_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "DIRECT_RETRY_SECONDS", 1000.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """What a client trusts, and what the node at 127.0.0.1 takes connections with."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    yield TlsFiles(ca=str(authority.path)), server_context(authority.issue("node"))


def by_tls(made: Made, timeout: float = 10.0, **options: Any) -> Direct:
    return direct_client(timeout, made[1], tls=made[0], **options)


@contextmanager
def of_ann(made: Made) -> Iterator[tuple[StubNode, Scripted, BlockingClient]]:
    """The same, where the node lets nobody in but ann."""
    script = Scripted()
    with (
        StubThread(asks(script), made[1]) as node,
        BlockingClient(node.address, tls=made[0], user="ann", password="right horse") as client,
    ):
        client.update("x", b"1")
        connected(client)
        yield node, script, client


def with_no_connections(client: BlockingClient) -> None:
    """Lets a client make its direct connections anew."""
    connected(client)
    client._connections.close()
    client._connections = direct.DirectPool()


def failed_to_make(client: BlockingClient, node: StubNode) -> None:
    """Returns when another connection was asked for, and could not be made; no other is asked for in the test."""
    making = client._connections._making
    while making.get(node.address, 0) in (0, float("inf")):
        client.update("x", b"1")


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_goes_over_the_connection_of_its_thread_and_no_loop(
    made: Made, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made[1], "maximum_version", version)
    with by_tls(made) as (node, _, client):
        spoken = [one.transport.get_extra_info("cipher")[1] for one in node.sessions]
        assert spoken == [version.name.replace("_", ".")] * 2
        monkeypatch.setattr(client, "_wait", lambda *_: pytest.fail("it went over the loop"))
        for _ in range(20):
            client.update("x", b"2")
            assert client.get("x") == b"2"
        assert node.sessions_opened == 2


def test_threads_get_their_own_answers(made: Made) -> None:
    with by_tls(made) as (node, _, client):

        def work(thread: int) -> None:
            for number in range(20):
                content = b"%d of %d" % (number, thread)
                client.update(f"entry/{thread}", content)
                assert client.get(f"entry/{thread}") == content

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert 2 <= len(node.sessions) <= DIRECT_CONNECTIONS_MAX + 1


def test_a_large_content_comes_and_goes_and_the_node_is_waited_for(made: Made) -> None:
    with by_tls(made) as (node, script, client), BlockingClient(node.address, tls=made[0]) as another:
        large = os.urandom(1 << 20) * 9
        connection, session = connected(client), node.sessions[-1]

        connection._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 << 10)  # less than a piece

        def turn_of(read: Callable[[], None]) -> Callable[[Request], Answer]:
            def answered(request: Request) -> Answer:
                read()
                return Number(request.id, 1)

            return answered

        script.once(Exists, turn_of(session.transport.pause_reading))
        client.exists("x")
        script.once(Exists, turn_of(session.transport.resume_reading))
        updating, caught = waiting_in(lambda: client.update("x", large))
        while select.select([], [connection._socket], [], 0)[1]:
            os.sched_yield()
        another.exists("x")
        updating.join()
        assert client.get("x") == large and not caught and connected(client) is connection


def test_a_write_whose_connection_ends_before_the_answer_is_in_doubt_and_a_read_goes_on(made: Made) -> None:
    with by_tls(made) as (node, script, client):
        script.instead[Update] = lambda _: Close
        with pytest.raises(errors.IndeterminateError, match="may or may not have been carried out"):
            client.update("x", b"2")
        assert len(node.seen_of(Update)) == 1
        connected(client)
        script.once(Get, lambda _: Close)
        assert client.get("x") == b"1"


@pytest.mark.parametrize("has_tls", [False, True])
def test_the_deadline_in_the_middle_of_an_answer(made: Made, has_tls: bool) -> None:
    with by_tls(made, 0.3) if has_tls else direct_client(0.3) as (node, script, client):

        def begun(request: Request) -> None:
            node.sessions[-1].transport.write(encode(Content(request.id, b"2" * 100))[:50])

        idle = connected(client)
        script.once(Get, begun)
        with pytest.raises(errors.TimeoutError, match="did not answer in the time given"):
            client.get("x")
        assert not idle.usable and client.get("x") == b"1"


def test_the_close_while_a_thread_waits_sends_nothing_in_plain_words(made: Made) -> None:
    with by_tls(made) as (node, _, client):
        connection = connected(client)
        removing, caught = waiting_in(lambda: client.remove("x"))
        while not node.seen_of(Remove):
            os.sched_yield()
        connection.interrupt(errors.ConnectionError("the client was closed"))
        removing.join()
        assert isinstance(caught[0], errors.IndeterminateError)
        another = connected(client)
        another.interrupt(errors.ConnectionError("the client was closed"))
        assert isinstance(another._socket, ssl.SSLSocket) and another._socket.cipher() is not None


def test_a_forked_process_uses_no_connection_of_the_first(made: Made) -> None:
    with by_tls(made) as (node, _, client):
        idle = connected(client)
        assert forked(lambda: (idle.usable, connected(client).usable, client.get("x"))) == "(False, True, b'1')"
        assert node.sessions_opened == 4
        assert idle.quiet() and client.get("x") == b"1" and connected(client) is idle


# --- what can't be made ----------------------------------------------------------------------------------------------


def test_a_node_of_another_hive_gets_no_direct_connection_and_is_not_asked_again_at_once(made: Made) -> None:
    with by_tls(made) as (node, _, client):
        client.view()
        node.hive = b"another hive"
        with_no_connections(client)
        failed_to_make(client, node)
        opened = node.sessions_opened
        for _ in range(20):
            assert client.get("x") == b"1"
        assert node.sessions_opened == opened and not client._connections._all


def test_a_process_without_threads_left_goes_over_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    with direct_client() as (node, _, client):

        def refused(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with_no_connections(client)
        monkeypatch.setattr(threading.Thread, "start", refused)
        failed_to_make(client, node)
        assert client.get("x") == b"1"


# --- users -----------------------------------------------------------------------------------------------------------


def test_it_is_said_who_the_client_is_and_again_where_the_hive_has_users_now(made: Made) -> None:
    """What was refused is sent again, and so is what was not read."""
    with of_ann(made) as (node, script, client):
        assert len(node.seen_of(Authenticate)) == node.sessions_opened == 2
        for farewell in (failed(ASKS), lambda _: Failed(0, ASKS.code, "this hive has users from now on")):
            idle = connected(client)
            node.seen.clear()
            script.once(Put, farewell)
            client.put(f"new/{farewell}", b"2")
            assert len(node.seen_of(Put)) == 2 and not idle.usable


def test_who_is_not_let_in_any_more_guesses_once(made: Made) -> None:
    with of_ann(made) as (node, _, client):
        with_no_connections(client)
        known = node.script
        node.script = lambda request: (failed(WRONG) if isinstance(request, Authenticate) else known)(request)
        node.seen.clear()
        failed_to_make(client, node)
        for _ in range(20):
            assert client.get("x") == b"1"
        assert len(node.seen_of(Authenticate)) == 1
