"""Units and scripts as text; scripts are run by a real shell. What systemd makes of them is in test_systemd.py."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from wrpme.bootstrap.agent.paths import Base
from wrpme.bootstrap.hosts import systemd_unit
from wrpme.bootstrap.limits import NODE_STOP_SECONDS
from wrpme.errors import UsageError

DIRECTORY = "/var/lib/wrpme/nodes/10.0.0.1-5909"
AWKWARD = 'it\'s a "node" at 100 % of $HOME \\ `x` ;é'


def unit(directory: str = DIRECTORY, *, user: bool = False, address: str = "10.0.0.1:5909") -> str:
    return systemd_unit.unit("10.0.0.1-5909", directory, user=user, address=address)


def settings(text: str) -> dict[str, str]:
    """The lines of a unit; no setting is there twice."""
    pairs = [line.split("=", 1) for line in text.splitlines() if line and line[0] not in "#["]
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def test_the_name_is_the_agents() -> None:
    assert systemd_unit.unit_name("10.0.0.1-5909") == "wrpme-10.0.0.1-5909.service"
    assert Base("/base").node("10.0.0.1-5909").unit == systemd_unit.unit_name("10.0.0.1-5909")


def test_of_the_system() -> None:
    found = settings(unit())
    assert found["Type"] == "notify"
    assert found["NotifyAccess"] == "main"
    assert found["ExecStart"] == f'/bin/sh "{DIRECTORY}/run"'
    assert found["ReadWritePaths"] == found["RequiresMountsFor"] == f'"{DIRECTORY}"'
    assert found["TimeoutStartSec"] == "infinity", "it may have to wait for its hive"
    assert float(found["TimeoutStopSec"]) == NODE_STOP_SECONDS
    assert found["Restart"] == "on-failure"
    assert found["RestartPreventExitStatus"] == "2"
    assert found["ProtectSystem"] == "strict"
    assert found["PrivateTmp"] == "yes"
    assert found["CapabilityBoundingSet"] == "CAP_DAC_OVERRIDE"
    assert found["WantedBy"] == "multi-user.target"
    assert "User" not in found


def test_of_a_user() -> None:
    system, user = settings(unit()), settings(unit(user=True))
    assert user["WantedBy"] == "default.target"
    assert user["NoNewPrivileges"] == "yes"
    assert user["WatchdogSec"] == system["WatchdogSec"]
    for name in ("ProtectSystem", "PrivateTmp", "PrivateDevices", "CapabilityBoundingSet", "ReadWritePaths", "After"):
        assert name in system
        assert name not in user, "the manager of a user can't do that, or has no such unit"


def test_a_low_port_needs_a_capability() -> None:
    assert settings(unit(address="[::1]:80"))["CapabilityBoundingSet"] == "CAP_DAC_OVERRIDE CAP_NET_BIND_SERVICE"
    assert settings(unit(address="h:1024"))["CapabilityBoundingSet"] == "CAP_DAC_OVERRIDE"


def test_a_directory_that_private_tmp_would_hide() -> None:
    assert "PrivateTmp" not in settings(unit("/tmp/hive/nodes/n"))
    assert "PrivateTmp" not in settings(unit("/var/tmp/hive/nodes/n"))
    assert "PrivateTmp" in settings(unit("/tmpfs/hive/nodes/n"))


def test_what_is_special_to_systemd_is_escaped() -> None:
    found = settings(unit('/a b/%n/$x/"q"/\\', address="[fe80::1%eth0]:5909"))
    assert found["Description"] == "wrpme node [fe80::1%%eth0]:5909"
    assert found["ReadWritePaths"] == '"/a b/%%n/$x/\\"q\\"/\\\\"'
    assert found["ExecStart"] == '/bin/sh "/a b/%%n/$$x/\\"q\\"/\\\\/run"'


@pytest.mark.parametrize("directory", ["relative", "/two\nlines", "/bell\a"])
def test_a_directory_that_no_unit_can_name(directory: str) -> None:
    with pytest.raises(UsageError, match="can't be the directory of a node"):
        unit(directory)
    with pytest.raises(UsageError, match="can't be the directory of a node"):
        systemd_unit.run_script("/usr/bin/python3", directory, [])


def test_the_agent_finds_its_unit_by_the_path_of_its_script() -> None:
    for directory in (DIRECTORY, f"/var/lib/{AWKWARD}/nodes/n"):
        assert f"{directory}/run" in unit(directory)


def run(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    (directory / "run").write_text(script)
    return subprocess.run(["/bin/sh", directory / "run"], capture_output=True, text=True, check=False)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / AWKWARD
    made.mkdir()
    return made


def test_the_script_becomes_the_daemon(directory: Path) -> None:
    python = directory / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" $$ "$PWD" "$@"\n')
    python.chmod(0o755)
    given = ["-a", "[::1]:5909", "--peer", "a b", "--log-level", "$HOME"]
    done = run(systemd_unit.run_script(str(python), str(directory), given), directory)
    pid, where, *words = done.stdout.splitlines()
    assert words == [
        *["-I", "-B", "-m", "wrpme.daemon"], *given, "-r", f"{directory}/data", "-l", f"{directory}/log",
    ]  # fmt: skip
    assert (directory / "pid").read_text() == f"{pid}\n"
    assert where == "/"
    assert done.stderr == ""


def test_a_pid_file_that_can_not_be_written_keeps_no_node_down(directory: Path) -> None:
    (directory / "pid").mkdir()
    done = run(systemd_unit.run_script("/bin/echo", str(directory), ["-a", "h:1"]), directory)
    assert done.returncode == 0
    assert done.stdout.startswith("-I -B -m wrpme.daemon -a h:1")
    assert "pid" in done.stderr


def test_the_script_names_what_the_agent_looks_for() -> None:
    """Processes of a node are found by these words."""
    line = systemd_unit.run_script("/base/versions/1/bin/python", DIRECTORY, ["-a", "h:1"]).splitlines()[-1]
    words = shlex.split(line)[1:]
    assert words[0] == "/base/versions/1/bin/python"
    assert "wrpme.daemon" in words
    assert Base("/var/lib/wrpme").node("10.0.0.1-5909").data in words
