"""A machine as it is, and left as it is."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import NODE, PORT, Agent, files_in, wait_for


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
