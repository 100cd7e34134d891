"""A machine as it is, and left as it is; and whether a node could listen at its address there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import NODE, PORT, Agent, files_in, wait_for
from wrpme.bootstrap.agent import survey


def test_a_bare_machine(agent: Agent, base: Path, tmp_path: Path) -> None:
    before = list(tmp_path.rglob("*"))
    found = agent.look(base)
    assert found["directory"] == str(base)
    assert found["exists"] is False
    assert found["writable"] == ""
    state = os.statvfs(tmp_path)
    assert abs(found["free_bytes"] - state.f_bavail * state.f_frsize) < 1 << 30
    assert abs(found["clock"] - time.time()) < 60
    assert found["utc_offset_seconds"] == 0
    assert found["releases"] == []
    assert found["lock"] == ""
    assert found["others"] == {}
    assert found["nodes"][NODE] == {
        "record": None,
        "run": "",
        "unit": "",
        "data": False,
        "hive": "",
        "bytes": 0,
        "pid": None,
        "release_running": "",
        "unit_state": "",
        "enabled": False,
        "certificate": "",
        "trusted": "",
        "port": "free",
        "holder": "",
        "address_local": True,
    }
    assert list(tmp_path.rglob("*")) == before


def test_the_offset_of_its_clock(tmp_path: Path, base: Path) -> None:
    with Agent(tmp_path, before=["env", "TZ=XYZ-3:30"]) as agent:
        assert agent.look(base)["utc_offset_seconds"] == 3.5 * 3600


def test_what_is_there_is_told_and_not_changed(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    node = base / "nodes" / NODE
    (node / "data").mkdir()
    (node / "data" / "hive").write_text("hive 0123456789abcdef\n192.168.1.2:5909\n")
    (node / "data" / "000001.ldb").write_bytes(b"x" * 1000)
    (base / "versions" / "1" / "bin").mkdir(parents=True)
    (base / "versions" / "1" / "complete").write_text("1\n")
    (base / "versions" / "half").mkdir()
    pid = agent.call("start", name=NODE)["pid"]
    wait_for(node / "pid")
    before = files_in(base)
    found = agent.look(base, ("127.0.0.1", PORT), ("127.0.0.1", PORT + 1))
    assert files_in(base) == before
    assert found["exists"] is True
    assert found["releases"] == ["1"]
    assert found["nodes"][f"127.0.0.1-{PORT + 1}"]["record"] is None
    one = found["nodes"][NODE]
    assert one["record"] == {"address": f"127.0.0.1:{PORT}", "service": "process", "release": "1"}
    assert one["run"] == (node / "run").read_text()
    assert (one["data"], one["hive"], one["bytes"]) == (True, "0123456789abcdef", 1000 + 39)
    assert one["pid"] == pid


def test_nodes_that_nobody_asked_for(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    found = agent.look(base, ("127.0.0.1", PORT + 1))
    assert list(found["nodes"]) == [f"127.0.0.1-{PORT + 1}"]
    assert list(found["others"]) == [NODE]
    assert "port" not in found["others"][NODE]


def test_the_port_is_looked_at(agent: Agent, base: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (one,) = agent.look(base, ("127.0.0.1", port))["nodes"].values()
    assert one["port"] == "taken"
    assert one["holder"].endswith(f"(pid {os.getpid()})")
    (one,) = agent.look(base, ("192.0.2.1", port))["nodes"].values()
    assert (one["port"], one["address_local"]) == ("unbindable", False)


def test_a_record_that_is_damaged_is_none(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    (base / "nodes" / NODE / "record.json").write_text("{")
    assert agent.look(base)["nodes"][NODE]["record"] is None


def test_a_place_where_nothing_may_be_written(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_mode & 0o5 != 0o5:
            path.chmod(path.stat().st_mode | 0o5)
    with Agent(tmp_path, before=["setpriv", "--reuid", "2345", "--regid", "2345", "--clear-groups"]) as agent:
        found = agent.look(tmp_path / "base")
        assert (
            found["writable"] == f"user 2345 may not write in {tmp_path.resolve()}; let it, or give another directory"
        )
        word, sentence = agent.refusal("lock", directory=str(tmp_path / "base"), text="x", seconds=0)
        assert word == "remote"
        assert sentence.startswith(f"user 2345 may not use {tmp_path.resolve()}/base; let it, log in as another user")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("ro", "is on a read-only file system; mount it for writing, or give another directory"),
        ("noexec", "is on a file system from which no program may run (noexec); give another directory"),
    ],
)
def test_a_file_system_that_does_not_do(agent: Agent, tmp_path: Path, option: str, sentence: str) -> None:
    place = tmp_path.resolve() / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", option, "none", str(place)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    try:
        assert agent.look(place / "base")["writable"] == f"{place} {sentence}"
        if option == "ro":
            said = agent.refusal("lock", directory=str(place / "base"), text="x", seconds=0)[1]
            assert said.startswith(f"{place}/base is on a read-only file system; mount it for writing")
    finally:
        subprocess.run(["umount", str(place)], check=True)


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


def port_state(host: str, port: int, *own: int) -> tuple[str, str, bool]:
    found = survey.probe_port(host, port, own)
    return found.word, found.holder, found.local


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::"])
def test_a_port_that_is_free(host: str) -> None:
    assert port_state(host, free_port()) == ("free", "", True)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::"])
def test_a_port_that_is_taken(taken: socket.socket, host: str) -> None:
    with open("/proc/self/comm") as file:
        name = file.read().strip()
    assert port_state(host, port_of(taken)) == ("taken", f"{name} (pid {os.getpid()})", True)


def test_a_port_that_is_ours(taken: socket.socket) -> None:
    assert port_state("127.0.0.1", port_of(taken), os.getpid()) == ("ours", "", True)
    assert port_state("127.0.0.1", port_of(taken), 1)[0] == "taken"


def test_a_port_of_a_program_that_listens_everywhere() -> None:
    with socket.socket(socket.AF_INET6) as made:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(("::", 0))
        made.listen()
        assert port_state("127.0.0.1", port_of(made))[0] == "taken"
        assert port_state("127.0.0.1", port_of(made), os.getpid())[0] == "ours"


def test_another_address_of_the_machine_is_free(taken: socket.socket) -> None:
    assert port_state("127.0.0.2", port_of(taken)) == ("free", "", True)


@pytest.mark.parametrize("reuse", [True, False])
def test_a_port_with_connections_that_are_over(reuse: bool) -> None:
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
    assert port_state("127.0.0.1", port) == (("free", "", True) if reuse else over)


def test_a_port_at_no_address_of_this_machine() -> None:
    assert port_state("192.0.2.1", 5909) == ("unbindable", "192.0.2.1 is no address of this machine", False)


def test_a_port_at_a_name_that_nobody_knows() -> None:
    unknown = "the name nowhere.invalid can't be resolved there"
    assert port_state("nowhere.invalid", 5909) == ("unbindable", unknown, False)


def test_a_port_of_another_user(taken: socket.socket) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    program = f"""
import encodings.idna, os, pwd, sys
sys.path[:0] = {sys.path!r}
from wrpme.bootstrap.agent import survey
os.setuid(2345)
found = survey.probe_port("127.0.0.1", {port_of(taken)}, [])
print(found.word, found.holder)
found = survey.probe_port("127.0.0.1", 1, [])
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
    assert survey._host(text) == host
