"""Machines with nothing but sshd and Debian's Python become a hive and grow; cut off at any step, the same command goes
on from there."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.bootstrap.hives import PRIVATE, Operator, daemons, modes
from tests.bootstrap.ssh_hosts import SshHosts

OWN = ("log", "data", "out")
"""What a node that runs writes itself, in its directory."""
CUTS = (
    (("looking", 1), ("sending", 1), ("installing", 1)),
    (("configuring", 2), ("waiting", 2)),
    (("starting", 1), ("192", 1)),
)
"""Where one run after the other is cut off: the first word of a line, and the host that has it. These are all lines
that a host has, the last one tells the result; after each cut its host surely has the next line yet."""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Operator]:
    directory = tmp_path_factory.mktemp("apply")
    with SshHosts(directory / "hosts", 4) as hosts:
        yield Operator(hosts, directory, cache=bundles)


def made(operator: Operator, number: int) -> dict[str, str]:
    """Every file of that host, but for what its node writes itself."""
    return {path: what for path, what in operator.hosts.files(number).items() if not _is_own(path)}


def _is_own(path: str) -> bool:
    _, nodes, rest = path.partition("/nodes/")
    return bool(nodes) and rest.partition("/")[2].split("/")[0] in OWN


def test_from_bare_machines_to_a_hive_that_grows(operator: Operator) -> None:
    hosts = operator.hosts
    two = (1, 2)
    bare = {number: hosts.files(number) for number in hosts.numbers}
    file = operator.topology(two)
    planned = operator.wrpmesh("hive_plan", file).ok()
    assert planned.out.count("founds the hive") == 1
    assert planned.out.count("joins the hive") == 1
    fourth = f"{hosts.addresses[3]}:5909"
    start_fourth = ("node_start", f"root@{hosts.addresses[3]}", "-a", fourth)
    assert "none answers" in operator.on(1, *start_fourth).failed()
    assert {number: hosts.files(number) for number in hosts.numbers} == bare, "a plan changes nothing"

    applied = operator.wrpmesh("hive_apply", file).ok()
    assert "the hive is stable: all 2 nodes are up" in applied.out, applied
    operator.on(1, "put", "entry", "thisismyentry").ok()
    assert operator.on(2, "get", "entry").ok().out == "thisismyentry"

    files = {number: made(operator, number) for number in two}
    processes = {number: daemons(hosts, number) for number in two}
    again = operator.wrpmesh("hive_apply", file).ok()
    assert again.err.count("nothing to do") == 2
    assert {number: made(operator, number) for number in two} == files
    assert {number: daemons(hosts, number) for number in two} == processes

    wider = operator.topology((1, 2, 3))
    grown = operator.wrpmesh("hive_apply", wider).ok()
    assert "all 3 nodes are up" in grown.out, grown
    assert {number: daemons(hosts, number) for number in two} == processes, "those that were there go on"
    assert {number: made(operator, number) for number in two} == files
    assert operator.on(3, "get", "entry").ok().out == "thisismyentry"
    assert modes(hosts, 1) == PRIVATE

    changed = operator.topology((1, 2, 3), "options = { grace = 30 }")
    restarted = operator.wrpmesh("hive_apply", changed).ok()
    assert restarted.err.count("restarted with other options") == 3
    config = operator.on(1, "node_config", f"{hosts.addresses[2]}:5909").ok().out
    assert json.loads(config)["grace"] == {"value": 30.0, "origin": "command line"}

    added = operator.on(1, *start_fourth, "--grace", "30").ok()
    assert modes(hosts, 4) == PRIVATE
    assert "all 4 nodes are up" in added.out, added
    assert fourth in operator.on(1, "hive_status").ok().out
    operator.wrpmesh("hive_destroy", operator.topology((1, 2, 3, 4)), "--yes").ok()
    assert {number: hosts.files(number) for number in hosts.numbers} == bare
    hosts.until_idle()


def test_two_operators_are_held_apart(operator: Operator) -> None:
    hosts = operator.hosts
    file = operator.topology((1,))
    first = _Cut(operator, file, hosts.addresses[0], "installing")
    first.hold()
    second = operator.wrpmesh("hive_apply", operator.topology((1,), name="second.toml"))
    first.kill()
    assert second.failed().startswith("locked: 192.168.1.1: "), second
    assert "hive_apply" in second.failed()
    operator.wrpmesh("hive_apply", file).ok()
    operator.wrpmesh("hive_destroy", file, "--yes").ok()


@pytest.mark.parametrize("cuts", CUTS, ids=lambda cuts: "-".join(step for step, _ in cuts))
def test_killed_at_any_step_it_is_finished_by_the_next_run(operator: Operator, cuts: Sequence[tuple[str, int]]) -> None:
    hosts = operator.hosts
    file = operator.topology((1, 2))
    with _Watch(operator, (1, 2)) as watch:
        for step, number in cuts:
            _Cut(operator, file, hosts.addresses[number - 1], step).kill()
        applied = operator.wrpmesh("hive_apply", file).ok()
        assert "all 2 nodes are up" in applied.out, applied
        operator.on(1, "update", "entry", "content").ok()
        assert operator.on(2, "get", "entry").ok().out == "content"
    assert watch.most == 1, "there was a second daemon"
    assert "nothing to do: all" in operator.wrpmesh("hive_plan", file).ok().out
    operator.wrpmesh("hive_destroy", file, "--yes").ok()
    hosts.until_idle(1, 2)


class _Cut:
    """An application that is stopped as soon as a host is at a step."""

    def __init__(self, operator: Operator, file: str, host: str, step: str) -> None:
        reading, said = os.pipe()
        with open(os.devnull, "r+b") as nothing:
            self._process = operator.start(("hive_apply", file), (nothing.fileno(), nothing.fileno(), said))
        os.close(said)
        self._said = os.fdopen(reading)
        seen: list[str] = []
        for line in self._said:
            seen.append(line)
            if line.startswith(f"{host}: {step}"):
                return
        raise AssertionError(f"{host} was never at {step}: {''.join(seen)}")

    def hold(self) -> None:
        """SIGSTOP: it holds its lock."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()
        self._said.close()


class _Watch:
    """How many daemons there were at most on any of these hosts, while something went on."""

    def __init__(self, operator: Operator, numbers: tuple[int, ...]) -> None:
        self._hosts = operator.hosts
        self._numbers = numbers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.most = 0

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            self.most = max([self.most, *(len(daemons(self._hosts, number)) for number in self._numbers)])
