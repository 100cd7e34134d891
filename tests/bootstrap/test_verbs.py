"""From the words of a command to what an operator reads at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bootstrap.fleet_parts import Shown
from tests.bootstrap.plan_parts import topology
from wrpme.bootstrap import verbs
from wrpme.bootstrap.fleet import Fleet
from wrpme.bootstrap.topology_file import parse
from wrpme.errors import ConnectionError, RemoteError, UsageError
from wrpme.limits import TOPOLOGY_BYTES_MAX
from wrpme.view import Condition


def run(name: str, *words: str) -> list[str]:
    shown: list[str] = []

    async def members() -> Sequence[str]:
        raise ConnectionError("127.0.0.1:5909 (connection refused)")

    asyncio.run(verbs.run(name, words, Shown(), shown.append, members))
    return shown


def test_the_example_is_a_topology() -> None:
    (text,) = run("hive_plan", "--example")
    assert parse(text, "example").nodes


def test_files_that_are_none(tmp_path: Path) -> None:
    def refused(content: bytes | None, what: str) -> None:
        path = tmp_path / "hive.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UsageError, match=what):
            run("hive_plan", str(path))

    refused(None, "can't be read .No such file or directory.; hive_plan --example prints one")
    refused(b"\xff", "is no UTF-8 text")
    refused(b"#" * (TOPOLOGY_BYTES_MAX + 1), "is it the right one")
    refused(b"[[node]]\nhost = 3\n", "hive.toml")
    with pytest.raises(UsageError, match="Is a directory"):
        run("hive_plan", str(tmp_path))


def test_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "hive.toml").write_text('[[node]]\nhost = "a"\naddress = "10.0.0.1:5909"\n')
    assert len(verbs.read_topology("~/hive.toml").nodes) == 1


def test_logs_of_a_node_that_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "hive.toml"
    path.write_text('[[node]]\nhost = "a"\naddress = "10.0.0.1:5909"\n')
    with pytest.raises(UsageError, match=r"--node 10\.0\.0\.1:5908 is not in .*; did you mean 10\.0\.0\.1:5909\?"):
        run("hive_logs", str(path), "--node", "10.0.0.1:5908")


def test_a_node_needs_a_hive_to_join() -> None:
    with pytest.raises(UsageError, match=r"none answers .*; name a node of it with --peer"):
        run("node_start", "host", "-a", "10.0.0.1:5909")


def test_the_summary_has_all_hosts_and_how_the_hive_is() -> None:
    async def test() -> str:
        async with Fleet(topology(2).hosts, Shown()) as fleet:
            fleet.machines[0].finish("10.0.0.1:5909 founded the hive")
            fleet.machines[0].seconds = 2.04
            fleet.machines[1].fail(RemoteError("10.0.0.2: no route"))
            fleet.machines[1].seconds = 10.0
            return verbs.summary(fleet, Condition("stable", "1 node is up"))

    assert asyncio.run(test()).splitlines() == [
        "HOST        TIME  RESULT",
        "10.0.0.1   2.0 s  10.0.0.1:5909 founded the hive",
        "10.0.0.2  10.0 s  failed: no route",
        "the hive is stable: 1 node is up",
    ]
