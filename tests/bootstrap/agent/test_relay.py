"""Questions to nodes from their own machine."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bootstrap.agent.agents import Agent
from wrpme.bootstrap.agent import limits, relay
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.session import Channel, Session

PREFACE = b"WRPME/2\n"


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class Peer:
    """Listens, takes one connection, and does with it what it is told."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = list(self.socket.getsockname())
        self._pool = ThreadPoolExecutor(1)

    def serve(self, behaviour: Callable[[socket.socket], None]) -> None:
        """In the background."""

        def work() -> None:
            connection, _ = self.socket.accept()
            with connection:
                behaviour(connection)

        self._pool.submit(work)

    def close(self) -> None:
        """Not before it is done."""
        self._pool.shutdown()
        self.socket.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def ask(agent: Agent, address: list[object], content: bytes = PREFACE, count: int = 1, seconds: float = 60) -> bytes:
    frames = base64.b64encode(content).decode()
    answer = agent.call("ask", address=address, frames=frames, count=count, seconds=seconds)
    return base64.b64decode(answer["data"])


def test_what_is_sent_and_what_comes(agent: Agent, peer: Peer) -> None:
    received: list[bytes] = []

    def behaviour(connection: socket.socket) -> None:
        received.append(connection.recv(1000))
        for byte in PREFACE + frame(b"one") + frame(b""):
            connection.send(bytes([byte]))
        connection.recv(1)

    peer.serve(behaviour)
    assert ask(agent, peer.address, PREFACE + b"question", 2) == PREFACE + frame(b"one") + frame(b"")
    assert received == [PREFACE + b"question"]


def test_a_large_answer(agent: Agent, peer: Peer) -> None:
    body = bytes(range(256)) * 10_000

    def behaviour(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(PREFACE + frame(body))

    peer.serve(behaviour)
    assert ask(agent, peer.address) == PREFACE + frame(body)


def test_more_than_is_taken(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "ANSWER_BYTES_MAX", 1000)
    request = {"address": peer.address, "frames": "", "count": 1, "seconds": 60}

    def behaviour(connection: socket.socket) -> None:
        connection.sendall(PREFACE + frame(b"x" * 100_000))

    peer.serve(behaviour)
    with pytest.raises(AgentError, match="answers with more than"):
        relay.ask(Session(Channel(-1, -1)), request)
    assert limits.ANSWER_BYTES_MAX >= 1 << 20


def test_the_end_before_the_answer(agent: Agent, peer: Peer) -> None:
    peer.serve(lambda connection: None)
    frames = base64.b64encode(b"").decode()
    word, sentence = agent.refusal("ask", address=peer.address, frames=frames, count=1, seconds=60)
    assert word == "connection"
    assert sentence == f"127.0.0.1:{peer.address[1]} ended the connection without an answer"


def test_an_answer_that_ends_early_is_told_as_far_as_it_came(agent: Agent, peer: Peer) -> None:
    peer.serve(lambda connection: connection.sendall(PREFACE + frame(b"refused")))
    assert ask(agent, peer.address, b"", count=2) == PREFACE + frame(b"refused")


def test_nobody_answers_in_time(agent: Agent, peer: Peer) -> None:
    word, sentence = agent.refusal("ask", address=peer.address, frames="", count=1, seconds=0.1)
    assert (word, sentence) == ("timeout", f"127.0.0.1:{peer.address[1]} does not answer within 0.1 s")


def test_nobody_listens(agent: Agent) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = list(closed.getsockname())
    word, sentence = agent.refusal("ask", address=address, frames="", count=1, seconds=60)
    assert (word, sentence) == ("connection", f"127.0.0.1:{address[1]} does not answer (Connection refused)")
    word, sentence = agent.refusal("ask", address=["nowhere.invalid", 1], frames="", count=1, seconds=60)
    assert word == "connection"


def test_reach(agent: Agent, peer: Peer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        addresses = [peer.address, ["127.0.0.1", port], ["nowhere.invalid", 1], ["255.255.255.255", 1]]
        found = agent.call("reach", addresses=addresses, seconds=60)
    assert found == {
        f"127.0.0.1:{peer.address[1]}": "open",
        f"127.0.0.1:{port}": "refused",
        "nowhere.invalid:1": "unresolved",
        "255.255.255.255:1": "unreachable",
    }
    assert agent.call("reach", addresses=[], seconds=1) == {}


def test_reach_of_one_that_is_silent(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = list(full.getsockname())
        waiting = []
        while True:  # until the kernel takes no further connection
            one = socket.socket()
            waiting.append(one)
            one.settimeout(0.1)
            try:
                one.connect(full.getsockname())
            except TimeoutError:
                break
        assert agent.call("reach", addresses=[address], seconds=0.2) == {f"127.0.0.1:{address[1]}": "timeout"}
        for one in waiting:
            one.close()
