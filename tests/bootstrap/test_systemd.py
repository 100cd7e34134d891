"""What a real systemd makes of the units of nodes, and what nodes make of a real systemd."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.ssh_hosts import USER, USER_ID, SshHosts
from tests.system.daemons import ROOT
from tests.system.systemd_host import USER_MANAGER_RUNS, SystemdHost
from wrpme.bootstrap.hosts.systemd_unit import SHARED
from wrpme.bootstrap.hosts import systemd_unit

AWKWARD = 'it\'s a "node" at 100 % of $HOME \\ `x` ;é'
FIRST, SECOND = "127.0.0.1:5909", "127.0.0.1:5910"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    with SystemdHost(tmp_path_factory.mktemp("systemd")) as made:
        yield made


class Node:
    """A node as bootstrap makes it; ``changes`` are settings of its unit that are others here."""

    def __init__(
        self, host: SystemdHost, name: str, *arguments: str, user: bool = False, where: str = "", **changes: str
    ) -> None:
        self.host = host
        self.directory = host.directory / (where or name)
        self.directory.mkdir()
        self.unit = systemd_unit.unit_name(name)
        self.manager = USER_MANAGER_RUNS if user else ()
        script = systemd_unit.run_script(sys.executable, str(self.directory), arguments)
        (self.directory / "run").write_text(script)
        if user:
            host.run("systemctl", "start", "user@0.service")
        text = systemd_unit.unit(name, str(self.directory), user=user, address=FIRST)
        for setting, value in changes.items():
            text, count = re.subn(rf"(?m)^{setting}=.*$", f"{setting}={value}", text)
            assert count == 1
        self.path = (host.user_units if user else host.units) / self.unit
        self.path.write_text(text)
        self.systemctl("daemon-reload")

    def systemctl(self, *words: str) -> str:
        return self.host.run(*self.manager, "systemctl", *(["--user"] if self.manager else []), *words)

    def start(self) -> None:
        """Returns when systemd has heard that it is ready."""
        self.systemctl("start", self.unit)

    def show(self) -> dict[str, str]:
        lines = self.systemctl("show", self.unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def until(self, **properties: str) -> dict[str, str]:
        """Until systemd shows these; all that it shows then."""
        shown: dict[str, str] = {}

        def reached() -> bool:
            shown.update(self.show())
            return all(re.fullmatch(value, shown.get(name, "")) for name, value in properties.items())

        self.host.until(f"{self.unit} is {properties}", reached)
        return shown

    def end(self) -> None:
        """It is gone, and its unit is."""
        if self.show()["MainPID"] != "0":
            self.systemctl("kill", "--signal=KILL", self.unit)
        self.systemctl("stop", self.unit)
        self.path.unlink()
        self.systemctl("daemon-reload")
        self.systemctl("reset-failed")


@pytest.fixture
def nodes(host: SystemdHost) -> Iterator[Nodes]:
    made = Nodes(host)
    yield made
    for node in made.made:
        node.end()


class Nodes:
    """Those of one test, in directories of this name."""

    numbers = 0

    def __init__(self, host: SystemdHost) -> None:
        self.host = host
        self.made: list[Node] = []

    def make(self, *arguments: str, user: bool = False, where: str = "", **changes: str) -> Node:
        Nodes.numbers += 1
        self.made.append(Node(self.host, f"node-{Nodes.numbers}", *arguments, user=user, where=where, **changes))
        return self.made[-1]


def wrpmesh(host: SystemdHost, *words: str) -> str:
    return host.run(sys.executable, "-I", "-m", "wrpme.cli", "--daemon", FIRST, *words)


# --- the texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["plain", AWKWARD])
def test_systemd_finds_no_fault(nodes: Nodes, where: str) -> None:
    for user in (False, True):
        node = nodes.make("-a", FIRST, where=f"{where}-{user}", user=user)
        assert nodes.host.run("systemd-analyze", "verify", "--man=no", str(nodes.host.inside(node.path))) == ""


def test_exposure(nodes: Nodes) -> None:
    """By systemd's own count: 0 is none, 10 is all."""
    node = nodes.make("-a", FIRST)
    path = str(nodes.host.inside(node.path))
    said = nodes.host.run("systemd-analyze", "security", "--no-pager", "--offline=true", path)
    found = re.search(r"Overall exposure level for .*: (\d+\.\d)", said)
    assert found is not None, said
    print(found.group(0))
    assert float(found.group(1)) < 4.0


# --- from the start to the end ---------------------------------------------------------------------------------------


