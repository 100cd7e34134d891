"""The blocking client where processes fork, loops change and interpreters end: it answers, or says why not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from tests.stub_node import Entries, StubThread
from wrpme import BlockingClient, Client, errors

HANG_SECONDS = 20
"""A process that has not ended by itself after so long hangs."""


def forked(work: Callable[[], object]) -> str:
    """Returns what ``work`` returns, or the error that it raises, as text, from a process that is forked for it."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(HANG_SECONDS)
        try:
            outcome = repr(work())
        except BaseException as error:
            outcome = str(error)
        os.write(writer, outcome.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        outcome = told.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, "the forked process hung"
    return outcome


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of Python to its end."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)


def test_a_forked_process_starts_afresh_and_the_first_one_goes_on() -> None:
    def both() -> bytes:
        client.put("y", b"2")
        return client.get("x")

    with StubThread(Entries()) as node, BlockingClient(node.address) as client:
        client.put("x", b"1")
        assert forked(both) == "b'1'"
        assert client.get("y") == b"2"
        assert node.sessions_opened <= 2 * 2  # each process has connections of its own, and keeps them


def test_a_fork_of_a_fork_and_a_client_that_was_never_used() -> None:
    with StubThread(Entries()) as node, BlockingClient(node.address) as client:
        assert forked(lambda: forked(client.count)) == "'0'"
        assert client.count() == 0


def test_all_threads_of_a_forked_process_share_its_client() -> None:
    def work() -> list[bytes]:
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(client.get("x"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        return found

    with StubThread(Entries()) as node, BlockingClient(node.address) as client:
        client.put("x", b"1")
        assert forked(work) == repr([b"1"] * 8)
        assert node.sessions_opened <= 2 + 8


def test_the_forked_process_lets_go_of_the_connections_of_the_first() -> None:
    with StubThread(Entries()) as node:
        client = BlockingClient(node.address)
        client.put("x", b"1")
        go_on, wait = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            signal.alarm(HANG_SECONDS)
            os.write(wait[1], b"x")
            os.read(go_on[0], 1)
            os._exit(0)
        os.read(wait[0], 1)
        client.close()
        while node.sessions:  # the node hears the end, although the other process lives
            os.sched_yield()
        os.write(go_on[1], b"x")
        assert os.waitpid(child, 0)[1] == 0


def test_a_fork_while_a_request_is_in_flight() -> None:
    with StubThread(Entries()) as node, BlockingClient(node.address) as client:

        def remove() -> None:
            with pytest.raises(errors.WrpmeError):
                client.remove("never")

        thread = threading.Thread(target=remove)
        thread.start()
        while not node.seen:
            thread.join(0.001)
        assert forked(client.count) == "0"
        client.close()
        thread.join()


def test_the_timeout_counts_in_a_forked_process() -> None:
    with StubThread(Entries()) as node, BlockingClient(node.address, timeout=0.3) as client:
        client.put("x", b"1")
        assert forked(lambda: client.remove("x")).startswith("indeterminate: ")


def test_a_closed_client_stays_closed_after_a_fork() -> None:
    client = BlockingClient("127.0.0.1:1")
    client.close()
    assert forked(lambda: client.get("x")) == "connection: this client is closed"


def test_what_is_watched_is_not_watched_on_after_a_fork() -> None:
    with StubThread(Entries()) as node, BlockingClient(node.address) as client:
        records = client.watch()
        next(records)
        assert "begin another watch" in forked(lambda: next(records))
        records.close()  # type: ignore[attr-defined]


def test_a_forked_process_that_ends_as_any_program_says_nothing() -> None:
    program = """
import os, sys, threading, time
from wrpme import BlockingClient
client = BlockingClient(sys.argv[1])
client.put("x", b"1")
thread = threading.Thread(target=client.remove, args=("x",), daemon=True)
thread.start()
while not client.count():
    pass
child = os.fork()
if not child:
    assert client.get("x") == b"1"
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert client.get("x") == b"1"
"""
    with StubThread(Entries()) as node:
        ended = run(program, node.address)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("call", ["get('x')", "close()"])
def test_an_interpreter_that_ends_is_not_kept_by_a_last_call(call: str) -> None:
    program = f"""
import sys
from wrpme import BlockingClient
class Last:
    def __init__(self, client): self.client = client
    def __del__(self): self.client.{call}
client = BlockingClient(sys.argv[1])
client.put("x", b"1")
last = Last(client)
"""
    with StubThread(Entries()) as node:
        ended = run(program, node.address)
        assert ended.returncode == 0
        assert ("interpreter" in ended.stderr) == ("get" in call)


def test_a_slow_name_server_does_not_keep_an_interpreter_from_its_end() -> None:
    program = """
import socket, threading
from wrpme import BlockingClient, Client, errors
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
client = BlockingClient("name.invalid:1", timeout=0.2)
try:
    client.get("x")
except errors.WrpmeError as error:
    print(error.word)
"""
    ended = run(program)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "timeout\n", "")


def test_a_request_that_looks_for_a_node_at_the_close_gets_an_error() -> None:
    with StubThread(Entries()) as node:
        node.greeting = b""  # it takes the connection, and says nothing
        client = BlockingClient(node.address)
        caught: list[BaseException] = []

        def get() -> None:
            try:
                client.get("x")
            except BaseException as error:
                caught.append(error)

        thread = threading.Thread(target=get)
        thread.start()
        while not node.sessions_opened:
            thread.join(0.001)
        client.close()
        thread.join()
        assert isinstance(caught[0], errors.ConnectionError), caught


def test_a_second_event_loop_is_told_so() -> None:
    with StubThread(Entries()) as node, asyncio.Runner() as first:
        client = Client(node.address)
        watcher = client.watch()
        first.run(client.put("x", b"1"))
        first.run(anext(watcher))
        for call in (client.get, lambda _: client.count(), lambda _: client.close(), lambda _: anext(watcher)):
            with asyncio.Runner() as second, pytest.raises(errors.UsageError, match="belongs to another event loop"):
                second.run(call("x"))
        assert first.run(client.get("x")) == b"1"
        first.run(client.close())
