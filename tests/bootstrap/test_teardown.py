"""A hive is stopped, started again with its data, and taken away without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.hives import Operator, daemons
from tests.bootstrap.ssh_hosts import SshHosts


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Operator]:
    directory = tmp_path_factory.mktemp("teardown")
    with SshHosts(directory / "hosts", 2) as hosts:
        yield Operator(hosts, directory, cache=bundles)


def test_stop_start_and_destroy(operator: Operator) -> None:
    hosts = operator.hosts
    bare = {number: hosts.files(number) for number in hosts.numbers}
    file = operator.topology((1, 2))
    assert "hive_apply does that" in operator.wrpmesh("hive_start", file).err
    assert {number: hosts.files(number) for number in hosts.numbers} == bare
    operator.wrpmesh("hive_apply", file).ok()
    operator.on(1, "put", "entry", "content").ok()

    assert operator.wrpmesh("hive_stop", file).ok().err.count(" stopped") == 2
    assert not any(daemons(hosts, number) for number in hosts.numbers)
    assert operator.wrpmesh("hive_stop", file).ok().err.count("no node of the file runs here") == 2
    started = operator.wrpmesh("hive_start", file).ok()
    assert "all 2 nodes are up" in started.out, started
    assert operator.on(2, "get", "entry").ok().out == "content"
    assert operator.wrpmesh("hive_start", file).ok().err.count("runs already") == 2

    files = {number: hosts.files(number) for number in hosts.numbers}
    refused = operator.wrpmesh("hive_destroy", file, given=b"YES\n")
    assert refused.failed().startswith("usage: hive_destroy was not carried out"), refused
    assert operator.on(1, "get", "entry").ok().out == "content"
    assert {path: 0 for found in files.values() for path in found} == {
        path: 0 for number in hosts.numbers for path in hosts.files(number)
    }

    operator.wrpmesh("hive_destroy", file, given=b"yes\n").ok()
    assert {number: hosts.files(number) for number in hosts.numbers} == bare
    hosts.until_idle()
    assert operator.wrpmesh("hive_destroy", file, given=b"yes\n").ok().err.count("nothing of the file was there") == 2
    assert {number: hosts.files(number) for number in hosts.numbers} == bare


def test_what_another_file_made_and_what_is_not_ours_stays(operator: Operator) -> None:
    """On a host that serves two files, and where the operator has put something."""
    hosts = operator.hosts
    one = operator.topology((1,))
    host = hosts.addresses[0]
    other = Path(operator.directory / "other.toml")
    other.write_text(f'[defaults]\nuser = "root"\n[[node]]\nhost = "{host}"\naddress = "{host}:6000"\n')
    operator.wrpmesh("hive_apply", one).ok()
    operator.wrpmesh("hive_apply", other.name).ok()
    operator.wrpmesh("hive_destroy", one, "--yes").ok()
    assert len(daemons(hosts, 1)) == 1
    operator.wrpmesh("--daemon", f"{host}:6000", "put", "entry", "content").ok()

    foreign = hosts.path(1, "/var/lib/wrpme/notes.txt")
    foreign.write_text("of the operator")
    done = operator.wrpmesh("hive_destroy", other.name, "--yes").ok()
    assert "notes.txt" in done.err
    assert foreign.read_text() == "of the operator"
    assert {path.name for path in hosts.path(1, "/var/lib/wrpme").iterdir()} == {"notes.txt", "made.json"}
    hosts.until_idle(1)
    foreign.unlink()
    operator.wrpmesh("hive_destroy", other.name, "--yes").ok()
    assert not hosts.path(1, "/var/lib/wrpme").exists(), "that it was made is not forgotten"
