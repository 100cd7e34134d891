"""Whether a node could listen at its address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from wrpme.bootstrap.agent import ports


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def port_of(made: socket.socket) -> int:
    number: int = made.getsockname()[1]
    return number


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return port_of(made)


def told(host: str, port: int, *own: int) -> tuple[str, str, bool]:
    found = ports.look_at(host, port, own)
    return found.word, found.holder, found.local


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::"])
def test_free(host: str) -> None:
    assert told(host, free_port()) == ("free", "", True)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::"])
def test_taken(taken: socket.socket, host: str) -> None:
    with open("/proc/self/comm") as file:
        name = file.read().strip()
    assert told(host, port_of(taken)) == ("taken", f"{name} (pid {os.getpid()})", True)


def test_ours(taken: socket.socket) -> None:
    assert told("127.0.0.1", port_of(taken), os.getpid()) == ("ours", "", True)
    assert told("127.0.0.1", port_of(taken), 1)[0] == "taken"


def test_by_one_that_listens_everywhere() -> None:
    with socket.socket(socket.AF_INET6) as made:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(("::", 0))
        made.listen()
        assert told("127.0.0.1", port_of(made))[0] == "taken"
        assert told("127.0.0.1", port_of(made), os.getpid())[0] == "ours"


def test_another_address_of_the_machine_is_free(taken: socket.socket) -> None:
    assert told("127.0.0.2", port_of(taken)) == ("free", "", True)


@pytest.mark.parametrize("reuse", [True, False])
def test_connections_that_are_over(reuse: bool) -> None:
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        made.bind(("127.0.0.1", 0))
        made.listen()
        port = port_of(made)
        with socket.create_connection(made.getsockname()) as client:
            served, _ = made.accept()
            served.close()
            client.recv(1)
    over = ("taken", "connections of a program that has ended, for about a minute", True)
    assert told("127.0.0.1", port) == (("free", "", True) if reuse else over)


def test_no_address_of_this_machine() -> None:
    assert told("192.0.2.1", 5909) == ("unbindable", "192.0.2.1 is no address of this machine", False)


def test_no_name() -> None:
    assert told("nowhere.invalid", 5909) == ("unbindable", "the name nowhere.invalid can't be resolved there", False)


def test_another_user(taken: socket.socket) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    program = f"""
import encodings.idna, os, pwd, sys
sys.path[:0] = {sys.path!r}
from wrpme.bootstrap.agent import ports
os.setuid(2345)
found = ports.look_at("127.0.0.1", {port_of(taken)}, [])
print(found.word, found.holder)
found = ports.look_at("127.0.0.1", 1, [])
print(found.word, found.holder)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    first, second = said.splitlines()
    assert first == "taken a program of user root"
    assert second == "unbindable user 2345 may not listen at port 1; give one of 1024 or above"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
    ],
)
def test_addresses_as_the_kernel_writes_them(text: str, host: str) -> None:
    if sys.byteorder == "big":
        pytest.skip("this machine writes them otherwise")
    assert ports._host(text) == host
