"""Listening sockets: which addresses, and which sentence where it can't be."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from wrpme.daemon.net.listen import Room, other_peers, listen, room
from wrpme.errors import StartError
from wrpme.limits import FILES_RESERVED, NODE_SESSIONS_MAX
from wrpme.protocol.address import Address


@pytest.fixture
def limits() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def close(sockets: list[socket.socket]) -> None:
    for made in sockets:
        made.close()


def test_it_listens() -> None:
    sockets = listen(Address("127.0.0.1", 0))
    port = sockets[0].getsockname()[1]
    socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(StartError, match=f"127.0.0.1:{port} is in use by another process"):
        listen(Address("127.0.0.1", port))
    close(sockets)
    close(listen(Address("127.0.0.1", port)))


def test_a_name_that_stands_for_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = socket.SOCK_STREAM
    found = [
        (socket.AF_INET, stream, 6, "", ("192.0.2.1", 0)),
        (socket.AF_INET, stream, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, stream, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    sockets = listen(Address("name", 5909))
    assert [made.getsockname()[0] for made in sockets] == ["127.0.0.1"], "what is here, each once"
    close(sockets)
    found[1:] = []
    with pytest.raises(StartError, match="no address of this machine"):
        listen(Address("name", 5909))


def test_all_addresses_of_the_machine() -> None:
    sockets = listen(Address("0.0.0.0", 0))
    port = sockets[0].getsockname()[1]
    socket.create_connection(("127.0.0.1", port)).close()
    others = (Address("127.0.0.1", port % 65_535 + 1), Address("192.0.2.1", port))
    assert other_peers((others[0], Address("127.0.0.1", port), others[1]), sockets) == others
    close(sockets)


def test_a_peer_under_another_name() -> None:
    sockets = listen(Address("127.0.0.1", 0))
    port = sockets[0].getsockname()[1]
    later = Address("no-such-host.invalid", port)  # it may be known later
    assert other_peers((Address("localhost", port), later), sockets) == (later,)
    close(sockets)


def test_a_name_that_is_unknown() -> None:
    with pytest.raises(StartError, match="can't be resolved"):
        listen(Address("no-such-host.invalid", 5909))


def test_the_limit_is_raised_where_that_is_allowed(limits: None) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert room(1000) == Room(1000, 1000 + NODE_SESSIONS_MAX)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1000 + NODE_SESSIONS_MAX + FILES_RESERVED


@pytest.mark.parametrize("files", [16, 64, 256, 1024, 4096, 12_000])
def test_all_connections_leave_files_for_the_disk(files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    found = room(10_000)
    assert found.sessions <= files - min(FILES_RESERVED, files // 2)
    assert 1 <= found.clients < found.sessions, "other nodes have places of their own"
    assert room(1).clients == 1
