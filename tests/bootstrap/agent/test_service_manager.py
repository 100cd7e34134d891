"""Nodes kept by systemd: on a machine with a real one, as root and as a user with a manager of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.agent.agents import DEAF, NODE, PORT, WAITS, Agent
from tests.system.daemons import PATIENCE_SECONDS
from tests.system.systemd_host import USUAL_UNITS, SystemdHost
from wrpme.bootstrap.agent import service_manager
from wrpme.bootstrap.agent.paths import Node
from wrpme.bootstrap.hosts import systemd_unit

UNIT = systemd_unit.unit_name(NODE)
USER, USER_ID = "operator", 2000
BUS = ("dbus.socket", "dbus.service", "systemd-logind.service", "polkit.service")
SIMPLE = "[Service]\nExecStart=/bin/sh {run}\n[Install]\nWantedBy=default.target\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """It has an ordinary user, with a manager of its own."""
    directory = tmp_path_factory.mktemp("systemd")
    for path in (directory, *directory.parents):
        if path.stat().st_mode & 0o5 != 0o5:
            path.chmod(path.stat().st_mode | 0o5)
    with SystemdHost(directory) as made:
        home = directory / "home"
        home.mkdir()
        os.chown(home, USER_ID, USER_ID)
        (directory / "passwd").write_text(
            f"root:x:0:0:root:/root:/bin/bash\nmessagebus:x:100:65534::/:/bin/false\npolkitd:x:101:65534::/:/bin/false\n"
            f"{USER}:x:{USER_ID}:{USER_ID}::{home}:/bin/bash\n"
        )
        made.run("mount", "--bind", str(directory / "passwd"), "/etc/passwd")
        made.run("mkdir", "-p", "/var/lib/systemd")
        made.run("systemctl", "start", f"user@{USER_ID}.service")
        yield made


@pytest.fixture
def base(host: SystemdHost) -> Iterator[Path]:
    """A directory of root's."""
    directory = host.directory / "base"
    yield directory
    host.run("systemctl", "disable", "--now", UNIT, check=False)
    (host.units / UNIT).unlink(missing_ok=True)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "reset-failed")
    shutil.rmtree(directory, ignore_errors=True)


def agent_on(host: SystemdHost, user: str = "root") -> Agent:
    """As SSH would begin it, without a session of systemd's."""
    become = ["setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups"] if user == USER else []
    inside = ["nsenter", "-t", str(host._first_pid), "-m", "-n", "-p", "-u", "-i", "-C", "--wd=/"]
    home = host.directory / "home" if user == USER else host.directory
    return Agent(home, before=[*inside, *become], pythons=["/usr/bin/python3"])


@pytest.fixture
def agent(host: SystemdHost) -> Iterator[Agent]:
    with agent_on(host) as running:
        yield running


