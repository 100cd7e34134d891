"""The blocking face of the client."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stub_node import Entries, StubThread
from wrpme import BlockingClient, Client, errors
from wrpme.client.limits import DIRECT_CONNECTIONS_MAX


OWN = ("scan", "follow", "watch", "batch")
"""What gives something else here."""


def public(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_it_has_every_method_of_the_client_with_the_same_parameters() -> None:
    assert public(BlockingClient) == public(Client)
    for name in public(Client):  # awaited there, waited for here
        here, there = (inspect.signature(getattr(kind, name)) for kind in (BlockingClient, Client))
        assert here.parameters == there.parameters, name
        assert here.return_annotation == there.return_annotation or name in OWN, name


def test_operations_and_errors() -> None:
    with StubThread(Entries()) as node, BlockingClient(node.address) as client:
        client.put("x", b"1")
        with pytest.raises(errors.AlreadyExistsError):
            client.put("x", b"2")
        assert client.get("x") == b"1"
        assert client.prefix_get("") == ["x"] and client.count() == 1
        assert client.view().members[0].address == node.address
        assert client.remove_all() == 1
        with pytest.raises(errors.NotFoundError):
            client.get("x")


def test_many_threads_share_a_bounded_number_of_connections() -> None:
    with StubThread(Entries()) as node, BlockingClient(node.address) as client:
        client.put("x", b"1")
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(client.get, ["x"] * 200)) == [b"1"] * 200
        assert node.sessions_opened <= DIRECT_CONNECTIONS_MAX + 1


def test_a_request_in_flight_at_the_close_gets_an_error() -> None:
    with StubThread(Entries()) as node:
        client = BlockingClient(node.address)
        caught: list[BaseException] = []

        def remove() -> None:
            try:
                client.remove("x")  # is never answered
            except errors.WrpmeError as error:
                caught.append(error)

        thread = threading.Thread(target=remove)
        thread.start()
        while not node.seen:
            thread.join(0.001)
        client.close()
        thread.join()
        assert isinstance(caught[0], errors.IndeterminateError)


def test_a_closed_client_says_so() -> None:
    client = BlockingClient("127.0.0.1:1")
    client.close()
    client.close()
    with pytest.raises(errors.ConnectionError, match="this client is closed"):
        client.get("x")


def test_nobody_there_and_wrong_arguments() -> None:
    with pytest.raises(errors.UsageError):
        BlockingClient([])
    with BlockingClient("127.0.0.1:1") as client:
        with pytest.raises(errors.ConnectionError, match="no daemon answers"):
            client.get("x")
        with pytest.raises(errors.UsageError):
            client.get("")
