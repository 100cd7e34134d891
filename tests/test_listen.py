"""Listening sockets: which addresses, and which sentence where it can't be."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from wrpme.address import Address
from wrpme.daemon.listen import check_peers, listen, room_for_clients
from wrpme.limits import FILES_BESIDE_CLIENTS
from wrpme.errors import StartError, UsageError


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
    with pytest.raises(UsageError, match="is this node itself"):
        check_peers((Address("127.0.0.1", port),), sockets)
    check_peers((Address("127.0.0.1", port % 65_535 + 1), Address("192.0.2.1", port)), sockets)
    close(sockets)


def test_a_peer_under_another_name() -> None:
    sockets = listen(Address("127.0.0.1", 0))
    port = sockets[0].getsockname()[1]
    with pytest.raises(UsageError, match=f"localhost:{port} is this node itself"):
        check_peers((Address("localhost", port),), sockets)
    check_peers((Address("no-such-host.invalid", port),), sockets)  # it may be known later
    close(sockets)


def test_a_name_that_is_unknown() -> None:
    with pytest.raises(StartError, match="can't be resolved"):
        listen(Address("no-such-host.invalid", 5909))


def test_room_for_clients(limits: None) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert room_for_clients(1000) == 1000, "the soft limit is raised"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1000 + FILES_BESIDE_CLIENTS