def test_a_node_is_active_when_it_serves_and_stays_down_when_it_leaves(nodes: Nodes) -> None:
    joining = nodes.make("-a", SECOND, "--peer", FIRST, RestartSec="0")
    joining.systemctl("start", "--no-block", joining.unit)
    joining.until(ActiveState="activating", StatusText=f"waiting for a hive at {FIRST}")
    founder = nodes.make("-a", FIRST)
    founder.start()
    assert founder.show()["ActiveState"] == "active"
    joining.until(ActiveState="active", StatusText="stable: all 2 nodes are up and every arc has its copies")
    shown = joining.show()
    assert (joining.directory / "pid").read_text() == f"{shown['MainPID']}\n"
    wrpmesh(nodes.host, "put", "a", "content")
    founder.systemctl("stop", founder.unit)
    joining.until(StatusText=f"degraded: {FIRST} down.*")
    founder.start()
    assert wrpmesh(nodes.host, "get", "a") == "content"
    wrpmesh(nodes.host, "leave", SECOND)
    shown = joining.until(ActiveState="inactive")
    assert (shown["Result"], shown["NRestarts"]) == ("success", "0")


def test_a_node_in_an_awkward_directory_sees_what_it_needs_and_no_more(nodes: Nodes) -> None:
    """By its own mounts: it can write to its directory, and to nothing beside it."""
    node = nodes.make("-a", FIRST, where=AWKWARD)
    node.start()
    assert (node.directory / "data").is_dir()
    assert "serving at" in (node.directory / "log").read_text()
    assert (node.directory / "data").stat().st_mode & 0o077 == 0
    pid = node.show()["MainPID"]
    within = ("nsenter", "-t", pid, "-m", "--")
    nodes.host.run(*within, "touch", f"{node.directory}/here")
    for path in (nodes.host.directory, "/tmp"):
        nodes.host.run("touch", f"{path}/there")
        assert "Read-only" in nodes.host.run(*within, "touch", f"{path}/not-there", check=False)
    status = nodes.host.run("cat", f"/proc/{pid}/status")
    assert re.search(r"CapEff:\t0+2\n", status), "CAP_DAC_OVERRIDE alone"
    assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_a_node_that_is_killed_is_started_again_and_stays_down_by_request(nodes: Nodes, user: bool) -> None:
    node = nodes.make("-a", FIRST, user=user, RestartSec="0")
    node.start()
    wrpmesh(nodes.host, "put", "a", "content")
    before = node.show()["MainPID"]
    nodes.host.run("kill", "-9", before)
    after = node.until(NRestarts="1", ActiveState="active")["MainPID"]
    assert after != before
    assert wrpmesh(nodes.host, "get", "a") == "content"
    wrpmesh(nodes.host, "stop_node", FIRST)
    shown = node.until(ActiveState="inactive")
    assert (shown["Result"], shown["NRestarts"], shown["ExecMainStatus"]) == ("success", "0", "0")


def test_a_node_that_hangs_is_started_again(nodes: Nodes) -> None:
    node = nodes.make("-a", FIRST, RestartSec="0", WatchdogSec="1")
    node.start()
    pid = node.show()["MainPID"]
    nodes.host.run("kill", "-STOP", pid)
    shown = node.until(NRestarts="1", ActiveState="active")
    assert shown["MainPID"] != pid
    said = nodes.host.run("journalctl", "--no-pager", "-u", node.unit)
    assert "Watchdog timeout" in said
    assert re.search(r"wrpmed\[\d+\]: Fatal Python error: Aborted", said), "it says where it hung"
    assert "(core dumped)" not in said
    killed = said.count("Killing process")
    node.systemctl("stop", node.unit)
    shown = node.show()
    assert (shown["ActiveState"], shown["Result"], shown["NRestarts"]) == ("inactive", "success", "0")
    assert nodes.host.run("journalctl", "--no-pager", "-u", node.unit).count("Killing process") == killed


def test_a_wrong_command_line_is_tried_once(nodes: Nodes) -> None:
    node = nodes.make("-a", FIRST, "--pear", SECOND, RestartSec="0")
    node.systemctl("start", "--no-block", node.unit)
    shown = node.until(ActiveState="failed")
    assert (shown["Result"], shown["ExecMainStatus"], shown["NRestarts"]) == ("exit-code", "2", "0")
    assert "did you mean --peer?" in nodes.host.run("systemctl", "status", "--no-pager", node.unit, check=False)


def test_what_may_pass_is_tried_again_and_not_for_ever(nodes: Nodes) -> None:
    first = nodes.make("-a", FIRST)
    first.start()
    second = nodes.make("-a", FIRST, RestartSec="0", StartLimitBurst="3")
    second.systemctl("start", "--no-block", second.unit)
    shown = second.until(ActiveState="failed", SubState="failed", NRestarts="3")
    assert shown["ExecMainStatus"] == "1"
    said = nodes.host.run("journalctl", "--no-pager", "-u", second.unit)
    assert said.count(f"{FIRST} is in use by another process") == 3
    assert "Start request repeated too quickly" in said


