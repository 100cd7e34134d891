"""The direct connections of a blocking client: threads, deaths, deadlines, Ctrl-C, forks, and what stays open."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.client.test_fork import forked
from tests.stub_node import Answer, Close, Entries, StubNode, StubThread
from tests.system.daemons import Daemons
from wrpme import BlockingClient, errors
from wrpme.client.limits import DIRECT_CONNECTIONS_MAX
from wrpme.client.requests import direct
from wrpme.protocol.identities import GetHive
from wrpme.protocol.messages import Content, Exists, Failed, Get, Put, Remove, Request, Update


class Scripted(Entries):
    """Entries, until a request meets the script that stands for its class."""

    def __init__(self) -> None:
        super().__init__()
        self.instead: dict[type[Request], Callable[[Request], Answer]] = {}

    def __call__(self, request: Request) -> Answer:
        return self.instead.get(type(request), super().__call__)(request)

    def once(self, kind: type[Request], answer: Callable[[Request], Answer]) -> None:
        """The next request of that class gets this answer."""

        def answered(request: Request) -> Answer:
            del self.instead[kind]
            return answer(request)

        self.instead[kind] = answered


def connected(client: BlockingClient, alias: str = "x") -> direct.DirectConnection:
    """The direct connection that the next request will take."""
    while not any(client._connections._idle.values()):
        with suppress(errors.NotFoundError):
            client.get(alias)
    return next(idle[-1] for idle in client._connections._idle.values() if idle)


@contextmanager
def direct_client(
    timeout: float = 10.0, context: ssl.SSLContext | None = None, **options: Any
) -> Iterator[tuple[StubNode, Scripted, BlockingClient]]:
    """A node, its script, and a client whose next request goes over a direct connection. With a ``context`` the node
    has TLS."""
    script = Scripted()
    with StubThread(script, context) as node, BlockingClient(node.address, timeout, **options) as client:
        client.update("x", b"1")
        connected(client)
        node.seen.clear()
        yield node, script, client


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def waiting_in(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """A thread that makes that call, and the error that comes of it."""
    caught: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except errors.WrpmeError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, caught


def test_a_request_goes_over_the_connection_of_its_thread_and_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    with direct_client() as (node, _, client):
        monkeypatch.setattr(client, "_wait", lambda *_: pytest.fail("it went over the loop"))
        opened = node.sessions_opened
        for _ in range(20):
            client.update("x", b"2")
            assert client.get("x") == b"2"
        with pytest.raises(errors.NotFoundError):
            client.get("y")
        assert client.answered_by == node.address and node.sessions_opened == opened


def test_sixteen_threads_get_their_own_answers() -> None:
    with direct_client() as (node, _, client):

        def work(thread: int) -> None:
            for number in range(50):
                content = b"%d of %d" % (number, thread)
                client.update(f"entry/{thread}", content)
                assert client.get(f"entry/{thread}") == content

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
        assert len(node.sessions) <= DIRECT_CONNECTIONS_MAX + 1  # and the one of the loop


def test_a_write_whose_connection_ends_before_the_answer_is_in_doubt_and_a_read_goes_on() -> None:
    with direct_client() as (node, script, client):
        script.instead[Update] = lambda _: Close
        with pytest.raises(errors.IndeterminateError, match="may or may not have been carried out"):
            client.update("x", b"2")
        assert len(node.seen_of(Update)) == 1
        connected(client)
        script.once(Get, lambda _: Close)
        assert client.get("x") == b"1"


def test_a_connection_that_ended_while_nobody_used_it_puts_no_write_in_doubt() -> None:
    with direct_client() as (node, script, client):
        idle = connected(client)

        def end_them(_: Request) -> type[Close]:
            for session in node.sessions[1:]:  # the first one is the loop's
                session.transport.abort()
            return Close

        script.once(Exists, end_them)
        with BlockingClient(node.address) as another:
            another.exists("x")
        while idle.quiet():
            os.sched_yield()
        client.put("new", b"2")
        assert len(node.seen_of(Put)) == 1 and not idle.usable


def test_a_node_that_stops_has_answered_all_that_it_took() -> None:
    with direct_client() as (node, script, client):
        script.once(Put, lambda _: Failed(0, errors.UnstableError.code, "it stops"))
        client.put("new", b"2")
        assert len(node.seen_of(Put)) == 2


def test_what_is_refused_as_unstable_is_sent_again() -> None:
    with direct_client() as (node, script, client):
        script.once(Put, lambda request: Failed(request.id, errors.UnstableError.code, "the owner changes"))
        client.put("new", b"2")
        assert len(node.seen_of(Put)) == 2


def test_the_deadline_of_a_write_and_of_a_read() -> None:
    with direct_client(timeout=0.3) as (node, script, client):
        with pytest.raises(errors.IndeterminateError, match="did not answer in the time given"):
            client.remove("x")
        connected(client)
        script.instead[Get] = lambda _: None
        with pytest.raises(errors.TimeoutError, match="did not answer in the time given"):
            client.get("x")
        while len(node.sessions) > 1:  # an answer that comes late must not meet another request
            os.sched_yield()


def test_a_node_that_is_slow_is_waited_for_and_one_that_hangs_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "PING_SECONDS", 0.02)
    monkeypatch.setattr(direct, "SILENT_SECONDS_MAX", 0.2)
    with direct_client(timeout=0.6) as (node, script, client):
        with pytest.raises(errors.IndeterminateError, match="did not answer in the time given"):
            client.remove("x")  # the node answers to each ping
        connected(client)
        node.script_views, node.script = True, lambda _: None
        with pytest.raises(errors.IndeterminateError, match=r"has said nothing for 0\.2 s"):
            client.remove("x")
        node.script_views, node.script = False, script


def test_ctrl_c_while_a_request_waits() -> None:
    with direct_client() as (node, _, client):

        def interrupt() -> None:
            while not node.seen_of(Remove):
                os.sched_yield()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            client.remove("x")
        thread.join()
        assert client.get("x") == b"1"


def test_the_close_while_threads_wait() -> None:
    with direct_client() as (node, script, client):
        script.instead[Get] = lambda _: None
        removing, of_remove = waiting_in(lambda: client.remove("x"))
        while not node.seen_of(Remove):
            os.sched_yield()
        seen = len(node.seen_of(Get))
        getting, of_get = waiting_in(lambda: client.get("x"))
        while len(node.seen_of(Get)) == seen:
            os.sched_yield()
        client.close()
        removing.join()
        getting.join()
        assert isinstance(of_remove[0], errors.IndeterminateError)
        assert "closed" in str(of_get[0])


def test_a_large_content_comes_and_goes() -> None:
    with direct_client() as (_, _script, client):
        large = os.urandom(1 << 20) * 9
        client.update("x", large)
        assert client.get("x") == large


def test_a_content_that_is_too_large_leaves_the_connection_alone() -> None:
    with direct_client() as (node, _, client):
        opened, idle = node.sessions_opened, connected(client)
        with pytest.raises(errors.TooLargeError):
            client.update("x", b"0" * (64 << 20) + b"1")
        assert idle.usable and client.get("x") == b"1" and node.sessions_opened == opened


def test_the_close_while_another_connection_is_made() -> None:
    with StubThread(Scripted()) as node, BlockingClient(node.address) as client:
        client.put("x", b"1")
        client.view()
        node.script_views = True  # who connects from now on hears nothing of the hive
        node.script = lambda request: Content(request.id, b"1") if isinstance(request, Get) else None
        while not node.seen_of(GetHive):
            client.get("x")


def test_no_file_stays_open() -> None:
    with StubThread(Scripted()) as node:
        before = open_files()
        for _ in range(3):
            with BlockingClient(node.address, timeout=0.05) as client:
                connected(client)
                with pytest.raises(errors.IndeterminateError):
                    client.remove("x")
                connected(client)
            while node.sessions:
                os.sched_yield()
        assert open_files() == before


def test_a_forked_process_uses_no_connection_of_the_first() -> None:
    with direct_client() as (node, _, client):
        idle = connected(client)

        def work() -> bytes:
            assert not idle.usable
            connected(client)
            client.update("y", b"2")
            return client.get("x")

        opened = node.sessions_opened
        assert forked(work) == "b'1'"
        assert node.sessions_opened == opened + 2
        assert idle.quiet() and client.get("y") == b"2" and connected(client) is idle


def test_a_fork_while_other_threads_have_requests_in_flight() -> None:
    with direct_client() as (node, _, client):
        removing, of_remove = waiting_in(lambda: client.remove("x"))
        while not node.seen_of(Remove):
            os.sched_yield()
        assert forked(lambda: (connected(client), client.get("x"))[1]) == "b'1'"
        assert client.get("x") == b"1"
        client.close()
        removing.join()
        assert isinstance(of_remove[0], errors.IndeterminateError)


def test_multiprocessing() -> None:
    with direct_client() as (_, _script, client):
        context = multiprocessing.get_context("fork")

        def work(number: int) -> None:
            for _ in range(5):
                client.update(f"of/{number}", b"1")
                assert client.get("x") == b"1"

        processes = [context.Process(target=work, args=(number,)) for number in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
        assert [client.get(f"of/{number}") for number in range(3)] == [b"1"] * 3


def test_threads_while_a_node_dies(tmp_path: Path) -> None:
    """Nothing that was acknowledged is lost, and nobody waits for the dead node for long; then all of it goes on."""
    died = threading.Event()
    acknowledged = threading.Barrier(9)

    with Daemons(tmp_path, 3) as daemons, BlockingClient(daemons.addresses, timeout=30) as client:
        daemons.start_all(range(3))
        asyncio.run(daemons.until_stable())
        home = client.answered_by

        def work(thread: int) -> None:
            number = 0
            last: set[bytes] = set()

            def write() -> None:
                nonlocal number, last
                number += 1
                content = b"%d" % number
                try:
                    client.update(f"entry/{thread}", content)
                    last = {content}
                except errors.IndeterminateError:
                    last.add(content)
                assert client.get(f"entry/{thread}") in last

            for _ in range(30):
                write()
            acknowledged.wait()
            while not died.is_set():
                write()
            for _ in range(30):
                write()

        with ThreadPoolExecutor(8) as pool:
            working = [pool.submit(work, thread) for thread in range(8)]
            acknowledged.wait()
            daemons.kill(next(index for index, address in enumerate(daemons.addresses) if address != home))
            died.set()
            for one in working:
                one.result()