def configure(agent: Agent, base: Path, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """A node with a real daemon."""
    directory = f"{base}/nodes/{NODE}"
    run = systemd_unit.run_script(sys.executable, directory, ["-a", f"127.0.0.1:{PORT}", *arguments])
    unit = systemd_unit.unit(NODE, directory, user=False, address=f"127.0.0.1:{PORT}")
    record = {"address": f"127.0.0.1:{PORT}", "service": "system", "release": "1"}
    return agent.call("configure", name=NODE, record=record, run=run, unit=unit)


def idle(agent: Agent, base: Path) -> dict[str, Any]:
    """A node of a user, which can't read this project, so that there is no real daemon."""
    node = f"{base}/nodes/{NODE}"
    run = f"#!/bin/sh\nexec /usr/bin/python3 -c '{WAITS}' wrpme.daemon -r {node}/data\n"
    unit = SIMPLE.format(run=f"{node}/run")
    return agent.call("configure", name=NODE, record={"service": "user"}, run=run, unit=unit)


def show(host: SystemdHost) -> dict[str, str]:
    """The properties of the unit."""
    return dict(line.split("=", 1) for line in host.run("systemctl", "show", UNIT).splitlines() if "=" in line)


def until(agent: Agent, **wanted: Any) -> dict[str, Any]:
    """The state of the node once it is that; a function says whether it is."""
    from time import monotonic, sleep

    end = monotonic() + PATIENCE_SECONDS
    while True:
        state = agent.call("state", name=NODE)
        if all(value(state[name]) if callable(value) else state[name] == value for name, value in wanted.items()):
            return state
        assert monotonic() < end, state
        sleep(0.1)  # each turn asks systemd


def test_names_of_units_are_those_of_the_texts() -> None:
    assert Node("/x", NODE).unit == UNIT


def test_root_has_the_manager_of_the_system(host: SystemdHost, agent: Agent, base: Path) -> None:
    found = agent.look(base)
    assert (found["service"], found["service_reason"]) == ("system", "systemd answers, and this user is root")
    assert found["survives"] is True


def test_the_whole_life_of_a_node(host: SystemdHost, agent: Agent, base: Path) -> None:
    agent.lock(base)
    assert configure(agent, base) == {"changed": True}
    unit = (host.units / UNIT).read_text()
    reloads = host.run("systemctl", "show", "-p", "UnitsLoadFinishTimestampMonotonic")
    assert configure(agent, base) == {"changed": False}
    assert host.run("systemctl", "show", "-p", "UnitsLoadFinishTimestampMonotonic") == reloads
    assert agent.call("start", name=NODE)["started"] is True
    state = until(agent, unit_state="active", pid=lambda pid: pid is not None)
    pid = state["pid"]
    assert agent.call("start", name=NODE) == {"pid": pid, "started": False}
    found = agent.look(base)["nodes"][NODE]
    assert found["unit"] == unit
    assert (found["pid"], found["unit_state"], found["enabled"], found["port"]) == (pid, "active", True, "ours")
    assert agent.refusal("remove", name=NODE, data=True)[1].startswith(f"node {NODE} still runs")

    host.run("kill", "-9", str(pid))
    assert agent.call("start", name=NODE)["started"] in (True, False)
    until(agent, unit_state="active", pid=lambda found: found not in (None, pid))
    assert len([line for line in host.run("ps", "-eo", "args").splitlines() if f"{base}/nodes" in line]) == 1

    stopped = agent.call("stop", name=NODE, seconds=PATIENCE_SECONDS)
    assert (stopped["was_running"], stopped["how"]) == (True, "stopped")
    until(agent, pid=None, unit_state="inactive")
    assert agent.call("stop", name=NODE, seconds=PATIENCE_SECONDS)["was_running"] is False

    assert agent.call("remove", name=NODE, data=True) == {"removed": True, "left": ""}
    assert not (host.units / UNIT).exists()
    assert not (host.units / "multi-user.target.wants").exists()
    assert show(host)["LoadState"] == "not-found"
    assert agent.call("clean") == {"removed": True, "left": ""}
    assert not base.exists()


def test_a_unit_that_was_written_and_no_more_is_made_good(host: SystemdHost, agent: Agent, base: Path) -> None:
    agent.lock(base)
    configure(agent, base)
    host.run("systemctl", "disable", UNIT)
    assert configure(agent, base) == {"changed": True}
    assert agent.look(base)["nodes"][NODE]["enabled"] is True
    with open(host.units / UNIT, "a") as file:
        file.write("# by hand\n")
    assert configure(agent, base) == {"changed": True}
    assert show(host)["NeedDaemonReload"] == "no"
    assert "by hand" not in (host.units / UNIT).read_text()


def test_a_unit_of_somebody_else_is_left_alone(host: SystemdHost, agent: Agent, base: Path) -> None:
    (host.units / UNIT).write_text("[Service]\nExecStart=/bin/true\n")
    agent.lock(base)
    said = agent.refusal("configure", name=NODE, record={"service": "system"}, run="", unit="x")[1]
    assert said == f"/etc/systemd/system/{UNIT} is there already, and not of {base}; move it away, or give another port"
    agent.call("remove", name=NODE, data=True)
    assert (host.units / UNIT).read_text() == "[Service]\nExecStart=/bin/true\n"


def test_why_it_does_not_come_up(host: SystemdHost, agent: Agent, base: Path) -> None:
    agent.lock(base)
    configure(agent, base, ["--nonsense"])
    agent.call("start", name=NODE)
    state = until(agent, unit_state="failed", pid=None)
    assert "nonsense" in state["tail"].splitlines()[-1]
    configure(agent, base)
    agent.call("start", name=NODE)
    until(agent, unit_state="active")


def test_one_that_fails_again_and_again_is_told_and_can_be_started_yet(
    host: SystemdHost, agent: Agent, base: Path
) -> None:
    agent.lock(base)
    run = f"#!/bin/sh\necho 'wrpmed: no luck' >&2\nexit 1 # {base}/nodes/{NODE}/run\n"
    unit = "[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1h\n" + SIMPLE.format(run=f"{base}/nodes/{NODE}/run")
    unit = unit.replace("[Service]", "[Service]\nRestart=always\nRestartSec=10ms\nSyslogIdentifier=wrpmed")
    for _ in range(2):
        agent.call("configure", name=NODE, record={"service": "system"}, run=run, unit=unit)
        agent.call("start", name=NODE)
        state = until(agent, unit_state="failed", tail=bool)  # the journal is written beside it
        assert state["restarts"] >= 1
        assert state["tail"].splitlines()[-1] == "wrpmed: no luck"


def test_what_does_not_listen_is_killed(host: SystemdHost, agent: Agent, base: Path) -> None:
    agent.lock(base)
    node = f"{base}/nodes/{NODE}"
    run = f"#!/bin/sh\nexec /usr/bin/python3 -c '{DEAF}' wrpme.daemon -r {node}/data\n"
    agent.call("configure", name=NODE, record={"service": "system"}, run=run, unit=SIMPLE.format(run=f"{node}/run"))
    agent.call("start", name=NODE)
    while "1" not in host.run("journalctl", "-q", "-o", "cat", "-u", UNIT).splitlines():
        pass
    stopped = agent.call("stop", name=NODE, seconds=0.2)
    assert (stopped["was_running"], stopped["how"]) == (True, "killed")
    assert agent.call("state", name=NODE)["pid"] is None


def test_a_daemon_beside_systemd_is_no_second_one_and_stops_too(host: SystemdHost, agent: Agent, base: Path) -> None:
    agent.lock(base)
    configure(agent, base)
    record = {"service": "process"}
    text = (base / "nodes" / NODE / "run").read_text()
    agent.call("configure", name=NODE, record=record, run=text, unit=None)
    assert not (host.units / UNIT).exists()
    pid = agent.call("start", name=NODE)["pid"]
    configure(agent, base)
    assert agent.call("start", name=NODE) == {"pid": pid, "started": False}
    assert agent.call("stop", name=NODE, seconds=PATIENCE_SECONDS)["how"] == "stopped"


# --- an ordinary user ------------------------------------------------------------------------------------------------


def test_a_user_whose_services_would_end_with_its_session(host: SystemdHost) -> None:
    with agent_on(host, USER) as agent:
        found = agent.look(Path("base"))
    assert found["service"] == "process"
    assert found["service_reason"] == (
        "systemd would end the services of user operator with its last session; to change that, as root: loginctl "
        "enable-linger operator"
    )
    assert (found["linger"], found["survives"]) == (False, True)


def test_a_user_without_a_manager(host: SystemdHost) -> None:
    host.run("systemctl", "stop", f"user@{USER_ID}.service")
    try:
        with agent_on(host, USER) as agent:
            found = agent.look(Path("base"))
    finally:
        host.run("systemctl", "start", f"user@{USER_ID}.service")
    assert found["service"] == "process"
    assert found["service_reason"].startswith("systemd has no manager for user operator (Failed to connect to bus")


@pytest.fixture
def bus(host: SystemdHost) -> Iterator[None]:
    """The machine has logind and polkit, with what Debian allows whom."""
    for name in BUS:
        if not Path(f"{USUAL_UNITS}/{name}").exists():
            pytest.skip(f"there is no {name} here")
        shutil.copy(f"{USUAL_UNITS}/{name}", host.units / name)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", *BUS)
    yield
    host.run("systemctl", "stop", *reversed(BUS))
    for name in BUS:
        (host.units / name).unlink()
    host.run("systemctl", "daemon-reload")


def test_a_user_that_may_turn_lingering_on(host: SystemdHost, bus: None) -> None:
    home = host.directory / "home"
    base = home / "base"
    with agent_on(host, USER) as agent:
        found = agent.look(base)
        assert found["service"] == "user", found["service_reason"]
        assert (found["linger"], found["survives"]) == (False, True)
        agent.lock(base)
        assert idle(agent, base) == {"changed": True}
        assert json.loads((base / "made.json").read_text())["linger"] is True
        found = agent.look(base)
        assert (found["service"], found["linger"]) == ("user", True)
        assert idle(agent, base) == {"changed": False}
        agent.call("start", name=NODE)
        state = until(agent, unit_state="active", pid=lambda pid: pid is not None)
        assert agent.look(base)["nodes"][NODE]["enabled"] is True
    with agent_on(host, USER) as agent:
        agent.lock(base)
        assert agent.call("start", name=NODE) == {"pid": state["pid"], "started": False}
        assert agent.call("stop", name=NODE, seconds=PATIENCE_SECONDS)["how"] == "stopped"
        assert agent.call("remove", name=NODE, data=True) == {"removed": True, "left": ""}
        assert agent.call("clean") == {"removed": True, "left": ""}
        assert agent.look(base)["linger"] is False
    assert list(home.iterdir()) == []


def test_lingering_that_was_on_stays_on(host: SystemdHost, bus: None) -> None:
    base = host.directory / "home" / "base"
    host.run("loginctl", "enable-linger", USER)
    host.run("systemctl", "start", f"user@{USER_ID}.service")
    try:
        with agent_on(host, USER) as agent:
            found = agent.look(base)
            assert (found["service"], found["linger"]) == ("user", True)
            agent.lock(base)
            idle(agent, base)
            agent.call("remove", name=NODE, data=True)
            agent.call("clean")
            assert agent.look(base)["linger"] is True
    finally:
        host.run("loginctl", "disable-linger", USER)


# --- no systemd ------------------------------------------------------------------------------------------------------


def test_without_systemd(tmp_path: Path) -> None:
    if os.path.isdir(service_manager.SYSTEMD):
        pytest.skip("this machine has one")
    with Agent(tmp_path) as agent:
        found = agent.look(tmp_path)
    assert (found["service"], found["service_reason"]) == ("process", "this machine has no systemd")


def test_a_command_that_hangs_or_is_not_there() -> None:
    assert service_manager.run(["/nowhere/systemctl"]) == (-1, "there is no command /nowhere/systemctl")
    assert service_manager.run(["sleep", "60"], 0.05) == (-1, "it did not answer within 0.05 s")
    assert service_manager.run(["sh", "-c", "echo one; echo two >&2; exit 3"]) == (3, "one\ntwo")
    with socket.socket() as made:
        status, names = service_manager.run(["ls", "/proc/self/fd"])
        assert status == 0
        assert str(made.fileno()) not in names.split()
