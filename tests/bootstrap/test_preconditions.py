"""What would keep hive_apply from its work is told by hive_check and hive_plan before, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.hives import PORT, Operator
from tests.bootstrap.ssh_hosts import SshHosts

SFTP = "its SSH server has no SFTP, which files are sent by; give it one (in sshd_config: Subsystem sftp internal-sftp)"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Operator]:
    directory = tmp_path_factory.mktemp("preconditions")
    with SshHosts(directory / "hosts", 2) as hosts:
        yield Operator(hosts, directory, cache=bundles)


def told(operator: Operator, file: str) -> set[str]:
    """The problems that hive_check and hive_plan tell, which are the same; and that hive_apply fails."""
    found = []
    for command in ("hive_check", "hive_plan"):
        done = operator.wrpmesh(command, file)
        done.failed()
        assert "to start" not in done.out.replace("1 node to start", ""), done
        found.append({line for line in done.out.splitlines() if line.startswith("  ! ")})
    assert found[0] == found[1]
    operator.wrpmesh("hive_apply", file).failed()
    return {line.removeprefix("  ! ") for line in found[0]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "MaxSessions 1",
            "its SSH server opens no SFTP for us (open failed); two are needed at a time",
        ),
        ("Subsystem sftp /nowhere", SFTP),
        ("Subsystem sftp /bin/false", SFTP),
    ],
)
def test_no_file_can_be_sent(operator: Operator, line: str, said: str) -> None:
    hosts = operator.hosts
    config = hosts.path(1, "/etc/ssh/sshd_config")
    usual = config.read_text()
    hosts.stop_sshd(1)
    config.write_text("\n".join([line, *(one for one in usual.split("\n") if one.split()[:1] != line.split()[:1]), ""]))
    hosts.start_sshd(1)
    try:
        (problem,) = told(operator, operator.topology((1,)))
    finally:
        hosts.stop_sshd(1)
        config.write_text(usual)
        hosts.start_sshd(1)
    assert problem.startswith(said)
    hosts.until_idle(1)


def test_no_file_can_be_made(operator: Operator) -> None:
    hosts = operator.hosts
    hosts.run(1, "mount", "-t", "tmpfs", "-o", "size=1g,nr_inodes=20,mode=755", "none", "/var/lib")
    try:
        (problem,) = told(operator, operator.topology((1,)))
    finally:
        hosts.usual_disk(1)
    assert problem.startswith("the disk of /var/lib/wrpme takes only 19 more files (its inodes are nearly used up)")


def test_two_names_of_one_machine(operator: Operator) -> None:
    hosts = operator.hosts
    (hosts.home / ".ssh/config").write_text(f"Host twin\n HostName {hosts.addresses[0]}\n")
    file = operator.topology((1, 2))
    text = (operator.directory / file).read_text()
    address = f"{hosts.addresses[0]}:{PORT + 1}"
    (operator.directory / file).write_text(f'{text}\n[[node]]\nhost = "twin"\naddress = "{address}"\n')
    for command in ("hive_check", "hive_plan"):
        done = operator.wrpmesh(command, file)
        assert "twin" in done.failed() and hosts.addresses[0] not in done.failed()
        problems = [line for line in done.out.splitlines() if line.startswith("  ! ")]
        assert problems == [
            f"  ! it is the same machine as {hosts.addresses[0]}; say the same host for both of its nodes"
        ]
    (hosts.home / ".ssh/config").unlink()
