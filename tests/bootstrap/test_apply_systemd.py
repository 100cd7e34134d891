"""Where a machine has systemd, it keeps the nodes running that wrpmesh brings there: one of root, and one of a
user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.hives import PORT, PRIVATE, Operator, daemons, modes
from tests.bootstrap.ssh_hosts import USER, USER_ID, SshHosts, until

UNIT_PLACES = {"root": "/etc/systemd/system", USER: f"/home/{USER}/.config/systemd/user"}
BASES = {"root": "/var/lib/wrpme", USER: f"/home/{USER}/.local/share/wrpme"}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Operator]:
    directory = tmp_path_factory.mktemp("systemd")
    with SshHosts(directory / "hosts", 2, systemd=True) as hosts:
        for number in hosts.numbers:
            hosts.start_user_manager(number)
        yield Operator(hosts, directory, cache=bundles)


def systemctl(hosts: SshHosts, number: int, user: str, *words: str) -> str:
    if user == "root":
        return hosts.run(number, "systemctl", *words, check=False).strip()
    as_user = ["setpriv", f"--reuid={USER_ID}", "--clear-groups", "env", f"XDG_RUNTIME_DIR=/run/user/{USER_ID}"]
    return hosts.run(number, *as_user, "systemctl", "--user", *words, check=False).strip()


def kill(hosts: SshHosts, number: int) -> None:
    """Returns once systemd has started the node again."""
    (before,) = daemons(hosts, number)
    hosts.kill(number, before)
    until("systemd starts it again", lambda: daemons(hosts, number) not in ([], [before]))


def test_a_hive_that_systemd_keeps_running(operator: Operator) -> None:
    hosts = operator.hosts
    users = {1: "root", 2: USER}
    file = operator.topology((1, 2))
    topology = operator.directory / file
    second = f'host = "{hosts.addresses[1]}"\n'
    topology.write_text(topology.read_text().replace(second, f'{second}user = "{USER}"\n'))
    applied = operator.wrpmesh("hive_apply", file).ok()
    assert "the hive is stable: all 2 nodes are up" in applied.out, applied
    names = {number: f"wrpme-{hosts.addresses[number - 1]}-{PORT}.service" for number in hosts.numbers}

    def unit(number: int, word: str) -> str:
        return systemctl(hosts, number, users[number], word, names[number])

    for number, name in names.items():
        assert unit(number, "is-active") == "active"
        assert unit(number, "is-enabled") == "enabled"
        assert hosts.path(number, f"{UNIT_PLACES[users[number]]}/{name}").exists()
        assert modes(hosts, number, BASES[users[number]]) == PRIVATE
    assert operator.wrpmesh("hive_apply", file).ok().err.count("nothing to do") == 2

    for number in hosts.numbers:
        kill(hosts, number)
        operator.on(3 - number, "wait_stable", "60").ok()

    operator.wrpmesh("hive_stop", file).ok()
    assert not any(daemons(hosts, number) for number in hosts.numbers)
    assert [unit(number, "is-active") for number in hosts.numbers] == ["inactive"] * 2
    operator.wrpmesh("hive_start", file).ok()

    operator.wrpmesh("hive_destroy", file, "--yes").ok()
    for number, name in names.items():
        assert not daemons(hosts, number)
        assert not hosts.path(number, f"{UNIT_PLACES[users[number]]}/{name}").exists()
        assert unit(number, "is-enabled") != "enabled"
