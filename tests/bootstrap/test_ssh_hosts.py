"""The hosts of the tests are what they are said to be: bare, apart from each other, and gone at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.ssh_hosts import CLIENT_ADDRESS, USER, SshHosts
from tests.system.daemons import ROOT


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    with SshHosts(tmp_path_factory.mktemp("hosts"), 2) as made:
        yield made


def ssh_words(hosts: SshHosts, target: str, command: str) -> list[str]:
    files = hosts.home / ".ssh"
    options = ["-F", "none", "-o", "BatchMode=yes", "-i", str(files / "id_ed25519")]
    options += ["-o", f"UserKnownHostsFile={files / 'known_hosts'}", "-o", "StrictHostKeyChecking=yes"]
    return ["ssh", *options, target, command]


def ssh(hosts: SshHosts, target: str, command: str) -> subprocess.CompletedProcess[str]:
    words = hosts.client_command(ssh_words(hosts, target, command))
    return subprocess.run(words, env=hosts.environment(), capture_output=True, text=True, timeout=60, check=False)


def test_a_bare_machine(hosts: SshHosts) -> None:
    report = "hostname; id -un; echo $HOME; command -v python3; echo $SSH_CLIENT; ls -A ~ /var/lib; touch /usr/new"
    lines = ssh(hosts, "root@192.168.1.1", report)
    assert lines.stdout.splitlines()[:4] == ["host1", "root", "/root", "/usr/bin/python3"]
    assert lines.stdout.splitlines()[4].startswith(f"{CLIENT_ADDRESS} ")
    assert lines.stdout.splitlines()[5:] == ["/root:", "", "/var/lib:"]
    assert "Read-only" in lines.stderr
    assert ssh(hosts, f"{USER}@192.168.1.2", "hostname; id -un; touch ~/a; ls ~").stdout.split() == ["host2", USER, "a"]
    assert hosts.path(2, f"/home/{USER}/a").exists()


def test_files_and_processes(hosts: SshHosts) -> None:
    before = hosts.files(1)
    ssh(hosts, "root@192.168.1.1", "echo x > /var/lib/x; setsid --fork sleep 1000 <&- >/dev/null 2>&1")
    assert set(hosts.files(1)) - set(before) == {"/var/lib/x"}
    ((pid, line),) = hosts.processes(1).items()
    assert line.endswith("sleep 1000")
    assert hosts.processes(2) == {}
    hosts.kill(1, pid)
    assert "sleep" not in hosts.run(1, "ps", "-eo", "args"), "who is left to the first process is buried"
    hosts.run(1, "rm", "/var/lib/x")
    assert hosts.files(1) == before


def test_its_sshd(hosts: SshHosts) -> None:
    hosts.stop_sshd(1)
    assert "Connection refused" in ssh(hosts, "root@192.168.1.1", "true").stderr
    hosts.start_sshd(1)
    assert ssh(hosts, "root@192.168.1.1", "true").returncode == 0
    hosts.replace_host_key(1)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in ssh(hosts, "root@192.168.1.1", "true").stderr
    hosts.trust_all()
    assert ssh(hosts, "root@192.168.1.1", "true").returncode == 0


def test_what_can_be_wrong(hosts: SshHosts) -> None:
    hosts.hide_python(1)
    assert ssh(hosts, "root@192.168.1.1", "python3 -V").returncode in (126, 127)
    hosts.usual_python(1)
    hosts.old_python(1)
    for command in ("python3 -V", "python3 -Ic 'import sys; print(*sys.version_info[:3])'"):
        assert "3 9 2" in ssh(hosts, "root@192.168.1.1", command).stdout.replace(".", " ")
    hosts.usual_python(1)
    assert ssh(hosts, "root@192.168.1.1", "python3 -c 'import sys; assert sys.version_info >= (3, 11)'").returncode == 0
    hosts.small_disk(1, 64)
    assert "No space" in ssh(hosts, "root@192.168.1.1", "head -c 100000 /dev/zero > /var/lib/big").stderr
    hosts.usual_disk(1)


def test_connections_are_dropped(hosts: SshHosts) -> None:
    program = "echo here; exec sleep 1000"
    words = hosts.client_command(ssh_words(hosts, "root@192.168.1.2", program))
    with subprocess.Popen(words, env=hosts.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"here\n"
        hosts.drop_connections(2)
        assert running.wait(60) == 255
    assert ssh(hosts, "root@192.168.1.2", "true").returncode == 0


def test_nothing_is_left(tmp_path: Path) -> None:
    """Of hosts that were made and used in vain."""
    program = f"""
from pathlib import Path
from tests.bootstrap.ssh_hosts import SshHosts
with SshHosts(Path({str(tmp_path)!r}), 1) as hosts:
    print(hosts.network.name("1"), hosts._first_pid[1], flush=True)
    hosts.run(1, "sh", "-c", "setsid --fork sleep 1000 <&- >/dev/null 2>&1")
    raise SystemExit(3)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    name, pid = done.stdout.split()
    assert not Path(f"/run/netns/{name}").exists()
    assert not Path(f"/proc/{pid}").exists()