def test_a_node_begins_at_the_start_of_the_machine(nodes: Nodes) -> None:
    node = nodes.make("-a", FIRST)
    node.systemctl("enable", node.unit)
    assert "multi-user.target" in node.show()["WantedBy"]
    node.systemctl("disable", node.unit)


@pytest.fixture
def by_hand(host: SystemdHost) -> Iterator[Path]:
    """The unit in deploy/systemd, with the file of options in the documents; what it runs as is another user."""
    unit = (ROOT / "deploy" / "systemd" / "wrpmed.service").read_text()
    reading = "CAP_DAC_READ_SEARCH"  # the Python of the tests may be in a home that is root's alone
    others = {
        "CapabilityBoundingSet=\n": f"CapabilityBoundingSet={reading}\nAmbientCapabilities={reading}\n",
        "User=wrpmed": "User=daemon",
        "Group=wrpmed": "Group=daemon",
        "/opt/wrpme/bin/wrpmed": "/run/wrpmed",
        "/etc/wrpme/wrpmed.toml": "/run/wrpmed.toml",
    }
    if str(ROOT).startswith(SHARED) or sys.prefix.startswith(SHARED):
        others["PrivateTmp=yes\n"] = ""  # else the unit would not see what it runs
    for word, other in others.items():
        assert unit.count(word) == 1
        unit = unit.replace(word, other)
    block = re.search(r"## Under systemd.*?```toml\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
    assert block is not None
    script = f'#!/bin/sh\nexec {sys.executable} -I -B -m wrpme.daemon "$@"'
    for file, text in (("/run/wrpmed", script), ("/run/wrpmed.toml", block[1].replace("192.168.1.", "127.0.0."))):
        host.run("sh", "-c", 'printf "%s\n" "$1" > "$0" && chmod 755 "$0"', file, text)
    path = host.units / "wrpmed.service"
    path.write_text(unit)
    host.run("systemctl", "daemon-reload")
    yield path
    host.run("systemctl", "disable", "--now", "wrpmed")
    path.unlink()


def test_the_unit_in_the_documents(nodes: Nodes, by_hand: Path) -> None:
    """It runs as a user without any right, who writes to the directory that systemd makes for it and nowhere else."""
    run = nodes.host.run
    assert run("systemd-analyze", "verify", "--man=no", str(nodes.host.inside(by_hand))) == ""
    run("systemctl", "enable", "--now", "--no-block", "wrpmed")
    waiting = f'Status: "waiting for a hive at {FIRST}, 127.0.0.3:5909"'
    nodes.host.until(waiting, lambda: waiting in run("systemctl", "status", "--no-pager", "wrpmed", check=False))
    nodes.make("-a", FIRST).start()
    nodes.host.until("wrpmed is active", lambda: run("systemctl", "is-active", "wrpmed", check=False) == "active")
    stable = 'Status: "stable: all 2 nodes are up and every arc has its copies"'
    nodes.host.until(stable, lambda: stable in run("systemctl", "status", "--no-pager", "wrpmed", check=False))
    made = run("stat", "-c", "%U %a", "/var/lib/wrpmed", "/var/lib/wrpmed/log")
    assert made.splitlines() == ["daemon 700", "daemon 640"]
    run("sh", "-c", "echo 'grace = 30' >> /run/wrpmed.toml")
    run("systemctl", "reload", "wrpmed")
    log = "the configuration was read again: grace is 30"
    nodes.host.until(log, lambda: log in run("cat", "/var/lib/wrpmed/log"))
    said = run("systemd-analyze", "security", "--no-pager", "--offline=true", str(nodes.host.inside(by_hand)))
    found = re.search(r"Overall exposure level for .*: (\d+\.\d)", said)
    assert found is not None and float(found[1]) < 3.0, said


def test_a_machine_with_an_sshd_too(tmp_path: Path) -> None:
    with SshHosts(tmp_path, 1, systemd=True) as hosts:
        hosts.start_user_manager(1)
        ssh = ["ssh", "-o", f"UserKnownHostsFile={hosts.home}/.ssh/known_hosts", "-i", f"{hosts.home}/.ssh/id_ed25519"]
        for user, words in (("root", "systemctl"), (USER, f"XDG_RUNTIME_DIR=/run/user/{USER_ID} systemctl --user")):
            command = hosts.client_command([*ssh, f"{user}@{hosts.addresses[0]}", f"{words} is-system-running"])
            assert subprocess.run(command, capture_output=True, check=True).stdout == b"running\n"
